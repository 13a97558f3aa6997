#include "actor/engine/sampler.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/math/expf.h"
#include "common/math/softmax.h"

// From so many on, sorting by digits is faster than by comparisons.
#define SORT_MANY 512

struct candidate {
    float probability;
    uint32_t token;
};

bool sampling_modifies(const struct sampling *s)
{
    return s->temperature != 1.0f || s->top_p < 1.0f || s->top_k != 0;
}

// Probabilities, candidates, and the candidates on their way through a sort.
size_t sampler_scratch_bytes(size_t n)
{
    return n * (sizeof(float) + 2 * sizeof(struct candidate));
}

// 53 random bits as a double in [0, 1): a float's 24 would never reach a token
// of probability below 6e-8.
static double unit_of(struct rng_words words)
{
    uint64_t bits = ((uint64_t)words.word[0] << 21) ^ (words.word[1] >> 11);
    return (double)(bits & ((1ull << 53) - 1)) * 0x1p-53;
}

static uint32_t most_probable(const float *logits, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return (uint32_t)best;
}

// The index at `unit` of the total mass; the last one with any mass if rounding
// leaves the walk short of it.
static size_t walk(const float *probability, size_t n, double unit)
{
    double total = 0.0;
    for (size_t i = 0; i < n; i++)
        total += (double)probability[i];
    const double goal = unit * total;
    double sum = 0.0;
    size_t last = 0;
    for (size_t i = 0; i < n; i++) {
        if (probability[i] <= 0.0f) continue;
        sum += (double)probability[i];
        last = i;
        if (sum > goal) break;
    }
    return last;
}

// A digit of the inverted bits: the larger float comes first.
static uint32_t digit_of(const struct candidate *c, unsigned shift, uint32_t mask)
{
    uint32_t bits;
    memcpy(&bits, &c->probability, sizeof bits);
    return (~bits >> shift) & mask;
}

static int by_probability(const void *left, const void *right)
{
    const struct candidate *a = left, *b = right;
    if (a->probability != b->probability) return a->probability > b->probability ? -1 : 1;
    return a->token < b->token ? -1 : a->token > b->token;
}

// Descending by probability, ascending by token among equals, in time linear in
// n: digits of the float's bits, which order as positive floats do.  `from` is
// ascending by token and every pass keeps the order of equals.
static void sort_many(struct candidate *items, struct candidate *spare, size_t n)
{
    enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS, PASSES = 3 };
    struct candidate *from = items, *to = spare;
    for (unsigned pass = 0; pass < PASSES; pass++) {
        size_t place[DIGITS] = {0};
        const unsigned shift = pass * DIGIT_BITS;
        for (size_t i = 0; i < n; i++)
            place[digit_of(&from[i], shift, DIGITS - 1)]++;
        size_t sum = 0;
        for (size_t d = 0; d < DIGITS; d++) {
            const size_t count = place[d];
            place[d] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++)
            to[place[digit_of(&from[i], shift, DIGITS - 1)]++] = from[i];
        struct candidate *swap = from;
        from = to;
        to = swap;
    }
    memcpy(items, from, n * sizeof *items); // three passes end in the spare
}

static void sort_candidates(struct candidate *items, struct candidate *spare, size_t n)
{
    if (n < SORT_MANY)
        qsort(items, n, sizeof *items, by_probability);
    else
        sort_many(items, spare, n);
}

// The tokens kept by top-k and top-p, most probable first.  Tokens below
// (1 - top_p) / n hold less than 1 - top_p together, so the nucleus lies wholly
// among the others and only those are sorted.
static size_t truncate_candidates(struct candidate *out, const float *probability, size_t n,
                                  const struct sampling *s)
{
    const float floor = s->top_p < 1.0f ? (1.0f - s->top_p) / (float)n : 0.0f;
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (probability[i] >= floor && probability[i] > 0.0f)
            out[count++] = (struct candidate){probability[i], (uint32_t)i};
    sort_candidates(out, out + n, count);
    if (s->top_k != 0 && count > s->top_k) count = s->top_k;
    if (s->top_p >= 1.0f) return count;
    double kept = 0.0;
    for (size_t i = 0; i < count; i++) {
        kept += (double)out[i].probability;
        if (kept >= (double)s->top_p) return i + 1;
    }
    return count;
}

// Draws from the kept candidates, renormalised.
static void draw_truncated(struct draw *d, float *probability, size_t n, const struct sampling *s,
                           double unit)
{
    struct candidate *kept = (struct candidate *)(void *)(probability + n);
    const size_t count = truncate_candidates(kept, probability, n, s);
    double mass = 0.0;
    for (size_t i = 0; i < count; i++) {
        probability[i] = kept[i].probability;
        mass += (double)kept[i].probability;
    }
    const size_t chosen = walk(probability, count, unit);
    d->token = kept[chosen].token;
    d->logprob_behaviour = math_log((float)((double)kept[chosen].probability / mass));
}

// Draws at a temperature other than 1, perhaps truncated.
static void draw_modified(struct draw *d, const float *logits, size_t n, const struct sampling *s,
                          double unit, float *probability)
{
    for (size_t i = 0; i < n; i++)
        probability[i] = logits[i] / s->temperature;
    const float logsumexp = softmax_row(probability, n).logsumexp;
    softmax_probabilities(probability, probability, n, logsumexp);
    if (s->top_p < 1.0f || s->top_k != 0) {
        draw_truncated(d, probability, n, s, unit);
        return;
    }
    d->token = (uint32_t)walk(probability, n, unit);
    d->logprob_behaviour = logits[d->token] / s->temperature - logsumexp;
}

struct draw sampler_draw(const float *logits, size_t n, const struct sampling *s,
                         struct rng_words key, void *scratch)
{
    CHECK(n > 0 && s->temperature >= 0.0f);
    struct draw d;
    const float logsumexp = softmax_row(logits, n).logsumexp;
    if (s->temperature == 0.0f) {
        d.token = most_probable(logits, n);
        d.logprob_behaviour = 0.0f; // drawn with certainty
    } else if (sampling_modifies(s)) {
        draw_modified(&d, logits, n, s, unit_of(key), scratch);
    } else {
        softmax_probabilities(scratch, logits, n, logsumexp);
        d.token = (uint32_t)walk(scratch, n, unit_of(key));
        d.logprob_behaviour = logits[d.token] - logsumexp;
    }
    d.logprob = logits[d.token] - logsumexp;
    return d;
}

struct hash sampler_hash(void)
{
    static const char behaviour[] = "philox4x32-10 inverse-cdf 53-bit ascending v1";
    return hash_of(behaviour, sizeof behaviour - 1);
}
