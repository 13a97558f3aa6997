#include "actor/sandbox/code_tests.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"

enum { CASES_MAX = 10000 };

static const char *const nests[] = {"",           "input_output", "tests",
                                    "test_cases", "ground_truth", "reward_model"};
enum { N_NESTS = sizeof nests / sizeof nests[0], NESTED_MAX = 3 };

// A value that may be JSON inside a string; the document it then lives in.
struct opened {
    struct json value;
    struct json_document *document; // NULL: the outer one
};

static struct opened open_value(struct json v)
{
    struct opened out = {.value = v};
    if (!json_is_string(v)) return out;
    struct err ignored; // text that is no JSON holds no tests
    size_t size;
    const char *text = json_to_string(v, &size);
    out.document = json_parse(text, size, "tests", &ignored);
    out.value = out.document == NULL ? (struct json){0} : json_root(out.document);
    return out;
}

static char *string_of(struct json object, const char *key)
{
    const struct json v = json_is_object(object) ? json_member(object, key) : (struct json){0};
    if (!json_is_string(v)) return NULL;
    size_t size;
    const char *text = json_to_string(v, &size);
    return text_copy(text, size);
}

static bool is_filled_list(struct json v)
{
    return json_is_array(v) && json_count(v) > 0;
}

// --- cases ---------------------------------------------------------------------------------------

// Text, or a list of lines.
static int case_text(struct json v, struct view *out, struct err *err)
{
    struct text_buffer text;
    text_buffer_init(&text);
    text_buffer_add(&text, "", 0);
    const size_t n = json_is_array(v) ? json_count(v) : 1;
    for (size_t i = 0; i < n; i++) {
        const struct json line = json_is_array(v) ? json_item(v, i) : v;
        if (!json_is_string(line)) {
            text_buffer_fini(&text);
            return err_set(err, ERR_FORMAT, "code tests: an input or output that is not text");
        }
        size_t size;
        const char *bytes = json_to_string(line, &size);
        text_buffer_add(&text, bytes, size);
        if (json_is_array(v)) text_buffer_add_string(&text, "\n");
    }
    out->size_bytes = text.size_bytes;
    out->bytes = text_buffer_take(&text);
    return 0;
}

static int add_case(struct code_tests *t, struct json input, struct json output, struct err *err)
{
    struct code_case *c = &t->cases[t->n_cases++];
    if (case_text(input, &c->input, err) != 0 || case_text(output, &c->output, err) != 0) return -1;
    return 0;
}

static int read_cases(struct code_tests *t, struct json v, struct err *err)
{
    const bool is_list = json_is_array(v);
    const struct json inputs = is_list ? v : json_member(v, "inputs");
    const struct json outputs = is_list ? v : json_member(v, "outputs");
    const size_t n = json_count(inputs);
    if (n != json_count(outputs))
        return err_set(err, ERR_FORMAT, "code tests: %zu inputs, %zu outputs", n,
                       json_count(outputs));
    if (n > CASES_MAX)
        return err_set(err, ERR_LIMIT, "code tests: %zu cases, at most %d", n, CASES_MAX);
    if (t->kind != CODE_TESTS_STDIO) return 0; // the judge reads them
    t->cases = calloc(n, sizeof *t->cases);
    CHECK(t->cases != NULL);
    for (size_t i = 0; i < n; i++) {
        const struct json in = json_item(inputs, i), out = json_item(outputs, i);
        if (add_case(t, is_list ? json_member(in, "input") : in,
                     is_list ? json_member(out, "output") : out, err) != 0)
            return -1;
    }
    return 0;
}

// The function's name: beside the cases, in the row, or in what the row calls metadata.
static char *function_name(struct json cases, struct json row)
{
    static const char *const keys[] = {"fn_name", "func_name", "entry_point"};
    const struct opened metadata = open_value(json_member(row, "metadata"));
    const struct json places[] = {cases, row, metadata.value};
    char *name = NULL;
    for (size_t i = 0; name == NULL && i < sizeof places / sizeof places[0]; i++)
        for (size_t k = 0; name == NULL && k < sizeof keys / sizeof keys[0]; k++)
            name = string_of(places[i], keys[k]);
    json_destroy(metadata.document);
    return name;
}

// --- forms ---------------------------------------------------------------------------------------

static bool is_list_of_cases(struct json v)
{
    if (!is_filled_list(v)) return false;
    for (size_t i = 0; i < json_count(v); i++) {
        const struct json item = json_item(v, i);
        if (!json_is_object(item) || !json_is_present(json_member(item, "input")) ||
            !json_is_present(json_member(item, "output")))
            return false;
    }
    return true;
}

static bool is_list_of_strings(struct json v)
{
    if (!is_filled_list(v)) return false;
    for (size_t i = 0; i < json_count(v); i++)
        if (!json_is_string(json_item(v, i))) return false;
    return true;
}

static bool is_functional(struct json list)
{
    size_t size;
    const struct json type = json_member(json_item(list, 0), "testtype");
    return json_is_string(type) && strcmp(json_to_string(type, &size), "functional") == 0;
}

// 1: v holds tests, and they are read; 0: it does not; -1: it does, and they make no sense.
static int read_form(struct code_tests *t, struct json v, struct json row, struct err *err)
{
    if (json_is_object(v) && is_filled_list(json_member(v, "inputs")) &&
        json_is_array(json_member(v, "outputs"))) {
        char *name = string_of(v, "fn_name");
        t->kind = name == NULL ? CODE_TESTS_STDIO : CODE_TESTS_CALLS;
        free(t->entry_point);
        t->entry_point = name;
        return read_cases(t, v, err) == 0 ? 1 : -1;
    }
    if (is_list_of_cases(v)) {
        t->kind = is_functional(v) ? CODE_TESTS_CALLS : CODE_TESTS_STDIO;
        if (t->kind == CODE_TESTS_CALLS) {
            free(t->entry_point);
            t->entry_point = function_name((struct json){0}, row);
            if (t->entry_point == NULL)
                return err_set(err, ERR_FORMAT, "code tests: functional cases without fn_name");
        }
        return read_cases(t, v, err) == 0 ? 1 : -1;
    }
    if (is_list_of_strings(v)) {
        t->kind = CODE_TESTS_ASSERTS;
        return 1;
    }
    return 0;
}

static void set_path(struct code_tests *t, const char *const *keys, size_t n)
{
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '[');
    for (size_t i = 0; i < n; i++)
        json_put_string(&w, NULL, keys[i]);
    json_close(&w, ']');
    free(t->path);
    t->path = w.bytes;
}

static int read_nested(struct code_tests *t, struct json row, struct err *err)
{
    int found = 0;
    for (size_t i = 0; found == 0 && i < N_NESTS; i++) {
        const bool is_row = nests[i][0] == '\0';
        const bool is_model = strcmp(nests[i], "reward_model") == 0;
        const char *const keys[] = {nests[i], "ground_truth"};
        struct opened first = {.value = row}, second = {0};
        if (!is_row) first = open_value(json_member(row, nests[i]));
        if (is_model && json_is_object(first.value))
            second = open_value(json_member(first.value, "ground_truth"));
        const struct json v = is_model ? second.value : first.value;
        if (json_is_present(v)) found = read_form(t, v, row, err);
        if (found == 1) set_path(t, keys, is_row ? 0 : is_model ? 2 : 1);
        json_destroy(second.document);
        json_destroy(first.document);
    }
    return found;
}

static int read_row(struct code_tests *t, struct json row, struct err *err)
{
    t->entry_point = string_of(row, "entry_point");
    t->prompt = string_of(row, "prompt");
    const struct json limit = json_member(row, "time_limit");
    if (json_is_number(limit) && json_to_double(limit) > 0) t->time_limit_s = json_to_double(limit);
    set_path(t, NULL, 0);
    char *test = string_of(row, "test");
    int found = 0;
    if (test != NULL && (t->entry_point != NULL || strstr(test, "assert") != NULL)) {
        const bool is_check = t->entry_point != NULL && strstr(test, "def check") != NULL;
        t->kind = is_check ? CODE_TESTS_CHECK : CODE_TESTS_ASSERTS;
        found = 1;
    } else if (is_list_of_strings(json_member(row, "test_list"))) {
        t->kind = CODE_TESTS_ASSERTS;
        found = 1;
    }
    free(test);
    return found != 0 ? found : read_nested(t, row, err);
}

// --- reading -------------------------------------------------------------------------------------

static int read_text(struct code_tests *t, struct view text, const char *name, struct err *err)
{
    struct json_document *document = json_parse(text.bytes, text.size_bytes, name, err);
    if (document == NULL) return -1;
    const struct json root = json_root(document);
    int found = json_is_object(root) ? read_row(t, root, err) : 0;
    if (json_is_array(root)) {
        found = read_form(t, root, (struct json){0}, err);
        set_path(t, NULL, 0);
    }
    json_destroy(document);
    if (found == 1) t->row = text_copy(text.bytes, text.size_bytes);
    return found;
}

static void read_assertions(struct code_tests *t, struct view gold)
{
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_open(&w, "tests", '[');
    json_put_text(&w, NULL, gold.bytes, gold.size_bytes);
    json_close(&w, ']');
    json_close(&w, '}');
    t->kind = CODE_TESTS_ASSERTS;
    t->row = w.bytes;
    set_path(t, NULL, 0);
}

int code_tests_read(struct code_tests *t, struct view row, struct view gold, struct err *err)
{
    int found = 0;
    *t = (struct code_tests){0};
    if (row.size_bytes > 0) found = read_text(t, row, "code tests", err);
    if (found == 0 && gold.size_bytes > 0) {
        struct err not_json;
        code_tests_fini(t);
        found = read_text(t, gold, "ground_truth", &not_json);
        if (found < 0 && text_find(gold, "assert", 0) != TEXT_NOWHERE) {
            code_tests_fini(t);
            read_assertions(t, gold);
            found = 1;
        } else if (found < 0) {
            *err = not_json;
        }
    }
    if (found == 1) return 0;
    code_tests_fini(t);
    if (found == 0)
        return err_set(err, ERR_FORMAT,
                       "code tests: the row has none of test with entry_point, test_list, inputs "
                       "with outputs, a list of input with output");
    return -1;
}

void code_tests_fini(struct code_tests *t)
{
    for (uint32_t i = 0; i < t->n_cases; i++) {
        free((void *)(uintptr_t)t->cases[i].input.bytes);
        free((void *)(uintptr_t)t->cases[i].output.bytes);
    }
    free(t->cases);
    free(t->row);
    free(t->path);
    free(t->entry_point);
    free(t->prompt);
    *t = (struct code_tests){0};
}
