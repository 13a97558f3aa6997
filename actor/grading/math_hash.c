#include "actor/grading/math_hash.h"

#include <stdlib.h>

#include "actor/grading/math_lexer.h"
#include "actor/grading/math_value.h"
#include "common/base/hash.h"

// --- what a node amounts to ----------------------------------------------------------------------

static bool is_named(const struct math_node *node, char letter)
{
    return node->kind == MATH_SYMBOL && node->name == math_name(&letter, 1);
}

// Names of things: x, AB, f(x), f(2), (x, y), |AB|, NO/BO.
static bool is_name(const struct math_node *node)
{
    switch ((int)node->kind) {
    case MATH_SYMBOL:
        return true;
    case MATH_CALL:
        return node->function == MATH_ABS && is_name(node->children[0]);
    case MATH_PRODUCT: {
        const struct math_node *first = node->children[0];
        if (first->kind == MATH_POWER) first = first->children[0]; // f^{-1}(x)
        bool is_function = is_named(first, 'f') || is_named(first, 'g') || is_named(first, 'h') ||
                           is_named(first, 'P') || is_named(first, 'p');
        for (uint32_t i = 0; i < node->n_children; i++) {
            enum math_kind kind = node->children[i]->kind;
            if (i == 0 && is_function) continue;
            if (kind != MATH_SYMBOL && kind != MATH_E && kind != MATH_I &&
                !(is_function &&
                  (kind == MATH_NUMBER || kind == MATH_TUPLE || kind == MATH_RELATION)))
                return false;
        }
        return true;
    }
    case MATH_TUPLE:
    case MATH_QUOTIENT:
    case MATH_RATIO:
        for (uint32_t i = 0; i < node->n_children; i++)
            if (!is_name(node->children[i])) return false;
        return true;
    default:
        return false;
    }
}

struct math_node *math_assigned(struct math_work *w, struct math_node *node)
{
    if (node->kind != MATH_RELATION) return NULL;
    uint32_t last = node->n_children - 1;
    if (node->relations[0] == MATH_IN)
        return last == 1 && is_name(node->children[0]) ? node->children[1] : NULL;
    for (uint32_t i = 0; i < last; i++)
        if (node->relations[i] > MATH_ABOUT) return NULL;
    bool has_name = is_name(node->children[0]);
    if (!has_name && math_node_has(node, MATH_SYMBOL)) return NULL;
    // what stands before the first "about" is exact
    for (uint32_t i = has_name ? 1 : 0; i < last; i++)
        if (node->relations[i] == MATH_ABOUT) return node->children[i];
    // 5 = 3 says neither
    if (!has_name && math_hash(w, node->children[0]) != math_hash(w, node->children[last]))
        return NULL;
    return node->children[last];
}

static struct math_node *bracketed(struct math_work *w, struct math_node *low, char open,
                                   struct math_node *high, char close)
{
    struct math_node *tuple = math_node_pair(w, MATH_TUPLE, low, high);
    tuple->open = open;
    tuple->close = close;
    return tuple;
}

static struct math_node *infinity(struct math_work *w, bool is_negative)
{
    struct math_node *node = math_node_new(w, MATH_INFINITY, 0);
    if (!is_negative) return node;
    struct math_node *negated = math_node_new(w, MATH_NEGATED, 1);
    negated->children[0] = node;
    return negated;
}

static bool is_rising(uint8_t relation)
{
    return relation == MATH_LESS || relation == MATH_LESS_EQUAL;
}

static bool is_strict(uint8_t relation)
{
    return relation == MATH_LESS || relation == MATH_GREATER;
}

struct math_node *math_interval(struct math_work *w, struct math_node *node)
{
    if (node->kind != MATH_RELATION || node->n_children > 3) return NULL;
    for (uint32_t i = 0; i + 1 < node->n_children; i++)
        if (node->relations[i] < MATH_LESS || node->relations[i] > MATH_GREATER_EQUAL) return NULL;
    struct math_node **sides = node->children;
    uint8_t first = node->relations[0];
    if (node->n_children == 3) {
        uint8_t second = node->relations[1];
        if (is_rising(first) != is_rising(second) || !is_name(sides[1]) ||
            math_node_has(sides[0], MATH_SYMBOL) || math_node_has(sides[2], MATH_SYMBOL))
            return NULL;
        bool rises = is_rising(first);
        uint8_t at_low = rises ? first : second, at_high = rises ? second : first;
        return bracketed(w, sides[rises ? 0 : 2], is_strict(at_low) ? '(' : '[',
                         sides[rises ? 2 : 0], is_strict(at_high) ? ')' : ']');
    }
    bool is_left = is_name(sides[0]);
    struct math_node *bound = sides[is_left ? 1 : 0];
    if (!is_name(sides[is_left ? 0 : 1]) || math_node_has(bound, MATH_SYMBOL)) return NULL;
    if (is_left == is_rising(first))
        return bracketed(w, infinity(w, true), '(', bound, is_strict(first) ? ')' : ']');
    return bracketed(w, bound, is_strict(first) ? '(' : '[', infinity(w, false), ')');
}

static uint32_t count_members(const struct math_node *node)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < node->n_children; i++)
        n += node->children[i]->kind == MATH_LIST ? count_members(node->children[i]) : 1;
    return n;
}

static struct math_node **collect_members(struct math_node *node, struct math_node **out)
{
    for (uint32_t i = 0; i < node->n_children; i++) {
        if (node->children[i]->kind == MATH_LIST)
            out = collect_members(node->children[i], out);
        else
            *out++ = node->children[i];
    }
    return out;
}

uint32_t math_members(struct math_work *w, struct math_node *node, struct math_node ***out)
{
    bool is_collection = node->kind == MATH_LIST || node->kind == MATH_SET;
    uint32_t n = is_collection ? count_members(node) : 1;
    *out = math_take(w, (n + 1) * sizeof **out);
    if (is_collection)
        collect_members(node, *out);
    else
        **out = node;
    return n;
}

uint64_t math_choice_name(const struct math_node *symbol)
{
    for (char c = 'a'; c <= 'z'; c++) {
        char upper = (char)(c - 'a' + 'A');
        if (symbol->name == math_name(&c, 1)) return math_name(&upper, 1);
    }
    return symbol->name;
}

// --- hashes --------------------------------------------------------------------------------------

static uint64_t combine(uint64_t tag, const uint64_t *parts, uint32_t n)
{
    uint64_t both[2] = {tag, checksum_of(parts, n * sizeof *parts)};
    return math_name((const char *)both, sizeof both);
}

static int compare_hashes(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

static uint64_t *hash_nodes(struct math_work *w, struct math_node **nodes, uint32_t n)
{
    uint64_t *hashes = math_take(w, (n + 1) * sizeof *hashes);
    for (uint32_t i = 0; i < n; i++)
        hashes[i] = math_hash(w, nodes[i]);
    return hashes;
}

static uint64_t hash_ordered(struct math_work *w, uint64_t tag, struct math_node *node)
{
    return combine(tag, hash_nodes(w, node->children, node->n_children), node->n_children);
}

static uint64_t hash_unordered(struct math_work *w, uint64_t tag, struct math_node **nodes,
                               uint32_t n, bool is_set)
{
    uint64_t *hashes = hash_nodes(w, nodes, n);
    qsort(hashes, n, sizeof *hashes, compare_hashes);
    uint32_t n_kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (!is_set || n_kept == 0 || hashes[n_kept - 1] != hashes[i]) hashes[n_kept++] = hashes[i];
    return is_set && n_kept == 1 ? hashes[0] : combine(tag, hashes, n_kept);
}

static uint64_t hash_collection(struct math_work *w, struct math_node *node)
{
    struct math_node **members;
    uint32_t n = math_members(w, node, &members);
    bool is_union = n > 1;
    for (uint32_t i = 0; i < n && is_union; i++)
        is_union = math_interval(w, members[i]) != NULL;
    return hash_unordered(w, is_union ? MATH_UNION : MATH_SET, members, n, true);
}

static uint64_t hash_ratio(struct math_work *w, struct math_node *node)
{
    uint64_t parts[4];
    for (uint32_t i = 1; i < node->n_children; i++) {
        struct math_node *quotient =
            math_node_pair(w, MATH_QUOTIENT, node->children[0], node->children[i]);
        if (!math_value_find(w, quotient)) return hash_ordered(w, MATH_RATIO, node);
        parts[i] = quotient->hash;
    }
    return node->n_children == 2 ? parts[1] : combine(MATH_RATIO, parts + 1, node->n_children - 1);
}

// As "left - right is zero, or below it", up to a constant factor.
uint64_t math_equation_hash(struct math_work *w, struct math_node *node)
{
    uint8_t relation = node->relations[0];
    uint64_t shape = 0, parts[2];
    int sign = 0;
    if (node->n_children == 2 && relation != MATH_IN &&
        math_hash_ratio(w, node->children[0], node->children[1], &sign, &parts[0])) {
        bool is_order = relation >= MATH_LESS;
        // a < b is b > a: as if the left side were the larger one at the first point
        bool rises = is_order && is_rising(relation) != (sign < 0);
        parts[1] = is_order ? 100 + (uint64_t)rises * 2 + is_strict(relation) : relation;
        if (!is_order || sign != 0) return combine(MATH_RELATION, parts, 2);
    }
    for (uint32_t i = 0; i + 1 < node->n_children; i++)
        shape = shape * 16 + node->relations[i] + 1;
    return hash_ordered(w, MATH_RELATION + 1000 * (shape + 1), node);
}

static uint64_t hash_relation(struct math_work *w, struct math_node *node)
{
    struct math_node *assigned = math_assigned(w, node);
    if (assigned != NULL) return math_hash(w, assigned);
    struct math_node *interval = math_interval(w, node);
    return interval != NULL ? math_hash(w, interval) : math_equation_hash(w, node);
}

// A scalar without a value that we know: by its parts.
static uint64_t hash_shape(struct math_work *w, struct math_node *node)
{
    uint64_t tag = node->kind + UINT64_C(1000) * (node->kind == MATH_CALL ? node->function : 0);
    if (node->kind == MATH_SUM || node->kind == MATH_PRODUCT)
        return hash_unordered(w, tag, node->children, node->n_children, false);
    return hash_ordered(w, tag, node);
}

static uint64_t hash_scalar(struct math_work *w, struct math_node *node)
{
    if (node->kind == MATH_SYMBOL && node->is_choice) {
        struct math_node *letter = math_node_new(w, MATH_SYMBOL, 0);
        letter->name = math_choice_name(node);
        node = letter;
    }
    return math_value_find(w, node) ? node->hash : hash_shape(w, node);
}

static uint64_t hash_node(struct math_work *w, struct math_node *node)
{
    switch ((int)node->kind) {
    case MATH_QUANTITY:
    case MATH_BASED:
        return math_hash(w, node->children[0]);
    case MATH_RATIO:
        return hash_ratio(w, node);
    case MATH_MATRIX:
        if (node->n_columns == 1)
            return hash_ordered(w, MATH_TUPLE + 1000 * (uint64_t)('(' * 256 + ')'), node);
        return hash_ordered(w, MATH_MATRIX + 1000 * (uint64_t)node->n_columns, node);
    case MATH_TUPLE:
        return hash_ordered(w, MATH_TUPLE + 1000 * (uint64_t)(node->open * 256 + node->close),
                            node);
    case MATH_SET:
    case MATH_LIST:
        return hash_collection(w, node);
    case MATH_UNION:
    case MATH_INTERSECTION:
        return hash_unordered(w, node->kind, node->children, node->n_children, true);
    case MATH_DIFFERENCE:
        return hash_ordered(w, MATH_DIFFERENCE, node);
    case MATH_RELATION:
        return hash_relation(w, node);
    case MATH_TEXT:
        return node->name; // as that of a text that is no tree
    default:
        return hash_scalar(w, node);
    }
}

uint64_t math_hash(struct math_work *w, struct math_node *node)
{
    if (node->structure_hash == 0) node->structure_hash = hash_node(w, node);
    return node->structure_hash;
}
