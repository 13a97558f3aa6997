#include <string.h>

#include "actor/grading/answer.h"
#include "actor/grading/fraction.h"
#include "actor/grading/grader.h"

// One number, compared exactly: a whole number or decimal of any length, or a
// fraction.  "x = 12", "47 + 85 = 132" and "$132.00" say 12, 132 and 132.
// reasoning-gym gives part of the credit to an answer that has the right digits
// somewhere in it; here it gets none, or a list of guesses would be worth
// something.

static struct view after_equals(struct view text)
{
    size_t equals = text_find_last(text, "=");
    if (equals == TEXT_NOWHERE) return text;
    struct view rest = text_trim(text_part(text, equals + 1, text.size_bytes));
    return rest.size_bytes > 0 ? rest : text;
}

// Either as a fraction, or, where 64 bits do not hold it, as canonical text.
struct number {
    bool is_fraction;
    struct fraction fraction;
    struct text_buffer text;
};

static void number_read(struct view text, struct number *out)
{
    text_buffer_init(&out->text);
    answer_canonical(text, &out->text);
    out->is_fraction = fraction_read(text_buffer_view(&out->text), &out->fraction);
}

static bool is_same(const struct number *a, const struct number *b)
{
    if (a->is_fraction != b->is_fraction) return false;
    if (a->is_fraction)
        return a->fraction.over == b->fraction.over && a->fraction.under == b->fraction.under;
    return a->text.size_bytes == b->text.size_bytes &&
           memcmp(a->text.bytes, b->text.bytes, a->text.size_bytes) == 0;
}

static int grade_number(const struct grading *g, struct grade *out, struct err *err)
{
    struct number answer, gold;
    number_read(after_equals(g->answer), &answer);
    number_read(g->gold, &gold);
    bool is_readable = gold.is_fraction;
    for (size_t i = 0; i < gold.text.size_bytes && !is_readable; i++)
        is_readable = gold.text.bytes[i] >= '0' && gold.text.bytes[i] <= '9';
    out->is_correct = is_same(&answer, &gold);
    out->value = out->is_correct ? 1 : 0;
    out->hash = answer.is_fraction
                    ? answer_hash((const char *)&answer.fraction, sizeof answer.fraction)
                    : answer_hash(answer.text.bytes, answer.text.size_bytes);
    text_buffer_fini(&answer.text);
    text_buffer_fini(&gold.text);
    return is_readable ? 0 : err_set(err, ERR_FORMAT, "the reference is no number");
}

const struct grader grader_number = {
    .name = "number",
    .help = "one number, exactly: whole, decimal or a fraction",
    .grade = grade_number,
};
