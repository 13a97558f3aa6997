#include "actor/grading/grader.h"

#include <string.h>

#include "actor/grading/answer.h"

const struct grader *const graders[] = {
    &grader_exact,          &grader_number, &grader_countdown,
    &grader_knights_knaves, &grader_choice, &grader_prime_factorization,
    &grader_math,
};
const size_t n_graders = sizeof graders / sizeof *graders;

const struct grader *grader_find(const char *name)
{
    for (size_t i = 0; i < n_graders; i++)
        if (strcmp(graders[i]->name, name) == 0) return graders[i];
    return NULL;
}

const struct grader *grader_of_dataset(const char *source_dataset)
{
    // those there whose answer is one number
    static const char *const numbers[] = {
        "basic_arithmetic", "chain_sum",        "decimal_chain_sum", "gcd", "gsm_symbolic", "lcm",
        "products",         "simple_equations", "leg_counting"};
    static const struct grader *const named[] = {&grader_countdown, &grader_knights_knaves,
                                                 &grader_prime_factorization};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcmp(numbers[i], source_dataset) == 0) return &grader_number;
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
        if (strcmp(named[i]->name, source_dataset) == 0) return named[i];
    return NULL;
}

int grader_judge(const struct grader *grader, const struct grading *g, struct grade *out,
                 struct err *err)
{
    *out = (struct grade){0};
    if (g->answer.size_bytes == 0) return 0;
    if (g->answer.size_bytes <= GRADER_ANSWER_BYTES_MAX) return grader->grade(g, out, err);
    out->hash = answer_hash(g->answer.bytes, g->answer.size_bytes);
    return 0;
}

// --- exact: the canonical texts are the same -----------------------------------------------------

static int grade_exact(const struct grading *g, struct grade *out, struct err *err)
{
    struct text_buffer answer, gold;
    text_buffer_init(&answer);
    text_buffer_init(&gold);
    answer_canonical(g->answer, &answer);
    answer_canonical(g->gold, &gold);
    out->is_correct = answer.size_bytes == gold.size_bytes &&
                      memcmp(answer.bytes, gold.bytes, gold.size_bytes) == 0;
    out->value = out->is_correct ? 1 : 0;
    out->hash = answer_hash(answer.bytes, answer.size_bytes);
    int result =
        gold.size_bytes > 0 ? 0 : err_set(err, ERR_FORMAT, "the reference answer is empty");
    text_buffer_fini(&answer);
    text_buffer_fini(&gold);
    return result;
}

const struct grader grader_exact = {
    .name = "exact",
    .help = "the same text or decimal number",
    .grade = grade_exact,
};
