/*
 * fuzz_tokenizer.c - any bytes are read as a tokenizer or refused with a
 * reason; and any text that a good tokenizer takes comes back from its ids.
 *
 * An input that starts with '{' is a tokenizer.json; a text is then encoded
 * with what came out of it.  Any other input is a text for two tokenizers of
 * our own, one over bytes, one over characters with bytes to fall back to.
 * Whatever is decoded comes out of a stream, id by id, the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/text/text_buffer.h"
#include "actor/text/utf8.h"
#include "actor/tokenizer/tokenizer.h"
#include "common/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static struct tokenizer *make_bytes(void)
{
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_put_json(&w, "added_tokens",
                  "[{\"id\":300,\"content\":\"<|x|>\",\"special\":true,\"normalized\":false}]");
    json_put_json(&w, "pre_tokenizer",
                  "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\","
                  "\"individual_digits\":true},{\"type\":\"ByteLevel\"}]}");
    json_put_json(&w, "decoder", "{\"type\":\"ByteLevel\"}");
    json_open(&w, "model", '{');
    json_put_string(&w, "type", "BPE");
    json_open(&w, "vocab", '{');
    uint32_t stand_in = 0x100;
    for (uint32_t byte = 0; byte < 256; byte++) {
        bool is_itself =
            (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
        char key[5] = {0};
        utf8_put(is_itself ? byte : stand_in++, key);
        json_put_u64(&w, key, byte);
    }
    json_put_u64(&w, "aa", 256);
    json_put_u64(&w, "aaaa", 257);
    json_put_u64(&w,
                 "\xc4\xa0"
                 "a",
                 258);
    json_close(&w, '}');
    json_put_json(&w, "merges", "[\"a a\",\"\xc4\xa0 a\",\"aa aa\"]");
    json_close(&w, '}');
    json_close(&w, '}');
    struct err err;
    struct tokenizer *t = tokenizer_create(w.bytes, w.size_bytes, "own", &err);
    if (t == NULL) check_failed(err.text, __FILE__, __LINE__);
    free(w.bytes);
    return t;
}

// Spaces are written as themselves, so that nothing is lost.
static struct tokenizer *make_chars(void)
{
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '{');
    json_put_json(&w, "added_tokens",
                  "[{\"id\":300,\"content\":\"<|x|>\",\"special\":true,\"normalized\":false}]");
    json_put_json(&w, "pre_tokenizer",
                  "{\"type\":\"Split\",\"pattern\":{\"String\":\"b\"},\"behavior\":"
                  "\"MergedWithNext\"}");
    json_put_json(&w, "decoder",
                  "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteFallback\"},{\"type\":"
                  "\"Fuse\"}]}");
    json_open(&w, "model", '{');
    json_put_string(&w, "type", "BPE");
    json_put_bool(&w, "byte_fallback", true);
    json_open(&w, "vocab", '{');
    for (uint32_t byte = 0; byte < 256; byte++) {
        char key[8];
        snprintf(key, sizeof key, "<0x%02X>", byte);
        json_put_u64(&w, key, byte);
    }
    static const char *const tokens[] = {"a",  "b",  " ",    "\xc3\xa9",
                                         "aa", "b ", "aaaa", "\xc3\xa9 "};
    for (uint32_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++)
        json_put_u64(&w, tokens[i], 256 + i);
    json_close(&w, '}');
    json_put_json(&w, "merges",
                  "[[\"a\",\"a\"],[\"b\",\" \"],[\"aa\",\"aa\"],[\"\xc3\xa9\",\" \"]]");
    json_close(&w, '}');
    json_close(&w, '}');
    struct err err;
    struct tokenizer *t = tokenizer_create(w.bytes, w.size_bytes, "own", &err);
    if (t == NULL) check_failed(err.text, __FILE__, __LINE__);
    free(w.bytes);
    return t;
}

static void check_stream(const struct tokenizer *t, const struct token_ids *ids, const char *want,
                         size_t size_bytes)
{
    struct text_buffer out;
    struct text_stream *s = text_stream_create(t, false);
    text_buffer_init(&out);
    text_buffer_add_string(&out, "");
    for (size_t i = 0; i < ids->count; i++)
        text_stream_add(s, ids->items[i], &out);
    text_stream_end(s, &out);
    CHECK(out.size_bytes == size_bytes && memcmp(out.bytes, want, size_bytes) == 0);
    text_stream_destroy(s);
    text_buffer_fini(&out);
}

static void encode(const struct tokenizer *t, const char *text, size_t size_bytes, bool is_lossless)
{
    struct err err = {0};
    struct token_ids ids;
    token_ids_init(&ids);
    int result = tokenizer_encode(t, text, size_bytes, &ids, &err);
    bool is_utf8 = utf8_valid_bytes(text, size_bytes) == size_bytes;
    CHECK(result == 0 || err.text[0] != '\0');
    CHECK(is_utf8 || result != 0);
    if (is_lossless) CHECK(is_utf8 == (result == 0));
    for (size_t i = 0; i < ids.count; i++)
        CHECK(ids.items[i] < tokenizer_id_limit(t));
    size_t n_back;
    char *back = tokenizer_decode(t, ids.items, ids.count, false, &n_back);
    if (is_lossless && result == 0)
        CHECK(n_back == size_bytes && memcmp(back, text, size_bytes) == 0);
    check_stream(t, &ids, back, n_back);
    free(back);
    token_ids_fini(&ids);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static struct tokenizer *own, *chars; // live as long as the process
    if (own == NULL) own = make_bytes();
    if (chars == NULL) chars = make_chars();
    if (size_bytes == 0 || bytes[0] != '{') {
        encode(own, size_bytes == 0 ? "" : (const char *)bytes, size_bytes, true);
        encode(chars, size_bytes == 0 ? "" : (const char *)bytes, size_bytes, true);
        return 0;
    }
    struct err err = {0};
    struct tokenizer *t = tokenizer_create((const char *)bytes, size_bytes, "fuzzed.json", &err);
    if (t == NULL) {
        CHECK(err.code != ERR_NONE && strstr(err.text, "fuzzed.json") != NULL);
        return 0;
    }
    static const char text[] =
        "aa a<s> b\n\n12 x'll \xc3\xa9\xcc\x81 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    encode(t, text, sizeof text - 1, false);
    encode(t, (const char *)bytes, size_bytes, false);
    tokenizer_destroy(t);
    return 0;
}
