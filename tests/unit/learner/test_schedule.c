// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "learner/schedule.h"

static void assert_near(double found, double want)
{
    if (!(fabs(found - want) <= 1e-15)) fail_msg("found %.17g, want %.17g", found, want);
}

static void warm_up_is_linear_and_reaches_lr_on_its_last_step(void **state)
{
    (void)state;
    for (int kind = SCHEDULE_CONSTANT; kind <= SCHEDULE_WSD; kind++) {
        const struct schedule s = {.kind = (enum schedule_kind)kind,
                                   .lr = 0.5,
                                   .min_lr_ratio = 0.1,
                                   .decay_start = 0.75,
                                   .warmup_steps = 4,
                                   .total_steps = 100};

        for (uint64_t step = 0; step < 4; step++)
            assert_near(schedule_lr(&s, step), 0.125 * (double)(step + 1));
    }
}

static void without_warm_up_the_first_step_has_lr(void **state)
{
    (void)state;
    for (int kind = SCHEDULE_CONSTANT; kind <= SCHEDULE_WSD; kind++) {
        const struct schedule s = {
            .kind = (enum schedule_kind)kind, .lr = 0.5, .decay_start = 0.75, .total_steps = 100};

        assert_near(schedule_lr(&s, 0), 0.5);
    }
}

static void constant_stays(void **state)
{
    const struct schedule s = {
        .kind = SCHEDULE_CONSTANT, .lr = 0.25, .warmup_steps = 2, .total_steps = 10};

    (void)state;
    for (uint64_t step = 2; step < 20; step++)
        assert_near(schedule_lr(&s, step), 0.25);
}

static void cosine_is_half_a_wave_down_to_the_floor(void **state)
{
    const struct schedule s = {.kind = SCHEDULE_COSINE,
                               .lr = 1.0,
                               .min_lr_ratio = 0.1,
                               .warmup_steps = 10,
                               .total_steps = 110};

    (void)state;
    for (uint64_t step = 10; step < 110; step++) {
        double angle = acos(-1.0) * (double)(step - 10) / 100.0;

        assert_near(schedule_lr(&s, step), 0.1 + 0.9 * 0.5 * (1.0 + cos(angle)));
    }
    assert_near(schedule_lr(&s, 60), 0.55);
    assert_near(schedule_lr(&s, 110), 0.1);
    assert_near(schedule_lr(&s, 5000), 0.1);
}

static void wsd_stays_and_then_falls_in_a_line(void **state)
{
    const struct schedule s = {.kind = SCHEDULE_WSD,
                               .lr = 1.0,
                               .min_lr_ratio = 0.2,
                               .decay_start = 0.8,
                               .warmup_steps = 5,
                               .total_steps = 100};

    (void)state;
    for (uint64_t step = 5; step <= 80; step++)
        assert_near(schedule_lr(&s, step), 1.0);
    for (uint64_t step = 80; step <= 100; step++)
        assert_near(schedule_lr(&s, step), 1.0 - 0.8 * (double)(step - 80) / 20.0);
    assert_near(schedule_lr(&s, 1000), 0.2);
}

static void a_decay_of_no_length_is_none_until_the_end(void **state)
{
    const struct schedule s = {
        .kind = SCHEDULE_WSD, .lr = 1.0, .decay_start = 1.0, .total_steps = 10};

    (void)state;
    for (uint64_t step = 0; step < 10; step++)
        assert_near(schedule_lr(&s, step), 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warm_up_is_linear_and_reaches_lr_on_its_last_step),
        cmocka_unit_test(without_warm_up_the_first_step_has_lr),
        cmocka_unit_test(constant_stays),
        cmocka_unit_test(cosine_is_half_a_wave_down_to_the_floor),
        cmocka_unit_test(wsd_stays_and_then_falls_in_a_line),
        cmocka_unit_test(a_decay_of_no_length_is_none_until_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
