#define _XOPEN_SOURCE 700 // P_tmpdir, truncate

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "learner/journal.h"

#define RUN 77u
#define SEGMENT_BYTES (1u << 20)
#define PATH_BYTES 256

static char folder[64];
static struct wire_buffer records;
static struct err err;

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "%s/argosy-journal-XXXXXX", P_tmpdir);
    wire_buffer_init(&records);
    return mkdtemp(folder) == NULL;
}

static int teardown(void **state)
{
    (void)state;
    wire_buffer_fini(&records);
    return file_remove_tree(folder, &err);
}

// Notes that were replayed, one after the other.
static char replayed[4096];
static size_t n_replayed;

static int replay(void *context, const struct journal_record *record, struct err *e)
{
    (void)context;
    char text[256];
    if (journal_decode_note(record, text, sizeof text, e) != 0) return -1;
    if (strcmp(text, "poison") == 0) return err_set(e, ERR_FORMAT, "poisoned");
    const size_t n = strlen(replayed);
    snprintf(replayed + n, sizeof replayed - n, "%s ", text);
    n_replayed++;
    return 0;
}

static struct journal *start_sized(uint32_t epoch, uint64_t segment_bytes)
{
    replayed[0] = 0;
    n_replayed = 0;
    return journal_start(folder, RUN, epoch, segment_bytes, replay, NULL, &err);
}

static struct journal *start(uint32_t epoch)
{
    struct journal *j = start_sized(epoch, SEGMENT_BYTES);
    if (j == NULL) fail_msg("%s", err.text);
    return j;
}

static void commit(struct journal *j, uint64_t sequence, const char *text)
{
    records.size_bytes = 0;
    journal_encode_note(&records, sequence, text);
    assert_int_equal(journal_commit(j, records.bytes, records.size_bytes, &err), 0);
}

static const char *segment(uint32_t number)
{
    static char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/journal/" JOURNAL_SEGMENT_NAME, folder, number);
    return path;
}

static off_t size_of(uint32_t number)
{
    struct stat s;
    return stat(segment(number), &s) == 0 ? s.st_size : -1;
}

static void append(uint32_t number, const void *bytes, size_t size_bytes)
{
    FILE *file = fopen(segment(number), "ab");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size_bytes, file), size_bytes);
    assert_int_equal(fclose(file), 0);
}

static void test_what_was_committed_is_replayed(void **state)
{
    (void)state;
    struct journal *j = start(1);
    assert_true(journal_next_sequence(j) == 1);
    commit(j, 1, "one");
    commit(j, 2, "two");
    assert_true(journal_size_bytes(j) > 0);
    journal_stop(j);
    j = start(2);
    assert_string_equal(replayed, "one two ");
    assert_true(journal_next_sequence(j) == 3);
    commit(j, 3, "three");
    journal_stop(j);
    journal_stop(start(3));
    assert_string_equal(replayed, "one two three ");
}

static void test_each_life_begins_a_segment(void **state)
{
    (void)state;
    for (uint32_t epoch = 1; epoch <= 3; epoch++) {
        struct journal *j = start(epoch);
        commit(j, epoch, "x");
        journal_stop(j);
    }
    assert_true(size_of(3) > JOURNAL_SEGMENT_BYTES && size_of(4) == -1);
}

static void test_a_full_segment_is_followed_by_another(void **state)
{
    (void)state;
    struct journal *j = start_sized(1, 100);
    assert_non_null(j);
    for (uint64_t i = 1; i <= 12; i++)
        commit(j, i, "a note of some length");
    journal_stop(j);
    assert_true(size_of(3) > 0);
    assert_in_range(size_of(1), 100, 200);
    journal_stop(start(2));
    assert_int_equal(n_replayed, 12);
}

// A crash within a write leaves any number of its bytes.
static void test_a_torn_tail_of_any_length_is_cut(void **state)
{
    (void)state;
    struct journal *j = start(1);
    commit(j, 1, "whole");
    journal_stop(j);
    const off_t whole = size_of(1);
    records.size_bytes = 0;
    journal_encode_note(&records, 2, "torn by the crash");
    const size_t n = records.size_bytes;
    uint64_t epoch = 2;
    for (size_t cut = 1; cut < n; cut += 7) {
        append(1, records.bytes, cut);
        j = start((uint32_t)epoch++);
        assert_string_equal(replayed, "whole ");
        assert_true(journal_next_sequence(j) == 2);
        journal_stop(j);
        assert_int_equal(size_of(1), whole);
        for (uint32_t later = 2; size_of(later) >= 0; later++)
            assert_int_equal(unlink(segment(later)), 0); // so that the first is the last again
    }
}

static void test_a_segment_without_its_header_is_begun_again(void **state)
{
    (void)state;
    for (size_t n = 0; n < JOURNAL_SEGMENT_BYTES; n += 11) {
        struct journal *j = start(1);
        commit(j, 1, "whole");
        journal_stop(j);
        append(2, "ARGJ\1\0\0\0........................", n);
        j = start(2);
        assert_string_equal(replayed, "whole ");
        commit(j, 2, "after");
        journal_stop(j);
        journal_stop(start(3));
        assert_string_equal(replayed, "whole after ");
        assert_int_equal(file_remove_tree(folder, &err), 0);
    }
}

static void test_damage_before_the_end_is_an_error_that_says_where(void **state)
{
    (void)state;
    struct journal *j = start(1);
    commit(j, 1, "first");
    commit(j, 2, "second");
    journal_stop(j);
    FILE *file = fopen(segment(1), "r+b");
    assert_non_null(file);
    fseek(file, JOURNAL_SEGMENT_BYTES + JOURNAL_RECORD_BYTES, SEEK_SET);
    fputc('F', file);
    fclose(file);
    const off_t before = size_of(1);
    assert_null(start_sized(2, SEGMENT_BYTES));
    assert_int_equal(err.code, ERR_FORMAT);
    assert_non_null(strstr(err.text, "000001.journal"));
    assert_int_equal(size_of(1), before); // nothing was cut
    assert_int_equal(size_of(2), -1);
}

static void test_a_record_that_cannot_be_replayed_ends_the_start(void **state)
{
    (void)state;
    struct journal *j = start(1);
    commit(j, 1, "fine");
    commit(j, 2, "poison");
    journal_stop(j);
    assert_null(start_sized(2, SEGMENT_BYTES));
    assert_non_null(strstr(err.text, "record 2: poisoned"));
}

static void test_the_journal_of_another_run_is_refused(void **state)
{
    (void)state;
    struct journal *j = start(1);
    commit(j, 1, "x");
    journal_stop(j);
    assert_null(journal_start(folder, RUN + 1, 2, SEGMENT_BYTES, replay, NULL, &err));
    assert_int_equal(err.code, ERR_MISMATCH);
    bool is_there = false;
    uint64_t run = 0;
    assert_int_equal(journal_find_run(folder, &is_there, &run, &err), 0);
    assert_true(is_there && run == RUN);
}

static void test_a_folder_without_a_journal_has_no_run(void **state)
{
    (void)state;
    bool is_there = true;
    uint64_t run;
    assert_int_equal(journal_find_run(folder, &is_there, &run, &err), 0);
    assert_false(is_there);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void test_a_full_disk_is_said_and_nothing_more_is_written(void **state)
{
    (void)state;
    struct journal *j = start(1);
    commit(j, 1, "kept");
    records.size_bytes = 0;
    for (uint64_t i = 2; i < 200; i++)
        journal_encode_note(&records, i, "a note that does not fit any more");
    signal(SIGXFSZ, SIG_IGN); // so that the write fails instead
    limit_files(1000);
    err.code = ERR_NONE;
    const int status = journal_commit(j, records.bytes, records.size_bytes, &err);
    limit_files(RLIM_INFINITY);
    assert_int_equal(status, -1);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "append to the journal"));
    assert_non_null(strstr(err.text, "000001.journal"));

    records.size_bytes = 0; // there is room again; what the disk holds is not known
    journal_encode_note(&records, 2, "x");
    assert_int_equal(journal_commit(j, records.bytes, records.size_bytes, &err), -1);
    journal_stop(j);
    j = start(2);
    assert_true(n_replayed >= 1 && strncmp(replayed, "kept ", 5) == 0);
    assert_true(journal_next_sequence(j) == n_replayed + 1); // whole records only
    journal_stop(j);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_was_committed_is_replayed),
        TEST(test_each_life_begins_a_segment),
        TEST(test_a_full_segment_is_followed_by_another),
        TEST(test_a_torn_tail_of_any_length_is_cut),
        TEST(test_a_segment_without_its_header_is_begun_again),
        TEST(test_damage_before_the_end_is_an_error_that_says_where),
        TEST(test_a_record_that_cannot_be_replayed_ends_the_start),
        TEST(test_the_journal_of_another_run_is_refused),
        TEST(test_a_folder_without_a_journal_has_no_run),
        TEST(test_a_full_disk_is_said_and_nothing_more_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
