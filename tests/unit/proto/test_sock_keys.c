#define _XOPEN_SOURCE 700 // P_tmpdir, symlink

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "proto/sock.h"

static char folder[64], learner_path[128], actor_path[128];
static struct sock_keys keys;

static int setup(void **state)
{
    (void)state;
    struct err err = {0};
    snprintf(folder, sizeof folder, "%s/argosy-keys-XXXXXX", P_tmpdir);
    if (mkdtemp(folder) == NULL || sock_keys_make(&keys, &err) != 0) return -1;
    snprintf(learner_path, sizeof learner_path, "%s/learner.key", folder);
    snprintf(actor_path, sizeof actor_path, "%s/actor.key", folder);
    return sock_keys_write(&keys, learner_path, actor_path, &err);
}

static int teardown(void **state)
{
    (void)state;
    struct err err;
    return file_remove_tree(folder, &err);
}

static void rewrite(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void expect_refused(const char *path, enum err_code code, const char *word)
{
    struct sock_keys got;
    struct err err = {0};
    assert_int_equal(sock_keys_read(&got, path, &err), -1);
    assert_int_equal(err.code, code);
    if (strstr(err.text, word) == NULL) fail_msg("'%s' does not say '%s'", err.text, word);
    if (strstr(err.text, path) == NULL) fail_msg("'%s' does not name the file", err.text);
}

static void test_each_side_gets_its_own_secret_and_not_the_other(void **state)
{
    (void)state;
    struct sock_keys learner, actor;
    struct err err = {0};
    assert_int_equal(sock_keys_read(&learner, learner_path, &err), 0);
    assert_int_equal(sock_keys_read(&actor, actor_path, &err), 0);
    assert_string_equal(learner.server_secret, keys.server_secret);
    assert_string_equal(learner.server_public, keys.server_public);
    assert_string_equal(learner.client_public, keys.client_public);
    assert_string_equal(learner.client_secret, "");
    assert_string_equal(actor.client_secret, keys.client_secret);
    assert_string_equal(actor.client_public, keys.client_public);
    assert_string_equal(actor.server_public, keys.server_public);
    assert_string_equal(actor.server_secret, "");
}

static void test_keys_are_written_for_their_owner_alone_and_replace_what_was_there(void **state)
{
    (void)state;
    struct stat st;
    struct err err = {0};
    struct sock_keys fresh, got;
    char target[128], text[64] = "";
    snprintf(target, sizeof target, "%s/target", folder);
    rewrite(target, "untouched");
    assert_int_equal(unlink(actor_path), 0);
    assert_int_equal(symlink(target, actor_path), 0);
    mode_t before = umask(0);
    assert_int_equal(sock_keys_make(&fresh, &err), 0);
    assert_string_not_equal(fresh.server_secret, keys.server_secret);
    assert_int_equal(sock_keys_write(&fresh, learner_path, actor_path, &err), 0);
    umask(before);
    assert_int_equal(lstat(actor_path, &st), 0);
    assert_true(S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0600);
    assert_int_equal(lstat(learner_path, &st), 0);
    assert_true(S_ISREG(st.st_mode) && (st.st_mode & 07777) == 0600);
    assert_int_equal(sock_keys_read(&got, actor_path, &err), 0);
    assert_string_equal(got.client_secret, fresh.client_secret);

    FILE *file = fopen(target, "r"); // what the link pointed at was not written through
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_string_equal(text, "untouched");
}

static void test_a_file_that_others_can_read_is_refused_with_the_remedy(void **state)
{
    (void)state;
    static const mode_t modes[] = {0640, 0604, 0660, 0601, 0777};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        assert_int_equal(chmod(actor_path, modes[i]), 0);
        expect_refused(actor_path, ERR_USAGE, "chmod 600");
    }
    assert_int_equal(chmod(actor_path, 0400), 0);
    struct sock_keys got;
    struct err err = {0};
    assert_int_equal(sock_keys_read(&got, actor_path, &err), 0);
}

static void test_links_folders_and_missing_files_are_refused(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/link", folder);
    assert_int_equal(symlink(actor_path, path), 0);
    expect_refused(path, ERR_IO, "symbolic link");
    snprintf(path, sizeof path, "%s/missing", folder);
    expect_refused(path, ERR_IO, "No such file");
    expect_refused(folder, ERR_FORMAT, "not a regular file");
}

static void test_faults_are_named_by_line(void **state)
{
    (void)state;
    char text[1024];
    rewrite(actor_path, "# comment\n\nserver_public: tooshort\n");
    expect_refused(actor_path, ERR_FORMAT, "line 3: server_public is not a key");
    snprintf(text, sizeof text, "server_public: %.39s~\n", keys.server_public); // not in Z85
    rewrite(actor_path, text);
    expect_refused(actor_path, ERR_FORMAT, "line 1: server_public is not a key");
    snprintf(text, sizeof text, "server_public: %s\nserver_public: %s\n", keys.server_public,
             keys.server_public);
    rewrite(actor_path, text);
    expect_refused(actor_path, ERR_FORMAT, "line 2: server_public comes twice");
    rewrite(actor_path, "password: secret\n");
    expect_refused(actor_path, ERR_FORMAT, "line 1: want name: key");
    rewrite(actor_path, "server_public\n");
    expect_refused(actor_path, ERR_FORMAT, "line 1");
}

static void test_keys_that_are_missing_or_do_not_fit_are_named(void **state)
{
    (void)state;
    char text[1024];
    rewrite(actor_path, "");
    expect_refused(actor_path, ERR_FORMAT, "server_public is missing");
    snprintf(text, sizeof text, "server_public: %s\n", keys.server_public);
    rewrite(actor_path, text);
    expect_refused(actor_path, ERR_FORMAT, "client_public is missing");
    snprintf(text, sizeof text, "server_public: %s\r\nclient_public:%s  \n", keys.server_public,
             keys.client_public);
    rewrite(actor_path, text);
    expect_refused(actor_path, ERR_FORMAT, "client_secret is missing");
    snprintf(text, sizeof text, "server_public: %s\nclient_public: %s\nclient_secret: %s\n",
             keys.server_public, keys.client_public, keys.server_secret);
    rewrite(actor_path, text);
    expect_refused(actor_path, ERR_MISMATCH, "client_secret does not fit");
    snprintf(text, sizeof text, "server_public: %s\nclient_public: %s\nserver_secret: %s\n",
             keys.server_public, keys.client_public, keys.client_secret);
    rewrite(actor_path, text);
    expect_refused(actor_path, ERR_MISMATCH, "server_secret does not fit");
}

static void test_a_large_file_or_one_with_zero_bytes_is_no_key(void **state)
{
    (void)state;
    FILE *file = fopen(actor_path, "w");
    for (int i = 0; i < 5000; i++)
        fputc('#', file);
    fclose(file);
    expect_refused(actor_path, ERR_FORMAT, "not a key");
    file = fopen(actor_path, "w");
    fwrite("# a\0b\n", 1, 6, file);
    fclose(file);
    expect_refused(actor_path, ERR_FORMAT, "0 byte");
}

static void test_keys_that_cannot_be_written_are_an_error_with_the_path(void **state)
{
    (void)state;
    struct err err = {0};
    char path[160];
    snprintf(path, sizeof path, "%s/missing/actor.key", folder);
    assert_int_equal(sock_keys_write(&keys, learner_path, path, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, path));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_each_side_gets_its_own_secret_and_not_the_other),
        TEST(test_keys_are_written_for_their_owner_alone_and_replace_what_was_there),
        TEST(test_a_file_that_others_can_read_is_refused_with_the_remedy),
        TEST(test_links_folders_and_missing_files_are_refused),
        TEST(test_faults_are_named_by_line),
        TEST(test_keys_that_are_missing_or_do_not_fit_are_named),
        TEST(test_a_large_file_or_one_with_zero_bytes_is_no_key),
        TEST(test_keys_that_cannot_be_written_are_an_error_with_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
