#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/task/generator.h"
#include "actor/task/worked_sum.h"
#include "common/base/hash.h"

// The greatest common divisor of a few numbers; level: decimal digits of the
// largest.  As in reasoning-gym, numbers without a common divisor are drawn
// again twice, so that 1 is the answer less often.

#define NUMBERS_MAX 16
#define VALUE_MAX 1000000000

struct gcd_parameters {
    uint32_t min_numbers, max_numbers, min_value, max_value;
};

struct gcd {
    uint32_t count;
    int64_t numbers[NUMBERS_MAX];
    int64_t result;
};

#define FIELD(key, min, max)                                                                       \
    {                                                                                              \
#key, SPEC_U32, offsetof(struct gcd_parameters, key), min, max                             \
    }
static const struct spec_field fields[] = {
    FIELD(min_numbers, 2, NUMBERS_MAX),
    FIELD(max_numbers, 2, NUMBERS_MAX),
    FIELD(min_value, 1, VALUE_MAX),
    FIELD(max_value, 2, VALUE_MAX),
};

static void defaults(void *parameters)
{
    *(struct gcd_parameters *)parameters = (struct gcd_parameters){2, 2, 1, 1000};
}

static int read(struct json spec, void *parameters, struct err *err)
{
    (void)spec;
    const struct gcd_parameters *p = parameters;
    if (check_range("numbers", p->min_numbers, p->max_numbers, err) != 0) return -1;
    return check_range("value", p->min_value, p->max_value, err);
}

static void level_range(const void *parameters, uint32_t *min, uint32_t *max)
{
    const struct gcd_parameters *p = parameters;
    *min = count_digits(p->min_value);
    *max = count_digits(p->max_value);
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static void draw_numbers(const struct gcd_parameters *p, int64_t max, struct rng_stream *rng,
                         struct gcd *g)
{
    g->count = (uint32_t)draw_between(rng, p->min_numbers, p->max_numbers);
    g->result = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        g->numbers[i] = draw_between(rng, p->min_value, max);
        g->result = common_divisor(g->result, g->numbers[i]);
    }
}

static uint32_t level_of(const struct gcd *g)
{
    uint32_t level = 1;
    for (uint32_t i = 0; i < g->count; i++)
        if (count_digits(g->numbers[i]) > level) level = count_digits(g->numbers[i]);
    return level;
}

static int compare_numbers(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

static bool draw(const void *parameters, uint32_t level, struct rng_stream *rng, void *drawn,
                 uint64_t *side)
{
    enum { TRIES = 3 };
    const struct gcd_parameters *p = parameters;
    struct gcd *g = drawn;
    int64_t max = p->max_value;
    if (level > 0) {
        int64_t least, most;
        digits_range(level, &least, &most);
        if (most < max) max = most;
    }
    g->result = 1;
    for (int i = 0; i < TRIES && g->result == 1; i++)
        draw_numbers(p, max, rng, g);
    if (level > 0 && level_of(g) != level) return false;
    int64_t key[NUMBERS_MAX] = {0};
    memcpy(key, g->numbers, g->count * sizeof key[0]);
    qsort(key, g->count, sizeof key[0], compare_numbers);
    *side = checksum_of(key, g->count * sizeof key[0]);
    return true;
}

// Euclid's divisions; how many.
static uint32_t work_out(const struct gcd *g, const struct working *w)
{
    uint32_t n_steps = 0;
    int64_t common = g->numbers[0];
    for (uint32_t i = 1; i < g->count; i++) {
        int64_t a = common > g->numbers[i] ? common : g->numbers[i];
        int64_t b = common > g->numbers[i] ? g->numbers[i] : common;
        while (b != 0) {
            int64_t rest = a % b;
            if (w != NULL)
                working_line(w, "%" PRId64 " = %" PRId64 " * %" PRId64 " + %" PRId64, a, a / b, b,
                             rest);
            n_steps++;
            a = b;
            b = rest;
        }
        common = a;
    }
    return n_steps;
}

static void write(const void *parameters, const void *drawn, struct rng_stream *rng,
                  struct generated *out)
{
    static const char *const wordings[] = {
        "What is the greatest common divisor of %s?",
        "Find the largest whole number that divides all of %s. Answer with that number.",
    };
    (void)parameters;
    const struct gcd *g = drawn;
    struct text_buffer list;
    text_buffer_init(&list);
    for (uint32_t i = 0; i < g->count; i++)
        text_buffer_printf(&list, "%s%" PRId64,
                           i == 0              ? ""
                           : i + 1 == g->count ? " and "
                                               : ", ",
                           g->numbers[i]);
    write_wording(&out->question, wordings[rng_below(rng, 2)], list.bytes, "");
    text_buffer_fini(&list);
    text_buffer_printf(&out->answer, "%" PRId64, g->result);
    write_numbers(&out->metadata, "numbers", g->numbers, g->count);
    json_put_i64(&out->metadata, "result", g->result);
    json_put_u64(&out->metadata, "num_terms", g->count);
    out->level = level_of(g);
    out->n_steps = work_out(g, out->working);
}

static void write_difficulty(const void *parameters, struct json_writer *w)
{
    const struct gcd_parameters *p = parameters;
    write_range(w, "num_terms", p->min_numbers, p->max_numbers);
    write_range(w, "value", p->min_value, p->max_value);
}

const struct generator generator_gcd = {
    .name = "gcd",
    .level_is = "digits of the largest number",
    .grader = &grader_number,
    .parameters_bytes = sizeof(struct gcd_parameters),
    .drawn_bytes = sizeof(struct gcd),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .defaults = defaults,
    .read = read,
    .level_range = level_range,
    .draw = draw,
    .write = write,
    .write_difficulty = write_difficulty,
};
