#include "tests/sim/sim_journal.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

static uint32_t read_u32(const unsigned char *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

void sim_journal_init(struct sim_journal *j)
{
    *j = (struct sim_journal){0};
    wire_buffer_init(&j->records);
    wire_buffer_init(&j->word_of);
}

void sim_journal_fini(struct sim_journal *j)
{
    wire_buffer_fini(&j->records);
    wire_buffer_fini(&j->word_of);
    free(j->keys);
}

static struct sim_key *slot_of(const struct sim_journal *j, const struct sim_key *key)
{
    uint64_t at = (key->lease * 1000003 + key->prompt) * 1000003 + key->sample;
    for (at = (at ^ at >> 29) & (j->n_slots - 1);; at = (at + 1) & (j->n_slots - 1)) {
        struct sim_key *k = &j->keys[at];
        const bool is_it =
            k->lease == key->lease && k->prompt == key->prompt && k->sample == key->sample;
        if (k->lease == 0 || is_it) return k;
    }
}

static void key_add(struct sim_journal *j, struct sim_key key)
{
    if (2 * (j->n_keys + 1) > j->n_slots) {
        const struct sim_journal old = *j;
        j->n_slots = old.n_slots > 0 ? 2 * old.n_slots : 256;
        j->keys = calloc(j->n_slots, sizeof *j->keys);
        CHECK(j->keys != NULL);
        for (size_t i = 0; i < old.n_slots; i++)
            if (old.keys[i].lease != 0) *slot_of(j, &old.keys[i]) = old.keys[i];
        free(old.keys);
    }
    struct sim_key *slot = slot_of(j, &key);
    if (slot->lease == 0) j->n_keys++;
    *slot = key;
}

bool sim_journal_has(const struct sim_journal *j, uint64_t lease, uint64_t prompt, uint32_t sample)
{
    const struct sim_key key = {lease, prompt, sample};
    return j->n_slots > 0 && slot_of(j, &key)->lease != 0;
}

bool sim_journal_has_lease(const struct sim_journal *j, uint64_t lease)
{
    return sim_journal_has(j, lease, UINT64_MAX, UINT32_MAX);
}

static bool next_record(const struct wire_buffer *b, size_t *at, struct journal_record *out)
{
    if (*at >= b->size_bytes) return false;
    const unsigned char *r = b->bytes + *at;
    *out = (struct journal_record){.payload_bytes = read_u32(r),
                                   .type = r[4] | (uint32_t)r[5] << 8,
                                   .payload = r + JOURNAL_RECORD_BYTES};
    memcpy(&out->sequence, r + 8, sizeof out->sequence);
    *at += JOURNAL_RECORD_BYTES + ((out->payload_bytes + 7u) & ~7u);
    return true;
}

bool sim_journal_next(const struct sim_journal *j, size_t *at, struct journal_record *out)
{
    return next_record(&j->records, at, out);
}

void sim_journal_add(struct sim_journal *j, const void *records, size_t size_bytes)
{
    size_t at = j->records.size_bytes;
    struct journal_record r;
    struct err err;
    if (size_bytes == 0) return;
    memcpy(wire_buffer_take(&j->records, size_bytes), records, size_bytes);
    while (sim_journal_next(j, &at, &r)) {
        struct message m;
        struct journal_issued issued;
        CHECK(r.sequence == j->last_sequence + 1);
        j->last_sequence = r.sequence;
        if (r.type == JOURNAL_RESULT && journal_decode_result(&r, &m, &err) == 0)
            key_add(j, (struct sim_key){m.result.lease, m.result.prompt_index, m.result.sample});
        if (r.type == JOURNAL_ISSUED && journal_decode_issued(&r, &issued, &err) == 0)
            key_add(j, (struct sim_key){issued.lease.id, UINT64_MAX, UINT32_MAX});
    }
}
