#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "proto/journal_format.h"
#include "proto/little_endian.h"
#include "tests/support/random_message.h"

#define RUN 0x1122334455667788u
#define EPOCH 3
#define SEED 4711

static char folder[64];
static struct wire_buffer segment; // what a test is writing
static struct wire_buffer message_bytes;
static struct random_message made;

static int begin(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "build/test-journal-XXXXXX");
    wire_buffer_init(&segment);
    wire_buffer_init(&message_bytes);
    return mkdtemp(folder) == NULL;
}

static int end(void **state)
{
    (void)state;
    struct err err;
    wire_buffer_fini(&segment);
    wire_buffer_fini(&message_bytes);
    return file_remove_tree(folder, &err);
}

static const char *segment_path(uint32_t number)
{
    static char path[128];
    int n = snprintf(path, sizeof path, "%s/", folder);
    snprintf(path + n, sizeof path - (size_t)n, JOURNAL_SEGMENT_NAME, number);
    return path;
}

static void write_bytes(uint32_t number, const unsigned char *bytes, size_t size_bytes)
{
    FILE *file = fopen(segment_path(number), "wbe");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size_bytes, file), size_bytes);
    assert_int_equal(fclose(file), 0);
}

static void write_segment(uint32_t number)
{
    write_bytes(number, segment.bytes, segment.size_bytes);
}

static struct journal_reader *open_journal(void)
{
    struct err err = {0};
    struct journal_reader *r = journal_open(folder, &err);
    if (r == NULL) fail_msg("%s", err.text);
    return r;
}

static void assert_next(struct journal_reader *r, struct journal_record *record, uint32_t type)
{
    struct err err = {0};
    if (journal_next(r, record, &err) != 1) fail_msg("no record: %s", err.text);
    assert_int_equal(record->type, type);
    assert_int_equal((uintptr_t)record->payload % 8, 0);
}

static void assert_end(struct journal_reader *r)
{
    struct journal_record record;
    struct err err = {0};
    int rc = journal_next(r, &record, &err);
    if (rc != 0) fail_msg("not the end but %d: %s", rc, err.text);
}

// Fails after n good records, with all of the words in its text.
static void assert_damage_after(uint32_t n, const char *name, size_t offset, const char *words)
{
    struct journal_reader *r = open_journal();
    struct journal_record record;
    struct err err = {0};
    char place[64];
    snprintf(place, sizeof place, "byte %zu", offset);
    for (uint32_t i = 0; i < n; i++)
        assert_int_equal(journal_next(r, &record, &err), 1);
    assert_int_equal(journal_next(r, &record, &err), -1);
    if (strstr(err.text, name) == NULL || strstr(err.text, place) == NULL ||
        strstr(err.text, words) == NULL)
        fail_msg("\"%s\" names not %s, %s, %s", err.text, name, place, words);
    journal_close(r);
}

static const struct lease a_lease = {.id = 71,
                                     .kind = LEASE_EVAL,
                                     .step = 72,
                                     .prompt_first = UINT64_MAX - 5,
                                     .n_prompts = 1,
                                     .n_samples = 16,
                                     .n_parts = 4,
                                     .weights_version = 73,
                                     .seed = 0xfedcba9876543210u,
                                     .temperature = 0.7f,
                                     .top_p = 0.95f,
                                     .top_k = 40,
                                     .max_new_tokens = 512,
                                     .timeout_ms = 30000};

static void append_notes(uint64_t sequence, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        char text[64];
        snprintf(text, sizeof text, "note %llu", (unsigned long long)(sequence + i));
        journal_encode_note(&segment, sequence + i, text);
    }
}

static void begin_segment(uint32_t number, uint32_t epoch)
{
    segment.size_bytes = 0;
    journal_encode_segment(&segment, RUN, epoch, number);
}

// --- records -------------------------------------------------------------------------------------

static void assert_ends_come_back(struct journal_reader *r)
{
    struct journal_record record;
    struct journal_end got;
    struct err err;
    static const uint32_t types[] = {JOURNAL_RETURNED, JOURNAL_TRAINED, JOURNAL_DROPPED};
    for (uint32_t i = 0; i < 3; i++) {
        assert_next(r, &record, types[i]);
        assert_int_equal(journal_decode_end(&record, &got, &err), 0);
        assert_true(got.lease == 100 + i && got.step == UINT64_MAX - i && got.reason == i);
    }
}

static void test_every_record_comes_back(void **state)
{
    (void)state;
    struct journal_reserved reserved = {10, 1000}, got_reserved;
    struct journal_issued issued = {a_lease}, got_issued;
    struct err err = {0};
    begin_segment(1, EPOCH);
    journal_encode_reserved(&segment, 1, &reserved);
    journal_encode_issued(&segment, 2, &issued);
    for (uint32_t i = 0; i < 3; i++) {
        struct journal_end v = {.lease = 100 + i, .step = UINT64_MAX - i, .reason = i};
        journal_encode_end(&segment, 3 + i, JOURNAL_RETURNED + i, &v);
    }
    journal_encode_note(&segment, 6, "determinism: void");
    journal_encode_note(&segment, 7, "");
    write_segment(1);

    struct journal_reader *r = open_journal();
    struct journal_record record;
    assert_next(r, &record, JOURNAL_RESERVED);
    assert_int_equal(journal_decode_reserved(&record, &got_reserved, &err), 0);
    assert_true(got_reserved.first == 10 && got_reserved.count == 1000);
    assert_next(r, &record, JOURNAL_ISSUED);
    assert_int_equal(journal_decode_issued(&record, &got_issued, &err), 0);
    struct message wrote = {.type = MESSAGE_LEASE, .lease = a_lease};
    struct message read = {.type = MESSAGE_LEASE, .lease = got_issued.lease};
    assert_true(message_is_same(&wrote, &read));
    assert_ends_come_back(r);
    char text[8];
    assert_next(r, &record, JOURNAL_NOTE);
    assert_int_equal(journal_decode_note(&record, text, sizeof text, &err), 0);
    assert_string_equal(text, "determi"); // cut to fit
    assert_next(r, &record, JOURNAL_NOTE);
    assert_int_equal(record.payload_bytes, 0);
    assert_int_equal(record.sequence, 7);
    assert_end(r);
    journal_close(r);
}

static void test_results_come_back_as_they_were_received(void **state)
{
    (void)state;
    begin_segment(1, EPOCH);
    for (uint32_t i = 0; i < 40; i++) {
        random_message_make(&made, MESSAGE_RESULT, SEED, i);
        wire_encode(&message_bytes, &made.message);
        journal_encode_result(&segment, i + 1, &message_bytes.frames);
    }
    write_segment(1);
    struct journal_reader *r = open_journal();
    for (uint32_t i = 0; i < 40; i++) {
        struct journal_record record;
        struct message got;
        struct frames frames;
        struct err err = {0};
        random_message_make(&made, MESSAGE_RESULT, SEED, i);
        wire_encode(&message_bytes, &made.message);
        assert_next(r, &record, JOURNAL_RESULT);
        if (journal_decode_result(&record, &got, &err) != 0) fail_msg("%s", err.text);
        assert_true(message_is_same(&made.message, &got));
        assert_int_equal(journal_result_frames(&record, &frames, &err), 0);
        assert_int_equal(frames.n, message_bytes.frames.n);
        for (uint32_t k = 0; k < frames.n; k++)
            assert_memory_equal(frames.frame[k].bytes, message_bytes.frames.frame[k].bytes,
                                frames.frame[k].size_bytes);
    }
    assert_end(r);
    journal_close(r);
}

// Bytes that a program in another language must produce: README.md spelled out.
static void test_the_bytes_are_those_of_the_description(void **state)
{
    (void)state;
    struct journal_issued issued = {a_lease};
    begin_segment(2, EPOCH);
    journal_encode_issued(&segment, 9, &issued);
    const unsigned char *at = segment.bytes;
    assert_memory_equal(at, "ARGJ\1\0\0\0\x88\x77\x66\x55\x44\x33\x22\x11\3\0\0\0\2\0\0\0", 24);
    at += 24;
    assert_memory_equal(at, "\x50\0\0\0\2\0\0\0\x09\0\0\0\0\0\0\0", 16); // 80 bytes, ISSUED, 9
    assert_true(get_u64(at + 16) == journal_record_checksum(at, at + 24));
    assert_int_equal(segment.size_bytes, 24 + 24 + 80);
    at += 24;
    assert_true(get_u64(at) == 71 && get_u64(at + 8) == 72 && get_u64(at + 16) == UINT64_MAX - 5);
    assert_true(get_u64(at + 24) == 73 && get_u32(at + 40) == LEASE_EVAL);
    assert_memory_equal(at + 64, "\x33\x33\x33\x3f", 4); // 0.7f
    assert_int_equal(get_u32(at + 72), 4);
}

static void test_unknown_types_are_handed_out_and_longer_payloads_read_as_far_as_known(void **state)
{
    (void)state;
    struct journal_end v = {.lease = 5, .step = 6}, got;
    begin_segment(1, EPOCH);
    append_notes(1, 1);
    size_t record = segment.size_bytes;
    journal_encode_note(&segment, 2, "eight by");
    put_u16(segment.bytes + record + 4, 77); // a type of the future
    put_u64(segment.bytes + record + 16,
            journal_record_checksum(segment.bytes + record, segment.bytes + record + 24));
    record = segment.size_bytes;
    journal_encode_end(&segment, 3, JOURNAL_TRAINED, &v);
    memset(wire_buffer_take(&segment, 16), 0xab, 16); // further members
    put_u32(segment.bytes + record, 24 + 16);
    put_u64(segment.bytes + record + 16,
            journal_record_checksum(segment.bytes + record, segment.bytes + record + 24));
    append_notes(4, 1);
    write_segment(1);

    struct journal_reader *r = open_journal();
    struct journal_record out;
    struct err err = {0};
    assert_next(r, &out, JOURNAL_NOTE);
    assert_next(r, &out, 77);
    assert_next(r, &out, JOURNAL_TRAINED);
    assert_int_equal(journal_decode_end(&out, &got, &err), 0);
    assert_true(got.lease == 5 && got.step == 6);
    assert_next(r, &out, JOURNAL_NOTE);
    assert_end(r);
    journal_close(r);
}

static void test_short_payloads_are_refused(void **state)
{
    (void)state;
    _Alignas(8) unsigned char payload[128] = {0};
    struct journal_record record = {.sequence = 8, .payload = payload};
    struct journal_reserved reserved;
    struct journal_issued issued;
    struct journal_end v;
    struct frames frames;
    struct err err;
    record.payload_bytes = 15;
    assert_int_equal(journal_decode_reserved(&record, &reserved, &err), -1);
    record.payload_bytes = 71;
    assert_int_equal(journal_decode_issued(&record, &issued, &err), -1);
    record.payload_bytes = 23;
    assert_int_equal(journal_decode_end(&record, &v, &err), -1);
    assert_non_null(strstr(err.text, "record 8"));
    record.payload_bytes = 7;
    assert_int_equal(journal_result_frames(&record, &frames, &err), -1);

    record.payload_bytes = sizeof payload;
    put_u32(payload, FRAMES_MAX + 1);
    assert_int_equal(journal_result_frames(&record, &frames, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    put_u32(payload, 2);
    static const uint32_t sizes[] = {UINT32_MAX, UINT32_MAX - 6, sizeof payload, 113};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        put_u32(payload + 8, sizes[i]);
        assert_int_equal(journal_result_frames(&record, &frames, &err), -1);
    }
    put_u32(payload + 8, 112); // 16 and 112: exactly all
    assert_int_equal(journal_result_frames(&record, &frames, &err), 0);
}

// --- torn tails and damage -----------------------------------------------------------------------

static void assert_torn_after(uint32_t n, size_t offset)
{
    struct journal_reader *r = open_journal();
    struct journal_record record;
    for (uint32_t i = 0; i < n; i++)
        assert_next(r, &record, JOURNAL_NOTE);
    assert_end(r);
    struct journal_position p = journal_position(r);
    assert_true(p.is_torn && p.segment == 1 && p.offset == offset && p.sequence == n + 1);
    journal_close(r);
}

static void test_a_tail_cut_at_any_byte_ends_the_journal_before_it(void **state)
{
    (void)state;
    begin_segment(1, EPOCH);
    append_notes(1, 3);
    size_t last = segment.size_bytes;
    append_notes(4, 1);
    for (size_t size = last + 1; size < segment.size_bytes; size++) {
        write_bytes(1, segment.bytes, size);
        assert_torn_after(3, last);
    }
    write_segment(1);
    struct journal_reader *r = open_journal();
    struct journal_record record;
    for (uint32_t i = 0; i < 4; i++)
        assert_next(r, &record, JOURNAL_NOTE);
    assert_end(r);
    assert_false(journal_position(r).is_torn);
    assert_int_equal(journal_position(r).offset, segment.size_bytes);
    journal_close(r);
}

static void test_a_last_record_with_any_byte_changed_or_lost_to_zeros_is_a_torn_tail(void **state)
{
    (void)state;
    begin_segment(1, EPOCH);
    append_notes(1, 3);
    size_t last = segment.size_bytes;
    append_notes(4, 1);
    size_t covered = last + JOURNAL_RECORD_BYTES + get_u32(segment.bytes + last);
    for (size_t at = last; at < covered; at++) {
        segment.bytes[at] ^= 0x10;
        write_segment(1);
        assert_torn_after(3, last);
        segment.bytes[at] ^= 0x10;
    }
    memset(segment.bytes + last, 0, segment.size_bytes - last); // size on disk, data not
    write_segment(1);
    assert_torn_after(3, last);
}

static void test_damage_in_the_middle_is_an_error_with_segment_and_byte(void **state)
{
    (void)state;
    begin_segment(1, EPOCH);
    append_notes(1, 2);
    size_t hit = segment.size_bytes;
    append_notes(3, 1);
    size_t covered = hit + JOURNAL_RECORD_BYTES + get_u32(segment.bytes + hit);
    append_notes(4, 2);
    for (size_t at = hit; at < covered; at++) {
        segment.bytes[at] ^= 0x01;
        write_segment(1);
        assert_damage_after(2, "000001.journal", hit, "valid ones follow");
        segment.bytes[at] ^= 0x01;
    }
}

static void test_a_torn_segment_that_is_not_the_last_is_damage(void **state)
{
    (void)state;
    begin_segment(1, EPOCH);
    append_notes(1, 2);
    size_t last = segment.size_bytes;
    append_notes(3, 1);
    write_bytes(1, segment.bytes, segment.size_bytes - 1);
    begin_segment(2, EPOCH + 1);
    write_segment(2);
    assert_damage_after(2, "000001.journal", last, "later segments exist");
}

static void test_a_missing_or_repeated_record_is_damage(void **state)
{
    (void)state;
    begin_segment(1, EPOCH);
    append_notes(1, 2);
    size_t gap = segment.size_bytes;
    append_notes(4, 1);
    write_segment(1);
    assert_damage_after(2, "000001.journal", gap, "missing");
    begin_segment(1, EPOCH);
    append_notes(1, 2);
    append_notes(2, 1);
    write_segment(1);
    assert_damage_after(2, "000001.journal", gap, "missing");
}

// --- segments ------------------------------------------------------------------------------------

static void test_segments_are_read_in_the_order_of_their_numbers(void **state)
{
    (void)state;
    for (uint32_t number = 12; number >= 1; number--) { // written last to first
        begin_segment(number, EPOCH + number / 4);
        append_notes(1 + 5 * (number - 1), 5);
        write_segment(number);
    }
    struct journal_reader *r = open_journal();
    struct journal_record record;
    for (uint64_t i = 1; i <= 60; i++) {
        assert_next(r, &record, JOURNAL_NOTE);
        assert_int_equal(record.sequence, i);
        assert_int_equal(journal_position(r).segment, (i - 1) / 5 + 1);
    }
    assert_end(r);
    assert_true(journal_position(r).run == RUN && journal_position(r).epoch == EPOCH + 3);
    journal_close(r);
}

static void test_a_missing_segment_is_named(void **state)
{
    (void)state;
    begin_segment(1, EPOCH);
    append_notes(1, 1);
    write_segment(1);
    begin_segment(3, EPOCH);
    append_notes(3, 1);
    write_segment(3);
    struct journal_reader *r = open_journal();
    struct journal_record record;
    struct err err = {0};
    assert_next(r, &record, JOURNAL_NOTE);
    assert_int_equal(journal_next(r, &record, &err), -1);
    assert_non_null(strstr(err.text, "segment 2 is missing"));
    journal_close(r);
}

static void test_a_header_that_does_not_fit_is_an_error(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        unsigned char change;
        const char *words;
    } cases[] = {{0, 1, "not a segment"},
                 {4, 2, "a version"},
                 {8, 1, "another run"},
                 {16, 7, "earlier epoch"}, // 3 ^ 7 = 4 before 3
                 {20, 8, "its number"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool is_epoch = cases[i].at == 16;
        begin_segment(1, EPOCH);
        if (is_epoch) segment.bytes[16] ^= cases[i].change;
        append_notes(1, 1);
        write_segment(1);
        begin_segment(2, EPOCH);
        if (!is_epoch) segment.bytes[cases[i].at] ^= cases[i].change;
        append_notes(2, 1);
        write_segment(2);
        assert_damage_after(1, "000002.journal", 0, cases[i].words);
    }
}

static void test_a_segment_whose_header_is_not_whole_ends_the_journal(void **state)
{
    (void)state;
    begin_segment(1, EPOCH);
    append_notes(1, 2);
    write_segment(1);
    begin_segment(2, EPOCH + 1);
    for (size_t size = 0; size < JOURNAL_SEGMENT_BYTES; size++) {
        write_bytes(2, segment.bytes, size);
        struct journal_reader *r = open_journal();
        struct journal_record record;
        assert_next(r, &record, JOURNAL_NOTE);
        assert_next(r, &record, JOURNAL_NOTE);
        assert_end(r);
        struct journal_position p = journal_position(r);
        assert_true(p.segment == 2 && p.offset == 0 && p.sequence == 3);
        assert_true(p.is_torn == (size > 0));
        journal_close(r);
    }
}

static void test_a_reader_sees_what_is_appended_after_the_end(void **state)
{
    (void)state;
    struct journal_reader *r = open_journal();
    struct journal_record record;
    assert_end(r);
    assert_int_equal(journal_position(r).segment, 0);
    begin_segment(1, EPOCH);
    write_segment(1);
    assert_end(r);
    append_notes(1, 2);
    write_bytes(1, segment.bytes, segment.size_bytes - 3);
    assert_next(r, &record, JOURNAL_NOTE);
    assert_end(r);
    write_segment(1); // the half record is whole now
    assert_next(r, &record, JOURNAL_NOTE);
    assert_end(r);
    begin_segment(2, EPOCH);
    append_notes(3, 1);
    write_segment(2);
    assert_next(r, &record, JOURNAL_NOTE);
    assert_int_equal(record.sequence, 3);
    assert_end(r);
    journal_close(r);
}

static void test_a_folder_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct err err = {0};
    assert_null(journal_open("build/no-such-journal", &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "build/no-such-journal"));
}

static void test_every_reason_has_a_name(void **state)
{
    (void)state;
    for (uint32_t i = LEASE_END_EXPIRED; i <= LEASE_END_NONFINITE; i++)
        assert_string_not_equal(lease_end_name(i), "unknown");
    assert_string_equal(lease_end_name(0), "unknown");
    assert_string_equal(lease_end_name(1000), "unknown");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_every_record_comes_back),
        TEST(test_results_come_back_as_they_were_received),
        TEST(test_the_bytes_are_those_of_the_description),
        TEST(test_unknown_types_are_handed_out_and_longer_payloads_read_as_far_as_known),
        TEST(test_short_payloads_are_refused),
        TEST(test_a_tail_cut_at_any_byte_ends_the_journal_before_it),
        TEST(test_a_last_record_with_any_byte_changed_or_lost_to_zeros_is_a_torn_tail),
        TEST(test_damage_in_the_middle_is_an_error_with_segment_and_byte),
        TEST(test_a_torn_segment_that_is_not_the_last_is_damage),
        TEST(test_a_missing_or_repeated_record_is_damage),
        TEST(test_segments_are_read_in_the_order_of_their_numbers),
        TEST(test_a_missing_segment_is_named),
        TEST(test_a_header_that_does_not_fit_is_an_error),
        TEST(test_a_segment_whose_header_is_not_whole_ends_the_journal),
        TEST(test_a_reader_sees_what_is_appended_after_the_end),
        TEST(test_a_folder_that_is_not_there_is_named),
        TEST(test_every_reason_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
