#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/hash.h"

static void expect_hash(const char *text, const char *want)
{
    char hex[HASH_HEX_BYTES];
    struct hash h = hash_of(text, strlen(text));
    hash_hex(&h, hex);
    assert_string_equal(hex, want);
}

static void test_a_hash_is_sha_256(void **state)
{
    (void)state; // FIPS 180-4's examples
    expect_hash("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect_hash("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void test_pieces_hash_as_the_whole_wherever_they_are_cut(void **state)
{
    (void)state;
    unsigned char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (unsigned char)(i * 7);
    }
    struct hash whole = hash_of(bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        struct hasher s;
        hasher_init(&s);
        hasher_add(&s, bytes, cut);
        hasher_add(&s, bytes + cut, sizeof bytes - cut);
        struct hash h = hasher_end(&s);
        assert_true(hash_is_equal(&h, &whole));
    }
}

static void test_hex_goes_there_and_back_in_either_case(void **state)
{
    (void)state;
    struct hash h = hash_of("x", 1);
    struct hash back;
    char hex[HASH_HEX_BYTES];
    hash_hex(&h, hex);
    assert_true(hash_from_hex(&back, hex));
    assert_true(hash_is_equal(&h, &back));
    for (char *c = hex; *c != '\0'; c++) {
        if (*c >= 'a') *c = (char)(*c - 'a' + 'A');
    }
    memset(&back, 0, sizeof back);
    assert_true(hash_from_hex(&back, hex));
    assert_true(hash_is_equal(&h, &back));
}

static void test_what_is_not_64_hex_digits_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct hash h = {0};
    char hex[HASH_HEX_BYTES + 1];
    memset(hex, 'a', sizeof hex);
    hex[65] = '\0'; // 65 digits
    assert_false(hash_from_hex(&h, hex));
    hex[63] = '\0';
    assert_false(hash_from_hex(&h, hex));
    assert_false(hash_from_hex(&h, ""));
    hex[63] = 'g';
    hex[64] = '\0';
    assert_false(hash_from_hex(&h, hex));
    assert_true(hash_is_zero(&h));
    hex[63] = '0';
    assert_true(hash_from_hex(&h, hex));
    assert_false(hash_is_zero(&h));
}

static void test_a_checksum_is_xxh3_and_sees_one_flipped_bit(void **state)
{
    (void)state;
    assert_true(checksum_of("", 0) == 0x2d06800538d394c2u); // XXH3_64bits of nothing, seed 0
    unsigned char bytes[1000] = {0};
    uint64_t before = checksum_of(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = 1;
        assert_true(checksum_of(bytes, sizeof bytes) != before);
        bytes[i] = 0;
    }
    assert_true(checksum_of(bytes, sizeof bytes) == before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_hash_is_sha_256),
        cmocka_unit_test(test_pieces_hash_as_the_whole_wherever_they_are_cut),
        cmocka_unit_test(test_hex_goes_there_and_back_in_either_case),
        cmocka_unit_test(test_what_is_not_64_hex_digits_is_refused_and_changes_nothing),
        cmocka_unit_test(test_a_checksum_is_xxh3_and_sees_one_flipped_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
