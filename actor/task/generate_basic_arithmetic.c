#include <inttypes.h>
#include <string.h>

#include "actor/task/generator.h"
#include "actor/task/worked_sum.h"
#include "common/base/hash.h"

// Expressions of whole numbers with + - * / and brackets; level L has L + 1
// numbers.  As in reasoning-gym every division comes out whole.  Unlike there,
// operators bind as usual also without brackets, a divisor is always a plain
// number, and what does not fit into 63 bits on the way is drawn again.

#define TERMS_MAX 16
#define DIGITS_MAX 6
#define TEXT_BYTES 512
#define STEPS_MAX (2 * TERMS_MAX) // operations and signs

struct arithmetic_parameters {
    uint32_t min_terms, max_terms, min_digits, max_digits;
    bool allow_parentheses, allow_negation;
    char format_style[SPEC_STRING_BYTES], whitespace[SPEC_STRING_BYTES];
    struct operators operators;
};

struct arithmetic_step {
    char op; // ~ turns the sign of a
    int64_t a, b;
};

struct arithmetic {
    uint32_t n_terms, n_digits;
    int64_t value;
    uint32_t n_steps;
    struct arithmetic_step steps[STEPS_MAX]; // in the order they are worked out
    char text[TEXT_BYTES];                   // a space between parts
    size_t text_bytes;
};

#define FIELD(key, type, min, max)                                                                 \
    {                                                                                              \
#key, type, offsetof(struct arithmetic_parameters, key), min, max                          \
    }
static const struct spec_field fields[] = {
    FIELD(min_terms, SPEC_U32, 1, TERMS_MAX),   FIELD(max_terms, SPEC_U32, 1, TERMS_MAX),
    FIELD(min_digits, SPEC_U32, 1, DIGITS_MAX), FIELD(max_digits, SPEC_U32, 1, DIGITS_MAX),
    FIELD(allow_parentheses, SPEC_BOOL, 0, 0),  FIELD(allow_negation, SPEC_BOOL, 0, 0),
    FIELD(format_style, SPEC_STRING, 0, 0),     FIELD(whitespace, SPEC_STRING, 0, 0),
    {"operators", SPEC_OTHER, 0, 0, 0},
};

static void defaults(void *parameters)
{
    *(struct arithmetic_parameters *)parameters =
        (struct arithmetic_parameters){.min_terms = 2,
                                       .max_terms = 6,
                                       .min_digits = 1,
                                       .max_digits = 4,
                                       .allow_parentheses = true,
                                       .allow_negation = true,
                                       .format_style = "simple",
                                       .whitespace = "single",
                                       .operators = {4, {'+', '-', '*', '/'}}};
}

static int read(struct json spec, void *parameters, struct err *err)
{
    struct arithmetic_parameters *p = parameters;
    if (check_range("terms", p->min_terms, p->max_terms, err) != 0 ||
        check_range("digits", p->min_digits, p->max_digits, err) != 0)
        return -1;
    if (strcmp(p->format_style, "simple") != 0 && strcmp(p->format_style, "natural") != 0)
        return err_set(err, ERR_USAGE, "spec.task.format_style: want simple or natural");
    if (strcmp(p->whitespace, "single") != 0 && strcmp(p->whitespace, "no_space") != 0 &&
        strcmp(p->whitespace, "random") != 0)
        return err_set(err, ERR_USAGE, "spec.task.whitespace: want single, no_space or random");
    return operators_read(spec, "+-*/", &p->operators, err);
}

static void level_range(const void *parameters, uint32_t *min, uint32_t *max)
{
    const struct arithmetic_parameters *p = parameters;
    *min = p->min_terms - 1;
    *max = p->max_terms - 1;
}

// --- drawing -------------------------------------------------------------------------------------

struct drawing {
    const struct arithmetic_parameters *parameters;
    struct rng_stream *rng;
    struct arithmetic *out;
};

static void add_part(struct arithmetic *a, const char *part)
{
    size_t size_bytes = strlen(part);
    CHECK(a->text_bytes + size_bytes + 2 <= sizeof a->text);
    if (a->text_bytes > 0) a->text[a->text_bytes++] = ' ';
    memcpy(a->text + a->text_bytes, part, size_bytes + 1);
    a->text_bytes += size_bytes;
}

static void add_number(struct arithmetic *a, int64_t n)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, n);
    add_part(a, text);
}

static bool apply(struct arithmetic *out, char op, int64_t a, int64_t b, int64_t *result)
{
    CHECK(out->n_steps < STEPS_MAX);
    out->steps[out->n_steps++] = (struct arithmetic_step){op, a, b};
    return arithmetic_apply(op, a, b, result) && *result != INT64_MIN;
}

static int64_t draw_number(const struct drawing *d)
{
    int64_t least, most;
    digits_range(d->out->n_digits, &least, &most);
    bool has_signs = d->parameters->allow_parentheses && d->parameters->allow_negation;
    return draw_between(d->rng, has_signs ? -most : 0, most);
}

// A number of at most the wanted digits that divides n.
static int64_t draw_divisor(const struct drawing *d, int64_t n)
{
    int64_t least, most;
    digits_range(d->out->n_digits, &least, &most);
    if (n == 0) return draw_between(d->rng, 1, most);
    if (n < 0) n = -n;
    int64_t divisors[64];
    uint32_t count = 0;
    // the least 64 are choice enough
    for (int64_t i = 1; i <= most && i <= 9999 && i <= n && count < 64; i++)
        if (n % i == 0) divisors[count++] = i;
    return divisors[rng_below(d->rng, count)];
}

static bool draw_sum(const struct drawing *d, uint32_t n_terms, bool is_inside, int64_t *value);

// A number, or brackets around several; at most n_terms of them.
static bool draw_item(const struct drawing *d, uint32_t n_terms, uint32_t *n_used, int64_t *value)
{
    uint32_t n_inside = n_terms > 1 ? 1 + rng_below(d->rng, n_terms) : 1;
    *n_used = 1;
    if (n_inside == 1 || !d->parameters->allow_parentheses || rng_below(d->rng, 2) == 0) {
        *value = draw_number(d);
        add_number(d->out, *value);
        return true;
    }
    *n_used = n_inside;
    bool is_negated = d->parameters->allow_negation && rng_below(d->rng, 2) == 0;
    add_part(d->out, is_negated ? "-(" : "(");
    if (!draw_sum(d, n_inside, true, value)) return false;
    add_part(d->out, ")");
    if (is_negated) {
        CHECK(d->out->n_steps < STEPS_MAX);
        d->out->steps[d->out->n_steps++] = (struct arithmetic_step){'~', *value, 0};
        *value = -*value;
    }
    return true;
}

// Exactly n_terms numbers.  A product is worked out before it joins the sum, so
// steps come in the order a reader would take them.  Inside brackets the first
// item never takes all: brackets in brackets hold fewer and fewer numbers.
static bool draw_sum(const struct drawing *d, uint32_t n_terms, bool is_inside, int64_t *value)
{
    const struct operators *operators = &d->parameters->operators;
    int64_t sum = 0, run = 0, item;
    char run_op = 0; // how the run joins the sum; 0: it is the first
    uint32_t n_used;
    if (!draw_item(d, n_terms - (is_inside ? 1 : 0), &n_used, &run)) return false;
    for (uint32_t left = n_terms - n_used; left > 0; left -= n_used) {
        char op = operators->items[rng_below(d->rng, operators->count)];
        add_part(d->out, (char[]){op, '\0'});
        if (op == '/') {
            item = draw_divisor(d, run);
            n_used = 1;
            add_number(d->out, item);
        } else if (!draw_item(d, left, &n_used, &item)) {
            return false;
        }
        if (op == '*' || op == '/') {
            if (!apply(d->out, op, run, item, &run)) return false;
            continue;
        }
        if (run_op == 0)
            sum = run;
        else if (!apply(d->out, run_op, sum, run, &sum))
            return false;
        run_op = op;
        run = item;
    }
    if (run_op != 0 && !apply(d->out, run_op, sum, run, &run)) return false;
    *value = run;
    return true;
}

static bool draw(const void *parameters, uint32_t level, struct rng_stream *rng, void *drawn,
                 uint64_t *side)
{
    const struct arithmetic_parameters *p = parameters;
    struct arithmetic *a = drawn;
    a->n_terms = level > 0 ? level + 1 : (uint32_t)draw_between(rng, p->min_terms, p->max_terms);
    a->n_digits = (uint32_t)draw_between(rng, p->min_digits, p->max_digits);
    if (!draw_sum(&(struct drawing){p, rng, a}, a->n_terms, false, &a->value)) return false;
    *side = checksum_of(a->text, a->text_bytes);
    return true;
}

// --- writing -------------------------------------------------------------------------------------

static void write_expression(const struct arithmetic *a, const char *whitespace,
                             struct rng_stream *rng, struct text_buffer *out)
{
    bool is_single = strcmp(whitespace, "single") == 0;
    bool is_random = strcmp(whitespace, "random") == 0;
    for (size_t i = 0; i < a->text_bytes; i++) {
        if (a->text[i] == ' ' && !is_single && (!is_random || rng_below(rng, 100) >= 15)) continue;
        text_buffer_add(out, a->text + i, 1);
    }
}

static void work_out(const struct arithmetic_step *step, const struct working *w)
{
    if (step->op == '~')
        working_line(w, "-(%" PRId64 ") = %" PRId64, step->a, -step->a);
    else
        working_step(w, step->op, step->a, step->b);
}

static void write(const void *parameters, const void *drawn, struct rng_stream *rng,
                  struct generated *out)
{
    static const char *const natural[] = {
        "How much is %s?",
        "Find the value of %s.",
        "What do you get for %s?",
        "Simplify %s to one number.",
    };
    const struct arithmetic_parameters *p = parameters;
    const struct arithmetic *a = drawn;
    struct text_buffer expression;
    text_buffer_init(&expression);
    write_expression(a, p->whitespace, rng, &expression);
    const char *wording =
        strcmp(p->format_style, "simple") == 0 ? "Work out %s." : natural[rng_below(rng, 4)];
    write_wording(&out->question, wording, expression.bytes, "");
    text_buffer_printf(&out->answer, "%" PRId64, a->value);
    for (uint32_t i = 0; i < a->n_steps && out->working != NULL; i++)
        work_out(&a->steps[i], out->working);
    json_put_string(&out->metadata, "expression", expression.bytes);
    json_put_u64(&out->metadata, "num_terms", a->n_terms);
    json_put_u64(&out->metadata, "num_digits", a->n_digits);
    out->level = a->n_terms - 1;
    out->n_steps = a->n_steps;
    text_buffer_fini(&expression);
}

static void write_difficulty(const void *parameters, struct json_writer *w)
{
    const struct arithmetic_parameters *p = parameters;
    write_range(w, "num_terms", p->min_terms, p->max_terms);
    write_range(w, "num_digits", p->min_digits, p->max_digits);
}

const struct generator generator_basic_arithmetic = {
    .name = "basic_arithmetic",
    .level_is = "numbers less one",
    .grader = &grader_number,
    .parameters_bytes = sizeof(struct arithmetic_parameters),
    .drawn_bytes = sizeof(struct arithmetic),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .defaults = defaults,
    .read = read,
    .level_range = level_range,
    .draw = draw,
    .write = write,
    .write_difficulty = write_difficulty,
};
