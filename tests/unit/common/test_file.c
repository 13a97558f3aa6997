#define _XOPEN_SOURCE 700 // mkdtemp, symlink

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"

static char folder[64]; // a fresh one for each test

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "build/test-file-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    struct err err;
    return file_remove_tree(folder, &err);
}

static const char *inside(const char *name)
{
    static char paths[4][256];
    static int next;
    struct err err;
    char *path = paths[next++ % 4];
    assert_int_equal(file_join(path, sizeof paths[0], folder, name, &err), 0);
    return path;
}

static void put(const char *path, const char *text)
{
    struct err err;
    assert_int_equal(file_write_atomic(path, text, strlen(text), &err), 0);
}

static void expect_text(const char *path, const char *want)
{
    struct err err;
    char *bytes = NULL;
    size_t size_bytes = 0;
    assert_int_equal(file_read(path, 1 << 20, &bytes, &size_bytes, &err), 0);
    assert_int_equal(size_bytes, strlen(want));
    assert_string_equal(bytes, want);
    free(bytes);
}

static int count_entries(const char *path)
{
    DIR *d = opendir(path);
    assert_non_null(d);
    int n = 0;
    while (readdir(d) != NULL) {
        n++;
    }
    closedir(d);
    return n - 2; // . and ..
}

static void expect_refusal(int status, const struct err *err, enum err_code code, const char *part)
{
    assert_int_equal(status, -1);
    assert_int_equal(err->code, code);
    if (strstr(err->text, part) == NULL) fail_msg("'%s' does not say '%s'", err->text, part);
}

static void test_what_is_written_is_read_and_mapped(void **state)
{
    (void)state;
    struct err err;
    struct file_map map;
    put(inside("a"), "some text");
    expect_text(inside("a"), "some text");
    assert_int_equal(file_map(&map, inside("a"), &err), 0);
    assert_int_equal(map.size_bytes, 9);
    assert_memory_equal(map.bytes, "some text", 9);
    file_unmap(&map);
    assert_null(map.bytes);
}

static void test_an_empty_file_is_read_and_mapped_as_nothing(void **state)
{
    (void)state;
    struct err err;
    struct file_map map;
    put(inside("empty"), "");
    expect_text(inside("empty"), "");
    assert_int_equal(file_map(&map, inside("empty"), &err), 0);
    assert_int_equal(map.size_bytes, 0);
    file_unmap(&map);
}

static void test_a_file_at_its_limit_is_read_and_one_byte_more_refused(void **state)
{
    (void)state;
    struct err err;
    char *bytes = NULL;
    size_t size_bytes = 0;
    size_t big_bytes = 200000; // several reads
    char *big = calloc(1, big_bytes);
    assert_int_equal(file_write_atomic(inside("big"), big, big_bytes, &err), 0);
    assert_int_equal(file_read(inside("big"), big_bytes, &bytes, &size_bytes, &err), 0);
    assert_int_equal(size_bytes, big_bytes);
    assert_memory_equal(bytes, big, big_bytes);
    assert_int_equal(bytes[big_bytes], 0);
    free(bytes);
    bytes = NULL;
    expect_refusal(file_read(inside("big"), big_bytes - 1, &bytes, &size_bytes, &err), &err,
                   ERR_LIMIT, "big");
    assert_null(bytes);
    free(big);
}

static void test_what_cannot_be_opened_is_named_with_the_reason(void **state)
{
    (void)state;
    struct err err;
    struct file_map map;
    char *bytes;
    size_t size_bytes;
    const char *gone = inside("gone");
    expect_refusal(file_map(&map, gone, &err), &err, ERR_IO, gone);
    expect_refusal(file_read(gone, 10, &bytes, &size_bytes, &err), &err, ERR_IO,
                   "No such file or directory");
    expect_refusal(file_map(&map, folder, &err), &err, ERR_IO, "not a regular file");
    expect_refusal(file_read(folder, 10, &bytes, &size_bytes, &err), &err, ERR_IO,
                   "Is a directory");
    expect_refusal(file_write_atomic(inside("no/such/folder"), "x", 1, &err), &err, ERR_IO,
                   "No such file or directory");
}

static void test_a_write_replaces_the_old_file_and_leaves_nothing_beside_it(void **state)
{
    (void)state;
    put(inside("a"), "old");
    put(inside("a"), "new and longer");
    expect_text(inside("a"), "new and longer");
    assert_int_equal(count_entries(folder), 1);
}

// The limit on a file's size stands in for a full disk: the write fails midway.
static void test_a_write_that_fails_leaves_the_old_file_alone(void **state)
{
    (void)state;
    struct err err;
    struct rlimit old, small;
    put(inside("a"), "old");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = 4096, .rlim_max = old.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    char *big = calloc(1, 100000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int status = file_write_atomic(inside("a"), big, 100000, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    free(big);
    expect_refusal(status, &err, ERR_IO, "File too large");
    expect_text(inside("a"), "old");
    assert_int_equal(count_entries(folder), 1);
}

static void test_a_write_onto_a_folder_fails_and_leaves_nothing(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(file_make_folders(inside("d/e"), &err), 0);
    expect_refusal(file_write_atomic(inside("d"), "x", 1, &err), &err, ERR_IO, "rename");
    assert_int_equal(count_entries(folder), 1);
}

static void test_a_failed_descriptor_is_named_by_what_it_was_for(void **state)
{
    (void)state;
    struct err err;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    expect_refusal(file_write_all(fd, "x", 1, "the journal", &err), &err, ERR_IO,
                   "write the journal: No space left on device");
    close(fd);
}

static void test_folders_are_made_with_their_parents_and_again(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(file_make_folders(inside("x/y/z"), &err), 0);
    assert_true(file_exists(inside("x/y/z")));
    assert_int_equal(file_make_folders(inside("x/y/z"), &err), 0);
    assert_int_equal(file_make_folders(inside("x/y/z/"), &err), 0);
    put(inside("x/f"), "");
    expect_refusal(file_make_folders(inside("x/f/g"), &err), &err, ERR_IO, "in the way");
    expect_refusal(file_make_folders("", &err), &err, ERR_LIMIT, "");
}

static void test_a_tree_is_removed_but_not_what_its_links_point_to(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(file_make_folders(inside("t/a/b"), &err), 0);
    put(inside("t/a/b/f"), "x");
    put(inside("kept"), "kept");
    assert_int_equal(file_make_folders(inside("kept.d"), &err), 0);
    put(inside("kept.d/f"), "kept");
    assert_int_equal(symlink("../kept", inside("t/link")), 0);
    assert_int_equal(symlink("../kept.d", inside("t/link.d")), 0);
    assert_int_equal(symlink("nowhere", inside("t/dangling")), 0);
    assert_int_equal(file_remove_tree(inside("t"), &err), 0);
    assert_false(file_exists(inside("t")));
    expect_text(inside("kept"), "kept");
    expect_text(inside("kept.d/f"), "kept");
    assert_int_equal(file_remove_tree(inside("t"), &err), 0);
}

static void test_a_copy_equals_its_original(void **state)
{
    (void)state;
    struct err err;
    put(inside("a"), "text");
    put(inside("b"), "something else");
    assert_int_equal(file_copy(inside("a"), inside("b"), &err), 0);
    expect_text(inside("b"), "text");
    expect_refusal(file_copy(inside("gone"), inside("b"), &err), &err, ERR_IO, "gone");
    expect_text(inside("b"), "text");
}

static void expect_joined(const char *folder_name, const char *name, const char *want)
{
    struct err err;
    char out[32];
    assert_int_equal(file_join(out, sizeof out, folder_name, name, &err), 0);
    assert_string_equal(out, want);
}

static void test_paths_join_with_one_slash_and_must_fit(void **state)
{
    (void)state;
    struct err err;
    char out[8];
    expect_joined("a", "b", "a/b");
    expect_joined("a/", "b", "a/b");
    expect_joined("a", "/b", "a/b");
    expect_joined("/", "b", "/b");
    expect_joined("", "b", "b");
    expect_joined("", "/b", "/b");
    assert_int_equal(file_join(out, sizeof out, "123", "567", &err), 0);
    expect_refusal(file_join(out, sizeof out, "123", "5678", &err), &err, ERR_LIMIT, "7 bytes");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_what_is_written_is_read_and_mapped),
        IN_FOLDER(test_an_empty_file_is_read_and_mapped_as_nothing),
        IN_FOLDER(test_a_file_at_its_limit_is_read_and_one_byte_more_refused),
        IN_FOLDER(test_what_cannot_be_opened_is_named_with_the_reason),
        IN_FOLDER(test_a_write_replaces_the_old_file_and_leaves_nothing_beside_it),
        IN_FOLDER(test_a_write_that_fails_leaves_the_old_file_alone),
        IN_FOLDER(test_a_write_onto_a_folder_fails_and_leaves_nothing),
        IN_FOLDER(test_a_failed_descriptor_is_named_by_what_it_was_for),
        IN_FOLDER(test_folders_are_made_with_their_parents_and_again),
        IN_FOLDER(test_a_tree_is_removed_but_not_what_its_links_point_to),
        IN_FOLDER(test_a_copy_equals_its_original),
        cmocka_unit_test(test_paths_join_with_one_slash_and_must_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
