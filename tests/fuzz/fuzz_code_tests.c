/*
 * fuzz_code_tests.c - any bytes as a row of tests, a response and an output.
 *
 * The input is three parts with a zero byte after the first two.  A row is
 * refused with a reason or gives tests that hold together; a program found is a
 * part of the response; an output is right beside itself.
 */
#include <stdint.h>
#include <string.h>

#include "actor/sandbox/code_output.h"
#include "actor/sandbox/code_program.h"
#include "actor/sandbox/code_tests.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static struct view take_part(struct view *rest)
{
    const char *end = rest->size_bytes == 0 ? NULL : memchr(rest->bytes, '\0', rest->size_bytes);
    const size_t size = end == NULL ? rest->size_bytes : (size_t)(end - rest->bytes);
    const struct view part = {rest->bytes, size};
    *rest = text_part(*rest, end == NULL ? size : size + 1, rest->size_bytes);
    return part;
}

static void check_tests(const struct code_tests *t, struct view response)
{
    struct view code;
    struct text_buffer program;
    CHECK(t->row != NULL && t->path != NULL);
    CHECK((t->kind == CODE_TESTS_STDIO) == (t->n_cases > 0));
    CHECK(t->kind == CODE_TESTS_ASSERTS || t->kind == CODE_TESTS_STDIO || t->entry_point != NULL);
    for (uint32_t i = 0; i < t->n_cases; i++)
        CHECK(t->cases[i].input.bytes != NULL && t->cases[i].output.bytes != NULL);
    if (!code_program_find(response, &code)) return;
    CHECK(code.bytes >= response.bytes && code.size_bytes > 0 &&
          code.bytes + code.size_bytes <= response.bytes + response.size_bytes);
    text_buffer_init(&program);
    code_program_make(t, code, &program);
    CHECK(program.size_bytes >= code.size_bytes);
    text_buffer_fini(&program);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct view rest = {(const char *)bytes, size_bytes};
    const struct view row = take_part(&rest), response = take_part(&rest);
    struct err err = {.code = ERR_NONE};
    struct code_tests tests;
    if (code_tests_read(&tests, row, response, &err) == 0) {
        check_tests(&tests, response);
        code_tests_fini(&tests);
    } else {
        CHECK(err.code != ERR_NONE && err.text[0] != '\0');
    }
    CHECK(code_output_is_right(rest, rest));
    (void)code_output_is_right(rest, response);
    (void)code_output_is_right(response, rest);
    return 0;
}
