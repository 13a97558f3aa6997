/*
 * fuzz_answer.c - any response can be read and graded: tags, boxes, numbers,
 * expressions; a canonical answer is its own canonical form.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "actor/grading/answer.h"
#include "actor/grading/expression.h"
#include "actor/grading/response.h"
#include "common/base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static void check_canonical(struct view answer)
{
    struct text_buffer once, twice;
    text_buffer_init(&once);
    text_buffer_init(&twice);
    answer_canonical(answer, &once);
    answer_canonical((struct view){once.bytes, once.size_bytes}, &twice);
    CHECK(once.size_bytes == twice.size_bytes &&
          memcmp(once.bytes, twice.bytes, once.size_bytes) == 0);
    CHECK(once.size_bytes <= answer.size_bytes + 1); // ".5" gets a zero
    text_buffer_fini(&once);
    text_buffer_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct view text = {size_bytes == 0 ? "" : (const char *)bytes, size_bytes};
    struct response r;
    response_read(&r, text, true, 2);
    CHECK(r.answer.size_bytes == 0 ||
          (r.answer.bytes >= text.bytes &&
           r.answer.bytes + r.answer.size_bytes <= text.bytes + text.size_bytes));
    CHECK(r.n_steps <= size_bytes && r.n_reflective <= size_bytes);
    struct response cut;
    response_read(&cut, text, false, 2);
    CHECK(!cut.is_formatted && cut.style == r.style);
    check_canonical(text);
    if (r.answer.size_bytes > 0) check_canonical(r.answer);
    struct expression e;
    if (expression_evaluate(text, &e)) {
        CHECK(e.value.under > 0 && e.n_numbers >= 1 && e.n_numbers <= EXPRESSION_NUMBERS_MAX);
    }
    return 0;
}
