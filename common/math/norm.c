#include "common/math/norm.h"

#include <math.h>
#include <string.h>

#include "common/math/avx2.h"
#include "common/math/kernels.h"

enum {
    TASK_ELEMENTS = 32768,
    GAIN_BLOCKS = 16,    // partial sums of the gain's gradient, folded in order
    GAIN_COLUMNS = 1024, // of a partial sum at a time
    GAIN_ROWS_MIN = 64,
};

// Sum of a[i] b[i] c[i] in 8 lanes; with c NULL, of a[i] b[i].
static float dot_portable(const float *a, const float *b, const float *c, size_t n)
{
    float lane[8] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % 8] = fmaf(c ? a[i] * c[i] : a[i], b[i], lane[i % 8]);
    return lane_sum(lane);
}

// y = (x * scale) * gain
static void scale_portable(float *y, const float *x, const float *gain, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] * scale) * gain[i];
}

// dx = (dy * gain) * scale - x * pull
static void pull_portable(float *dx, const float *dy, const float *x, const float *gain,
                          float scale, float pull, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = fmaf(dy[i] * gain[i], scale, -(x[i] * pull));
}

// sum += (x * scale) * dy
static void gain_portable(float *sum, const float *dy, const float *x, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] = fmaf(x[i] * scale, dy[i], sum[i]);
}

AVX2_TARGET static float dot_avx2(const float *a, const float *b, const float *c, size_t n)
{
    __m256 lanes = _mm256_setzero_ps();
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 left = _mm256_loadu_ps(a + i);
        if (c) left = _mm256_mul_ps(left, _mm256_loadu_ps(c + i));
        lanes = _mm256_fmadd_ps(left, _mm256_loadu_ps(b + i), lanes);
    }
    if (i < n) { // the lanes past the end add 0 * 0
        __m256i mask = avx2_mask(n - i);
        __m256 left = _mm256_maskload_ps(a + i, mask);
        if (c) left = _mm256_mul_ps(left, _mm256_maskload_ps(c + i, mask));
        lanes = _mm256_fmadd_ps(left, _mm256_maskload_ps(b + i, mask), lanes);
    }
    return avx2_sum(lanes);
}

AVX2_TARGET static void scale_avx2(float *y, const float *x, const float *gain, float scale,
                                   size_t n)
{
    const __m256 s = _mm256_set1_ps(scale);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x + i), s);
        _mm256_storeu_ps(y + i, _mm256_mul_ps(scaled, _mm256_loadu_ps(gain + i)));
    }
    scale_portable(y + i, x + i, gain + i, scale, n - i);
}

AVX2_TARGET static void pull_avx2(float *dx, const float *dy, const float *x, const float *gain,
                                  float scale, float pull, size_t n)
{
    const __m256 s = _mm256_set1_ps(scale), p = _mm256_set1_ps(pull);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 g = _mm256_mul_ps(_mm256_loadu_ps(dy + i), _mm256_loadu_ps(gain + i));
        __m256 back = _mm256_mul_ps(_mm256_loadu_ps(x + i), p);
        _mm256_storeu_ps(dx + i, _mm256_fmsub_ps(g, s, back));
    }
    pull_portable(dx + i, dy + i, x + i, gain + i, scale, pull, n - i);
}

AVX2_TARGET static void gain_avx2(float *sum, const float *dy, const float *x, float scale,
                                  size_t n)
{
    const __m256 s = _mm256_set1_ps(scale);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 normed = _mm256_mul_ps(_mm256_loadu_ps(x + i), s);
        __m256 total = _mm256_fmadd_ps(normed, _mm256_loadu_ps(dy + i), _mm256_loadu_ps(sum + i));
        _mm256_storeu_ps(sum + i, total);
    }
    gain_portable(sum + i, dy + i, x + i, scale, n - i);
}

struct norm_job {
    const struct norm_layout *layout;
    float *y;           // forward: output; backward: dx
    float *inverse_rms; // forward: written, or NULL
    const float *x, *gain;
    float epsilon;
    const float *dy, *saved_rms; // backward
    size_t rows_per_task;
    // Of the gain's gradient: columns [first, first + n_columns) at a time.
    size_t first_column, n_columns, rows_per_block;
    float (*partial)[GAIN_COLUMNS];
};

static void forward_task(void *context, size_t task, unsigned thread)
{
    const struct norm_job *job = context;
    const struct norm_layout *l = job->layout;
    (void)thread;
    bool vector = kernels_in_use() == KERNELS_AVX2;
    size_t end = (task + 1) * job->rows_per_task;
    if (end > l->n_rows) end = l->n_rows;
    for (size_t row = task * job->rows_per_task; row < end; row++) {
        for (size_t group = 0; group < l->n_groups; group++) {
            const float *x = job->x + row * l->ldx + group * l->width;
            float *y = job->y + row * l->ldy + group * l->width;
            float squares = (vector ? dot_avx2 : dot_portable)(x, x, NULL, l->width);
            float scale = 1.0f / sqrtf(squares / (float)l->width + job->epsilon);
            if (job->inverse_rms) job->inverse_rms[row * l->n_groups + group] = scale;
            (vector ? scale_avx2 : scale_portable)(y, x, job->gain, scale, l->width);
        }
    }
}

// With s = inverse rms: dx = s (dy gain) - x s^3 mean(dy gain x).
static void backward_task(void *context, size_t task, unsigned thread)
{
    const struct norm_job *job = context;
    const struct norm_layout *l = job->layout;
    (void)thread;
    bool vector = kernels_in_use() == KERNELS_AVX2;
    size_t end = (task + 1) * job->rows_per_task;
    if (end > l->n_rows) end = l->n_rows;
    for (size_t row = task * job->rows_per_task; row < end; row++) {
        for (size_t group = 0; group < l->n_groups; group++) {
            const float *x = job->x + row * l->ldx + group * l->width;
            const float *dy = job->dy + row * l->ldy + group * l->width;
            float *dx = job->y + row * l->ldx + group * l->width;
            float s = job->saved_rms[row * l->n_groups + group];
            float along = (vector ? dot_avx2 : dot_portable)(dy, x, job->gain, l->width);
            float pull = s * s * s * (along / (float)l->width);
            (vector ? pull_avx2 : pull_portable)(dx, dy, x, job->gain, s, pull, l->width);
        }
    }
}

static void gain_task(void *context, size_t block, unsigned thread)
{
    const struct norm_job *job = context;
    const struct norm_layout *l = job->layout;
    (void)thread;
    bool vector = kernels_in_use() == KERNELS_AVX2;
    float *sum = job->partial[block];
    memset(sum, 0, job->n_columns * sizeof *sum);
    size_t end = (block + 1) * job->rows_per_block;
    if (end > l->n_rows) end = l->n_rows;
    for (size_t row = block * job->rows_per_block; row < end; row++) {
        for (size_t group = 0; group < l->n_groups; group++) {
            size_t column = group * l->width + job->first_column;
            (vector ? gain_avx2 : gain_portable)(
                sum, job->dy + row * l->ldy + column, job->x + row * l->ldx + column,
                job->saved_rms[row * l->n_groups + group], job->n_columns);
        }
    }
}

static size_t rows_per_task(const struct norm_layout *l)
{
    return 1 + TASK_ELEMENTS / (l->n_groups * l->width);
}

void norm_forward(float *y, float *inverse_rms, const float *x, const float *gain, float epsilon,
                  const struct norm_layout *layout, struct pool *pool)
{
    if (layout->n_rows == 0 || layout->n_groups == 0 || layout->width == 0) return;
    struct norm_job job = {.layout = layout, .y = y, .inverse_rms = inverse_rms, .x = x};
    job.gain = gain;
    job.epsilon = epsilon;
    job.rows_per_task = rows_per_task(layout);
    pool_for(pool, (layout->n_rows + job.rows_per_task - 1) / job.rows_per_task, forward_task,
             &job);
}

// The gain first: dx may overwrite dy.
void norm_backward(float *dx, float *dgain, const float *dy, const float *x,
                   const float *inverse_rms, const float *gain, const struct norm_layout *layout,
                   struct pool *pool)
{
    if (layout->n_rows == 0 || layout->n_groups == 0 || layout->width == 0) return;
    float partial[GAIN_BLOCKS][GAIN_COLUMNS];
    struct norm_job job = {.layout = layout, .y = dx, .x = x, .gain = gain, .dy = dy};
    job.saved_rms = inverse_rms;
    job.partial = partial;
    job.rows_per_block = (layout->n_rows + GAIN_BLOCKS - 1) / GAIN_BLOCKS;
    if (job.rows_per_block < GAIN_ROWS_MIN) job.rows_per_block = GAIN_ROWS_MIN;
    size_t n_blocks = (layout->n_rows + job.rows_per_block - 1) / job.rows_per_block;
    for (size_t first = 0; first < layout->width; first += GAIN_COLUMNS) {
        size_t left = layout->width - first;
        job.first_column = first;
        job.n_columns = left < GAIN_COLUMNS ? left : GAIN_COLUMNS;
        pool_for(pool, n_blocks, gain_task, &job);
        for (size_t block = 0; block < n_blocks; block++)
            for (size_t i = 0; i < job.n_columns; i++)
                dgain[first + i] += partial[block][i];
    }
    job.rows_per_task = rows_per_task(layout);
    pool_for(pool, (layout->n_rows + job.rows_per_task - 1) / job.rows_per_task, backward_task,
             &job);
}
