/*
 * bench_ingest.c - how many groups a second the gate takes in.
 *
 *   bench_ingest [GROUPS] [FOLDER]
 *
 * A real gate with CURVE and a journal on disk; a second process plays the
 * actor: it answers each lease with 16 results of 256 tokens through its own
 * socket, as fast as leases come.  The window: from the first order to the last
 * complete one, leasing, sockets, checks, journal, sync and ACKs included.  CPU
 * seconds are those of the learner's process alone.  Groups per CPU second is
 * what one core can take in.
 */
#define _GNU_SOURCE // mkdtemp
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "actor/client.h"
#include "actor/link.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "learner/gate.h"

#define GROUP 16
#define PROMPT_TOKENS 64u
#define TOKENS 256u
#define ORDER_GROUPS 64u
#define WEIGHTS_BYTES 4096

static uint32_t tokens[TOKENS];
static float mask[TOKENS], logprobs[TOKENS];

static void answer(struct client *c, const struct lease *lease)
{
    for (uint32_t i = 0; i < lease->n_samples; i++) {
        const struct result r = {.lease = lease->id,
                                 .kind = lease->kind,
                                 .prompt_index = lease->prompt_first,
                                 .sample = i,
                                 .n_prompt_tokens = PROMPT_TOKENS,
                                 .n_tokens = TOKENS,
                                 .tokens = tokens,
                                 .loss_mask = mask,
                                 .logprobs = logprobs,
                                 .n_spans = 1,
                                 .spans = {{0, lease->weights_version}}};
        client_submit(c, clock_now_ms(), &r);
    }
}

static void act(struct client *c, struct sock *sock, const struct client_action *a, bool *is_over,
                bool *is_full)
{
    static const struct ready ready = {.shape = {{1}}};
    struct err err;
    switch (a->type) {
    case CLIENT_SEND:
        *is_full = sock_send(sock, (struct peer){0}, a->frames, &err) == 1;
        if (*is_full) client_unsent(c);
        break;
    case CLIENT_SPEC:
        client_ready(c, &ready);
        break;
    case CLIENT_WEIGHTS:
        client_applied(c, a->version);
        break;
    case CLIENT_LEASE:
        answer(c, &a->lease);
        break;
    case CLIENT_CANCEL:
        break;
    case CLIENT_QUIT:
        *is_over = true;
        break;
    }
}

static _Noreturn void play_actor(const char *folder)
{
    const struct link_config link_config = {.run_folder = folder, .patience_ms = 20000};
    const struct client_config config = {.name = "bench",
                                         .session = 1,
                                         .result_bytes_max = 64u << 20,
                                         .samples_max = 512,
                                         .silence_ms = 5000};
    struct client *c = client_create(&config);
    struct err err;
    struct link *link = link_open(&link_config, clock_now_ms(), &err);
    bool is_over = false, is_full = false;
    enum link_change change;
    if (link == NULL) _exit(1);
    while (!is_over && link_check(link, clock_now_ms(), &change, &err) == 0) {
        struct sock *sock = link_sock(link);
        struct client_action a;
        struct frames in;
        struct peer from;
        if (change == LINK_UP) client_connected(c, clock_now_ms());
        if (sock == NULL) continue;
        (void)sock_wait(sock, -1, is_full ? 1 : 20);
        for (int i = 0; i < 64 && sock_receive(sock, &in, &from, &err) == 1; i++)
            client_receive(c, clock_now_ms(), &in);
        is_full = false;
        while (!is_over && !is_full && client_next(c, clock_now_ms(), &a))
            act(c, sock, &a, &is_over, &is_full);
    }
    _exit(0);
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void check(int status, const struct err *err)
{
    if (status == 0) return;
    fprintf(stderr, "bench_ingest: %s\n", err->text);
    exit(1);
}

static void place(struct gate *g, uint64_t i)
{
    const struct order order = {.number = i + 1,
                                .kind = LEASE_GENERATE,
                                .prompt_first = i * ORDER_GROUPS,
                                .n_prompts = ORDER_GROUPS,
                                .n_samples = GROUP,
                                .weights_version = 1,
                                .temperature = 1.0f,
                                .top_p = 1.0f,
                                .max_new_tokens = TOKENS - PROMPT_TOKENS};
    struct err err;
    check(gate_order(g, &order, &err), &err);
}

static void finish(struct gate *g, uint64_t i)
{
    struct order_fate fates[ORDER_GROUPS];
    struct order_samples samples;
    struct err err;
    check(gate_await(g, i + 1, 60000, &samples, &err), &err);
    CHECK(samples.n == ORDER_GROUPS * GROUP);
    order_samples_fini(&samples);
    for (uint32_t k = 0; k < ORDER_GROUPS; k++)
        fates[k] = (struct order_fate){i * ORDER_GROUPS + k, 0};
    check(gate_commit(g, i + 1, i + 1, fates, ORDER_GROUPS, &err), &err);
}

int main(int argc, char **argv)
{
    const uint64_t n_orders =
        ((argc > 1 ? strtoull(argv[1], NULL, 10) : 2048) + ORDER_GROUPS - 1) / ORDER_GROUPS;
    char folder[4096];
    unsigned char weights[WEIGHTS_BYTES] = {0};
    struct err err;
    snprintf(folder, sizeof folder, "%s/argosy-ingest-XXXXXX", argc > 2 ? argv[2] : "/var/tmp");
    if (mkdtemp(folder) == NULL || n_orders == 0) return 2;
    for (uint32_t i = 0; i < TOKENS; i++) {
        tokens[i] = i;
        mask[i] = i >= PROMPT_TOKENS;
        logprobs[i] = -0.5f;
    }
    const pid_t actor = fork();
    if (actor == 0) play_actor(folder);
    const struct gate_config config = {.run_folder = folder,
                                       .run = 1,
                                       .bind = "127.0.0.1",
                                       .use_curve = true,
                                       .spec = "{}",
                                       .vocab_size = 4096,
                                       .context_length = 512,
                                       .lease_timeout_ms = 30000,
                                       .progress_ms = 1000,
                                       .prompts_per_lease = 1};
    struct gate *g = gate_start(&config, &err);
    check(g == NULL ? -1 : 0, &err);
    check(gate_publish(g, 1, weights, sizeof weights, &err), &err);
    place(g, 0);
    finish(g, 0); // connected and warm
    const double started_s = clock_now_s(), started_cpu_s = cpu_seconds();
    for (uint64_t i = 1; i < 4 && i <= n_orders; i++)
        place(g, i);
    for (uint64_t i = 1; i <= n_orders; i++) {
        if (i + 3 <= n_orders) place(g, i + 3);
        finish(g, i);
    }
    const double wall_s = clock_now_s() - started_s, cpu_s = cpu_seconds() - started_cpu_s;
    struct gate_status status;
    check(gate_status(g, &status, &err), &err);
    gate_stop(g, true, "measured");
    waitpid(actor, NULL, 0);
    const double n_groups = (double)(n_orders * ORDER_GROUPS);
    printf("ingest: %.0f groups of %d x %u tokens in %.2f s: %.0f groups/s; learner's CPU %.2f s: "
           "%.0f groups per CPU second; journal %.0f MB/s\n",
           n_groups, GROUP, TOKENS, wall_s, n_groups / wall_s, cpu_s, n_groups / cpu_s,
           1e-6 * (double)status.n_journal_bytes / wall_s);
    return file_remove_tree(folder, &err) == 0 ? 0 : 1;
}
