#define _XOPEN_SOURCE 700 // P_tmpdir

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "proto/journal_format.h"
#include "tests/support/random_message.h"

#define RUN 0xfeedface12345678u
#define N_RECORDS 7 // that write_records() writes

static char folder[64];
static struct wire_buffer out, encoded;
static struct random_message made;

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s/argosy-journal-XXXXXX", P_tmpdir);
    wire_buffer_init(&out);
    wire_buffer_init(&encoded);
    return mkdtemp(folder) == NULL;
}

static int teardown(void **state)
{
    (void)state;
    struct err err;
    wire_buffer_fini(&out);
    wire_buffer_fini(&encoded);
    return file_remove_tree(folder, &err);
}

static void save(uint32_t segment, const void *bytes, size_t size_bytes)
{
    char path[128];
    snprintf(path, sizeof path, "%s/" JOURNAL_SEGMENT_NAME, folder, segment);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size_bytes, file), size_bytes);
    assert_int_equal(fclose(file), 0);
}

static void begin(uint32_t epoch, uint32_t segment)
{
    out.size_bytes = 0;
    journal_encode_segment(&out, RUN, epoch, segment);
}

static struct lease some_lease(void)
{
    return (struct lease){.id = 100,
                          .kind = LEASE_EVAL,
                          .step = UINT64_MAX,
                          .prompt_first = 5,
                          .n_prompts = 1,
                          .n_samples = 16,
                          .weights_version = 3,
                          .seed = 77,
                          .temperature = 0.6f,
                          .top_p = 0.95f,
                          .top_k = 50,
                          .max_new_tokens = 512,
                          .timeout_ms = 15000};
}

// One record of each type, sequences first .. first + N_RECORDS - 1.
static void write_records(uint64_t first)
{
    random_message_make(&made, MESSAGE_RESULT, 11, (uint32_t)first);
    wire_encode(&encoded, &made.message);
    struct journal_issued issued = {some_lease()};
    journal_encode_reserved(&out, first, &(struct journal_reserved){100, 64});
    journal_encode_issued(&out, first + 1, &issued);
    journal_encode_result(&out, first + 2, &encoded.frames);
    journal_encode_end(&out, first + 3, JOURNAL_TRAINED, &(struct journal_end){100, 12, 0});
    journal_encode_end(&out, first + 4, JOURNAL_DROPPED,
                       &(struct journal_end){101, 0, LEASE_END_ZERO_VARIANCE});
    journal_encode_end(&out, first + 5, JOURNAL_RETURNED,
                       &(struct journal_end){102, 0, LEASE_END_EXPIRED});
    journal_encode_note(&out, first + 6, "determinism: void(scorer)");
}

// How many records are read; *last is what the read ended with, 0 or -1.
static int count_records(int *last, struct err *err, struct journal_position *position)
{
    struct journal_record record;
    struct journal_reader *r = journal_open(folder, err);
    int n = 0;
    assert_non_null(r);
    while ((*last = journal_next(r, &record, err)) == 1)
        n++;
    if (position != NULL) *position = journal_position(r);
    journal_close(r);
    return n;
}

static void expect_damage(const char *word)
{
    struct err err = {0};
    int last = 0;
    count_records(&last, &err, NULL);
    assert_int_equal(last, -1);
    assert_int_equal(err.code, ERR_FORMAT);
    if (strstr(err.text, word) == NULL) fail_msg("'%s' does not say '%s'", err.text, word);
}

// --- what is written is read ---------------------------------------------------------------------

static void expect_next(struct journal_reader *r, struct journal_record *record, uint32_t type)
{
    struct err err = {0};
    if (journal_next(r, record, &err) != 1) fail_msg("no record: %s", err.text);
    assert_int_equal(record->type, type);
}

static void expect_records(struct journal_reader *r)
{
    struct journal_record record;
    struct journal_reserved reserved;
    struct journal_issued issued;
    struct journal_end end;
    struct message message;
    struct err err = {0};
    char text[64];

    expect_next(r, &record, JOURNAL_RESERVED);
    assert_int_equal(journal_decode_reserved(&record, &reserved, &err), 0);
    assert_true(reserved.first == 100 && reserved.count == 64);
    expect_next(r, &record, JOURNAL_ISSUED);
    assert_int_equal(journal_decode_issued(&record, &issued, &err), 0);
    struct lease want = some_lease();
    assert_true(
        issued.lease.id == want.id && issued.lease.kind == want.kind &&
        issued.lease.step == want.step && issued.lease.prompt_first == want.prompt_first &&
        issued.lease.n_prompts == want.n_prompts && issued.lease.n_samples == want.n_samples &&
        issued.lease.weights_version == want.weights_version && issued.lease.seed == want.seed &&
        issued.lease.temperature == want.temperature && issued.lease.top_p == want.top_p &&
        issued.lease.top_k == want.top_k && issued.lease.max_new_tokens == want.max_new_tokens &&
        issued.lease.timeout_ms == want.timeout_ms);
    expect_next(r, &record, JOURNAL_RESULT);
    random_message_make(&made, MESSAGE_RESULT, 11, (uint32_t)record.sequence - 2);
    assert_int_equal(journal_decode_result(&record, &message, &err), 0);
    assert_true(message_is_same(&message, &made.message));
    expect_next(r, &record, JOURNAL_TRAINED);
    assert_int_equal(journal_decode_end(&record, &end, &err), 0);
    assert_true(end.lease == 100 && end.step == 12 && end.reason == 0);
    expect_next(r, &record, JOURNAL_DROPPED);
    assert_int_equal(journal_decode_end(&record, &end, &err), 0);
    assert_true(end.lease == 101 && end.reason == LEASE_END_ZERO_VARIANCE);
    expect_next(r, &record, JOURNAL_RETURNED);
    assert_int_equal(journal_decode_end(&record, &end, &err), 0);
    assert_true(end.lease == 102 && end.reason == LEASE_END_EXPIRED);
    expect_next(r, &record, JOURNAL_NOTE);
    assert_int_equal(journal_decode_note(&record, text, sizeof text, &err), 0);
    assert_string_equal(text, "determinism: void(scorer)");
    assert_int_equal(journal_decode_note(&record, text, 12, &err), 0);
    assert_string_equal(text, "determinism");
}

static void test_records_are_read_as_they_were_written_through_all_segments(void **state)
{
    (void)state;
    for (uint32_t segment = 1; segment <= 30; segment++) {
        begin(segment / 10, segment);
        write_records(1 + (segment - 1) * N_RECORDS);
        save(segment, out.bytes, out.size_bytes);
    }
    struct err err = {0};
    struct journal_record record;
    struct journal_reader *r = journal_open(folder, &err);
    assert_non_null(r);
    for (uint32_t segment = 1; segment <= 30; segment++)
        expect_records(r);
    assert_int_equal(journal_next(r, &record, &err), 0);
    struct journal_position at = journal_position(r);
    assert_true(at.segment == 30 && at.epoch == 3 && at.run == RUN && !at.is_torn);
    assert_true(at.sequence == 30 * N_RECORDS + 1 && at.offset == out.size_bytes);
    journal_close(r);
}

static void test_an_empty_folder_is_an_empty_journal_and_no_folder_an_error(void **state)
{
    (void)state;
    struct err err = {0};
    struct journal_position at;
    int last = 1;
    assert_int_equal(count_records(&last, &err, &at), 0);
    assert_int_equal(last, 0);
    assert_true(at.segment == 0 && at.sequence == 1);
    assert_null(journal_open("no/such/folder", &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "no/such/folder"));
}

static void test_a_reader_at_the_end_sees_what_is_appended_later(void **state)
{
    (void)state;
    struct err err = {0};
    struct journal_record record;
    begin(1, 1);
    write_records(1);
    size_t whole = out.size_bytes;
    save(1, out.bytes, whole);
    struct journal_reader *r = journal_open(folder, &err);
    expect_records(r);
    assert_int_equal(journal_next(r, &record, &err), 0);
    write_records(1 + N_RECORDS);
    save(1, out.bytes, whole + 10); // half a record, as it may be seen under way
    assert_int_equal(journal_next(r, &record, &err), 0);
    assert_true(journal_position(r).is_torn);
    save(1, out.bytes, out.size_bytes);
    expect_records(r);
    assert_int_equal(journal_next(r, &record, &err), 0);
    assert_false(journal_position(r).is_torn);
    begin(1, 2);
    write_records(1 + 2 * N_RECORDS);
    save(2, out.bytes, out.size_bytes);
    expect_records(r);
    journal_close(r);
}

// --- torn tails ----------------------------------------------------------------------------------

static void test_a_tail_cut_at_any_byte_ends_the_journal_there(void **state)
{
    (void)state;
    begin(1, 1);
    size_t borders[N_RECORDS + 1]; // where record i begins
    write_records(1);
    size_t at = JOURNAL_SEGMENT_BYTES;
    for (int i = 0; i <= N_RECORDS; i++) {
        borders[i] = at;
        uint32_t payload_bytes = 0;
        if (i < N_RECORDS) memcpy(&payload_bytes, out.bytes + at, sizeof payload_bytes);
        at += JOURNAL_RECORD_BYTES + (payload_bytes + 7u) / 8 * 8;
    }
    assert_int_equal(borders[N_RECORDS], out.size_bytes);
    for (size_t size = 0; size <= out.size_bytes; size++) {
        struct err err = {0};
        struct journal_position end;
        int last = 1, want = 0;
        while (want < N_RECORDS && borders[want + 1] <= size)
            want++;
        save(1, out.bytes, size);
        assert_int_equal(count_records(&last, &err, &end), want);
        assert_int_equal(last, 0);
        bool has_header = size >= JOURNAL_SEGMENT_BYTES;
        assert_int_equal(end.offset, has_header ? borders[want] : 0);
        assert_int_equal(end.is_torn, size != end.offset);
        assert_int_equal(end.sequence, want + 1);
    }
}

static void test_any_changed_byte_of_the_last_record_ends_the_journal_before_it(void **state)
{
    (void)state;
    begin(1, 1);
    write_records(1);
    size_t last_record = out.size_bytes - JOURNAL_RECORD_BYTES - 32; // the note: 25 bytes, padded
    for (size_t at = last_record; at < last_record + JOURNAL_RECORD_BYTES + 25; at++) {
        struct err err = {0};
        int last = 1;
        out.bytes[at] ^= 0x10;
        save(1, out.bytes, out.size_bytes);
        assert_int_equal(count_records(&last, &err, NULL), N_RECORDS - 1);
        assert_int_equal(last, 0);
        out.bytes[at] ^= 0x10;
    }
}

static void test_zeros_after_the_last_record_are_a_torn_tail(void **state)
{
    (void)state;
    begin(1, 1);
    write_records(1);
    size_t whole = out.size_bytes;
    memset(wire_buffer_take(&out, 4096), 0, 4096);
    save(1, out.bytes, out.size_bytes);
    struct err err = {0};
    struct journal_position end;
    int last = 1;
    assert_int_equal(count_records(&last, &err, &end), N_RECORDS);
    assert_true(last == 0 && end.is_torn && end.offset == whole);
}

// --- damage --------------------------------------------------------------------------------------

static void test_a_changed_byte_with_valid_records_after_it_is_damage(void **state)
{
    (void)state;
    begin(1, 1);
    write_records(1);
    for (size_t at = JOURNAL_SEGMENT_BYTES; at < JOURNAL_SEGMENT_BYTES + 40; at++) {
        out.bytes[at] ^= 0x04;
        save(1, out.bytes, out.size_bytes);
        expect_damage("000001.journal, byte 24");
        out.bytes[at] ^= 0x04;
    }
}

static void test_a_torn_tail_before_a_later_segment_is_damage(void **state)
{
    (void)state;
    begin(1, 1);
    write_records(1);
    save(1, out.bytes, out.size_bytes - 8);
    begin(1, 2);
    write_records(1 + N_RECORDS);
    save(2, out.bytes, out.size_bytes);
    expect_damage("later segments exist");
}

static void test_a_record_or_a_segment_that_is_missing_is_damage(void **state)
{
    (void)state;
    begin(1, 1);
    write_records(1);
    save(1, out.bytes, out.size_bytes);
    begin(1, 2);
    write_records(2 + N_RECORDS);
    save(2, out.bytes, out.size_bytes);
    expect_damage("a record is missing");
    begin(1, 3);
    save(3, out.bytes, out.size_bytes);
    char path[128];
    snprintf(path, sizeof path, "%s/" JOURNAL_SEGMENT_NAME, folder, 2u);
    assert_int_equal(unlink(path), 0);
    expect_damage("segment 2 is missing");
}

static void test_segments_that_do_not_belong_together_are_damage(void **state)
{
    (void)state;
    begin(5, 1);
    write_records(1);
    save(1, out.bytes, out.size_bytes);
    out.size_bytes = 0;
    journal_encode_segment(&out, RUN + 1, 5, 2);
    save(2, out.bytes, out.size_bytes);
    expect_damage("another run");
    begin(4, 2);
    save(2, out.bytes, out.size_bytes);
    expect_damage("earlier epoch");
    begin(5, 3);
    save(2, out.bytes, out.size_bytes);
    expect_damage("its number");
    begin(5, 2);
    out.bytes[4] = JOURNAL_VERSION + 1;
    save(2, out.bytes, out.size_bytes);
    expect_damage("version");
    save(2, "this is not a journal at all, but text", 38);
    expect_damage("not a segment");
}

static void test_payloads_that_are_too_short_or_lie_are_refused(void **state)
{
    (void)state;
    struct err err = {0};
    struct message message;
    struct journal_issued issued;
    begin(1, 1);
    write_records(1);
    // The RESULT is the third record.
    size_t at = JOURNAL_SEGMENT_BYTES + 2 * JOURNAL_RECORD_BYTES + 16 + 72;
    uint32_t whole;
    memcpy(&whole, out.bytes + at, sizeof whole);
    for (uint32_t n = 0; n <= whole; n += n < 100 || n + 20 > whole ? 1 : 8) {
        unsigned char *cut = malloc(n > 0 ? n : 1);
        memcpy(cut, out.bytes + at + JOURNAL_RECORD_BYTES, n);
        struct journal_record record = {JOURNAL_RESULT, 3, cut, n};
        assert_int_equal(journal_decode_result(&record, &message, &err), n == whole ? 0 : -1);
        if (n >= 4) {
            cut[0] ^= 0x40; // another number of frames
            assert_int_equal(journal_decode_result(&record, &message, &err), -1);
        }
        free(cut);
    }
    struct journal_record record = {JOURNAL_ISSUED, 2, out.bytes, 71};
    assert_int_equal(journal_decode_issued(&record, &issued, &err), -1);
    assert_non_null(strstr(err.text, "record 2"));
}

static void test_every_reason_has_a_name(void **state)
{
    (void)state;
    for (uint32_t i = LEASE_END_EXPIRED; i <= LEASE_END_NONFINITE; i++)
        assert_string_not_equal(lease_end_name(i), "unknown");
    assert_string_equal(lease_end_name(0), "unknown");
    assert_string_equal(lease_end_name(1000), "unknown");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_records_are_read_as_they_were_written_through_all_segments),
        TEST(test_an_empty_folder_is_an_empty_journal_and_no_folder_an_error),
        TEST(test_a_reader_at_the_end_sees_what_is_appended_later),
        TEST(test_a_tail_cut_at_any_byte_ends_the_journal_there),
        TEST(test_any_changed_byte_of_the_last_record_ends_the_journal_before_it),
        TEST(test_zeros_after_the_last_record_are_a_torn_tail),
        TEST(test_a_changed_byte_with_valid_records_after_it_is_damage),
        TEST(test_a_torn_tail_before_a_later_segment_is_damage),
        TEST(test_a_record_or_a_segment_that_is_missing_is_damage),
        TEST(test_segments_that_do_not_belong_together_are_damage),
        TEST(test_payloads_that_are_too_short_or_lie_are_refused),
        TEST(test_every_reason_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
