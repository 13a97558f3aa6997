#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/grading/answer.h"
#include "actor/grading/grader.h"

// The primes of a number, each as often as it divides it, in any order:
// "2 × 2 × 3", "2^2 * 3", "12 = 2² · 3", "[2, 2, 3]".  The reference is such text
// or metadata.factors.  As in reasoning-gym the right product of other factors
// is worth 0.5; unlike there anything else is worth 0 and not 0.01.

#define FACTORS_MAX 64

struct factors {
    uint32_t count;
    int64_t items[FACTORS_MAX]; // ascending
};

static const struct {
    const char *text;
    uint32_t exponent;
} superscripts[] = {
    {"\xc2\xb2", 2},     {"\xc2\xb3", 3},     {"\xe2\x81\xb4", 4}, {"\xe2\x81\xb5", 5},
    {"\xe2\x81\xb6", 6}, {"\xe2\x81\xb7", 7}, {"\xe2\x81\xb8", 8}, {"\xe2\x81\xb9", 9},
};

static const char *const separators[] = {
    "*", "x", "X", ",", "\xc3\x97", "\xc2\xb7", "\xe2\x8b\x85", "\\times", "\\cdot",
};

struct cursor {
    struct view text;
    size_t at;
};

static bool take(struct cursor *c, const char *word)
{
    size_t n = strlen(word);
    if (n > c->text.size_bytes - c->at || memcmp(c->text.bytes + c->at, word, n) != 0) return false;
    c->at += n;
    return true;
}

static void skip_blanks(struct cursor *c)
{
    while (take(c, " ") || take(c, "\n") || take(c, "\r") || take(c, "\t") || take(c, "$") ||
           take(c, "\\,") || take(c, "\\(") || take(c, "\\)")) {
    }
}

static bool take_number(struct cursor *c, int64_t *out)
{
    size_t start = c->at;
    *out = 0;
    for (; c->at < c->text.size_bytes; c->at++) {
        char digit = c->text.bytes[c->at];
        if (digit < '0' || digit > '9') break;
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, digit - '0', out))
            return false;
    }
    return c->at > start;
}

// "^2", "^{2}", "**2", "²"; 1 without one.
static bool take_exponent(struct cursor *c, int64_t *out)
{
    *out = 1;
    for (size_t i = 0; i < sizeof superscripts / sizeof superscripts[0]; i++)
        if (take(c, superscripts[i].text)) {
            *out = superscripts[i].exponent;
            return true;
        }
    if (!take(c, "**") && !take(c, "^")) return true;
    bool is_braced = take(c, "{");
    return take_number(c, out) && (!is_braced || take(c, "}")) && *out >= 1 && *out <= FACTORS_MAX;
}

static int compare_factors(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

static bool product_of(const struct factors *f, int64_t *out)
{
    *out = 1;
    for (uint32_t i = 0; i < f->count; i++)
        if (__builtin_mul_overflow(*out, f->items[i], out)) return false;
    return f->count > 0;
}

static bool take_factor(struct cursor *c, struct factors *out)
{
    int64_t factor, exponent;
    if (!take_number(c, &factor) || factor == 0 || !take_exponent(c, &exponent)) return false;
    if (out->count + exponent > FACTORS_MAX) return false;
    for (int64_t i = 0; i < exponent; i++)
        out->items[out->count++] = factor;
    return true;
}

static bool take_separator(struct cursor *c)
{
    for (size_t i = 0; i < sizeof separators / sizeof separators[0]; i++)
        if (take(c, separators[i])) return true;
    return false;
}

static bool read_product(struct view text, struct factors *out)
{
    struct cursor c = {text_trim(text), 0};
    *out = (struct factors){0};
    skip_blanks(&c);
    bool is_list = take(&c, "[") || take(&c, "(");
    do {
        skip_blanks(&c);
        if (!take_factor(&c, out)) return false;
        skip_blanks(&c);
    } while (take_separator(&c));
    if (is_list && !take(&c, "]") && !take(&c, ")")) return false;
    skip_blanks(&c);
    (void)take(&c, ".");
    skip_blanks(&c);
    if (c.at < c.text.size_bytes) return false;
    qsort(out->items, out->count, sizeof out->items[0], compare_factors);
    return true;
}

// "12 = 2 × 2 × 3": what is before "=" is the number itself.
static bool read_answer(struct view text, struct factors *out)
{
    size_t equals = text_find(text, "=", 0);
    if (equals == TEXT_NOWHERE) return read_product(text, out);
    struct factors whole;
    int64_t product;
    return read_product(text_part(text, 0, equals), &whole) && whole.count == 1 &&
           read_product(text_part(text, equals + 1, text.size_bytes), out) &&
           product_of(out, &product) && product == whole.items[0];
}

static bool read_metadata(struct view metadata, struct factors *out, struct err *err)
{
    struct json_document *document =
        json_parse(metadata.bytes, metadata.size_bytes, "prime_factorization", err);
    if (document == NULL) return false;
    struct json list = json_member(json_root(document), "factors");
    size_t n = json_count(list);
    bool is_good = json_is_array(list) && n >= 1 && n <= FACTORS_MAX;
    for (size_t i = 0; is_good && i < n; i++) {
        is_good = json_is_integer(json_item(list, i)) && json_to_i64(json_item(list, i)) > 1;
        out->items[out->count++] = json_to_i64(json_item(list, i));
    }
    json_destroy(document);
    if (!is_good) return false;
    qsort(out->items, out->count, sizeof out->items[0], compare_factors);
    return true;
}

static int grade_prime_factorization(const struct grading *g, struct grade *out, struct err *err)
{
    struct factors gold = {0}, answer;
    int64_t gold_product, product;
    bool has_gold = g->gold.size_bytes > 0 ? read_product(g->gold, &gold)
                                           : read_metadata(g->metadata, &gold, err);
    if (!has_gold || !product_of(&gold, &gold_product))
        return err_set(err, ERR_FORMAT,
                       "prime_factorization: want primes as in 2 × 2 × 3, or metadata.factors");
    if (!read_answer(g->answer, &answer)) {
        out->hash = answer_hash(g->answer.bytes, g->answer.size_bytes);
        return 0;
    }
    out->hash = answer_hash((const char *)answer.items, answer.count * sizeof answer.items[0]);
    out->is_correct = answer.count == gold.count &&
                      memcmp(answer.items, gold.items, gold.count * sizeof gold.items[0]) == 0;
    if (out->is_correct)
        out->value = 1;
    else if (product_of(&answer, &product) && product == gold_product)
        out->value = 0.5;
    return 0;
}

const struct grader grader_prime_factorization = {
    .name = "prime_factorization",
    .help = "the primes of a number, each as often as it divides it",
    .grade = grade_prime_factorization,
};
