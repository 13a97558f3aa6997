/*
 * normalizer.h - what a tokenizer does to a text before it is cut: normal
 * forms, a prefix, replacements.
 *
 * A list of steps, applied to each stretch between added tokens.  Immutable
 * once created; a user brings the scan.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_NORMALIZER_H
#define ARGOSY_ACTOR_TOKENIZER_NORMALIZER_H

#include "actor/text/text_buffer.h"
#include "actor/tokenizer/tokenizer_nfc.h"
#include "actor/tokenizer/tokenizer_regex.h"
#include "common/base/err.h"
#include "common/base/json.h"

#define NORMALIZER_STEPS_MAX 16

enum normalizer_kind { NORMALIZE_FORM, NORMALIZE_PREPEND, NORMALIZE_REPLACE };

struct normalizer_step {
    enum normalizer_kind kind;
    enum normal_form form;         // NORMALIZE_FORM
    struct tokenizer_regex *regex; // NORMALIZE_REPLACE by pattern; NULL: by `from`
    char *from, *to;               // malloc'ed; NORMALIZE_PREPEND has `to` alone
    size_t from_bytes, to_bytes;
};

struct normalizer {
    struct normalizer_step steps[NORMALIZER_STEPS_MAX];
    size_t n_steps;
};

// From the `normalizer` value of a tokenizer.json (null: no steps).  A kind
// that is not implemented is refused by name.
int normalizer_init(struct normalizer *n, struct json value, struct err *err);
void normalizer_fini(struct normalizer *n);

// The text to be cut: the text itself when no step changes it, else what is
// now in `out`; spare is scratch.  A text may grow by its replacements up to
// a limit, then it fails.
int normalizer_run(const struct normalizer *n, struct regex_scan *scan, struct view text,
                   struct text_buffer *out, struct text_buffer *spare, struct view *result,
                   struct err *err);

#endif
