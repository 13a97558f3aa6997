#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire.h"
#include "tests/support/random_message.h"

#define SEED 20250901

static struct random_message made;
static struct wire_buffer encoded, aligned;

static int setup(void **state)
{
    (void)state;
    wire_buffer_init(&encoded);
    wire_buffer_init(&aligned);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wire_buffer_fini(&encoded);
    wire_buffer_fini(&aligned);
    return 0;
}

// --- what our encoder writes ---------------------------------------------------------------------

static void test_every_message_survives_the_round_trip(void **state)
{
    (void)state;
    int n_spans = 0, n_behaviour = 0;
    for (uint32_t type = MESSAGE_HELLO; type <= MESSAGE_BYE; type++) {
        for (uint32_t number = 0; number < 300; number++) {
            struct message got;
            struct err err = {0};
            random_message_make(&made, type, SEED, number);
            wire_encode(&encoded, &made.message);
            if (wire_decode(&got, &encoded.frames, &aligned, &err) != 0) fail_msg("%s", err.text);
            if (!message_is_same(&made.message, &got))
                fail_msg("%s number %u came out different", message_type_name(type), number);
            n_spans += type == MESSAGE_RESULT && got.result.n_spans > 1;
            n_behaviour += type == MESSAGE_RESULT && got.result.logprobs_behaviour != NULL;
        }
    }
    assert_true(n_spans > 50 && n_behaviour > 20);
}

static void test_the_largest_lists_fit_in_a_header(void **state)
{
    (void)state;
    static struct message m, got;
    static char name[NAME_BYTES_MAX];
    static char spec[SPEC_BYTES_MAX];
    struct err err = {0};
    memset(name, 'n', sizeof name);
    memset(spec, 's', sizeof spec);
    m = (struct message){.type = MESSAGE_WELCOME};
    m.welcome = (struct welcome){.spec = {spec, sizeof spec}, .n_files = FILES_MAX};
    for (uint32_t i = 0; i < FILES_MAX; i++)
        m.welcome.files[i] = (struct file_entry){.name = {name, sizeof name}, .size_bytes = i};
    wire_encode(&encoded, &m);
    assert_int_equal(wire_decode(&got, &encoded.frames, &aligned, &err), 0);

    m = (struct message){.type = MESSAGE_ACK, .ack.n = ACKS_MAX};
    for (uint32_t i = 0; i < ACKS_MAX; i++)
        m.ack.entries[i] = (struct ack_entry){UINT64_MAX, UINT64_MAX, GROUP_SAMPLES_MAX - 1, 1};
    wire_encode(&encoded, &m);
    assert_int_equal(wire_decode(&got, &encoded.frames, &aligned, &err), 0);
}

static void test_texts_for_people_are_cut_at_their_limit(void **state)
{
    (void)state;
    static char text[TEXT_BYTES_MAX + 100];
    memset(text, 't', sizeof text);
    struct message m = {.type = MESSAGE_BYE, .bye.reason = {text, sizeof text}}, got;
    struct err err = {0};
    wire_encode(&encoded, &m);
    assert_int_equal(wire_decode(&got, &encoded.frames, &aligned, &err), 0);
    assert_int_equal(got.bye.reason.size_bytes, TEXT_BYTES_MAX);
}

// Each frame in a block of its exact size, so that the sanitizer sees one byte too far.
static void test_every_cut_and_flipped_bit_of_every_frame_is_refused(void **state)
{
    (void)state;
    for (uint32_t type = MESSAGE_HELLO; type <= MESSAGE_BYE; type++) {
        struct message got;
        struct err err = {0};
        random_message_make(&made, type, SEED, 1000);
        wire_encode(&encoded, &made.message);
        for (uint32_t f = 0; f < encoded.frames.n; f++) {
            struct frames bad = encoded.frames;
            size_t size = bad.frame[f].size_bytes;
            size_t step = size > 300 ? size / 300 : 1;
            for (size_t n = 0; n < size; n += step) {
                unsigned char *cut = malloc(n > 0 ? n : 1);
                memcpy(cut, encoded.frames.frame[f].bytes, n);
                bad.frame[f] = (struct frame){cut, n};
                assert_int_equal(wire_decode(&got, &bad, &aligned, &err), -1);
                free(cut);

                unsigned char *flipped = malloc(size);
                memcpy(flipped, encoded.frames.frame[f].bytes, size);
                flipped[n] ^= (unsigned char)(1u << n % 8);
                bad.frame[f] = (struct frame){flipped, size};
                assert_int_equal(wire_decode(&got, &bad, &aligned, &err), -1);
                free(flipped);
            }
        }
    }
}

// --- what a hostile or future peer writes --------------------------------------------------------

static struct frames wrap(uint32_t type, const msgpack_sbuffer *header, const struct frame *blobs,
                          uint32_t n_blobs)
{
    static unsigned char envelope[ENVELOPE_BYTES];
    struct frames frames = {.n = 2 + n_blobs,
                            .frame = {{envelope, sizeof envelope}, {header->data, header->size}}};
    for (uint32_t i = 0; i < n_blobs; i++)
        frames.frame[2 + i] = blobs[i];
    struct envelope e = {.type = (uint16_t)type};
    envelope_encode(envelope, &e, &frames);
    return frames;
}

static void put_key(msgpack_packer *pk, const char *key)
{
    msgpack_pack_str_with_body(pk, key, strlen(key));
}

// With a valid envelope round them, every cut and every change of a byte of a
// header must be refused or give a message that can be encoded again.
static void test_changed_headers_under_a_valid_envelope_do_no_harm(void **state)
{
    (void)state;
    uint32_t n_refused = 0, n_accepted = 0;
    for (uint32_t type = MESSAGE_HELLO; type <= MESSAGE_BYE; type++) {
        random_message_make(&made, type, SEED, 2000);
        wire_encode(&encoded, &made.message);
        size_t size = encoded.frames.frame[1].size_bytes;
        size_t step = size > 500 ? size / 500 : 1;
        for (size_t at = 0; at < size; at += step) {
            for (uint32_t way = 0; way < 9; way++) { // eight flips and a cut
                struct message got;
                struct err err = {0};
                struct wire_buffer again;
                size_t n = way == 8 ? at : size;
                char *changed = malloc(n > 0 ? n : 1);
                memcpy(changed, encoded.frames.frame[1].bytes, n);
                if (way < 8) changed[at] = (char)(changed[at] ^ (1 << way));
                msgpack_sbuffer header = {.size = n, .data = changed};
                struct frames frames =
                    wrap(type, &header, &encoded.frames.frame[2], encoded.frames.n - 2);
                if (wire_decode(&got, &frames, &aligned, &err) == 0) {
                    n_accepted++;
                    wire_buffer_init(&again);
                    wire_encode(&again, &got);
                    wire_buffer_fini(&again);
                } else {
                    assert_int_not_equal(err.code, ERR_NONE);
                    assert_true(err.text[0] != '\0');
                    n_refused++;
                }
                free(changed);
            }
        }
    }
    assert_true(n_refused > 10000 && n_accepted > 1000);
}

static void expect_refused(uint32_t type, const msgpack_sbuffer *header, const char *word)
{
    struct message got;
    struct err err = {0};
    struct frames frames = wrap(type, header, NULL, 0);
    assert_int_equal(wire_decode(&got, &frames, &aligned, &err), -1);
    if (strstr(err.text, word) == NULL) fail_msg("'%s' does not say '%s'", err.text, word);
    if (strstr(err.text, message_type_name(type)) == NULL) fail_msg("'%s' has no type", err.text);
}

enum bye_variant {
    BYE_RIGHT,
    BYE_MISSING,
    BYE_TWICE,
    BYE_ILL_TYPED,
    BYE_UNKNOWN,
    BYE_UNKNOWN_TWICE
};

static void pack_bye(msgpack_sbuffer *sb, enum bye_variant variant)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, sb, msgpack_sbuffer_write);
    uint32_t n_more = variant == BYE_RIGHT || variant == BYE_ILL_TYPED ? 1
                      : variant == BYE_MISSING                         ? 0
                      : variant == BYE_UNKNOWN_TWICE                   ? 3
                                                                       : 2;
    msgpack_pack_map(&pk, 1 + n_more);
    put_key(&pk, "reason");
    put_key(&pk, "over");
    if (variant != BYE_MISSING) {
        put_key(&pk, "final");
        variant == BYE_ILL_TYPED ? msgpack_pack_int(&pk, 1) : msgpack_pack_true(&pk);
    }
    if (variant == BYE_TWICE) {
        put_key(&pk, "final");
        msgpack_pack_false(&pk);
    }
    for (int i = 0; variant == BYE_UNKNOWN || variant == BYE_UNKNOWN_TWICE; i++) {
        put_key(&pk, "later");
        msgpack_pack_array(&pk, 1);
        msgpack_pack_nil(&pk);
        if (variant == BYE_UNKNOWN || i == 1) break;
    }
}

static void test_keys_missing_twice_or_ill_typed_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const words[] = {[BYE_MISSING] = "'final' is missing",
                                        [BYE_TWICE] = "'final' comes twice",
                                        [BYE_ILL_TYPED] = "'final'",
                                        [BYE_UNKNOWN_TWICE] = "comes twice"};
    for (enum bye_variant v = BYE_RIGHT; v <= BYE_UNKNOWN_TWICE; v++) {
        msgpack_sbuffer sb;
        msgpack_sbuffer_init(&sb);
        pack_bye(&sb, v);
        if (v == BYE_RIGHT || v == BYE_UNKNOWN) {
            struct message got;
            struct err err = {0};
            struct frames frames = wrap(MESSAGE_BYE, &sb, NULL, 0);
            assert_int_equal(wire_decode(&got, &frames, &aligned, &err), 0);
            assert_true(got.bye.is_final && got.bye.reason.size_bytes == 4);
        } else {
            expect_refused(MESSAGE_BYE, &sb, words[v]);
        }
        msgpack_sbuffer_destroy(&sb);
    }
}

static void test_bombs_are_refused_before_they_cost_anything(void **state)
{
    (void)state;
    char deep[160];
    for (size_t i = 0; i < sizeof deep; i += 5)
        memcpy(deep + i, "\xdd\x10\x00\x00\x00", 5);
    msgpack_sbuffer bombs[] = {{.data = deep, .size = 5}, {.data = deep, .size = sizeof deep}};
    for (size_t i = 0; i < 2; i++)
        expect_refused(MESSAGE_HELLO, &bombs[i], "declares more");
}

static void test_an_unknown_type_is_refused(void **state)
{
    (void)state;
    struct message got;
    char empty[] = "\x80";
    msgpack_sbuffer header = {.data = empty, .size = 1};
    for (uint32_t type = 0; type < 70000; type += type == MESSAGE_BYE + 1 ? 65518 : 17) {
        if (type >= MESSAGE_HELLO && type <= MESSAGE_BYE) continue;
        struct err err = {0};
        struct frames frames = wrap(type & 0xffff, &header, NULL, 0);
        if ((type & 0xffff) >= MESSAGE_HELLO && (type & 0xffff) <= MESSAGE_BYE) continue;
        assert_int_equal(wire_decode(&got, &frames, &aligned, &err), -1);
        assert_non_null(strstr(err.text, "unknown message type"));
    }
}

// --- blobs ---------------------------------------------------------------------------------------

#define N_TOKENS 6
#define N_PROMPT 2

static struct message small_result(void)
{
    static uint32_t tokens[N_TOKENS] = {1, 2, 3, 4, 5, 6};
    static float mask[N_TOKENS], logprobs[N_TOKENS];
    for (int i = 0; i < N_TOKENS; i++) {
        mask[i] = 1.0f;
        logprobs[i] = -1.0f;
    }
    return (struct message){.type = MESSAGE_RESULT,
                            .result = {.lease = 1,
                                       .kind = LEASE_GENERATE,
                                       .n_prompt_tokens = N_PROMPT,
                                       .n_tokens = N_TOKENS,
                                       .tokens = tokens,
                                       .loss_mask = mask,
                                       .logprobs = logprobs,
                                       .n_spans = 1}};
}

static void expect_result_refused(const struct message *m, const char *word)
{
    struct message got;
    struct err err = {0};
    wire_encode(&encoded, m);
    assert_int_equal(wire_decode(&got, &encoded.frames, &aligned, &err), -1);
    if (strstr(err.text, word) == NULL) fail_msg("'%s' does not say '%s'", err.text, word);
}

static void test_a_result_without_what_its_outcome_needs_is_refused(void **state)
{
    (void)state;
    struct message m = small_result(), got;
    struct err err = {0};
    wire_encode(&encoded, &m);
    assert_int_equal(wire_decode(&got, &encoded.frames, &aligned, &err), 0);

    m.result.tokens = NULL;
    expect_result_refused(&m, "'tokens' is missing");
    m = small_result();
    m.result.loss_mask = NULL;
    expect_result_refused(&m, "'loss_mask' is missing");
    m = small_result();
    m.result.logprobs = NULL;
    expect_result_refused(&m, "'logprobs' is missing");
    m = small_result();
    m.result.n_spans = 0;
    expect_result_refused(&m, "'spans' is missing");
    m = small_result();
    m.result.n_tokens = m.result.n_prompt_tokens = 0;
    expect_result_refused(&m, "'n_tokens'");

    m = (struct message){.type = MESSAGE_RESULT,
                         .result = {.kind = LEASE_GENERATE, .outcome = OUTCOME_SCORER_ERROR}};
    wire_encode(&encoded, &m);
    assert_int_equal(wire_decode(&got, &encoded.frames, &aligned, &err), 0);
}

static void test_spans_must_start_at_zero_and_ascend_within_the_response(void **state)
{
    (void)state;
    struct message m = small_result();
    m.result.spans[0].start = 1;
    expect_result_refused(&m, "'spans'");
    m = small_result();
    m.result.n_spans = 2; // 0, 0
    expect_result_refused(&m, "'spans'");
    m.result.spans[1].start = N_TOKENS - N_PROMPT;
    expect_result_refused(&m, "'spans'");
}

static void test_numbers_that_are_none_are_refused(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 0.5f};
    for (size_t i = 0; i < 4; i++) {
        float values[N_TOKENS] = {-1, -1, -1, bad[i], -1, -1};
        struct message m = small_result();
        m.result.logprobs = values;
        expect_result_refused(&m, "blob 'logprobs': item 3");
        m = small_result();
        m.result.logprobs_behaviour = values;
        expect_result_refused(&m, "blob 'logprobs_behaviour': item 3");
        m = small_result();
        float mask[N_TOKENS] = {1, 1, 1, i == 3 ? -0.5f : bad[i], 1, 1};
        m.result.loss_mask = mask;
        expect_result_refused(&m, "blob 'loss_mask': item 3");
        if (i == 3) continue;
        m = small_result();
        m.result.reward = (double)bad[i];
        expect_result_refused(&m, "'reward'");
        m = small_result();
        m.result.n_metrics = 1;
        m.result.metrics[0] = (struct named_number){{"level", 5}, (double)bad[i]};
        expect_result_refused(&m, "'metrics' item 0");
    }
}

static void test_blobs_of_the_wrong_size_number_or_name_are_refused(void **state)
{
    (void)state;
    struct message m = small_result(), got;
    struct err err = {0};
    wire_encode(&encoded, &m);
    msgpack_sbuffer header = {.data = (char *)(uintptr_t)encoded.frames.frame[1].bytes,
                              .size = encoded.frames.frame[1].size_bytes};
    struct frame blobs[4];
    memcpy(blobs, &encoded.frames.frame[2], 3 * sizeof blobs[0]);
    for (uint32_t i = 0; i < 3; i++) {
        struct frame right = blobs[i];
        const size_t sizes[] = {0, right.size_bytes - 4, right.size_bytes - 1};
        for (size_t k = 0; k < 3; k++) {
            blobs[i].size_bytes = sizes[k];
            struct frames frames = wrap(MESSAGE_RESULT, &header, blobs, 3);
            assert_int_equal(wire_decode(&got, &frames, &aligned, &err), -1);
            assert_non_null(strstr(err.text, "bytes, want"));
        }
        blobs[i] = right;
    }
    blobs[3] = blobs[0];
    for (uint32_t n = 0; n <= 4; n++) {
        struct frames frames = wrap(MESSAGE_RESULT, &header, blobs, n);
        assert_int_equal(wire_decode(&got, &frames, &aligned, &err), n == 3 ? 0 : -1);
    }
    char *name = memchr(header.data, 0xa9, header.size); // "loss_mask" as a fixstr
    while (memcmp(name + 1, "loss_mask", 9) != 0)
        name = memchr(name + 1, 0xa9, header.size - (size_t)(name + 1 - header.data));
    name[1] = 'm'; // an unknown blob is skipped, and then the known one is missing
    struct frames frames = wrap(MESSAGE_RESULT, &header, blobs, 3);
    assert_int_equal(wire_decode(&got, &frames, &aligned, &err), -1);
    assert_non_null(strstr(err.text, "'loss_mask' is missing"));
}

static void test_blobs_that_are_not_aligned_are_copied_or_refused(void **state)
{
    (void)state;
    struct message m = small_result(), got;
    struct err err = {0};
    static _Alignas(8) unsigned char room[256];
    wire_encode(&encoded, &m);
    struct frames moved = encoded.frames;
    size_t used = 1;
    for (uint32_t i = 2; i < moved.n; i++) {
        memcpy(room + used, moved.frame[i].bytes, moved.frame[i].size_bytes);
        moved.frame[i].bytes = room + used;
        used += moved.frame[i].size_bytes;
    }
    assert_int_equal(wire_decode(&got, &moved, &aligned, &err), 0);
    assert_true(message_is_same(&m, &got));
    assert_true((uintptr_t)got.result.tokens % 4 == 0 && (uintptr_t)got.result.logprobs % 4 == 0);
    assert_int_equal(wire_decode(&got, &moved, NULL, &err), -1);
    assert_non_null(strstr(err.text, "aligned"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_message_survives_the_round_trip),
        cmocka_unit_test(test_the_largest_lists_fit_in_a_header),
        cmocka_unit_test(test_texts_for_people_are_cut_at_their_limit),
        cmocka_unit_test(test_every_cut_and_flipped_bit_of_every_frame_is_refused),
        cmocka_unit_test(test_changed_headers_under_a_valid_envelope_do_no_harm),
        cmocka_unit_test(test_keys_missing_twice_or_ill_typed_are_refused_by_name),
        cmocka_unit_test(test_bombs_are_refused_before_they_cost_anything),
        cmocka_unit_test(test_an_unknown_type_is_refused),
        cmocka_unit_test(test_a_result_without_what_its_outcome_needs_is_refused),
        cmocka_unit_test(test_spans_must_start_at_zero_and_ascend_within_the_response),
        cmocka_unit_test(test_numbers_that_are_none_are_refused),
        cmocka_unit_test(test_blobs_of_the_wrong_size_number_or_name_are_refused),
        cmocka_unit_test(test_blobs_that_are_not_aligned_are_copied_or_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
