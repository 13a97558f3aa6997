/*
 * preset.h - models made from nothing: shape, vocabulary and first weights.
 *
 * A weight is a pure function of (preset, seed, tensor, row, column).
 */
#ifndef ARGOSY_ACTOR_PRESET_H
#define ARGOSY_ACTOR_PRESET_H

#include <stdbool.h>
#include <stdint.h>

#include "actor/tokenizer/tokenizer_words.h"
#include "common/base/err.h"
#include "common/base/json.h"
#include "common/model/shape.h"

struct preset {
    const char *name;
    const char *help;         // one line
    struct shape shape;       // vocab_size 0: as many as there are words
    const struct word *words; // id is the place; NULL: <pad>, <eos>, w2, w3, ...
    size_t n_words;
    bool is_spaced;   // texts have white space between words
    bool is_borrower; // has the tokenizer of a folder that the user names
    // standard deviations of the first weights; a linear not named here has
    // 1/sqrt(inputs), those that end a residual branch 1/sqrt(2 L) of that
    float embedding_std, head_std;
    float bias_std;    // of q, k and v
    float q_norm_gain; // with 1 and RMS-normed heads attention starts too flat
};

extern const struct preset presets[];
extern const size_t n_presets;
const struct preset *preset_find(const char *name); // NULL: no such
// Its shape, the vocabulary filled in where it is that of its words.
struct shape preset_shape(const struct preset *p);

// Fills `folder`, which exists: config.json, tokenizer.json,
// tokenizer_config.json, generation_config.json, model.safetensors.
// `tokenizer` is the folder a borrower's tokenizer comes from, NULL for others.
int preset_write(const struct preset *p, uint64_t seed, const char *tokenizer, const char *folder,
                 struct err *err);
// config.json alone.
int preset_config(const struct preset *p, const char *tokenizer, struct json_writer *out,
                  struct err *err);

#endif
