/*
 * actor_spec.h - what actors are told of a stage: the spec and the files.
 *
 * The spec is JSON {"seed", "template", "task", "rewards", "corpus", "files"},
 * passed on as the recipe has it: the learner reads no text.  Files are the
 * model's (config.json, tokenizer.json, ...), the data files under data/, and
 * what the recipe lists besides; "files" says which served name has which role.
 */
#ifndef ARGOSY_LEARNER_ACTOR_SPEC_H
#define ARGOSY_LEARNER_ACTOR_SPEC_H

#include "learner/gate.h"
#include "learner/options.h"

struct actor_spec {
    char *text; // the spec
    struct gate_file files[FILES_MAX];
    size_t n_files;
    char *strings[2 * FILES_MAX]; // owned: names and paths
    size_t n_strings;
};

// Missing files are an error that names them.
int actor_spec_make(struct actor_spec *s, const struct options *o, struct err *err);
void actor_spec_fini(struct actor_spec *s);

// RUN/actor_spec.json, {"spec": ..., "files": [{"name", "path"}]}: with it tools read the
// journal's samples as their actors did (`argosy show`).
#define ACTOR_SPEC_FILE "actor_spec.json"
int actor_spec_save(const struct actor_spec *s, const char *run_folder, struct err *err);

// The hashes that an actor's READY must carry (sampler: none, the first's).
int actor_spec_expected(const struct actor_spec *s, const struct shape *shape, struct ready *out,
                        struct err *err);

#endif
