/*
 * bench_wire.c - what a message costs: to encode and decode it, and over loopback.
 *
 * CSV: what, messages, their bytes, nanoseconds a message (fastest of the rounds
 * for code, the whole for sockets), messages a second, MB a second.
 * `encode` and `decode` hold wire_encode() and wire_decode() alone, checksums
 * included.  `curve` and `plain` hold a second process that encodes and sends, and
 * this one that receives, decodes and answers every eighth message with an ACK;
 * at most 32 are on the way without one.  The clock runs from the first message
 * received to the last, so neither the connecting nor the first encode is in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "proto/sock.h"

enum { TOKENS = 256, PROMPT = 64, ROUNDS = 20, A_ROUND = 2000, WINDOW = 32, ACK_EVERY = 8 };
enum { WAIT_MS = 10000 };

static uint32_t tokens[TOKENS];
static float loss_mask[TOKENS], logprobs[TOKENS];
static unsigned char chunk_bytes[CHUNK_BYTES];

static struct message make_result(void)
{
    for (uint32_t i = 0; i < TOKENS; i++) {
        tokens[i] = i * 593;
        loss_mask[i] = i < PROMPT ? 0.0f : 1.0f;
        logprobs[i] = -0.01f * (float)i;
    }
    return (struct message){.type = MESSAGE_RESULT,
                            .result = {.lease = 1,
                                       .kind = LEASE_GENERATE,
                                       .n_prompt_tokens = PROMPT,
                                       .n_tokens = TOKENS,
                                       .tokens = tokens,
                                       .loss_mask = loss_mask,
                                       .logprobs = logprobs,
                                       .n_spans = 1,
                                       .spans = {{0, 17}},
                                       .reward = 1.0,
                                       .n_rewards = 2,
                                       .rewards = {{{"accuracy", 8}, 1.0}, {{"format", 6}, 0.0}},
                                       .source = {"sums", 4}}};
}

static struct message make_chunk(void)
{
    return (struct message){.type = MESSAGE_CHUNK,
                            .chunk = {.bytes = chunk_bytes, .size_bytes = CHUNK_BYTES}};
}

static size_t message_bytes(const struct frames *frames)
{
    size_t total = 0;
    for (uint32_t i = 0; i < frames->n; i++)
        total += frames->frame[i].size_bytes;
    return total;
}

static void print_row(const char *what, const char *name, int n, size_t size_bytes, double ns)
{
    printf("%s %s,%d,%zu,%.0f,%.0f,%.1f\n", what, name, n, size_bytes, ns, 1e9 / ns,
           (double)size_bytes / ns * 1e3);
}

static void measure_code(const char *name, const struct message *m, int n)
{
    static struct message got;
    struct wire_buffer out, aligned;
    struct err err;
    double encode_s = 1e9, decode_s = 1e9;
    wire_buffer_init(&out);
    wire_buffer_init(&aligned);
    for (int round = 0; round < ROUNDS; round++) {
        double start_s = clock_now_s();
        for (int i = 0; i < n; i++)
            wire_encode(&out, m);
        double middle_s = clock_now_s();
        for (int i = 0; i < n; i++)
            CHECK(wire_decode(&got, &out.frames, &aligned, &err) == 0);
        double end_s = clock_now_s();
        if (middle_s - start_s < encode_s) encode_s = middle_s - start_s;
        if (end_s - middle_s < decode_s) decode_s = end_s - middle_s;
    }
    print_row("encode", name, n, message_bytes(&out.frames), encode_s / n * 1e9);
    print_row("decode", name, n, message_bytes(&out.frames), decode_s / n * 1e9);
    wire_buffer_fini(&out);
    wire_buffer_fini(&aligned);
}

static void send_all(const char *endpoint, const struct sock_keys *keys, const struct message *m,
                     int n)
{
    struct err err;
    struct frames in;
    struct peer from;
    struct wire_buffer out;
    wire_buffer_init(&out);
    struct sock *s = sock_dial(endpoint, keys, &err);
    CHECK(s != NULL);
    while (!sock_is_connected(s))
        sock_wait(s, -1, 10);
    for (int sent = 0, acked = 0; acked < n;) {
        if (sent < n && sent - acked < WINDOW) {
            wire_encode(&out, m);
            int rc = sock_send(s, (struct peer){0}, &out.frames, &err);
            CHECK(rc >= 0);
            sent += rc == 0;
        } else {
            sock_wait(s, -1, WAIT_MS);
        }
        while (sock_receive(s, &in, &from, &err) == 1)
            acked += ACK_EVERY;
    }
    sock_close(s);
    wire_buffer_fini(&out);
}

static void answer(struct sock *s, struct peer to, struct wire_buffer *out)
{
    struct message ack = {.type = MESSAGE_ACK, .ack = {.n = ACK_EVERY}};
    struct err err;
    for (uint32_t i = 0; i < ACK_EVERY; i++)
        ack.ack.entries[i] = (struct ack_entry){.lease = 1, .sample = i, .verdict = VERDICT_OK};
    wire_encode(out, &ack);
    CHECK(sock_send(s, to, &out->frames, &err) == 0);
}

// The child is made before either side has a socket, and learns the port by a pipe.
static void measure_socket(const char *name, const struct sock_keys *keys, const struct message *m,
                           int n)
{
    static struct message got;
    int ends[2];
    CHECK(pipe(ends) == 0);
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    uint16_t port = 0;
    if (child == 0) {
        char endpoint[64];
        CHECK(read(ends[0], &port, sizeof port) == (ssize_t)sizeof port);
        snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port);
        send_all(endpoint, keys, m, n);
        _exit(0);
    }
    struct err err;
    struct frames in;
    struct peer from;
    struct wire_buffer out, aligned;
    wire_buffer_init(&out);
    wire_buffer_init(&aligned);
    struct sock *s = sock_listen("127.0.0.1", 0, keys, &err);
    CHECK(s != NULL);
    port = sock_port(s);
    CHECK(write(ends[1], &port, sizeof port) == (ssize_t)sizeof port);

    double start_s = 0;
    size_t size_bytes = 0;
    for (int received = 0; received < n;) {
        if (sock_receive(s, &in, &from, &err) != 1) {
            CHECK(sock_wait(s, -1, WAIT_MS) != 0);
            continue;
        }
        CHECK(wire_decode(&got, &in, &aligned, &err) == 0);
        size_bytes = message_bytes(&in);
        if (received++ == 0) start_s = clock_now_s();
        if (received % ACK_EVERY == 0) answer(s, from, &out);
    }
    double ns = (clock_now_s() - start_s) / (n - 1) * 1e9;
    int status = -1;
    for (pid_t ended = 0; ended == 0; ended = waitpid(child, &status, WNOHANG))
        sock_wait(s, -1, 1);
    CHECK(status == 0);
    print_row(keys != NULL ? "curve" : "plain", name, n, size_bytes, ns);
    sock_close(s);
    close(ends[0]);
    close(ends[1]);
    wire_buffer_fini(&out);
    wire_buffer_fini(&aligned);
}

int main(void)
{
    struct sock_keys keys;
    struct err err;
    CHECK(sock_keys_make(&keys, &err) == 0);
    const struct message result = make_result(), chunk = make_chunk();
    printf("what,messages,bytes,ns,per_s,mb_per_s\n");
    measure_code("result", &result, A_ROUND);
    measure_code("chunk", &chunk, A_ROUND / 100);
    measure_socket("result", &keys, &result, 40000);
    measure_socket("result", NULL, &result, 40000);
    measure_socket("chunk", &keys, &chunk, 400);
    measure_socket("chunk", NULL, &chunk, 400);
    return 0;
}
