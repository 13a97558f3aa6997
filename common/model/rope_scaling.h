/*
 * rope_scaling.h - how a config.json stretches its rotary positions.
 *
 * Every rope type is a change to the turn of each pair per position, and for
 * YaRN a factor on sine and cosine as well.  Read from either spelling:
 * rope_scaling with rope_theta beside it, or rope_parameters with rope_theta
 * in it.  A type or a key that is not implemented is refused by name.
 */
#ifndef ARGOSY_COMMON_MODEL_ROPE_SCALING_H
#define ARGOSY_COMMON_MODEL_ROPE_SCALING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/hash.h"
#include "common/base/json.h"

enum rope_type { ROPE_DEFAULT, ROPE_LINEAR, ROPE_LLAMA3, ROPE_YARN };

struct rope_scaling {
    enum rope_type type;
    double factor;                            // all but DEFAULT, at least 1
    uint32_t original_length;                 // LLAMA3, YARN: positions before the stretch
    double low_freq_factor, high_freq_factor; // LLAMA3
    double beta_fast, beta_slow;              // YARN
    double mscale, mscale_all_dim;            // YARN; 0: not given
    double attention_factor;                  // YARN; 0: derived from the others
    bool keeps_fractions;                     // YARN: truncate is false
};

// From the root of a config whose max_position_embeddings is `max_positions`.
int rope_scaling_read(struct rope_scaling *s, double *theta, struct json root,
                      uint32_t max_positions, const char *name, struct err *err);
// The member rope_scaling, unless the type is DEFAULT.
void rope_scaling_write(const struct rope_scaling *s, struct json_writer *out);
void rope_scaling_hash(const struct rope_scaling *s, struct hasher *hasher);

// Positions that the stretch reaches, 0 where it does not say.
uint64_t rope_scaling_reach(const struct rope_scaling *s);

// (head_width/2) turns per position, changed in place.
void rope_scaling_apply(const struct rope_scaling *s, double theta, uint32_t head_width,
                        double *inverse_frequency);
double rope_scaling_magnitude(const struct rope_scaling *s); // on sine and cosine

#endif
