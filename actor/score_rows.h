/*
 * score_rows.h - rows of `argosy score`: one line of JSON in, one verdict out.
 *
 * A row: response (or completion, solution_str, output), or pred, which is an
 * answer where it has no mark of one; ground_truth (or gold, answer, label,
 * solution, reward_model.ground_truth); and if it likes prompt (or question,
 * problem), data_source, metadata (else the row itself), level, n_tokens,
 * finish_reason, id or index.
 */
#ifndef ARGOSY_ACTOR_SCORE_ROWS_H
#define ARGOSY_ACTOR_SCORE_ROWS_H

#include "actor/reward/reward.h"
#include "common/base/json.h"

struct score_row {
    char *line; // malloc'ed; reused from row to row
    size_t capacity_bytes, size_bytes;
    uint64_t number;   // of the line, from 1
    char *id_key, *id; // malloc'ed: "id" or "index" and its JSON text; NULL: the number
    struct problem problem;
    char *source;   // malloc'ed
    char *response; // malloc'ed
    size_t response_bytes;
    bool is_stopped, is_bad;
    uint32_t n_tokens;
    struct err err; // when is_bad
    struct score score;
    struct json_writer verdict;
    bool is_scored;
};

// Reads row->line.  -1: row->err says what is wrong, without the line's number.
int score_row_read(struct score_row *row);
struct reward_case score_row_case(const struct score_row *row);
// The verdict as a line, from the score, or from err when is_bad.
void score_row_write(struct score_row *row);
void score_row_clear(struct score_row *row); // for the next line
void score_row_fini(struct score_row *row);

#endif
