#include "common/math/rope.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/err.h"
#include "common/math/avx2.h"
#include "common/math/expf.h"
#include "common/math/kernels.h"

enum { TASK_ELEMENTS = 32768 };

void rope_init(struct rope *r, uint32_t n_positions, uint32_t head_width,
               const double *inverse_frequency, double magnitude)
{
    size_t half = head_width / 2;
    r->n_positions = n_positions;
    r->head_width = head_width;
    r->cosine = malloc((n_positions * half + 1) * sizeof(float));
    r->sine = malloc((n_positions * half + 1) * sizeof(float));
    CHECK(r->cosine != NULL && r->sine != NULL);
    for (size_t t = 0; t < n_positions; t++) {
        for (size_t i = 0; i < half; i++) {
            double angle = (double)t * inverse_frequency[i];
            r->cosine[t * half + i] = (float)(magnitude * math_cos(angle));
            r->sine[t * half + i] = (float)(magnitude * math_sin(angle));
        }
    }
}

void rope_fini(struct rope *r)
{
    free(r->cosine);
    free(r->sine);
    *r = (struct rope){0};
}

// Turns the pairs (x[i], x[half + i]), i from `from`, by +angle, or -angle when
// `direction` is -1.
static void rotate_portable(float *x, size_t half, size_t from, const float *cosine,
                            const float *sine, float direction)
{
    for (size_t i = from; i < half; i++) {
        float a = x[i], b = x[half + i];
        float c = cosine[i], s = sine[i] * direction;
        x[i] = fmaf(a, c, -(b * s));
        x[half + i] = fmaf(b, c, a * s);
    }
}

AVX2_TARGET static void rotate_avx2(float *x, size_t half, const float *cosine, const float *sine,
                                    float direction)
{
    const __m256 sign = _mm256_set1_ps(direction);
    size_t i = 0;
    for (; i + 8 <= half; i += 8) {
        __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + half + i);
        __m256 c = _mm256_loadu_ps(cosine + i);
        __m256 s = _mm256_mul_ps(_mm256_loadu_ps(sine + i), sign);
        _mm256_storeu_ps(x + i, _mm256_fmsub_ps(a, c, _mm256_mul_ps(b, s)));
        _mm256_storeu_ps(x + half + i, _mm256_fmadd_ps(b, c, _mm256_mul_ps(a, s)));
    }
    rotate_portable(x, half, i, cosine, sine, direction);
}

struct rope_job {
    float *x;
    size_t ldx, n_rows, n_heads, rows_per_task;
    const uint32_t *positions;
    const struct rope *rope;
    float direction;
};

static void rope_task(void *context, size_t task, unsigned thread)
{
    const struct rope_job *job = context;
    (void)thread;
    bool vector = kernels_in_use() == KERNELS_AVX2;
    size_t D = job->rope->head_width, half = D / 2;
    size_t end = (task + 1) * job->rows_per_task;
    if (end > job->n_rows) end = job->n_rows;
    for (size_t row = task * job->rows_per_task; row < end; row++) {
        CHECK(job->positions[row] < job->rope->n_positions);
        const float *cosine = job->rope->cosine + job->positions[row] * half;
        const float *sine = job->rope->sine + job->positions[row] * half;
        for (size_t head = 0; head < job->n_heads; head++) {
            float *x = job->x + row * job->ldx + head * D;
            if (vector)
                rotate_avx2(x, half, cosine, sine, job->direction);
            else
                rotate_portable(x, half, 0, cosine, sine, job->direction);
        }
    }
}

static void rotate_rows(struct rope_job *job, struct pool *pool)
{
    if (job->n_rows == 0 || job->n_heads == 0) return;
    job->rows_per_task = 1 + TASK_ELEMENTS / (job->n_heads * job->rope->head_width);
    pool_for(pool, (job->n_rows + job->rows_per_task - 1) / job->rows_per_task, rope_task, job);
}

void rope_forward(float *x, size_t ldx, size_t n_rows, size_t n_heads, const uint32_t *positions,
                  const struct rope *r, struct pool *pool)
{
    rotate_rows(&(struct rope_job){x, ldx, n_rows, n_heads, 0, positions, r, 1.0f}, pool);
}

void rope_backward(float *dx, size_t ldx, size_t n_rows, size_t n_heads, const uint32_t *positions,
                   const struct rope *r, struct pool *pool)
{
    rotate_rows(&(struct rope_job){dx, ldx, n_rows, n_heads, 0, positions, r, -1.0f}, pool);
}
