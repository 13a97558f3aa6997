// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "learner/adamw.h"

// cmocka compares floats only.
static void assert_near(double value, double want, double tolerance)
{
    if (!(fabs(value - want) <= tolerance)) fail_msg("%.17g, want %.17g", value, want);
}

// A small model: matrices, norms, q/k/v biases, so both kinds of decay.
static void make_params(struct params *p)
{
    const struct shape shape = {.n_layers = 2,
                                .width = 64,
                                .n_heads = 2,
                                .n_kv_heads = 1,
                                .head_width = 32,
                                .ffn_width = 96,
                                .vocab_size = 100,
                                .context_length = 64,
                                .norm_epsilon = 1e-6f,
                                .rope_theta = 10000,
                                .tied_embeddings = true,
                                .qkv_bias = true};
    struct err err;

    assert_int_equal(params_init(p, &shape, &err), 0);
}

static float *random_floats(size_t count, uint32_t salt)
{
    float *values = malloc(count * sizeof *values);

    assert_non_null(values);
    for (size_t i = 0; i < count; i++) {
        values[i] = rng_unit(rng_at((struct rng_key){salt, RNG_TEST}, i, 0, 0).word[0]) - 0.5f;
    }
    return values;
}

static const struct adamw_config config = {0.9, 0.95, 1e-8, 0.1};
#define LR 3e-3
#define SCALE 0.7f
#define STEPS 5u

// Takes STEPS steps of the elements [first, first + count).
static void take_steps(struct adamw_state *s, const struct params *p, size_t first, size_t count,
                       struct pool *pool)
{
    float *start = random_floats(p->n_elements, 1);

    adamw_state_init(s, first, count);
    memcpy(s->masters, start + first, count * sizeof *start);
    for (uint32_t step = 1; step <= STEPS; step++) {
        float *grads = random_floats(p->n_elements, 10 + step);

        adamw_step(s, p, &config, LR, step, grads, SCALE, pool);
        free(grads);
    }
    free(start);
}

// The definition, for one element, in double.
static double by_definition(double value, size_t element, double decay)
{
    double m = 0, v = 0;

    for (uint32_t step = 1; step <= STEPS; step++) {
        const struct rng_words words = rng_at((struct rng_key){10 + step, RNG_TEST}, element, 0, 0);
        const double g = ((double)rng_unit(words.word[0]) - 0.5) * (double)SCALE;

        m = config.beta1 * m + (1 - config.beta1) * g;
        v = config.beta2 * v + (1 - config.beta2) * g * g;
        const double mean = m / (1 - pow(config.beta1, step));
        const double root = sqrt(v / (1 - pow(config.beta2, step)));
        value -= LR * decay * value;
        value -= LR * mean / (root + config.eps);
    }
    return value;
}

static void steps_follow_the_definition_and_decay_matrices_only(void **state)
{
    struct params p;
    struct adamw_state s;
    size_t n_decayed = 0, n_plain = 0;

    (void)state;
    make_params(&p);
    take_steps(&s, &p, 0, p.n_elements, NULL);
    float *start = random_floats(p.n_elements, 1);
    for (size_t i = 0; i < p.count; i++) {
        const struct param *param = &p.table[i];
        const bool is_matrix = param->rows > 1;

        for (size_t e = 0; e < (size_t)param->rows * param->cols; e++) {
            const size_t at = param->offset + e;
            const double want =
                by_definition((double)start[at], at, is_matrix ? config.weight_decay : 0.0);

            assert_near((double)s.masters[at], want, 2e-6);
        }
        *(is_matrix ? &n_decayed : &n_plain) += 1;
    }
    assert_true(n_decayed > 5 && n_plain > 5);
    free(start);
    adamw_state_fini(&s);
    params_fini(&p);
}

static void a_shard_has_the_bits_of_the_whole_wherever_it_ends(void **state)
{
    static const size_t cuts[] = {0, 1, 77, 6400, 6401, 20011};
    struct params p;
    struct adamw_state whole;
    struct pool *pool = pool_create(3);

    (void)state;
    make_params(&p);
    take_steps(&whole, &p, 0, p.n_elements, NULL);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        const size_t first = cuts[i];
        const size_t end = i + 1 < sizeof cuts / sizeof *cuts ? cuts[i + 1] : p.n_elements;
        struct adamw_state part;

        take_steps(&part, &p, first, end - first, pool);
        assert_memory_equal(part.masters, whole.masters + first, (end - first) * sizeof(float));
        assert_memory_equal(part.m, whole.m + first, (end - first) * sizeof(float));
        assert_memory_equal(part.v, whole.v + first, (end - first) * sizeof(float));
        adamw_state_fini(&part);
    }
    adamw_state_fini(&whole);
    pool_destroy(pool);
    params_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_follow_the_definition_and_decay_matrices_only),
        cmocka_unit_test(a_shard_has_the_bits_of_the_whole_wherever_it_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
