#include "learner/preview.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/model/forward.h"
#include "learner/options.h"
#include "learner/replica.h"

#define MIB (1024.0 * 1024.0)

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

static void print_bytes(FILE *out, const char *what, size_t bytes)
{
    fprintf(out, "  %-34s %10.1f MiB\n", what, (double)bytes / MIB);
}

static int print_memory(FILE *out, const char *name, const struct options *o, struct err *err)
{
    struct shape shape;
    struct params params;

    fprintf(out, "\nmemory of stage %s\n", name);
    if (shape_read(&shape, o->model_path, err) != 0) {
        // A stage that starts from a model not made yet is no mistake.
        fprintf(out, "  not known before its model is there: %s\n", err->text);
        return 0;
    }
    if (params_init(&params, &shape, err) != 0) return -1;
    const struct replica_config config = {.n_lanes = (uint32_t)o->lanes,
                                          .pack_tokens = (uint32_t)o->pack_tokens,
                                          .sequence_max = options_sequence_max(o),
                                          .recompute = o->recompute,
                                          .wants_reference = options_wants_reference(o)};
    const struct replica_memory m = replica_predict(&params, &config, (int)o->ranks);
    const size_t actor_weights = weights_bytes(&params, PANEL_BF16);
    const size_t incoming = params.n_elements * sizeof(uint16_t);
    fprintf(out, "  %zu parameters; each of %" PRIu64 " learner ranks:\n", params.n_elements,
            o->ranks);
    print_bytes(out, "masters and Adam moments", m.optimizer);
    print_bytes(out, "gradients and lane sums", m.gradients);
    print_bytes(out, "weights", m.weights);
    print_bytes(out, "reference", m.reference);
    print_bytes(out, "activations of a pack", m.activations);
    print_bytes(out, "weights being served (rank 0)", m.serving);
    print_bytes(out, "in all",
                m.optimizer + m.gradients + m.weights + m.reference + m.activations + m.serving);
    fprintf(out, "  each of %" PRIu64 " actors, cache apart:\n", o->actors);
    print_bytes(out, "weights and the next version", actor_weights + incoming);
    print_bytes(out, "cache of one full sequence",
                kv_bytes(&shape, (options_sequence_max(o) + KV_PAGE - 1) / KV_PAGE));
    params_fini(&params);
    return 0;
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
