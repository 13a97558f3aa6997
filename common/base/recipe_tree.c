#include "common/base/recipe_tree.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// --- values ------------------------------------------------------------------------------------

static char *copy_text(const char *text, size_t size_bytes)
{
    char *copy = malloc(size_bytes + 1);
    CHECK(copy != NULL);
    if (size_bytes > 0) memcpy(copy, text, size_bytes);
    copy[size_bytes] = '\0';
    return copy;
}

void tree_free(struct tree *tree)
{
    for (size_t i = 0; i < tree->n_items; i++) {
        tree_free(&tree->items[i]);
    }
    free(tree->items);
    free(tree->key);
    free(tree->text);
    *tree = (struct tree){0};
}

void tree_place(const struct tree *tree, char *out, size_t out_bytes)
{
    if (tree->line > 0) {
        snprintf(out, out_bytes, "%s:%zu: ", tree->source, tree->line);
    } else {
        snprintf(out, out_bytes, "%s: ", tree->source);
    }
}

bool tree_is_null(const struct tree *tree)
{
    return tree->kind == TREE_SCALAR && tree->is_plain &&
           (tree->text_bytes == 0 || strcmp(tree->text, "~") == 0 ||
            strcmp(tree->text, "null") == 0);
}

// --- merging -----------------------------------------------------------------------------------

static struct tree *add_item(struct tree *map)
{
    map->items = realloc(map->items, (map->n_items + 1) * sizeof *map->items);
    CHECK(map->items != NULL);
    struct tree *item = &map->items[map->n_items++];
    *item = (struct tree){0};
    return item;
}

static struct tree *find_item(const struct tree *map, const char *key, size_t key_bytes)
{
    for (size_t i = 0; i < map->n_items; i++) {
        const char *have = map->items[i].key;
        if (strlen(have) == key_bytes && memcmp(have, key, key_bytes) == 0) return &map->items[i];
    }
    return NULL;
}

static void make_map(struct tree *node, const struct tree *place)
{
    char *key = node->key;
    node->key = NULL;
    tree_free(node);
    *node =
        (struct tree){.kind = TREE_MAP, .key = key, .source = place->source, .line = place->line};
}

static void copy_value(struct tree *to, const struct tree *from)
{
    char *key = to->key;
    *to = *from;
    to->key = key;
    to->text = from->text == NULL ? NULL : copy_text(from->text, from->text_bytes);
    to->items = NULL;
    to->n_items = 0;
    for (size_t i = 0; i < from->n_items; i++) {
        struct tree *item = add_item(to);
        const char *name = from->items[i].key;
        if (name != NULL) item->key = copy_text(name, strlen(name));
        copy_value(item, &from->items[i]);
    }
}

// Puts value at node, which is new or holds what an earlier layer (or, which
// is a clash, the same one) said.
static void put_value(struct tree *node, bool is_new, const struct tree *value,
                      const struct tree **clash)
{
    if (is_new) {
        copy_value(node, value);
        return;
    }
    if (value->kind == TREE_MAP && node->kind == TREE_MAP) {
        for (size_t i = 0; i < value->n_items; i++) {
            const struct tree *item = &value->items[i];
            struct tree *have = find_item(node, item->key, strlen(item->key));
            bool is_missing = have == NULL;
            if (is_missing) {
                have = add_item(node);
                have->key = copy_text(item->key, strlen(item->key));
            }
            put_value(have, is_missing, item, clash);
        }
        return;
    }
    if (clash != NULL) *clash = value;
    make_map(node, value); // frees what was there
    copy_value(node, value);
}

void tree_merge(struct tree *into, const struct tree *layer, const struct tree **clash)
{
    CHECK(into->kind == TREE_MAP && layer->kind == TREE_MAP);
    for (size_t i = 0; i < layer->n_items; i++) {
        const struct tree *value = &layer->items[i];
        struct tree *node = into;
        bool is_new = false;
        for (const char *part = value->key; part != NULL;) {
            size_t bytes = strcspn(part, ".");
            struct tree *next = find_item(node, part, bytes);
            is_new = next == NULL;
            if (is_new) {
                next = add_item(node);
                next->key = copy_text(part, bytes);
            }
            part = part[bytes] == '.' ? part + bytes + 1 : NULL;
            if (part != NULL && (is_new || next->kind != TREE_MAP)) {
                if (!is_new && clash != NULL) *clash = value;
                make_map(next, value);
            }
            node = next;
        }
        put_value(node, is_new, value, clash);
    }
}

const struct tree *tree_find(const struct tree *map, const char *dotted_key)
{
    const struct tree *node = map;
    for (const char *part = dotted_key; part != NULL;) {
        if (node->kind != TREE_MAP) return NULL;
        size_t bytes = strcspn(part, ".");
        node = find_item(node, part, bytes);
        if (node == NULL) return NULL;
        part = part[bytes] == '.' ? part + bytes + 1 : NULL;
    }
    return node;
}

// --- JSON --------------------------------------------------------------------------------------

static bool is_integer_text(const char *text)
{
    if (*text == '-' || *text == '+') text++;
    if (*text == '\0') return false;
    for (; *text != '\0'; text++) {
        if (!isdigit((unsigned char)*text)) return false;
    }
    return true;
}

// A real number of YAML 1.2: digits with a point, an exponent or both.
static bool is_real_text(const char *text)
{
    if (*text == '-' || *text == '+') text++;
    size_t whole = strspn(text, "0123456789");
    text += whole;
    size_t part = 0;
    if (*text == '.') {
        part = strspn(text + 1, "0123456789");
        text += 1 + part;
    }
    if (whole + part == 0) return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        if (*text == '-' || *text == '+') text++;
        size_t digits = strspn(text, "0123456789");
        if (digits == 0) return false;
        text += digits;
    }
    return *text == '\0';
}

static void write_scalar(const struct tree *tree, const char *key, struct json_writer *out)
{
    const char *text = tree->text;
    bool is_plain = tree->is_plain && strlen(text) == tree->text_bytes;
    if (tree_is_null(tree)) {
        json_put_string(out, key, NULL);
        return;
    }
    if (is_plain && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        json_put_bool(out, key, text[0] == 't');
        return;
    }
    if (is_plain && is_integer_text(text)) {
        errno = 0;
        long long value = strtoll(text, NULL, 10);
        if (errno == 0) {
            json_put_i64(out, key, value);
            return;
        }
    }
    if (is_plain && is_real_text(text) && isfinite(strtod(text, NULL))) {
        json_put_double(out, key, strtod(text, NULL));
        return;
    }
    json_put_text(out, key, text, tree->text_bytes);
}

static int compare_keys(const void *a, const void *b)
{
    const struct tree *const *left = a;
    const struct tree *const *right = b;
    return strcmp((*left)->key, (*right)->key);
}

void tree_write_json(const struct tree *tree, const char *key, struct json_writer *out)
{
    if (tree->kind == TREE_SCALAR) {
        write_scalar(tree, key, out);
        return;
    }
    bool is_map = tree->kind == TREE_MAP;
    json_open(out, key, is_map ? '{' : '[');
    if (is_map && tree->n_items > 0) {
        const struct tree **sorted = malloc(tree->n_items * sizeof *sorted);
        CHECK(sorted != NULL);
        for (size_t i = 0; i < tree->n_items; i++) {
            sorted[i] = &tree->items[i];
        }
        qsort(sorted, tree->n_items, sizeof *sorted, compare_keys);
        for (size_t i = 0; i < tree->n_items; i++) {
            tree_write_json(sorted[i], sorted[i]->key, out);
        }
        free(sorted);
    }
    for (size_t i = 0; !is_map && i < tree->n_items; i++) {
        tree_write_json(&tree->items[i], NULL, out);
    }
    json_close(out, is_map ? '}' : ']');
}
