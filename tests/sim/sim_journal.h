/*
 * sim_journal.h - a journal in memory, and the set of what it holds durably.
 */
#ifndef ARGOSY_TESTS_SIM_SIM_JOURNAL_H
#define ARGOSY_TESTS_SIM_SIM_JOURNAL_H

#include "proto/journal_format.h"

struct sim_key { // a sample; prompt and sample all ones: the lease itself
    uint64_t lease, prompt;
    uint32_t sample;
};

struct sim_journal {
    struct wire_buffer records; // whole records, durable
    struct wire_buffer word_of; // called synced, and not: only with the planted bug
    uint64_t last_sequence;     // of the durable ones
    struct sim_key *keys;       // open addressing
    size_t n_keys, n_slots;
};

void sim_journal_init(struct sim_journal *j);
void sim_journal_fini(struct sim_journal *j);
void sim_journal_add(struct sim_journal *j, const void *records, size_t size_bytes);
// The record at *at, which moves behind it; false: the end.
bool sim_journal_next(const struct sim_journal *j, size_t *at, struct journal_record *out);
bool sim_journal_has(const struct sim_journal *j, uint64_t lease, uint64_t prompt, uint32_t sample);
bool sim_journal_has_lease(const struct sim_journal *j, uint64_t lease);

#endif
