/*
 * fuzz_recipe.c - any bytes are a recipe or are refused with a reason that
 * names them; what is taken can be bound, and its canonical JSON parses.
 *
 * Lines after a line "%" are overrides.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

struct settings {
    uint64_t steps;
    double lr;
    bool shuffle;
    const char *model;
    int schedule;
    const char *task;
};

static const struct recipe_key keys[] = {
    {.name = "trainer.steps",
     .type = RECIPE_U64,
     .offset = offsetof(struct settings, steps),
     .fallback = "3"},
    {.name = "actor.optim.lr",
     .type = RECIPE_DOUBLE,
     .offset = offsetof(struct settings, lr),
     .fallback = "1e-6",
     .max = 1},
    {.name = "data.shuffle",
     .type = RECIPE_BOOL,
     .offset = offsetof(struct settings, shuffle),
     .fallback = "true"},
    {.name = "model",
     .type = RECIPE_STRING,
     .offset = offsetof(struct settings, model),
     .fallback = "x"},
    {.name = "schedule",
     .type = RECIPE_CHOICE,
     .offset = offsetof(struct settings, schedule),
     .fallback = "b",
     .choices = "a|b"},
    {.name = "task",
     .type = RECIPE_SPEC,
     .offset = offsetof(struct settings, task),
     .fallback = "{kind: sums}"},
};
enum { N_KEYS = sizeof keys / sizeof keys[0], OVERRIDES_MAX = 16 };

static void use(struct recipe *recipe)
{
    struct err err = {0};
    for (size_t i = 0; i < recipe_stage_count(recipe); i++) {
        CHECK(recipe_find_stage(recipe, recipe_stage_name(recipe, i)) == (int)i);
        struct settings s;
        if (recipe_bind(recipe, i, keys, N_KEYS, &s, &err) != 0) {
            CHECK(err.code == ERR_USAGE && err.text[0] != '\0');
            continue;
        }
        struct json_writer out;
        json_writer_init(&out);
        json_open(&out, NULL, '{');
        recipe_write_json(keys, N_KEYS, &s, &out);
        json_close(&out, '}');
        struct json_document *document = json_parse(out.bytes, out.size_bytes, "resolved", &err);
        if (document == NULL) check_failed(err.text, __FILE__, __LINE__);
        json_destroy(document);
        free(out.bytes);
    }
    if (recipe_check_unused(recipe, &err) != 0) CHECK(err.code == ERR_USAGE);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct err err = {0};
    char path[64];
    snprintf(path, sizeof path, "build/fuzz-recipe-%ld.yaml", (long)getpid());

    char *text = malloc(size_bytes + 1);
    CHECK(text != NULL);
    if (size_bytes > 0) memcpy(text, bytes, size_bytes);
    text[size_bytes] = '\0';
    char *overrides[OVERRIDES_MAX];
    size_t n_overrides = 0;
    char *mark = strstr(text, "\n%\n");
    size_t text_bytes = size_bytes;
    if (mark != NULL) {
        text_bytes = (size_t)(mark + 1 - text);
        for (char *word = mark + 3; word != NULL && n_overrides < OVERRIDES_MAX;) {
            overrides[n_overrides++] = word;
            word = strchr(word, '\n');
            if (word != NULL) *word++ = '\0';
        }
    }
    // Not file_write_atomic: its fsync would make a search a hundred times slower.
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    fwrite(text, 1, text_bytes, f);
    fclose(f);

    struct recipe *recipe = recipe_open(path, n_overrides, overrides, &err);
    if (recipe == NULL) {
        CHECK(err.code == ERR_USAGE || err.code == ERR_LIMIT);
        CHECK(strstr(err.text, path) != NULL || strstr(err.text, "override") != NULL);
    } else {
        use(recipe);
        recipe_destroy(recipe);
    }
    unlink(path);
    free(text);
    return 0;
}
