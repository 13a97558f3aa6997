#include "learner/trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/model/forward.h"
#include "learner/actor_spec.h"
#include "learner/comm.h"
#include "learner/evaluation.h"
#include "learner/gemm_backward.h"
#include "learner/memory_plan.h"
#include "learner/stage_result.h"

#define AWAIT_SLICE_MS 250u
#define EVAL_PROGRESS_MS 2000u
#define HELD_OUT_NAP_NS 20000000
#define NONFINITE_MAX 3
#define PROGRESS_MS_MIN 1000u

uint64_t trainer_order_number(uint64_t step)
{
    return 2 * step + 2;
}

uint64_t trainer_eval_number(uint64_t n_steps_done, uint64_t n_ahead)
{
    return 2 * (n_steps_done + n_ahead) + 1;
}

bool trainer_should_stop(const struct trainer *t)
{
    return *t->stop != 0;
}

double trainer_seconds(const struct trainer *t)
{
    return t->seconds_before + clock_now_s() - t->started_s;
}

// --- waiting -----------------------------------------------------------------

static int nothing_came(const struct trainer *t, uint64_t number, const struct gate_status *s,
                        struct err *err)
{
    return err_set(err, ERR_TIMEOUT,
                   "order %" PRIu64 ": no result for %" PRIu64 " s; %" PRIu64 " of %" PRIu64
                   " samples are here, %s",
                   number, t->options->rollout_timeout_s, s->order_samples_done,
                   s->order_samples_wanted,
                   s->n_actors == 0 ? "no actor is connected" : "actors are connected but silent");
}

// Of a stage that only evaluates; its steps are samples.
static void eval_progress(const struct trainer *t, const struct gate_status *s)
{
    const double lived_s = clock_now_s() - t->started_s;
    const double done = (double)s->order_samples_done, wanted = (double)s->order_samples_wanted;
    struct json_writer out;

    if (s->order_samples_done == 0) return;
    json_writer_init(&out);
    json_open(&out, NULL, '{');
    json_put_string(&out, "stage", t->stage);
    json_put_u64(&out, "step", s->order_samples_done);
    json_put_u64(&out, "total", s->order_samples_wanted);
    json_put_u64(&out, "actors", s->n_actors);
    json_put_double(&out, "eta_s", lived_s / done * (wanted - done));
    json_close(&out, '}');
    printf("progress %s\n", out.bytes);
    fflush(stdout);
    free(out.bytes);
}

int trainer_await(struct trainer *t, uint64_t number, struct order_samples *out, struct err *err)
{
    double started_s = clock_now_s();
    uint64_t heard_ms = clock_now_ms(), n_results = UINT64_MAX;

    for (;;) {
        int status = gate_await(t->gate, number, AWAIT_SLICE_MS, out, err);
        uint64_t now_ms = clock_now_ms();
        struct gate_status gate;

        t->waited_s += clock_now_s() - started_s;
        started_s = clock_now_s();
        if (status == 0) return 0;
        if (err->code != ERR_TIMEOUT) return -1;
        if (trainer_should_stop(t)) return 1;
        if (gate_status(t->gate, &gate, err) != 0) return -1;
        if (gate.n_results != n_results) heard_ms = now_ms;
        n_results = gate.n_results;
        if (t->options->kind == STAGE_EVAL && now_ms - t->shown_ms > EVAL_PROGRESS_MS) {
            t->shown_ms = now_ms;
            eval_progress(t, &gate);
        }
        if (now_ms - heard_ms > t->options->rollout_timeout_s * 1000u) {
            return nothing_came(t, number, &gate, err);
        }
        team_beat(&t->team, now_ms);
    }
}

int trainer_held_out(struct trainer *t, uint64_t *n, struct err *err)
{
    const uint64_t started_ms = clock_now_ms();

    for (;;) {
        const uint64_t now_ms = clock_now_ms();
        struct gate_status gate;

        if (gate_status(t->gate, &gate, err) != 0) return -1;
        *n = gate.n_held_out;
        if (gate.knows_held_out) return 0;
        if (trainer_should_stop(t)) return 1;
        if (now_ms - started_ms > t->options->rollout_timeout_s * 1000u) {
            return err_set(err, ERR_TIMEOUT, "no actor was ready within %" PRIu64 " s",
                           t->options->rollout_timeout_s);
        }
        team_beat(&t->team, now_ms);
        nanosleep(&(struct timespec){.tv_nsec = HELD_OUT_NAP_NS}, NULL);
    }
}

int trainer_publish(struct trainer *t, uint64_t version, struct err *err)
{
    const struct replica *r = &t->replica;

    t->state.weights_version = version;
    return gate_publish(t->gate, version, r->flat, r->params.n_elements * sizeof *r->flat, err);
}

// --- a step ------------------------------------------------------------------

int trainer_update(struct trainer *t, const struct sample *samples, size_t n, double lr,
                   struct update_result *out, struct err *err)
{
    struct update update = {.loss = options_loss(t->options), .lr = lr};

    team_update(&t->team, samples, n, &update, out);
    t->state.n_updates = t->replica.n_updates;
    if (!out->is_nonfinite) {
        t->n_nonfinite_in_row = 0;
        return 0;
    }
    t->state.n_nonfinite++;
    t->n_nonfinite_in_row++;
    log_line(LOG_WARN,
             "update left out step=%" PRIu64 " reason=nonfinite items=%" PRIu64 " grad_norm=%g",
             t->state.step + 1, out->sums.n_nonfinite, out->grad_norm);
    if (t->n_nonfinite_in_row < NONFINITE_MAX) return 0;
    return err_set(err, ERR_LIMIT,
                   "step %" PRIu64 ": loss or gradient was not finite %d times in a row "
                   "(lower actor.optim.lr or actor.grad_clip)",
                   t->state.step + 1, NONFINITE_MAX);
}

static int save(struct trainer *t, struct err *err)
{
    double started_s = clock_now_s();
    int status;

    t->state.seconds = trainer_seconds(t);
    t->state.next_order = trainer_order_number(t->state.step);
    t->state.prompt_cursor = t->state.step * t->options->train_batch_size;
    status = team_checkpoint(&t->team, &t->state, err);
    if (status == 0) t->saved_step = t->state.step;
    t->checkpoint_s = clock_now_s() - started_s;
    return status;
}

int trainer_step_done(struct trainer *t, struct err *err)
{
    const struct options *o = t->options;
    bool is_last = t->state.step >= o->total_training_steps;
    bool is_time = o->save_freq > 0 && (is_last || t->state.step % o->save_freq == 0);

    if (is_time || (trainer_should_stop(t) && !is_last)) return save(t, err);
    return 0;
}

void trainer_progress(struct trainer *t, const struct progress_line *line)
{
    const struct options *o = t->options;
    uint64_t left = o->total_training_steps - t->state.step;
    double lived_s = clock_now_s() - t->started_s;
    uint64_t done_here = t->state.step - t->first_step;
    struct gate_status status = {0};
    struct json_writer out;
    struct err ignored;

    (void)gate_status(t->gate, &status, &ignored);
    json_writer_init(&out);
    json_open(&out, NULL, '{');
    json_put_string(&out, "stage", t->stage);
    json_put_u64(&out, "step", t->state.step);
    json_put_u64(&out, "total", o->total_training_steps);
    if (!isnan(line->reward)) json_put_double(&out, "reward", line->reward);
    if (!isnan(line->nll)) json_put_double(&out, "nll", line->nll);
    json_put_double(&out, "response_length", line->response_length);
    json_put_double(&out, "tokens_s", line->tokens_per_s);
    json_put_u64(&out, "actors", status.n_actors);
    json_put_double(&out, "eta_s", done_here > 0 ? lived_s / (double)done_here * (double)left : 0);
    json_close(&out, '}');
    printf("progress %s\n", out.bytes);
    fflush(stdout);
    free(out.bytes);
}

// --- start and end -----------------------------------------------------------

static struct replica_config replica_config(const struct options *o)
{
    return (struct replica_config){
        .n_lanes = (uint32_t)o->lanes,
        .pack_tokens = (uint32_t)o->pack_tokens,
        .sequence_max = options_sequence_max(o),
        .recompute = o->recompute,
        .wants_reference = options_wants_reference(o),
        .serves_only = o->kind == STAGE_EVAL,
        .adamw = o->adamw,
        .grad_clip = o->grad_clip,
    };
}

// Of any sample: what a pack holds, so that nothing a peer sends is too long to train on.
static uint32_t tokens_max(const struct trainer *t)
{
    const uint32_t context = t->replica.params.shape.context_length;
    const uint32_t pack = options_document_max(t->options);

    return pack < context ? pack : context;
}

// How often actors speak, so that three silences are still well within a lease's
// time: an actor says nothing while it computes a step of a large model.
static uint32_t progress_ms(const struct options *o)
{
    const uint64_t tenth_ms = o->lease_timeout_s * 100u;

    return (uint32_t)(tenth_ms < PROGRESS_MS_MIN ? PROGRESS_MS_MIN : tenth_ms);
}

static int open_gate(struct trainer *t, struct err *err)
{
    const struct options *o = t->options;
    const struct shape *shape = &t->replica.params.shape;
    struct gate_config config = {
        .run_folder = t->folder.path,
        .run = t->folder.run,
        .bind = o->net_bind,
        .advertise = o->net_advertise[0] ? o->net_advertise : NULL,
        .port = (uint16_t)o->net_port,
        .use_curve = o->net_curve,
        .deterministic = o->mode == MODE_SYNC,
        .void_on_fault = o->void_on_fault,
        .fault_retries = (uint32_t)o->fault_retries,
        .fingerprint = forward_fingerprint(),
        .vocab_size = shape->vocab_size,
        .context_length = tokens_max(t),
        .lease_timeout_ms = (uint32_t)(o->lease_timeout_s * 1000u),
        .progress_ms = progress_ms(o),
        .prompts_per_lease = (uint32_t)o->prompts_per_lease,
        .next_order = t->is_resumed ? t->state.next_order : 0,
    };
    struct actor_spec spec;

    if (actor_spec_make(&spec, o, err) != 0) return -1;
    if (actor_spec_save(&spec, t->folder.path, err) != 0) {
        actor_spec_fini(&spec);
        return -1;
    }
    config.spec = spec.text;
    config.files = spec.files;
    config.n_files = spec.n_files;
    if (actor_spec_expected(&spec, shape, &config.expected, err) == 0) {
        t->gate = gate_start(&config, err);
    }
    actor_spec_fini(&spec);
    return t->gate ? 0 : -1;
}

static int write_recipe(const struct trainer *t, const char *text, struct err *err)
{
    return file_write_atomic(t->folder.recipe, text, strlen(text), err);
}

// Rank 0's part of the start, after a resume is known.
static int open_stage(struct trainer *t, const char *recipe_text, struct err *err)
{
    if (write_recipe(t, recipe_text, err) != 0) return -1;
    // What a life without a checkpoint wrote is all done again.
    if (!t->is_resumed && file_remove_tree(t->folder.metrics, err) != 0) return -1;
    if (metrics_open(&t->metrics, t->folder.metrics, t->state.step, err) != 0) return -1;
    return open_gate(t, err);
}

static int run_stage(struct trainer *t, struct err *err)
{
    switch ((enum stage_kind)t->options->kind) {
    case STAGE_PRETRAIN:
    case STAGE_SFT:
        return stage_feed(t, err);
    case STAGE_GRPO:
        return stage_grpo(t, err);
    case STAGE_EVAL:
        return evaluation_stage(t, err);
    }
    return err_set(err, ERR_USAGE, "unknown kind of stage");
}

// Rank 0, with everybody else in team_follow().
static int lead(struct trainer *t, enum trainer_end *end, struct err *err)
{
    int status = run_stage(t, err);
    const bool is_within_eval = status == 1;
    const bool is_trained = t->options->kind == STAGE_EVAL
                                ? !trainer_should_stop(t)
                                : t->state.step >= t->options->total_training_steps;
    const bool is_done = status == 0 && is_trained;

    // A stop while waiting for samples: the steps since the last checkpoint.
    if (status == 0 && !is_trained && t->state.step > t->saved_step) status = save(t, err);
    if (is_within_eval) status = 0; // the next life does that step again
    *end = is_done ? TRAINER_DONE : TRAINER_STOPPED;
    gate_stop(t->gate, is_done,
              is_done       ? "the stage is done"
              : status == 0 ? "the learner was stopped"
                            : err->text);
    t->gate = NULL;
    if (is_done) status = stage_result_write(t, err);
    team_end(&t->team);
    return status;
}

static void hash_recipe(struct trainer *t, char **text)
{
    struct json_writer out;

    json_writer_init(&out);
    json_open(&out, NULL, '{');
    json_put_string(&out, "stage", t->stage);
    options_write_json(t->options, &out);
    json_close(&out, '}');
    *text = out.bytes;
    t->state.recipe = hash_of(out.bytes, out.size_bytes);
}

static int same_arithmetic(struct err *err)
{
    struct hash own, *all = calloc((size_t)comm_size(), sizeof *all);
    const char *core = gemm_backward_core();
    struct hash parts[2] = {forward_fingerprint(), hash_of(core, strlen(core))};
    int status = 0;

    CHECK(all != NULL);
    own = hash_of(parts, sizeof parts);
    comm_gather_all(&own, sizeof own, all);
    for (int r = 1; r < comm_size(); r++) {
        if (status == 0 && !hash_is_equal(&all[r], &all[0])) {
            status = err_set(err, ERR_MISMATCH,
                             "rank %d computes other bits than rank 0 (OpenBLAS core here: %s): "
                             "use like machines, or numerics: portable",
                             r, core);
        }
    }
    free(all);
    return status;
}

static int fits_context(const struct trainer *t, struct err *err)
{
    const struct options *o = t->options;
    const uint32_t context = t->replica.params.shape.context_length;

    // An evaluation alone goes as far as the context does (actor/jobs.c).
    if (options_is_feed(o) || o->kind == STAGE_EVAL) return 0;
    if (options_sequence_max(o) <= context) return 0;
    return err_set(err, ERR_USAGE,
                   "data.max_prompt_length %" PRIu64 " and data.max_response_length %" PRIu64
                   " are more than the context of %s, %u tokens",
                   o->max_prompt_length, o->max_response_length, o->model_path, context);
}

static int resume(struct trainer *t, struct err *err)
{
    struct checkpoint_meta meta;
    struct hash recipe = t->state.recipe;

    if (t->options->resume_mode == RESUME_DISABLE) return 0;
    if (team_resume(&t->team, &meta, &t->is_resumed, err) != 0) return -1;
    if (!t->is_resumed) return 0;
    if (comm_rank() == 0 && meta.run != t->folder.run) {
        return err_set(err, ERR_MISMATCH, "%s: checkpoints of another run", t->folder.path);
    }
    if (comm_rank() == 0) {
        log_line(LOG_INFO, "resume step=%" PRIu64, meta.step);
        if (!hash_is_equal(&meta.recipe, &recipe)) {
            log_line(LOG_WARN, "the recipe is not the one this run was started with");
        }
    }
    t->state = meta;
    t->state.recipe = recipe;
    t->seconds_before = meta.seconds;
    t->first_step = t->saved_step = meta.step;
    return 0;
}

static int open_folder(struct trainer *t, const char *path, struct err *err)
{
    int status = comm_rank() == 0 ? run_folder_open(&t->folder, path, err)
                                  : run_folder_name(&t->folder, path, err);

    if (comm_agree(status, err) != 0) return -1;
    t->state.run = t->folder.run;
    t->team = (struct team){
        .replica = &t->replica,
        .checkpoints = t->folder.checkpoints,
        .n_kept = t->options->max_ckpt_to_keep,
    };
    return 0;
}

// Everybody: from an open replica to the end of the stage.
static int run_with_replica(struct trainer *t, enum trainer_end *end, struct err *err)
{
    char *recipe_text;
    int status;

    if (t->options->mode == MODE_ONE_STEP_OFF && comm_rank() == 0) {
        size_t size = t->replica.params.n_elements * sizeof *t->previous;

        t->previous = malloc(size);
        CHECK(t->previous != NULL);
        memcpy(t->previous, t->replica.flat, size);
        t->team.previous = t->previous;
    }
    hash_recipe(t, &recipe_text);
    t->state.seed = t->options->seed;
    status = comm_agree(resume(t, err), err);
    if (status == 0) {
        status = comm_rank() == 0 ? open_stage(t, recipe_text, err) : 0;
        status = comm_agree(status, err);
    }
    if (status == 0 && comm_rank() == 0) status = lead(t, end, err);
    if (status == 0 && comm_rank() != 0) team_follow(&t->team);
    status = comm_agree(status, err);
    if (status == 0) comm_broadcast(end, sizeof *end);
    free(recipe_text);
    return status;
}

// Ranks of one machine share its processors.
static unsigned threads_of_rank(const struct options *o)
{
    const unsigned share = pool_usable_processors() / (unsigned)comm_host_size();

    if (o->threads > 0) return (unsigned)o->threads;
    return share > 0 ? share : 1;
}

// A bare `mpirun -n 1` binds its rank to one processor, which nobody means.
static void warn_if_narrow(unsigned n_threads)
{
    const unsigned usable = pool_usable_processors();
    const long machine = sysconf(_SC_NPROCESSORS_ONLN);

    if (comm_rank() != 0) return;
    if (usable < n_threads || (comm_is_bound() && (long)usable * comm_host_size() < machine)) {
        log_line(LOG_WARN,
                 "a rank may use %u of %ld processors and has %u threads: start mpirun with "
                 "--bind-to none, or --map-by ppr:1:numa:pe=N on large nodes",
                 usable, machine, n_threads);
    }
}

// The ranks of each machine against what its memory has left.  Actors look after
// themselves: those of a learner that is started again are there already.
static int fits_memory(const struct options *o, const char *stage, struct err *err)
{
    const struct memory_room room = memory_room();
    struct memory_plan plan;
    char who[128];
    int status = memory_plan_make(&plan, o, err);

    if (status == 0) {
        const uint64_t besides = comm_rank() == 0 ? plan.first_bytes : 0;

        snprintf(who, sizeof who, "the learner of stage %.60s", stage);
        status = memory_plan_check(&plan, (uint64_t)comm_host_size() * plan.rank_bytes + besides,
                                   who, o, &room, err);
    }
    return comm_agree(status, err);
}

int trainer_run(const struct options *options, const char *stage, const char *run_folder,
                const volatile sig_atomic_t *stop, enum trainer_end *end, struct err *err)
{
    struct trainer t = {.options = options, .stage = stage, .stop = stop};
    struct replica_config config = replica_config(options);
    struct pool *pool;
    int status;

    t.started_s = clock_now_s();
    t.metrics.fd = -1;
    t.folder.lock_fd = -1;
    warn_if_narrow(threads_of_rank(options));
    pool = pool_create(threads_of_rank(options));
    gemm_backward_init();
    status = same_arithmetic(err);
    if (status == 0) status = fits_memory(options, stage, err);
    if (status == 0) status = open_folder(&t, run_folder, err);
    if (status == 0) status = replica_open(&t.replica, options->model_path, &config, pool, err);
    if (status == 0) {
        status = fits_context(&t, err);
        if (status == 0) status = run_with_replica(&t, end, err);
        replica_close(&t.replica);
    }
    if (t.gate) gate_stop(t.gate, false, "the learner failed");
    metrics_close(&t.metrics);
    run_folder_close(&t.folder);
    free(t.previous);
    pool_destroy(pool);
    return status;
}
