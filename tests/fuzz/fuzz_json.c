/*
 * fuzz_json.c - any bytes parse or are refused with a reason, and what parses
 * can be walked to its end and asked for members of every type.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static size_t walk(struct json v, struct json_writer *out, const char *key)
{
    size_t n = 1;
    if (json_is_object(v)) {
        json_open(out, key, '{');
        for (void *it = json_first(v); it != NULL; it = json_next(v, it)) {
            struct err err = {0};
            uint64_t whole;
            double number;
            bool flag;
            const char *text;
            int status = json_get_u64(v, json_key(it), 1000, &whole, &err);
            CHECK(status == 0 || err.text[0] != '\0');
            status = json_get_double(v, json_key(it), &number, &err);
            CHECK((status == 0) == json_is_number(json_value(v, it)));
            status = json_get_bool(v, json_key(it), &flag, &err);
            CHECK((status == 0) == json_is_bool(json_value(v, it)));
            if (json_get_string(v, json_key(it), &text, &err) == 0) CHECK(strlen(text) < SIZE_MAX);
            n += walk(json_value(v, it), out, json_key(it));
        }
        json_close(out, '}');
    } else if (json_is_array(v)) {
        json_open(out, key, '[');
        for (size_t i = 0; i < json_count(v); i++) {
            n += walk(json_item(v, i), out, NULL);
        }
        json_close(out, ']');
    } else if (json_is_string(v)) {
        size_t text_bytes;
        const char *text = json_to_string(v, &text_bytes);
        json_put_text(out, key, text, text_bytes);
    } else if (json_is_integer(v)) {
        json_put_i64(out, key, json_to_i64(v));
    } else {
        json_put_double(out, key, json_to_double(v));
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct err err = {0};
    struct json_document *document =
        json_parse((const char *)bytes, size_bytes, "fuzzed input", &err);
    if (document == NULL) {
        CHECK(err.code != ERR_NONE && strstr(err.text, "fuzzed input") != NULL);
        return 0;
    }
    struct json_writer written;
    json_writer_init(&written);
    size_t n = walk(json_root(document), &written, NULL);
    // What the writer makes of it parses again, to as many values.
    struct json_document *again =
        json_parse(written.bytes, written.size_bytes, "written again", &err);
    if (again == NULL) check_failed(err.text, __FILE__, __LINE__);
    struct json_writer ignored;
    json_writer_init(&ignored);
    CHECK(walk(json_root(again), &ignored, NULL) == n);
    free(ignored.bytes);
    free(written.bytes);
    json_destroy(again);
    json_destroy(document);
    return 0;
}
