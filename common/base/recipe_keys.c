#include <string.h>

#include "common/base/recipe.h"

// --- as JSON -----------------------------------------------------------------------------------

static void write_choice(const char *choices, int position, const char *name,
                         struct json_writer *out)
{
    const char *at = choices;
    for (; position > 0; position--) {
        at = strchr(at, '|');
        CHECK(at != NULL);
        at++;
    }
    json_put_text(out, name, at, strcspn(at, "|"));
}

static void write_value(const struct recipe_key *key, const char *name, const void *bound,
                        struct json_writer *out)
{
    const void *field = (const char *)bound + key->offset;
    switch (key->type) {
    case RECIPE_U64:
        json_put_u64(out, name, *(const uint64_t *)field);
        return;
    case RECIPE_DOUBLE:
        json_put_double(out, name, *(const double *)field);
        return;
    case RECIPE_BOOL:
        json_put_bool(out, name, *(const bool *)field);
        return;
    case RECIPE_STRING:
        json_put_string(out, name, *(const char *const *)field);
        return;
    case RECIPE_CHOICE:
        write_choice(key->choices, *(const int *)field, name, out);
        return;
    case RECIPE_SPEC:
        json_put_json(out, name, *(const char *const *)field);
        return;
    default:
        CHECK(key->type <= RECIPE_SPEC); // a row of a table with a type of no meaning
    }
}

// Is a's first `bytes` bytes, up to and with a dot, also b's?
static bool is_in_group(const struct recipe_key *key, const char *group, size_t bytes)
{
    return strncmp(key->name, group, bytes) == 0;
}

// The keys below group (its first `bytes` bytes: "" or "actor.optim.").  Each
// inner group is written where the first of its keys stands.
static void write_group(const struct recipe_key *keys, size_t n_keys, const char *group,
                        size_t bytes, const void *bound, struct json_writer *out)
{
    for (size_t i = 0; i < n_keys; i++) {
        if (!is_in_group(&keys[i], group, bytes)) continue;
        const char *name = keys[i].name + bytes;
        const char *dot = strchr(name, '.');
        if (dot == NULL) {
            write_value(&keys[i], name, bound, out);
            continue;
        }
        size_t inner_bytes = bytes + (size_t)(dot - name) + 1;
        bool is_written = false;
        for (size_t j = 0; j < i && !is_written; j++) {
            is_written = is_in_group(&keys[j], keys[i].name, inner_bytes);
        }
        if (is_written) continue;

        char inner[128];
        CHECK((size_t)(dot - name) < sizeof inner);
        memcpy(inner, name, (size_t)(dot - name));
        inner[dot - name] = '\0';
        json_open(out, inner, '{');
        write_group(keys, n_keys, keys[i].name, inner_bytes, bound, out);
        json_close(out, '}');
    }
}

void recipe_write_json(const struct recipe_key *keys, size_t n_keys, const void *bound,
                       struct json_writer *out)
{
    write_group(keys, n_keys, "", 0, bound, out);
}

// --- as help -----------------------------------------------------------------------------------

void recipe_print_keys(const struct recipe_key *keys, size_t n_keys, FILE *out)
{
    static const char *const types[] = {
        [RECIPE_U64] = "integer", [RECIPE_DOUBLE] = "number", [RECIPE_BOOL] = "true|false",
        [RECIPE_STRING] = "text", [RECIPE_CHOICE] = NULL,     [RECIPE_SPEC] = "value",
    };
    for (size_t i = 0; i < n_keys; i++) {
        const struct recipe_key *key = &keys[i];
        const char *type = key->type == RECIPE_CHOICE ? key->choices : types[key->type];
        fprintf(out, "%-36s %-12s ", key->name, type);
        fprintf(out, "%-14s %s\n", key->fallback != NULL ? key->fallback : "(required)",
                key->help != NULL ? key->help : "");
    }
}
