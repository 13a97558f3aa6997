#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/scratch.h"

static void a_small_block_is_memory_and_a_large_one_a_file(void **state)
{
    (void)state;
    struct scratch small, large;
    struct err err;
    assert_int_equal(scratch_take(&small, 100, &err), 0);
    assert_int_equal(scratch_take(&large, SCRATCH_FILE_BYTES + 5, &err), 0);
    assert_false(small.is_file);
    assert_true(large.is_file);
    memset(small.bytes, 1, small.size_bytes);
    scratch_release(&small);
    scratch_release(&large);
    assert_null(large.bytes);
}

static void what_is_forgotten_is_still_there(void **state)
{
    (void)state;
    struct scratch s;
    struct err err;
    assert_int_equal(scratch_take(&s, SCRATCH_FILE_BYTES, &err), 0);
    for (size_t at = 0; at < s.size_bytes; at += 4096)
        s.bytes[at] = (unsigned char)(at / 4096 % 251);
    scratch_forget(&s, s.size_bytes);
    for (size_t at = 0; at < s.size_bytes; at += 4096)
        assert_int_equal(s.bytes[at], at / 4096 % 251);
    scratch_release(&s);
}

static void where_no_file_can_be_made_it_is_memory(void **state)
{
    (void)state;
    struct scratch s;
    struct err err;
    const char *before = getenv("TMPDIR");
    char *kept = before == NULL ? NULL : strdup(before);
    setenv("TMPDIR", "./no-such-folder", 1);
    const int status = scratch_take(&s, SCRATCH_FILE_BYTES, &err);
    if (kept != NULL)
        setenv("TMPDIR", kept, 1);
    else
        unsetenv("TMPDIR");
    free(kept);
    assert_int_equal(status, 0);
    assert_false(s.is_file);
    s.bytes[s.size_bytes - 1] = 7;
    scratch_forget(&s, s.size_bytes); // of memory: nothing happens
    assert_int_equal(s.bytes[s.size_bytes - 1], 7);
    scratch_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_block_is_memory_and_a_large_one_a_file),
        cmocka_unit_test(what_is_forgotten_is_still_there),
        cmocka_unit_test(where_no_file_can_be_made_it_is_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
