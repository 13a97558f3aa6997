#include "common/base/recipe.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/recipe_tree.h"

enum {
    STAGES_MAX = 64,
    OVERRIDES_MAX = 1000,
    TABLES_MAX = 64,
    PLACE_BYTES = 320,
    SHOWN_BYTES = 60, // of a wrong value, in an error
};

struct stage {
    char *name;
    struct tree own;    // what the file says under it
    struct tree merged; // recipe, stage, overrides, stage's overrides
};

struct table {
    const struct recipe_key *keys;
    size_t n_keys;
};

struct override {
    char *source; // "override 'a.b=value'"
    int stage;    // -1: of every stage
    struct tree tree;
};

struct recipe {
    char *path;
    struct tree base; // the file without its stages
    size_t n_stages;
    struct stage stages[STAGES_MAX];
    size_t n_overrides;
    struct override *overrides;
    size_t n_tables;
    struct table tables[TABLES_MAX]; // bound so far: the keys that are known
    size_t n_texts;
    char **texts; // what bound structs point to
};

// --- opening -----------------------------------------------------------------------------------

static int refuse(const struct tree *place, struct err *err, const char *what, const char *detail)
{
    char where[PLACE_BYTES];
    tree_place(place, where, sizeof where);
    return err_set(err, ERR_USAGE, "%s%s%s", where, what, detail);
}

// One layer by itself, its dotted keys taken apart; freed by the caller.
static int normalise(struct tree *out, const struct tree *layer, struct err *err)
{
    const struct tree *clash = NULL;
    *out = (struct tree){.kind = TREE_MAP, .source = layer->source, .line = layer->line};
    tree_merge(out, layer, &clash);
    if (clash == NULL) return 0;
    refuse(clash, err, "given twice, plain and dotted: ", clash->key);
    tree_free(out);
    return -1;
}

static bool is_stage_name(const struct tree *name)
{
    if (name->kind != TREE_SCALAR || name->text_bytes == 0 || name->text_bytes > 64) return false;
    for (size_t i = 0; i < name->text_bytes; i++) {
        unsigned char c = (unsigned char)name->text[i];
        if (!isalnum(c) && c != '-' && c != '_') return false;
    }
    return true;
}

// Takes the item of that key out of a map.
static bool take_item(struct tree *map, const char *key, struct tree *item)
{
    for (size_t i = 0; i < map->n_items; i++) {
        if (strcmp(map->items[i].key, key) != 0) continue;
        *item = map->items[i];
        map->n_items--;
        memmove(&map->items[i], &map->items[i + 1], (map->n_items - i) * sizeof *item);
        return true;
    }
    return false;
}

static int add_stage(struct recipe *recipe, struct tree *listed, struct err *err)
{
    if (listed->kind != TREE_MAP) {
        return refuse(listed, err, "a stage must be a map with a name and keys", "");
    }
    struct tree name;
    if (!take_item(listed, "name", &name)) {
        return refuse(listed, err, "a stage must have a name", "");
    }
    int status = 0;
    if (!is_stage_name(&name)) {
        status = refuse(&name, err, "a stage's name must be 1 to 64 letters, digits, - or _", "");
    } else if (recipe_find_stage(recipe, name.text) >= 0) {
        status = refuse(&name, err, "two stages have the name ", name.text);
    } else {
        struct stage *stage = &recipe->stages[recipe->n_stages];
        status = normalise(&stage->own, listed, err);
        if (status == 0) {
            stage->name = name.text;
            name.text = NULL;
            recipe->n_stages++;
        }
    }
    tree_free(&name);
    return status;
}

static int add_stages(struct recipe *recipe, struct tree *list, struct err *err)
{
    if (list->kind != TREE_LIST || list->n_items == 0 || list->n_items > STAGES_MAX) {
        return refuse(list, err, "stages: want a list of 1 to 64 maps", "");
    }
    for (size_t i = 0; i < list->n_items; i++) {
        if (add_stage(recipe, &list->items[i], err) != 0) return -1;
    }
    return 0;
}

static int read_layers(struct recipe *recipe, struct tree *file, struct err *err)
{
    if (file->kind != TREE_MAP) return refuse(file, err, "a recipe must be a map of keys", "");

    struct tree list;
    if (take_item(file, "stages", &list)) {
        int status = add_stages(recipe, &list, err);
        tree_free(&list);
        if (status != 0) return -1;
    } else {
        struct stage *stage = &recipe->stages[recipe->n_stages++];
        *stage = (struct stage){.name = strdup("main"), .own.kind = TREE_MAP};
        CHECK(stage->name != NULL);
    }
    return normalise(&recipe->base, file, err);
}

// A value alone: an override's right side, or a default as it stands in a table.
static int parse_value(struct tree *tree, const char *text, const char *source, struct err *err)
{
    if (text[strspn(text, " ")] == '\0') {
        *tree = (struct tree){.kind = TREE_SCALAR, .is_plain = true, .source = source};
        tree->text = strdup("");
        CHECK(tree->text != NULL);
        return 0;
    }
    return tree_parse(tree, text, strlen(text), source, false, err);
}

static int find_overridden_stage(const struct recipe *recipe, const char **key, const char *source,
                                 struct err *err)
{
    static const char prefix[] = "stages.";
    if (strncmp(*key, prefix, sizeof prefix - 1) != 0) return -1;
    const char *name = *key + sizeof prefix - 1;
    size_t bytes = strcspn(name, ".");
    for (size_t i = 0; i < recipe->n_stages && name[bytes] == '.'; i++) {
        const char *have = recipe->stages[i].name;
        if (strlen(have) == bytes && memcmp(have, name, bytes) == 0) {
            *key = name + bytes + 1;
            return (int)i;
        }
    }
    char names[256] = "";
    for (size_t i = 0; i < recipe->n_stages; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "",
                 recipe->stages[i].name);
    }
    err_set(err, ERR_USAGE, "%s: want stages.NAME.key=value, NAME one of: %s", source, names);
    return -2;
}

static int add_override(struct recipe *recipe, const char *text, struct err *err)
{
    struct override *o = &recipe->overrides[recipe->n_overrides++];
    size_t source_bytes = strlen(text) + sizeof "override ''";
    *o = (struct override){.source = malloc(source_bytes)};
    CHECK(o->source != NULL);
    snprintf(o->source, source_bytes, "override '%s'", text);

    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) {
        return err_set(err, ERR_USAGE, "%s: want key=value", o->source);
    }
    const char *key = text;
    o->stage = find_overridden_stage(recipe, &key, o->source, err);
    if (o->stage < -1) return -1;
    size_t key_bytes = (size_t)(equals - key);
    if (key_bytes == 0 || key_bytes > TREE_KEY_BYTES_MAX) {
        return err_set(err, ERR_USAGE, "%s: want a key of 1 to %d bytes", o->source,
                       TREE_KEY_BYTES_MAX);
    }
    struct tree item;
    if (parse_value(&item, equals + 1, o->source, err) != 0) return -1;
    item.key = strndup(key, key_bytes);
    CHECK(item.key != NULL);
    struct tree layer = {.kind = TREE_MAP, .source = o->source, .items = &item, .n_items = 1};
    int status = normalise(&o->tree, &layer, err);
    tree_free(&item);
    return status;
}

static void merge_overrides(struct recipe *recipe, int stage, struct tree *merged)
{
    for (size_t i = 0; i < recipe->n_overrides; i++) {
        if (recipe->overrides[i].stage == stage)
            tree_merge(merged, &recipe->overrides[i].tree, NULL);
    }
}

// What each stage sees: the recipe, the stage's own keys, the command line.
static void merge_layers(struct recipe *recipe)
{
    for (size_t i = 0; i < recipe->n_stages; i++) {
        struct stage *stage = &recipe->stages[i];
        stage->merged = (struct tree){.kind = TREE_MAP, .source = recipe->path};
        tree_merge(&stage->merged, &recipe->base, NULL);
        tree_merge(&stage->merged, &stage->own, NULL);
        merge_overrides(recipe, -1, &stage->merged);
        merge_overrides(recipe, (int)i, &stage->merged);
    }
}

static int read_recipe(struct recipe *recipe, size_t n_overrides, char *const *overrides,
                       struct err *err)
{
    char *bytes = NULL;
    size_t size_bytes = 0;
    if (file_read(recipe->path, TREE_BYTES_MAX, &bytes, &size_bytes, err) != 0) return -1;

    struct tree file;
    int status = tree_parse(&file, bytes, size_bytes, recipe->path, true, err);
    free(bytes);
    if (status != 0) return -1;
    status = read_layers(recipe, &file, err);
    tree_free(&file);
    if (status != 0) return -1;

    if (n_overrides > OVERRIDES_MAX) {
        return err_set(err, ERR_USAGE, "%zu overrides, at most %d", n_overrides, OVERRIDES_MAX);
    }
    recipe->overrides = calloc(n_overrides + 1, sizeof *recipe->overrides);
    CHECK(recipe->overrides != NULL);
    for (size_t i = 0; i < n_overrides; i++) {
        if (add_override(recipe, overrides[i], err) != 0) return -1;
    }
    merge_layers(recipe);
    return 0;
}

struct recipe *recipe_open(const char *path, size_t n_overrides, char *const *overrides,
                           struct err *err)
{
    struct recipe *recipe = calloc(1, sizeof *recipe);
    CHECK(recipe != NULL);
    recipe->path = strdup(path);
    CHECK(recipe->path != NULL);
    if (read_recipe(recipe, n_overrides, overrides, err) == 0) return recipe;
    recipe_destroy(recipe);
    return NULL;
}

void recipe_destroy(struct recipe *recipe)
{
    if (recipe == NULL) return;
    tree_free(&recipe->base);
    for (size_t i = 0; i < recipe->n_stages; i++) {
        free(recipe->stages[i].name);
        tree_free(&recipe->stages[i].own);
        tree_free(&recipe->stages[i].merged);
    }
    for (size_t i = 0; i < recipe->n_overrides; i++) {
        free(recipe->overrides[i].source);
        tree_free(&recipe->overrides[i].tree);
    }
    for (size_t i = 0; i < recipe->n_texts; i++) {
        free(recipe->texts[i]);
    }
    free(recipe->texts);
    free(recipe->overrides);
    free(recipe->path);
    free(recipe);
}

const char *recipe_path(const struct recipe *recipe)
{
    return recipe->path;
}

size_t recipe_stage_count(const struct recipe *recipe)
{
    return recipe->n_stages;
}

const char *recipe_stage_name(const struct recipe *recipe, size_t stage)
{
    CHECK(stage < recipe->n_stages);
    return recipe->stages[stage].name;
}

int recipe_find_stage(const struct recipe *recipe, const char *name)
{
    for (size_t i = 0; i < recipe->n_stages; i++) {
        if (strcmp(recipe->stages[i].name, name) == 0) return (int)i;
    }
    return -1;
}

// --- binding -----------------------------------------------------------------------------------

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
        snprintf(rest, rest_bytes, " of at least %.15g", key->min);
    } else if (isinf(key->min)) {
        snprintf(rest, rest_bytes, " of at most %.15g", key->max);
    } else {
        snprintf(rest, rest_bytes, " from %.15g to %.15g", key->min, key->max);
    }
}

static int refuse_value(const struct recipe_key *key, const struct tree *value, struct err *err)
{
    char where[PLACE_BYTES];
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

static int bind_key(struct recipe *recipe, const struct stage *stage, const struct recipe_key *key,
                    void *field, struct err *err)
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
    if (parse_value(&fallback, key->fallback, source, err) != 0) return -1;
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
        CHECK(recipe->n_tables < TABLES_MAX);
        recipe->tables[recipe->n_tables++] = (struct table){.keys = keys, .n_keys = n_keys};
    }
    for (size_t i = 0; i < n_keys; i++) {
        void *field = (char *)out + keys[i].offset;
        if (bind_key(recipe, &recipe->stages[stage], &keys[i], field, err) != 0) return -1;
    }
    return 0;
}

// --- what nobody asked for ---------------------------------------------------------------------

static const struct recipe_key *known_key(const struct recipe *recipe, const char *name)
{
    for (size_t t = 0; t < recipe->n_tables; t++) {
        for (size_t i = 0; i < recipe->tables[t].n_keys; i++) {
            const struct recipe_key *key = &recipe->tables[t].keys[i];
            if (strcmp(key->name, name) == 0) return key;
        }
    }
    return NULL;
}

// Is it a group in which some key is known?
static bool is_known_group(const struct recipe *recipe, const char *name)
{
    size_t bytes = strlen(name);
    for (size_t t = 0; t < recipe->n_tables; t++) {
        for (size_t i = 0; i < recipe->tables[t].n_keys; i++) {
            const char *key = recipe->tables[t].keys[i].name;
            if (strncmp(key, name, bytes) == 0 && key[bytes] == '.') return true;
        }
    }
    return false;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

// Letters to insert, delete or replace to get from one to the other.
static size_t edit_distance(const char *a, const char *b)
{
    enum { CUT = 256 };
    size_t row[CUT + 1];
    size_t n = smaller(strlen(a), CUT);
    size_t m = smaller(strlen(b), CUT);
    for (size_t j = 0; j <= m; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = smaller(replaced, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[m];
}

static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot == NULL ? name : dot + 1;
}

static const char *nearest_key(const struct recipe *recipe, const char *name)
{
    const char *nearest = NULL;
    size_t best = 3 + strlen(name) / 8; // further off it is no slip of the hand
    for (size_t t = 0; t < recipe->n_tables; t++) {
        for (size_t i = 0; i < recipe->tables[t].n_keys; i++) {
            const char *key = recipe->tables[t].keys[i].name;
            size_t distance = edit_distance(name, key);
            // The right word in the wrong group.
            if (strcmp(last_part(name), last_part(key)) == 0) distance = smaller(distance, 2);
            if (distance < best) {
                best = distance;
                nearest = key;
            }
        }
    }
    return nearest;
}

static int refuse_unknown(const struct recipe *recipe, const struct tree *node, const char *name,
                          struct err *err)
{
    char where[PLACE_BYTES];
    tree_place(node, where, sizeof where);
    const char *nearest = nearest_key(recipe, name);
    if (nearest == NULL) return err_set(err, ERR_USAGE, "%sunknown key '%s'", where, name);
    if (strcmp(nearest, name) == 0) {
        return err_set(err, ERR_USAGE, "%swrite '%s' at the left margin or as nested maps", where,
                       name);
    }
    return err_set(err, ERR_USAGE, "%sunknown key '%s'; did you mean '%s'?", where, name, nearest);
}

// group is "" or "actor.optim."
static int check_group(const struct recipe *recipe, const struct tree *map, const char *group,
                       struct err *err)
{
    for (size_t i = 0; i < map->n_items; i++) {
        const struct tree *item = &map->items[i];
        char name[(TREE_KEY_BYTES_MAX + 1) * TREE_DEPTH_MAX];
        snprintf(name, sizeof name, "%s%s", group, item->key);
        bool is_inner_dot = group[0] != '\0' && strchr(item->key, '.') != NULL;
        if (!is_inner_dot && known_key(recipe, name) != NULL) continue;
        if (item->kind != TREE_MAP || !is_known_group(recipe, name)) {
            return refuse_unknown(recipe, item, name, err);
        }
        size_t bytes = strlen(name);
        snprintf(name + bytes, sizeof name - bytes, ".");
        if (check_group(recipe, item, name, err) != 0) return -1;
    }
    return 0;
}

int recipe_check_unused(const struct recipe *recipe, struct err *err)
{
    if (check_group(recipe, &recipe->base, "", err) != 0) return -1;
    for (size_t i = 0; i < recipe->n_stages; i++) {
        if (check_group(recipe, &recipe->stages[i].own, "", err) == 0) continue;
        return recipe->n_stages == 1 ? -1 : err_prefix(err, "stage %s", recipe->stages[i].name);
    }
    for (size_t i = 0; i < recipe->n_overrides; i++) {
        if (check_group(recipe, &recipe->overrides[i].tree, "", err) != 0) return -1;
    }
    return 0;
}
