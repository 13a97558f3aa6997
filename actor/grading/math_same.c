#include "actor/grading/math_same.h"

#include <stdlib.h>

#include "actor/grading/math_hash.h"
#include "actor/grading/math_value.h"

enum { DECIMALS_MIN = 6, SIGNIFICANT_MIN = 4, TRIED_MAX = 16 };

// --- scalars -------------------------------------------------------------------------------------

// A decimal written out, perhaps with a minus; NULL: node is something else.
static const struct math_node *as_decimal(struct math_work *w, struct math_node *node,
                                          const struct exact **value)
{
    const struct math_node *number = node->kind == MATH_NEGATED ? node->children[0] : node;
    *value = math_exact_value(w, node);
    return number->kind == MATH_NUMBER && number->n_decimals > 0 && *value != NULL ? number : NULL;
}

// value rounds to the decimal, which has six places and four digits that count.
static bool rounds_to(struct math_work *w, struct math_node *decimal, struct math_node *node)
{
    const struct exact *written, *ignored;
    const struct math_node *number = as_decimal(w, decimal, &written);
    if (number == NULL || number->n_decimals < DECIMALS_MIN ||
        as_decimal(w, node, &ignored) != NULL)
        return false;
    if (math_node_has(node, MATH_SYMBOL)) return false;
    long n = number->n_decimals;
    const struct exact *least = exact_of_digits(w, "1", 1, n - (SIGNIFICANT_MIN - 1));
    const struct exact *half = exact_of_digits(w, "5", 1, n + 1);
    const struct exact *size = exact_sign(written) < 0 ? exact_negate(w, written) : written;
    if (least == NULL || half == NULL || exact_compare(size, least) < 0) return false;
    w->precision_bits = 320;
    const struct ball *value = math_ball_value(w, node, 0);
    const struct ball *low = ball_of_exact(w, exact_add(w, written, exact_negate(w, half)));
    const struct ball *high = ball_of_exact(w, exact_add(w, written, half));
    return ball_compare(w, value, low) > 0 && ball_compare(w, value, high) < 0;
}

static bool same_scalar(struct math_work *w, struct math_node *gold, struct math_node *answer)
{
    if (gold->kind == MATH_SYMBOL && answer->kind == MATH_SYMBOL) {
        if (gold->name == answer->name) return true;
        return (gold->is_choice || answer->is_choice) &&
               math_choice_name(gold) == math_choice_name(answer);
    }
    bool is_known = math_value_find(w, gold) && math_value_find(w, answer);
    if (!is_known) return math_hash(w, gold) == math_hash(w, answer);
    if (gold->hash == answer->hash) return !math_values_differ(w, gold, answer);
    return rounds_to(w, gold, answer) || rounds_to(w, answer, gold);
}

// --- quantities, bases, ratios -------------------------------------------------------------------

static struct math_node *percent_of(struct math_work *w, struct math_node *node)
{
    struct math_node *hundred = math_node_number(w, exact_of(w, 100, 1));
    return math_node_pair(w, MATH_QUOTIENT, node, hundred);
}

static bool same_quantity(struct math_work *w, struct math_node *gold, struct math_node *answer)
{
    bool has_gold = gold->kind == MATH_QUANTITY, has_answer = answer->kind == MATH_QUANTITY;
    unsigned both = has_gold && has_answer ? gold->unit_flags & answer->unit_flags : 0;
    // two units that we know, and not one
    if ((both & MATH_UNIT_KNOWN) && gold->name != answer->name) return false;
    bool is_gold_percent = has_gold && (gold->unit_flags & MATH_UNIT_PERCENT);
    bool is_answer_percent = has_answer && (answer->unit_flags & MATH_UNIT_PERCENT);
    if (has_gold) gold = gold->children[0];
    if (has_answer) answer = answer->children[0];
    if (math_same(w, gold, answer)) return true;
    if (is_gold_percent == is_answer_percent || !math_is_scalar(gold) || !math_is_scalar(answer))
        return false;
    return is_gold_percent ? math_same(w, percent_of(w, gold), answer)
                           : math_same(w, gold, percent_of(w, answer));
}

static bool same_based(struct math_work *w, struct math_node *gold, struct math_node *answer)
{
    if (gold->kind == MATH_BASED && answer->kind == MATH_BASED && gold->name != answer->name)
        return false;
    if (gold->kind == MATH_BASED) gold = gold->children[0];
    if (answer->kind == MATH_BASED) answer = answer->children[0];
    return math_is_scalar(gold) && math_is_scalar(answer) && math_same(w, gold, answer);
}

// 1:4 is 2:8 and 1/4; a time of day is only itself.
static bool same_ratio(struct math_work *w, struct math_node *gold, struct math_node *answer)
{
    if (gold->kind == answer->kind && gold->n_children == answer->n_children) {
        bool is_each = true;
        for (uint32_t i = 0; i < gold->n_children && is_each; i++)
            is_each = math_same(w, gold->children[i], answer->children[i]);
        if (is_each) return true;
        if (gold->is_clock || answer->is_clock) return false;
    } else if (gold->kind == answer->kind || gold->n_children + answer->n_children > 4) {
        return false;
    }
    return math_hash(w, gold) == math_hash(w, answer);
}

// --- collections ---------------------------------------------------------------------------------

static int compare_by_hash(const void *left, const void *right)
{
    uint64_t a = (*(struct math_node *const *)left)->structure_hash;
    uint64_t b = (*(struct math_node *const *)right)->structure_hash;
    return a < b ? -1 : a > b;
}

static void sort_by_hash(struct math_work *w, struct math_node **nodes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        math_hash(w, nodes[i]); // kept in the node
    qsort(nodes, n, sizeof(struct math_node *), compare_by_hash);
}

static uint32_t drop_repeated(struct math_node **nodes, uint32_t n)
{
    uint32_t n_kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (n_kept == 0 || nodes[n_kept - 1]->structure_hash != nodes[i]->structure_hash)
            nodes[n_kept++] = nodes[i];
    return n_kept;
}

static bool same_in_order(struct math_work *w, struct math_node **gold, struct math_node **answer,
                          uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (!math_same(w, gold[i], answer[i])) return false;
    return true;
}

// Each of the reference's has its own among the answer's.
static bool same_in_any_order(struct math_work *w, struct math_node **gold,
                              struct math_node **answer, uint32_t n)
{
    if (n > TRIED_MAX) return same_in_order(w, gold, answer, n);
    bool is_taken[TRIED_MAX] = {false};
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = 0;
        while (j < n && (is_taken[j] || !math_same(w, gold[i], answer[j])))
            j++;
        if (j == n) return false;
        is_taken[j] = true;
    }
    return true;
}

static bool are_intervals(struct math_work *w, struct math_node **nodes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (math_interval(w, nodes[i]) == NULL) return false;
    return n > 1;
}

static bool is_collection(const struct math_node *node)
{
    return node->kind == MATH_SET || node->kind == MATH_LIST;
}

static bool same_collection(struct math_work *w, struct math_node *gold, struct math_node *answer)
{
    struct math_node **golds, **answers;
    uint32_t n_gold = math_members(w, gold, &golds), n_answer = math_members(w, answer, &answers);
    // 1, 2 is (1, 2) where the order is the one written
    const struct math_node *tuple = gold->kind == MATH_TUPLE ? gold : answer;
    if (tuple->kind == MATH_TUPLE && (gold->kind == MATH_LIST || answer->kind == MATH_LIST)) {
        uint32_t n = tuple->n_children;
        bool is_plain = (tuple->open == '(') == (tuple->close == ')');
        if (is_plain && n == (tuple == gold ? n_answer : n_gold) &&
            same_in_order(w, tuple == gold ? gold->children : golds,
                          tuple == gold ? answers : answer->children, n))
            return true;
    }
    if (answer->kind == MATH_UNION && are_intervals(w, golds, n_gold)) {
        answers = answer->children;
        n_answer = answer->n_children;
    } else if (gold->kind == MATH_UNION && are_intervals(w, answers, n_answer)) {
        golds = gold->children;
        n_gold = gold->n_children;
    }
    sort_by_hash(w, golds, n_gold);
    sort_by_hash(w, answers, n_answer);
    // a list that repeats itself counts how often, unless the reference does not
    uint32_t n_different = drop_repeated(golds, n_gold);
    bool is_set = gold->kind == MATH_SET || answer->kind == MATH_SET || n_different == n_gold;
    if (is_set) {
        n_gold = n_different;
        n_answer = drop_repeated(answers, n_answer);
    } else {
        n_gold = math_members(w, gold, &golds);
        sort_by_hash(w, golds, n_gold);
    }
    return n_gold == n_answer && same_in_any_order(w, golds, answers, n_gold);
}

static bool same_parts(struct math_work *w, struct math_node *gold, struct math_node *answer)
{
    return gold->n_children == answer->n_children &&
           same_in_order(w, gold->children, answer->children, gold->n_children);
}

static bool is_column(const struct math_node *node)
{
    return (node->kind == MATH_MATRIX && node->n_columns == 1) ||
           (node->kind == MATH_TUPLE && node->open == '(' && node->close == ')');
}

static bool same_shape(struct math_work *w, struct math_node *gold, struct math_node *answer)
{
    if (is_column(gold) && is_column(answer)) return same_parts(w, gold, answer);
    if (gold->kind != answer->kind) return false;
    switch ((int)gold->kind) {
    case MATH_TUPLE:
        return gold->open == answer->open && gold->close == answer->close &&
               same_parts(w, gold, answer);
    case MATH_MATRIX:
        return gold->n_columns == answer->n_columns && same_parts(w, gold, answer);
    case MATH_UNION:
    case MATH_INTERSECTION:
        sort_by_hash(w, gold->children, gold->n_children);
        sort_by_hash(w, answer->children, answer->n_children);
        return gold->n_children == answer->n_children &&
               same_in_any_order(w, gold->children, answer->children, gold->n_children);
    case MATH_DIFFERENCE:
        return same_parts(w, gold, answer);
    case MATH_TEXT:
        return gold->name == answer->name;
    default:
        return false;
    }
}

// --- relations -----------------------------------------------------------------------------------

// The one name an inequality is about.
static struct math_node *subject(const struct math_node *node)
{
    for (uint32_t i = 0; i < node->n_children; i++)
        if (math_node_has(node->children[i], MATH_SYMBOL)) return node->children[i];
    return node->children[0];
}

static bool same_relation(struct math_work *w, struct math_node *gold, struct math_node *answer)
{
    bool are_both = gold->kind == MATH_RELATION && answer->kind == MATH_RELATION;
    struct math_node *gold_says = math_assigned(w, gold), *answer_says = math_assigned(w, answer);
    if (!are_both) {
        if (gold_says != NULL) return math_same(w, gold_says, answer);
        if (answer_says != NULL) return math_same(w, gold, answer_says);
        struct math_node *interval = math_interval(w, gold->kind == MATH_RELATION ? gold : answer);
        if (interval == NULL) return false;
        return gold->kind == MATH_RELATION ? math_same(w, interval, answer)
                                           : math_same(w, gold, interval);
    }
    bool is_one_name = math_hash(w, gold->children[0]) == math_hash(w, answer->children[0]);
    if (gold_says != NULL && answer_says != NULL && is_one_name)
        return math_same(w, gold_says, answer_says);
    // x \in (1, 2) is 1 < x < 2
    struct math_node *interval = NULL;
    if (gold_says != NULL && gold->relations[0] == MATH_IN)
        return (interval = math_interval(w, answer)) != NULL && math_same(w, gold_says, interval);
    if (answer_says != NULL && answer->relations[0] == MATH_IN)
        return (interval = math_interval(w, gold)) != NULL && math_same(w, interval, answer_says);
    if (math_equation_hash(w, gold) == math_equation_hash(w, answer)) return true;
    struct math_node *other = math_interval(w, answer);
    interval = math_interval(w, gold);
    return interval != NULL && other != NULL &&
           math_hash(w, subject(gold)) == math_hash(w, subject(answer)) &&
           math_same(w, interval, other);
}

bool math_same(struct math_work *w, struct math_node *gold, struct math_node *answer)
{
    if (!math_spend(w, 1)) return false;
    enum math_kind g = gold->kind, a = answer->kind;
    bool is_one_collection = is_collection(gold) || is_collection(answer);
    if (g == MATH_RELATION && a == MATH_RELATION) return same_relation(w, gold, answer);
    if (is_one_collection && !(is_collection(gold) && is_collection(answer))) {
        // x = \{1, 2\}, and 5 for \{5\}
        if (g == MATH_RELATION || a == MATH_RELATION) {
            if (same_relation(w, gold, answer)) return true;
        }
        return same_collection(w, gold, answer);
    }
    if (is_one_collection) return same_collection(w, gold, answer);
    if (g == MATH_RELATION || a == MATH_RELATION) return same_relation(w, gold, answer);
    if (g == MATH_QUANTITY || a == MATH_QUANTITY) return same_quantity(w, gold, answer);
    if (g == MATH_BASED || a == MATH_BASED) return same_based(w, gold, answer);
    if (g == MATH_RATIO || a == MATH_RATIO) return same_ratio(w, gold, answer);
    if (math_is_scalar(gold) && math_is_scalar(answer)) return same_scalar(w, gold, answer);
    return same_shape(w, gold, answer);
}
