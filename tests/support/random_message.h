/*
 * random_message.h - a well-formed message of any type with random content,
 * and whether two messages say the same.
 */
#ifndef ARGOSY_TESTS_SUPPORT_RANDOM_MESSAGE_H
#define ARGOSY_TESTS_SUPPORT_RANDOM_MESSAGE_H

#include "common/base/rng.h"
#include "proto/messages.h"

#define RANDOM_TOKENS_MAX 600
#define RANDOM_CHUNK_BYTES_MAX 5000
#define RANDOM_TEXT_BYTES 16384

struct random_message {
    struct message message; // points into what follows
    uint32_t tokens[RANDOM_TOKENS_MAX];
    float loss_mask[RANDOM_TOKENS_MAX];
    float logprobs[RANDOM_TOKENS_MAX];
    float logprobs_behaviour[RANDOM_TOKENS_MAX];
    struct hash chunks[8];
    unsigned char bytes[RANDOM_CHUNK_BYTES_MAX];
    char texts[RANDOM_TEXT_BYTES];
    size_t texts_used;
};

// Everything follows from the key, the type and the number.
void random_message_make(struct random_message *out, enum message_type type, uint64_t seed,
                         uint32_t number);

// An array that is NULL on one side and empty on the other counts as the same.
bool message_is_same(const struct message *a, const struct message *b);

#endif
