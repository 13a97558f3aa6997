#include "common/base/recipe.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/recipe_layers.h"

static int refuse(const struct tree *place, struct err *err, const char *what, const char *detail)
{
    char where[RECIPE_PLACE_BYTES];
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
        struct recipe_stage *stage = &recipe->stages[recipe->n_stages];
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
    if (list->kind != TREE_LIST || list->n_items == 0 || list->n_items > RECIPE_STAGES_MAX) {
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
        struct recipe_stage *stage = &recipe->stages[recipe->n_stages++];
        *stage = (struct recipe_stage){.name = strdup("main"), .own.kind = TREE_MAP};
        CHECK(stage->name != NULL);
    }
    return normalise(&recipe->base, file, err);
}

int recipe_parse_value(struct tree *tree, const char *text, const char *source, struct err *err)
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
    struct recipe_override *o = &recipe->overrides[recipe->n_overrides++];
    size_t source_bytes = strlen(text) + sizeof "override ''";
    *o = (struct recipe_override){.source = malloc(source_bytes)};
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
    if (recipe_parse_value(&item, equals + 1, o->source, err) != 0) return -1;
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
        struct recipe_stage *stage = &recipe->stages[i];
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

    if (n_overrides > RECIPE_OVERRIDES_MAX) {
        return err_set(err, ERR_USAGE, "%zu overrides, at most %d", n_overrides,
                       RECIPE_OVERRIDES_MAX);
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
