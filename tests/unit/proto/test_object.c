#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "proto/object.h"

#define SIZE_BYTES (5 * CHUNK_BYTES + 1234)
#define N_CHUNKS 6
#define LIMIT_BYTES (16u << 20)

static unsigned char *content;
static struct object object;
static struct fetch *fetch;

static int setup_group(void **state)
{
    (void)state;
    struct rng_stream rng;
    rng_stream_init(&rng, (struct rng_key){7, RNG_TEST}, 0, 0);
    content = malloc(SIZE_BYTES);
    for (size_t i = 0; i < SIZE_BYTES; i++)
        content[i] = (unsigned char)(rng_next(&rng) >> 8);
    object_init(&object, content, SIZE_BYTES, 9);
    return 0;
}

static int teardown_group(void **state)
{
    (void)state;
    object_fini(&object);
    free(content);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    fetch = fetch_create(&object.hash, LIMIT_BYTES);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fetch_destroy(fetch);
    return 0;
}

static void take_manifest(void)
{
    struct manifest manifest;
    struct err err = {0};
    object_manifest(&object, &manifest);
    assert_int_equal(fetch_take_manifest(fetch, &manifest, &err), 0);
}

static int take_chunk(uint32_t number, struct err *err)
{
    struct chunk_data chunk;
    assert_true(object_chunk(&object, number, &chunk));
    return fetch_take_chunk(fetch, &chunk, err);
}

static void expect_content(void)
{
    uint64_t size_bytes = 0;
    assert_true(fetch_is_complete(fetch));
    assert_int_equal(fetch_bytes_done(fetch), SIZE_BYTES);
    unsigned char *bytes = fetch_take_bytes(fetch, &size_bytes);
    assert_int_equal(size_bytes, SIZE_BYTES);
    assert_memory_equal(bytes, content, SIZE_BYTES);
    assert_int_equal(bytes[SIZE_BYTES], 0);
    free(bytes);
}

static void test_an_object_is_named_by_the_hash_of_its_bytes(void **state)
{
    (void)state;
    struct hash whole = hash_of(content, SIZE_BYTES);
    struct chunk_data chunk;
    assert_true(hash_is_equal(&object.hash, &whole));
    assert_int_equal(object.n_chunks, N_CHUNKS);
    assert_true(object_chunk(&object, N_CHUNKS - 1, &chunk));
    assert_int_equal(chunk.size_bytes, 1234);
    assert_false(object_chunk(&object, N_CHUNKS, &chunk));
}

static void test_an_object_comes_in_any_order_and_more_than_once(void **state)
{
    (void)state;
    static const uint32_t order[] = {5, 2, 2, 0, 5, 4, 1, 0, 3, 3};
    struct err err = {0};
    take_manifest();
    take_manifest();
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        assert_int_equal(fetch_is_complete(fetch), i > 8);
        assert_int_equal(take_chunk(order[i], &err), 0);
    }
    expect_content();
}

static void test_the_manifest_is_asked_for_first_and_again_when_nothing_comes(void **state)
{
    (void)state;
    struct get get;
    uint64_t now_ms = 1000;
    assert_true(fetch_next(fetch, now_ms, 4, &get));
    assert_true(get.want_manifest && get.count == 0);
    assert_false(fetch_next(fetch, now_ms + 999, 4, &get));
    assert_true(fetch_next(fetch, now_ms + 1000, 4, &get)); // then 2 s, 4 s, 8 s, 8 s
    assert_false(fetch_next(fetch, now_ms + 2999, 4, &get));
    assert_true(fetch_next(fetch, now_ms + 3000, 4, &get));
    assert_true(fetch_next(fetch, now_ms + 7000, 4, &get));
    assert_true(fetch_next(fetch, now_ms + 15000, 4, &get));
    assert_false(fetch_next(fetch, now_ms + 22999, 4, &get));
    assert_true(fetch_next(fetch, now_ms + 23000, 4, &get));
    assert_true(get.want_manifest);
}

static void test_at_most_the_window_is_asked_for_at_a_time(void **state)
{
    (void)state;
    struct get get;
    struct err err = {0};
    take_manifest();
    assert_true(fetch_next(fetch, 1000, 4, &get));
    assert_false(get.want_manifest);
    assert_true(get.first == 0 && get.count == 4);
    assert_false(fetch_next(fetch, 1000, 4, &get));
    assert_int_equal(take_chunk(1, &err), 0);
    assert_true(fetch_next(fetch, 1000, 4, &get));
    assert_true(get.first == 4 && get.count == 1);
    assert_int_equal(take_chunk(0, &err), 0);
    assert_int_equal(take_chunk(2, &err), 0);
    assert_true(fetch_next(fetch, 1000, 4, &get));
    assert_true(get.first == 5 && get.count == 1); // there are no more
    assert_false(fetch_next(fetch, 1000, 4, &get));
}

static void test_what_is_lost_is_asked_for_again_and_only_that(void **state)
{
    (void)state;
    struct get get;
    struct err err = {0};
    take_manifest();
    assert_true(fetch_next(fetch, 1000, 64, &get));
    assert_int_equal(get.count, N_CHUNKS);
    assert_int_equal(take_chunk(0, &err), 0);
    assert_int_equal(take_chunk(3, &err), 0);
    assert_false(fetch_next(fetch, 1500, 64, &get));
    assert_false(fetch_next(fetch, 2499, 64, &get)); // something came at 1500: not silent for 1 s
    assert_true(fetch_next(fetch, 2500, 64, &get));
    assert_true(get.first == 1 && get.count == 2);
    assert_true(fetch_next(fetch, 2500, 64, &get));
    assert_true(get.first == 4 && get.count == 2);
    assert_false(fetch_next(fetch, 2500, 64, &get));
    for (uint32_t i = 1; i < N_CHUNKS; i++)
        assert_int_equal(take_chunk(i, &err), 0);
    assert_false(fetch_next(fetch, 99999, 64, &get));
    expect_content();
}

static void test_a_chunk_that_came_unasked_is_not_asked_for(void **state)
{
    (void)state;
    struct get get;
    struct err err = {0};
    take_manifest();
    assert_int_equal(take_chunk(0, &err), 0);
    assert_int_equal(take_chunk(3, &err), 0);
    assert_true(fetch_next(fetch, 1000, 64, &get));
    assert_true(get.first == 1 && get.count == 2);
    assert_true(fetch_next(fetch, 1000, 64, &get));
    assert_true(get.first == 4 && get.count == 2);
}

static void test_a_damaged_chunk_is_refused_and_the_right_one_taken_after_it(void **state)
{
    (void)state;
    struct err err = {0};
    struct chunk_data chunk;
    static unsigned char bad[CHUNK_BYTES];
    assert_int_equal(take_chunk(0, &err), -1); // no manifest yet
    assert_int_equal(err.code, ERR_FORMAT);
    take_manifest();
    assert_true(object_chunk(&object, 2, &chunk));
    memcpy(bad, chunk.bytes, chunk.size_bytes);
    bad[CHUNK_BYTES / 2] ^= 1;
    chunk.bytes = bad;
    assert_int_equal(fetch_take_chunk(fetch, &chunk, &err), -1);
    assert_int_equal(err.code, ERR_MISMATCH);
    assert_non_null(strstr(err.text, "chunk 2 of 6"));

    assert_true(object_chunk(&object, 2, &chunk));
    chunk.number = N_CHUNKS;
    assert_int_equal(fetch_take_chunk(fetch, &chunk, &err), -1);
    chunk.number = N_CHUNKS - 1; // which is shorter
    assert_int_equal(fetch_take_chunk(fetch, &chunk, &err), -1);
    chunk.number = 2;
    chunk.size_bytes--;
    assert_int_equal(fetch_take_chunk(fetch, &chunk, &err), -1);
    chunk.size_bytes++;
    chunk.object.bytes[0] ^= 1;
    assert_int_equal(fetch_take_chunk(fetch, &chunk, &err), -1);
    assert_int_equal(fetch_bytes_done(fetch), 0);

    for (uint32_t i = 0; i < N_CHUNKS; i++)
        assert_int_equal(take_chunk(i, &err), 0);
    expect_content();
}

static void expect_manifest_refused(const struct manifest *m, enum err_code code)
{
    struct err err = {0};
    struct get get;
    static uint64_t now_ms; // late enough at each call to be asked for again
    now_ms += 100000;
    assert_int_equal(fetch_take_manifest(fetch, m, &err), -1);
    assert_int_equal(err.code, code);
    assert_true(fetch_next(fetch, now_ms, 4, &get) && get.want_manifest);
}

static void test_a_manifest_that_lies_is_refused_before_it_costs_memory(void **state)
{
    (void)state;
    struct manifest right, m;
    object_manifest(&object, &right);

    m = right;
    m.size_bytes = LIMIT_BYTES + 1;
    m.n_chunks = 17;
    expect_manifest_refused(&m, ERR_LIMIT);
    m.size_bytes = UINT64_MAX;
    expect_manifest_refused(&m, ERR_LIMIT);
    m = right;
    m.n_chunks--;
    expect_manifest_refused(&m, ERR_FORMAT);
    m = right;
    m.chunk_bytes = CHUNK_BYTES / 2;
    expect_manifest_refused(&m, ERR_FORMAT);
    m = right;
    m.chunks = NULL;
    expect_manifest_refused(&m, ERR_FORMAT);
    m = right;
    m.base = 8;
    expect_manifest_refused(&m, ERR_FORMAT);
    m = right;
    m.object.bytes[31] ^= 1;
    expect_manifest_refused(&m, ERR_MISMATCH);
}

// Chunks that match a manifest which is itself a lie: only the whole hash tells.
static void test_chunks_that_make_up_another_whole_start_the_fetch_anew(void **state)
{
    (void)state;
    struct object other;
    struct manifest manifest;
    struct err err = {0};
    struct get get;
    unsigned char *changed = malloc(SIZE_BYTES);
    memcpy(changed, content, SIZE_BYTES);
    changed[SIZE_BYTES - 1] ^= 1;
    object_init(&other, changed, SIZE_BYTES, 9);
    object_manifest(&other, &manifest);
    manifest.object = object.hash;
    assert_int_equal(fetch_take_manifest(fetch, &manifest, &err), 0);
    for (uint32_t i = 0; i < N_CHUNKS; i++) {
        struct chunk_data chunk;
        assert_true(object_chunk(&other, i, &chunk));
        chunk.object = object.hash;
        assert_int_equal(fetch_take_chunk(fetch, &chunk, &err), i < N_CHUNKS - 1 ? 0 : -1);
    }
    assert_int_equal(err.code, ERR_MISMATCH);
    assert_false(fetch_is_complete(fetch));
    object_fini(&other);
    free(changed);

    assert_true(fetch_next(fetch, 1000, 4, &get) && get.want_manifest);
    take_manifest();
    for (uint32_t i = 0; i < N_CHUNKS; i++)
        assert_int_equal(take_chunk(i, &err), 0);
    expect_content();
}

static void test_an_object_of_no_bytes_is_complete_with_its_manifest(void **state)
{
    (void)state;
    struct object nothing;
    struct manifest manifest;
    struct err err = {0};
    uint64_t size_bytes = 1;
    object_init(&nothing, "", 0, 0);
    struct fetch *f = fetch_create(&nothing.hash, 0);
    object_manifest(&nothing, &manifest);
    assert_int_equal(fetch_take_manifest(f, &manifest, &err), 0);
    assert_true(fetch_is_complete(f));
    free(fetch_take_bytes(f, &size_bytes));
    assert_int_equal(size_bytes, 0);
    fetch_destroy(f);
    object_fini(&nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_object_is_named_by_the_hash_of_its_bytes),
        cmocka_unit_test_setup_teardown(test_an_object_comes_in_any_order_and_more_than_once, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_the_manifest_is_asked_for_first_and_again_when_nothing_comes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_at_most_the_window_is_asked_for_at_a_time, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_is_lost_is_asked_for_again_and_only_that, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_chunk_that_came_unasked_is_not_asked_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_a_damaged_chunk_is_refused_and_the_right_one_taken_after_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_manifest_that_lies_is_refused_before_it_costs_memory,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_chunks_that_make_up_another_whole_start_the_fetch_anew,
                                        setup, teardown),
        cmocka_unit_test(test_an_object_of_no_bytes_is_complete_with_its_manifest),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
