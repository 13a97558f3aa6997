/*
 * recipe_layers.h - an open recipe from inside: its layers and what was bound.
 *
 * Only the files of the recipe read this; everyone else has recipe.h.
 */
#ifndef ARGOSY_COMMON_BASE_RECIPE_LAYERS_H
#define ARGOSY_COMMON_BASE_RECIPE_LAYERS_H

#include "common/base/recipe.h"
#include "common/base/recipe_tree.h"

enum { RECIPE_STAGES_MAX = 64, RECIPE_OVERRIDES_MAX = 1000, RECIPE_TABLES_MAX = 64 };
#define RECIPE_PLACE_BYTES 320 // of "file:12: " in an error

struct recipe_stage {
    char *name;
    struct tree own;    // what the file says under it
    struct tree merged; // recipe, stage, overrides, stage's overrides
};

struct recipe_table {
    const struct recipe_key *keys;
    size_t n_keys;
};

struct recipe_override {
    char *source; // "override 'a.b=value'"
    int stage;    // -1: of every stage
    struct tree tree;
};

struct recipe {
    char *path;
    struct tree base; // the file without its stages
    size_t n_stages;
    struct recipe_stage stages[RECIPE_STAGES_MAX];
    size_t n_overrides;
    struct recipe_override *overrides;
    size_t n_tables;
    struct recipe_table tables[RECIPE_TABLES_MAX]; // bound so far: the keys that are known
    size_t n_texts;
    char **texts; // what bound structs point to
};

// A value alone: an override's right side, or a default as it stands in a table.
int recipe_parse_value(struct tree *tree, const char *text, const char *source, struct err *err);

#endif
