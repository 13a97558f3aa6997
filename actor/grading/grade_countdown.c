#include <stdlib.h>
#include <string.h>

#include "actor/grading/answer.h"
#include "actor/grading/expression.h"
#include "actor/grading/grader.h"

// Each number exactly once, in any arithmetic of + - * / and brackets that comes
// to the target, exactly: so reasoning-gym and TinyZero have it, and both want
// all numbers used.  As reasoning-gym, an expression that misses is worth 0.05;
// unlike there, what is no expression is worth 0, powers are refused, and a
// right "= target" after the expression does no harm.

#define MISS_VALUE 0.05

struct countdown_rule {
    uint32_t n_numbers;
    int64_t numbers[EXPRESSION_NUMBERS_MAX];
    int64_t target;
};

static int compare_numbers(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

// reasoning-gym's names, or TinyZero's.
static int read_rule(struct json metadata, struct countdown_rule *out, struct err *err)
{
    struct json numbers = json_member(metadata, "numbers"),
                target = json_member(metadata, "target");
    if (!json_is_present(numbers)) numbers = json_member(metadata, "nums");
    size_t n = json_count(numbers);
    if (!json_is_array(numbers) || n < 1 || n > EXPRESSION_NUMBERS_MAX)
        return err_set(err, ERR_FORMAT, "countdown: numbers: want a list of 1 to %d",
                       EXPRESSION_NUMBERS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (!json_is_integer(json_item(numbers, i)))
            return err_set(err, ERR_FORMAT, "countdown: numbers: want whole numbers");
        out->numbers[i] = json_to_i64(json_item(numbers, i));
    }
    if (!json_is_integer(target))
        return err_set(err, ERR_FORMAT, "countdown: target: want a whole number");
    out->n_numbers = (uint32_t)n;
    out->target = json_to_i64(target);
    return 0;
}

static bool uses_each_once(struct countdown_rule *rule, struct expression *e)
{
    if (e->n_numbers != rule->n_numbers) return false;
    qsort(rule->numbers, rule->n_numbers, sizeof rule->numbers[0], compare_numbers);
    qsort(e->numbers, e->n_numbers, sizeof e->numbers[0], compare_numbers);
    return memcmp(rule->numbers, e->numbers, e->n_numbers * sizeof e->numbers[0]) == 0;
}

// Answers that use the numbers rightly are one when their values are; others
// are told apart by their text.
static int grade_countdown(const struct grading *g, struct grade *out, struct err *err)
{
    // verl's rows have it as the reference itself
    struct view rows = g->metadata.size_bytes > 0 ? g->metadata : g->gold;
    struct json_document *document = json_parse(rows.bytes, rows.size_bytes, "countdown", err);
    if (document == NULL) return -1;
    struct countdown_rule rule;
    int result = read_rule(json_root(document), &rule, err);
    json_destroy(document);
    if (result != 0) return -1;
    struct expression e;
    bool is_expression = expression_evaluate(g->answer, &e);
    if (is_expression) out->value = MISS_VALUE;
    if (!is_expression || !uses_each_once(&rule, &e)) {
        out->hash = answer_hash(g->answer.bytes, g->answer.size_bytes);
        return 0;
    }
    out->is_correct = e.value.under == 1 && e.value.over == rule.target;
    if (out->is_correct) out->value = 1;
    out->hash = answer_hash((const char *)&e.value, sizeof e.value);
    return 0;
}

const struct grader grader_countdown = {
    .name = "countdown",
    .help = "an expression that uses each of metadata.numbers once and equals metadata.target",
    .grade = grade_countdown,
};
