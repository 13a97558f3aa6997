/*
 * fuzz_math.c - any answer can be compared with any reference in bounded work:
 * an answer is itself, and its hash depends on nothing else.
 *
 * An input is the reference, a line's end, and the answer.
 */
#include <string.h>

#include "actor/grading/answer.h"
#include "actor/grading/math_compare.h"
#include "common/base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct view text = {size_bytes == 0 ? "" : (const char *)bytes, size_bytes};
    size_t line = text_find(text, "\n", 0);
    struct view gold = text_part(text, 0, line == TEXT_NOWHERE ? size_bytes : line);
    struct view answer = text_part(text, line == TEXT_NOWHERE ? size_bytes : line + 1, size_bytes);
    struct math_verdict verdict, itself, other;
    math_compare(gold, answer, &verdict);
    CHECK(verdict.hash != 0 && verdict.n_steps <= 3 * MATH_STEPS_MAX);
    math_compare(answer, answer, &itself);
    CHECK(itself.is_same && itself.hash == verdict.hash);
    // the other way round the hash is the reference's
    math_compare(answer, gold, &other);
    math_compare(gold, gold, &itself);
    CHECK(itself.is_same && itself.hash == other.hash);
    return 0;
}
