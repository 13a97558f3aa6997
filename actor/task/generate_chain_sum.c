#include <inttypes.h>
#include <string.h>

#include "actor/task/generator.h"
#include "actor/task/worked_sum.h"
#include "common/base/hash.h"

// Sums and differences of whole numbers, from left to right; level L has L + 1
// terms.  Differs from reasoning-gym in nothing but the wording.

#define TERMS_MAX 64
#define DIGITS_MAX 15 // so that TERMS_MAX of them fit into 64 bits

struct chain_sum_parameters {
    uint32_t min_terms, max_terms, min_digits, max_digits;
    bool allow_negation;
};

struct chain_sum {
    uint32_t n_terms, n_digits;
    int64_t terms[TERMS_MAX];
    char operators[TERMS_MAX]; // before term i; [0] is '+'
};

#define FIELD(key, type, max)                                                                      \
    {                                                                                              \
#key, type, offsetof(struct chain_sum_parameters, key), 1, max                             \
    }
static const struct spec_field fields[] = {
    FIELD(min_terms, SPEC_U32, TERMS_MAX),   FIELD(max_terms, SPEC_U32, TERMS_MAX),
    FIELD(min_digits, SPEC_U32, DIGITS_MAX), FIELD(max_digits, SPEC_U32, DIGITS_MAX),
    FIELD(allow_negation, SPEC_BOOL, 0),
};

static void defaults(void *parameters)
{
    *(struct chain_sum_parameters *)parameters = (struct chain_sum_parameters){
        .min_terms = 2, .max_terms = 6, .min_digits = 1, .max_digits = 4};
}

static int read(struct json spec, void *parameters, struct err *err)
{
    (void)spec;
    const struct chain_sum_parameters *p = parameters;
    if (check_range("terms", p->min_terms, p->max_terms, err) != 0) return -1;
    return check_range("digits", p->min_digits, p->max_digits, err);
}

static void level_range(const void *parameters, uint32_t *min, uint32_t *max)
{
    const struct chain_sum_parameters *p = parameters;
    *min = p->min_terms - 1;
    *max = p->max_terms - 1;
}

static bool draw(const void *parameters, uint32_t level, struct rng_stream *rng, void *drawn,
                 uint64_t *side)
{
    const struct chain_sum_parameters *p = parameters;
    struct chain_sum *c = drawn;
    c->n_terms = level > 0 ? level + 1 : (uint32_t)draw_between(rng, p->min_terms, p->max_terms);
    c->n_digits = (uint32_t)draw_between(rng, p->min_digits, p->max_digits);
    int64_t min, max;
    digits_range(c->n_digits, &min, &max);
    if (p->allow_negation) min = -max;
    for (uint32_t i = 0; i < c->n_terms; i++) {
        c->terms[i] = draw_between(rng, min, max);
        c->operators[i] = i == 0 || rng_below(rng, 2) == 0 ? '+' : '-';
    }
    struct {
        int64_t terms[TERMS_MAX];
        char operators[TERMS_MAX];
    } key;
    memcpy(key.terms, c->terms, sizeof key.terms);
    memcpy(key.operators, c->operators, sizeof key.operators);
    *side = checksum_of(&key, sizeof key);
    return true;
}

static void write(const void *parameters, const void *drawn, struct rng_stream *rng,
                  struct generated *out)
{
    static const char *const wordings[] = {
        "What does this sum come to? %s",
        "Add and subtract from left to right: %s",
        "Work out %s and answer with the number alone.",
    };
    (void)parameters;
    const struct chain_sum *c = drawn;
    struct text_buffer expression;
    text_buffer_init(&expression);
    int64_t sum = c->terms[0];
    text_buffer_printf(&expression, "%" PRId64, sum);
    for (uint32_t i = 1; i < c->n_terms; i++) {
        text_buffer_printf(&expression, " %c %" PRId64, c->operators[i], c->terms[i]);
        if (out->working != NULL) working_step(out->working, c->operators[i], sum, c->terms[i]);
        CHECK(arithmetic_apply(c->operators[i], sum, c->terms[i], &sum));
    }
    write_wording(&out->question, wordings[rng_below(rng, 3)], expression.bytes, "");
    text_buffer_printf(&out->answer, "%" PRId64, sum);
    json_put_u64(&out->metadata, "num_terms", c->n_terms);
    json_put_u64(&out->metadata, "num_digits", c->n_digits);
    json_put_string(&out->metadata, "expression", expression.bytes);
    out->level = c->n_terms - 1;
    out->n_steps = c->n_terms - 1;
    text_buffer_fini(&expression);
}

static void write_difficulty(const void *parameters, struct json_writer *w)
{
    const struct chain_sum_parameters *p = parameters;
    write_range(w, "num_terms", p->min_terms, p->max_terms);
    write_range(w, "num_digits", p->min_digits, p->max_digits);
}

const struct generator generator_chain_sum = {
    .name = "chain_sum",
    .level_is = "terms less one",
    .grader = &grader_number,
    .parameters_bytes = sizeof(struct chain_sum_parameters),
    .drawn_bytes = sizeof(struct chain_sum),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .defaults = defaults,
    .read = read,
    .level_range = level_range,
    .draw = draw,
    .write = write,
    .write_difficulty = write_difficulty,
};
