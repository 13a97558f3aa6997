#include "learner/stage_result.h"

#include <stdlib.h>

#include "common/base/file.h"
#include "learner/export.h"

static const char *kind_name(int kind)
{
    static const char *const names[] = {[STAGE_PRETRAIN] = "pretrain",
                                        [STAGE_SFT] = "sft",
                                        [STAGE_GRPO] = "grpo",
                                        [STAGE_EVAL] = "eval"};

    return names[kind];
}

int stage_result_write(const struct trainer *t, struct err *err)
{
    const struct replica *r = &t->replica;
    const bool is_trained = t->options->kind != STAGE_EVAL;
    const struct hash weights = export_hash(&r->params, r->flat);
    char hex[HASH_HEX_BYTES];
    struct json_writer out;
    int status;

    if (is_trained &&
        export_model(t->folder.model, t->options->model_path, &r->params, r->flat, err) != 0) {
        return -1;
    }
    hash_hex(&weights, hex);
    json_writer_init(&out);
    json_open(&out, NULL, '{');
    json_put_string(&out, "stage", t->stage);
    json_put_string(&out, "kind", kind_name(t->options->kind));
    json_put_u64(&out, "steps", t->state.step);
    json_put_u64(&out, "updates", t->state.n_updates);
    json_put_u64(&out, "updates_left_out", t->state.n_nonfinite);
    json_put_double(&out, "seconds", trainer_seconds(t));
    json_put_double(&out, "rollout_corr_max_abs_diff", t->state.max_abs_diff);
    json_put_string(&out, "weights_sha256", hex);
    json_put_string(&out, "model", is_trained ? t->folder.model : t->options->model_path);
    json_close(&out, '}');
    status = file_write_atomic(t->folder.result, out.bytes, out.size_bytes, err);
    free(out.bytes);
    return status;
}
