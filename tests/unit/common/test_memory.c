#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/memory.h"

#define GIB (UINT64_C(1) << 30)
#define MEMINFO "MemTotal:       24684084 kB\nMemFree:  100 kB\nMemAvailable:   8388608 kB\n"

static void put_file(const char *root, const char *name, const char *text)
{
    struct err err;
    char path[512];
    assert_int_equal(file_join(path, sizeof path, root, name, &err), 0);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(file_make_folders(path, &err), 0);
    *slash = '/';
    assert_int_equal(file_write_atomic(path, text, strlen(text), &err), 0);
}

static void without_a_group_the_machine_is_the_bound(void **state)
{
    (void)state;
    struct memory_room room = memory_room_of(MEMINFO, "", "build/nowhere");
    assert_int_equal(room.machine_bytes, UINT64_C(24684084) * 1024);
    assert_int_equal(room.available_bytes, 8 * GIB);
    assert_true(room.group_bytes == MEMORY_UNLIMITED);
    assert_int_equal(memory_room_bytes(&room), 8 * GIB);
    room = memory_room_of("nonsense", "nonsense\n::\n:\n", "build/nowhere");
    assert_true(memory_room_bytes(&room) == MEMORY_UNLIMITED);
}

static void the_group_that_leaves_least_is_the_bound(void **state)
{
    (void)state;
    struct err err;
    char root[] = "build/test-memory-XXXXXX";
    assert_non_null(mkdtemp(root));

    // 6 GiB allowed, 5 in use of which 3 are file pages: 4 are left.
    put_file(root, "memory.max", "max\n");
    put_file(root, "memory.current", "9000000000\n");
    put_file(root, "job/memory.max", "6442450944\n");
    put_file(root, "job/memory.current", "5368709120\n");
    put_file(root, "job/memory.stat",
             "anon 2147483648\ninactive_file 2147483648\nactive_file 1073741824\nfile 9\n");
    put_file(root, "job/step/memory.max", "8589934592\n");
    put_file(root, "job/step/memory.current", "0\n");
    struct memory_room room = memory_room_of(MEMINFO, "0::/job/step\n", root);
    assert_int_equal(room.group_bytes, 6 * GIB);
    assert_int_equal(room.group_available_bytes, 4 * GIB);
    assert_int_equal(memory_room_bytes(&room), 4 * GIB);

    // Version 1, whose "no limit" is a number; more in use than allowed leaves nothing.
    put_file(root, "memory/memory.limit_in_bytes", "9223372036854771712\n");
    put_file(root, "memory/memory.usage_in_bytes", "1000\n");
    put_file(root, "memory/pod/memory.limit_in_bytes", "1073741824\n");
    put_file(root, "memory/pod/memory.usage_in_bytes", "1073741824\n");
    put_file(root, "memory/pod/memory.stat", "inactive_file 7\ntotal_inactive_file 536870912\n");
    room = memory_room_of(MEMINFO, "4:memory:/pod\n3:cpu:/other\n", root);
    assert_int_equal(room.group_bytes, GIB);
    assert_int_equal(room.group_available_bytes, GIB / 2);
    put_file(root, "memory/pod/memory.usage_in_bytes", "3073741824\n");
    room = memory_room_of(MEMINFO, "4:memory:/pod\n", root);
    assert_int_equal(memory_room_bytes(&room), 0);

    assert_int_equal(file_remove_tree(root, &err), 0);
}

static void the_peak_grows_with_what_was_touched(void **state)
{
    (void)state;
    const uint64_t before = memory_peak_bytes();
    const size_t size = (size_t)64 << 20;
    unsigned char *bytes = malloc(size);
    assert_non_null(bytes);
    memset(bytes, 1, size);
    assert_int_equal(bytes[size / 2], 1);
    free(bytes);
    assert_true(before > 0 && memory_peak_bytes() >= before + size / 2);
}

// A file as large as the memory it goes to must not be counted twice.
static void forgotten_pages_of_a_file_no_longer_count(void **state)
{
    (void)state;
    struct err err;
    struct file_map map;
    const size_t size = (size_t)96 << 20, piece = (size_t)1 << 20;
    char path[] = "build/test-forget-XXXXXX";
    char name[64];
    assert_non_null(mkdtemp(path));
    assert_int_equal(file_join(name, sizeof name, path, "large", &err), 0);
    assert_int_equal(file_write_atomic(name, "", 0, &err), 0);
    assert_int_equal(truncate(name, (off_t)size), 0);

    assert_int_equal(file_map(&map, name, &err), 0);
    const uint64_t before = memory_peak_bytes();
    uint64_t sum = 0;
    for (size_t at = 0; at < size; at += piece) {
        for (size_t i = 0; i < piece; i += 4096)
            sum += map.bytes[at + i];
        file_forget(&map, at);
    }
    assert_true(memory_peak_bytes() < before + size / 2);
    file_forget(&map, SIZE_MAX);
    assert_int_equal(sum, 0);
    assert_int_equal(map.bytes[size - 1], 0); // read again
    file_unmap(&map);
    assert_int_equal(file_remove_tree(path, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forgotten_pages_of_a_file_no_longer_count),
        cmocka_unit_test(without_a_group_the_machine_is_the_bound),
        cmocka_unit_test(the_group_that_leaves_least_is_the_bound),
        cmocka_unit_test(the_peak_grows_with_what_was_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
