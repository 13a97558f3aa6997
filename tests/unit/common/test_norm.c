#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "common/math/kernels.h"
#include "common/math/norm.h"

#define EPSILON 1e-6f

static uint32_t seed = 13;

static float uniform(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / 8388608.0f - 1.0f;
}

struct norm_case {
    struct norm_layout layout;
    size_t x_floats, y_floats, n_scales;
    float *x, *y, *gain, *inverse_rms, *dy, *dx, *dgain;
};

static float *floats(size_t count, bool random)
{
    float *x = malloc((count + 1) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i <= count; i++)
        x[i] = random ? uniform() : -77.0f;
    return x;
}

static struct norm_case make_case(size_t n_rows, size_t n_groups, size_t width, size_t gap)
{
    size_t row = n_groups * width;
    struct norm_case c = {.layout = {n_rows, n_groups, width, row + gap, row + 2 * gap}};
    c.x_floats = n_rows * c.layout.ldx;
    c.y_floats = n_rows * c.layout.ldy;
    c.n_scales = n_rows * n_groups;
    c.x = floats(c.x_floats, true);
    c.dy = floats(c.y_floats, true);
    c.gain = floats(width, true);
    c.y = floats(c.y_floats, false);
    c.dx = floats(c.x_floats, false);
    c.inverse_rms = floats(c.n_scales, false);
    c.dgain = floats(width, false);
    return c;
}

static void free_case(struct norm_case *c)
{
    float *all[] = {c->x, c->y, c->gain, c->inverse_rms, c->dy, c->dx, c->dgain};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
}

static void run(struct norm_case *c, struct pool *pool)
{
    norm_forward(c->y, c->inverse_rms, c->x, c->gain, EPSILON, &c->layout, pool);
    for (size_t i = 0; i < c->layout.width; i++)
        c->dgain[i] = 0.25f; // the gradient is added
    norm_backward(c->dx, c->dgain, c->dy, c->x, c->inverse_rms, c->gain, &c->layout, pool);
}

// sum(dy * y) over one group of one row, in double.
static double reference_loss(const struct norm_case *c, size_t row, size_t group)
{
    const struct norm_layout *l = &c->layout;
    const float *x = c->x + row * l->ldx + group * l->width;
    const float *dy = c->dy + row * l->ldy + group * l->width;
    double squares = 0.0, loss = 0.0;
    for (size_t i = 0; i < l->width; i++)
        squares += (double)x[i] * (double)x[i];
    double scale = 1.0 / sqrt(squares / (double)l->width + (double)EPSILON);
    for (size_t i = 0; i < l->width; i++)
        loss += (double)dy[i] * (double)x[i] * scale * (double)c->gain[i];
    return loss;
}

static const size_t shapes[][4] = {
    {1, 1, 1, 0},   {3, 1, 7, 0},    {5, 3, 8, 4},     {9, 4, 12, 1},
    {2, 1, 385, 3}, {130, 2, 64, 0}, {1500, 1, 33, 2}, {70, 1, 2100, 0},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

static struct norm_case shape_case(size_t s)
{
    return make_case(shapes[s][0], shapes[s][1], shapes[s][2], shapes[s][3]);
}

static void the_forward_follows_a_double_reference(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_SHAPES; s++) {
        struct norm_case c = shape_case(s);
        const struct norm_layout *l = &c.layout;
        run(&c, NULL);
        for (size_t row = 0; row < l->n_rows; row++) {
            for (size_t group = 0; group < l->n_groups; group++) {
                const float *x = c.x + row * l->ldx + group * l->width;
                const float *y = c.y + row * l->ldy + group * l->width;
                double squares = 0.0;
                for (size_t i = 0; i < l->width; i++)
                    squares += (double)x[i] * (double)x[i];
                double scale = 1.0 / sqrt(squares / (double)l->width + (double)EPSILON);
                double got = (double)c.inverse_rms[row * l->n_groups + group];
                assert_true(fabs(got / scale - 1.0) < 1e-6);
                for (size_t i = 0; i < l->width; i++)
                    assert_true(fabs((double)y[i] - (double)x[i] * scale * (double)c.gain[i]) <
                                2e-6);
            }
            for (size_t i = l->n_groups * l->width; i < l->ldy; i++)
                assert_true(c.y[row * l->ldy + i] == -77.0f); // the gap between rows
        }
        free_case(&c);
    }
}

static void the_backward_follows_finite_differences(void **state)
{
    (void)state;
    for (size_t s = 1; s < N_SHAPES - 2; s++) {
        struct norm_case c = shape_case(s);
        const struct norm_layout *l = &c.layout;
        run(&c, NULL);
        for (size_t row = 0; row < l->n_rows; row++) {
            for (size_t group = 0; group < l->n_groups; group++) {
                size_t at = row * l->ldx + group * l->width + (row * 5 + group) % l->width;
                float kept = c.x[at], up = kept + 0x1p-12f, down = kept - 0x1p-12f;
                c.x[at] = up;
                double high = reference_loss(&c, row, group);
                c.x[at] = down;
                double low = reference_loss(&c, row, group);
                c.x[at] = kept;
                double want = (high - low) / ((double)up - (double)down);
                assert_true(fabs(want - (double)c.dx[at]) < 2e-5 * (1.0 + fabs(want)));
            }
        }
        free_case(&c);
    }
}

static void the_gain_gradient_is_the_sum_over_rows(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_SHAPES; s++) {
        struct norm_case c = shape_case(s);
        const struct norm_layout *l = &c.layout;
        run(&c, NULL);
        for (size_t i = 0; i < l->width; i++) {
            double want = 0.25, size = 1.0;
            for (size_t row = 0; row < l->n_rows; row++) {
                for (size_t group = 0; group < l->n_groups; group++) {
                    // The loss is linear in the gain.
                    double term = (double)c.dy[row * l->ldy + group * l->width + i] *
                                  (double)c.x[row * l->ldx + group * l->width + i] *
                                  (double)c.inverse_rms[row * l->n_groups + group];
                    want += term;
                    size += fabs(term);
                }
            }
            assert_true(fabs(want - (double)c.dgain[i]) < 1e-6 * size);
        }
        free_case(&c);
    }
}

static void kernels_and_threads_change_no_bit(void **state)
{
    (void)state;
    struct pool *pool = pool_create(2);
    for (size_t s = 0; s < N_SHAPES; s++) {
        struct norm_case serial = shape_case(s);
        for (int variant = 0; variant < 2; variant++) {
            struct norm_case other = shape_case(s);
            memcpy(other.x, serial.x, serial.x_floats * sizeof(float));
            memcpy(other.dy, serial.dy, serial.y_floats * sizeof(float));
            memcpy(other.gain, serial.gain, serial.layout.width * sizeof(float));
            run(&serial, NULL);
            if (variant == 0) kernels_force(KERNELS_PORTABLE);
            run(&other, pool);
            if (!kernels_force(KERNELS_AVX2)) skip();
            assert_memory_equal(serial.y, other.y, serial.y_floats * sizeof(float));
            assert_memory_equal(serial.dx, other.dx, serial.x_floats * sizeof(float));
            assert_memory_equal(serial.dgain, other.dgain, serial.layout.width * sizeof(float));
            free_case(&other);
        }
        free_case(&serial);
    }
    pool_destroy(pool);
}

static void both_directions_work_in_place(void **state)
{
    (void)state;
    struct norm_case c = make_case(33, 2, 20, 0);
    run(&c, NULL);
    float dgain[20];
    for (size_t i = 0; i < 20; i++)
        dgain[i] = 0.25f;
    norm_backward(c.dy, dgain, c.dy, c.x, c.inverse_rms, c.gain, &c.layout, NULL);
    assert_memory_equal(c.dy, c.dx, c.x_floats * sizeof(float));
    assert_memory_equal(dgain, c.dgain, sizeof dgain);
    norm_forward(c.x, NULL, c.x, c.gain, EPSILON, &c.layout, NULL);
    assert_memory_equal(c.x, c.y, c.x_floats * sizeof(float));
    free_case(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_forward_follows_a_double_reference),
        cmocka_unit_test(the_backward_follows_finite_differences),
        cmocka_unit_test(the_gain_gradient_is_the_sum_over_rows),
        cmocka_unit_test(kernels_and_threads_change_no_bit),
        cmocka_unit_test(both_directions_work_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
