#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/text/text_buffer.h"
#include "actor/tokenizer/tokenizer.h"
#include "actor/tokenizer/tokenizer_words.h"
#include "common/base/file.h"
#include "common/base/json.h"
#include "common/base/rng.h"
#include "tests/support/golden.h"

// --- word level ----------------------------------------------------------------------------------

static const struct word words[] = {
    {"<pad>", WORD_SPECIAL}, {"<eos>", WORD_SPECIAL}, {"<think>", WORD_TAG}, {"a", WORD_PLAIN},
    {"b", WORD_PLAIN},       {"ab", WORD_PLAIN},      {"aba", WORD_PLAIN},   {"-", WORD_PLAIN},
    {"^", WORD_PLAIN},       {"]", WORD_PLAIN},       {"\\", WORD_PLAIN}};
enum { N_WORDS = sizeof words / sizeof words[0] };

static struct tokenizer *make_words(void)
{
    struct json_writer w;
    json_writer_init(&w);
    tokenizer_write_words(words, N_WORDS, NULL, &w);
    struct err err;
    struct tokenizer *t = tokenizer_create(w.bytes, w.size_bytes, "words", &err);
    if (t == NULL) fail_msg("%s", err.text);
    free(w.bytes);
    return t;
}

static void expect_ids(const struct tokenizer *t, const char *text, const uint32_t *want, size_t n)
{
    struct token_ids ids;
    struct err err;
    token_ids_init(&ids);
    if (tokenizer_encode(t, text, strlen(text), &ids, &err) != 0) fail_msg("%s", err.text);
    assert_int_equal(ids.count, n);
    assert_memory_equal(ids.items, want, n * sizeof *want);
    token_ids_fini(&ids);
}

static void the_longest_word_is_taken_and_tags_are_seen_in_the_text(void **state)
{
    (void)state;
    struct tokenizer *t = make_words();
    expect_ids(t, "abaab<think>b-^]\\<eos>", (const uint32_t[]){6, 5, 2, 4, 7, 8, 9, 10, 1}, 9);
    assert_int_equal(tokenizer_id_limit(t), N_WORDS);
    assert_true(tokenizer_is_special(t, 1));
    assert_false(tokenizer_is_special(t, 2));
    assert_false(tokenizer_is_special(t, 99));
    tokenizer_destroy(t);
}

static void decoding_gives_the_text_back_and_marks_ids_without_a_token(void **state)
{
    (void)state;
    struct tokenizer *t = make_words();
    const uint32_t ids[] = {2, 6, 1, 77, 3};
    size_t n;
    char *all = tokenizer_decode(t, ids, 5, false, &n);
    assert_string_equal(all, "<think>aba<eos>\xef\xbf\xbd"
                             "a");
    assert_int_equal(n, strlen(all));
    char *plain = tokenizer_decode(t, ids, 3, true, &n);
    assert_string_equal(plain, "<think>aba");
    free(all);
    free(plain);
    tokenizer_destroy(t);
}

static void a_word_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct tokenizer *t = make_words();
    struct token_ids ids;
    struct err err;
    token_ids_init(&ids);
    assert_int_equal(tokenizer_encode(t, "ab Q", 4, &ids, &err), -1);
    assert_non_null(strstr(err.text, "words"));
    assert_non_null(strstr(err.text, "' Q'"));
    assert_int_equal(ids.count, 0);
    assert_int_equal(tokenizer_encode(t, "a\xff", 2, &ids, &err), -1);
    assert_non_null(strstr(err.text, "byte 1"));
    token_ids_fini(&ids);
    tokenizer_destroy(t);
}

// --- byte-level BPE made here --------------------------------------------------------------------

// All bytes as tokens 0..255 in the byte alphabet, "th" 256, "the" 257, and <s> 258.
static void write_bytes(struct json_writer *w, const char *cut)
{
    json_writer_init(w);
    json_open(w, NULL, '{');
    json_put_json(w, "added_tokens",
                  "[{\"id\":258,\"content\":\"<s>\",\"special\":true,\"lstrip\":true,"
                  "\"rstrip\":true,\"normalized\":false,\"single_word\":false}]");
    json_put_json(w, "pre_tokenizer", cut);
    json_put_json(w, "normalizer", "{\"type\":\"NFC\"}");
    json_put_json(w, "decoder", "{\"type\":\"ByteLevel\"}");
    json_put_json(w, "post_processor",
                  "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\","
                  "\"type_id\":0}},{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}]}");
    json_open(w, "model", '{');
    json_put_string(w, "type", "BPE");
    json_open(w, "vocab", '{');
    unsigned stand_in = 0x100;
    for (unsigned byte = 0; byte < 256; byte++) {
        bool is_itself =
            (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
        unsigned c = is_itself ? byte : stand_in++;
        char key[3] = {(char)c, 0, 0};
        if (c >= 0x80) {
            key[0] = (char)(0xc0 | (c >> 6));
            key[1] = (char)(0x80 | (c & 0x3f));
        }
        json_put_u64(w, key, byte);
    }
    json_put_u64(w, "th", 256);
    json_put_u64(w, "the", 257);
    json_close(w, '}');
    json_put_json(w, "merges", "[\"t h\",[\"th\",\"e\"]]");
    json_close(w, '}');
    json_close(w, '}');
}

static struct tokenizer *make_bytes(const char *cut)
{
    struct json_writer w;
    struct err err;
    write_bytes(&w, cut);
    struct tokenizer *t = tokenizer_create(w.bytes, w.size_bytes, "bytes", &err);
    if (t == NULL) fail_msg("%s", err.text);
    free(w.bytes);
    return t;
}

static void merges_apply_inside_pieces_only(void **state)
{
    (void)state;
    struct tokenizer *t = make_bytes("{\"type\":\"ByteLevel\",\"add_prefix_space\":false}");
    expect_ids(t, "the the", (const uint32_t[]){257, ' ', 257}, 3);
    expect_ids(t, "t he", (const uint32_t[]){'t', ' ', 'h', 'e'}, 4);
    struct token_ids ids;
    token_ids_init(&ids);
    tokenizer_add_prefix(t, &ids);
    tokenizer_add_suffix(t, &ids);
    assert_int_equal(ids.count, 1);
    assert_int_equal(ids.items[0], 258);
    token_ids_fini(&ids);
    tokenizer_destroy(t);
}

static void text_is_composed_but_added_tokens_take_the_space_beside_them(void **state)
{
    (void)state;
    struct tokenizer *t = make_bytes("{\"type\":\"ByteLevel\",\"add_prefix_space\":false}");
    expect_ids(t, "e\xcc\x81 \xe3\x80\x80<s> \n x", (const uint32_t[]){0xc3, 0xa9, 258, 'x'}, 4);
    tokenizer_destroy(t);
}

static void a_text_of_bytes_comes_back_as_it_was(void **state)
{
    (void)state;
    struct tokenizer *t = make_bytes("{\"type\":\"ByteLevel\",\"use_regex\":false}");
    for (uint32_t round = 0; round < 500; round++) {
        struct rng_stream rng;
        rng_stream_init(&rng, (struct rng_key){3, RNG_TEST}, round, 0);
        char text[64];
        size_t n = rng_below(&rng, sizeof text);
        for (size_t i = 0; i < n; i++)
            text[i] = "the \n\x01%<s"[rng_below(&rng, 10)];
        struct token_ids ids;
        struct err err;
        token_ids_init(&ids);
        assert_int_equal(tokenizer_encode(t, text, n, &ids, &err), 0);
        size_t n_back;
        char *back = tokenizer_decode(t, ids.items, ids.count, false, &n_back);
        assert_int_equal(n, n_back);
        assert_memory_equal(text, back, n);
        free(back);
        token_ids_fini(&ids);
    }
    tokenizer_destroy(t);
}

// --- refusals ------------------------------------------------------------------------------------

static const struct {
    const char *json, *reason;
} refused[] = {
    {"[]", "want a JSON object"},
    {"{}", "model: want an object"},
    {"{\"model\":{\"type\":\"Unigram\"}}", "'Unigram' is not implemented"},
    {"{\"normalizer\":{\"type\":\"Lowercase\"},\"model\":{}}", "'Lowercase'"},
    {"{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"x\"},"
     "\"model\":{}}",
     "0 bytes"},
    {"{\"pre_tokenizer\":{\"type\":\"Metaspace\"},\"model\":{}}", "Metaspace needs a replacement"},
    {"{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":"
     "\"second\"},\"model\":{}}",
     "'second'"},
    {"{\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"},\"model\":{}}", "'UnicodeScripts'"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},\"behavior\":"
     "\"Isolated\"},\"model\":{}}",
     "pattern '('"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a\"},\"behavior\":\"Merged\"}"
     ",\"model\":{}}",
     "'Merged'"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a*\"},\"behavior\":"
     "\"Isolated\"},\"model\":{}}",
     "matches nothing"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\ba\"},\"behavior\":"
     "\"Isolated\"},\"model\":{}}",
     "'\\b'"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a{2}+\"},\"behavior\":"
     "\"Isolated\"},\"model\":{}}",
     "'}+'"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?m:a)\"},\"behavior\":"
     "\"Isolated\"},\"model\":{}}",
     "'(?m:'"},
    {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(*F)\"},\"behavior\":"
     "\"Isolated\"},\"model\":{}}",
     "'(*'"},
    {"{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},{"
     "\"type\":\"Digits\"}]},\"model\":{}}",
     "after ByteLevel"},
    {"{\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"dropout\":0.1,"
     "\"vocab\":{},\"merges\":[]}}",
     "model.dropout"},
    {"{\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"byte_fallback\":"
     "true,\"vocab\":{\"a\":0},\"merges\":[]}}",
     "model.byte_fallback"},
    {"{\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},"
     "\"merges\":[\"a b\"]}}",
     "model.merges[0]"},
    {"{\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{},"
     "\"merges\":[]}}",
     "no token for a byte"},
    {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"unk_token\":\"?\",\"merges\":[]}}",
     "unk_token: '?'"},
    {"{\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},"
     "\"merges\":[]},\"decoder\":{\"type\":\"Fuse\"}}",
     "'Fuse' is not implemented for this model"},
    {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0,\"b\":0}}}",
     "given to both 'a' and 'b'"},
    {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":99999999}}}", "'a' needs an id below"},
    {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":-1}}}", "'a' needs an id below"},
    {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}},\"decoder\":{\"type\":\"WordPiece\"}"
     "}",
     "'WordPiece'"},
    {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}},\"decoder\":{\"type\":\"Sequence\","
     "\"decoders\":[{\"type\":\"Fuse\"},{\"type\":\"Metaspace\",\"replacement\":\"_\"}]}}",
     "'Metaspace' after Fuse"},
    {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}},\"decoder\":{\"type\":\"Sequence\","
     "\"decoders\":[{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" "
     "\",\"start\":0,\"stop\":1}]}}",
     "Strip with a stop"},
    {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}},\"post_processor\":{\"type\":"
     "\"BertProcessing\"}}",
     "'BertProcessing'"},
    {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}},\"post_processor\":{\"type\":"
     "\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"b\"}}]}}",
     "no token 'b'"},
    {"{\"model\":{\"type\":\"WordLevel\",\"vocab\":{\"a\":0}},\"post_processor\":{\"type\":"
     "\"TemplateProcessing\",\"single\":[]}}",
     "the text once"},
    {"{\"added_tokens\":[{\"id\":0,\"content\":\"\"}],\"model\":{}}", "token 0 is empty"},
};

static void what_is_not_implemented_is_refused_by_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct err err = {0};
        struct tokenizer *t =
            tokenizer_create(refused[i].json, strlen(refused[i].json), "some.json", &err);
        if (t != NULL) fail_msg("not refused: %s", refused[i].json);
        if (strstr(err.text, refused[i].reason) == NULL || strstr(err.text, "some.json") == NULL)
            fail_msg("want %s, got: %s", refused[i].reason, err.text);
    }
}

// --- published ids -------------------------------------------------------------------------------

static void check_vector(struct tokenizer *const *tokenizers, struct json row)
{
    size_t n_text, n_back;
    const char *text = json_to_string(json_member(row, "text"), &n_text);
    const char *folder = json_to_string(json_member(row, "dir"), NULL);
    const struct tokenizer *t = tokenizers[strcmp(folder, "gpt2") == 0 ? 0 : 1];
    struct json want = json_member(row, "ids");
    struct token_ids ids;
    struct err err;
    token_ids_init(&ids);
    assert_int_equal(tokenizer_encode(t, text, n_text, &ids, &err), 0);
    assert_int_equal(ids.count, json_count(want));
    for (size_t i = 0; i < ids.count; i++)
        assert_int_equal(ids.items[i], json_to_i64(json_item(want, i)));
    char *back = tokenizer_decode(t, ids.items, ids.count, false, &n_back);
    assert_int_equal(n_text, n_back);
    assert_memory_equal(text, back, n_text);
    free(back);
    token_ids_fini(&ids);
}

static void published_ids_of_gpt2_and_qwen2_are_met(void **state)
{
    (void)state;
    const char *folder = outside_data("tokenizers");
    if (folder == NULL) skip();
    struct tokenizer *tokenizers[2];
    static const char *const names[] = {"gpt2", "qwen2"};
    struct err err;
    char path[1200];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        tokenizers[i] = tokenizer_read(path, &err);
        if (tokenizers[i] == NULL) fail_msg("%s", err.text);
    }
    char *bytes;
    size_t size_bytes;
    snprintf(path, sizeof path, "%s/vectors.jsonl", folder);
    assert_int_equal(file_read(path, 1 << 24, &bytes, &size_bytes, &err), 0);
    int n = 0;
    for (char *line = bytes, *end; (end = strchr(line, '\n')) != NULL; line = end + 1, n++) {
        struct json_document *d = json_parse(line, (size_t)(end - line), "vector", &err);
        assert_non_null(d);
        check_vector(tokenizers, json_root(d));
        json_destroy(d);
    }
    assert_true(n > 100);
    free(bytes);
    tokenizer_destroy(tokenizers[0]);
    tokenizer_destroy(tokenizers[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_word_is_taken_and_tags_are_seen_in_the_text),
        cmocka_unit_test(decoding_gives_the_text_back_and_marks_ids_without_a_token),
        cmocka_unit_test(a_word_that_is_not_there_is_named),
        cmocka_unit_test(merges_apply_inside_pieces_only),
        cmocka_unit_test(text_is_composed_but_added_tokens_take_the_space_beside_them),
        cmocka_unit_test(a_text_of_bytes_comes_back_as_it_was),
        cmocka_unit_test(what_is_not_implemented_is_refused_by_name),
        cmocka_unit_test(published_ids_of_gpt2_and_qwen2_are_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
