#include "actor/serve.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "actor/jobs.h"
#include "common/base/clock.h"
#include "common/base/log.h"

#define MESSAGES_PER_TURN 64 // then the engine gets a step
#define DRAIN_MS 5000u       // for acknowledgements after a stop
#define SCORER_POLL_MS 20u   // deadlines of scorers are looked at this often

// What is built from the learner's spec and files.
struct studio {
    struct workload *workload;
    struct params params;
    struct weights *weights;
    struct rollout *rollout;
    uint64_t version; // of the weights; meaningful when has_weights
    bool has_weights;
};

struct server {
    const struct serve_options *options;
    struct pool *pool;
    struct link *link;
    struct client *client;
    struct jobs *jobs;
    struct studio studio;
    struct wire_buffer aligned;
    // Verified weights that wait for the leases of the version before them.
    const unsigned char *waiting_bytes;
    uint64_t waiting_size, waiting_version;
    struct hash waiting_object;
    bool is_alone; // sharing weights failed the last time
    bool is_full;  // the socket takes nothing more at the moment
    bool is_over;
    bool is_refused;
    char reason[TEXT_BYTES_MAX + 1];
};

static void studio_close(struct studio *s)
{
    rollout_destroy(s->rollout);
    weights_destroy(s->weights);
    if (s->workload != NULL) params_fini(&s->params);
    workload_destroy(s->workload);
    *s = (struct studio){0};
}

// Cache pages for every slot at full length, within the memory allowed.
static uint32_t cache_pages(const struct workload *workload, const struct serve_options *options)
{
    const uint64_t wanted = rollout_pages_needed(options->n_slots, workload_sequence_max(workload));
    const uint64_t one = kv_bytes(workload_shape(workload), 1);
    const uint64_t allowed = options->cache_bytes_max / (one ? one : 1);
    return (uint32_t)(wanted < allowed ? wanted : allowed);
}

// What the spec wants run here is run only with this side's consent.
static int start_scorers(const struct server *v, struct err *err)
{
    if (!v->options->runs_commands && workload_has_commands(v->studio.workload))
        return err_set(err, ERR_USAGE,
                       "a reward of the recipe is a command, and this actor runs none "
                       "(--commands 0)");
    return workload_start_scorers(v->studio.workload, err);
}

static int studio_open(struct server *v, const struct client_action *a, struct err *err)
{
    struct studio *s = &v->studio;
    studio_close(s);
    s->workload = workload_create(a->spec, a->files, a->n_files, err);
    if (s->workload == NULL) return -1;
    const struct shape *shape = workload_shape(s->workload);
    if (params_init(&s->params, shape, err) != 0) {
        workload_destroy(s->workload);
        s->workload = NULL;
        return -1;
    }
    if (start_scorers(v, err) != 0) return -1;
    const struct rollout_limits limits = {v->options->n_slots, cache_pages(s->workload, v->options),
                                          decode_prefill_rows(shape)};
    if (limits.n_pages == 0)
        return err_set(err, ERR_LIMIT,
                       "%" PRIu64 " bytes of cache hold not one page of this model (--cache-mib)",
                       v->options->cache_bytes_max);
    s->weights = weights_create_shared(&s->params, PANEL_BF16, v->options->share_folder);
    s->rollout = rollout_create(shape, &limits, v->pool);
    struct ready ready;
    workload_hashes(s->workload, &ready);
    ready.shape = shape_hash(shape);
    ready.sampler = sampler_hash();
    client_ready(v->client, &ready);
    log_line(LOG_INFO, "ready params=%zu slots=%u pages=%u", s->params.n_elements, limits.n_slots,
             limits.n_pages);
    return 0;
}

static uint16_t *copy_flipped(const uint16_t *flat, size_t n, size_t flip)
{
    uint16_t *copy = malloc(n * sizeof *copy);
    CHECK(copy != NULL);
    memcpy(copy, flat, n * sizeof *copy);
    copy[flip] ^= 1u;
    return copy;
}

static void load_weights(struct server *v, const uint16_t *flat)
{
    static const char *const origins[] = {
        [WEIGHTS_OWN] = "own", [WEIGHTS_MADE] = "shared", [WEIGHTS_FOUND] = "found"};
    struct err why;
    const enum weights_origin origin =
        weights_load_named(v->studio.weights, flat, &v->waiting_object, v->pool, &why);
    log_line(LOG_INFO, "weights version=%" PRIu64 " memory=%s", v->waiting_version,
             origins[origin]);
    if (why.code != ERR_NONE && !v->is_alone)
        log_line(LOG_WARN, "weights are not shared: %s", why.text);
    v->is_alone = why.code != ERR_NONE;
}

static void swap_weights(struct server *v)
{
    struct studio *s = &v->studio;
    const size_t size = s->params.n_elements * sizeof(uint16_t);
    if (v->waiting_size != size) {
        log_line(LOG_ERROR,
                 "weights version=%" PRIu64 " has %" PRIu64 " bytes, the model needs %zu",
                 v->waiting_version, v->waiting_size, size);
        v->waiting_bytes = NULL;
        return;
    }
    const uint16_t *flat = (const void *)v->waiting_bytes;
    const int64_t flip = v->options->flip_weight;
    if (flip >= 0 && (size_t)flip < s->params.n_elements) {
        uint16_t *flipped = copy_flipped(flat, s->params.n_elements, (size_t)flip);
        weights_load(s->weights, flipped, v->pool); // nobody else wants these
        free(flipped);
    } else {
        load_weights(v, flat);
    }
    rollout_set_weights(s->rollout, s->weights);
    s->version = v->waiting_version;
    s->has_weights = true;
    v->waiting_bytes = NULL;
    client_applied(v->client, s->version);
}

// What cannot go because the socket's queue is full waits its turn.  Without a
// link it is dropped: the client greets anew and sends again until acknowledged.
static void send_frames(struct server *v, const struct frames *frames)
{
    struct err ignored;
    struct sock *sock = link_sock(v->link);
    if (sock == NULL || sock_send(sock, (struct peer){0}, frames, &ignored) != 1) return;
    client_unsent(v->client);
    v->is_full = true;
}

static int act(struct server *v, const struct client_action *a, uint64_t now_ms, struct err *err)
{
    struct studio *s = &v->studio;
    switch (a->type) {
    case CLIENT_SEND:
        send_frames(v, a->frames);
        return 0;
    case CLIENT_SPEC:
        jobs_destroy(v->jobs);
        v->jobs = jobs_create();
        v->waiting_bytes = NULL;
        return studio_open(v, a, err);
    case CLIENT_WEIGHTS:
        v->waiting_bytes = a->bytes;
        v->waiting_size = a->size_bytes;
        v->waiting_version = a->version;
        v->waiting_object = a->object;
        return 0;
    case CLIENT_LEASE:
        jobs_take(v->jobs, &a->lease, s->has_weights ? s->version : UINT64_MAX, s->workload,
                  s->rollout, v->client, now_ms);
        return 0;
    case CLIENT_CANCEL:
        jobs_cancel(v->jobs, a->lease_id, s->workload, s->rollout);
        return 0;
    case CLIENT_QUIT:
        v->is_over = true;
        v->is_refused = a->is_refused;
        memcpy(v->reason, a->reason, sizeof v->reason);
        return 0;
    }
    return 0;
}

static int act_all(struct server *v, struct err *err)
{
    struct client_action action;
    v->is_full = false;
    while (!v->is_over && !v->is_full && client_next(v->client, clock_now_ms(), &action))
        if (act(v, &action, clock_now_ms(), err) != 0) return -1;
    return 0;
}

// Waits for the socket only when there is nothing to compute.
static int receive(struct server *v, struct err *err)
{
    struct sock *sock = link_sock(v->link);
    const uint64_t now_ms = clock_now_ms();
    const struct studio *s = &v->studio;
    const bool is_busy = s->rollout != NULL && !rollout_is_idle(s->rollout);
    const bool is_scoring = s->workload != NULL && workload_scoring(s->workload) > 0;
    const int scorer_fd = is_scoring ? workload_scorer_fd(s->workload) : -1;
    uint32_t wait_ms = is_busy ? 0 : client_wait_ms(v->client, now_ms);
    if (is_scoring && wait_ms > SCORER_POLL_MS) wait_ms = SCORER_POLL_MS;
    if (wait_ms > 200) wait_ms = 200; // signals and the link are looked at this often
    if (v->is_full && wait_ms > 1) wait_ms = 1;
    if (sock == NULL) {
        const struct timespec pause = {0, (long)wait_ms * 1000000};
        nanosleep(&pause, NULL);
    } else if (sock_wait(sock, scorer_fd, (int)wait_ms) != 0) {
        for (int i = 0; i < MESSAGES_PER_TURN; i++) {
            struct frames in;
            struct peer from;
            struct err bad;
            const int got = sock_receive(sock, &in, &from, &bad);
            if (got == 0) break;
            if (got > 0) client_receive(v->client, clock_now_ms(), &in);
            if (act_all(v, err) != 0) return -1;
        }
    }
    enum link_change change;
    if (link_check(v->link, clock_now_ms(), &change, err) != 0) return -1;
    if (change == LINK_UP) client_connected(v->client, clock_now_ms());
    if (change == LINK_DOWN) client_disconnected(v->client, clock_now_ms());
    if (change == LINK_OVER) {
        v->is_over = true;
        snprintf(v->reason, sizeof v->reason, "the run has its result");
    }
    return 0;
}

static int turn(struct server *v, struct err *err)
{
    if (receive(v, err) != 0 || act_all(v, err) != 0) return -1;
    struct studio *s = &v->studio;
    if (s->rollout == NULL || v->is_over) return 0;
    // Samples that only wait for their scores know the version that drew them.
    if (v->waiting_bytes != NULL && rollout_is_idle(s->rollout)) swap_weights(v);
    if (!rollout_is_idle(s->rollout)) rollout_step(s->rollout);
    jobs_advance(v->jobs, s->workload, s->rollout, v->client, clock_now_ms());
    return act_all(v, err);
}

// Gives back what is not done and waits a while for the last acknowledgements.
static int leave(struct server *v, struct err *err)
{
    const uint64_t deadline_ms = clock_now_ms() + DRAIN_MS;
    client_return_all(v->client, clock_now_ms(), "the actor was asked to stop");
    do {
        if (act_all(v, err) != 0 || receive(v, err) != 0) return -1;
    } while (!v->is_over && !client_is_drained(v->client) && clock_now_ms() < deadline_ms);
    return 0;
}

static int run(struct server *v, const volatile sig_atomic_t *stop, struct err *err)
{
    while (!v->is_over) {
        if (*stop) return leave(v, err);
        if (turn(v, err) != 0) return -1;
    }
    if (v->is_refused) return err_set(err, ERR_MISMATCH, "refused by the learner: %s", v->reason);
    log_line(LOG_INFO, "over results=%" PRIu64 " reason=\"%s\"", client_status(v->client).n_acked,
             v->reason);
    return 0;
}

// A number no other start of an actor has: time, process and address space.
static uint64_t new_session(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    const uint64_t parts[3] = {(uint64_t)now.tv_sec, (uint64_t)now.tv_nsec, (uint64_t)getpid()};
    const struct hash hash = hash_of(parts, sizeof parts);
    uint64_t session;
    memcpy(&session, hash.bytes, sizeof session);
    return session;
}

int serve(const struct serve_options *options, const volatile sig_atomic_t *stop, struct err *err)
{
    struct server v = {.options = options};
    v.link = link_open(&options->link, clock_now_ms(), err);
    if (v.link == NULL) return -1;
    const struct client_config config = {.name = options->name,
                                         .session = new_session(),
                                         .fingerprint = forward_fingerprint(),
                                         .result_bytes_max = options->result_bytes_max,
                                         .samples_max = options->n_slots,
                                         .silence_ms = 5000};
    v.pool = pool_create(options->n_threads);
    v.client = client_create(&config);
    v.jobs = jobs_create();
    const int status = run(&v, stop, err);
    jobs_destroy(v.jobs);
    studio_close(&v.studio);
    client_destroy(v.client);
    link_close(v.link);
    pool_destroy(v.pool);
    return status;
}
