/*
 * recipe.h - a recipe: one YAML file of named keys, bound to C structs by tables.
 *
 * A recipe has keys in groups (`actor: {optim: {lr: 1e-3}}` is the key
 * `actor.optim.lr`) and may list `stages:`, each a map with a `name` and keys
 * that override the recipe's own for that stage.  Command-line `a.b=value`
 * overrides everything; `stages.NAME.a.b=value` one stage.  Each program owns
 * its tables: recipe_bind() fills one struct from one table, and after all
 * tables are bound recipe_check_unused() refuses what nobody asked for.  Every
 * error names file and line (or the override), the key, what was wanted and
 * what was found.
 */
#ifndef ARGOSY_COMMON_BASE_RECIPE_H
#define ARGOSY_COMMON_BASE_RECIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/base/json.h"

struct recipe;

enum recipe_type {
    RECIPE_U64,    // uint64_t field
    RECIPE_DOUBLE, // double field
    RECIPE_BOOL,   // bool field
    RECIPE_STRING, // const char * field, owned by the recipe
    RECIPE_CHOICE, // int field: the position in `choices`, "a|b|c"
    RECIPE_SPEC,   // const char * field: any YAML value, as canonical JSON text
};

struct recipe_key {
    const char *name; // "actor.optim.lr"
    enum recipe_type type;
    size_t offset;        // into the bound struct
    const char *fallback; // as it would be written in the file; NULL: required
    double min, max;      // for numbers
    const char *choices;  // for RECIPE_CHOICE
    const char *help;     // one line
};

struct recipe *recipe_open(const char *path, size_t n_overrides, char *const *overrides,
                           struct err *err);
void recipe_destroy(struct recipe *recipe);

const char *recipe_path(const struct recipe *recipe);
size_t recipe_stage_count(const struct recipe *recipe);                   // at least 1
const char *recipe_stage_name(const struct recipe *recipe, size_t stage); // "main" if unlisted
int recipe_find_stage(const struct recipe *recipe, const char *name);     // -1: none

int recipe_bind(struct recipe *recipe, size_t stage, const struct recipe_key *keys, size_t n_keys,
                void *out, struct err *err);
int recipe_check_unused(const struct recipe *recipe, struct err *err);

// Appends the bound values of one table to a JSON object, groups nested.
void recipe_write_json(const struct recipe_key *keys, size_t n_keys, const void *bound,
                       struct json_writer *out);
// The table as help text: key, type, default, meaning.
void recipe_print_keys(const struct recipe_key *keys, size_t n_keys, FILE *out);

#endif
