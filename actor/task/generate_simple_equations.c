#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "actor/task/generator.h"
#include "actor/task/worked_sum.h"
#include "common/base/hash.h"

// One unknown in a sum of products: "12 * x - 4 * 7 + 3 = 95"; level L has
// L + 1 terms.  reasoning-gym folds the left side into a * x + b before it asks;
// here it stands as it was drawn, and operators bind as usual.

#define TERMS_MAX 32
#define VALUE_MAX 100000000

struct equations_parameters {
    uint32_t min_terms, max_terms, min_value, max_value;
    struct operators operators;
    double weights[4]; // of the operators; any scale
};

struct linear { // a x + b
    int64_t a, b;
};

struct equation {
    uint32_t n_terms;
    struct linear terms[TERMS_MAX]; // one has the unknown; the others are b
    char operators[TERMS_MAX];      // before term i; [0] is '+'
    struct linear left;
    int64_t right, solution;
};

#define FIELD(key, max)                                                                            \
    {                                                                                              \
#key, SPEC_U32, offsetof(struct equations_parameters, key), 1, max                         \
    }
static const struct spec_field fields[] = {
    FIELD(min_terms, TERMS_MAX),        FIELD(max_terms, TERMS_MAX),
    FIELD(min_value, VALUE_MAX),        FIELD(max_value, VALUE_MAX),
    {"operators", SPEC_OTHER, 0, 0, 0}, {"operators_weights", SPEC_OTHER, 0, 0, 0},
};

static void defaults(void *parameters)
{
    *(struct equations_parameters *)parameters =
        (struct equations_parameters){2, 4, 1, 100, {3, {'+', '-', '*'}}, {0.4, 0.4, 0.2}};
}

static int read_weights(struct json list, struct equations_parameters *p, struct err *err)
{
    double sum = 0;
    size_t n = json_count(list);
    if (!json_is_array(list) || n != p->operators.count) goto refuse;
    for (size_t i = 0; i < n; i++) {
        p->weights[i] = json_to_double(json_item(list, i));
        if (!json_is_number(json_item(list, i)) || !(p->weights[i] >= 0 && p->weights[i] <= 1e6))
            goto refuse;
        sum += p->weights[i];
    }
    if (sum > 0) return 0;

refuse:
    return err_set(err, ERR_USAGE,
                   "spec.task.operators_weights: want a number from 0 for each operator, "
                   "not all 0");
}

static int read(struct json spec, void *parameters, struct err *err)
{
    struct equations_parameters *p = parameters;
    if (check_range("terms", p->min_terms, p->max_terms, err) != 0 ||
        check_range("value", p->min_value, p->max_value, err) != 0)
        return -1;
    struct json weights = json_member(spec, "operators_weights");
    if (json_is_present(json_member(spec, "operators"))) {
        if (operators_read(spec, "+-*", &p->operators, err) != 0) return -1;
        for (uint32_t i = 0; i < p->operators.count; i++)
            p->weights[i] = p->operators.items[i] == '*' ? 0.2 : 0.4;
    }
    return json_is_present(weights) ? read_weights(weights, p, err) : 0;
}

static void level_range(const void *parameters, uint32_t *min, uint32_t *max)
{
    const struct equations_parameters *p = parameters;
    *min = p->min_terms - 1;
    *max = p->max_terms - 1;
}

static char draw_operator(const struct equations_parameters *p, struct rng_stream *rng)
{
    double sum = 0;
    for (uint32_t i = 0; i < p->operators.count; i++)
        sum += p->weights[i];
    double at = sum * (double)rng_next_unit(rng);
    uint32_t i = 0;
    while (i + 1 < p->operators.count && (at >= p->weights[i] || p->weights[i] == 0))
        at -= p->weights[i++];
    return p->operators.items[i];
}

// --- what the left side comes to -----------------------------------------------------------------

static bool apply(char op, struct linear x, struct linear y, struct linear *out)
{
    if (op != '*')
        return arithmetic_apply(op, x.a, y.a, &out->a) && arithmetic_apply(op, x.b, y.b, &out->b);
    // at most one of them has the unknown
    if (y.a == 0)
        return arithmetic_apply('*', x.a, y.b, &out->a) && arithmetic_apply('*', x.b, y.b, &out->b);
    return arithmetic_apply('*', y.a, x.b, &out->a) && arithmetic_apply('*', y.b, x.b, &out->b);
}

// Says the step, where a step is worth saying: two plain numbers, or a number
// times a multiple of the unknown.
static void say(const struct working *w, char op, struct linear x, struct linear y)
{
    if (w == NULL) return;
    if (op == '*')
        working_step(w, op, x.a != 0 ? x.a : x.b, y.a != 0 ? y.a : y.b);
    else if (x.b != 0 && y.b != 0)
        working_step(w, op, x.b, y.b);
}

static bool fold(const struct equation *e, const struct working *w, struct linear *out)
{
    struct linear sum = {0}, run = e->terms[0];
    char run_op = '+';
    for (uint32_t i = 1; i <= e->n_terms; i++) {
        bool is_end = i == e->n_terms;
        if (!is_end && e->operators[i] == '*') {
            say(w, '*', run, e->terms[i]);
            if (!apply('*', run, e->terms[i], &run)) return false;
            continue;
        }
        say(w, run_op, sum, run);
        if (!apply(run_op, sum, run, &sum)) return false;
        if (is_end) break;
        run_op = e->operators[i];
        run = e->terms[i];
    }
    *out = sum;
    return true;
}

static bool draw(const void *parameters, uint32_t level, struct rng_stream *rng, void *drawn,
                 uint64_t *side)
{
    const struct equations_parameters *p = parameters;
    struct equation *e = drawn;
    e->n_terms = level > 0 ? level + 1 : (uint32_t)draw_between(rng, p->min_terms, p->max_terms);
    for (uint32_t i = 0; i < e->n_terms; i++) {
        e->terms[i].b = draw_between(rng, p->min_value, p->max_value);
        e->operators[i] = i == 0 ? '+' : draw_operator(p, rng);
    }
    struct linear *unknown = &e->terms[rng_below(rng, e->n_terms)];
    bool has_products = memchr(p->operators.items, '*', p->operators.count) != NULL;
    *unknown = (struct linear){has_products ? unknown->b : 1, 0};
    e->solution = draw_between(rng, p->min_value, p->max_value);
    int64_t product;
    if (!fold(e, NULL, &e->left) || !arithmetic_apply('*', e->left.a, e->solution, &product) ||
        !arithmetic_apply('+', product, e->left.b, &e->right) || e->right == INT64_MIN)
        return false;
    struct {
        struct linear terms[TERMS_MAX];
        char operators[TERMS_MAX];
        int64_t right;
    } key;
    memcpy(key.terms, e->terms, sizeof key.terms);
    memcpy(key.operators, e->operators, sizeof key.operators);
    key.right = e->right;
    *side = checksum_of(&key, sizeof key);
    return true;
}

// --- writing -------------------------------------------------------------------------------------

static void write_equation(const struct equation *e, char letter, struct text_buffer *out)
{
    for (uint32_t i = 0; i < e->n_terms; i++) {
        if (i > 0) text_buffer_printf(out, " %c ", e->operators[i]);
        if (e->terms[i].a == 1)
            text_buffer_printf(out, "%c", letter);
        else if (e->terms[i].a != 0)
            text_buffer_printf(out, "%" PRId64 " * %c", e->terms[i].a, letter);
        else
            text_buffer_printf(out, "%" PRId64, e->terms[i].b);
    }
    text_buffer_printf(out, " = %" PRId64, e->right);
}

static void work_out(const struct equation *e, char letter, const struct working *w)
{
    struct linear left;
    CHECK(fold(e, w, &left));
    int64_t rest = e->right - left.b; // a times the solution, which was a number
    if (left.b != 0) {
        working_line(w, "%" PRId64 " * %c %c %" PRId64 " = %" PRId64, left.a, letter,
                     left.b < 0 ? '-' : '+', left.b < 0 ? -left.b : left.b, e->right);
        working_step(w, '-', e->right, left.b);
    }
    working_line(w, "%" PRId64 " * %c = %" PRId64, left.a, letter, rest);
    working_step(w, '/', rest, left.a);
}

static void write(const void *parameters, const void *drawn, struct rng_stream *rng,
                  struct generated *out)
{
    static const char *const wordings[] = {
        "Which %s makes this true? %t",
        "What number is %s, if %t?",
        "Solve %t and answer with the value of %s.",
    };
    (void)parameters;
    const struct equation *e = drawn;
    const char variable[] = {(char)('a' + rng_below(rng, 26)), '\0'};
    struct text_buffer equation;
    text_buffer_init(&equation);
    write_equation(e, variable[0], &equation);
    write_wording(&out->question, wordings[rng_below(rng, 3)], variable, equation.bytes);
    text_buffer_printf(&out->answer, "%" PRId64, e->solution);
    if (out->working != NULL) work_out(e, variable[0], out->working);
    json_put_string(&out->metadata, "equation", equation.bytes);
    json_put_string(&out->metadata, "variable", variable);
    json_put_u64(&out->metadata, "num_terms", e->n_terms);
    out->level = e->n_terms - 1;
    out->n_steps = e->n_terms;
    text_buffer_fini(&equation);
}

static void write_difficulty(const void *parameters, struct json_writer *w)
{
    const struct equations_parameters *p = parameters;
    json_put_u64(w, "min_terms", p->min_terms);
    json_put_u64(w, "max_terms", p->max_terms);
    json_put_u64(w, "min_value", p->min_value);
    json_put_u64(w, "max_value", p->max_value);
    json_open(w, "operators_weights", '[');
    for (uint32_t i = 0; i < p->operators.count; i++)
        json_put_double(w, NULL, p->weights[i]);
    json_close(w, ']');
}

const struct generator generator_simple_equations = {
    .name = "simple_equations",
    .level_is = "terms less one",
    .grader = &grader_number,
    .parameters_bytes = sizeof(struct equations_parameters),
    .drawn_bytes = sizeof(struct equation),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .defaults = defaults,
    .read = read,
    .level_range = level_range,
    .draw = draw,
    .write = write,
    .write_difficulty = write_difficulty,
};
