#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "learner/stream.h"
#include "proto/object.h"
#include "tests/support/made_result.h"

#define RUN 31u
#define WEIGHTS_BYTES 3000

static const char document[] = "a file for actors";
static const struct stream_file files[] = {{"data.jsonl", document, sizeof document}};
static struct stream_config config;
static struct stream *stream;
static uint64_t now_ms;
static struct wire_buffer encoded;
static struct err err;

// What was sent since the last look, by whom to; texts and arrays are gone.
#define SEEN_MAX 128
static struct message sent[SEEN_MAX];
static uint64_t sent_to[SEEN_MAX];
static size_t n_sent;

static int setup(void **state)
{
    (void)state;
    config = (struct stream_config){
        .run = RUN,
        .epoch = 2,
        .deterministic = true,
        .spec = "{}",
        .files = files,
        .n_files = 1,
        .expected = {.shape = {{1}}, .tokenizer = {{2}}},
        .fingerprint = {{9}},
        .limits = {.vocab_size = MADE_VOCAB, .context_length = 64},
        .book = {.lease_timeout_ms = 5000, .progress_ms = 500, .prompts_per_lease = 4},
        .next_order = 1};
    now_ms = 1000;
    wire_buffer_init(&encoded);
    stream = stream_create(&config, &err);
    stream_resume(stream, 1);
    stream_synced(stream);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stream_destroy(stream);
    wire_buffer_fini(&encoded);
    return 0;
}

static void look(void)
{
    uint64_t peer;
    const struct frames *out;
    n_sent = 0;
    stream_begin_sending(stream);
    while (stream_next_send(stream, &peer, &out)) {
        assert_true(n_sent < SEEN_MAX);
        if (wire_decode(&sent[n_sent], out, NULL, &err) != 0) fail_msg("%s", err.text);
        sent_to[n_sent++] = peer;
        stream_sent(stream, now_ms, 0);
    }
}

static void sync(void)
{
    stream_synced(stream);
    look();
}

static size_t count(uint64_t peer, enum message_type type)
{
    size_t n = 0;
    for (size_t i = 0; i < n_sent; i++)
        n += sent_to[i] == peer && sent[i].type == type;
    return n;
}

static const struct message *the(uint64_t peer, enum message_type type)
{
    for (size_t i = 0; i < n_sent; i++)
        if (sent_to[i] == peer && sent[i].type == type) return &sent[i];
    fail_msg("peer %d was sent no %s", (int)peer, message_type_name(type));
    return NULL;
}

static void hear(uint64_t peer, struct message m)
{
    m.run = m.run == 0 ? RUN : m.run;
    wire_encode(&encoded, &m);
    stream_receive(stream, now_ms, peer, &encoded.frames);
}

static void hello(uint64_t peer, uint64_t session)
{
    hear(peer, (struct message){.type = MESSAGE_HELLO,
                                .hello = {.protocol = PROTO_VERSION,
                                          .session = session,
                                          .name = {"x", 1},
                                          .fingerprint = config.fingerprint}});
}

static void credit(uint64_t peer, uint32_t samples, uint64_t version)
{
    hear(peer, (struct message){.type = MESSAGE_CREDIT,
                                .credit = {.bytes = 1000,
                                           .samples = samples,
                                           .has_weights = version != 0,
                                           .weights_version = version}});
}

static void ready(uint64_t peer)
{
    hear(peer, (struct message){.type = MESSAGE_READY, .ready = config.expected});
}

static void enter(uint64_t peer, uint32_t samples, uint64_t version)
{
    hello(peer, 100 + peer);
    ready(peer);
    credit(peer, samples, version);
    look();
}

static struct order order(uint64_t number, uint32_t kind, uint64_t version)
{
    return (struct order){.number = number,
                          .kind = kind,
                          .prompt_first = 10 * number,
                          .n_prompts = 1,
                          .n_samples = kind == LEASE_FEED ? 1 : 2,
                          .weights_version = version,
                          .top_p = 1.0f,
                          .max_new_tokens = 16};
}

static void place(struct order o)
{
    if (stream_order(stream, now_ms, &o, &err) != 0) fail_msg("%s", err.text);
}

static int publish(uint64_t version)
{
    unsigned char *bytes = malloc(WEIGHTS_BYTES);
    assert_non_null(bytes);
    memset(bytes, (int)version, WEIGHTS_BYTES);
    return stream_publish(stream, now_ms, version, bytes, WEIGHTS_BYTES, &err);
}

static void result(uint64_t peer, const struct lease *lease, uint32_t sample, uint32_t variant)
{
    struct made_result made;
    made_result_init(&made, lease, lease->prompt_first, sample, variant);
    stream_receive(stream, now_ms, peer, made_result_frames(&encoded, &made, RUN));
}

static enum verdict verdict_for(uint64_t peer)
{
    const struct ack *ack = &the(peer, MESSAGE_ACK)->ack;
    return (enum verdict)ack->entries[ack->n - 1].verdict;
}

// --- greeting -------------------------------------------------------------------------

static void test_who_does_not_greet_is_asked_to(void **state)
{
    (void)state;
    credit(1, 10, 0);
    look();
    assert_false(the(1, MESSAGE_BYE)->bye.is_final);
    hello(1, 7);
    look();
    const struct welcome *w = &the(1, MESSAGE_WELCOME)->welcome;
    assert_true(w->n_files == 1 && w->files[0].size_bytes == sizeof document && w->deterministic);
    assert_int_equal(w->progress_ms, 500);
    assert_true(sent[0].run == RUN && sent[0].epoch == 2);
}

static void test_who_means_another_run_is_asked_to_greet(void **state)
{
    (void)state;
    enter(1, 10, 0);
    hear(1, (struct message){.type = MESSAGE_PROGRESS, .run = RUN + 1});
    look();
    assert_int_equal(count(1, MESSAGE_BYE), 1);
}

static void test_who_loaded_other_files_is_refused(void **state)
{
    (void)state;
    hello(1, 7);
    struct ready other = config.expected;
    other.tokenizer.bytes[0] = 3;
    hear(1, (struct message){.type = MESSAGE_READY, .ready = other});
    look();
    assert_int_equal(the(1, MESSAGE_REFUSE)->refuse.reason, REFUSAL_HASHES);
    place(order(1, LEASE_FEED, 0));
    credit(1, 10, 0);
    sync();
    assert_int_equal(n_sent, 0); // nothing of it is heard any more
}

static void test_another_protocol_is_refused(void **state)
{
    (void)state;
    hear(1, (struct message){
                .type = MESSAGE_HELLO,
                .hello = {.protocol = PROTO_VERSION + 1, .fingerprint = config.fingerprint}});
    look();
    assert_int_equal(the(1, MESSAGE_REFUSE)->refuse.reason, REFUSAL_PROTOCOL);
}

static void test_a_message_only_the_learner_sends_is_refused(void **state)
{
    (void)state;
    const enum message_type types[] = {MESSAGE_LEASE, MESSAGE_ACK, MESSAGE_CANCEL, MESSAGE_REFUSE};
    for (uint64_t i = 0; i < 4; i++) {
        struct message m = {.type = types[i]};
        if (types[i] == MESSAGE_LEASE)
            m.lease = (struct lease){.kind = LEASE_FEED, .n_prompts = 1, .n_samples = 1};
        if (types[i] == MESSAGE_REFUSE) m.refuse.reason = REFUSAL_FULL;
        enter(i, 10, 0);
        hear(i, m);
        look();
        assert_int_equal(the(i, MESSAGE_REFUSE)->refuse.reason, REFUSAL_MALFORMED);
    }
    assert_true(stream_status(stream).n_refused == 4 && stream_status(stream).n_actors == 0);
}

// --- the journal first ------------------------------------------------------------------

static void test_a_lease_is_sent_after_its_record(void **state)
{
    (void)state;
    enter(1, 10, 0);
    place(order(1, LEASE_FEED, 0));
    look();
    assert_int_equal(n_sent, 0);
    assert_true(stream_staged(stream)->size_bytes > 0 && stream_has_mail(stream));
    sync();
    assert_int_equal(count(1, MESSAGE_LEASE), 1);
    assert_true(stream_staged(stream)->size_bytes == 0);
}

static void test_an_ack_is_sent_after_its_record(void **state)
{
    (void)state;
    enter(1, 10, 0);
    place(order(1, LEASE_FEED, 0));
    sync();
    const struct lease lease = the(1, MESSAGE_LEASE)->lease;
    result(1, &lease, 0, 0);
    result(1, &lease, 0, 0); // again, before the first is durable
    look();
    assert_int_equal(count(1, MESSAGE_ACK), 0);
    sync();
    const struct ack *ack = &the(1, MESSAGE_ACK)->ack;
    assert_int_equal(ack->n, 2);
    assert_int_equal(ack->entries[0].verdict, VERDICT_OK);
    assert_int_equal(ack->entries[1].verdict, VERDICT_DUPLICATE);
    assert_int_equal(stream_order_state(stream, 1, &err), ORDER_COMPLETE);
}

// --- results ------------------------------------------------------------------------------

static void test_a_sample_of_somebody_elses_lease_is_stale(void **state)
{
    (void)state;
    enter(1, 10, 0);
    place(order(1, LEASE_FEED, 0));
    sync();
    const struct lease lease = the(1, MESSAGE_LEASE)->lease;
    enter(2, 10, 0);
    result(2, &lease, 0, 0);
    sync();
    assert_int_equal(verdict_for(2), VERDICT_STALE);
    result(1, &lease, 0, 0);
    sync();
    assert_int_equal(verdict_for(1), VERDICT_OK);
    assert_true(stream_status(stream).n_stale == 1 && stream_status(stream).n_results == 1);
}

static void test_other_bytes_under_the_same_key_are_a_conflict(void **state)
{
    (void)state;
    publish(1);
    enter(1, 10, 1);
    place(order(1, LEASE_GENERATE, 1));
    sync();
    const struct lease lease = the(1, MESSAGE_LEASE)->lease;
    result(1, &lease, 0, 0);
    result(1, &lease, 0, 1);
    sync();
    assert_int_equal(verdict_for(1), VERDICT_CONFLICT);
    result(1, &lease, 1, 0); // it goes on
    sync();
    assert_int_equal(verdict_for(1), VERDICT_OK);
    uint64_t at = 0;
    for (uint32_t i = 0; i < 2; i++) {
        const struct ingest_sample *s = stream_order_sample(stream, 1, &at);
        assert_non_null(s);
        const struct journal_record record = {
            .type = JOURNAL_RESULT, .payload = s->payload, .payload_bytes = s->payload_bytes};
        struct message m;
        struct made_result made;
        made_result_init(&made, &lease, lease.prompt_first, i, 0);
        assert_int_equal(journal_decode_result(&record, &m, &err), 0);
        assert_true(m.result.sample == i && m.result.n_tokens == made.result.n_tokens);
        assert_memory_equal(m.result.tokens, made.tokens, 4 * made.result.n_tokens);
    }
    assert_null(stream_order_sample(stream, 1, &at));
}

static void test_a_sample_that_fails_a_check_costs_its_sender_the_place(void **state)
{
    (void)state;
    enter(1, 10, 0);
    place(order(1, LEASE_FEED, 0));
    sync();
    struct lease lease = the(1, MESSAGE_LEASE)->lease;
    lease.prompt_first++; // not in the lease
    result(1, &lease, 0, 0);
    sync();
    assert_int_equal(verdict_for(1), VERDICT_REFUSED);
    assert_int_equal(the(1, MESSAGE_REFUSE)->refuse.reason, REFUSAL_MALFORMED);
    enter(2, 10, 0); // takes over at once
    sync();
    assert_true(the(2, MESSAGE_LEASE)->lease.prompt_first == lease.prompt_first - 1);
}

static void test_an_actor_on_a_new_connection_hands_its_lease_in(void **state)
{
    (void)state;
    enter(1, 10, 0);
    place(order(1, LEASE_FEED, 0));
    sync();
    const struct lease lease = the(1, MESSAGE_LEASE)->lease;
    hello(2, 101); // peer 1's session
    ready(2);
    result(2, &lease, 0, 0);
    sync();
    assert_int_equal(verdict_for(2), VERDICT_OK);
    assert_int_equal(count(2, MESSAGE_LEASE), 0);
    assert_true(stream_status(stream).n_actors == 1);
}

// --- weights and files ----------------------------------------------------------------------

static void test_everybody_is_told_of_the_version_that_is_wanted_first(void **state)
{
    (void)state;
    enter(1, 10, 0);
    assert_int_equal(publish(1), 0);
    look();
    assert_true(the(1, MESSAGE_ANNOUNCE)->announce.version == 1);
    place(order(1, LEASE_GENERATE, 1));
    assert_int_equal(publish(2), 0);
    look();
    assert_int_equal(count(1, MESSAGE_ANNOUNCE), 0); // order 1 still waits for version 1
    credit(1, 10, 1);
    stream_tick(stream, now_ms);
    sync();
    assert_true(the(1, MESSAGE_ANNOUNCE)->announce.version == 2); // for what comes next
    enter(2, 10, 0);
    assert_true(the(2, MESSAGE_ANNOUNCE)->announce.version == 2); // a late joiner as well
}

static void test_a_version_that_is_gone_cannot_be_ordered(void **state)
{
    (void)state;
    for (uint64_t version = 1; version <= 4; version++)
        assert_int_equal(publish(version), 0);
    const struct order gone = order(1, LEASE_GENERATE, 1), kept = order(1, LEASE_GENERATE, 3);
    assert_int_equal(stream_order(stream, now_ms, &gone, &err), -1);
    assert_non_null(strstr(err.text, "no longer kept"));
    place(kept);
    assert_int_equal(publish(4), -1); // versions ascend
    assert_int_equal(publish(5), 0);
    assert_int_equal(publish(6), 0);
    enter(1, 10, 0); // 3 is kept for as long as it is needed
    assert_true(the(1, MESSAGE_ANNOUNCE)->announce.version == 3);
}

static void test_objects_are_served_in_chunks_and_a_full_peer_waits(void **state)
{
    (void)state;
    enter(1, 10, 0);
    const struct hash object = hash_of(document, sizeof document), unknown = {{5}};
    hear(1, (struct message){.type = MESSAGE_GET,
                             .get = {.object = object, .want_manifest = true, .count = 5}});
    hear(1, (struct message){.type = MESSAGE_GET, .get = {.object = unknown, .count = 1}});
    uint64_t peer;
    const struct frames *out;
    stream_begin_sending(stream);
    assert_true(stream_next_send(stream, &peer, &out));
    stream_sent(stream, now_ms, 1); // full
    assert_false(stream_next_send(stream, &peer, &out));
    look();
    assert_int_equal(the(1, MESSAGE_MANIFEST)->manifest.n_chunks, 1);
    assert_int_equal(count(1, MESSAGE_CHUNK), 1);
    assert_true(the(1, MESSAGE_CHUNK)->chunk.size_bytes == sizeof document);
    assert_false(stream_has_mail(stream));
}

// --- ends ---------------------------------------------------------------------------------------

static void test_a_send_that_finds_nobody_frees_the_leases(void **state)
{
    (void)state;
    enter(1, 10, 0);
    place(order(1, LEASE_FEED, 0));
    enter(2, 10, 0);
    stream_synced(stream);
    uint64_t peer;
    const struct frames *out;
    stream_begin_sending(stream);
    assert_true(stream_next_send(stream, &peer, &out) && peer == 1);
    stream_sent(stream, now_ms, -1);
    sync();
    assert_int_equal(count(2, MESSAGE_LEASE), 1);
    assert_true(stream_status(stream).n_returned == 1);
}

static void test_the_last_word_is_good_bye(void **state)
{
    (void)state;
    enter(1, 10, 0);
    place(order(1, LEASE_FEED, 0));
    sync();
    stream_finish(stream, now_ms, true, "done");
    look();
    assert_int_equal(count(1, MESSAGE_BYE), 0); // after the records
    sync();
    assert_true(the(1, MESSAGE_BYE)->bye.is_final);
    assert_true(stream_has_peers(stream));
    hear(1, (struct message){.type = MESSAGE_BYE, .bye = {.is_final = true}});
    assert_false(stream_has_peers(stream));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_who_does_not_greet_is_asked_to),
        TEST(test_who_means_another_run_is_asked_to_greet),
        TEST(test_who_loaded_other_files_is_refused),
        TEST(test_another_protocol_is_refused),
        TEST(test_a_message_only_the_learner_sends_is_refused),
        TEST(test_a_lease_is_sent_after_its_record),
        TEST(test_an_ack_is_sent_after_its_record),
        TEST(test_a_sample_of_somebody_elses_lease_is_stale),
        TEST(test_other_bytes_under_the_same_key_are_a_conflict),
        TEST(test_a_sample_that_fails_a_check_costs_its_sender_the_place),
        TEST(test_an_actor_on_a_new_connection_hands_its_lease_in),
        TEST(test_everybody_is_told_of_the_version_that_is_wanted_first),
        TEST(test_a_version_that_is_gone_cannot_be_ordered),
        TEST(test_objects_are_served_in_chunks_and_a_full_peer_waits),
        TEST(test_a_send_that_finds_nobody_frees_the_leases),
        TEST(test_the_last_word_is_good_bye),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
