#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "proto/object.h"

#define SEED 77
#define N_CHUNKS 9
#define SIZE ((N_CHUNKS - 1) * CHUNK_BYTES + 12345u) // the last chunk is short

static unsigned char *content; // (SIZE)
static struct object object;
static struct fetch *fetch;
static struct err err;

static int make_object(void **state)
{
    (void)state;
    content = malloc(SIZE);
    if (content == NULL) return -1;
    for (uint32_t i = 0; i < SIZE; i++)
        content[i] = (unsigned char)(i * 2654435761u >> 19);
    object_init(&object, content, SIZE, 5);
    return 0;
}

static int free_object(void **state)
{
    (void)state;
    object_fini(&object);
    free(content);
    return 0;
}

static int begin(void **state)
{
    (void)state;
    err = (struct err){0};
    fetch = fetch_create(&object.hash, SIZE);
    return 0;
}

static int end(void **state)
{
    (void)state;
    fetch_destroy(fetch);
    return 0;
}

static struct manifest the_manifest(void)
{
    struct manifest m;
    object_manifest(&object, &m);
    return m;
}

static struct chunk_data the_chunk(uint32_t number)
{
    struct chunk_data c;
    assert_true(object_chunk(&object, number, &c));
    return c;
}

static void take_manifest(void)
{
    struct manifest m = the_manifest();
    if (fetch_take_manifest(fetch, &m, &err) != 0) fail_msg("%s", err.text);
}

static void take_chunk(uint32_t number)
{
    struct chunk_data c = the_chunk(number);
    if (fetch_take_chunk(fetch, &c, &err) != 0) fail_msg("%s", err.text);
}

static void assert_complete(void)
{
    assert_true(fetch_is_complete(fetch));
    assert_int_equal(fetch_bytes_done(fetch), SIZE);
    uint64_t size_bytes = 0;
    unsigned char *bytes = fetch_take_bytes(fetch, &size_bytes);
    assert_int_equal(size_bytes, SIZE);
    assert_memory_equal(bytes, content, SIZE);
    assert_int_equal(bytes[SIZE], 0);
    free(bytes);
}

// --- serving -------------------------------------------------------------------------------------

static void test_the_served_chunks_are_the_object(void **state)
{
    (void)state;
    struct hasher whole;
    struct chunk_data c;
    hasher_init(&whole);
    for (uint32_t i = 0; object_chunk(&object, i, &c); i++) {
        struct hash h = hash_of(c.bytes, c.size_bytes);
        assert_true(hash_is_equal(&h, &the_manifest().chunks[i]));
        hasher_add(&whole, c.bytes, c.size_bytes);
    }
    struct hash h = hasher_end(&whole), direct = hash_of(content, SIZE);
    assert_true(hash_is_equal(&h, &object.hash) && hash_is_equal(&direct, &object.hash));
    assert_int_equal(object.n_chunks, N_CHUNKS);
    assert_false(object_chunk(&object, N_CHUNKS, &c));
    assert_false(object_chunk(&object, UINT32_MAX, &c));
    assert_int_equal(the_manifest().version, 5);
}

// --- fetching ------------------------------------------------------------------------------------

static void test_chunks_may_come_in_any_order_and_more_than_once(void **state)
{
    (void)state;
    static const uint32_t order[] = {8, 3, 3, 0, 7, 1, 8, 2, 6, 5, 0, 4};
    take_manifest();
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        assert_false(fetch_is_complete(fetch));
        take_chunk(order[i]);
        take_manifest(); // once more
    }
    take_chunk(2); // late
    struct get get;
    assert_false(fetch_next(fetch, 1000000, 8, &get));
    assert_complete();
}

// A link that loses, repeats and reorders: a bag of messages under way.
static void run_over_a_bad_link(uint32_t number, uint32_t window, uint32_t loss_percent)
{
    struct {
        bool is_manifest;
        uint32_t chunk;
    } bag[1024];
    uint32_t n = 0, n_gets = 0;
    uint64_t now_ms = 5000;
    struct rng_stream rng;
    rng_stream_init(&rng, (struct rng_key){SEED, RNG_TEST}, number, 0);
    for (; !fetch_is_complete(fetch); now_ms += 50) {
        struct get get;
        assert_true(now_ms < 3600000);
        for (; fetch_next(fetch, now_ms, window, &get); n_gets++) {
            assert_true(hash_is_equal(&get.object, &object.hash));
            assert_true(get.first + get.count <= N_CHUNKS && get.count <= window);
            for (uint32_t i = 0; i < get.count + get.want_manifest; i++) {
                for (uint32_t copies = 1 + (rng_below(&rng, 10) == 0); copies > 0 && n < 1024;
                     copies--) {
                    if (rng_below(&rng, 100) < loss_percent) continue;
                    bag[n].is_manifest = get.want_manifest;
                    bag[n++].chunk = get.first + i;
                }
            }
        }
        for (uint32_t came = rng_below(&rng, 4); came > 0 && n > 0; came--) {
            uint32_t i = rng_below(&rng, n);
            if (bag[i].is_manifest)
                take_manifest();
            else
                take_chunk(bag[i].chunk);
            bag[i] = bag[--n];
        }
    }
    assert_true(n_gets > 1);
    assert_complete();
}

static void test_loss_repetition_and_disorder_are_survived(void **state)
{
    (void)state;
    static const uint32_t losses[] = {0, 20, 60, 85};
    for (uint32_t i = 0; i < 12; i++) {
        fetch_destroy(fetch);
        fetch = fetch_create(&object.hash, SIZE);
        run_over_a_bad_link(i, 1 + 3 * (i % 3), losses[i % 4]);
    }
}

static void test_no_more_than_the_window_is_asked_for(void **state)
{
    (void)state;
    struct get get;
    assert_true(fetch_next(fetch, 0, 3, &get) && get.want_manifest && get.count == 0);
    assert_false(fetch_next(fetch, 999, 3, &get));
    take_manifest();
    assert_true(fetch_next(fetch, 10, 3, &get));
    assert_true(!get.want_manifest && get.first == 0 && get.count == 3);
    assert_false(fetch_next(fetch, 11, 3, &get));
    take_chunk(1);
    assert_true(fetch_next(fetch, 12, 3, &get));
    assert_true(get.first == 3 && get.count == 1);
    assert_false(fetch_next(fetch, 13, 3, &get));
}

static void test_what_is_not_answered_is_asked_again_ever_less_often(void **state)
{
    (void)state;
    struct get get;
    uint64_t last_ms = 0;
    uint32_t n = 0;
    static const uint64_t waits_ms[] = {0, 1000, 2000, 4000, 8000, 8000};
    for (uint64_t now_ms = 0; n < 6; now_ms += 10) {
        assert_true(now_ms < 60000);
        if (!fetch_next(fetch, now_ms, 4, &get)) continue;
        assert_true(get.want_manifest);
        assert_int_equal(now_ms - last_ms, waits_ms[n++]);
        last_ms = now_ms;
    }
    take_manifest();
    assert_true(fetch_next(fetch, last_ms + 10, 4, &get));
    assert_int_equal(get.count, 4);
    assert_false(fetch_next(fetch, last_ms + 1009, 4, &get));
    assert_true(fetch_next(fetch, last_ms + 1010, 4, &get));
    assert_true(get.first == 0 && get.count == 4);
}

static void test_a_chunk_that_came_unasked_is_not_asked_for(void **state)
{
    (void)state;
    struct get get;
    take_manifest();
    take_chunk(0);
    take_chunk(3);
    assert_true(fetch_next(fetch, 1000, 64, &get));
    assert_true(get.first == 1 && get.count == 2);
    assert_true(fetch_next(fetch, 1000, 64, &get));
    assert_true(get.first == 4 && get.count == N_CHUNKS - 4);
}

// --- refusing ------------------------------------------------------------------------------------

static void assert_chunk_refused(struct chunk_data c, enum err_code code)
{
    uint64_t before = fetch_bytes_done(fetch);
    assert_int_equal(fetch_take_chunk(fetch, &c, &err), -1);
    assert_int_equal(err.code, code);
    assert_int_equal(fetch_bytes_done(fetch), before);
}

static void test_a_corrupted_chunk_is_refused_and_the_right_one_still_taken(void **state)
{
    (void)state;
    static unsigned char wrong[CHUNK_BYTES];
    take_manifest();
    for (uint32_t i = 0; i < N_CHUNKS; i++) {
        struct chunk_data c = the_chunk(i);
        memcpy(wrong, c.bytes, c.size_bytes);
        wrong[(i * 131071u) % c.size_bytes] ^= 1;
        struct chunk_data bad = c;
        bad.bytes = wrong;
        assert_chunk_refused(bad, ERR_MISMATCH);
        bad = the_chunk(i == 0 ? 1 : i - 1); // another place's bytes
        bad.number = i;
        if (bad.size_bytes == c.size_bytes) assert_chunk_refused(bad, ERR_MISMATCH);
        take_chunk(i);
    }
    assert_complete();
}

static void test_chunks_of_a_wrong_size_number_or_object_are_refused(void **state)
{
    (void)state;
    struct chunk_data c = the_chunk(2);
    assert_chunk_refused(c, ERR_FORMAT); // before the manifest
    take_manifest();
    c.number = N_CHUNKS;
    assert_chunk_refused(c, ERR_FORMAT);
    c.number = UINT32_MAX;
    assert_chunk_refused(c, ERR_FORMAT);
    c = the_chunk(2);
    c.size_bytes--;
    assert_chunk_refused(c, ERR_FORMAT);
    c = the_chunk(2);
    c.number = N_CHUNKS - 1; // the short one
    assert_chunk_refused(c, ERR_FORMAT);
    c = the_chunk(2);
    c.object.bytes[31] ^= 1;
    assert_chunk_refused(c, ERR_MISMATCH);
}

static void assert_manifest_refused(const struct manifest *m, enum err_code code)
{
    err = (struct err){0};
    assert_int_equal(fetch_take_manifest(fetch, m, &err), -1);
    assert_int_equal(err.code, code);
    struct chunk_data c = the_chunk(0);
    assert_int_equal(fetch_take_chunk(fetch, &c, &err), -1); // nothing was kept
}

static void test_lying_manifests_are_refused_before_memory_is_taken(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {SIZE + 1, OBJECT_BYTES_MAX, OBJECT_BYTES_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct manifest m = the_manifest();
        m.size_bytes = sizes[i];
        m.n_chunks = (uint32_t)((sizes[i] - 1) / CHUNK_BYTES + 1); // in step with the lie
        assert_manifest_refused(&m, ERR_LIMIT);
    }
    struct manifest m = the_manifest();
    m.n_chunks = N_CHUNKS - 1;
    assert_manifest_refused(&m, ERR_FORMAT);
    m.n_chunks = UINT32_MAX;
    assert_manifest_refused(&m, ERR_FORMAT);
    m = the_manifest();
    m.size_bytes = CHUNK_BYTES; // 9 hashes for one chunk
    assert_manifest_refused(&m, ERR_FORMAT);
    m = the_manifest();
    m.chunk_bytes = 1;
    assert_manifest_refused(&m, ERR_FORMAT);
    m = the_manifest();
    m.chunks = NULL;
    assert_manifest_refused(&m, ERR_FORMAT);
    m = the_manifest();
    m.base = 4;
    assert_manifest_refused(&m, ERR_FORMAT);
    m = the_manifest();
    m.object.bytes[0] ^= 1;
    assert_manifest_refused(&m, ERR_MISMATCH);

    take_manifest(); // the true one is still welcome
    for (uint32_t i = 0; i < N_CHUNKS; i++)
        take_chunk(i);
    assert_complete();
}

static void test_chunks_that_make_up_something_else_start_the_fetch_anew(void **state)
{
    (void)state;
    // Every hash in the manifest is true of its chunk, but the whole is not the object.
    unsigned char *other = malloc(SIZE);
    struct object forged;
    memcpy(other, content, SIZE);
    other[4 * CHUNK_BYTES + 7] ^= 0x40;
    object_init(&forged, other, SIZE, 5);
    struct manifest m;
    object_manifest(&forged, &m);
    m.object = object.hash;
    assert_int_equal(fetch_take_manifest(fetch, &m, &err), 0);
    for (uint32_t i = 0; i < N_CHUNKS; i++) {
        struct chunk_data c;
        object_chunk(&forged, i, &c);
        c.object = object.hash;
        assert_int_equal(fetch_take_chunk(fetch, &c, &err), i + 1 < N_CHUNKS ? 0 : -1);
    }
    assert_int_equal(err.code, ERR_MISMATCH);
    assert_false(fetch_is_complete(fetch));
    assert_int_equal(fetch_bytes_done(fetch), 0);
    object_fini(&forged);
    free(other);

    struct get get;
    assert_true(fetch_next(fetch, 100, 4, &get) && get.want_manifest);
    take_manifest();
    for (uint32_t i = 0; i < N_CHUNKS; i++)
        take_chunk(i);
    assert_complete();
}

static void test_an_empty_object_is_complete_with_its_manifest(void **state)
{
    (void)state;
    struct object empty;
    struct manifest m;
    object_init(&empty, NULL, 0, 0);
    object_manifest(&empty, &m);
    struct fetch *f = fetch_create(&empty.hash, 0);
    assert_int_equal(fetch_take_manifest(f, &m, &err), 0);
    assert_true(fetch_is_complete(f));
    uint64_t size_bytes = 1;
    unsigned char *bytes = fetch_take_bytes(f, &size_bytes);
    assert_true(size_bytes == 0 && bytes[0] == 0);
    free(bytes);
    fetch_destroy(f);
    f = fetch_create(&object.hash, SIZE); // the name of something, and nothing behind it
    m.object = object.hash;
    assert_int_equal(fetch_take_manifest(f, &m, &err), -1);
    assert_int_equal(err.code, ERR_MISMATCH);
    fetch_destroy(f);
    object_fini(&empty);
}

static void test_a_large_object_is_kept_in_a_file_when_it_may_be(void **state)
{
    (void)state;
    const size_t size = SCRATCH_FILE_BYTES + 12345;
    unsigned char *bytes = calloc(size, 1);
    struct object large;
    struct manifest m;
    assert_non_null(bytes);
    for (size_t at = 0; at < size; at += 997)
        bytes[at] = (unsigned char)(at % 255 + 1);
    object_init(&large, bytes, size, 1);
    object_manifest(&large, &m);
    struct fetch *f = fetch_create(&large.hash, size);
    fetch_into_scratch(f);
    if (fetch_take_manifest(f, &m, &err) != 0) fail_msg("%s", err.text);
    for (uint32_t i = 0; i < large.n_chunks; i++) {
        struct chunk_data c;
        assert_true(object_chunk(&large, i, &c));
        if (fetch_take_chunk(f, &c, &err) != 0) fail_msg("%s", err.text);
    }
    assert_true(fetch_is_complete(f));
    struct scratch got = fetch_take_scratch(f);
    fetch_destroy(f);
    assert_true(got.is_file);
    assert_int_equal(got.size_bytes, size + 1);
    assert_memory_equal(got.bytes, bytes, size);
    assert_int_equal(got.bytes[size], 0);
    scratch_release(&got);
    object_fini(&large);
    free(bytes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_the_served_chunks_are_the_object),
        TEST(test_chunks_may_come_in_any_order_and_more_than_once),
        TEST(test_loss_repetition_and_disorder_are_survived),
        TEST(test_no_more_than_the_window_is_asked_for),
        TEST(test_what_is_not_answered_is_asked_again_ever_less_often),
        TEST(test_a_chunk_that_came_unasked_is_not_asked_for),
        TEST(test_a_corrupted_chunk_is_refused_and_the_right_one_still_taken),
        TEST(test_chunks_of_a_wrong_size_number_or_object_are_refused),
        TEST(test_lying_manifests_are_refused_before_memory_is_taken),
        TEST(test_chunks_that_make_up_something_else_start_the_fetch_anew),
        TEST(test_an_empty_object_is_complete_with_its_manifest),
        TEST(test_a_large_object_is_kept_in_a_file_when_it_may_be),
    };
    return cmocka_run_group_tests(tests, make_object, free_object);
}
