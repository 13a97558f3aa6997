/*
 * hostile_peer - somebody with the run's key and bad manners.
 *
 *   hostile_peer ENDPOINT KEY protocol     greets in another version
 *   hostile_peer ENDPOINT KEY fingerprint  greets with other arithmetic
 *   hostile_peer ENDPOINT KEY hashes       greets well, then says it loaded other files
 *   hostile_peer ENDPOINT KEY frames       sends frames that are no message
 *   hostile_peer ENDPOINT KEY messages     greets well, then sends random messages
 *   hostile_peer ENDPOINT KEY forge        greets well, then sends results of others' leases
 *
 * Prints what the learner said to it: "REFUSE reason text", or for forge the
 * number of each verdict.  Status 0 when the learner answered as it should,
 * 1 when it accepted anything, 3 when it did not answer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/model/forward.h"
#include "proto/sock.h"
#include "tests/support/random_message.h"

#define ANSWER_MS 10000u
#define CONNECTIONS 20
#define MESSAGES_A_CONNECTION 60
#define FORGED_LEASES 64
#define FORGED_SAMPLES 8

struct guest {
    const char *endpoint;
    struct sock_keys keys;
    struct sock *sock;
    struct wire_buffer out;
    uint64_t run, sequence, session;
    uint32_t epoch;
};

static int dial(struct guest *g, struct err *err)
{
    if (g->sock != NULL) sock_close(g->sock);
    g->sock = sock_dial(g->endpoint, &g->keys, err);
    if (g->sock == NULL) return -1;
    const uint64_t deadline_ms = clock_now_ms() + ANSWER_MS;
    while (!sock_is_connected(g->sock)) {
        if (clock_now_ms() > deadline_ms)
            return err_set(err, ERR_TIMEOUT, "not connected: %s", sock_last_failure(g->sock));
        (void)sock_wait(g->sock, -1, 50);
    }
    return 0;
}

static void say(struct guest *g, struct message *m)
{
    struct err ignored;
    m->run = g->run;
    m->epoch = g->epoch;
    m->sequence = g->sequence++;
    wire_encode(&g->out, m);
    (void)sock_send(g->sock, (struct peer){0}, &g->out.frames, &ignored);
}

// The next message of one of the wanted types; others are passed over.
static int hear(struct guest *g, enum message_type first, enum message_type second,
                struct message *out, struct err *err)
{
    const uint64_t deadline_ms = clock_now_ms() + ANSWER_MS;
    while (clock_now_ms() < deadline_ms) {
        struct frames in;
        struct peer from;
        struct err bad;
        (void)sock_wait(g->sock, -1, 50);
        while (sock_receive(g->sock, &in, &from, &bad) > 0)
            if (wire_decode(out, &in, NULL, &bad) == 0 &&
                (out->type == first || out->type == second))
                return 0;
    }
    return err_set(err, ERR_TIMEOUT, "no %s within %u ms", message_type_name(first), ANSWER_MS);
}

static int greet(struct guest *g, uint32_t protocol, struct hash fingerprint,
                 struct message *answer, struct err *err)
{
    static const char name[] = "hostile";
    struct message m = {.type = MESSAGE_HELLO,
                        .hello = {.protocol = protocol,
                                  .session = ++g->session,
                                  .name = {name, sizeof name - 1},
                                  .fingerprint = fingerprint}};
    if (dial(g, err) != 0) return -1;
    g->run = 0;
    g->epoch = 0;
    say(g, &m);
    if (hear(g, MESSAGE_REFUSE, MESSAGE_WELCOME, answer, err) != 0) return -1;
    g->run = answer->run;
    g->epoch = answer->epoch;
    return 0;
}

static int greet_well(struct guest *g, struct err *err)
{
    struct message answer;
    if (greet(g, PROTO_VERSION, forward_fingerprint(), &answer, err) != 0) return -1;
    return answer.type == MESSAGE_WELCOME ? 0 : err_set(err, ERR_MISMATCH, "refused a good HELLO");
}

// 0 when it is a refusal, which is printed.
static int want_refusal(const struct message *answer)
{
    if (answer->type != MESSAGE_REFUSE) {
        printf("%s\n", message_type_name(answer->type));
        return 1;
    }
    printf("REFUSE %u %.*s\n", answer->refuse.reason, (int)answer->refuse.text.size_bytes,
           answer->refuse.text.bytes);
    return 0;
}

static int as_protocol(struct guest *g, struct err *err)
{
    struct message answer;
    if (greet(g, PROTO_VERSION + 998, forward_fingerprint(), &answer, err) != 0) return -1;
    return want_refusal(&answer);
}

static int as_fingerprint(struct guest *g, struct err *err)
{
    struct message answer;
    struct hash other = forward_fingerprint();
    other.bytes[0] ^= 1;
    if (greet(g, PROTO_VERSION, other, &answer, err) != 0) return -1;
    return want_refusal(&answer);
}

static int as_hashes(struct guest *g, struct err *err)
{
    struct message m = {.type = MESSAGE_READY}, answer;
    if (greet_well(g, err) != 0) return -1;
    memset(&m.ready, 0x5a, sizeof m.ready);
    say(g, &m);
    if (hear(g, MESSAGE_REFUSE, MESSAGE_ANNOUNCE, &answer, err) != 0) return -1;
    return want_refusal(&answer);
}

static int as_frames(struct guest *g, struct err *err)
{
    static unsigned char bytes[FRAMES_MAX][512];
    struct rng_stream rng;
    rng_stream_init(&rng, (struct rng_key){1, RNG_TEST}, 0, 0);
    for (int c = 0; c < CONNECTIONS; c++) {
        if (dial(g, err) != 0) return -1;
        for (int i = 0; i < MESSAGES_A_CONNECTION; i++) {
            struct frames out = {.n = 1 + rng_below(&rng, FRAMES_MAX)};
            struct err ignored;
            for (uint32_t f = 0; f < out.n; f++) {
                out.frame[f] = (struct frame){bytes[f], rng_below(&rng, sizeof bytes[f])};
                for (size_t b = 0; b < out.frame[f].size_bytes; b++)
                    bytes[f][b] = (unsigned char)rng_next(&rng);
            }
            (void)sock_send(g->sock, (struct peer){0}, &out, &ignored);
        }
        struct message answer;
        if (hear(g, MESSAGE_REFUSE, MESSAGE_REFUSE, &answer, err) != 0) return -1;
        if (c == 0) (void)want_refusal(&answer);
    }
    return 0;
}

static int as_messages(struct guest *g, struct err *err)
{
    static struct random_message random;
    uint32_t number = 0;
    for (int c = 0; c < CONNECTIONS; c++) {
        if (greet_well(g, err) != 0) return -1;
        for (int i = 0; i < MESSAGES_A_CONNECTION; i++, number++) {
            // Every type that an actor may send, then those that it may not.
            enum message_type type = (enum message_type)(1 + (number * 7 + number / 16) % 16);
            if (type == MESSAGE_HELLO || type == MESSAGE_BYE) continue;
            random_message_make(&random, type, 1, number);
            say(g, &random.message);
        }
    }
    puts("sent");
    return 0;
}

static void forge(struct guest *g, uint64_t lease, uint32_t kind, uint32_t sample)
{
    static const uint32_t tokens[4] = {2, 3, 4, 1};
    static const float mask[4] = {0, 0, 1, 1}, logprobs[2] = {-1, -1};
    struct message m = {.type = MESSAGE_RESULT,
                        .result = {.lease = lease,
                                   .kind = kind,
                                   .prompt_index = lease % 8,
                                   .sample = sample,
                                   .n_prompt_tokens = kind == LEASE_FEED ? 0 : 2,
                                   .n_tokens = 4,
                                   .tokens = tokens,
                                   .loss_mask = mask,
                                   .logprobs = kind == LEASE_FEED ? NULL : logprobs,
                                   .n_spans = kind == LEASE_FEED ? 0 : 1,
                                   .reward = 1}};
    say(g, &m);
}

static int as_forger(struct guest *g, struct err *err)
{
    uint64_t by_verdict[VERDICT_REFUSED + 1] = {0};
    uint32_t n_refused = 0;
    for (uint64_t lease = 1; lease <= FORGED_LEASES; lease++) {
        struct message answer;
        if (greet_well(g, err) != 0) return -1;
        for (uint32_t s = 0; s < FORGED_SAMPLES; s++)
            forge(g, lease, s % 2 == 0 ? LEASE_GENERATE : LEASE_FEED, s);
        if (hear(g, MESSAGE_ACK, MESSAGE_REFUSE, &answer, err) != 0) return -1;
        if (answer.type == MESSAGE_REFUSE) {
            n_refused++;
            continue;
        }
        for (uint32_t i = 0; i < answer.ack.n; i++)
            if (answer.ack.entries[i].verdict <= VERDICT_REFUSED)
                by_verdict[answer.ack.entries[i].verdict]++;
    }
    printf("ok %" PRIu64 " stale %" PRIu64 " conflict %" PRIu64 " refused %" PRIu64
           " connections refused %u\n",
           by_verdict[VERDICT_OK], by_verdict[VERDICT_STALE], by_verdict[VERDICT_CONFLICT],
           by_verdict[VERDICT_REFUSED], n_refused);
    return by_verdict[VERDICT_OK] > 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(struct guest *g, struct err *err);
    } manners[] = {
        {"protocol", as_protocol}, {"fingerprint", as_fingerprint}, {"hashes", as_hashes},
        {"frames", as_frames},     {"messages", as_messages},       {"forge", as_forger},
    };
    struct guest guest = {.session = 1000};
    struct err err = {0};
    int status = 2;
    if (argc != 4) {
        fputs("usage: hostile_peer ENDPOINT KEY MANNER\n", stderr);
        return 2;
    }
    guest.endpoint = argv[1];
    if (sock_keys_read(&guest.keys, argv[2], &err) != 0) {
        fprintf(stderr, "hostile_peer: %s\n", err.text);
        return 2;
    }
    wire_buffer_init(&guest.out);
    for (size_t i = 0; i < sizeof manners / sizeof *manners; i++)
        if (strcmp(argv[3], manners[i].name) == 0) status = manners[i].run(&guest, &err);
    if (guest.sock != NULL) sock_close(guest.sock);
    wire_buffer_fini(&guest.out);
    if (status >= 0) return status;
    fprintf(stderr, "hostile_peer: %s\n", err.text);
    return 3;
}
