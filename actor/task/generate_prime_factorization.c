#include <inttypes.h>

#include "actor/task/generator.h"
#include "actor/task/worked_sum.h"
#include "common/base/hash.h"

// A number as the product of its primes; level: its decimal digits.  Differs
// from reasoning-gym in nothing but the wording.

#define VALUE_MAX 1000000000
#define FACTORS_MAX 30 // 2^30 is over VALUE_MAX

struct factorization_parameters {
    uint32_t min_value, max_value;
};

struct factorization {
    int64_t number;
};

static const struct spec_field fields[] = {
    {"min_value", SPEC_U32, offsetof(struct factorization_parameters, min_value), 2, VALUE_MAX},
    {"max_value", SPEC_U32, offsetof(struct factorization_parameters, max_value), 2, VALUE_MAX},
};

static void defaults(void *parameters)
{
    *(struct factorization_parameters *)parameters = (struct factorization_parameters){2, 1000};
}

static int read(struct json spec, void *parameters, struct err *err)
{
    (void)spec;
    const struct factorization_parameters *p = parameters;
    return check_range("value", p->min_value, p->max_value, err);
}

static void level_range(const void *parameters, uint32_t *min, uint32_t *max)
{
    const struct factorization_parameters *p = parameters;
    *min = count_digits(p->min_value);
    *max = count_digits(p->max_value);
}

static bool draw(const void *parameters, uint32_t level, struct rng_stream *rng, void *drawn,
                 uint64_t *side)
{
    const struct factorization_parameters *p = parameters;
    struct factorization *f = drawn;
    int64_t min = p->min_value, max = p->max_value;
    if (level > 0) {
        int64_t least, most;
        digits_range(level, &least, &most);
        if (least > min) min = least;
        if (most < max) max = most;
    }
    f->number = draw_between(rng, min, max);
    *side = checksum_of(&f->number, sizeof f->number);
    return true;
}

static uint32_t find_factors(int64_t n, int64_t out[FACTORS_MAX])
{
    uint32_t count = 0;
    for (int64_t prime = 2; prime * prime <= n; prime++)
        for (; n % prime == 0; n /= prime)
            out[count++] = prime;
    if (n > 1) out[count++] = n;
    return count;
}

static void write(const void *parameters, const void *drawn, struct rng_stream *rng,
                  struct generated *out)
{
    static const char *const wordings[] = {
        "Write %s as a product of primes, the way 12 is 2 × 2 × 3.",
        "Which primes multiply to %s? Give all of them with × between, as in 2 × 2 × 3 for 12.",
    };
    (void)parameters;
    const struct factorization *f = drawn;
    char number[32];
    snprintf(number, sizeof number, "%" PRId64, f->number);
    write_wording(&out->question, wordings[rng_below(rng, 2)], number, "");
    int64_t factors[FACTORS_MAX], rest = f->number;
    uint32_t count = find_factors(f->number, factors);
    for (uint32_t i = 0; i < count; i++) {
        text_buffer_printf(&out->answer, "%s%" PRId64, i == 0 ? "" : " × ", factors[i]);
        if (i + 1 < count && out->working != NULL)
            working_step(out->working, '/', rest, factors[i]);
        if (i + 1 < count) rest /= factors[i];
    }
    if (out->working != NULL) working_line(out->working, "%" PRId64 " is prime", rest);
    json_put_i64(&out->metadata, "number", f->number);
    write_numbers(&out->metadata, "factors", factors, count);
    out->level = count_digits(f->number);
    out->n_steps = count - 1;
}

static void write_difficulty(const void *parameters, struct json_writer *w)
{
    const struct factorization_parameters *p = parameters;
    write_range(w, "value", p->min_value, p->max_value);
}

const struct generator generator_prime_factorization = {
    .name = "prime_factorization",
    .level_is = "digits of the number",
    .grader = &grader_prime_factorization,
    .parameters_bytes = sizeof(struct factorization_parameters),
    .drawn_bytes = sizeof(struct factorization),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .defaults = defaults,
    .read = read,
    .level_range = level_range,
    .draw = draw,
    .write = write,
    .write_difficulty = write_difficulty,
};
