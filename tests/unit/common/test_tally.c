#include "common/math/tally.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// --- samples -------------------------------------------------------------------------------------

static struct tally_sample sample(uint64_t prompt, uint64_t answer, bool is_correct)
{
    return (struct tally_sample){.prompt = prompt, .answer = answer, .is_correct = is_correct};
}

static void assert_near(double got, double want)
{
    if (!(fabs(got - want) < 1e-12)) fail_msg("got %.17g, want %.17g", got, want);
}

// pass@k of one prompt by trying every choice of k samples.
static double tried_pass(const bool *right, unsigned n, unsigned k)
{
    unsigned n_choices = 0, n_passed = 0;
    for (unsigned set = 0; set < 1u << n; set++) {
        if ((unsigned)__builtin_popcount(set) != k) continue;
        bool passes = false;
        for (unsigned i = 0; i < n; i++)
            passes |= (set >> i & 1) != 0 && right[i];
        n_choices++;
        n_passed += passes;
    }
    return (double)n_passed / n_choices;
}

static void pass_at_k_is_what_trying_every_choice_gives(void **state)
{
    (void)state;
    enum { N = 9 };
    for (unsigned pattern = 0; pattern < 1u << N; pattern += 37) {
        struct tally_sample samples[N];
        bool right[N];
        for (unsigned i = 0; i < N; i++) {
            right[i] = (pattern >> i & 1) != 0;
            samples[i] = sample(5, 1 + i, right[i]);
        }
        for (unsigned k = 1; k <= N; k++)
            assert_near(tally_pass_at(samples, N, TALLY_ALL, k), tried_pass(right, N, k));
    }
}

static void pass_at_one_is_the_mean_over_samples_and_its_error_is_over_prompts(void **state)
{
    (void)state;
    const struct tally_sample samples[] = {sample(1, 1, true),  sample(1, 1, true),
                                           sample(2, 1, true),  sample(2, 2, false),
                                           sample(3, 3, false), sample(3, 4, false)};
    const struct tally t = tally_of(samples, 6, TALLY_ALL);
    assert_near(t.pass_1, 0.5);
    assert_near(t.pass_1_stderr, sqrt(0.25 / 3.0)); // of 1, 0.5, 0
    assert_near(t.pass_n, 2.0 / 3.0);
    assert_int_equal(t.n_prompts, 3);
    assert_int_equal(t.n_samples, 6);
}

static void the_majority_is_by_answer_and_a_tie_counts_its_right_share(void **state)
{
    (void)state;
    const struct tally_sample clear[] = {sample(1, 7, true), sample(1, 7, true),
                                         sample(1, 9, false)};
    const struct tally_sample tie[] = {sample(1, 7, true), sample(1, 9, false)};
    const struct tally_sample silent[] = {sample(1, 0, false), sample(1, 0, false),
                                          sample(1, 7, true)};
    assert_near(tally_of(clear, 3, TALLY_ALL).cons_n, 1.0);
    assert_int_equal(tally_of(clear, 3, TALLY_ALL).n_ties, 0);
    assert_near(tally_of(tie, 2, TALLY_ALL).cons_n, 0.5);
    assert_int_equal(tally_of(tie, 2, TALLY_ALL).n_ties, 1);
    assert_near(tally_of(silent, 3, TALLY_ALL).cons_n, 1.0); // who is silent does not vote
    assert_near(tally_of(silent, 2, TALLY_ALL).cons_n, 0.0);
}

static void cons_at_k_is_the_mean_over_runs_of_k_samples(void **state)
{
    (void)state;
    // 3 right of 4 in the first four, 1 right against 3 the same in the second
    const struct tally_sample samples[] = {
        sample(1, 7, true), sample(1, 7, true),  sample(1, 7, true),  sample(1, 9, false),
        sample(1, 7, true), sample(1, 9, false), sample(1, 9, false), sample(1, 9, false)};
    assert_near(tally_cons_at(samples, 8, TALLY_ALL, 4), 0.5);
    assert_near(tally_cons_at(samples, 8, TALLY_ALL, 8), 0.5); // a tie of 4 and 4
    assert_near(tally_cons_at(samples, 8, TALLY_ALL, 1), 0.5);
    assert_true(isnan(tally_cons_at(samples, 8, TALLY_ALL, 9)));
}

static void parts_are_told_apart_by_level_and_source(void **state)
{
    (void)state;
    struct tally_sample samples[] = {sample(1, 1, true), sample(2, 1, false), sample(3, 1, true)};
    samples[0].level = samples[1].level = 2;
    samples[2].level = 3;
    samples[1].source = 1;
    assert_near(tally_of(samples, 3, (struct tally_part){2, UINT32_MAX}).pass_1, 0.5);
    assert_near(tally_of(samples, 3, (struct tally_part){2, 1}).pass_1, 0.0);
    assert_near(tally_of(samples, 3, (struct tally_part){UINT32_MAX, 0}).pass_1, 1.0);
    assert_int_equal(tally_of(samples, 3, (struct tally_part){9, UINT32_MAX}).n_prompts, 0);
}

static void the_report_names_every_k_once(void **state)
{
    (void)state;
    struct tally_sample samples[6];
    static const char *const sources[] = {"gsm8k"};
    for (size_t i = 0; i < 6; i++)
        samples[i] = sample(1, 1, i == 0);
    for (uint32_t n = 1; n <= 6; n++) {
        struct json_writer out;
        struct err err;
        json_writer_init(&out);
        json_open(&out, NULL, '{');
        tally_write(samples, n, n, sources, 1, &out);
        json_close(&out, '}');
        // a key written twice does not parse
        struct json_document *d = json_parse(out.bytes, out.size_bytes, "report", &err);
        if (d == NULL) fail_msg("%s", err.text);
        char name[32];
        snprintf(name, sizeof name, "cons@%u", n);
        assert_true(json_is_number(json_member(json_root(d), name)));
        assert_true(json_is_object(json_member(json_member(json_root(d), "by_source"), "gsm8k")));
        json_destroy(d);
        free(out.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pass_at_k_is_what_trying_every_choice_gives),
        cmocka_unit_test(pass_at_one_is_the_mean_over_samples_and_its_error_is_over_prompts),
        cmocka_unit_test(the_majority_is_by_answer_and_a_tie_counts_its_right_share),
        cmocka_unit_test(cons_at_k_is_the_mean_over_runs_of_k_samples),
        cmocka_unit_test(parts_are_told_apart_by_level_and_source),
        cmocka_unit_test(the_report_names_every_k_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
