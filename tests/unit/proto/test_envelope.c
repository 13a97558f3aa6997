#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "proto/envelope.h"

static unsigned char header[ENVELOPE_BYTES];
static unsigned char body[20], blob[33];
static struct frames frames;

static int setup(void **state)
{
    (void)state;
    memset(body, 'b', sizeof body);
    memset(blob, 'x', sizeof blob);
    frames = (struct frames){
        .n = 3, .frame = {{header, sizeof header}, {body, sizeof body}, {blob, sizeof blob}}};
    struct envelope envelope = {
        .type = 8, .epoch = 3, .run = 0x1122334455667788u, .sequence = UINT64_MAX};
    envelope_encode(header, &envelope, &frames);
    return 0;
}

static enum err_code decode(void)
{
    struct envelope envelope;
    struct err err = {0};
    return envelope_decode(&envelope, &frames, &err) == 0 ? ERR_NONE : err.code;
}

static void test_what_is_written_is_read(void **state)
{
    (void)state;
    struct envelope envelope;
    struct err err;
    assert_int_equal(envelope_decode(&envelope, &frames, &err), 0);
    assert_int_equal(envelope.type, 8);
    assert_int_equal(envelope.epoch, 3);
    assert_true(envelope.run == 0x1122334455667788u && envelope.sequence == UINT64_MAX);
    assert_memory_equal(header, "ARGY\x01\x00\x08\x00", 8); // little-endian, as the README says
    assert_int_equal(header[32], sizeof body + sizeof blob);
}

static void test_every_flipped_bit_of_every_frame_is_found(void **state)
{
    (void)state;
    unsigned char *bytes[] = {header, body, blob};
    for (uint32_t f = 0; f < 3; f++) {
        for (size_t bit = 0; bit < 8 * frames.frame[f].size_bytes; bit++) {
            bytes[f][bit / 8] ^= (unsigned char)(1u << bit % 8);
            assert_int_not_equal(decode(), ERR_NONE);
            bytes[f][bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
    }
    assert_int_equal(decode(), ERR_NONE);
}

static void test_bytes_may_not_move_from_one_frame_to_the_next(void **state)
{
    (void)state;
    static unsigned char joined[sizeof body + sizeof blob];
    memcpy(joined, body, sizeof body);
    memcpy(joined + sizeof body, blob, sizeof blob);
    frames.frame[1] = (struct frame){joined, sizeof body + 1};
    frames.frame[2] = (struct frame){joined + sizeof body + 1, sizeof blob - 1};
    assert_int_equal(decode(), ERR_FORMAT);
    frames.frame[1] = (struct frame){joined, sizeof body};
    frames.frame[2] = (struct frame){joined + sizeof body, sizeof blob};
    assert_int_equal(decode(), ERR_NONE);
}

static void test_missing_additional_and_cut_frames_are_refused(void **state)
{
    (void)state;
    for (uint32_t n = 0; n <= FRAMES_MAX + 1; n++) {
        frames.n = n;
        assert_int_equal(decode(), n == 3 ? ERR_NONE : ERR_FORMAT);
    }
    frames.n = 3;
    for (uint32_t f = 0; f < 3; f++) {
        size_t whole = frames.frame[f].size_bytes;
        for (size_t n = 0; n < whole; n++) {
            frames.frame[f].size_bytes = n;
            assert_int_equal(decode(), ERR_FORMAT);
        }
        frames.frame[f].size_bytes = whole;
    }
}

static void test_another_protocol_version_is_a_mismatch_of_its_own(void **state)
{
    (void)state;
    header[4] = PROTO_VERSION + 1;
    assert_int_equal(decode(), ERR_MISMATCH);
}

static void test_frames_over_the_limits_are_refused_unread(void **state)
{
    (void)state;
    // The sizes are lies: a read past the small arrays is what the sanitizer would see.
    frames.frame[2].size_bytes = FRAME_BYTES_MAX + 1;
    assert_int_equal(decode(), ERR_LIMIT);
    frames.n = FRAMES_MAX;
    for (uint32_t i = 1; i < FRAMES_MAX; i++)
        frames.frame[i] = (struct frame){blob, FRAME_BYTES_MAX};
    assert_int_equal(decode(), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_what_is_written_is_read, setup),
        cmocka_unit_test_setup(test_every_flipped_bit_of_every_frame_is_found, setup),
        cmocka_unit_test_setup(test_bytes_may_not_move_from_one_frame_to_the_next, setup),
        cmocka_unit_test_setup(test_missing_additional_and_cut_frames_are_refused, setup),
        cmocka_unit_test_setup(test_another_protocol_version_is_a_mismatch_of_its_own, setup),
        cmocka_unit_test_setup(test_frames_over_the_limits_are_refused_unread, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
