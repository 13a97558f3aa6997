#include "actor/data/gram_set.h"

#include <stdlib.h>

#include "common/base/err.h"

#define BASE UINT64_C(0x9e3779b97f4a7c15) // odd, so that no word is multiplied away

static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    x ^= x >> 32;
    x *= UINT64_C(0xd6e8feb86659fd93);
    return x ^ (x >> 32);
}

void gram_set_init(struct gram_set *s)
{
    *s = (struct gram_set){.n_places = 1024};
    s->places = calloc(s->n_places, sizeof *s->places);
    CHECK(s->places != NULL);
}

void gram_set_fini(struct gram_set *s)
{
    free(s->places);
    *s = (struct gram_set){0};
}

static struct gram *place_of(const struct gram_set *s, uint64_t hash)
{
    size_t at = hash & (s->n_places - 1);
    while (s->places[at].hash != 0 && s->places[at].hash != hash)
        at = (at + 1) & (s->n_places - 1);
    return &s->places[at];
}

static void grow(struct gram_set *s)
{
    const struct gram_set old = *s;
    s->n_places *= 2;
    s->places = calloc(s->n_places, sizeof *s->places);
    CHECK(s->places != NULL);
    for (size_t i = 0; i < old.n_places; i++)
        if (old.places[i].hash != 0) *place_of(s, old.places[i].hash) = old.places[i];
    free(old.places);
}

void gram_set_add(struct gram_set *s, uint64_t hash, uint32_t row)
{
    struct gram *gram = place_of(s, hash);
    if (gram->hash == 0) {
        const struct gram new = {hash, row, row, 1};
        gram_set_merge(s, &new);
    } else if (gram->last_row != row) {
        gram->last_row = row;
        gram->n_rows++;
    }
}

void gram_set_merge(struct gram_set *s, const struct gram *gram)
{
    if (2 * (s->n + 1) > s->n_places) grow(s);
    struct gram *place = place_of(s, gram->hash);
    if (place->hash != 0) return;
    *place = *gram;
    s->n++;
}

const struct gram *gram_set_find(const struct gram_set *s, uint64_t hash)
{
    const struct gram *gram = place_of(s, hash);
    return gram->hash == 0 ? NULL : gram;
}

bool gram_roll_begin(struct gram_roll *r, const struct canonical_words *words, size_t n)
{
    *r = (struct gram_roll){.words = words, .n = n, .top = 1};
    if (n == 0 || words->n < n) return false;
    for (size_t i = 0; i < n; i++) {
        r->sum = r->sum * BASE + words->words[i].hash;
        if (i > 0) r->top *= BASE;
    }
    return true;
}

bool gram_roll_next(struct gram_roll *r)
{
    if (r->first + r->n >= r->words->n) return false;
    r->sum -= r->top * r->words->words[r->first].hash;
    r->sum = r->sum * BASE + r->words->words[r->first + r->n].hash;
    r->first++;
    return true;
}

// Sequences of different lengths never meet; 0 is no hash.
uint64_t gram_roll_hash(const struct gram_roll *r)
{
    const uint64_t hash = mix(r->sum + (uint64_t)r->n * UINT64_C(0xa0761d6478bd642f));
    return hash == 0 ? 1 : hash;
}
