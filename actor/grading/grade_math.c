#include "actor/grading/answer.h"
#include "actor/grading/grader.h"
#include "actor/grading/math_compare.h"

// A reference may be a whole solution, as GSM8K's and MATH's are.
static struct view find_gold(struct view gold)
{
    struct view inside;
    gold = text_trim(gold);
    return answer_find_marked(gold, &inside) || answer_find_boxed(gold, &inside) ? inside : gold;
}

static int grade_math(const struct grading *g, struct grade *out, struct err *err)
{
    struct view gold = find_gold(g->gold);
    if (text_is_blank(gold)) return err_set(err, ERR_FORMAT, "the reference answer is empty");
    struct math_verdict verdict;
    math_compare(gold, g->answer, &verdict);
    out->is_correct = verdict.is_same;
    out->value = verdict.is_same ? 1 : 0;
    out->hash = verdict.hash;
    return 0;
}

const struct grader grader_math = {
    .name = "math",
    .help = "the same mathematics: numbers, expressions, sets, intervals, units, text",
    .grade = grade_math,
};
