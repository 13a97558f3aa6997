#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "learner/ingest.h"
#include "proto/journal_format.h"
#include "tests/support/made_result.h"

static const struct lease group = {.id = 9,
                                   .kind = LEASE_GENERATE,
                                   .prompt_first = 100,
                                   .n_prompts = 1,
                                   .n_samples = 3,
                                   .n_parts = 1,
                                   .weights_version = 5,
                                   .max_new_tokens = 12};
static const struct lease documents = {
    .id = 10, .kind = LEASE_FEED, .prompt_first = 40, .n_prompts = 4, .n_samples = 1, .n_parts = 1};

static struct ingest *ingest;
static struct made_result made;
static struct err err;

static int setup(void **state)
{
    (void)state;
    const struct ingest_limits limits = {.vocab_size = MADE_VOCAB, .context_length = 14};
    ingest = ingest_create(&limits);
    ingest_open(ingest, &group);
    ingest_open(ingest, &documents);
    made_result_init(&made, &group, 100, 1, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ingest_destroy(ingest);
    return 0;
}

static enum verdict judge(uint64_t hash)
{
    memset(&err, 0, sizeof err);
    return ingest_judge(ingest, &made.result, hash, &err);
}

static bool keep(uint64_t hash)
{
    return ingest_keep(ingest, &made.result, hash, "payload!", 8);
}

static void test_a_group_is_complete_with_its_last_sample(void **state)
{
    (void)state;
    const uint32_t order[] = {2, 0, 1}; // in whatever order they come
    for (size_t i = 0; i < 3; i++) {
        made_result_init(&made, &group, 100, order[i], 0);
        assert_int_equal(judge(i), VERDICT_OK);
        assert_int_equal(keep(i), i == 2);
    }
    for (uint32_t i = 0; i < 3; i++)
        assert_non_null(ingest_sample(ingest, 9, 100, i));
    assert_null(ingest_sample(ingest, 9, 100, 3));
    assert_null(ingest_sample(ingest, 9, 99, 0));
    assert_null(ingest_sample(ingest, 10, 40, 0));
}

static void test_documents_are_counted_by_prompt(void **state)
{
    (void)state;
    for (uint64_t prompt = 40; prompt < 44; prompt++) {
        made_result_init(&made, &documents, prompt, 0, 0);
        assert_int_equal(judge(1), VERDICT_OK);
        assert_int_equal(keep(1), prompt == 43);
    }
}

static void test_the_kept_payload_is_a_copy(void **state)
{
    (void)state;
    char payload[] = "0123456789abcdef";
    ingest_keep(ingest, &made.result, 3, payload, 16);
    memset(payload, 'x', sizeof payload);
    const struct ingest_sample *s = ingest_sample(ingest, 9, 100, 1);
    assert_non_null(s);
    assert_int_equal(s->payload_bytes, 16);
    assert_memory_equal(s->payload, "0123456789abcdef", 16);
}

static void test_the_same_bytes_again_are_a_duplicate_others_a_conflict(void **state)
{
    (void)state;
    keep(77);
    assert_int_equal(judge(77), VERDICT_DUPLICATE);
    assert_int_equal(judge(78), VERDICT_CONFLICT);
    assert_int_equal(err.code, ERR_MISMATCH);
    assert_true(ingest_sample(ingest, 9, 100, 1)->hash == 77); // the first stays
}

static void test_a_fault_after_the_sample_changes_nothing(void **state)
{
    (void)state;
    keep(77);
    made.result.outcome = OUTCOME_SCORER_ERROR; // the work was done twice
    assert_int_equal(judge(78), VERDICT_DUPLICATE);
    assert_non_null(ingest_sample(ingest, 9, 100, 1));
}

static void test_a_lease_that_is_over_makes_a_result_stale(void **state)
{
    (void)state;
    keep(1);
    ingest_close(ingest, 9);
    assert_int_equal(judge(1), VERDICT_STALE);
    ingest_close(ingest, 9); // closing what is closed is fine
    made.result.lease = 12345;
    assert_int_equal(judge(1), VERDICT_STALE);
}

static void test_the_hash_is_of_what_is_said_not_of_the_envelope(void **state)
{
    (void)state;
    struct wire_buffer a, b;
    wire_buffer_init(&a);
    wire_buffer_init(&b);
    const struct frames *first = made_result_frames(&a, &made, 1);
    const struct frames *again = made_result_frames(&b, &made, 1);
    assert_memory_not_equal(first->frame[0].bytes, again->frame[0].bytes,
                            first->frame[0].size_bytes); // another sequence
    const uint64_t hash = ingest_payload_hash(first);
    assert_true(hash == ingest_payload_hash(again));
    made.logprobs[0] -= 1.0f; // a blob
    assert_true(hash != ingest_payload_hash(again));
    made.logprobs[0] += 1.0f;
    assert_true(hash == ingest_payload_hash(again));
    made.result.reward += 1.0; // the map
    assert_true(hash != ingest_payload_hash(made_result_frames(&b, &made, 1)));
    wire_buffer_fini(&a);
    wire_buffer_fini(&b);
}

// --- hostile samples ------------------------------------------------------------------

static void refused(enum err_code code)
{
    assert_int_equal(judge(1), VERDICT_REFUSED);
    assert_int_equal(err.code, code);
    assert_true(err.text[0] != 0);
    made_result_init(&made, &group, 100, 1, 0);
    assert_int_equal(judge(1), VERDICT_OK); // it was that and nothing else
}

static void test_a_key_that_is_not_the_leases_is_refused(void **state)
{
    (void)state;
    made.result.kind = LEASE_EVAL;
    refused(ERR_MISMATCH);
    made.result.prompt_index = 101;
    refused(ERR_MISMATCH);
    made.result.prompt_index = 99;
    refused(ERR_MISMATCH);
    made.result.prompt_index = UINT64_MAX;
    refused(ERR_MISMATCH);
    made.result.sample = 3;
    refused(ERR_MISMATCH);
    made.result.outcome = OUTCOME_INTERNAL + 1;
    refused(ERR_FORMAT);
}

static void test_lengths_over_their_limits_are_refused(void **state)
{
    (void)state;
    made.result.n_tokens = 0;
    refused(ERR_FORMAT);
    made.result.tokens = NULL;
    refused(ERR_FORMAT);
    made.result.loss_mask = NULL;
    refused(ERR_FORMAT);
    made.result.logprobs = NULL;
    refused(ERR_FORMAT);
    made.result.n_tokens = 15; // the context is 14
    refused(ERR_LIMIT);
    made.result.n_prompt_tokens = 0;
    refused(ERR_FORMAT);
    made.result.n_prompt_tokens = made.result.n_tokens + 1;
    refused(ERR_FORMAT);
    made.result.n_prompt_tokens = 1;
    made.result.n_tokens = 14; // 13 new ones, 12 were asked for
    refused(ERR_LIMIT);
    made.result.finish_reason = FINISH_ABORT + 1;
    refused(ERR_FORMAT);
}

static void test_numbers_that_would_poison_a_step_are_refused(void **state)
{
    (void)state;
    made.tokens[made.result.n_tokens - 1] = MADE_VOCAB;
    refused(ERR_LIMIT);
    const float bad_masks[] = {-1.0f, NAN, INFINITY};
    for (size_t i = 0; i < 3; i++) {
        made.loss_mask[made.result.n_tokens - 1] = bad_masks[i];
        refused(ERR_FORMAT);
    }
    const float bad_logprobs[] = {0.5f, NAN, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        made.logprobs[0] = bad_logprobs[i];
        refused(ERR_FORMAT);
    }
    float behaviour[MADE_TOKENS_MAX] = {NAN};
    made.result.logprobs_behaviour = behaviour;
    refused(ERR_FORMAT);
    made.result.reward = (double)NAN;
    refused(ERR_FORMAT);
    made.result.n_rewards = 1;
    made.result.rewards[0].value = (double)INFINITY;
    refused(ERR_FORMAT);
    made.result.n_metrics = 1;
    made.result.metrics[0].value = (double)NAN;
    refused(ERR_FORMAT);
}

static void test_tokens_drawn_by_another_version_are_refused(void **state)
{
    (void)state;
    made.result.spans[0].version = 4;
    refused(ERR_MISMATCH);
    made.result.n_spans = 0;
    refused(ERR_FORMAT);
    made.result.spans[0].start = 1;
    refused(ERR_FORMAT);
    made.result.n_spans = 2; // not ascending
    made.result.spans[1] = made.result.spans[0];
    refused(ERR_FORMAT);
    made.result.n_spans = 2; // behind the end
    made.result.spans[1] = (struct version_span){MADE_TOKENS_MAX, 5};
    refused(ERR_FORMAT);
}

static void test_a_fault_needs_no_tokens_and_is_not_kept(void **state)
{
    (void)state;
    made.result = (struct result){.lease = 9,
                                  .kind = LEASE_GENERATE,
                                  .prompt_index = 100,
                                  .sample = 1,
                                  .outcome = OUTCOME_SCORER_TIMEOUT};
    assert_int_equal(judge(1), VERDICT_OK);
    assert_false(keep(1));
    assert_null(ingest_sample(ingest, 9, 100, 1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_group_is_complete_with_its_last_sample),
        TEST(test_documents_are_counted_by_prompt),
        TEST(test_the_kept_payload_is_a_copy),
        TEST(test_the_same_bytes_again_are_a_duplicate_others_a_conflict),
        TEST(test_a_fault_after_the_sample_changes_nothing),
        TEST(test_a_lease_that_is_over_makes_a_result_stale),
        TEST(test_the_hash_is_of_what_is_said_not_of_the_envelope),
        TEST(test_a_key_that_is_not_the_leases_is_refused),
        TEST(test_lengths_over_their_limits_are_refused),
        TEST(test_numbers_that_would_poison_a_step_are_refused),
        TEST(test_tokens_drawn_by_another_version_are_refused),
        TEST(test_a_fault_needs_no_tokens_and_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
