#include "actor/task/generator.h"

#include <string.h>

const struct generator *const generators[] = {
    &generator_basic_arithmetic, &generator_chain_sum,
    &generator_countdown,        &generator_gcd,
    &generator_knights_knaves,   &generator_prime_factorization,
    &generator_simple_equations,
};
const size_t n_generators = sizeof generators / sizeof *generators;

const struct generator *generator_find(const char *name)
{
    for (size_t i = 0; name != NULL && i < n_generators; i++)
        if (strcmp(generators[i]->name, name) == 0) return generators[i];
    return NULL;
}

int64_t draw_between(struct rng_stream *rng, int64_t min, int64_t max)
{
    CHECK(min <= max);
    uint64_t span = (uint64_t)max - (uint64_t)min + 1; // 0: all of them
    if (span > 0 && span <= UINT32_MAX)
        return (int64_t)((uint64_t)min + rng_below(rng, (uint32_t)span));
    // the last, incomplete run of spans would favour small numbers
    uint64_t limit = span == 0 ? 0 : UINT64_MAX - UINT64_MAX % span;
    for (;;) {
        uint64_t high = rng_next(rng);
        uint64_t drawn = high << 32 | rng_next(rng);
        if (span == 0) return (int64_t)drawn;
        if (drawn < limit) return (int64_t)((uint64_t)min + drawn % span);
    }
}

void digits_range(uint32_t n_digits, int64_t *min, int64_t *max)
{
    CHECK(n_digits >= 1 && n_digits <= 18);
    int64_t power = 1;
    for (uint32_t i = 1; i < n_digits; i++)
        power *= 10;
    *min = n_digits == 1 ? 0 : power;
    *max = 10 * power - 1;
}

uint32_t count_digits(int64_t n)
{
    uint32_t count = 1;
    while (n > 9 || n < -9) {
        n /= 10;
        count++;
    }
    return count;
}

int operators_read(struct json spec, const char *allowed, struct operators *out, struct err *err)
{
    struct json list = json_member(spec, "operators");
    if (!json_is_present(list)) return 0;
    struct operators found = {0};
    size_t n = json_count(list);
    if (!json_is_array(list) || n < 1 || n > sizeof found.items) goto refuse;
    for (size_t i = 0; i < n; i++) {
        size_t size_bytes;
        const char *text = json_to_string(json_item(list, i), &size_bytes);
        if (text == NULL || size_bytes != 1 || strchr(allowed, text[0]) == NULL ||
            memchr(found.items, text[0], found.count) != NULL)
            goto refuse;
        found.items[found.count++] = text[0];
    }
    *out = found;
    return 0;

refuse:
    return err_set(err, ERR_USAGE, "spec.task.operators: want a list of some of %s, each once",
                   allowed);
}

void write_wording(struct text_buffer *out, const char *wording, const char *what,
                   const char *second)
{
    for (const char *at = wording; *at != '\0'; at++) {
        if (at[0] == '%' && at[1] == 's')
            text_buffer_add_string(out, what);
        else if (at[0] == '%' && at[1] == 't')
            text_buffer_add_string(out, second);
        else
            text_buffer_add(out, at, 1);
        if (at[0] == '%') at++;
    }
}

int check_range(const char *what, int64_t min, int64_t max, struct err *err)
{
    return min <= max ? 0 : err_set(err, ERR_USAGE, "spec.task: min_%s is over max_%s", what, what);
}

void write_range(struct json_writer *w, const char *key, uint32_t min, uint32_t max)
{
    json_open(w, key, '[');
    json_put_u64(w, NULL, min);
    json_put_u64(w, NULL, max);
    json_close(w, ']');
}

void write_numbers(struct json_writer *w, const char *key, const int64_t *numbers, size_t n)
{
    json_open(w, key, '[');
    for (size_t i = 0; i < n; i++)
        json_put_i64(w, NULL, numbers[i]);
    json_close(w, ']');
}
