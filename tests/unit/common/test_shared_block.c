#define _GNU_SOURCE // mkdtemp, memfd_create

// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/model/shared_block.h"

#define SIZE ((size_t)3 << 20)
#define WAIT_MS 2000u
#define PATIENCE_S 20 // of a whole test: a process that waits longer waits for ever

static char folder[64];
static const struct hash name = {{1, 2, 3}};

static int set_up(void **state)
{
    (void)state;
    alarm(PATIENCE_S);
    snprintf(folder, sizeof folder, "build/test-shared-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    struct err err;
    (void)state;
    return file_remove_tree(folder, &err);
}

static size_t files_left(void)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void open_block(struct shared_block *b, bool wants_filling)
{
    struct err err;
    if (shared_block_open(b, folder, &name, SIZE, WAIT_MS, &err) != 0) fail_msg("%s", err.text);
    assert_true(b->is_filling == wants_filling);
}

static void fill(struct shared_block *b, int byte)
{
    struct err err;
    open_block(b, true);
    memset(b->bytes, byte, SIZE);
    if (shared_block_seal(b, &err) != 0) fail_msg("%s", err.text);
    assert_false(b->is_filling);
}

static int byte_of(const struct shared_block *b, size_t at)
{
    return ((const unsigned char *)b->bytes)[at];
}

// --- another process, which does as it is told by single letters --------------------------
struct other {
    pid_t pid;
    int to, from;
};

static void serve(int in, int out)
{
    struct shared_block b = {0};
    struct err err;
    char order, answer;
    alarm(PATIENCE_S);
    while (read(in, &order, 1) == 1) {
        answer = '!';
        if (order == 'o' && shared_block_open(&b, folder, &name, SIZE, WAIT_MS, &err) == 0)
            answer = b.is_filling ? 'f' : (char)byte_of(&b, SIZE - 1);
        if (order == 's') {
            memset(b.bytes, 'B', SIZE);
            if (shared_block_seal(&b, &err) == 0) answer = 's';
        }
        if (order == 'c') {
            shared_block_close(&b);
            answer = 'c';
        }
        if (write(out, &answer, 1) != 1) break;
    }
    _exit(0);
}

static struct other start(void)
{
    int to[2], from[2];
    assert_int_equal(pipe(to), 0);
    assert_int_equal(pipe(from), 0);
    struct other o = {.pid = fork(), .to = to[1], .from = from[0]};
    assert_true(o.pid >= 0);
    if (o.pid == 0) {
        close(to[1]);
        close(from[0]);
        serve(to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    return o;
}

static char tell(const struct other *o, char order)
{
    char answer = '?';
    assert_int_equal(write(o->to, &order, 1), 1);
    assert_int_equal(read(o->from, &answer, 1), 1);
    return answer;
}

static void end(struct other *o)
{
    kill(o->pid, SIGKILL);
    close(o->to);
    close(o->from);
    assert_int_equal(waitpid(o->pid, NULL, 0), o->pid);
}

// --- tests ---------------------------------------------------------------------------------
static void the_first_fills_and_the_others_find(void **state)
{
    struct shared_block b;
    (void)state;
    fill(&b, 'A');
    struct other o = start(), p = start();
    assert_int_equal(tell(&o, 'o'), 'A');
    assert_int_equal(tell(&p, 'o'), 'A');
    assert_int_equal(tell(&o, 'c'), 'c');
    shared_block_close(&b);
    assert_int_equal(files_left(), 1);
    assert_int_equal(tell(&p, 'c'), 'c');
    assert_int_equal(files_left(), 0); // the last one took it along
    end(&o);
    end(&p);
}

static void a_block_outlives_the_one_who_made_it(void **state)
{
    struct shared_block b;
    (void)state;
    struct other maker = start(), holder = start();
    assert_int_equal(tell(&maker, 'o'), 'f');
    assert_int_equal(tell(&maker, 's'), 's');
    assert_int_equal(tell(&holder, 'o'), 'B');
    end(&maker);
    open_block(&b, false); // from the holder, who did not make it
    assert_int_equal(byte_of(&b, 0), 'B');
    end(&holder);
    assert_int_equal(byte_of(&b, SIZE / 2), 'B');
    shared_block_close(&b);
    assert_int_equal(files_left(), 0); // the dead do not keep it
}

static void a_killed_maker_is_followed_by_the_next(void **state)
{
    struct shared_block b;
    (void)state;
    struct other maker = start();
    assert_int_equal(tell(&maker, 'o'), 'f'); // locked, half full
    end(&maker);
    fill(&b, 'A');
    shared_block_close(&b);
    assert_int_equal(files_left(), 0);
}

static void while_one_fills_another_waits_so_long_and_no_longer(void **state)
{
    struct shared_block b;
    struct err err;
    (void)state;
    struct other maker = start();
    assert_int_equal(tell(&maker, 'o'), 'f');
    assert_int_equal(shared_block_open(&b, folder, &name, SIZE, 30, &err), -1);
    assert_int_equal(err.code, ERR_TIMEOUT);
    shared_block_close(&b); // of what never was opened
    assert_int_equal(tell(&maker, 's'), 's');
    open_block(&b, false);
    shared_block_close(&b);
    end(&maker);
}

static void what_killed_processes_leave_is_a_line_that_the_next_one_sweeps(void **state)
{
    struct shared_block b;
    const struct hash another = {{9}};
    struct err err;
    (void)state;
    struct other o = start();
    assert_int_equal(tell(&o, 'o'), 'f');
    assert_int_equal(tell(&o, 's'), 's');
    end(&o);
    assert_int_equal(files_left(), 1);
    assert_int_equal(shared_block_open(&b, folder, &another, SIZE, WAIT_MS, &err), 0);
    assert_int_equal(files_left(), 1); // its own
    shared_block_close(&b);
    assert_int_equal(files_left(), 0);
}

static void nothing_can_change_a_sealed_block(void **state)
{
    struct shared_block b;
    (void)state;
    fill(&b, 'A');
    assert_int_equal(mprotect(b.bytes, SIZE, PROT_READ | PROT_WRITE), -1);
    assert_int_equal(write(b.fd, "x", 1), -1);
    assert_int_equal(ftruncate(b.fd, 0), -1);
    shared_block_close(&b);
}

static void lies_in_a_registry_are_seen_through(void **state)
{
    struct shared_block b;
    struct err err;
    char hex[HASH_HEX_BYTES], path[256], text[128];
    (void)state;
    hash_hex(&name, hex);
    snprintf(path, sizeof path, "%s/%s.shared", folder, hex);
    // Ours by its name, but with no seal; and files of any kind.
    int unsealed = memfd_create("argosy-weights", MFD_CLOEXEC);
    assert_true(unsealed >= 0);
    for (int i = 0; i < 7; i++) {
        static const char *const lies[] = {"", "1 0\n", "x", "-5 3\n", "\n\n"};
        if (i < 5)
            snprintf(text, sizeof text, "%s", lies[i]);
        else
            snprintf(text, sizeof text, "%ld %d\n", (long)getpid(), i == 5 ? 0 : unsealed);
        assert_int_equal(file_write_atomic(path, text, strlen(text), &err), 0);
        fill(&b, 'C');
        assert_int_equal(byte_of(&b, 7), 'C');
        shared_block_close(&b);
    }
    close(unsealed);
}

static void a_folder_that_others_may_enter_is_refused(void **state)
{
    struct shared_block b;
    struct err err;
    (void)state;
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(shared_block_open(&b, folder, &name, SIZE, WAIT_MS, &err), -1);
    assert_non_null(strstr(err.text, folder));
    assert_int_equal(chmod(folder, 0700), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_fills_and_the_others_find),
        TEST(a_block_outlives_the_one_who_made_it),
        TEST(a_killed_maker_is_followed_by_the_next),
        TEST(while_one_fills_another_waits_so_long_and_no_longer),
        TEST(what_killed_processes_leave_is_a_line_that_the_next_one_sweeps),
        TEST(nothing_can_change_a_sealed_block),
        TEST(lies_in_a_registry_are_seen_through),
        TEST(a_folder_that_others_may_enter_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
