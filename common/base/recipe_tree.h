/*
 * recipe_tree.h - YAML text as a tree whose every node knows where it was written.
 *
 * What a recipe needs of YAML and no more: maps, lists and scalars.  Anchors,
 * aliases, tags and several documents are refused, as are duplicate keys, and
 * depth, nodes and bytes are bounded.  Only the recipe reads this.
 */
#ifndef ARGOSY_COMMON_BASE_RECIPE_TREE_H
#define ARGOSY_COMMON_BASE_RECIPE_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"
#include "common/base/json.h"

#define TREE_BYTES_MAX ((size_t)1 << 20)
#define TREE_KEY_BYTES_MAX 200 // of one key
enum { TREE_DEPTH_MAX = 32, TREE_NODES_MAX = 100000, TREE_MAP_ITEMS_MAX = 1000 };

enum tree_kind { TREE_SCALAR, TREE_LIST, TREE_MAP };

struct tree {
    enum tree_kind kind;
    bool is_plain;      // a scalar without quotes, whose type its text decides
    char *key;          // in a map, else NULL
    char *text;         // of a scalar
    size_t text_bytes;  // it may hold zero bytes
    const char *source; // borrowed: the file, or the override as typed
    size_t line;        // from 1; 0: the source has no lines
    struct tree *items; // of a list or map
    size_t n_items;
};

// Parses one document; an empty one is an empty map.  The tree borrows source.
int tree_parse(struct tree *tree, const char *bytes, size_t size_bytes, const char *source,
               bool has_lines, struct err *err);
void tree_free(struct tree *tree);

// Writes "file:12: " or "override 'a=b': ", for an error's beginning.
void tree_place(const struct tree *tree, char *out, size_t out_bytes);

// Merges a layer into a map: maps key by key, anything else replaces what was
// there.  A key "a.b" of the layer itself is b in the map a; keys further down
// are left alone, they may be file names.  If clash is not NULL, a value that
// replaced another is put there (the last one).
void tree_merge(struct tree *into, const struct tree *layer, const struct tree **clash);
const struct tree *tree_find(const struct tree *map, const char *dotted_key); // NULL: not there

// The value as JSON: plain scalars by YAML 1.2's core rules, keys sorted.
void tree_write_json(const struct tree *tree, const char *key, struct json_writer *out);

// A plain scalar that says nothing: "", "~" or "null".
bool tree_is_null(const struct tree *tree);

#endif
