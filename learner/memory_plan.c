#include "learner/memory_plan.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/pool.h"
#include "common/model/forward.h"
#include "learner/actor_spec.h"
#include "learner/batch.h"
#include "learner/lanes.h"

#define MIB ((size_t)1 << 20)
#define GIB (1024.0 * 1024.0 * 1024.0)

// Measured: program and libraries without a model.
#define RANK_PROGRAM_BYTES (40 * MIB)  // Open MPI, OpenBLAS, the gate
#define ACTOR_PROGRAM_BYTES (12 * MIB) // and what is in flight
// Of tokenizer.json: its JSON while it is read is the larger part.
#define TOKENIZER_FACTOR 12u
#define HUGE_PAGE_BYTES (2 * MIB)
#define DRAW_BYTES 20u // of a token of the vocabulary and thread, while sampling

static size_t size_of_file(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && st.st_size > 0 ? (size_t)st.st_size : 0;
}

// What actors fetch, all of it and the tokenizer alone.  Files that are not
// there yet are another's error to report.
static void measure_files(const struct options *o, size_t *all, size_t *tokenizer)
{
    struct actor_spec spec;
    struct err ignored;

    *all = *tokenizer = 0;
    if (actor_spec_make(&spec, o, &ignored) != 0) return;
    for (size_t i = 0; i < spec.n_files; i++) {
        const size_t size = size_of_file(spec.files[i].path);

        *all += size;
        if (strcmp(spec.files[i].name, "tokenizer.json") == 0) *tokenizer = size;
    }
    actor_spec_fini(&spec);
}

static bool is_generating(const struct options *o)
{
    return o->kind == STAGE_GRPO || options_wants_eval(o);
}

// Samples under way at once: an order may have fewer than there are slots.
static uint32_t samples_at_once(const struct options *o)
{
    const uint64_t train = o->kind == STAGE_GRPO ? o->train_batch_size * o->rollout_n : 0;
    const bool is_all = o->kind == STAGE_EVAL && o->eval_n_prompts == 0;
    const uint64_t eval = !options_wants_eval(o) ? 0
                          : is_all               ? o->actor_slots
                                                 : o->eval_n_prompts * o->eval_n;
    const uint64_t most = train > eval ? train : eval;

    return (uint32_t)(most < o->actor_slots ? most : o->actor_slots);
}

static size_t pages_for(uint32_t n_positions)
{
    return (n_positions + KV_PAGE - 1) / KV_PAGE;
}

// Pages in use at once, in groups of `group` samples that share the full pages of
// their prompt; one group more than there are slots for waits with its prompt.
static size_t pages_at_once(uint32_t n_slots, uint64_t group, uint32_t prompt, uint32_t length)
{
    const uint32_t shared = prompt < length ? prompt : length;
    const size_t n_groups = (size_t)((n_slots + group - 1) / group) + 1;

    return n_groups * pages_for(shared) + n_slots * (pages_for(length) - shared / KV_PAGE);
}

static size_t plan_cache(const struct shape *s, const struct options *o, uint32_t n_slots)
{
    const uint32_t wanted = options_sequence_max(o);
    const uint32_t length = wanted < s->context_length ? wanted : s->context_length;
    const uint32_t prompt = (uint32_t)o->max_prompt_length;
    const size_t train =
        o->kind == STAGE_GRPO ? pages_at_once(n_slots, o->rollout_n, prompt, length) : 0;
    const size_t eval =
        options_wants_eval(o) ? pages_at_once(n_slots, o->eval_n, prompt, length) : 0;
    size_t pages = train > eval ? train : eval;
    const size_t most = decode_pages(n_slots, length);

    if (pages > most) pages = most;
    // Pages lie layer by layer, keys and values apart, and memory comes in huge pages.
    const size_t bytes = kv_bytes(s, (uint32_t)pages) + 2 * s->n_layers * (HUGE_PAGE_BYTES / 2);
    const size_t all = kv_bytes(s, (uint32_t)most), allowed = o->actor_cache_mib * MIB;
    const size_t touched = bytes < all ? bytes : all;

    return touched < allowed ? touched : allowed;
}

static struct actor_memory plan_actor(const struct params *params, const struct options *o,
                                      size_t files, size_t tokenizer)
{
    const struct shape *s = &params->shape;
    const uint32_t n_slots = samples_at_once(o);
    const size_t threads = o->actor_threads > 0 ? o->actor_threads : pool_usable_processors();
    struct actor_memory m = {.program = ACTOR_PROGRAM_BYTES + files + TOKENIZER_FACTOR * tokenizer};

    if (!is_generating(o)) return m;
    m.weights = weights_bytes(params, PANEL_BF16);
    m.incoming = params->n_elements * sizeof(uint16_t);
    m.cache = plan_cache(s, o, n_slots);
    m.step =
        decode_bytes(s, n_slots, decode_prefill_rows(s)) + threads * s->vocab_size * DRAW_BYTES;
    return m;
}

static struct rank_memory large_arrays(const struct params *params, const struct options *o)
{
    const size_t n = params->n_elements, block = n * sizeof(uint16_t);
    const size_t both = block + weights_bytes(params, PANEL_BF16);
    const struct batch_limits batch =
        batch_limits_for((uint32_t)o->lanes, (uint32_t)o->pack_tokens, options_sequence_max(o));
    const struct gradient_limits limits = batch_gradient_limits(&batch, o->recompute);

    // An evaluation only serves.
    if (o->kind == STAGE_EVAL) return (struct rank_memory){.weights = block, .serving = block};
    return (struct rank_memory){
        .optimizer = 3 * sizeof(float) * (n / (size_t)o->ranks),
        .gradients = lanes_levels((uint32_t)(o->lanes / o->ranks)) * n * sizeof(float),
        .weights = both,
        .reference = options_wants_reference(o) ? both : 0,
        .activations = gradient_bytes(params, &limits),
        .serving = is_generating(o) ? block : 0,
    };
}

static void plan_rank(struct memory_plan *p, const struct params *params, const struct options *o)
{
    struct rank_memory *m = &p->rank;
    const size_t block = params->n_elements * sizeof(uint16_t);

    *m = large_arrays(params, o);
    if (o->mode == MODE_ONE_STEP_OFF) {
        p->previous = block;
        m->serving += block; // the order ahead keeps the version before the newest
    }
    p->program = RANK_PROGRAM_BYTES;
    p->rank_bytes =
        m->optimizer + m->gradients + m->weights + m->reference + m->activations + p->program;
    p->first_bytes = m->serving + p->previous + p->files;
}

int memory_plan_make(struct memory_plan *p, const struct options *o, struct err *err)
{
    struct shape shape;
    struct params params;
    size_t tokenizer;

    *p = (struct memory_plan){.n_ranks = o->ranks, .n_actors = o->actors};
    if (shape_read(&shape, o->model_path, err) != 0) return -1;
    if (params_init(&params, &shape, err) != 0) return -1;
    p->n_parameters = params.n_elements;
    measure_files(o, &p->files, &tokenizer);
    plan_rank(p, &params, o);
    p->actor = plan_actor(&params, o, p->files, tokenizer);
    p->actor_bytes =
        p->actor.weights + p->actor.incoming + p->actor.cache + p->actor.step + p->actor.program;
    p->host_bytes = p->n_ranks * p->rank_bytes + p->first_bytes + p->n_actors * p->actor_bytes;
    params_fini(&params);
    return 0;
}

static void print_bytes(FILE *out, const char *what, uint64_t bytes)
{
    if (bytes > 0) fprintf(out, "  %-36s %10.1f MiB\n", what, (double)bytes / (double)MIB);
}

void memory_plan_print(const struct memory_plan *p, FILE *out)
{
    const struct rank_memory *m = &p->rank;
    const struct actor_memory *a = &p->actor;

    fprintf(out, "  %zu parameters; each of %" PRIu64 " learner ranks:\n", p->n_parameters,
            p->n_ranks);
    print_bytes(out, "masters and Adam moments", m->optimizer);
    print_bytes(out, "gradients and lane sums", m->gradients);
    print_bytes(out, "weights", m->weights);
    print_bytes(out, "reference", m->reference);
    print_bytes(out, "activations of a pack", m->activations);
    print_bytes(out, "program", p->program);
    print_bytes(out, "in all", p->rank_bytes);
    fprintf(out, "  rank 0 besides:\n");
    print_bytes(out, "weights being served", m->serving);
    print_bytes(out, "weights of the step before", p->previous);
    print_bytes(out, "files for actors", p->files);
    fprintf(out, "  each of %" PRIu64 " actors:\n", p->n_actors);
    print_bytes(out, "weights", a->weights);
    print_bytes(out, "the next version, as it comes", a->incoming);
    print_bytes(out, "keys and values", a->cache);
    print_bytes(out, "a step of generation", a->step);
    print_bytes(out, "program, tokenizer, files", a->program);
    print_bytes(out, "in all", p->actor_bytes);
    fprintf(out, "  all of them on one machine:\n");
    print_bytes(out, "in all", p->host_bytes);
}

// "18.2 GiB are free (the group's limit is 20.0 GiB)"
static void describe(char *out, size_t out_bytes, const struct memory_room *room)
{
    const double free_gib = (double)memory_room_bytes(room) / GIB;

    if (room->group_available_bytes < room->available_bytes) {
        snprintf(out, out_bytes, "%.2f GiB are left of this group's %.2f GiB", free_gib,
                 (double)room->group_bytes / GIB);
    } else {
        snprintf(out, out_bytes, "%.2f GiB of this machine's %.2f GiB are free", free_gib,
                 (double)room->machine_bytes / GIB);
    }
}

int memory_plan_check(const struct memory_plan *p, uint64_t bytes, const char *who,
                      const struct options *o, const struct memory_room *room, struct err *err)
{
    const uint64_t limit = o->memory_limit_mib * MIB;
    const uint64_t allowed = limit > 0 ? limit : memory_room_bytes(room);
    char why[128];

    if (!o->check_memory || bytes <= allowed) return 0;
    if (limit > 0) {
        snprintf(why, sizeof why, "resources.memory_limit_mib allows %.2f GiB",
                 (double)limit / GIB);
    } else {
        describe(why, sizeof why, room);
    }
    return err_set(err, ERR_LIMIT,
                   "%s would take %.2f GiB (a rank %.2f, rank 0 %.2f more, an actor %.2f) and %s: "
                   "fewer ranks, actors or resources.actor_slots, trainer.lanes: 1, "
                   "trainer.recompute: true, a smaller trainer.pack_tokens, or "
                   "resources.check_memory: false to try",
                   who, (double)bytes / GIB, (double)p->rank_bytes / GIB,
                   (double)p->first_bytes / GIB, (double)p->actor_bytes / GIB, why);
}
