#include "actor/grading/math_node.h"

struct math_node *math_node_new(struct math_work *w, enum math_kind kind, uint32_t n_children)
{
    struct math_node *node = math_take(w, sizeof *node);
    node->kind = kind;
    node->n_children = n_children;
    node->n_decimals = -1;
    if (n_children > 0) node->children = math_take(w, n_children * sizeof *node->children);
    return node;
}

struct math_node *math_node_pair(struct math_work *w, enum math_kind kind, struct math_node *a,
                                 struct math_node *b)
{
    struct math_node *node = math_node_new(w, kind, 2);
    node->children[0] = a;
    node->children[1] = b;
    return node;
}

struct math_node *math_node_number(struct math_work *w, const struct exact *number)
{
    struct math_node *node = math_node_new(w, MATH_NUMBER, 0);
    node->number = number;
    return node;
}

struct math_node *math_node_call(struct math_work *w, enum math_function function,
                                 struct math_node *a, struct math_node *b)
{
    struct math_node *node = math_node_new(w, MATH_CALL, b == NULL ? 1 : 2);
    node->function = function;
    node->children[0] = a;
    if (b != NULL) node->children[1] = b;
    return node;
}

struct math_node *math_node_with_sign(struct math_work *w, const struct math_node *node, int sign)
{
    struct math_node *copy = math_node_new(w, node->kind, node->n_children);
    struct math_node **children = copy->children;
    *copy = *node;
    copy->children = children;
    for (uint32_t i = 0; i < node->n_children; i++)
        copy->children[i] = math_node_with_sign(w, node->children[i], sign);
    if (node->kind != MATH_SIGNED) return copy;
    // its own sign: 1 for "plus or minus", -1 for "minus or plus"
    bool is_plus = (node->n_decimals == 1) == (sign > 0);
    if (is_plus) return copy->children[0];
    copy->kind = MATH_NEGATED;
    copy->n_decimals = -1;
    return copy;
}

bool math_node_has(const struct math_node *node, enum math_kind kind)
{
    if (node->kind == kind) return true;
    for (uint32_t i = 0; i < node->n_children; i++)
        if (math_node_has(node->children[i], kind)) return true;
    return false;
}
