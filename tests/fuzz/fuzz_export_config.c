/*
 * fuzz_export_config.c - any bytes as the config.json of an export are refused
 * with a reason that names the file, or come out as the same object but for
 * its dtype and its quantisation.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/json.h"
#include "learner/export_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static bool is_changed(const char *key)
{
    return strcmp(key, "dtype") == 0 || strcmp(key, "torch_dtype") == 0 ||
           strcmp(key, "quantization_config") == 0;
}

static void check_same(struct json before, struct json after)
{
    for (void *it = json_first(before); it != NULL; it = json_next(before, it)) {
        struct json was = json_value(before, it), is = json_member(after, json_key(it));
        if (is_changed(json_key(it))) continue;
        CHECK(is.value != NULL && json_count(was) == json_count(is));
        CHECK(json_is_string(was) == json_is_string(is));
        CHECK(json_is_number(was) == json_is_number(is));
        if (json_is_string(was))
            CHECK(strcmp(json_to_string(was, NULL), json_to_string(is, NULL)) == 0);
        double difference = json_to_double(was) - json_to_double(is);
        CHECK(!(difference < 0 || difference > 0));
    }
    CHECK(json_member(after, "quantization_config").value == NULL);
    CHECK(json_is_present(json_member(after, "dtype")) ||
          json_is_present(json_member(after, "torch_dtype")));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct err err = {0};
    char *text = export_config_text((const char *)bytes, size_bytes, "fuzzed config", &err);
    if (text == NULL) {
        CHECK(err.code != ERR_NONE && strstr(err.text, "fuzzed config") != NULL);
        return 0;
    }
    struct json_document *before =
        json_parse((const char *)bytes, size_bytes, "fuzzed config", &err);
    struct json_document *after = json_parse(text, strlen(text), "exported config", &err);
    if (before == NULL || after == NULL) check_failed(err.text, __FILE__, __LINE__);
    check_same(json_root(before), json_root(after));
    json_destroy(before);
    json_destroy(after);
    free(text);
    return 0;
}
