#include "actor/task/chain.h"

#include <inttypes.h>

#include "common/base/hash.h"

#define DRAWS_MAX 10000

#define FIELD(name, type, member, min, max)                                                        \
    {                                                                                              \
        name, type, offsetof(struct chain_parameters, member), min, max                            \
    }
const struct spec_field chain_fields[] = {
    FIELD("modulus", SPEC_U32, modulus, 2, 1000),
    FIELD("add", SPEC_LIST, add, 0, 999),
    FIELD("subtract", SPEC_LIST, subtract, 0, 999),
    FIELD("multiply", SPEC_LIST, multiply, 0, 999),
    FIELD("ops_per_level", SPEC_U32, ops_per_level, 1, 12),
    FIELD("ops_less", SPEC_U32, ops_less, 0, 12),
    FIELD("ops_spread", SPEC_U32, ops_spread, 0, 12),
    FIELD("extras", SPEC_BOOL, has_extras, 0, 0),
    FIELD("shuffle", SPEC_BOOL, is_shuffled, 0, 0),
};
const size_t n_chain_fields = sizeof chain_fields / sizeof chain_fields[0];

void chain_defaults(struct chain_parameters *p)
{
    *p = (struct chain_parameters){
        .modulus = 10,
        .add = {3, {1, 2, 3}},
        .subtract = {3, {1, 2, 3}},
        .multiply = {3, {3, 7, 9}},
        .ops_per_level = 2,
        .ops_less = 1,
        .ops_spread = 1,
        .has_extras = true,
        .is_shuffled = true,
    };
}

static uint32_t extras_max(const struct chain_parameters *p, uint32_t level)
{
    return p->has_extras ? 1 + level / 2 : 0;
}

int chain_check(const struct chain_parameters *p, const struct spec_list *levels, const char *what,
                struct err *err)
{
    if (p->add.count + p->subtract.count + p->multiply.count == 0)
        return err_set(err, ERR_USAGE, "%s: add, subtract and multiply are all empty", what);
    if (levels->count == 0) return err_set(err, ERR_USAGE, "%s: no levels", what);
    for (uint32_t i = 0; i < levels->count; i++) {
        uint32_t level = levels->items[i];
        uint32_t ops = p->ops_per_level * level;
        if (ops <= p->ops_less)
            return err_set(err, ERR_USAGE, "%s: level %" PRIu32 " has no operation", what, level);
        uint32_t letters = ops - p->ops_less + p->ops_spread + 1 + extras_max(p, level);
        if (letters > CHAIN_LETTERS)
            return err_set(err, ERR_USAGE,
                           "%s: level %" PRIu32 " takes up to %" PRIu32 " letters, there are %d",
                           what, level, letters, CHAIN_LETTERS);
    }
    return 0;
}

struct chain_op chain_draw_op(const struct chain_parameters *p, struct rng_stream *rng)
{
    const struct spec_list *lists[] = {&p->add, &p->subtract, &p->multiply};
    uint32_t used[3], n_used = 0;
    for (uint32_t i = 0; i < 3; i++)
        if (lists[i]->count > 0) used[n_used++] = i;
    uint32_t which = used[rng_below(rng, n_used)];
    const struct spec_list *operands = lists[which];
    return (struct chain_op){"+-*"[which], operands -> items[rng_below(rng, operands->count)]};
}

uint32_t chain_apply(struct chain_op op, uint32_t value, uint32_t modulus)
{
    uint32_t operand = op.operand % modulus;
    if (op.op == '+') return (value + operand) % modulus;
    if (op.op == '-') return (value + modulus - operand) % modulus;
    return value * operand % modulus;
}

char chain_letter(const struct chain *c, uint32_t i)
{
    return (char)('a' + c->first_letter + i);
}

static bool is_held_out(const struct chain *c)
{
    uint32_t key[1 + 2 * CHAIN_LETTERS] = {c->start_value};
    size_t n = 1;
    for (uint32_t i = 0; i < c->n_ops; i++) {
        key[n++] = (uint32_t)(unsigned char)c->ops[i].op;
        key[n++] = c->ops[i].operand;
    }
    return checksum_of(key, n * sizeof key[0]) % CHAIN_HOLDOUT == 0;
}

// What does not decide the side: letters, useless statements, order.
static void dress(const struct chain_parameters *p, struct rng_stream *rng, struct chain *c)
{
    c->n_extras = rng_below(rng, extras_max(p, c->level) + 1);
    uint32_t n_letters = 1 + c->n_ops + c->n_extras;
    c->first_letter = rng_below(rng, CHAIN_LETTERS - n_letters + 1);
    for (uint32_t i = 0; i < c->n_extras; i++)
        c->ops[c->n_ops + i] = chain_draw_op(p, rng);
    for (uint32_t i = 0; i < n_letters; i++)
        c->order[i] = i;
    for (uint32_t i = n_letters; p->is_shuffled && i > 1; i--) {
        uint32_t j = rng_below(rng, i);
        uint32_t swap = c->order[i - 1];
        c->order[i - 1] = c->order[j];
        c->order[j] = swap;
    }
}

int chain_draw(const struct chain_parameters *p, uint32_t level, bool held_out,
               struct rng_stream *rng, struct chain *out, struct err *err)
{
    struct chain *c = out;
    *c = (struct chain){.level = level, .modulus = p->modulus};
    for (int draw = 0; draw < DRAWS_MAX; draw++) {
        c->n_ops = p->ops_per_level * level - p->ops_less + rng_below(rng, p->ops_spread + 1);
        c->start_value = rng_below(rng, p->modulus);
        for (uint32_t i = 0; i < c->n_ops; i++)
            c->ops[i] = chain_draw_op(p, rng);
        if (is_held_out(c) != held_out) continue;
        c->answer = c->start_value;
        for (uint32_t i = 0; i < c->n_ops; i++)
            c->answer = chain_apply(c->ops[i], c->answer, p->modulus);
        dress(p, rng, c);
        return 0;
    }
    return err_set(err, ERR_USAGE, "chain: no %s problem of level %" PRIu32 " in %d draws",
                   held_out ? "held-out" : "training", level, DRAWS_MAX);
}

void chain_write_problem(const struct chain *c, struct text_buffer *out)
{
    for (uint32_t i = 0; i < 1 + c->n_ops + c->n_extras; i++) {
        uint32_t which = c->order[i];
        if (which == 0)
            text_buffer_printf(out, "%c=%" PRIu32 ";", chain_letter(c, 0), c->start_value);
        else
            text_buffer_printf(out, "%c%c%" PRIu32 ";", chain_letter(c, which),
                               c->ops[which - 1].op, c->ops[which - 1].operand);
    }
    text_buffer_printf(out, "%c?", chain_letter(c, c->n_ops));
}
