#include "common/math/swiglu.h"

#include "common/math/avx2.h"
#include "common/math/expf.h"
#include "common/math/kernels.h"

enum { TASK_ELEMENTS = 16384 };

static float sigmoid(float g)
{
    return 1.0f / (1.0f + math_exp(-g));
}

static void forward_portable(float *y, const float *gate, const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (gate[i] * sigmoid(gate[i])) * up[i];
}

// d silu(g)/dg = s (1 + g (1 - s)), s = sigmoid(g).
static void backward_portable(float *d_gate, float *d_up, const float *dy, const float *gate,
                              const float *up, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float g = gate[i], s = sigmoid(g);
        float slope = s * (1.0f + g * (1.0f - s));
        float du = dy[i] * (g * s);
        d_gate[i] = (dy[i] * up[i]) * slope;
        d_up[i] = du;
    }
}

AVX2_INLINE __m256 sigmoid_avx2(__m256 g)
{
    const __m256 one = _mm256_set1_ps(1.0f);
    __m256 minus = _mm256_xor_ps(g, _mm256_set1_ps(-0.0f));
    return _mm256_div_ps(one, _mm256_add_ps(one, avx2_exp(minus)));
}

AVX2_TARGET static void forward_avx2(float *y, const float *gate, const float *up, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 g = _mm256_loadu_ps(gate + i);
        __m256 silu = _mm256_mul_ps(g, sigmoid_avx2(g));
        _mm256_storeu_ps(y + i, _mm256_mul_ps(silu, _mm256_loadu_ps(up + i)));
    }
    forward_portable(y + i, gate + i, up + i, n - i);
}

AVX2_TARGET static void backward_avx2(float *d_gate, float *d_up, const float *dy,
                                      const float *gate, const float *up, size_t n)
{
    const __m256 one = _mm256_set1_ps(1.0f);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 g = _mm256_loadu_ps(gate + i), d = _mm256_loadu_ps(dy + i);
        __m256 s = sigmoid_avx2(g);
        __m256 slope = _mm256_mul_ps(g, _mm256_sub_ps(one, s));
        slope = _mm256_mul_ps(s, _mm256_add_ps(one, slope));
        __m256 du = _mm256_mul_ps(d, _mm256_mul_ps(g, s));
        __m256 dg = _mm256_mul_ps(_mm256_mul_ps(d, _mm256_loadu_ps(up + i)), slope);
        _mm256_storeu_ps(d_gate + i, dg);
        _mm256_storeu_ps(d_up + i, du);
    }
    backward_portable(d_gate + i, d_up + i, dy + i, gate + i, up + i, n - i);
}

struct swiglu_job {
    float *out;
    const float *dy; // NULL: forward
    const float *gate_up;
    size_t n_rows, width, rows_per_task;
};

static void swiglu_task(void *context, size_t task, unsigned thread)
{
    const struct swiglu_job *job = context;
    (void)thread;
    bool vector = kernels_in_use() == KERNELS_AVX2;
    size_t F = job->width;
    size_t end = (task + 1) * job->rows_per_task;
    if (end > job->n_rows) end = job->n_rows;
    for (size_t row = task * job->rows_per_task; row < end; row++) {
        const float *gate = job->gate_up + row * 2 * F, *up = gate + F;
        if (job->dy == NULL) {
            (vector ? forward_avx2 : forward_portable)(job->out + row * F, gate, up, F);
        } else {
            float *d_gate = job->out + row * 2 * F;
            (vector ? backward_avx2 : backward_portable)(d_gate, d_gate + F, job->dy + row * F,
                                                         gate, up, F);
        }
    }
}

static void run(float *out, const float *dy, const float *gate_up, size_t n_rows, size_t width,
                struct pool *pool)
{
    if (n_rows == 0 || width == 0) return;
    struct swiglu_job job = {out, dy, gate_up, n_rows, width, 1 + TASK_ELEMENTS / width};
    pool_for(pool, (n_rows + job.rows_per_task - 1) / job.rows_per_task, swiglu_task, &job);
}

void swiglu_forward(float *y, const float *gate_up, size_t n_rows, size_t width, struct pool *pool)
{
    run(y, NULL, gate_up, n_rows, width, pool);
}

void swiglu_backward(float *d_gate_up, const float *dy, const float *gate_up, size_t n_rows,
                     size_t width, struct pool *pool)
{
    run(d_gate_up, dy, gate_up, n_rows, width, pool);
}
