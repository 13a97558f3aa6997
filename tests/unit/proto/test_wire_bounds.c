#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <msgpack.h>
#include <string.h>

#include "common/base/rng.h"
#include "proto/wire_bounds.h"

static enum err_code check(const void *bytes, size_t size)
{
    struct err err = {0};
    return wire_bounds_check(bytes, size, &err) == 0 ? ERR_NONE : err.code;
}

static void pack_sample(msgpack_sbuffer *out)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, 4);
    msgpack_pack_str_with_body(&pk, "step", 4);
    msgpack_pack_uint64(&pk, UINT64_MAX);
    msgpack_pack_str_with_body(&pk, "reward", 6);
    msgpack_pack_double(&pk, -0.5);
    msgpack_pack_str_with_body(&pk, "object", 6);
    msgpack_pack_bin_with_body(&pk, "0123456789abcdef0123456789abcdef", 32);
    msgpack_pack_str_with_body(&pk, "tokens", 6);
    msgpack_pack_array(&pk, 300);
    for (int i = 0; i < 300; i++)
        msgpack_pack_int(&pk, i * 37 - 500);
}

static void test_a_header_is_accepted_and_each_cut_of_it_refused(void **state)
{
    (void)state;
    msgpack_sbuffer sb;
    msgpack_sbuffer_init(&sb);
    pack_sample(&sb);
    assert_int_equal(check(sb.data, sb.size), ERR_NONE);
    for (size_t n = 0; n < sb.size; n++)
        assert_int_not_equal(check(sb.data, n), ERR_NONE);
    msgpack_sbuffer_destroy(&sb);
}

static void test_lies_about_length_and_excess_are_refused(void **state)
{
    (void)state;
    assert_int_equal(check("\xdd\x10\x00\x00\x00", 5), ERR_LIMIT); // array of 2^28
    assert_int_equal(check("\xdf\xff\xff\xff\xff", 5), ERR_LIMIT); // map of 2^32-1 pairs
    assert_int_equal(check("\xc6\xff\xff\xff\xff", 5), ERR_LIMIT); // blob of 4 GiB
    assert_int_equal(check("\xdb\xff\xff\xff\xff", 5), ERR_LIMIT); // text of 4 GiB
    assert_int_equal(check("\xdc\x00\x02\xc0", 4), ERR_LIMIT);     // one item short
    assert_int_equal(check("\xc0\xc0", 2), ERR_FORMAT);            // one too many
    assert_int_equal(check("", 0), ERR_FORMAT);
}

static void test_reserved_tags_and_extensions_are_refused(void **state)
{
    (void)state;
    assert_int_equal(check("\xc1", 1), ERR_FORMAT);
    assert_int_equal(check("\xc7\x00\x01", 3), ERR_FORMAT);
    assert_int_equal(check("\xc8\x00\x00\x01", 4), ERR_FORMAT);
    assert_int_equal(check("\xc9\x00\x00\x00\x00\x01", 6), ERR_FORMAT);
    for (unsigned char tag = 0xd4; tag <= 0xd8; tag++) {
        unsigned char bytes[18] = {tag};
        assert_int_equal(check(bytes, 2u + (1u << (tag - 0xd4))), ERR_FORMAT);
    }
}

static void test_depth_and_number_of_values_are_limited(void **state)
{
    (void)state;
    unsigned char bytes[HEADER_ITEMS_MAX + 8];
    memset(bytes, 0x91, sizeof bytes); // arrays of one
    bytes[HEADER_DEPTH_MAX] = 0xc0;
    assert_int_equal(check(bytes, HEADER_DEPTH_MAX + 1), ERR_NONE);
    bytes[HEADER_DEPTH_MAX] = 0x91;
    bytes[HEADER_DEPTH_MAX + 1] = 0xc0;
    assert_int_equal(check(bytes, HEADER_DEPTH_MAX + 2), ERR_LIMIT);

    memset(bytes, 0xc0, sizeof bytes);
    bytes[0] = 0xdc; // an array counts as a value too
    bytes[1] = (HEADER_ITEMS_MAX - 1) >> 8;
    bytes[2] = (HEADER_ITEMS_MAX - 1) & 0xff;
    assert_int_equal(check(bytes, 3 + HEADER_ITEMS_MAX - 1), ERR_NONE);
    bytes[1] = HEADER_ITEMS_MAX >> 8;
    bytes[2] = HEADER_ITEMS_MAX & 0xff;
    assert_int_equal(check(bytes, 3 + HEADER_ITEMS_MAX), ERR_LIMIT);
}

static void test_a_header_over_its_size_is_refused(void **state)
{
    (void)state;
    static unsigned char bytes[HEADER_BYTES_MAX + 1] = {0xc6};
    uint32_t body = HEADER_BYTES_MAX - 5;
    for (int i = 0; i < 4; i++)
        bytes[1 + i] = (unsigned char)(body >> (24 - 8 * i));
    assert_int_equal(check(bytes, HEADER_BYTES_MAX), ERR_NONE);
    bytes[4]++;
    assert_int_equal(check(bytes, HEADER_BYTES_MAX + 1), ERR_LIMIT);
}

static void test_whatever_is_accepted_msgpack_decodes_whole(void **state)
{
    (void)state;
    struct rng_stream rng;
    rng_stream_init(&rng, (struct rng_key){42, RNG_TEST}, 0, 0);
    int n_accepted = 0, n_refused = 0;
    for (int round = 0; round < 300000; round++) {
        unsigned char bytes[12];
        size_t size = 1 + rng_below(&rng, sizeof bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (unsigned char)rng_next(&rng);
        if (rng_below(&rng, 2) == 0) bytes[0] = (unsigned char)(0x80 | (bytes[0] & 0x1f));
        if (check(bytes, size) != ERR_NONE) {
            n_refused++;
            continue;
        }
        n_accepted++;
        msgpack_unpacked unpacked;
        msgpack_unpacked_init(&unpacked);
        size_t used = 0;
        assert_int_equal(msgpack_unpack_next(&unpacked, (const char *)bytes, size, &used),
                         MSGPACK_UNPACK_SUCCESS);
        assert_int_equal(used, size);
        msgpack_unpacked_destroy(&unpacked);
    }
    assert_true(n_accepted > 1000 && n_refused > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_header_is_accepted_and_each_cut_of_it_refused),
        cmocka_unit_test(test_lies_about_length_and_excess_are_refused),
        cmocka_unit_test(test_reserved_tags_and_extensions_are_refused),
        cmocka_unit_test(test_depth_and_number_of_values_are_limited),
        cmocka_unit_test(test_a_header_over_its_size_is_refused),
        cmocka_unit_test(test_whatever_is_accepted_msgpack_decodes_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
