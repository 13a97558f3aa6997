/*
 * corpus.h - documents to learn from by next-token prediction.
 *
 * Document n is a pure function of (spec, files, n).  It is text in segments,
 * each with the loss weight of its tokens; the end-of-text token follows with
 * weight 1, unless what was learned ends in one.  Segments meet where tokens do.
 */
#ifndef ARGOSY_ACTOR_CORPUS_CORPUS_H
#define ARGOSY_ACTOR_CORPUS_CORPUS_H

#include "actor/data/served_files.h"
#include "actor/task/task.h"
#include "actor/template/template.h"
#include "actor/text/text_buffer.h"

#define CORPUS_SEGMENTS_MAX 4096

struct corpus_text {
    struct text_buffer text;
    struct corpus_segment {
        size_t size_bytes;
        float weight;
    } * segments; // malloc'ed
    uint32_t n_segments, room;
    bool is_whole; // a template wrote it that is (template.h): no BOS is put before it
};
void corpus_text_init(struct corpus_text *t);
void corpus_text_fini(struct corpus_text *t);
// What was added to `text` since the last segment becomes one, or joins the last
// one if that has the same weight.
void corpus_text_close_segment(struct corpus_text *t, float weight);

// The template around what a user says, and a segment closed after it.
void corpus_text_add_prompt(struct corpus_text *t, const struct template *template,
                            const char *prompt, float weight);

struct corpus_setting { // what the rest of the spec says; borrowed for the corpus's life
    const struct task *task;
    const struct template *template;
    const struct served_files *files;
    uint64_t seed;
};

struct corpus_kind {
    const char *name;
    void *(*create)(struct json spec, const struct corpus_setting *setting, struct err *err);
    void (*destroy)(void *state);
    int (*write)(const void *state, uint64_t n, struct corpus_text *out, struct err *err);
    // What stands in for document n when it cannot be used (task.h); may be NULL.
    int (*substitute)(const void *state, uint64_t n, uint32_t attempt, struct corpus_text *out,
                      struct err *err);
};

extern const struct corpus_kind corpus_dials, corpus_jsonl, corpus_worked;

struct corpus {
    const struct corpus_kind *kind; // NULL: the spec has none
    void *state;
};

int corpus_init(struct corpus *c, struct json spec, const struct corpus_setting *setting,
                struct err *err);
void corpus_fini(struct corpus *c);

#endif
