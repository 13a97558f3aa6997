/*
 * golden.h - the tensors that another implementation computed (tests/golden/,
 * made by scripts/make_goldens.py), and small models of our own.
 */
#ifndef ARGOSY_TESTS_SUPPORT_GOLDEN_H
#define ARGOSY_TESTS_SUPPORT_GOLDEN_H

#include "common/base/json.h"
#include "common/model/weights.h"

// Any failure to read a golden ends the program with the reason.
struct golden {
    char folder[256];
    struct json_document *document;
    struct json root;
    float *values; // golden.bin
    size_t n_values;
    struct params params;
    uint16_t *flat; // model.safetensors
};
void golden_open(struct golden *g, const char *name);
void golden_open_weights(struct golden *g, const char *name); // no more than the model
void golden_close(struct golden *g);

// An array by name; its length must be `count`.
const float *golden_array(const struct golden *g, const char *name, size_t count);
double golden_number(const struct golden *g, const char *key);

// |a - b| / |b| over count values, and the largest |a - b|.
double relative_distance(const float *a, const float *b, size_t count);
double largest_difference(const float *a, const float *b, size_t count);

// Weights from a counter: matrices about `scale` / sqrt(inputs), gains about 1.
uint16_t *random_flat(const struct params *params, uint64_t seed, float scale);

// The folder of data that does not live in the repository, or NULL (said loudly).
const char *outside_data(const char *what);

#endif
