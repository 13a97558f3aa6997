/*
 * bpe.h - byte-pair merges: a list of ids shrinks by the lowest-ranked
 * neighbours until no rule applies.
 *
 * Short pieces are scanned; long ones use a heap, so that a run of one letter
 * of any length costs n log n.  The rules are immutable once filled.
 */
#ifndef ARGOSY_ACTOR_TOKENIZER_BPE_H
#define ARGOSY_ACTOR_TOKENIZER_BPE_H

#include <stddef.h>
#include <stdint.h>

struct bpe_rule {
    uint64_t pair; // left id in the upper half
    uint32_t rank; // BPE_NO_RANK: free slot
    uint32_t merged;
};

struct bpe {
    struct bpe_rule *slots; // open addressing
    uint32_t n_slots;       // a power of two
    uint32_t n_rules;
};

#define BPE_NO_RANK UINT32_MAX

void bpe_init(struct bpe *b, uint32_t n_rules_max);
void bpe_fini(struct bpe *b);

// A pair that has a rule already keeps it.
void bpe_add(struct bpe *b, uint32_t left, uint32_t right, uint32_t rank, uint32_t merged);

struct bpe_scratch { // grows as needed
    void *memory;
    size_t size_bytes;
};
void bpe_scratch_init(struct bpe_scratch *s);
void bpe_scratch_fini(struct bpe_scratch *s);

// Merges ids (n) in place and returns how many are left.
uint32_t bpe_merge(const struct bpe *b, struct bpe_scratch *s, uint32_t *ids, uint32_t n);

#endif
