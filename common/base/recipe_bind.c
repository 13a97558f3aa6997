#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/recipe_layers.h"

enum { SHOWN_BYTES = 60 }; // of a wrong value, in an error

static const char *keep_text(struct recipe *recipe, const char *text)
{
    recipe->texts = realloc(recipe->texts, (recipe->n_texts + 1) * sizeof *recipe->texts);
    CHECK(recipe->texts != NULL);
    char *copy = strdup(text);
    CHECK(copy != NULL);
    recipe->texts[recipe->n_texts++] = copy;
    return copy;
}

static bool has_range(const struct recipe_key *key)
{
    return key->max > key->min;
}

static void describe_wanted(const struct recipe_key *key, char *out, size_t out_bytes)
{
    const char *names[] = {
        [RECIPE_U64] = "a whole number", [RECIPE_DOUBLE] = "a number",
        [RECIPE_BOOL] = "true or false", [RECIPE_STRING] = "text",
        [RECIPE_CHOICE] = "one of ",     [RECIPE_SPEC] = "a value",
    };
    int used = snprintf(out, out_bytes, "%s%s", names[key->type],
                        key->type == RECIPE_CHOICE ? key->choices : "");
    bool is_number = key->type == RECIPE_U64 || key->type == RECIPE_DOUBLE;
    if (!is_number || !has_range(key) || used < 0 || (size_t)used >= out_bytes) return;

    char *rest = out + used;
    size_t rest_bytes = out_bytes - (size_t)used;
    if (isinf(key->max) || key->max >= 0x1p63) {
        snprintf(rest, rest_bytes, " of at least %.16g", key->min);
    } else if (isinf(key->min)) {
        snprintf(rest, rest_bytes, " of at most %.16g", key->max);
    } else {
        snprintf(rest, rest_bytes, " from %.16g to %.16g", key->min, key->max);
    }
}

static int refuse_value(const struct recipe_key *key, const struct tree *value, struct err *err)
{
    char where[RECIPE_PLACE_BYTES];
    char wanted[200];
    char found[SHOWN_BYTES + 8];
    tree_place(value, where, sizeof where);
    describe_wanted(key, wanted, sizeof wanted);
    if (value->kind != TREE_SCALAR) {
        snprintf(found, sizeof found, "%s", value->kind == TREE_LIST ? "a list" : "a map");
    } else if (tree_is_null(value)) {
        snprintf(found, sizeof found, "nothing");
    } else {
        snprintf(found, sizeof found, value->is_plain ? "%.*s%s" : "'%.*s%s'", SHOWN_BYTES,
                 value->text, value->text_bytes > SHOWN_BYTES ? "..." : "");
    }
    return err_set(err, ERR_USAGE, "%s%s: want %s, found %s", where, key->name, wanted, found);
}

static bool read_u64(const struct tree *value, uint64_t *out)
{
    const char *text = value->text;
    if (!value->is_plain || text[0] == '\0' || text[strspn(text, "0123456789")] != '\0') {
        return false;
    }
    errno = 0;
    *out = strtoull(text, NULL, 10);
    return errno == 0;
}

// Only what is written in decimal digits: strtod alone would take "nan" and "0x1p3".
static bool read_double(const struct tree *value, double *out)
{
    const char *text = value->text;
    if (!value->is_plain || text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') {
        return false;
    }
    char *end;
    *out = strtod(text, &end);
    return *end == '\0' && end != text && isfinite(*out);
}

static bool is_in_range(const struct recipe_key *key, double value)
{
    return !has_range(key) || (value >= key->min && value <= key->max);
}

static int find_choice(const char *choices, const char *text)
{
    size_t text_bytes = strlen(text);
    int position = 0;
    for (const char *at = choices;; at++) {
        size_t bytes = strcspn(at, "|");
        if (bytes == text_bytes && memcmp(at, text, bytes) == 0) return position;
        at += bytes;
        if (*at == '\0') return -1;
        position++;
    }
}

static int store_scalar(struct recipe *recipe, const struct recipe_key *key,
                        const struct tree *value, void *field)
{
    uint64_t whole;
    double number;
    switch (key->type) {
    case RECIPE_U64:
        if (!read_u64(value, &whole) || !is_in_range(key, (double)whole)) return -1;
        *(uint64_t *)field = whole;
        return 0;
    case RECIPE_DOUBLE:
        if (!read_double(value, &number) || !is_in_range(key, number)) return -1;
        *(double *)field = number;
        return 0;
    case RECIPE_BOOL:
        if (!value->is_plain) return -1;
        if (strcmp(value->text, "true") != 0 && strcmp(value->text, "false") != 0) return -1;
        *(bool *)field = value->text[0] == 't';
        return 0;
    case RECIPE_STRING:
        if (strlen(value->text) != value->text_bytes) return -1;
        *(const char **)field = keep_text(recipe, tree_is_null(value) ? "" : value->text);
        return 0;
    case RECIPE_CHOICE:
        *(int *)field = find_choice(key->choices, value->text);
        return *(int *)field < 0 ? -1 : 0;
    case RECIPE_SPEC:
    default:
        return -1;
    }
}

static int store_value(struct recipe *recipe, const struct recipe_key *key,
                       const struct tree *value, void *field, struct err *err)
{
    if (key->type == RECIPE_SPEC) {
        struct json_writer json;
        json_writer_init(&json);
        tree_write_json(value, NULL, &json);
        *(const char **)field = keep_text(recipe, json.bytes);
        free(json.bytes);
        return 0;
    }
    if (value->kind == TREE_SCALAR && store_scalar(recipe, key, value, field) == 0) return 0;
    return refuse_value(key, value, err);
}

static int bind_key(struct recipe *recipe, const struct recipe_stage *stage,
                    const struct recipe_key *key, void *field, struct err *err)
{
    const struct tree *value = tree_find(&stage->merged, key->name);
    if (value != NULL) return store_value(recipe, key, value, field, err);
    if (key->fallback == NULL) {
        char wanted[200];
        describe_wanted(key, wanted, sizeof wanted);
        return err_set(err, ERR_USAGE, "%s: stage %s: %s is missing: want %s (%s)", recipe->path,
                       stage->name, key->name, wanted, key->help != NULL ? key->help : "");
    }
    char source[TREE_KEY_BYTES_MAX + 32];
    snprintf(source, sizeof source, "default of %s", key->name);
    struct tree fallback;
    if (recipe_parse_value(&fallback, key->fallback, source, err) != 0) return -1;
    int status = store_value(recipe, key, &fallback, field, err);
    tree_free(&fallback);
    return status;
}

int recipe_bind(struct recipe *recipe, size_t stage, const struct recipe_key *keys, size_t n_keys,
                void *out, struct err *err)
{
    CHECK(stage < recipe->n_stages);
    size_t known = 0;
    while (known < recipe->n_tables && recipe->tables[known].keys != keys) {
        known++;
    }
    if (known == recipe->n_tables) {
        CHECK(recipe->n_tables < RECIPE_TABLES_MAX);
        recipe->tables[recipe->n_tables++] = (struct recipe_table){.keys = keys, .n_keys = n_keys};
    }
    for (size_t i = 0; i < n_keys; i++) {
        void *field = (char *)out + keys[i].offset;
        if (bind_key(recipe, &recipe->stages[stage], &keys[i], field, err) != 0) return -1;
    }
    return 0;
}
