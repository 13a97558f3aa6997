/*
 * workload.h - everything textual about a run: tokenizer, template, tasks,
 * rewards, pre-training corpus.
 *
 * Built from the spec (JSON) and the files the learner serves.  The rest of an
 * actor sees token ids, numbers and opaque problems.  Prompt n and document n
 * are pure functions of (spec, files, n): the same on every actor.
 *
 * The spec, all keys optional but one of "task", "corpus" and "files" (unknown keys are
 * refused):
 *   {"seed": 1,
 *    "prompt_suffix": text put after each problem,
 *    "literal_prompts": true: special tokens spelled out in a problem are text,
 *    "template": "auto" | a name of template_names() | any text with {prompt},
 *    "task":    {"name": "dials" | "jsonl" | "countdown" | "chain_sum" | ..., ...},
 *    "rewards": [{"name": "accuracy", "weight": 1}, {"name": "format"}, ...],
 *    "corpus":  {"name": "dials" | "jsonl" | "worked", ...},
 *    "files":   {"train": NAMES, "eval": NAMES, "sft": NAMES},
 *    "data":    {"on_bad_row": "stop" | "skip", "prompt_key": ..., "grader": ...}}
 * The keys of tasks and corpora stand in the tables of task_*.c, generate_*.c,
 * dials.c and corpus_*.c.  Files: config.json and tokenizer.json; where the
 * model has them generation_config.json, tokenizer_config.json, chat_template.jinja
 * and chat_template.json; data files by any name.
 *
 * Thread-safe for readers once created; scoring and polling are one thread's.
 * Scoring is asked for and collected separately, because a scorer may be a
 * process that takes seconds.
 */
#ifndef ARGOSY_ACTOR_WORKLOAD_H
#define ARGOSY_ACTOR_WORKLOAD_H

#include "actor/data/served_files.h"
#include "actor/reward/score.h"
#include "common/base/err.h"
#include "common/model/shape.h"
#include "proto/messages.h"

struct workload;

// The bytes of the files must outlive the workload.
struct workload *workload_create(const char *spec, const struct served_file *files, size_t n_files,
                                 struct err *err);
void workload_destroy(struct workload *w);

const struct shape *workload_shape(const struct workload *w); // of the served config.json
uint32_t workload_sequence_max(const struct workload *w);     // tokens of a prompt and its response
void workload_hashes(const struct workload *w, struct ready *out);

// Ids that end a response (at least one; from generation config and tokenizer).
size_t workload_stop_ids(const struct workload *w, const uint32_t **ids);

struct problem; // text and reference answer of one prompt; owned by its prompt

struct prompt {
    uint32_t *tokens; // malloc'ed
    uint32_t n_tokens;
    uint32_t n_skipped; // bad rows in whose place it stands
    struct problem *problem;
};
// kind: LEASE_GENERATE draws from the training set, LEASE_EVAL from the held-out one.
// ERR_FORMAT: a row of a data file is bad (OUTCOME_BAD_DATA); ERR_LIMIT: longer
// than the context (OUTCOME_PROMPT_TOO_LONG).
int workload_prompt(const struct workload *w, enum lease_kind kind, uint64_t index,
                    struct prompt *out, struct err *err);
void prompt_fini(struct prompt *p);
// How many prompts of this kind there are before they repeat; 0: without end.
uint64_t workload_prompt_count(const struct workload *w, enum lease_kind kind);

// One pre-training or SFT sequence: ids and the loss weight of each as a target
// (loss_mask[0] is never used).
struct document {
    uint32_t *tokens; // malloc'ed
    float *loss_mask; // malloc'ed
    uint32_t n_tokens;
    uint32_t n_skipped; // bad rows in whose place it stands
};
int workload_document(const struct workload *w, uint64_t index, struct document *out,
                      struct err *err);
void document_fini(struct document *d);

// Some reward runs a command that the spec names.
bool workload_has_commands(const struct workload *w);
// Makes rewards ready that ask processes (commands, sandboxes); an error says what
// is missing.  Until then nothing is run and such rewards are outcomes.
int workload_start_scorers(struct workload *w, struct err *err);

// Asks for a score; `ticket` comes back with it, whatever becomes of it.  The
// response is copied.  Rules are judged at once and collected by the next poll.
// -1: it cannot be asked for.
int workload_score(struct workload *w, uint64_t ticket, const struct prompt *prompt,
                   const uint32_t *response, uint32_t n_tokens, enum finish_reason finish,
                   struct err *err);
// True: one finished score.  False: none at the moment.  Drives scorers that are
// processes; never waits.
bool workload_poll(struct workload *w, uint64_t *ticket, struct score *out);
void workload_cancel(struct workload *w, uint64_t ticket); // nobody wants this score any more
size_t workload_scoring(const struct workload *w);         // asked for and not yet collected
// Readable when a scorer has something to say; -1: there is no such scorer.
int workload_scorer_fd(const struct workload *w);

// For people and logs: malloc'ed text of ids; of a response as scoring reads it,
// without the id that ended it.
char *workload_text(const struct workload *w, const uint32_t *tokens, uint32_t n_tokens);
char *workload_response(const struct workload *w, const uint32_t *tokens, uint32_t n_tokens);

#endif
