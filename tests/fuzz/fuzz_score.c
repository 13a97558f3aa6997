/*
 * fuzz_score.c - any row of `argosy score` has a verdict or a reason, and every
 * rule that can be asked judges any response: all values finite, the total their
 * weighted sum.
 *
 * The input is one line; lists of components take turns by its size.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "actor/score_rows.h"
#include "common/base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static const char *const lists[] = {
    "[{\"name\":\"accuracy\"},{\"name\":\"format\"},{\"name\":\"language_consistency\"}]",
    "[{\"name\":\"format\",\"variant\":\"open_r1\"},{\"name\":\"repetition\"},"
    "{\"name\":\"format\",\"label\":\"tags\",\"variant\":\"tag_count\",\"weight\":-2}]",
    "[{\"name\":\"language_consistency\",\"language\":\"zh\"},"
    "{\"name\":\"format\",\"variant\":\"think\"},{\"name\":\"repetition\",\"ngram_size\":1}]",
    "[{\"name\":\"accuracy\",\"strict\":true,\"partial\":true},"
    "{\"name\":\"overlong\",\"len\":4,\"max_response_length\":64},"
    "{\"name\":\"cosine\",\"max_len\":64}]",
};
enum { LISTS = sizeof lists / sizeof lists[0] };

static struct rewards *rewards_of(size_t i)
{
    static struct rewards all[LISTS]; // live as long as the process
    static const struct reward_setting setting = {.max_response_length = UINT32_MAX};
    if (all[i].count > 0) return &all[i];
    struct err err;
    struct json_document *document = json_parse(lists[i], strlen(lists[i]), "list", &err);
    CHECK(document != NULL && rewards_init(&all[i], json_root(document), &setting, &err) == 0);
    json_destroy(document);
    return &all[i];
}

static void check_score(const struct rewards *r, const struct score *s)
{
    double total = 0;
    if (s->outcome != OUTCOME_OK) {
        CHECK(s->outcome_text[0] != '\0' && s->n_rewards == 0 && s->reward == 0);
        return;
    }
    CHECK(s->n_rewards == r->count);
    for (uint32_t i = 0; i < r->count; i++) {
        CHECK(isfinite(s->rewards[i].value));
        total += r->items[i].weight * s->rewards[i].value;
    }
    CHECK(fabs(total - s->reward) <= 1e-9 * (1 + fabs(total)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct rewards *rewards = rewards_of(size_bytes % LISTS);
    struct score_row row = {.size_bytes = size_bytes, .number = 1};
    row.line = malloc(size_bytes + 1);
    CHECK(row.line != NULL);
    if (size_bytes > 0) memcpy(row.line, bytes, size_bytes);
    row.line[size_bytes] = '\0';
    row.is_bad = score_row_read(&row) != 0;
    if (row.is_bad) {
        CHECK(row.err.text[0] != '\0');
    } else {
        const struct reward_case c = score_row_case(&row);
        rewards_judge(rewards, &c, &row.score);
        check_score(rewards, &row.score);
    }
    score_row_write(&row);
    struct err err;
    struct json_document *verdict =
        json_parse(row.verdict.bytes, row.verdict.size_bytes, "verdict", &err);
    CHECK(verdict != NULL && json_is_present(json_member(json_root(verdict), "outcome")));
    json_destroy(verdict);
    score_row_fini(&row);
    return 0;
}
