// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "learner/schedule.h"

// cmocka compares floats only.
static void assert_near(double value, double want, double tolerance)
{
    if (!(fabs(value - want) <= tolerance)) fail_msg("%.17g, want %.17g", value, want);
}

static void warm_up_is_linear_and_ends_at_the_rate(void **state)
{
    const struct schedule s = {
        .kind = SCHEDULE_CONSTANT, .lr = 0.4, .warmup_steps = 4, .total_steps = 100};

    (void)state;
    assert_near(schedule_lr(&s, 0), 0.1, 1e-15);
    assert_near(schedule_lr(&s, 2), 0.3, 1e-15);
    assert_true(schedule_lr(&s, 3) == 0.4);
    assert_true(schedule_lr(&s, 4) == 0.4);
    assert_true(schedule_lr(&s, 99) == 0.4);
}

static void without_warm_up_the_first_step_has_the_rate(void **state)
{
    const struct schedule s = {.kind = SCHEDULE_CONSTANT, .lr = 1e-3, .total_steps = 10};

    (void)state;
    assert_true(schedule_lr(&s, 0) == 1e-3);
}

static void cosine_falls_from_the_rate_to_the_floor(void **state)
{
    const struct schedule s = {.kind = SCHEDULE_COSINE,
                               .lr = 5e-5,
                               .min_lr_ratio = 0.1,
                               .warmup_steps = 10,
                               .total_steps = 110};

    (void)state;
    for (uint64_t step = 10; step <= 110; step++) {
        const double part = (double)(step - 10) / 100.0;
        const double want = 5e-6 + 4.5e-5 * 0.5 * (1.0 + cos(acos(-1.0) * part));

        assert_near(schedule_lr(&s, step) / 5e-5, want / 5e-5, 1e-13);
    }
    assert_near(schedule_lr(&s, 500) / 5e-5, 0.1, 1e-13);
}

static void wsd_is_flat_then_falls_in_a_line(void **state)
{
    const struct schedule s = {.kind = SCHEDULE_WSD,
                               .lr = 2.0,
                               .min_lr_ratio = 0.5,
                               .decay_start = 0.6,
                               .total_steps = 10};

    (void)state;
    assert_true(schedule_lr(&s, 5) == 2.0);
    assert_true(schedule_lr(&s, 6) == 2.0);
    assert_near(schedule_lr(&s, 8), 1.5, 1e-12);
    assert_near(schedule_lr(&s, 10), 1.0, 1e-12);
    assert_near(schedule_lr(&s, 99), 1.0, 1e-12);
}

static void a_decay_without_room_ends_at_once(void **state)
{
    const struct schedule s = {
        .kind = SCHEDULE_WSD, .lr = 2.0, .min_lr_ratio = 0.5, .decay_start = 1.0, .total_steps = 4};

    (void)state;
    assert_true(schedule_lr(&s, 3) == 2.0);
    assert_true(schedule_lr(&s, 5) == 1.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(warm_up_is_linear_and_ends_at_the_rate),
        cmocka_unit_test(without_warm_up_the_first_step_has_the_rate),
        cmocka_unit_test(cosine_falls_from_the_rate_to_the_floor),
        cmocka_unit_test(wsd_is_flat_then_falls_in_a_line),
        cmocka_unit_test(a_decay_without_room_ends_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
