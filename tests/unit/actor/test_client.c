#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "actor/client.h"
#include "proto/object.h"
#include "tests/support/made_result.h"

#define RUN 21u
#define SILENCE_MS 3000u
#define PROGRESS_MS 400u
#define FILE_BYTES (CHUNK_BYTES + 1000u) // two chunks
#define SAMPLES_MAX 10u

static const struct ready loaded = {.shape = {{1}}, .tokenizer = {{2}}, .spec = {{4}}};

static struct client *client;
static uint64_t now_ms;
static uint32_t epoch;
static unsigned char file_bytes[FILE_BYTES], weights_bytes[2][5000];
static struct object file, weights[2]; // versions 1 and 2
static struct wire_buffer encoded;

// What the client has done since the last look; texts and arrays are gone.
#define SEEN_MAX 256
static struct message said[SEEN_MAX];
static size_t n_said;
static struct client_action acted[SEEN_MAX];
static size_t n_acted;
static char spec_seen[64];
static bool is_file_right;

// --- the learner's side -----------------------------------------------------------------

static void hear(struct message m)
{
    m.run = m.run == 0 ? RUN : m.run;
    m.epoch = m.epoch == 0 ? epoch : m.epoch;
    wire_encode(&encoded, &m);
    client_receive(client, now_ms, &encoded.frames);
}

static void look(void)
{
    struct client_action a;
    n_said = n_acted = 0;
    while (client_next(client, now_ms, &a)) {
        assert_true(n_said < SEEN_MAX && n_acted < SEEN_MAX);
        if (a.type == CLIENT_SEND) {
            struct err err;
            if (wire_decode(&said[n_said++], a.frames, NULL, &err) != 0) fail_msg("%s", err.text);
            continue;
        }
        acted[n_acted++] = a;
        if (a.type != CLIENT_SPEC) continue;
        strncpy(spec_seen, a.spec, sizeof spec_seen - 1);
        is_file_right = a.n_files == 1 && strcmp(a.files[0].name, "data/train.jsonl") == 0 &&
                        a.files[0].size_bytes == FILE_BYTES &&
                        memcmp(a.files[0].bytes, file_bytes, FILE_BYTES) == 0;
    }
}

static size_t count(enum message_type type)
{
    size_t n = 0;
    for (size_t i = 0; i < n_said; i++)
        n += said[i].type == type;
    return n;
}

static const struct message *the(enum message_type type)
{
    for (size_t i = 0; i < n_said; i++)
        if (said[i].type == type) return &said[i];
    fail_msg("no %s was said", message_type_name(type));
    return NULL;
}

static size_t n_actions(enum client_action_type type)
{
    size_t n = 0;
    for (size_t i = 0; i < n_acted; i++)
        n += acted[i].type == type;
    return n;
}

static const struct client_action *action(enum client_action_type type)
{
    for (size_t i = 0; i < n_acted; i++)
        if (acted[i].type == type) return &acted[i];
    fail_msg("the client did not do that");
    return NULL;
}

static void welcome_to(uint64_t run, const char *spec)
{
    struct message m = {.type = MESSAGE_WELCOME,
                        .run = run,
                        .welcome = {.spec = {spec, (uint32_t)strlen(spec)},
                                    .n_files = 1,
                                    .progress_ms = PROGRESS_MS,
                                    .deterministic = true}};
    m.welcome.files[0] = (struct file_entry){
        .name = {"data/train.jsonl", 16}, .object = file.hash, .size_bytes = FILE_BYTES};
    hear(m);
    look();
}

static void welcome(void)
{
    welcome_to(RUN, "{}");
}

// Answers every GET that was just said, and those that follow.
static void serve(void)
{
    const struct object *objects[] = {&file, &weights[0], &weights[1]};
    for (int turn = 0; turn < 10 && count(MESSAGE_GET) > 0; turn++) {
        struct message m = {.type = MESSAGE_MANIFEST};
        struct get gets[SEEN_MAX];
        size_t n = 0;
        for (size_t i = 0; i < n_said; i++)
            if (said[i].type == MESSAGE_GET) gets[n++] = said[i].get;
        for (size_t i = 0; i < n; i++) {
            const struct object *o = NULL;
            for (size_t k = 0; k < 3; k++)
                if (hash_is_equal(&objects[k]->hash, &gets[i].object)) o = objects[k];
            assert_non_null(o);
            if (gets[i].want_manifest) {
                object_manifest(o, &m.manifest);
                hear(m);
            }
            for (uint32_t c = gets[i].first; c < gets[i].first + gets[i].count; c++) {
                struct message chunk = {.type = MESSAGE_CHUNK};
                if (object_chunk(o, c, &chunk.chunk)) hear(chunk);
            }
        }
        look();
    }
}

static void bring_up(void)
{
    client_connected(client, now_ms);
    look();
    welcome();
    serve();
    assert_int_equal(n_actions(CLIENT_SPEC), 1);
    client_ready(client, &loaded);
    look();
}

static int setup(void **state)
{
    (void)state;
    const struct client_config config = {.name = "seven",
                                         .session = 99,
                                         .fingerprint = {{8}},
                                         .result_bytes_max = 1500,
                                         .samples_max = SAMPLES_MAX,
                                         .silence_ms = SILENCE_MS};
    now_ms = 5000;
    epoch = 3;
    for (size_t i = 0; i < FILE_BYTES; i++)
        file_bytes[i] = (unsigned char)(i * 7 + i / 251);
    for (size_t i = 0; i < sizeof weights_bytes[0]; i++) {
        weights_bytes[0][i] = (unsigned char)i;
        weights_bytes[1][i] = (unsigned char)(i + 1);
    }
    object_init(&file, file_bytes, FILE_BYTES, 0);
    for (uint64_t i = 0; i < 2; i++)
        object_init(&weights[i], weights_bytes[i], sizeof weights_bytes[0], i + 1);
    wire_buffer_init(&encoded);
    client = client_create(&config);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_destroy(client);
    wire_buffer_fini(&encoded);
    object_fini(&file);
    object_fini(&weights[0]);
    object_fini(&weights[1]);
    return 0;
}

static void announce(uint64_t version)
{
    const struct object *o = &weights[version - 1];
    hear((struct message){
        .type = MESSAGE_ANNOUNCE,
        .announce = {.version = version, .object = o->hash, .size_bytes = o->size_bytes}});
    look();
}

static struct lease lease(uint64_t id, uint32_t n_samples)
{
    return (struct lease){.id = id,
                          .n_parts = 1,
                          .kind = LEASE_GENERATE,
                          .prompt_first = 40,
                          .n_prompts = 1,
                          .n_samples = n_samples,
                          .weights_version = 1,
                          .top_p = 1.0f,
                          .max_new_tokens = 16,
                          .timeout_ms = 1000};
}

static void offer(struct lease l)
{
    hear((struct message){.type = MESSAGE_LEASE, .lease = l});
    look();
}

static void submit(struct lease l, uint32_t sample)
{
    struct made_result made;
    made_result_init(&made, &l, l.prompt_first, sample, 0);
    client_submit(client, now_ms, &made.result);
}

static void acknowledge(uint64_t id, uint32_t sample, enum verdict verdict)
{
    hear((struct message){.type = MESSAGE_ACK,
                          .ack = {.n = 1, .entries = {{id, 40, sample, (uint32_t)verdict}}}});
    look();
}

// --- greeting -----------------------------------------------------------------------------

static void test_it_says_nothing_before_it_is_connected(void **state)
{
    (void)state;
    look();
    now_ms += 60000;
    look();
    assert_int_equal(n_said + n_acted, 0);
}

static void test_it_greets_when_connected(void **state)
{
    (void)state;
    client_connected(client, now_ms);
    look();
    assert_int_equal(n_said, 1);
    const struct hello *hello = &the(MESSAGE_HELLO)->hello;
    assert_int_equal(hello->protocol, PROTO_VERSION);
    assert_true(hello->session == 99 && hello->fingerprint.bytes[0] == 8);
    assert_int_equal(hello->name.size_bytes, 5);
}

// As a caller that is not busy: it asks again and again.
static void wait_ms(uint64_t ms)
{
    const uint64_t end_ms = now_ms + ms;
    while (now_ms < end_ms) {
        now_ms = end_ms - now_ms < 100 ? end_ms : now_ms + 100;
        look();
    }
}

static void test_a_greeting_without_an_answer_is_repeated(void **state)
{
    (void)state;
    client_connected(client, now_ms);
    look();
    wait_ms(SILENCE_MS);
    assert_int_equal(n_said, 0);
    wait_ms(1);
    assert_int_equal(count(MESSAGE_HELLO), 1);
}

static void test_files_are_fetched_and_handed_over_before_ready(void **state)
{
    (void)state;
    client_connected(client, now_ms);
    look();
    welcome_to(RUN, "{\"task\": \"x\"}");
    assert_true(the(MESSAGE_GET)->get.want_manifest);
    assert_int_equal(count(MESSAGE_READY), 0);
    serve();
    assert_true(is_file_right);
    assert_string_equal(spec_seen, "{\"task\": \"x\"}");
    assert_true(action(CLIENT_SPEC)->deterministic);
    assert_int_equal(count(MESSAGE_READY) + count(MESSAGE_CREDIT), 0);
    client_ready(client, &loaded);
    look();
    assert_true(hash_is_equal(&the(MESSAGE_READY)->ready.tokenizer, &loaded.tokenizer));
    const struct credit *credit = &the(MESSAGE_CREDIT)->credit;
    assert_true(credit->samples == SAMPLES_MAX && credit->bytes == 1500 && !credit->has_weights);
    assert_true(client_status(client).is_ready);
}

static void test_a_chunk_of_other_bytes_is_not_taken(void **state)
{
    (void)state;
    client_connected(client, now_ms);
    look();
    welcome();
    struct message m = {.type = MESSAGE_MANIFEST};
    object_manifest(&file, &m.manifest);
    hear(m);
    look();
    struct message bad = {.type = MESSAGE_CHUNK};
    assert_true(object_chunk(&file, 0, &bad.chunk));
    file_bytes[17] ^= 1;
    hear(bad);
    file_bytes[17] ^= 1;
    look();
    assert_true(client_status(client).n_malformed == 1);
    assert_int_equal(n_actions(CLIENT_SPEC), 0);
    for (int i = 0; i < 10 && n_actions(CLIENT_SPEC) == 0; i++) { // asked for again, in time
        now_ms += 1000;
        look();
        if (count(MESSAGE_HELLO) > 0) welcome();
        serve();
    }
    assert_int_equal(n_actions(CLIENT_SPEC), 1);
    assert_true(is_file_right);
}

static void test_a_known_welcome_needs_no_rebuilding(void **state)
{
    (void)state;
    bring_up();
    client_disconnected(client, now_ms);
    look();
    assert_int_equal(n_said, 0);
    client_connected(client, now_ms);
    look();
    assert_int_equal(count(MESSAGE_HELLO), 1);
    welcome();
    assert_int_equal(count(MESSAGE_READY), 1);
    assert_int_equal(n_actions(CLIENT_SPEC) + count(MESSAGE_GET), 0);
}

static void test_another_welcome_does(void **state)
{
    (void)state;
    bring_up();
    client_disconnected(client, now_ms);
    client_connected(client, now_ms);
    look();
    welcome_to(RUN, "{\"other\": 1}");
    serve();
    assert_int_equal(n_actions(CLIENT_SPEC), 1);
    assert_string_equal(spec_seen, "{\"other\": 1}");
}

static void test_a_silent_learner_is_greeted_again(void **state)
{
    (void)state;
    bring_up();
    for (int i = 0; i < 20; i++) { // any word counts
        now_ms += SILENCE_MS / 2;
        hear((struct message){.type = MESSAGE_CANCEL});
        look();
        assert_int_equal(count(MESSAGE_HELLO), 0);
    }
    wait_ms(SILENCE_MS);
    assert_int_equal(count(MESSAGE_HELLO), 0);
    wait_ms(1);
    assert_int_equal(count(MESSAGE_HELLO), 1);
}

// A step of a large model takes longer than a learner may be silent.
static void test_a_caller_that_was_away_does_not_take_it_for_silence(void **state)
{
    (void)state;
    bring_up();
    for (int i = 0; i < 5; i++) {
        now_ms += 3 * SILENCE_MS;
        look();
        assert_int_equal(count(MESSAGE_HELLO), 0);
    }
    wait_ms(SILENCE_MS + 1);
    assert_int_equal(count(MESSAGE_HELLO), 1);
}

static void test_it_reports_as_often_as_it_was_asked_to(void **state)
{
    (void)state;
    bring_up();
    look();
    assert_int_equal(n_said, 0);
    for (int i = 0; i < 5; i++) {
        now_ms += PROGRESS_MS;
        look();
        assert_int_equal(count(MESSAGE_CREDIT), 1);
    }
    assert_true(client_wait_ms(client, now_ms) < PROGRESS_MS);
}

// --- weights ------------------------------------------------------------------------------

static void apply(uint64_t version)
{
    const struct client_action *a = action(CLIENT_WEIGHTS);
    assert_true(a->version == version && a->size_bytes == sizeof weights_bytes[0]);
    assert_memory_equal(a->bytes, weights_bytes[version - 1], sizeof weights_bytes[0]);
    client_applied(client, version);
    look();
}

static void test_announced_weights_are_fetched_verified_and_reported(void **state)
{
    (void)state;
    bring_up();
    announce(1);
    serve();
    assert_int_equal(count(MESSAGE_CREDIT), 0); // not yet applied
    apply(1);
    const struct credit *credit = &the(MESSAGE_CREDIT)->credit;
    assert_true(credit->has_weights && credit->weights_version == 1);
    announce(1); // held already
    assert_int_equal(count(MESSAGE_GET), 0);
}

static void test_an_earlier_version_is_fetched_as_well(void **state)
{
    (void)state;
    bring_up();
    announce(2);
    serve();
    apply(2);
    announce(1);
    serve();
    apply(1);
}

static void test_a_newer_announcement_ends_the_fetch_of_an_older_one(void **state)
{
    (void)state;
    bring_up();
    announce(1);
    announce(2);
    serve();
    apply(2);
    assert_int_equal(n_actions(CLIENT_WEIGHTS), 0);
}

// --- leases and results ---------------------------------------------------------------------

static void test_a_lease_is_worked_on_once(void **state)
{
    (void)state;
    bring_up();
    offer(lease(5, 4));
    assert_true(action(CLIENT_LEASE)->lease.id == 5);
    assert_int_equal(client_status(client).n_leases, 1);
    offer(lease(5, 4)); // the network repeats it
    assert_int_equal(n_actions(CLIENT_LEASE), 0);
}

static void test_credit_and_progress_follow_the_work(void **state)
{
    (void)state;
    bring_up();
    offer(lease(5, 4));
    client_progress(client, 5, 123);
    now_ms += PROGRESS_MS;
    look();
    const struct progress *progress = &the(MESSAGE_PROGRESS)->progress;
    assert_true(progress->n == 1 && progress->entries[0].lease == 5 &&
                progress->entries[0].n_tokens == 123);
    assert_int_equal(the(MESSAGE_CREDIT)->credit.samples, SAMPLES_MAX - 4);
    for (uint32_t i = 0; i < 4; i++)
        submit(lease(5, 4), i);
    look(); // done: said at once
    assert_int_equal(the(MESSAGE_CREDIT)->credit.samples, SAMPLES_MAX);
    assert_true(the(MESSAGE_CREDIT)->credit.bytes < 1500); // what is held counts
    assert_int_equal(client_status(client).n_leases, 0);
    // Results go before the credit that their lease's end frees.
    assert_int_equal(said[0].type, MESSAGE_RESULT);
    assert_int_equal(said[n_said - 1].type, MESSAGE_CREDIT);
}

static void test_samples_that_wait_for_their_scores_leave_room_to_others(void **state)
{
    (void)state;
    bring_up();
    offer(lease(5, 4));
    client_scoring(client, 3);
    look(); // said at once
    assert_int_equal(the(MESSAGE_CREDIT)->credit.samples, SAMPLES_MAX - 1);
    client_scoring(client, 3); // nothing new
    look();
    assert_int_equal(n_said, 0);
    client_scoring(client, 100); // more than there are: never more room than there is
    look();
    assert_int_equal(the(MESSAGE_CREDIT)->credit.samples, SAMPLES_MAX);
    client_scoring(client, 0);
    look();
    assert_int_equal(the(MESSAGE_CREDIT)->credit.samples, SAMPLES_MAX - 4);
}

static void test_an_actor_that_holds_too_much_offers_nothing(void **state)
{
    (void)state;
    bring_up();
    offer(lease(5, 8));
    for (uint32_t i = 0; i < 8; i++)
        submit(lease(5, 8), i);
    look();
    assert_true(the(MESSAGE_CREDIT)->credit.bytes == 0);
}

static void test_a_result_is_held_until_its_ack(void **state)
{
    (void)state;
    bring_up();
    offer(lease(5, 2));
    submit(lease(5, 2), 1);
    look();
    assert_int_equal(count(MESSAGE_RESULT), 1);
    assert_true(the(MESSAGE_RESULT)->result.sample == 1 && the(MESSAGE_RESULT)->run == RUN);
    now_ms += 1999;
    look();
    assert_int_equal(count(MESSAGE_RESULT), 0);
    now_ms += 1;
    look(); // no answer: again
    assert_int_equal(count(MESSAGE_RESULT), 1);
    assert_true(client_status(client).n_resent == 1);
    acknowledge(5, 0, VERDICT_OK); // of another sample
    assert_int_equal(client_status(client).n_held_results, 1);
    acknowledge(5, 1, VERDICT_OK);
    assert_int_equal(client_status(client).n_held_results, 0);
    assert_true(client_is_drained(client));
    now_ms += 5000;
    look();
    assert_int_equal(count(MESSAGE_RESULT), 0);
}

static void test_results_are_sent_again_after_a_reconnect(void **state)
{
    (void)state;
    bring_up();
    offer(lease(5, 3));
    submit(lease(5, 3), 0);
    look();
    client_disconnected(client, now_ms);
    submit(lease(5, 3), 1); // work goes on
    look();
    assert_int_equal(n_said, 0);
    client_connected(client, now_ms);
    look();
    assert_int_equal(count(MESSAGE_RESULT), 0); // not before the learner knows us
    welcome();
    assert_int_equal(count(MESSAGE_RESULT), 2);
    assert_int_equal(client_status(client).n_leases, 1);
}

static void test_a_message_that_could_not_be_sent_comes_again(void **state)
{
    (void)state;
    struct client_action a;
    bring_up();
    offer(lease(5, 2));
    submit(lease(5, 2), 0);
    assert_true(client_next(client, now_ms, &a));
    client_unsent(client); // a result
    look();
    assert_int_equal(count(MESSAGE_RESULT), 1);
    client_disconnected(client, now_ms);
    client_connected(client, now_ms);
    assert_true(client_next(client, now_ms, &a));
    client_unsent(client); // a greeting
    look();
    assert_int_equal(count(MESSAGE_HELLO), 1);
}

static void test_a_stale_result_is_dropped_with_its_lease(void **state)
{
    (void)state;
    bring_up();
    offer(lease(5, 3));
    submit(lease(5, 3), 0);
    look();
    acknowledge(5, 0, VERDICT_STALE);
    assert_true(action(CLIENT_CANCEL)->lease_id == 5);
    assert_int_equal(client_status(client).n_held_results + client_status(client).n_leases, 0);
    submit(lease(5, 3), 1); // it was too late to stop this one
    look();
    assert_int_equal(count(MESSAGE_RESULT), 0);
}

static void test_every_verdict_ends_the_sending(void **state)
{
    (void)state;
    bring_up();
    offer(lease(5, 5));
    for (uint32_t i = 0; i < 5; i++)
        submit(lease(5, 5), i);
    look();
    for (uint32_t i = 0; i < 5; i++)
        acknowledge(5, i, (enum verdict)(VERDICT_OK + i));
    assert_true(client_is_drained(client) && client_status(client).n_acked == 5);
}

static void test_a_cancelled_lease_is_let_go(void **state)
{
    (void)state;
    bring_up();
    offer(lease(5, 2));
    offer(lease(6, 2));
    hear((struct message){.type = MESSAGE_CANCEL, .lease_list = {.n = 2, .leases = {5, 77}}});
    look();
    assert_int_equal(n_actions(CLIENT_CANCEL), 1);
    assert_true(action(CLIENT_CANCEL)->lease_id == 5);
    assert_int_equal(client_status(client).n_leases, 1);
}

static void test_all_is_given_back_at_the_end(void **state)
{
    (void)state;
    bring_up();
    offer(lease(5, 2));
    offer(lease(6, 2));
    submit(lease(5, 2), 0);
    client_return_all(client, now_ms, "stop");
    look();
    assert_int_equal(the(MESSAGE_RETURN)->lease_list.n, 2);
    assert_int_equal(count(MESSAGE_RESULT), 1); // what is done is still handed in
    assert_int_equal(the(MESSAGE_CREDIT)->credit.samples, 0);
    assert_false(client_is_drained(client));
    acknowledge(5, 0, VERDICT_OK);
    look();
    assert_true(client_is_drained(client));
}

// --- lives of the learner ---------------------------------------------------------------------

static void test_the_words_of_an_older_life_are_ignored(void **state)
{
    (void)state;
    bring_up();
    epoch = 2;
    offer(lease(5, 2));
    announce(1);
    hear((struct message){.type = MESSAGE_BYE, .bye = {.is_final = true}});
    look();
    assert_int_equal(n_actions(CLIENT_LEASE) + n_actions(CLIENT_QUIT) + count(MESSAGE_GET), 0);
    client_disconnected(client, now_ms);
    client_connected(client, now_ms);
    look();
    welcome();
    assert_int_equal(n_said + n_acted, 0);
    epoch = 3;
    welcome();
    assert_int_equal(count(MESSAGE_READY), 1);
}

static void test_results_outlive_the_learner_that_asked_for_them(void **state)
{
    (void)state;
    bring_up();
    offer(lease(5, 2));
    submit(lease(5, 2), 0);
    look();
    client_disconnected(client, now_ms);
    client_connected(client, now_ms);
    look();
    epoch = 4;
    welcome();
    serve();
    client_ready(client, &loaded);
    look();
    assert_int_equal(count(MESSAGE_RESULT), 1); // the new life says whether it wants it
    assert_true(the(MESSAGE_CREDIT)->epoch == 4);
}

static void test_results_do_not_go_to_another_run(void **state)
{
    (void)state;
    bring_up();
    offer(lease(5, 2));
    submit(lease(5, 2), 0);
    look();
    client_disconnected(client, now_ms);
    client_connected(client, now_ms);
    look();
    welcome_to(RUN + 1, "{}");
    assert_int_equal(client_status(client).n_held_results + client_status(client).n_leases, 0);
}

static void test_a_final_good_bye_is_answered_and_ends_it(void **state)
{
    (void)state;
    bring_up();
    hear((struct message){.type = MESSAGE_BYE,
                          .bye = {.is_final = true, .reason = {"the run is over", 15}}});
    look();
    assert_int_equal(count(MESSAGE_BYE), 1);
    assert_false(action(CLIENT_QUIT)->is_refused);
    assert_string_equal(action(CLIENT_QUIT)->reason, "the run is over");
    now_ms += 60000;
    look();
    assert_int_equal(n_said, 0);
}

static void test_a_good_bye_that_is_not_final_is_greeted(void **state)
{
    (void)state;
    bring_up();
    hear((struct message){.type = MESSAGE_BYE});
    look();
    assert_int_equal(count(MESSAGE_HELLO), 1);
    hear((struct message){.type = MESSAGE_BYE});
    look();
    assert_int_equal(count(MESSAGE_HELLO), 0); // one greeting at a time
}

static void test_a_refusal_ends_it_with_its_reason(void **state)
{
    (void)state;
    client_connected(client, now_ms);
    look();
    hear((struct message){.type = MESSAGE_REFUSE,
                          .refuse = {.reason = REFUSAL_FINGERPRINT, .text = {"other bits", 10}}});
    look();
    assert_true(action(CLIENT_QUIT)->is_refused);
    assert_string_equal(action(CLIENT_QUIT)->reason, "other bits");
}

static void test_what_does_not_decode_is_counted_and_ignored(void **state)
{
    (void)state;
    bring_up();
    unsigned char noise[100];
    for (uint32_t n = 0; n <= 3; n++) {
        memset(noise, (int)n * 77, sizeof noise);
        const struct frames frames = {.n = n, .frame = {{noise, 64}, {noise, 36}, {noise, n}}};
        client_receive(client, now_ms, &frames);
    }
    hear((struct message){.type = MESSAGE_CREDIT}); // only actors say that
    look();
    assert_true(client_status(client).n_malformed == 5);
    assert_int_equal(n_said + n_acted, 0);
    assert_true(client_status(client).is_ready);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_it_says_nothing_before_it_is_connected),
        TEST(test_it_greets_when_connected),
        TEST(test_a_greeting_without_an_answer_is_repeated),
        TEST(test_files_are_fetched_and_handed_over_before_ready),
        TEST(test_a_chunk_of_other_bytes_is_not_taken),
        TEST(test_a_known_welcome_needs_no_rebuilding),
        TEST(test_another_welcome_does),
        TEST(test_a_silent_learner_is_greeted_again),
        TEST(test_a_caller_that_was_away_does_not_take_it_for_silence),
        TEST(test_it_reports_as_often_as_it_was_asked_to),
        TEST(test_announced_weights_are_fetched_verified_and_reported),
        TEST(test_an_earlier_version_is_fetched_as_well),
        TEST(test_a_newer_announcement_ends_the_fetch_of_an_older_one),
        TEST(test_a_lease_is_worked_on_once),
        TEST(test_credit_and_progress_follow_the_work),
        TEST(test_samples_that_wait_for_their_scores_leave_room_to_others),
        TEST(test_an_actor_that_holds_too_much_offers_nothing),
        TEST(test_a_result_is_held_until_its_ack),
        TEST(test_results_are_sent_again_after_a_reconnect),
        TEST(test_a_message_that_could_not_be_sent_comes_again),
        TEST(test_a_stale_result_is_dropped_with_its_lease),
        TEST(test_every_verdict_ends_the_sending),
        TEST(test_a_cancelled_lease_is_let_go),
        TEST(test_all_is_given_back_at_the_end),
        TEST(test_the_words_of_an_older_life_are_ignored),
        TEST(test_results_outlive_the_learner_that_asked_for_them),
        TEST(test_results_do_not_go_to_another_run),
        TEST(test_a_final_good_bye_is_answered_and_ends_it),
        TEST(test_a_good_bye_that_is_not_final_is_greeted),
        TEST(test_a_refusal_ends_it_with_its_reason),
        TEST(test_what_does_not_decode_is_counted_and_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
