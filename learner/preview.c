#include "learner/preview.h"

#include <stdlib.h>

#include "common/base/file.h"
#include "learner/memory_plan.h"

#define PATH_BYTES 4096

static void write_stages(struct json_writer *w, struct recipe *recipe, const struct options *all)
{
    json_open(w, NULL, '{');
    json_put_string(w, "recipe", recipe_path(recipe));
    json_open(w, "stages", '[');
    for (size_t i = 0; i < recipe_stage_count(recipe); i++) {
        json_open(w, NULL, '{');
        json_put_string(w, "name", recipe_stage_name(recipe, i));
        options_write_json(&all[i], w);
        json_close(w, '}');
    }
    json_close(w, ']');
    json_close(w, '}');
}

static bool model_is_there(const struct options *o)
{
    char path[PATH_BYTES];
    struct err ignored;

    return file_join(path, sizeof path, o->model_path, "config.json", &ignored) == 0 &&
           file_exists(path);
}

// Whether it fits is said here and refused by whoever starts it.
static int print_memory(FILE *out, const char *name, const struct options *o, struct err *err)
{
    const struct memory_room room = memory_room();
    struct memory_plan plan;
    struct err too_much;

    fprintf(out, "\nmemory of stage %s\n", name);
    if (memory_plan_make(&plan, o, err) != 0) {
        if (model_is_there(o)) return err_prefix(err, "stage %s", name);
        // A stage that starts from a model not made yet is no mistake.
        fprintf(out, "  not known before its model is there: %s\n", err->text);
        return 0;
    }
    memory_plan_print(&plan, out);
    if (memory_plan_check(&plan, plan.host_bytes, "this stage", o, &room, &too_much) != 0) {
        fprintf(out, "  does not fit: %s\n", too_much.text);
    }
    return 0;
}

void preview_refusal(const struct options *o, const char *stage, FILE *out)
{
    const struct memory_room room = memory_room();
    struct memory_plan plan;
    char who[128];
    struct err err;

    snprintf(who, sizeof who, "stage %.60s", stage);
    if (memory_plan_make(&plan, o, &err) == 0 &&
        memory_plan_check(&plan, plan.host_bytes, who, o, &room, &err) != 0) {
        fprintf(out, "%s\n", err.text);
    }
}

int preview_print(struct recipe *recipe, bool with_memory, FILE *out, struct err *err)
{
    const size_t n = recipe_stage_count(recipe);
    struct options *all = calloc(n, sizeof *all);
    struct json_writer w;
    int status = 0;

    CHECK(all != NULL);
    for (size_t i = 0; i < n && status == 0; i++) {
        status = options_read(&all[i], recipe, i, err);
    }
    if (status == 0) {
        json_writer_init(&w);
        write_stages(&w, recipe, all);
        fprintf(out, "%s\n", w.bytes);
        free(w.bytes);
    }
    for (size_t i = 0; i < n && status == 0 && with_memory; i++) {
        status = print_memory(out, recipe_stage_name(recipe, i), &all[i], err);
    }
    free(all);
    return status;
}
