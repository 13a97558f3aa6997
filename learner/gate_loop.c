#include "learner/gate_loop.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "learner/endpoint.h"
#include "learner/journal.h"
#include "learner/stream.h"

#define PATH_BYTES 4096
#define SEGMENT_BYTES (UINT64_C(256) << 20)
#define IDLE_WAIT_MS 20    // between ticks
#define BUSY_WAIT_MS 1     // something waits for a full peer or a slow trainer
#define TURN_MESSAGES 1024 // received before the journal is synced
#define TURN_BYTES (16u << 20)
#define FAREWELL_MS 2000u // for the last words

struct gate_loop {
    struct gate_config config; // strings are owned
    struct gate_pipe pipe;
    struct sock_keys keys;
    struct sock *sock;
    struct stream *stream;
    struct journal *journal;
    struct file_map maps[FILES_MAX];
    struct stream_file files[FILES_MAX];
    uint32_t epoch;
    // The trainer waits for one thing at a time.
    bool is_awaited;
    uint64_t await_request, await_number;
    bool is_commit_due; // its answer goes out after the sync
    uint64_t commit_request;
    bool is_stopping, is_final, is_broken;
    uint64_t stop_request;
};

static char *copy_of(const char *text)
{
    char *copy = text != NULL ? strdup(text) : NULL;
    CHECK(text == NULL || copy != NULL);
    return copy;
}

static void keep_config(struct gate_loop *l, const struct gate_config *config)
{
    l->config = *config;
    l->config.run_folder = copy_of(config->run_folder);
    l->config.bind = copy_of(config->bind);
    l->config.advertise = copy_of(config->advertise);
    l->config.spec = copy_of(config->spec);
    l->config.files = NULL;
}

void gate_loop_destroy(struct gate_loop *l)
{
    if (l == NULL) return;
    if (l->sock != NULL) sock_close(l->sock);
    stream_destroy(l->stream);
    journal_stop(l->journal);
    for (size_t i = 0; i < l->config.n_files; i++) {
        file_unmap(&l->maps[i]);
        free((char *)(uintptr_t)l->files[i].name);
    }
    gate_pipe_fini(&l->pipe);
    free((char *)(uintptr_t)l->config.run_folder);
    free((char *)(uintptr_t)l->config.bind);
    free((char *)(uintptr_t)l->config.advertise);
    free((char *)(uintptr_t)l->config.spec);
    free(l);
}

// --- start ------------------------------------------------------------------------

static int map_files(struct gate_loop *l, const struct gate_config *config, struct err *err)
{
    CHECK(config->n_files <= FILES_MAX);
    for (size_t i = 0; i < config->n_files; i++) {
        if (file_map(&l->maps[i], config->files[i].path, err) != 0) return -1;
        l->files[i] = (struct stream_file){.name = copy_of(config->files[i].name),
                                           .bytes = l->maps[i].bytes,
                                           .size_bytes = l->maps[i].size_bytes};
    }
    return 0;
}

static int get_keys(struct gate_loop *l, struct err *err)
{
    char learner[PATH_BYTES], actor[PATH_BYTES];
    if (file_join(learner, sizeof learner, l->config.run_folder, LEARNER_KEY_NAME, err) != 0 ||
        file_join(actor, sizeof actor, l->config.run_folder, ACTOR_KEY_NAME, err) != 0)
        return -1;
    if (file_exists(learner)) return sock_keys_read(&l->keys, learner, err);
    if (sock_keys_make(&l->keys, err) != 0) return -1;
    return sock_keys_write(&l->keys, learner, actor, err);
}

static int replay(void *context, const struct journal_record *record, struct err *err)
{
    struct gate_loop *l = context;
    return stream_replay(l->stream, record, err);
}

static int open_stream(struct gate_loop *l, struct err *err)
{
    const struct gate_config *c = &l->config;
    const struct stream_config config = {
        .run = c->run,
        .epoch = l->epoch,
        .deterministic = c->deterministic,
        .spec = c->spec,
        .files = l->files,
        .n_files = c->n_files,
        .expected = c->expected,
        .fingerprint = c->fingerprint,
        .limits = {.vocab_size = c->vocab_size, .context_length = c->context_length},
        .book = {.lease_timeout_ms = c->lease_timeout_ms,
                 .progress_ms = c->progress_ms,
                 .prompts_per_lease = c->prompts_per_lease,
                 .fault_retries = c->fault_retries,
                 .void_on_fault = c->void_on_fault},
        .next_order = c->next_order};
    l->stream = stream_create(&config, err);
    if (l->stream == NULL) return -1;
    l->journal = journal_start(c->run_folder, c->run, l->epoch, SEGMENT_BYTES, replay, l, err);
    if (l->journal == NULL) return -1;
    stream_resume(l->stream, journal_next_sequence(l->journal));
    return 0;
}

static int announce_endpoint(struct gate_loop *l, struct err *err)
{
    const struct gate_config *c = &l->config;
    const struct endpoint endpoint = {.host = c->advertise != NULL ? c->advertise : c->bind,
                                      .port = sock_port(l->sock),
                                      .public_key = c->use_curve ? l->keys.server_public : NULL,
                                      .run = c->run,
                                      .epoch = l->epoch};
    if (endpoint_write(c->run_folder, &endpoint, err) != 0) return -1;
    log_line(LOG_INFO, "listen host=%s port=%u curve=%s epoch=%u", endpoint.host, endpoint.port,
             c->use_curve ? "yes" : "no", l->epoch);
    return 0;
}

static int sync_journal(struct gate_loop *l, struct err *err)
{
    const struct wire_buffer *staged = stream_staged(l->stream);
    if (staged->size_bytes > 0 &&
        journal_commit(l->journal, staged->bytes, staged->size_bytes, err) != 0)
        return -1;
    stream_synced(l->stream); // verdicts that needed no record go out too
    return 0;
}

struct gate_loop *gate_loop_create(const struct gate_config *config, struct gate_pipe *pipe,
                                   struct err *err)
{
    struct gate_loop *l = calloc(1, sizeof *l);
    CHECK(l != NULL);
    l->pipe = *pipe;
    keep_config(l, config);
    if (map_files(l, config, err) != 0 || (config->use_curve && get_keys(l, err) != 0)) goto fail;
    l->sock = sock_listen(config->bind, config->port, config->use_curve ? &l->keys : NULL, err);
    if (l->sock == NULL) goto fail;
    if (run_epoch_raise(config->run_folder, &l->epoch, err) != 0 || open_stream(l, err) != 0 ||
        sync_journal(l, err) != 0 || announce_endpoint(l, err) != 0)
        goto fail;
    return l;

fail:
    gate_loop_destroy(l);
    return NULL;
}

// --- the trainer's requests ----------------------------------------------------------

static void answer_error(struct gate_loop *l, uint32_t type, uint64_t request,
                         const struct err *err)
{
    const uint64_t code = err->code;
    gate_pipe_put(&l->pipe, type, request, &code, sizeof code, err->text, strlen(err->text));
}

static void answer(struct gate_loop *l, uint64_t request, int status, const struct err *err)
{
    if (status == 0)
        gate_pipe_put(&l->pipe, PIPE_DONE, request, NULL, 0, NULL, 0);
    else
        answer_error(l, PIPE_ERROR, request, err);
}

// The record's memory becomes the version's.
static void on_publish(struct gate_loop *l, struct pipe_record *r)
{
    uint64_t version;
    struct err err;
    CHECK(r->payload_bytes >= sizeof version);
    const size_t size = (size_t)r->payload_bytes - sizeof version;
    memcpy(&version, r->payload + size, sizeof version);
    const int status = stream_publish(l->stream, clock_now_ms(), version, r->payload, size, &err);
    r->payload = NULL;
    answer(l, r->request, status, &err);
}

static void on_order(struct gate_loop *l, const struct pipe_record *r)
{
    struct order order;
    struct err err;
    CHECK(r->payload_bytes == sizeof order);
    memcpy(&order, r->payload, sizeof order);
    const int status = stream_order(l->stream, clock_now_ms(), &order, &err);
    answer(l, r->request, status, &err);
}

static void on_commit(struct gate_loop *l, const struct pipe_record *r)
{
    uint64_t head[2];
    struct err err;
    CHECK(r->payload_bytes >= sizeof head);
    memcpy(head, r->payload, sizeof head);
    const size_t n = ((size_t)r->payload_bytes - sizeof head) / sizeof(struct order_fate);
    struct order_fate *fates = calloc(n ? n : 1, sizeof *fates);
    CHECK(fates != NULL);
    if (n != 0) memcpy(fates, r->payload + sizeof head, n * sizeof *fates);
    const int status = stream_commit(l->stream, clock_now_ms(), head[0], head[1], fates, n, &err);
    free(fates);
    if (status != 0) {
        answer_error(l, PIPE_ERROR, r->request, &err);
        return;
    }
    l->is_commit_due = true;
    l->commit_request = r->request;
}

static void on_request(struct gate_loop *l, struct pipe_record *r)
{
    switch ((enum pipe_type)r->type) {
    case PIPE_MAKE_ROOM:
        stream_make_room(l->stream);
        answer(l, r->request, 0, NULL);
        break;
    case PIPE_PUBLISH:
        on_publish(l, r);
        break;
    case PIPE_ORDER:
        on_order(l, r);
        break;
    case PIPE_AWAIT:
        CHECK(r->payload_bytes == sizeof l->await_number);
        memcpy(&l->await_number, r->payload, sizeof l->await_number);
        l->await_request = r->request;
        l->is_awaited = true;
        break;
    case PIPE_COMMIT:
        on_commit(l, r);
        break;
    case PIPE_STATUS: {
        struct gate_status status = stream_status(l->stream);
        status.n_journal_bytes = journal_size_bytes(l->journal);
        gate_pipe_put(&l->pipe, PIPE_DONE, r->request, &status, sizeof status, NULL, 0);
        break;
    }
    case PIPE_STOP: {
        uint64_t is_final;
        char reason[TEXT_BYTES_MAX + 1] = {0};
        CHECK(r->payload_bytes >= sizeof is_final);
        memcpy(&is_final, r->payload, sizeof is_final);
        const size_t n = (size_t)r->payload_bytes - sizeof is_final;
        memcpy(reason, r->payload + sizeof is_final, n < TEXT_BYTES_MAX ? n : TEXT_BYTES_MAX);
        stream_finish(l->stream, clock_now_ms(), is_final != 0, reason);
        l->is_stopping = true;
        l->is_final = is_final != 0;
        l->stop_request = r->request;
        break;
    }
    case PIPE_DONE:
    case PIPE_SAMPLES:
    case PIPE_ERROR:
    case PIPE_ENDED:
        CHECK(!"the trainer's requests only");
        break;
    }
}

static void serve_trainer(struct gate_loop *l)
{
    struct pipe_record r;
    int got;
    while ((got = gate_pipe_read(&l->pipe, &r)) == 1) {
        on_request(l, &r);
        free(r.payload);
    }
    if (got < 0 && !l->is_stopping) {
        stream_finish(l->stream, clock_now_ms(), false, "the learner ended");
        l->is_stopping = true;
    }
}

static void answer_samples(struct gate_loop *l)
{
    static const unsigned char zeros[8];
    const size_t begun = gate_pipe_begin(&l->pipe, PIPE_SAMPLES, l->await_request);
    uint64_t n = 0, at = 0;
    const struct ingest_sample *s;
    while (stream_order_sample(l->stream, l->await_number, &at) != NULL)
        n++;
    gate_pipe_add(&l->pipe, &n, sizeof n);
    at = 0;
    while ((s = stream_order_sample(l->stream, l->await_number, &at)) != NULL) {
        const uint32_t head[2] = {s->payload_bytes, 0};
        gate_pipe_add(&l->pipe, head, sizeof head);
        gate_pipe_add(&l->pipe, s->payload, s->payload_bytes);
        gate_pipe_add(&l->pipe, zeros, (8 - s->payload_bytes % 8) % 8);
    }
    gate_pipe_end(&l->pipe, begun);
}

// After the sync: what the trainer is told is durable.
static void answer_waits(struct gate_loop *l)
{
    struct err err;
    if (l->is_commit_due) {
        gate_pipe_put(&l->pipe, PIPE_DONE, l->commit_request, NULL, 0, NULL, 0);
        l->is_commit_due = false;
    }
    if (!l->is_awaited) return;
    switch (stream_order_state(l->stream, l->await_number, &err)) {
    case ORDER_OPEN:
        return;
    case ORDER_COMPLETE:
        answer_samples(l);
        break;
    case ORDER_UNKNOWN:
        err_set(&err, ERR_USAGE, "order %llu was never placed",
                (unsigned long long)l->await_number);
        answer_error(l, PIPE_ERROR, l->await_request, &err);
        break;
    case ORDER_FAILED:
        answer_error(l, PIPE_ERROR, l->await_request, &err);
        break;
    }
    l->is_awaited = false;
}

// --- turns --------------------------------------------------------------------------

static void receive(struct gate_loop *l)
{
    for (int i = 0; i < TURN_MESSAGES && stream_staged(l->stream)->size_bytes < TURN_BYTES; i++) {
        struct frames in;
        struct peer from;
        struct err why;
        const int got = sock_receive(l->sock, &in, &from, &why);
        if (got == 0) return;
        if (got > 0)
            stream_receive(l->stream, clock_now_ms(), from.id, &in);
        else
            stream_refuse(l->stream, clock_now_ms(), from.id, why.text);
    }
}

static void send_all(struct gate_loop *l)
{
    uint64_t peer;
    const struct frames *out;
    stream_begin_sending(l->stream);
    while (stream_next_send(l->stream, &peer, &out)) {
        struct err why;
        const int status = sock_send(l->sock, (struct peer){peer}, out, &why);
        stream_sent(l->stream, clock_now_ms(), status);
    }
}

static void log_events(struct gate_loop *l)
{
    char text[256];
    while (stream_next_event(l->stream, text, sizeof text))
        log_line(LOG_INFO, "gate %s", text);
}

static int turn(struct gate_loop *l, struct err *err)
{
    const bool is_behind = stream_has_mail(l->stream) || l->pipe.out_bytes > 0;
    const int ready = sock_wait(l->sock, l->pipe.fd, is_behind ? BUSY_WAIT_MS : IDLE_WAIT_MS);
    if (ready & SOCK_READY) receive(l);
    if (ready & SOCK_READY_OTHER) serve_trainer(l);
    stream_tick(l->stream, clock_now_ms());
    if (sync_journal(l, err) != 0) return -1;
    send_all(l);
    answer_waits(l);
    log_events(l);
    return gate_pipe_flush(&l->pipe) < 0 && !l->is_stopping
               ? err_set(err, ERR_IO, "the trainer is gone")
               : 0;
}

// The last words reach those who still listen: a connection that closes too soon
// takes unread messages with it, so their good-byes are waited for.
static void say_farewell(struct gate_loop *l)
{
    const uint64_t deadline_ms = clock_now_ms() + FAREWELL_MS;
    struct err err;
    do {
        if (sync_journal(l, &err) != 0) break;
        send_all(l);
        const bool is_awaited = l->is_final && stream_has_peers(l->stream);
        if (!stream_has_mail(l->stream) && !is_awaited) break;
        if (sock_wait(l->sock, -1, BUSY_WAIT_MS) != 0) receive(l);
    } while (clock_now_ms() < deadline_ms);
    sock_close(l->sock); // drains
    l->sock = NULL;
}

// The trainer reads, or closes its end, within a bound of its own.
static void flush_pipe(struct gate_loop *l)
{
    const uint64_t deadline_ms = clock_now_ms() + FAREWELL_MS;
    while (gate_pipe_flush(&l->pipe) == 0 && clock_now_ms() < deadline_ms)
        (void)poll(NULL, 0, BUSY_WAIT_MS);
}

void gate_loop_run(struct gate_loop *l)
{
    struct err err;
    while (!l->is_stopping) {
        if (turn(l, &err) == 0) continue;
        log_line(LOG_ERROR, "gate: %s", err.text);
        stream_finish(l->stream, clock_now_ms(), false, err.text);
        answer_error(l, PIPE_ENDED, 0, &err);
        l->is_broken = true;
        break;
    }
    if (!l->is_broken) {
        say_farewell(l);
        gate_pipe_put(&l->pipe, PIPE_DONE, l->stop_request, NULL, 0, NULL, 0);
    }
    flush_pipe(l);
}
