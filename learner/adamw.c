#include "learner/adamw.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/err.h"

#define TASK_ELEMENTS ((size_t)16 << 10)

// Not pow(): its last bit is the C library's affair.
static double power(double base, uint64_t exponent)
{
    double result = 1.0;

    for (; exponent > 0; exponent >>= 1, base *= base) {
        if (exponent & 1u) result *= base;
    }
    return result;
}

static float *zeros(size_t count)
{
    float *values = calloc(count > 0 ? count : 1, sizeof *values);

    CHECK(values != NULL);
    return values;
}

void adamw_state_init(struct adamw_state *s, size_t first, size_t count)
{
    s->first = first;
    s->count = count;
    s->masters = zeros(count);
    s->m = zeros(count);
    s->v = zeros(count);
}

void adamw_state_fini(struct adamw_state *s)
{
    free(s->masters);
    free(s->m);
    free(s->v);
    *s = (struct adamw_state){0};
}

struct step_numbers {
    float grad_scale, beta1, beta2, rest1, rest2, eps, step_size, root_correction2, decay;
};

struct step_job {
    struct adamw_state *state;
    const struct params *params;
    const float *grads;
    struct step_numbers numbers;
    float decay_matrix;
};

static void step_range(float *restrict p, float *restrict m, float *restrict v,
                       const float *restrict g, size_t count, const struct step_numbers *n)
{
    struct step_numbers k = *n;

    for (size_t i = 0; i < count; i++) {
        float grad = g[i] * k.grad_scale;
        float mean = k.beta1 * m[i] + k.rest1 * grad;
        float square = k.beta2 * v[i] + k.rest2 * (grad * grad);
        float size = sqrtf(square) / k.root_correction2 + k.eps;

        m[i] = mean;
        v[i] = square;
        p[i] = p[i] * k.decay - k.step_size * (mean / size);
    }
}

// The first parameter that reaches beyond element `at`.
static size_t param_at(const struct params *params, size_t at)
{
    size_t low = 0, high = params->count;

    while (low + 1 < high) {
        size_t middle = (low + high) / 2;

        if (params->table[middle].offset <= at) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

static void step_task(void *context, size_t task, unsigned thread)
{
    const struct step_job *job = context;
    const struct adamw_state *s = job->state;
    size_t at = task * TASK_ELEMENTS;
    size_t end = at + TASK_ELEMENTS < s->count ? at + TASK_ELEMENTS : s->count;

    (void)thread;
    for (size_t p = param_at(job->params, s->first + at); at < end; p++) {
        struct step_numbers numbers = job->numbers;
        size_t next =
            p + 1 < job->params->count ? job->params->table[p + 1].offset : job->params->n_elements;
        size_t stop = next - s->first < end ? next - s->first : end;

        numbers.decay = param_is_decayed(&job->params->table[p]) ? job->decay_matrix : 1.0f;
        step_range(s->masters + at, s->m + at, s->v + at, job->grads + s->first + at, stop - at,
                   &numbers);
        at = stop;
    }
}

void adamw_step(struct adamw_state *s, const struct params *params,
                const struct adamw_config *config, double lr, uint64_t step, const float *grads,
                float grad_scale, struct pool *pool)
{
    double correction1 = 1.0 - power(config->beta1, step);
    double correction2 = 1.0 - power(config->beta2, step);
    struct step_job job = {
        .state = s,
        .params = params,
        .grads = grads,
        .numbers =
            {
                .grad_scale = grad_scale,
                .beta1 = (float)config->beta1,
                .beta2 = (float)config->beta2,
                .rest1 = (float)(1.0 - config->beta1),
                .rest2 = (float)(1.0 - config->beta2),
                .eps = (float)config->eps,
                .step_size = (float)(lr / correction1),
                .root_correction2 = (float)sqrt(correction2),
            },
        .decay_matrix = (float)(1.0 - lr * config->weight_decay),
    };

    CHECK(step > 0);
    pool_for(pool, (s->count + TASK_ELEMENTS - 1) / TASK_ELEMENTS, step_task, &job);
}
