#include "common/math/softmax.h"

#include <math.h>

#include "common/math/avx2.h"
#include "common/math/expf.h"
#include "common/math/kernels.h"

// exp() of anything below is 0, and 0 times it is 0: a logit of minus infinity
// leaves no NaN in the entropy.
#define FAR_BELOW -200.0f

// Over x - max: the sum of exponentials, and of exponentials times exponents.
struct sums {
    float total, weighted;
};

static float max_portable(const float *x, size_t n)
{
    float max = -INFINITY;
    for (size_t i = 0; i < n; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

static struct sums sums_portable(const float *x, size_t n, float max)
{
    float total[8] = {0}, weighted[8] = {0};
    for (size_t i = 0; i < n; i++) {
        float d = x[i] - max;
        d = FAR_BELOW > d ? FAR_BELOW : d; // NaN stays
        float e = math_exp(d);
        total[i % 8] += e;
        weighted[i % 8] = fmaf(e, d, weighted[i % 8]);
    }
    return (struct sums){lane_sum(total), lane_sum(weighted)};
}

static void probabilities_portable(float *out, const float *x, size_t n, float logsumexp)
{
    for (size_t i = 0; i < n; i++)
        out[i] = math_exp(x[i] - logsumexp);
}

AVX2_TARGET static float max_avx2(const float *x, size_t n)
{
    __m256 a = _mm256_set1_ps(-INFINITY), b = a;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        a = _mm256_max_ps(_mm256_loadu_ps(x + i), a);
        b = _mm256_max_ps(_mm256_loadu_ps(x + i + 8), b);
    }
    float max = avx2_max(_mm256_max_ps(a, b));
    float rest = max_portable(x + i, n - i);
    return rest > max ? rest : max;
}

AVX2_TARGET static struct sums sums_avx2(const float *x, size_t n, float max)
{
    const __m256 far_below = _mm256_set1_ps(FAR_BELOW), m = _mm256_set1_ps(max);
    __m256 total = _mm256_setzero_ps(), weighted = total;
    for (size_t i = 0; i < n; i += 8) {
        __m256 d = far_below; // what lanes past the end keep: they add 0
        if (i + 8 <= n) {
            d = _mm256_sub_ps(_mm256_loadu_ps(x + i), m);
        } else {
            __m256i mask = avx2_mask(n - i);
            __m256 rest = _mm256_sub_ps(_mm256_maskload_ps(x + i, mask), m);
            d = _mm256_blendv_ps(d, rest, _mm256_castsi256_ps(mask));
        }
        d = _mm256_max_ps(far_below, d);
        __m256 e = avx2_exp(d);
        total = _mm256_add_ps(total, e);
        weighted = _mm256_fmadd_ps(e, d, weighted);
    }
    return (struct sums){avx2_sum(total), avx2_sum(weighted)};
}

AVX2_TARGET static void probabilities_avx2(float *out, const float *x, size_t n, float logsumexp)
{
    const __m256 shift = _mm256_set1_ps(logsumexp);
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i, avx2_exp(_mm256_sub_ps(_mm256_loadu_ps(x + i), shift)));
    probabilities_portable(out + i, x + i, n - i, logsumexp);
}

struct softmax_stats softmax_row(const float *logits, size_t n)
{
    bool vector = kernels_in_use() == KERNELS_AVX2;
    float max = vector ? max_avx2(logits, n) : max_portable(logits, n);
    struct sums s = vector ? sums_avx2(logits, n, max) : sums_portable(logits, n, max);
    float log_total = math_log(s.total);
    // entropy = -sum p log p = log total - sum p (x - max)
    return (struct softmax_stats){
        .max = max,
        .logsumexp = max + log_total,
        .entropy = log_total - s.weighted / s.total,
    };
}

void softmax_probabilities(float *out, const float *logits, size_t n, float logsumexp)
{
    if (kernels_in_use() == KERNELS_AVX2)
        probabilities_avx2(out, logits, n, logsumexp);
    else
        probabilities_portable(out, logits, n, logsumexp);
}
