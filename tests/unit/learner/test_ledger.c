#define _XOPEN_SOURCE 700 // P_tmpdir

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "learner/journal.h"
#include "learner/ledger.h"
#include "tests/support/made_result.h"

#define RUN 5u

static struct ledger *ledger;
static struct wire_buffer records; // all that was written
static struct wire_buffer encoded;
static uint64_t sequence;
static struct err err;

static int setup(void **state)
{
    (void)state;
    ledger = ledger_create();
    wire_buffer_init(&records);
    wire_buffer_init(&encoded);
    sequence = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ledger_destroy(ledger);
    wire_buffer_fini(&records);
    wire_buffer_fini(&encoded);
    return 0;
}

// Hands the ledger the record that was encoded last, from `at` on.
static void take(size_t at, uint32_t type)
{
    const unsigned char *bytes = records.bytes + at;
    struct journal_record r = {
        .type = type, .sequence = sequence, .payload = bytes + JOURNAL_RECORD_BYTES};
    memcpy(&r.payload_bytes, bytes, 4);
    if (ledger_add(ledger, &r, &err) != 0) fail_msg("%s", err.text);
}

static void reserve(uint64_t first, uint64_t n)
{
    const size_t at = records.size_bytes;
    const struct journal_reserved reserved = {first, n};
    journal_encode_reserved(&records, ++sequence, &reserved);
    take(at, JOURNAL_RESERVED);
}

static struct lease lease_of(uint64_t id, uint64_t order, uint64_t prompt)
{
    return (struct lease){.id = id,
                          .n_parts = 1,
                          .kind = LEASE_GENERATE,
                          .step = order,
                          .prompt_first = prompt,
                          .n_prompts = 1,
                          .n_samples = 2,
                          .weights_version = 1,
                          .top_p = 1.0f,
                          .max_new_tokens = 16};
}

static void issue(const struct lease *lease)
{
    const size_t at = records.size_bytes;
    const struct journal_issued issued = {*lease};
    journal_encode_issued(&records, ++sequence, &issued);
    take(at, JOURNAL_ISSUED);
}

static void result(const struct lease *lease, uint64_t prompt, uint32_t sample,
                   enum outcome outcome)
{
    const size_t at = records.size_bytes;
    struct made_result made;
    made_result_init(&made, lease, prompt, sample, 0);
    made.result.outcome = outcome;
    journal_encode_result(&records, ++sequence, made_result_frames(&encoded, &made, RUN));
    take(at, JOURNAL_RESULT);
}

static void end(uint64_t lease, enum journal_type type, uint32_t reason)
{
    const size_t at = records.size_bytes;
    const struct journal_end ended = {.lease = lease, .step = 3, .reason = reason};
    journal_encode_end(&records, ++sequence, type, &ended);
    take(at, type);
}

static void note(const char *text)
{
    const size_t at = records.size_bytes;
    journal_encode_note(&records, ++sequence, text);
    take(at, JOURNAL_NOTE);
}

// Issued, both samples in.
static struct lease whole(uint64_t id, uint64_t order, uint64_t prompt)
{
    const struct lease lease = lease_of(id, order, prompt);
    issue(&lease);
    result(&lease, prompt, 0, OUTCOME_OK);
    result(&lease, prompt, 1, OUTCOME_OK);
    return lease;
}

static struct ledger_sum sum(void)
{
    struct ledger_sum s;
    ledger_sum(ledger, &s);
    return s;
}

// One violation, and it says this.
static void violated(const char *words)
{
    const struct ledger_sum s = sum();
    assert_false(s.is_balanced);
    assert_true(s.n_violations == 1);
    assert_non_null(ledger_violation(ledger, 0));
    if (strstr(ledger_violation(ledger, 0), words) == NULL)
        fail_msg("'%s' does not say '%s'", ledger_violation(ledger, 0), words);
}

static void test_every_lease_is_in_one_place(void **state)
{
    (void)state;
    note("epoch 1");
    reserve(1, 256);
    for (uint64_t id = 1; id <= 4; id++)
        whole(id, 1, 100 + id);
    end(1, JOURNAL_TRAINED, 0);
    end(2, JOURNAL_DROPPED, LEASE_END_ZERO_VARIANCE);
    end(3, JOURNAL_RETURNED, LEASE_END_PEER_LOST);
    const struct ledger_sum s = sum();
    assert_true(s.is_balanced && s.n_violations == 0);
    assert_true(s.issued.leases == 4 && s.issued.samples == 8);
    assert_true(s.trained.leases == 1 && s.trained.samples == 2);
    assert_true(s.dropped.leases == 1 && s.dropped_by[LEASE_END_ZERO_VARIANCE].samples == 2);
    assert_true(s.returned.leases == 1 && s.returned_by[LEASE_END_PEER_LOST].leases == 1);
    assert_true(s.in_flight.leases == 1 && s.in_flight.samples == 2);
    assert_true(s.n_results == 8 && s.n_epochs == 1);
    assert_true(ledger_next_lease_id(ledger) == 257);
}

static void test_an_empty_journal_balances(void **state)
{
    (void)state;
    assert_true(sum().is_balanced);
    assert_null(ledger_first(ledger));
    assert_true(ledger_next_lease_id(ledger) == 1);
}

static void test_a_lease_that_ends_twice_does_not_balance(void **state)
{
    (void)state;
    reserve(1, 256);
    whole(1, 1, 7);
    end(1, JOURNAL_TRAINED, 0);
    end(1, JOURNAL_RETURNED, LEASE_END_EXPIRED);
    violated("lease 1 of order 1 ended twice");
}

static void test_a_prompt_trained_twice_in_an_order_is_found(void **state)
{
    (void)state;
    reserve(1, 256);
    whole(1, 1, 7);
    whole(2, 1, 8);
    whole(3, 1, 7);
    for (uint64_t id = 1; id <= 3; id++)
        end(id, JOURNAL_TRAINED, 0);
    violated("prompt 7 of order 1 was trained twice: leases 1 and 3");
    violated("prompt 7 of order 1 was trained twice"); // asked again, the same
}

static void test_ranges_of_documents_that_overlap_are_found(void **state)
{
    (void)state;
    reserve(1, 256);
    const uint64_t firsts[] = {0, 2, 5, 20};
    const uint32_t counts[] = {10, 1, 1, 5}; // the second and the third lie within the first
    for (uint64_t i = 0; i < 4; i++) {
        const struct lease lease = {.id = i + 1,
                                    .kind = LEASE_FEED,
                                    .step = 1,
                                    .prompt_first = firsts[i],
                                    .n_prompts = counts[i],
                                    .n_samples = 1};
        issue(&lease);
        for (uint32_t k = 0; k < counts[i]; k++)
            result(&lease, firsts[i] + k, 0, OUTCOME_OK);
        end(i + 1, JOURNAL_TRAINED, 0);
    }
    assert_true(sum().n_violations == 2);
    assert_non_null(strstr(ledger_violation(ledger, 0), "prompt 2 of order 1 was trained twice"));
    assert_non_null(strstr(ledger_violation(ledger, 1), "prompt 5 of order 1 was trained twice"));
}

static void test_the_same_prompt_in_another_order_is_fine(void **state)
{
    (void)state;
    reserve(1, 256);
    whole(1, 1, 7);
    whole(2, 2, 7); // the next epoch over the data
    end(1, JOURNAL_TRAINED, 0);
    end(2, JOURNAL_TRAINED, 0);
    assert_true(sum().is_balanced);
}

static void test_training_what_is_not_in_the_journal_is_found(void **state)
{
    (void)state;
    reserve(1, 256);
    const struct lease lease = lease_of(1, 1, 7);
    issue(&lease);
    result(&lease, 7, 0, OUTCOME_OK);
    result(&lease, 7, 1, OUTCOME_SCORER_ERROR); // says that there is none
    end(1, JOURNAL_TRAINED, 0);
    violated("trained with 1 of 2 samples in the journal");
}

static void test_records_that_should_not_be_there_are_found(void **state)
{
    (void)state;
    for (int what = 0; what < 7; what++) {
        teardown(NULL);
        setup(NULL);
        reserve(1, 256);
        const struct lease lease = whole(1, 1, 7), strange = lease_of(2, 1, 9),
                           unreserved = lease_of(257, 1, 9);
        const char *words[] = {"is journaled twice",      "which was not issued so",
                               "which was not issued so", "issued twice",
                               "without being issued",    "without being reserved",
                               "reserved twice"};
        if (what == 0) result(&lease, 7, 1, OUTCOME_OK);
        if (what == 1) result(&strange, 9, 0, OUTCOME_OK); // of no lease
        if (what == 2) result(&lease, 8, 0, OUTCOME_OK);   // of another prompt
        if (what == 3) issue(&lease);
        if (what == 4) end(5, JOURNAL_TRAINED, 0);
        if (what == 5) issue(&unreserved);
        if (what == 6) reserve(200, 256);
        assert_false(sum().is_balanced);
        assert_non_null(ledger_violation(ledger, 0));
        assert_non_null(strstr(ledger_violation(ledger, 0), words[what]));
    }
}

static void test_a_result_of_a_lease_that_had_ended_is_found(void **state)
{
    (void)state;
    reserve(1, 256);
    const struct lease lease = lease_of(1, 1, 7);
    issue(&lease);
    end(1, JOURNAL_RETURNED, LEASE_END_EXPIRED);
    result(&lease, 7, 0, OUTCOME_OK);
    violated("which had ended");
}

static void test_going_back_undoes_what_was_trained_after_the_checkpoint(void **state)
{
    (void)state;
    reserve(1, 256);
    whole(1, 1, 7);
    whole(2, 2, 8);
    whole(3, 2, 9);
    whole(4, 3, 10);
    end(1, JOURNAL_TRAINED, 0);
    end(2, JOURNAL_TRAINED, 0);
    end(3, JOURNAL_DROPPED, LEASE_END_ZERO_VARIANCE);
    note("resume at order 2");
    struct ledger_sum s = sum();
    assert_true(s.is_balanced && s.n_superseded == 2);
    assert_true(s.trained.leases == 1 && s.dropped.leases == 0 && s.in_flight.leases == 3);
    assert_true(s.dropped_by[LEASE_END_ZERO_VARIANCE].leases == 0);
    end(2, JOURNAL_TRAINED, 0); // served from the journal, trained once more
    end(3, JOURNAL_RETURNED, LEASE_END_RESTART);
    whole(5, 2, 9); // sampled anew
    end(5, JOURNAL_TRAINED, 0);
    s = sum();
    assert_true(s.is_balanced && s.trained.leases == 3 && s.in_flight.leases == 1);
}

static void test_a_repeat_without_going_back_is_a_violation(void **state)
{
    (void)state;
    reserve(1, 256);
    whole(1, 2, 7);
    end(1, JOURNAL_TRAINED, 0);
    note("resume at order 3"); // order 2 is over
    whole(2, 2, 7);
    end(2, JOURNAL_TRAINED, 0);
    violated("trained twice");
}

// --- the verb ---------------------------------------------------------------------------

static char folder[64];

// Writes the records to a run folder and runs the verb; what it prints is left in *text.
static int run_verb(int argc, char **argv, char *text, size_t text_bytes)
{
    char path[128];
    snprintf(path, sizeof path, "%s/out", folder);
    fflush(stdout);
    const int old = dup(STDOUT_FILENO), old_err = dup(STDERR_FILENO);
    const int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(old >= 0 && old_err >= 0 && fd >= 0);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    const int status = ledger_verb(argc, argv);
    fflush(stdout);
    dup2(old, STDOUT_FILENO);
    dup2(old_err, STDERR_FILENO);
    close(old);
    close(old_err);
    const ssize_t n = pread(fd, text, text_bytes - 1, 0);
    close(fd);
    assert_true(n >= 0);
    text[n] = 0;
    return status;
}

static void write_run(void)
{
    snprintf(folder, sizeof folder, "%s/argosy-ledger-XXXXXX", P_tmpdir);
    assert_non_null(mkdtemp(folder));
    struct journal *j = journal_start(folder, RUN, 1, 1u << 20, NULL, NULL, &err);
    assert_non_null(j);
    assert_int_equal(journal_commit(j, records.bytes, records.size_bytes, &err), 0);
    journal_stop(j);
}

static void test_the_verb_prints_the_sum_and_says_yes(void **state)
{
    (void)state;
    char name[] = "ledger", json[] = "--json", text[4096];
    reserve(1, 256);
    whole(1, 1, 7);
    end(1, JOURNAL_TRAINED, 0);
    write_run();
    char *plain[] = {name, folder}, *as_json[] = {name, folder, json};
    assert_int_equal(run_verb(2, plain, text, sizeof text), 0);
    assert_non_null(strstr(text, "balanced     yes"));
    assert_int_equal(run_verb(3, as_json, text, sizeof text), 0);
    struct json_document *document = json_parse(text, strlen(text), "ledger", &err);
    assert_non_null(document);
    const struct json root = json_root(document);
    uint64_t trained = 0;
    bool is_balanced = false;
    assert_int_equal(json_get_u64(root, "trained", 100, &trained, &err), 0);
    assert_int_equal(json_get_bool(root, "balanced", &is_balanced, &err), 0);
    assert_true(trained == 1 && is_balanced);
    json_destroy(document);
    assert_int_equal(file_remove_tree(folder, &err), 0);
}

static void test_the_verb_fails_when_the_sum_does(void **state)
{
    (void)state;
    char name[] = "ledger", text[4096];
    reserve(1, 256);
    const struct lease lease = lease_of(1, 1, 7);
    issue(&lease);
    end(1, JOURNAL_TRAINED, 0);
    write_run();
    char *argv[] = {name, folder};
    assert_int_equal(run_verb(2, argv, text, sizeof text), 1);
    assert_non_null(strstr(text, "violation: lease 1 was trained with 0 of 2"));
    assert_non_null(strstr(text, "balanced     no"));
    assert_int_equal(run_verb(1, argv, text, sizeof text), 2);
    char nowhere[] = "/nonexistent/run";
    char *absent[] = {name, nowhere};
    assert_int_equal(run_verb(2, absent, text, sizeof text), 1);
    assert_non_null(strstr(text, nowhere));
    assert_int_equal(file_remove_tree(folder, &err), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_every_lease_is_in_one_place),
        TEST(test_an_empty_journal_balances),
        TEST(test_a_lease_that_ends_twice_does_not_balance),
        TEST(test_a_prompt_trained_twice_in_an_order_is_found),
        TEST(test_ranges_of_documents_that_overlap_are_found),
        TEST(test_the_same_prompt_in_another_order_is_fine),
        TEST(test_training_what_is_not_in_the_journal_is_found),
        TEST(test_records_that_should_not_be_there_are_found),
        TEST(test_a_result_of_a_lease_that_had_ended_is_found),
        TEST(test_going_back_undoes_what_was_trained_after_the_checkpoint),
        TEST(test_a_repeat_without_going_back_is_a_violation),
        TEST(test_the_verb_prints_the_sum_and_says_yes),
        TEST(test_the_verb_fails_when_the_sum_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
