#include "learner/replica.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"
#include "common/math/bf16.h"
#include "common/model/safetensors.h"
#include "learner/comm.h"

static void *take(size_t count, size_t item_bytes)
{
    void *memory = calloc(count, item_bytes);

    CHECK(memory != NULL);
    return memory;
}

// Everything but the values of masters.
static void make(struct replica *r, const struct replica_config *config, struct pool *pool)
{
    const struct params *params = &r->params;
    struct gradient_limits limits;
    int rank = comm_rank();

    r->config = *config;
    r->pool = pool;
    shard_map_init(&r->map, params->n_elements, comm_size());
    r->limits = batch_limits_for(config->n_lanes, config->pack_tokens, config->sequence_max);
    limits = batch_gradient_limits(&r->limits, config->recompute);
    lanes_init(&r->lanes, config->n_lanes, rank, comm_size(), params->n_elements, pool);
    adamw_state_init(&r->adam, r->map.first[rank], r->map.first[rank + 1] - r->map.first[rank]);
    r->gradient = gradient_create(params, &limits);
    r->weights = weights_create(params, PANEL_BF16);
    r->flat = take(params->n_elements, sizeof *r->flat);
    r->squares = take(r->map.n_blocks, sizeof *r->squares);
    if (config->wants_reference) {
        r->reference = weights_create(params, PANEL_BF16);
        r->flat_reference = take(params->n_elements, sizeof *r->flat_reference);
    }
}

static void set_masters(struct replica *r, const float *masters)
{
    memcpy(r->adam.masters, masters + r->adam.first, r->adam.count * sizeof *masters);
}

static int open_to_serve(struct replica *r, const char *folder, const struct replica_config *config,
                         struct pool *pool, struct err *err)
{
    r->config = *config;
    r->pool = pool;
    r->flat = take(r->params.n_elements, sizeof *r->flat);
    return safetensors_read_model(folder, &r->params, r->flat, err);
}

int replica_open(struct replica *r, const char *folder, const struct replica_config *config,
                 struct pool *pool, struct err *err)
{
    struct shape shape;
    float *masters;
    int status;

    *r = (struct replica){0};
    status = shape_read(&shape, folder, err);
    if (status == 0) status = params_init(&r->params, &shape, err);
    if (comm_agree(status, err) != 0) {
        params_fini(&r->params);
        return -1;
    }
    if (config->serves_only) {
        status = open_to_serve(r, folder, config, pool, err);
        if (comm_agree(status, err) == 0) return 0;
        replica_close(r);
        return -1;
    }
    make(r, config, pool);
    // The first partial block is free until the first step: read into it.
    masters = r->lanes.levels[0];
    status = safetensors_read_model_f32(folder, &r->params, masters, err);
    if (comm_agree(status, err) != 0) {
        replica_close(r);
        return -1;
    }
    set_masters(r, masters);
    replica_round(r);
    replica_refresh_reference(r);
    return 0;
}

int replica_open_masters(struct replica *r, const struct shape *shape, const float *masters,
                         const struct replica_config *config, struct pool *pool, struct err *err)
{
    *r = (struct replica){0};
    if (params_init(&r->params, shape, err) != 0) return -1;
    make(r, config, pool);
    set_masters(r, masters);
    replica_round(r);
    replica_refresh_reference(r);
    return 0;
}

void replica_close(struct replica *r)
{
    gradient_destroy(r->gradient);
    weights_destroy(r->weights);
    weights_destroy(r->reference);
    adamw_state_fini(&r->adam);
    lanes_fini(&r->lanes);
    shard_map_fini(&r->map);
    params_fini(&r->params);
    free(r->flat);
    free(r->flat_reference);
    free(r->squares);
    *r = (struct replica){0};
}

void replica_round(struct replica *r)
{
    bf16_round(r->flat + r->adam.first, r->adam.masters, r->adam.count);
    comm_share_parts(r->flat, sizeof *r->flat, r->map.first);
    weights_load(r->weights, r->flat, r->pool);
}

void replica_refresh_reference(struct replica *r)
{
    if (r->reference == NULL) return;
    memcpy(r->flat_reference, r->flat, r->params.n_elements * sizeof *r->flat);
    replica_load_reference(r);
}

void replica_load_reference(struct replica *r)
{
    if (r->reference != NULL) weights_load(r->reference, r->flat_reference, r->pool);
}

// --- one step ----------------------------------------------------------------

struct lane_job {
    struct replica *r;
    const struct batch *batch;
    const struct loss_config *loss;
    struct loss_sums *sums; // (n_lanes of this rank)
};

static void ask_reference(struct replica *r, struct pack *pack)
{
    float *logprobs = take(pack->n_items > 0 ? pack->n_items : 1, sizeof *logprobs);

    gradient_logprobs(r->gradient, r->reference, pack, logprobs, r->pool);
    for (uint32_t i = 0; i < pack->n_items; i++)
        pack->items[i].logprob_reference = logprobs[i];
    free(logprobs);
}

static void run_lane(void *context, uint32_t lane, float *partial)
{
    struct lane_job *job = context;
    struct replica *r = job->r;
    struct loss_sums *sums = &job->sums[lane - r->lanes.first];

    for (uint32_t i = 0; i < job->batch->n_packs[lane]; i++) {
        struct pack pack;

        batch_make_pack(job->batch, lane, i, &pack);
        if (r->reference != NULL && job->loss->kind == LOSS_GRPO) ask_reference(r, &pack);
        gradient_of_pack(r->gradient, r->weights, r->flat, &pack, job->loss, partial, sums,
                         r->pool);
        pack_fini(&pack);
    }
}

// Every lane's sums, in lane order, on every rank.
static void gather_sums(struct replica *r, const struct loss_sums *own, struct loss_sums *out)
{
    struct loss_sums *all = take(r->config.n_lanes, sizeof *all);

    comm_gather_all(own, r->lanes.count * sizeof *own, all);
    *out = all[0];
    for (uint32_t lane = 1; lane < r->config.n_lanes; lane++)
        loss_sums_add(out, &all[lane]);
    free(all);
}

struct meet_job {
    struct replica *r;
    float *sum;
};

static void meet_parts(void *context, size_t at, size_t count, float *const *parts)
{
    const struct meet_job *job = context;

    lanes_meet(parts, comm_size(), count, job->r->pool);
    if (parts[0] != job->sum + at) memcpy(job->sum + at, parts[0], count * sizeof **parts);
}

static double global_norm(struct replica *r, const float *sum)
{
    size_t *borders = take((size_t)comm_size() + 1, sizeof *borders);

    shard_squares(&r->map, comm_rank(), sum, r->squares, r->pool);
    for (int rank = 0; rank < comm_size(); rank++) {
        size_t n_blocks = shard_blocks(&r->map, rank, &borders[rank]);

        borders[rank + 1] = borders[rank] + n_blocks;
    }
    comm_share_parts(r->squares, sizeof *r->squares, borders);
    free(borders);
    return shard_norm(&r->map, r->squares);
}

static float clip_scale(double clip, double norm)
{
    double scale = clip / (norm + 1e-6);

    return clip > 0 && scale < 1 ? (float)scale : 1.0f;
}

void replica_update(struct replica *r, const struct sample *samples, size_t n,
                    const struct update *update, struct update_result *out)
{
    struct batch batch;
    struct loss_sums *sums = take(r->lanes.count, sizeof *sums);
    struct lane_job job = {r, &batch, &update->loss, sums};
    struct meet_job meeting = {.r = r};

    batch_plan(&batch, samples, n, &r->limits);
    *out = (struct update_result){.n_lanes_used = batch_lanes_used(&batch), .n_rows = batch.n_rows};
    meeting.sum = lanes_fold(&r->lanes, run_lane, &job);
    gather_sums(r, sums, &out->sums);
    comm_exchange_parts(meeting.sum, r->map.first, meet_parts, &meeting);
    out->grad_norm = global_norm(r, meeting.sum);
    out->is_nonfinite = out->sums.n_nonfinite > 0 || !isfinite(out->grad_norm);
    out->is_applied = !out->is_nonfinite && batch.n_units > 0;
    if (out->is_applied) {
        r->n_updates++;
        adamw_step(&r->adam, &r->params, &r->config.adamw, update->lr, r->n_updates, meeting.sum,
                   clip_scale(r->config.grad_clip, out->grad_norm), r->pool);
        replica_round(r);
    }
    batch_fini(&batch);
    free(sums);
}
