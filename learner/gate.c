#include "learner/gate.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/pool.h"
#include "learner/gate_loop.h"
#include "learner/gate_pipe.h"
#include "proto/journal_format.h"

// The trainer's end.  The gate's own thread runs gate_loop.c.

#define ANSWER_MS 60000u // to anything but a wait for an order: a full disk cache is slow
#define PUBLISH_MS 120000u

struct gate {
    struct gate_pipe pipe;
    struct gate_loop *loop;
    struct thread *thread;
    uint64_t request;
    bool has_ended;
    struct err end; // why
};

static void run_loop(void *context)
{
    gate_loop_run(context);
}

struct gate *gate_start(const struct gate_config *config, struct err *err)
{
    struct gate *g = calloc(1, sizeof *g);
    struct gate_pipe other;
    CHECK(g != NULL);
    if (gate_pipe_pair(&g->pipe, &other, err) != 0) {
        free(g);
        return NULL;
    }
    g->loop = gate_loop_create(config, &other, err);
    if (g->loop == NULL) {
        gate_pipe_fini(&g->pipe);
        free(g);
        return NULL;
    }
    g->thread = thread_start(run_loop, g->loop, "gate");
    return g;
}

// The reason in a PIPE_ERROR or PIPE_ENDED record.
static int error_of(const struct pipe_record *r, struct err *err)
{
    uint64_t code = ERR_FORMAT;
    if (r->payload_bytes < sizeof code) return err_set(err, ERR_FORMAT, "the gate's error is cut");
    memcpy(&code, r->payload, sizeof code);
    return err_set(err, (enum err_code)code, "%.*s", (int)(r->payload_bytes - sizeof code),
                   (const char *)r->payload + sizeof code);
}

static int ended(struct gate *g, struct err *err)
{
    *err = g->end;
    return -1;
}

// The answer to the request just written; the caller frees its payload.
static int await_answer(struct gate *g, uint64_t deadline_ms, struct pipe_record *out,
                        struct err *err)
{
    for (;;) {
        const int got = gate_pipe_wait(&g->pipe, deadline_ms, out);
        if (got == 0) return err_set(err, ERR_TIMEOUT, "no answer from the gate in time");
        if (got < 0) {
            g->has_ended = true;
            err_set(&g->end, ERR_IO, "the gate has ended without a word");
            return ended(g, err);
        }
        if (out->type == PIPE_ENDED) {
            g->has_ended = true;
            (void)error_of(out, &g->end);
            free(out->payload);
            return ended(g, err);
        }
        if (out->request == g->request && out->type == PIPE_ERROR) {
            (void)error_of(out, err);
            free(out->payload);
            return -1;
        }
        if (out->request == g->request) return 0;
        free(out->payload); // of a wait that was given up
    }
}

static int ask(struct gate *g, uint32_t type, const void *head, size_t head_bytes, const void *tail,
               size_t tail_bytes, uint32_t limit_ms, struct pipe_record *out, struct err *err)
{
    const uint64_t deadline_ms = clock_now_ms() + limit_ms;
    if (g->has_ended) return ended(g, err);
    g->request++;
    if (gate_pipe_write(&g->pipe, type, g->request, head, head_bytes, tail, tail_bytes,
                        deadline_ms + ANSWER_MS, err) != 0) {
        // It closed its end: the reason may still lie in ours.
        struct pipe_record last;
        if (err->code == ERR_IO) (void)await_answer(g, clock_now_ms() + 1000, &last, err);
        return -1;
    }
    return await_answer(g, deadline_ms, out, err);
}

static int ask_done(struct gate *g, uint32_t type, const void *head, size_t head_bytes,
                    const void *tail, size_t tail_bytes, uint32_t limit_ms, struct err *err)
{
    struct pipe_record answer;
    if (ask(g, type, head, head_bytes, tail, tail_bytes, limit_ms, &answer, err) != 0) return -1;
    free(answer.payload);
    return 0;
}

void gate_stop(struct gate *g, bool is_final, const char *reason)
{
    const uint64_t flag = is_final;
    struct err ignored;
    if (g == NULL) return;
    (void)ask_done(g, PIPE_STOP, &flag, sizeof flag, reason, strlen(reason), ANSWER_MS, &ignored);
    gate_pipe_fini(&g->pipe); // a loop that did not answer ends when its pipe does
    thread_join(g->thread);
    gate_loop_destroy(g->loop);
    free(g);
}

int gate_publish(struct gate *g, uint64_t version, const void *bytes, size_t size_bytes,
                 struct err *err)
{
    // The gate keeps the record as it comes: what it had for actors goes first, so
    // that it never holds a version more than somebody needs.
    if (ask_done(g, PIPE_MAKE_ROOM, NULL, 0, NULL, 0, ANSWER_MS, err) != 0) return -1;
    return ask_done(g, PIPE_PUBLISH, bytes, size_bytes, &version, sizeof version, PUBLISH_MS, err);
}

int gate_order(struct gate *g, const struct order *order, struct err *err)
{
    return ask_done(g, PIPE_ORDER, order, sizeof *order, NULL, 0, ANSWER_MS, err);
}

// Decodes {u64 n, n x {u32 bytes, u32 0, payload, zeros to 8}}.
static int decode_samples(struct pipe_record *r, struct order_samples *out, struct err *err)
{
    uint64_t n, at = sizeof n;
    CHECK(r->payload_bytes >= sizeof n);
    memcpy(&n, r->payload, sizeof n);
    out->n = (size_t)n;
    out->memory = r->payload;
    out->results = calloc(n ? (size_t)n : 1, sizeof *out->results);
    CHECK(out->results != NULL);
    for (size_t i = 0; i < n; i++) {
        uint32_t size;
        struct message m;
        CHECK(at + 8 <= r->payload_bytes);
        memcpy(&size, r->payload + at, sizeof size);
        const struct journal_record record = {
            .type = JOURNAL_RESULT, .payload = r->payload + at + 8, .payload_bytes = size};
        if (journal_decode_result(&record, &m, err) != 0) {
            order_samples_fini(out);
            return -1;
        }
        out->results[i] = m.result;
        at += 8 + ((size + UINT64_C(7)) & ~UINT64_C(7));
    }
    return 0;
}

int gate_await(struct gate *g, uint64_t number, uint32_t timeout_ms, struct order_samples *out,
               struct err *err)
{
    struct pipe_record answer;
    *out = (struct order_samples){.number = number};
    if (ask(g, PIPE_AWAIT, &number, sizeof number, NULL, 0, timeout_ms, &answer, err) != 0)
        return -1;
    return decode_samples(&answer, out, err);
}

void order_samples_fini(struct order_samples *s)
{
    free(s->results);
    free(s->memory);
    *s = (struct order_samples){0};
}

int gate_commit(struct gate *g, uint64_t number, uint64_t step, const struct order_fate *fates,
                size_t n, struct err *err)
{
    const uint64_t head[2] = {number, step};
    return ask_done(g, PIPE_COMMIT, head, sizeof head, fates, n * sizeof *fates, ANSWER_MS, err);
}

int gate_status(struct gate *g, struct gate_status *out, struct err *err)
{
    struct pipe_record answer;
    if (ask(g, PIPE_STATUS, NULL, 0, NULL, 0, ANSWER_MS, &answer, err) != 0) return -1;
    CHECK(answer.payload_bytes == sizeof *out);
    memcpy(out, answer.payload, sizeof *out);
    free(answer.payload);
    return 0;
}
