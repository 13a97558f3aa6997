/*
 * gram_set.h - hashes of word sequences, each with the row it was first seen in.
 *
 * A sequence is named by 64 bits that roll over the hashes of its words: with a
 * million sequences held, one in 18 million millions that is not among them would
 * be taken for one.
 */
#ifndef ARGOSY_ACTOR_DATA_GRAM_SET_H
#define ARGOSY_ACTOR_DATA_GRAM_SET_H

#include <stddef.h>
#include <stdint.h>

#include "actor/data/canonical_words.h"

struct gram {
    uint64_t hash; // 0: an empty place
    uint32_t row;  // the caller's number, of the first that has it
    uint32_t last_row;
    uint32_t n_rows; // that have it
};

struct gram_set {
    struct gram *places; // malloc'ed; a power of two of them
    size_t n_places, n;
};

void gram_set_init(struct gram_set *s);
void gram_set_fini(struct gram_set *s);
// Rows come in ascending order.
void gram_set_add(struct gram_set *s, uint64_t hash, uint32_t row);
void gram_set_merge(struct gram_set *s, const struct gram *gram);          // keeps what it has
const struct gram *gram_set_find(const struct gram_set *s, uint64_t hash); // NULL: not in it

// Rolls over the sequences of n words: the hash of words[first .. first + n).
struct gram_roll {
    const struct canonical_words *words;
    size_t n, first;
    uint64_t sum, top; // top: what the word that falls out was multiplied by
};
// False: there are fewer than n words.
bool gram_roll_begin(struct gram_roll *r, const struct canonical_words *words, size_t n);
bool gram_roll_next(struct gram_roll *r); // false: that was the last
uint64_t gram_roll_hash(const struct gram_roll *r);

#endif
