#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/task/task.h"

// Problems are checked against what their text and metadata say, by other code
// than the generators'.

#define KEY_BYTES 400

static const struct served_files no_files;

struct fixture {
    struct json_document *spec;
    struct task task;
};

static int open_task(struct fixture *f, const char *spec, struct err *err)
{
    *f = (struct fixture){.spec = json_parse(spec, strlen(spec), "spec", err)};
    assert_non_null(f->spec);
    return task_init(&f->task, json_root(f->spec), &no_files, 7, err);
}

static void opened(struct fixture *f, const char *spec)
{
    struct err err;
    if (open_task(f, spec, &err) != 0) fail_msg("%s: %s", spec, err.text);
}

static void closed(struct fixture *f)
{
    task_fini(&f->task);
    json_destroy(f->spec);
}

static struct problem problem_of(const struct fixture *f, enum task_split split, uint64_t n)
{
    struct problem p;
    struct err err;
    if (f->task.kind->problem(f->task.state, split, n, &p, &err) != 0) fail_msg("%s", err.text);
    return p;
}

static const char *question_of(const struct problem *p)
{
    return conversation_last(&p->conversation, "user");
}

static struct json_document *metadata_of(const struct problem *p)
{
    struct err err;
    struct json_document *document = json_parse(p->metadata, strlen(p->metadata), "row", &err);
    if (document == NULL) fail_msg("%s: %s", p->metadata, err.text);
    return document;
}

static struct grade grade_of(const struct problem *p, const char *answer)
{
    struct grade grade = {0};
    struct err err;
    const struct grading g = {.answer = {answer, strlen(answer)},
                              .gold = {p->answer, strlen(p->answer)},
                              .metadata = {p->metadata, strlen(p->metadata)}};
    if (grader_judge(p->grader, &g, &grade, &err) != 0) fail_msg("%s", err.text);
    return grade;
}

// --- arithmetic, a second time -------------------------------------------------------------------

struct reader {
    const char *at;
    long long unknown; // what a letter stands for
    bool is_exact;     // every division was
};

static long long read_sum(struct reader *r);

static char next(struct reader *r)
{
    while (*r->at == ' ')
        r->at++;
    return *r->at;
}

static long long read_atom(struct reader *r)
{
    char c = next(r);
    if (c == '-') {
        r->at++;
        return -read_atom(r);
    }
    if (c == '(') {
        r->at++;
        long long value = read_sum(r);
        assert_int_equal(next(r), ')');
        r->at++;
        return value;
    }
    if (c >= 'a' && c <= 'z') {
        r->at++;
        return r->unknown;
    }
    char *end;
    long long value = strtoll(r->at, &end, 10);
    if (end == r->at) fail_msg("no number at '%s'", r->at);
    r->at = end;
    return value;
}

static long long read_product(struct reader *r)
{
    long long value = read_atom(r);
    for (char op = next(r); op == '*' || op == '/'; op = next(r)) {
        r->at++;
        long long by = read_atom(r);
        if (op == '/') {
            assert_true(by != 0);
            if (value % by != 0) r->is_exact = false;
        }
        value = op == '*' ? value * by : value / by;
    }
    return value;
}

static long long read_sum(struct reader *r)
{
    long long value = read_product(r);
    for (char op = next(r); op == '+' || op == '-'; op = next(r)) {
        r->at++;
        long long other = read_product(r);
        value = op == '+' ? value + other : value - other;
    }
    return value;
}

static long long evaluate(const char *text, long long unknown)
{
    struct reader r = {text, unknown, true};
    long long value = read_sum(&r);
    if (next(&r) != '\0') fail_msg("left over: '%s' of '%s'", r.at, text);
    assert_true(r.is_exact);
    return value;
}

static bool is_prime(long long n)
{
    for (long long d = 2; d * d <= n; d++)
        if (n % d == 0) return false;
    return n > 1;
}

// --- each generator's problems are what they say -------------------------------------------------

typedef void check_fn(const struct problem *p, struct json metadata);

static const char *text_of(struct json metadata, const char *key)
{
    const char *text = json_to_string(json_member(metadata, key), NULL);
    if (text == NULL) fail_msg("no %s", key);
    return text;
}

static long long whole_of(struct json metadata, const char *key)
{
    assert_true(json_is_integer(json_member(metadata, key)));
    return json_to_i64(json_member(metadata, key));
}

static void check_expression(const struct problem *p, struct json metadata)
{
    const char *expression = text_of(metadata, "expression");
    assert_non_null(strstr(question_of(p), expression));
    assert_int_equal(evaluate(expression, 0), strtoll(p->answer, NULL, 10));
    assert_int_equal(whole_of(metadata, "num_terms"), p->level + 1);
}

static void check_equation(const struct problem *p, struct json metadata)
{
    char equation[1024];
    snprintf(equation, sizeof equation, "%s", text_of(metadata, "equation"));
    assert_non_null(strstr(question_of(p), equation));
    char *right = strchr(equation, '=');
    assert_non_null(right);
    *right++ = '\0';
    assert_non_null(strchr(equation, text_of(metadata, "variable")[0]));
    long long x = strtoll(p->answer, NULL, 10);
    assert_in_range(x, 1, 100);
    assert_int_equal(evaluate(equation, x), evaluate(right, x));
    assert_int_not_equal(evaluate(equation, x + 1), evaluate(right, x)); // no other
}

static void check_gcd(const struct problem *p, struct json metadata)
{
    struct json numbers = json_member(metadata, "numbers");
    long long gold = strtoll(p->answer, NULL, 10), largest = 0;
    for (size_t i = 0; i < json_count(numbers); i++) {
        long long n = json_to_i64(json_item(numbers, i));
        assert_in_range(n, 1, 1000);
        char text[32];
        snprintf(text, sizeof text, "%lld", n);
        assert_non_null(strstr(question_of(p), text));
        if (n > largest) largest = n;
    }
    for (long long d = largest; d >= gold; d--) {
        bool divides = true;
        for (size_t i = 0; i < json_count(numbers); i++)
            divides = divides && json_to_i64(json_item(numbers, i)) % d == 0;
        assert_int_equal(divides, d == gold);
    }
    assert_int_equal(whole_of(metadata, "result"), gold);
}

static void check_factors(const struct problem *p, struct json metadata)
{
    struct json factors = json_member(metadata, "factors");
    long long product = 1, last = 2;
    for (size_t i = 0; i < json_count(factors); i++) {
        long long factor = json_to_i64(json_item(factors, i));
        assert_true(is_prime(factor) && factor >= last);
        product *= last = factor;
    }
    assert_int_equal(product, whole_of(metadata, "number"));
    char number[32];
    snprintf(number, sizeof number, "%lld", product);
    assert_non_null(strstr(question_of(p), number));
    assert_int_equal(p->level, strlen(number));
    char shorter[256]; // without its first factor
    const char *rest = strstr(p->answer, "× ");
    snprintf(shorter, sizeof shorter, "%s", rest == NULL ? "1" : rest + strlen("× "));
    assert_false(grade_of(p, shorter).is_correct);
}

static int compare_whole(const void *left, const void *right)
{
    long long a = *(const long long *)left, b = *(const long long *)right;
    return a < b ? -1 : a > b;
}

static void check_countdown(const struct problem *p, struct json metadata)
{
    struct json numbers = json_member(metadata, "numbers");
    const char *expression = text_of(metadata, "expression");
    assert_string_equal(expression, p->answer);
    long long target = whole_of(metadata, "target");
    assert_int_equal(evaluate(expression, 0), target);
    assert_in_range(target, 100, 999);
    long long given[16], used[16];
    size_t n_given = json_count(numbers), n_used = 0;
    assert_int_equal(n_given, p->level + 1);
    for (size_t i = 0; i < n_given; i++)
        given[i] = json_to_i64(json_item(numbers, i));
    for (const char *at = expression; *at != '\0';) {
        char *end;
        long long n = strtoll(at, &end, 10);
        bool is_number = *at >= '0' && *at <= '9';
        if (is_number) used[n_used++] = n;
        at = is_number ? end : at + 1;
    }
    assert_int_equal(n_used, n_given);
    qsort(given, n_given, sizeof given[0], compare_whole);
    qsort(used, n_used, sizeof used[0], compare_whole);
    assert_memory_equal(given, used, n_given * sizeof given[0]);
}

// ["and", ["telling-truth", 2], ["not", ["lying", 0]]] of who is a knight.
static bool holds(struct json statement, unsigned knights)
{
    const char *kind = json_to_string(json_item(statement, 0), NULL);
    struct json first = json_item(statement, 1), second = json_item(statement, 2);
    assert_non_null(kind);
    if (strcmp(kind, "telling-truth") == 0) return (knights >> json_to_i64(first) & 1) != 0;
    if (strcmp(kind, "lying") == 0) return (knights >> json_to_i64(first) & 1) == 0;
    if (strcmp(kind, "not") == 0) return !holds(first, knights);
    if (strcmp(kind, "->") == 0) return !holds(first, knights) || holds(second, knights);
    if (strcmp(kind, "<=>") == 0) return holds(first, knights) == holds(second, knights);
    bool is_and = strcmp(kind, "and") == 0;
    assert_true(is_and || strcmp(kind, "or") == 0);
    bool all = true, any = false;
    for (size_t i = 1; i < json_count(statement); i++) {
        bool is_true = holds(json_item(statement, i), knights);
        all = all && is_true;
        any = any || is_true;
    }
    return is_and ? all : any;
}

static void check_knights(const struct problem *p, struct json metadata)
{
    struct json said = json_member(metadata, "statements"), names = json_member(metadata, "names"),
                solution = json_member(metadata, "solution");
    size_t n = json_count(names);
    assert_true(n == p->level && n == json_count(said) && n == json_count(solution));
    unsigned gold = 0;
    for (size_t i = 0; i < n; i++) {
        bool is_knight = json_to_bool(json_item(solution, i));
        if (is_knight) gold |= 1u << i;
        char line[64];
        const char *name = json_to_string(json_item(names, i), NULL);
        snprintf(line, sizeof line, "%s is a %s", name, is_knight ? "knight" : "knave");
        assert_non_null(strstr(p->answer, line));
        assert_non_null(strstr(question_of(p), name));
    }
    for (unsigned knights = 0; knights < 1u << n; knights++) {
        bool fits = true;
        for (size_t i = 0; i < n; i++)
            fits = fits && holds(json_item(said, i), knights) == ((knights >> i & 1) != 0);
        assert_int_equal(fits, knights == gold);
    }
}

static const struct {
    const char *spec;
    check_fn *check;
} kinds[] = {
    {"{\"name\":\"chain_sum\"}", check_expression},
    {"{\"name\":\"chain_sum\",\"allow_negation\":true,\"max_digits\":12}", check_expression},
    {"{\"name\":\"basic_arithmetic\"}", check_expression},
    {"{\"name\":\"basic_arithmetic\",\"allow_parentheses\":false,\"format_style\":\"natural\"}",
     check_expression},
    {"{\"name\":\"basic_arithmetic\",\"min_terms\":12,\"max_terms\":16,\"whitespace\":\"no_space\","
     "\"operators\":[\"+\",\"/\"]}",
     check_expression},
    {"{\"name\":\"simple_equations\"}", check_equation},
    {"{\"name\":\"simple_equations\",\"operators\":[\"-\"],\"max_terms\":9}", check_equation},
    {"{\"name\":\"gcd\",\"max_numbers\":4}", check_gcd},
    {"{\"name\":\"prime_factorization\",\"max_value\":100000}", check_factors},
    {"{\"name\":\"countdown\"}", check_countdown},
    {"{\"name\":\"countdown\",\"operators\":[\"*\",\"-\"],\"shuffle\":false,\"min_numbers\":3}",
     check_countdown},
    {"{\"name\":\"knights_knaves\",\"levels\":[2,3,4,5,6,7,8]}", check_knights},
    {"{\"name\":\"knights_knaves\",\"n_people\":3,\"depth_constraint\":3,\"width_constraint\":4}",
     check_knights},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static void every_problem_has_the_answer_its_text_asks_for(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_KINDS; k++) {
        struct fixture f;
        opened(&f, kinds[k].spec);
        for (uint64_t n = 0; n < 300; n++) {
            enum task_split split = n % 3 == 0 ? TASK_HELD_OUT : TASK_TRAIN;
            struct problem p = problem_of(&f, split, n);
            struct json_document *row = metadata_of(&p);
            struct json metadata = json_root(row);
            kinds[k].check(&p, metadata);
            assert_string_equal(text_of(metadata, "source_dataset"), p.source);
            assert_int_equal(whole_of(metadata, "source_index"), n);
            assert_true(json_is_object(json_member(metadata, "difficulty")));
            assert_ptr_equal(grader_of_dataset(p.source), p.grader);
            struct grade grade = grade_of(&p, p.answer);
            assert_true(grade.is_correct && grade.value == 1 && grade.hash != 0);
            assert_false(grade_of(&p, "I do not know").is_correct);
            json_destroy(row);
            problem_fini(&p);
        }
        closed(&f);
    }
}

// --- sides, order, levels ------------------------------------------------------------------------

// What makes the problem, whatever its wording.
static void write_key(const struct problem *p, char out[KEY_BYTES])
{
    struct json_document *row = metadata_of(p);
    struct json metadata = json_root(row), numbers = json_member(metadata, "numbers");
    if (json_is_array(numbers)) {
        long long sorted[16];
        size_t n = json_count(numbers);
        for (size_t i = 0; i < n; i++)
            sorted[i] = json_to_i64(json_item(numbers, i));
        qsort(sorted, n, sizeof sorted[0], compare_whole);
        int at = snprintf(out, KEY_BYTES, "%lld",
                          (long long)json_to_i64(json_member(metadata, "target")));
        for (size_t i = 0; i < n; i++)
            at += snprintf(out + at, KEY_BYTES - (size_t)at, ",%lld", sorted[i]);
    } else if (json_is_present(json_member(metadata, "expression"))) {
        snprintf(out, KEY_BYTES, "%s", text_of(metadata, "expression"));
    } else if (json_is_present(json_member(metadata, "number"))) {
        snprintf(out, KEY_BYTES, "%lld", whole_of(metadata, "number"));
    } else if (json_is_present(json_member(metadata, "equation"))) {
        snprintf(out, KEY_BYTES, "%s", text_of(metadata, "equation"));
        char letter = text_of(metadata, "variable")[0];
        for (char *c = out; *c != '\0'; c++)
            if (*c == letter) *c = 'x';
    } else {
        const char *start = strstr(p->metadata, "\"statements\""),
                   *end = strstr(p->metadata, "\"solution\"");
        assert_true(start != NULL && end != NULL && end - start < KEY_BYTES);
        snprintf(out, KEY_BYTES, "%.*s", (int)(end - start), start);
    }
    json_destroy(row);
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void held_out_problems_are_never_trained_on(void **state)
{
    (void)state;
    static const char *const small[] = {
        "{\"name\":\"chain_sum\",\"max_terms\":2,\"max_digits\":1}",
        "{\"name\":\"basic_arithmetic\",\"max_terms\":2,\"max_digits\":1}",
        "{\"name\":\"simple_equations\",\"max_terms\":2,\"max_value\":5}",
        "{\"name\":\"gcd\",\"max_value\":40}",
        "{\"name\":\"prime_factorization\"}",
        "{\"name\":\"countdown\",\"min_numbers\":2,\"max_numbers\":2,\"max_target\":100}",
        "{\"name\":\"knights_knaves\"}",
    };
    enum { N = 600 };
    static char trained[N][KEY_BYTES];
    for (size_t k = 0; k < sizeof small / sizeof small[0]; k++) {
        struct fixture f;
        opened(&f, small[k]);
        for (uint64_t n = 0; n < N; n++) {
            struct problem p = problem_of(&f, TASK_TRAIN, n);
            write_key(&p, trained[n]);
            problem_fini(&p);
        }
        qsort(trained, N, sizeof trained[0], compare_keys);
        int n_repeated = 0;
        for (int n = 1; n < N; n++)
            n_repeated += strcmp(trained[n], trained[n - 1]) == 0;
        if (n_repeated < 10) fail_msg("%s: %d: a leak would not show", small[k], n_repeated);
        for (uint64_t n = 0; n < N; n++) {
            char key[KEY_BYTES];
            struct problem p = problem_of(&f, TASK_HELD_OUT, n);
            write_key(&p, key);
            if (bsearch(key, trained, N, sizeof trained[0], compare_keys) != NULL)
                fail_msg("%s is on both sides of %s", key, small[k]);
            problem_fini(&p);
        }
        closed(&f);
    }
}

static void problem_n_is_the_same_whenever_it_is_asked_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_generators; i++) {
        char spec[128];
        struct fixture f, g;
        snprintf(spec, sizeof spec, "{\"name\":\"%s\"}", generators[i]->name);
        opened(&f, spec);
        snprintf(spec, sizeof spec, "{\"name\":\"%s\",\"seed\":8,\"size\":33}",
                 generators[i]->name);
        opened(&g, spec);
        int n_same = 0;
        for (uint64_t n = 50; n-- > 0;) {
            struct problem a = problem_of(&f, TASK_TRAIN, n), b = problem_of(&f, TASK_TRAIN, n);
            struct problem other = problem_of(&g, TASK_TRAIN, n);
            assert_string_equal(question_of(&a), question_of(&b));
            assert_string_equal(a.metadata, b.metadata);
            n_same += strcmp(question_of(&a), question_of(&other)) == 0;
            problem_fini(&a);
            problem_fini(&b);
            problem_fini(&other);
        }
        assert_true(n_same < 5);
        assert_int_equal(f.task.kind->count(f.task.state, TASK_TRAIN), 0);
        assert_int_equal(f.task.kind->count(f.task.state, TASK_HELD_OUT), 500);
        assert_int_equal(g.task.kind->count(g.task.state, TASK_HELD_OUT), 33);
        closed(&f);
        closed(&g);
    }
}

static void levels_take_turns_and_ranges_are_drawn_evenly(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        uint32_t levels[2]; // that take turns
    } cases[] = {
        {"{\"name\":\"chain_sum\",\"levels\":[5,1]}", {5, 1}},
        {"{\"name\":\"basic_arithmetic\",\"levels\":[2,4]}", {2, 4}},
        {"{\"name\":\"simple_equations\",\"levels\":[3,1]}", {3, 1}},
        {"{\"name\":\"gcd\",\"levels\":[2,3]}", {2, 3}},
        {"{\"name\":\"prime_factorization\",\"levels\":[1,3]}", {1, 3}},
        {"{\"name\":\"countdown\",\"levels\":[3,5]}", {3, 5}},
        {"{\"name\":\"knights_knaves\",\"levels\":[7,2]}", {7, 2}},
    };
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        struct fixture f;
        opened(&f, cases[k].spec);
        for (uint64_t n = 0; n < 40; n++) {
            struct problem p = problem_of(&f, n % 3 == 0 ? TASK_HELD_OUT : TASK_TRAIN, n);
            assert_int_equal(p.level, cases[k].levels[n % 2]);
            problem_fini(&p);
        }
        closed(&f);
    }
    struct fixture f;
    opened(&f, "{\"name\":\"chain_sum\"}");
    enum { N = 5000 };
    int of_level[6] = {0}, n_negative = 0;
    for (uint64_t n = 0; n < N; n++) {
        struct problem p = problem_of(&f, TASK_TRAIN, n);
        of_level[p.level]++;
        n_negative += p.answer[0] == '-';
        problem_fini(&p);
    }
    for (int level = 1; level <= 5; level++)
        assert_in_range(of_level[level], N / 5 - 120, N / 5 + 120);
    assert_in_range(n_negative, 0.3 * N, 0.42 * N);
    closed(&f);
    opened(&f, "{\"name\":\"gcd\"}");
    int n_coprime = 0;
    for (uint64_t n = 0; n < N; n++) {
        struct problem p = problem_of(&f, TASK_TRAIN, n);
        n_coprime += strcmp(p.answer, "1") == 0;
        problem_fini(&p);
    }
    assert_in_range(n_coprime, 0.2 * N, 0.25 * N); // (6 / pi^2)^3 = 0.225
    closed(&f);
}

static void wrong_settings_are_refused_by_key(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *why;
    } cases[] = {
        {"{\"name\":\"chain_sums\"}", "got 'chain_sums', want one of dials, jsonl, mix, basic"},
        {"{\"name\":7}", "got ''"},
        {"{\"name\":\"chain_sum\",\"min_term\":2}", "unknown key 'min_term'"},
        {"{\"name\":\"chain_sum\",\"min_terms\":7}", "min_terms is over max_terms"},
        {"{\"name\":\"chain_sum\",\"max_digits\":16}", "spec.task.max_digits"},
        {"{\"name\":\"chain_sum\",\"levels\":[1,6]}", "level 6 of chain_sum (terms less one)"},
        {"{\"name\":\"chain_sum\",\"eval_levels\":[6]}", "spec.task.eval_levels"},
        {"{\"name\":\"chain_sum\",\"size\":0}", "spec.task.size"},
        {"{\"name\":\"basic_arithmetic\",\"operators\":[]}", "operators"},
        {"{\"name\":\"basic_arithmetic\",\"operators\":[\"+\",\"+\"]}", "each once"},
        {"{\"name\":\"basic_arithmetic\",\"operators\":[\"^\"]}", "+-*/"},
        {"{\"name\":\"basic_arithmetic\",\"format_style\":\"plain\"}", "simple or natural"},
        {"{\"name\":\"basic_arithmetic\",\"whitespace\":\"tab\"}", "no_space"},
        {"{\"name\":\"simple_equations\",\"operators\":[\"/\"]}", "+-*"},
        {"{\"name\":\"simple_equations\",\"operators_weights\":[1]}", "operators_weights"},
        {"{\"name\":\"simple_equations\",\"operators_weights\":[0,0,0]}", "not all 0"},
        {"{\"name\":\"gcd\",\"min_value\":50,\"max_value\":40}", "min_value is over max_value"},
        {"{\"name\":\"prime_factorization\",\"min_value\":1}", "min_value"},
        {"{\"name\":\"countdown\",\"min_target\":1000}", "min_target is over max_target"},
        {"{\"name\":\"countdown\",\"levels\":[1]}", "level 1 of countdown"},
        {"{\"name\":\"knights_knaves\",\"n_people\":9}", "n_people"},
        {"{\"name\":\"knights_knaves\",\"depth_constraint\":1}", "depth_constraint"},
        {"{\"name\":\"knights_knaves\",\"levels\":[1]}", "outside 2..8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fixture f;
        struct err err = {0};
        if (open_task(&f, cases[i].spec, &err) == 0) fail_msg("not refused: %s", cases[i].spec);
        if (strstr(err.text, cases[i].why) == NULL) fail_msg("%s: %s", cases[i].spec, err.text);
        assert_int_equal(err.code, ERR_USAGE);
        closed(&f);
    }
}

static void ranges_without_a_problem_are_an_error_and_no_hang(void **state)
{
    (void)state;
    struct fixture f;
    struct problem p;
    struct err err;
    opened(&f, "{\"name\":\"countdown\",\"min_numbers\":2,\"max_numbers\":2,\"max_value\":2,"
               "\"min_target\":100,\"max_target\":100}");
    assert_int_equal(f.task.kind->problem(f.task.state, TASK_TRAIN, 0, &p, &err), -1);
    assert_non_null(strstr(err.text, "no training problem"));
    closed(&f);
}

// --- working -------------------------------------------------------------------------------------

// Every "a = b" of a line is true, whatever stands around it.
static void check_line(char *line, long long unknown)
{
    for (char *part = line, *next_part; part != NULL; part = next_part) {
        next_part = strpbrk(part, ",;:");
        if (next_part != NULL) *next_part++ = '\0';
        long long first = 0;
        int n_sides = 0;
        if (strchr(part, '=') == NULL) continue;
        for (char *side = part, *next_side; side != NULL; side = next_side, n_sides++) {
            next_side = strchr(side, '=');
            if (next_side != NULL) *next_side++ = '\0';
            long long value = evaluate(side, unknown);
            if (n_sides > 0 && value != first) fail_msg("%lld is not %s", first, side);
            first = value;
        }
        assert_true(n_sides >= 2);
    }
}

static void check_working(const struct fixture *f, uint64_t n, bool by_digits)
{
    struct text_buffer text;
    text_buffer_init(&text);
    const struct working working = {&text, by_digits};
    struct problem p, plain = problem_of(f, TASK_TRAIN, n);
    struct err err;
    text_buffer_add_string(&text, "");
    assert_int_equal(f->task.kind->work_out(f->task.state, n, &working, &p, &err), 0);
    assert_string_equal(question_of(&p), question_of(&plain));
    bool is_arithmetic = strcmp(p.source, "knights_knaves") != 0;
    char *end = strrchr(text.bytes, '\n');
    char *last_line = end == NULL ? text.bytes : end + 1;
    // the last thing said is the answer, or what the answer is made of
    const char *value = strrchr(last_line, ' ');
    if (p.grader == &grader_number && strcmp(p.source, "gcd") != 0 && p.n_steps > 0)
        assert_string_equal(value + 1, p.answer);
    if (strcmp(p.source, "countdown") == 0) assert_string_equal(value + 1, "yes");
    if (!is_arithmetic) assert_non_null(strstr(last_line, "all fit"));
    for (char *line = text.bytes, *next_line; line != NULL && is_arithmetic; line = next_line) {
        next_line = strchr(line, '\n');
        if (next_line != NULL) *next_line++ = '\0';
        check_line(line,
                   strcmp(p.source, "simple_equations") == 0 ? strtoll(p.answer, NULL, 10) : 0);
    }
    problem_fini(&p);
    problem_fini(&plain);
    text_buffer_fini(&text);
}

static void what_is_worked_out_is_true_line_by_line(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_KINDS; k++) {
        struct fixture f;
        opened(&f, kinds[k].spec);
        for (uint64_t n = 0; n < 150; n++)
            check_working(&f, n, n % 2 == 1);
        closed(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_problem_has_the_answer_its_text_asks_for),
        cmocka_unit_test(held_out_problems_are_never_trained_on),
        cmocka_unit_test(problem_n_is_the_same_whenever_it_is_asked_for),
        cmocka_unit_test(levels_take_turns_and_ranges_are_drawn_evenly),
        cmocka_unit_test(wrong_settings_are_refused_by_key),
        cmocka_unit_test(ranges_without_a_problem_are_an_error_and_no_hang),
        cmocka_unit_test(what_is_worked_out_is_true_line_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
