#include <stdio.h>
#include <string.h>

#include "common/base/recipe_layers.h"

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
    char where[RECIPE_PLACE_BYTES];
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
