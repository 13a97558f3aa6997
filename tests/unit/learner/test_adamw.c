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

#define N_STEPS 12u

static const struct shape shape = {.n_layers = 2,
                                   .width = 40,
                                   .n_heads = 4,
                                   .n_kv_heads = 2,
                                   .head_width = 12,
                                   .ffn_width = 56,
                                   .vocab_size = 900, // more than one task of elements
                                   .context_length = 64,
                                   .norm_epsilon = 1e-6f,
                                   .rope_theta = 1000.0,
                                   .qk_norm = true};
static const struct adamw_config config = {
    .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .weight_decay = 0.1};

static float noise(uint64_t i, uint32_t b)
{
    const struct rng_key key = {.seed = 4, .domain = RNG_TEST};

    return 2.0f * rng_unit(rng_at(key, i, b, 0).word[0]) - 1.0f;
}

static struct params make_params(void)
{
    struct params params;
    struct err err;

    assert_int_equal(params_init(&params, &shape, &err), 0);
    assert_true(params.n_elements > 40000);
    return params;
}

static void fill_grads(float *grads, size_t n, uint32_t step)
{
    for (size_t i = 0; i < n; i++)
        grads[i] = 3.0f * noise(i, step);
}

static double lr_of(uint32_t step)
{
    return 1e-2 / (1.0 + step);
}

static float scale_of(uint32_t step)
{
    return step % 2 == 0 ? 0.25f : 1.0f;
}

// --- Loshchilov and Hutter's algorithm 2 as PyTorch writes it, one element, in double -------
struct slow {
    double p, m, v;
};

static void slow_step(struct slow *s, double grad, double lr, uint32_t step, bool is_decayed)
{
    double decay = is_decayed ? config.weight_decay : 0.0;

    s->p -= lr * decay * s->p;
    s->m = config.beta1 * s->m + (1 - config.beta1) * grad;
    s->v = config.beta2 * s->v + (1 - config.beta2) * grad * grad;
    double m_hat = s->m / (1 - pow(config.beta1, step));
    double v_hat = s->v / (1 - pow(config.beta2, step));
    s->p -= lr * m_hat / (sqrt(v_hat) + config.eps);
}

static const struct param *param_of(const struct params *params, size_t element)
{
    size_t p = params->count - 1;

    while (params->table[p].offset > element)
        p--;
    return &params->table[p];
}

// The state of elements [first, first + count) after all steps.
static void run(struct adamw_state *s, const struct params *params, size_t first, size_t count,
                unsigned n_threads)
{
    float *grads = malloc(params->n_elements * sizeof *grads);
    struct pool *pool = pool_create(n_threads);

    assert_non_null(grads);
    adamw_state_init(s, first, count);
    for (size_t i = 0; i < count; i++)
        s->masters[i] = noise(first + i, 0);
    for (uint32_t step = 1; step <= N_STEPS; step++) {
        fill_grads(grads, params->n_elements, step);
        adamw_step(s, params, &config, lr_of(step), step, grads, scale_of(step), pool);
    }
    pool_destroy(pool);
    free(grads);
}

static void steps_follow_the_paper_s_in_double(void **state)
{
    struct params params = make_params();
    struct adamw_state s;
    double worst = 0;

    (void)state;
    run(&s, &params, 0, params.n_elements, 1);
    for (size_t i = 0; i < params.n_elements; i++) {
        struct slow slow = {.p = (double)noise(i, 0)};

        for (uint32_t step = 1; step <= N_STEPS; step++) {
            double grad = (double)(3.0f * noise(i, step)) * (double)scale_of(step);

            slow_step(&slow, grad, lr_of(step), step, param_of(&params, i)->rows > 1);
        }
        worst = fmax(worst, fabs(slow.p - (double)s.masters[i]));
        assert_true(fabs(slow.m - (double)s.m[i]) < 1e-6);
        assert_true(fabs(slow.v - (double)s.v[i]) < 1e-5);
    }
    assert_true(worst < 1e-6);
    adamw_state_fini(&s);
    params_fini(&params);
}

static void only_matrices_decay(void **state)
{
    struct params params = make_params();
    float *grads = calloc(params.n_elements, sizeof *grads);
    struct adamw_state s;
    size_t n_kept = 0, n_decayed = 0;

    (void)state;
    assert_non_null(grads);
    adamw_state_init(&s, 0, params.n_elements);
    for (size_t i = 0; i < s.count; i++)
        s.masters[i] = 1.0f;
    adamw_step(&s, &params, &config, 0.5, 1, grads, 1.0f, NULL);
    for (size_t p = 0; p < params.count; p++) {
        const struct param *param = &params.table[p];
        bool is_vector = strstr(param->name, "norm") != NULL;
        size_t n = (size_t)param->rows * param->cols;

        for (size_t i = 0; i < n; i++)
            assert_true(s.masters[param->offset + i] == (is_vector ? 1.0f : 0.95f));
        *(is_vector ? &n_kept : &n_decayed) += n;
    }
    assert_true(n_kept > 0 && n_decayed > 0);
    free(grads);
    adamw_state_fini(&s);
    params_fini(&params);
}

static void the_result_does_not_depend_on_shards_or_threads(void **state)
{
    struct params params = make_params();
    struct adamw_state whole;
    // A border within a norm's vector, one within a matrix, and one shard of one element.
    const struct param *norm = params_find(&params, PARAM_NORM_FFN, 0);
    const size_t borders[] = {0, 16385, norm->offset + 3, norm->offset + 4, params.n_elements};

    (void)state;
    run(&whole, &params, 0, params.n_elements, 1);
    for (size_t b = 0; b + 1 < sizeof borders / sizeof *borders; b++) {
        size_t first = borders[b], count = borders[b + 1] - first;
        struct adamw_state shard;

        run(&shard, &params, first, count, 1 + (unsigned)b % 2);
        assert_memory_equal(shard.masters, whole.masters + first, count * sizeof(float));
        assert_memory_equal(shard.m, whole.m + first, count * sizeof(float));
        assert_memory_equal(shard.v, whole.v + first, count * sizeof(float));
        adamw_state_fini(&shard);
    }
    adamw_state_fini(&whole);
    params_fini(&params);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_follow_the_paper_s_in_double),
        cmocka_unit_test(only_matrices_decay),
        cmocka_unit_test(the_result_does_not_depend_on_shards_or_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
