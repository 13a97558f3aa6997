/*
 * The gate over real sockets with CURVE.  The actor is a thread of its own
 * that speaks the protocol by hand, so that it can also speak it wrongly.
 */
#define _XOPEN_SOURCE 700 // P_tmpdir

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/json.h"
#include "common/base/pool.h"
#include "learner/gate.h"
#include "learner/ledger.h"
#include "proto/object.h"
#include "tests/support/made_result.h"

#define RUN 41u
#define WEIGHTS_BYTES (CHUNK_BYTES + 5000u)
#define WAIT_MS 10000u
#define PATH_BYTES 256

static char folder[64];
static struct gate *gate;
static struct gate_config config;
static unsigned char weights[WEIGHTS_BYTES];
static struct err err;

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s/argosy-gate-XXXXXX", P_tmpdir);
    if (mkdtemp(folder) == NULL) return -1;
    for (size_t i = 0; i < WEIGHTS_BYTES; i++)
        weights[i] = (unsigned char)(i * 13 + i / 253);
    config = (struct gate_config){.run_folder = folder,
                                  .run = RUN,
                                  .bind = "127.0.0.1",
                                  .use_curve = true,
                                  .deterministic = true,
                                  .spec = "{}",
                                  .vocab_size = MADE_VOCAB,
                                  .context_length = 64,
                                  .lease_timeout_ms = 20000,
                                  .progress_ms = 5000,
                                  .prompts_per_lease = 4,
                                  .next_order = 1};
    gate = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gate_stop(gate, true, "teardown");
    return file_remove_tree(folder, &err);
}

static void start(void)
{
    gate = gate_start(&config, &err);
    if (gate == NULL) fail_msg("%s", err.text);
}

// --- an actor -----------------------------------------------------------------------------

enum manner {
    MANNER_HONEST,
    MANNER_TWICE, // sends everything twice
    MANNER_FAULT, // its scorer fails
    MANNER_LIAR,  // sends a token that is not in the vocabulary
    MANNER_NOISE, // sends no message at all, but bytes
};

struct actor {
    enum manner manner;
    struct thread *thread;
    struct sock *sock;
    struct hash fingerprint;
    bool has_weights, is_over;
    uint64_t version;
    struct fetch *fetch;
    // For the test, after the thread has ended.
    uint32_t n_leases, n_acks, n_by_verdict[VERDICT_REFUSED + 1];
    bool was_refused, was_dismissed, had_right_weights;
    char failure[512];
};

static void say(struct actor *a, struct message *m)
{
    struct wire_buffer encoded;
    struct err why;
    wire_buffer_init(&encoded);
    m->run = RUN;
    wire_encode(&encoded, m);
    for (int i = 0; i < 1000 && sock_send(a->sock, (struct peer){0}, &encoded.frames, &why) == 1;
         i++)
        (void)poll(NULL, 0, 1); // full
    wire_buffer_fini(&encoded);
}

static void say_credit(struct actor *a)
{
    struct message m = {.type = MESSAGE_CREDIT,
                        .credit = {.bytes = 1u << 20,
                                   .samples = 1000,
                                   .has_weights = a->has_weights,
                                   .weights_version = a->version}};
    say(a, &m);
}

static void greet(struct actor *a)
{
    struct message m = {.type = MESSAGE_HELLO,
                        .hello = {.protocol = PROTO_VERSION,
                                  .session = 7 + (uint64_t)a->manner,
                                  .name = {"hand", 4},
                                  .fingerprint = a->fingerprint}};
    if (a->manner == MANNER_NOISE) {
        const struct frames noise = {.n = 2, .frame = {{"not an envelope", 15}, {"x", 1}}};
        struct err why;
        (void)sock_send(a->sock, (struct peer){0}, &noise, &why);
        return;
    }
    say(a, &m);
}

static void answer(struct actor *a, const struct lease *lease)
{
    a->n_leases++;
    for (uint32_t k = lease->n_prompts; k-- > 0;) { // the last first: order is the gate's work
        for (uint32_t i = lease->n_samples; i-- > 0;) {
            struct made_result made;
            made_result_init(&made, lease, lease->prompt_first + k, i, 0);
            struct message m = {.type = MESSAGE_RESULT, .result = made.result};
            if (a->manner == MANNER_LIAR) made.tokens[0] = MADE_VOCAB;
            if (a->manner == MANNER_FAULT) {
                m.result.outcome = OUTCOME_SCORER_ERROR;
                m.result.outcome_text = (struct text){"no python", 9};
            }
            say(a, &m);
            if (a->manner == MANNER_TWICE) say(a, &m);
        }
    }
}

static void on_announce(struct actor *a, const struct announce *announced)
{
    fetch_destroy(a->fetch);
    a->fetch = fetch_create(&announced->object, announced->size_bytes);
    a->version = announced->version;
}

static void take_weights(struct actor *a)
{
    uint64_t n;
    unsigned char *bytes = fetch_take_bytes(a->fetch, &n);
    a->had_right_weights = n == WEIGHTS_BYTES && memcmp(bytes, weights, WEIGHTS_BYTES) == 0;
    free(bytes);
    fetch_destroy(a->fetch);
    a->fetch = NULL;
    a->has_weights = true;
    say_credit(a);
}

static void on_message(struct actor *a, const struct message *m)
{
    struct message ready = {.type = MESSAGE_READY};
    struct err why;
    switch (m->type) {
    case MESSAGE_WELCOME:
        say(a, &ready);
        say_credit(a);
        break;
    case MESSAGE_LEASE:
        answer(a, &m->lease);
        break;
    case MESSAGE_ANNOUNCE:
        on_announce(a, &m->announce);
        break;
    case MESSAGE_MANIFEST:
        if (a->fetch != NULL) (void)fetch_take_manifest(a->fetch, &m->manifest, &why);
        break;
    case MESSAGE_CHUNK:
        if (a->fetch != NULL) (void)fetch_take_chunk(a->fetch, &m->chunk, &why);
        break;
    case MESSAGE_ACK:
        a->n_acks += m->ack.n;
        for (uint32_t i = 0; i < m->ack.n; i++)
            a->n_by_verdict[m->ack.entries[i].verdict]++;
        break;
    case MESSAGE_REFUSE:
        a->was_refused = a->is_over = true;
        break;
    case MESSAGE_BYE:
        a->was_dismissed = a->is_over = true;
        ready = (struct message){.type = MESSAGE_BYE, .bye = {.is_final = true}};
        say(a, &ready);
        break;
    case MESSAGE_HELLO:
    case MESSAGE_READY:
    case MESSAGE_CREDIT:
    case MESSAGE_PROGRESS:
    case MESSAGE_RESULT:
    case MESSAGE_RETURN:
    case MESSAGE_CANCEL:
    case MESSAGE_GET:
        break;
    }
}

static void play(void *context)
{
    struct actor *a = context;
    const uint64_t deadline_ms = clock_now_ms() + 2 * WAIT_MS;
    bool was_up = false;
    while (!a->is_over && clock_now_ms() < deadline_ms) {
        struct frames in;
        struct peer from;
        struct message m;
        struct err why;
        const bool is_up = sock_is_connected(a->sock);
        if (is_up && !was_up) greet(a);
        if (was_up && !is_up) break; // the learner is gone
        was_up = is_up;
        if (strstr(sock_last_failure(a->sock), "refused: ") != NULL) break;
        (void)sock_wait(a->sock, -1, 20);
        while (!a->is_over && sock_receive(a->sock, &in, &from, &why) == 1)
            if (wire_decode(&m, &in, NULL, &why) == 0) on_message(a, &m);
        struct get get;
        while (a->fetch != NULL && fetch_next(a->fetch, clock_now_ms(), 4, &get)) {
            struct message ask = {.type = MESSAGE_GET, .get = get};
            say(a, &ask);
        }
        if (a->fetch != NULL && fetch_is_complete(a->fetch)) take_weights(a);
    }
    snprintf(a->failure, sizeof a->failure, "%s", sock_last_failure(a->sock));
    fetch_destroy(a->fetch);
    a->fetch = NULL;
    sock_close(a->sock);
}

static struct sock *dial(const struct sock_keys *keys)
{
    char path[PATH_BYTES];
    const char *endpoint;
    snprintf(path, sizeof path, "%s/endpoint", folder);
    struct json_document *document = json_read_file(path, 4096, &err);
    if (document == NULL) fail_msg("%s", err.text);
    assert_int_equal(json_get_string(json_root(document), "endpoint", &endpoint, &err), 0);
    struct sock *sock = sock_dial(endpoint, keys, &err);
    if (sock == NULL) fail_msg("%s", err.text);
    json_destroy(document);
    return sock;
}

static void enter_with(struct actor *a, const struct sock_keys *keys)
{
    a->sock = dial(keys);
    a->thread = thread_start(play, a, "actor");
}

static void enter(struct actor *a, enum manner manner)
{
    struct sock_keys keys;
    char path[PATH_BYTES];
    memset(a, 0, sizeof *a);
    a->manner = manner;
    snprintf(path, sizeof path, "%s/actor.key", folder);
    if (sock_keys_read(&keys, path, &err) != 0) fail_msg("%s", err.text);
    enter_with(a, &keys);
}

static void stop(struct actor *a)
{
    gate_stop(gate, true, "done");
    gate = NULL;
    if (a != NULL) thread_join(a->thread);
}

// --- the trainer ----------------------------------------------------------------------------

static struct order feed(uint64_t number, uint32_t n_prompts)
{
    return (struct order){.number = number,
                          .kind = LEASE_FEED,
                          .prompt_first = 100 * number,
                          .n_prompts = n_prompts,
                          .n_samples = 1};
}

static struct order generate(uint64_t number, uint32_t n_prompts)
{
    return (struct order){.number = number,
                          .kind = LEASE_GENERATE,
                          .prompt_first = 100 * number,
                          .n_prompts = n_prompts,
                          .n_samples = 3,
                          .weights_version = 1,
                          .top_p = 1.0f,
                          .max_new_tokens = 32};
}

static void place(struct order o)
{
    if (gate_order(gate, &o, &err) != 0) fail_msg("%s", err.text);
}

// The order's samples: all of them, sorted, each as it was made.
static void await(struct order o)
{
    struct order_samples s;
    if (gate_await(gate, o.number, WAIT_MS, &s, &err) != 0) fail_msg("%s", err.text);
    assert_true(s.n == (size_t)o.n_prompts * o.n_samples && s.number == o.number);
    for (size_t i = 0; i < s.n; i++) {
        const struct result *r = &s.results[i];
        const struct lease like = {.kind = o.kind, .weights_version = o.weights_version};
        struct made_result made;
        made_result_init(&made, &like, o.prompt_first + i / o.n_samples,
                         (uint32_t)(i % o.n_samples), 0);
        assert_true(r->prompt_index == made.result.prompt_index && r->sample == made.result.sample);
        assert_int_equal(r->n_tokens, made.result.n_tokens);
        assert_memory_equal(r->tokens, made.tokens, 4 * r->n_tokens);
        assert_memory_equal(r->loss_mask, made.loss_mask, 4 * r->n_tokens);
    }
    order_samples_fini(&s);
}

static int commit(struct order o, uint64_t step)
{
    struct order_fate fates[64] = {{0, 0}};
    for (uint32_t i = 0; i < o.n_prompts; i++)
        fates[i] = (struct order_fate){o.prompt_first + i, i % 2 ? LEASE_END_ZERO_VARIANCE : 0};
    return gate_commit(gate, o.number, step, fates, o.n_prompts, &err);
}

static struct ledger_sum books(void)
{
    struct ledger *ledger = ledger_create();
    struct ledger_sum sum;
    if (ledger_read(ledger, folder, &err) != 0) fail_msg("%s", err.text);
    ledger_sum(ledger, &sum);
    if (!sum.is_balanced) fail_msg("%s", ledger_violation(ledger, 0));
    ledger_destroy(ledger);
    return sum;
}

// --- tests ------------------------------------------------------------------------------------

static void test_orders_go_out_and_come_back_whole_and_sorted(void **state)
{
    (void)state;
    struct actor a;
    start();
    assert_int_equal(gate_publish(gate, 1, weights, WEIGHTS_BYTES, &err), 0);
    enter(&a, MANNER_HONEST);
    const struct order orders[] = {generate(1, 5), feed(2, 9), generate(3, 4)};
    for (size_t i = 0; i < 3; i++)
        place(orders[i]);
    for (size_t i = 0; i < 3; i++) {
        await(orders[i]);
        await(orders[i]); // asked again, the same
        assert_int_equal(commit(orders[i], i + 1), 0);
        assert_int_equal(commit(orders[i], i + 1), -1); // once only
    }
    struct gate_status status;
    assert_int_equal(gate_status(gate, &status, &err), 0);
    assert_true(status.n_actors == 1 && status.n_results == 15 + 9 + 12);
    assert_true(status.n_issued == 5 + 3 + 4 && status.n_journal_bytes > 1000);
    stop(&a);
    assert_true(a.was_dismissed && a.had_right_weights);
    assert_true(a.n_acks == 36 && a.n_by_verdict[VERDICT_OK] == 36);
    const struct ledger_sum sum = books();
    assert_true(sum.issued.leases == 12 && sum.in_flight.leases == 0);
    assert_true(sum.trained.leases == 3 + 3 + 2 && sum.dropped.leases == 2 + 0 + 2);
}

static void test_what_is_sent_twice_counts_once(void **state)
{
    (void)state;
    struct actor a;
    start();
    enter(&a, MANNER_TWICE);
    place(feed(1, 8));
    await(feed(1, 8));
    struct gate_status status = {0};
    const uint64_t deadline_ms = clock_now_ms() + WAIT_MS;
    while (status.n_duplicates < 8 && clock_now_ms() < deadline_ms)
        assert_int_equal(gate_status(gate, &status, &err), 0);
    assert_true(status.n_results == 8 && status.n_duplicates == 8);
    assert_int_equal(commit(feed(1, 8), 1), 0);
    stop(&a);
    assert_true(books().n_results == 8);
}

static void test_waiting_has_a_bound_and_can_be_taken_up_again(void **state)
{
    (void)state;
    struct actor a;
    struct order_samples s;
    start();
    place(feed(1, 2));
    assert_int_equal(gate_await(gate, 1, 30, &s, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_int_equal(gate_await(gate, 9, 30, &s, &err), -1); // never placed
    assert_int_equal(err.code, ERR_USAGE);
    enter(&a, MANNER_HONEST);
    await(feed(1, 2));
    stop(&a);
    // Complete and not committed: cancelled with the run.
    assert_true(books().returned_by[LEASE_END_CANCELLED].samples == 2);
}

static void test_bytes_that_are_no_message_hurt_nobody(void **state)
{
    (void)state;
    struct actor noise, liar, honest;
    start();
    enter(&noise, MANNER_NOISE);
    enter(&liar, MANNER_LIAR);
    thread_join(noise.thread);
    assert_true(noise.was_refused);
    place(feed(1, 8));
    thread_join(liar.thread);
    assert_true(liar.was_refused && liar.n_leases > 0 && liar.n_by_verdict[VERDICT_OK] == 0);
    enter(&honest, MANNER_HONEST);
    await(feed(1, 8));
    assert_int_equal(commit(feed(1, 8), 1), 0);
    struct gate_status status;
    assert_int_equal(gate_status(gate, &status, &err), 0);
    assert_true(status.n_refused == 2);
    stop(&honest);
    assert_true(books().n_results == 8);
}

static void test_a_stranger_without_the_key_gets_nowhere(void **state)
{
    (void)state;
    struct actor a = {.manner = MANNER_HONEST};
    struct sock_keys mine, theirs;
    char path[PATH_BYTES];
    start();
    place(feed(1, 2));
    snprintf(path, sizeof path, "%s/actor.key", folder);
    assert_int_equal(sock_keys_read(&theirs, path, &err), 0);
    assert_int_equal(sock_keys_make(&mine, &err), 0); // knows the server, is not on its list
    memcpy(mine.server_public, theirs.server_public, sizeof mine.server_public);
    enter_with(&a, &mine);
    thread_join(a.thread);
    assert_non_null(strstr(a.failure, "refused: "));
    assert_int_equal(a.n_leases, 0);
    struct gate_status status;
    assert_int_equal(gate_status(gate, &status, &err), 0);
    assert_true(status.n_actors == 0);
}

static void test_other_arithmetic_is_refused_in_a_synchronous_run(void **state)
{
    (void)state;
    struct actor a;
    config.fingerprint.bytes[0] = 1;
    start();
    enter(&a, MANNER_HONEST);
    thread_join(a.thread);
    assert_true(a.was_refused);
    gate_stop(gate, true, "again");
    config.deterministic = false;
    start();
    enter(&a, MANNER_HONEST);
    place(feed(1, 2));
    await(feed(1, 2));
    stop(&a);
    assert_true(a.was_dismissed);
}

static void test_a_scorer_that_fails_fails_the_order_by_name(void **state)
{
    (void)state;
    struct actor a;
    struct order_samples s;
    config.fault_retries = 1;
    start();
    enter(&a, MANNER_FAULT);
    place(feed(1, 1));
    assert_int_equal(gate_await(gate, 1, WAIT_MS, &s, &err), -1);
    assert_non_null(strstr(err.text, "scorer error: no python, after 2 attempts"));
    stop(&a);
    const struct ledger_sum sum = books();
    assert_true(sum.n_faults == 2 && sum.returned_by[LEASE_END_SCORER_FAULT].leases == 2);
}

static void test_a_new_life_serves_the_order_again_from_the_journal(void **state)
{
    (void)state;
    struct actor a;
    start();
    enter(&a, MANNER_HONEST);
    place(feed(1, 6));
    place(feed(2, 6));
    await(feed(1, 6));
    assert_int_equal(commit(feed(1, 6), 1), 0);
    await(feed(2, 6));
    assert_int_equal(commit(feed(2, 6), 2), 0); // behind the checkpoint, let us say
    gate_stop(gate, false, "stopped");
    thread_join(a.thread);
    config.next_order = 2;
    start();
    place(feed(2, 6));
    await(feed(2, 6)); // nobody is there to make it
    assert_int_equal(commit(feed(2, 6), 2), 0);
    stop(NULL);
    const struct ledger_sum sum = books();
    assert_true(sum.n_epochs == 2 && sum.n_superseded == 2);
    assert_true(sum.issued.leases == 4 && sum.in_flight.leases == 0 && sum.returned.leases == 0);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_a_full_disk_ends_the_gate_and_no_lost_result_is_acknowledged(void **state)
{
    (void)state;
    struct actor a;
    struct order_samples s;
    start();
    place(feed(1, 64));
    signal(SIGXFSZ, SIG_IGN); // so that the write fails instead
    limit_files(2500);        // the leases fit, their results do not
    enter(&a, MANNER_HONEST);
    const int status = gate_await(gate, 1, WAIT_MS, &s, &err);
    const enum err_code code = err.code;
    limit_files(RLIM_INFINITY);
    assert_int_equal(status, -1);
    assert_int_equal(code, ERR_IO);
    assert_non_null(strstr(err.text, "append to the journal"));
    assert_non_null(strstr(err.text, folder));
    assert_int_equal(gate_order(gate, &(struct order){.number = 2}, &err), -1);
    assert_non_null(strstr(err.text, "append to the journal")); // to the end of its days
    stop(&a);
    const struct ledger_sum sum = books(); // the torn tail does not count
    assert_true(a.n_leases > 0 && sum.n_results < 64 && a.n_acks <= sum.n_results);
}

static void test_a_gate_that_cannot_start_says_why(void **state)
{
    (void)state;
    char words[32];
    start();
    struct sock *taken = sock_listen("127.0.0.1", 0, NULL, &err);
    assert_non_null(taken);
    gate_stop(gate, true, "next");
    gate = NULL;
    config.port = sock_port(taken);
    assert_null(gate_start(&config, &err));
    snprintf(words, sizeof words, "%u", config.port);
    assert_non_null(strstr(err.text, words));
    sock_close(taken);

    config.port = 0;
    config.bind = "0.0.0.0";
    config.use_curve = false;
    assert_null(gate_start(&config, &err)); // a stranger's door
    config.bind = "127.0.0.1";
    config.run = RUN + 1; // the folder is another run's
    assert_null(gate_start(&config, &err));
    assert_int_equal(err.code, ERR_MISMATCH);
    config.run = RUN;
    const struct gate_file absent = {"tokenizer.json", "/nonexistent/tokenizer.json"};
    config.files = &absent;
    config.n_files = 1;
    assert_null(gate_start(&config, &err));
    assert_non_null(strstr(err.text, "/nonexistent/tokenizer.json"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_orders_go_out_and_come_back_whole_and_sorted),
        TEST(test_what_is_sent_twice_counts_once),
        TEST(test_waiting_has_a_bound_and_can_be_taken_up_again),
        TEST(test_bytes_that_are_no_message_hurt_nobody),
        TEST(test_a_stranger_without_the_key_gets_nowhere),
        TEST(test_other_arithmetic_is_refused_in_a_synchronous_run),
        TEST(test_a_scorer_that_fails_fails_the_order_by_name),
        TEST(test_a_new_life_serves_the_order_again_from_the_journal),
        TEST(test_a_full_disk_ends_the_gate_and_no_lost_result_is_acknowledged),
        TEST(test_a_gate_that_cannot_start_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
