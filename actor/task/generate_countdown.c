#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/task/generator.h"
#include "actor/task/worked_sum.h"
#include "common/base/hash.h"

// Numbers to combine into a target; level L has L + 1 numbers.  Made backwards
// from a solution, so there is one.  Unlike reasoning-gym, which works from
// left to right, any tree of operations is drawn, and no value on the way is
// negative or a fraction.

#define NUMBERS_MAX 12
#define NODES_MAX (2 * NUMBERS_MAX)
#define VALUE_ON_THE_WAY_MAX 1000000

struct countdown_parameters {
    uint32_t min_numbers, max_numbers, min_value, max_value, min_target, max_target;
    bool shuffle;
    struct operators operators;
};

struct countdown_node {
    char op; // 0: a number
    uint8_t left, right;
    int64_t value;
};

struct countdown {
    uint32_t count;   // of numbers: nodes 0 .. count - 1
    uint32_t n_nodes; // operations follow, the last is the whole
    struct countdown_node nodes[NODES_MAX];
};

#define FIELD(key, min, max)                                                                       \
    {                                                                                              \
#key, SPEC_U32, offsetof(struct countdown_parameters, key), min, max                       \
    }
static const struct spec_field fields[] = {
    FIELD(min_numbers, 2, NUMBERS_MAX),
    FIELD(max_numbers, 2, NUMBERS_MAX),
    FIELD(min_value, 1, 10000),
    FIELD(max_value, 1, 10000),
    FIELD(min_target, 1, VALUE_ON_THE_WAY_MAX),
    FIELD(max_target, 1, VALUE_ON_THE_WAY_MAX),
    {"shuffle", SPEC_BOOL, offsetof(struct countdown_parameters, shuffle), 0, 0},
    {"operators", SPEC_OTHER, 0, 0, 0},
};

static void defaults(void *parameters)
{
    *(struct countdown_parameters *)parameters =
        (struct countdown_parameters){4, 6, 1, 100, 100, 999, true, {4, {'+', '-', '*', '/'}}};
}

static int read(struct json spec, void *parameters, struct err *err)
{
    struct countdown_parameters *p = parameters;
    if (check_range("numbers", p->min_numbers, p->max_numbers, err) != 0 ||
        check_range("value", p->min_value, p->max_value, err) != 0 ||
        check_range("target", p->min_target, p->max_target, err) != 0)
        return -1;
    return operators_read(spec, "+-*/", &p->operators, err);
}

static void level_range(const void *parameters, uint32_t *min, uint32_t *max)
{
    const struct countdown_parameters *p = parameters;
    *min = p->min_numbers - 1;
    *max = p->max_numbers - 1;
}

// --- drawing -------------------------------------------------------------------------------------

static bool combine(const struct countdown_parameters *p, struct rng_stream *rng,
                    struct countdown *c, uint8_t a, uint8_t b)
{
    struct countdown_node *out = &c->nodes[c->n_nodes++];
    char op = p->operators.items[rng_below(rng, p->operators.count)];
    bool is_swapped = op == '-' && c->nodes[a].value < c->nodes[b].value;
    *out = (struct countdown_node){op, is_swapped ? b : a, is_swapped ? a : b, 0};
    return arithmetic_apply(op, c->nodes[out->left].value, c->nodes[out->right].value,
                            &out->value) &&
           out->value <= VALUE_ON_THE_WAY_MAX;
}

// Combines two of what is left until one is.
static bool draw_tree(const struct countdown_parameters *p, struct rng_stream *rng,
                      struct countdown *c)
{
    uint8_t pool[NUMBERS_MAX];
    uint32_t n = c->count;
    for (uint32_t i = 0; i < n; i++)
        pool[i] = (uint8_t)i;
    c->n_nodes = c->count;
    while (n > 1) {
        uint32_t i = rng_below(rng, n);
        uint8_t first = pool[i];
        pool[i] = pool[--n];
        uint32_t j = rng_below(rng, n);
        if (!combine(p, rng, c, first, pool[j])) return false;
        pool[j] = (uint8_t)(c->n_nodes - 1);
    }
    return true;
}

static int64_t target_of(const struct countdown *c)
{
    return c->nodes[c->n_nodes - 1].value;
}

static int compare_numbers(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

static bool draw(const void *parameters, uint32_t level, struct rng_stream *rng, void *drawn,
                 uint64_t *side)
{
    const struct countdown_parameters *p = parameters;
    struct countdown *c = drawn;
    c->count = level > 0 ? level + 1 : (uint32_t)draw_between(rng, p->min_numbers, p->max_numbers);
    for (uint32_t i = 0; i < c->count; i++)
        c->nodes[i].value = draw_between(rng, p->min_value, p->max_value);
    if (!draw_tree(p, rng, c) || target_of(c) < p->min_target || target_of(c) > p->max_target)
        return false;
    int64_t key[NUMBERS_MAX + 1];
    for (uint32_t i = 0; i < c->count; i++)
        key[i] = c->nodes[i].value;
    qsort(key, c->count, sizeof key[0], compare_numbers);
    key[c->count] = target_of(c);
    *side = checksum_of(key, (c->count + 1) * sizeof key[0]);
    return true;
}

// --- writing -------------------------------------------------------------------------------------

static int binding(char op)
{
    return op == 0 ? 3 : op == '*' || op == '/' ? 2 : 1;
}

// With the brackets it needs; as deep as there are operations.
static void write_node(const struct countdown *c, uint8_t at, struct text_buffer *out)
{
    const struct countdown_node *node = &c->nodes[at];
    if (node->op == 0) {
        text_buffer_printf(out, "%" PRId64, node->value);
        return;
    }
    const uint8_t sides[] = {node->left, node->right};
    for (int i = 0; i < 2; i++) {
        int inner = binding(c->nodes[sides[i]].op), outer = binding(node->op);
        bool is_bracketed =
            inner < outer || (i == 1 && inner == outer && (node->op == '-' || node->op == '/'));
        if (i == 1) text_buffer_printf(out, " %c ", node->op);
        if (is_bracketed) text_buffer_add_string(out, "(");
        write_node(c, sides[i], out);
        if (is_bracketed) text_buffer_add_string(out, ")");
    }
}

// The numbers as the expression has them, or shuffled.
static void order_numbers(const struct countdown *c, bool is_shuffled, struct rng_stream *rng,
                          int64_t out[NUMBERS_MAX])
{
    uint8_t stack[NODES_MAX] = {(uint8_t)(c->n_nodes - 1)};
    uint32_t depth = 1, n = 0;
    while (depth > 0) {
        const struct countdown_node *node = &c->nodes[stack[--depth]];
        if (node->op == 0) {
            out[n++] = node->value;
        } else {
            stack[depth++] = node->right;
            stack[depth++] = node->left;
        }
    }
    for (uint32_t i = n; is_shuffled && i > 1; i--) {
        uint32_t j = rng_below(rng, i);
        int64_t swap = out[i - 1];
        out[i - 1] = out[j];
        out[j] = swap;
    }
}

// "95 + 14 = 109 , 109 - 18 = 91 : not 99"
static void write_try(const struct countdown *c, int64_t target, const struct working *w)
{
    struct text_buffer line;
    text_buffer_init(&line);
    for (uint32_t i = c->count; i < c->n_nodes; i++) {
        const struct countdown_node *node = &c->nodes[i];
        text_buffer_printf(&line, "%s%" PRId64 " %c %" PRId64 " = %" PRId64,
                           i == c->count ? "" : " , ", c->nodes[node->left].value, node->op,
                           c->nodes[node->right].value, node->value);
    }
    text_buffer_printf(&line, target_of(c) == target ? " : yes" : " : not %" PRId64, target);
    working_line(w, "%s", line.bytes);
    text_buffer_fini(&line);
}

// Up to three ways that miss, then the one that does not.
static void work_out(const struct countdown_parameters *p, const struct countdown *c,
                     struct rng_stream *rng, const struct working *w)
{
    enum { MISSES_MAX = 3, DRAWS = 20 };
    uint32_t n_misses = rng_below(rng, MISSES_MAX + 1);
    for (int i = 0; i < DRAWS && n_misses > 0; i++) {
        struct countdown other = *c;
        if (!draw_tree(p, rng, &other) || target_of(&other) == target_of(c)) continue;
        write_try(&other, target_of(c), w);
        n_misses--;
    }
    write_try(c, target_of(c), w);
}

static void write(const void *parameters, const void *drawn, struct rng_stream *rng,
                  struct generated *out)
{
    static const char *const wordings[] = {
        "Use the numbers %s, each of them exactly once, with + - * / and brackets, to write an "
        "expression whose value is %t. Answer with the expression alone, for example (1 + 2) * 3",
        "Reach %t with the numbers %s: each is used once, + - * / and brackets are allowed. "
        "Give only the expression, like (1 + 2) * 3",
    };
    const struct countdown_parameters *p = parameters;
    const struct countdown *c = drawn;
    int64_t numbers[NUMBERS_MAX];
    order_numbers(c, p->shuffle, rng, numbers);
    struct text_buffer list;
    text_buffer_init(&list);
    for (uint32_t i = 0; i < c->count; i++)
        text_buffer_printf(&list, "%s%" PRId64, i == 0 ? "" : ", ", numbers[i]);
    char target[32];
    snprintf(target, sizeof target, "%" PRId64, target_of(c));
    write_wording(&out->question, wordings[rng_below(rng, 2)], list.bytes, target);
    text_buffer_fini(&list);
    write_node(c, (uint8_t)(c->n_nodes - 1), &out->answer);
    if (out->working != NULL) work_out(p, c, rng, out->working);
    write_numbers(&out->metadata, "numbers", numbers, c->count);
    json_put_i64(&out->metadata, "target", target_of(c));
    json_put_string(&out->metadata, "expression", out->answer.bytes);
    out->level = c->count - 1;
    out->n_steps = c->count - 1;
}

static void write_difficulty(const void *parameters, struct json_writer *w)
{
    const struct countdown_parameters *p = parameters;
    write_range(w, "numbers", p->min_numbers, p->max_numbers);
    write_range(w, "target", p->min_target, p->max_target);
    write_range(w, "value", p->min_value, p->max_value);
}

const struct generator generator_countdown = {
    .name = "countdown",
    .level_is = "numbers less one",
    .grader = &grader_countdown,
    .parameters_bytes = sizeof(struct countdown_parameters),
    .drawn_bytes = sizeof(struct countdown),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .defaults = defaults,
    .read = read,
    .level_range = level_range,
    .draw = draw,
    .write = write,
    .write_difficulty = write_difficulty,
};
