#include "common/math/expf.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "common/math/avx2.h"
#include "common/math/exp_terms.h"
#include "common/math/kernels.h"

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float math_exp(float x)
{
    if (x > EXP_MAX) return INFINITY;
    if (x < EXP_MIN) return 0.0f;
    if (isnan(x)) return x;
    float shifted = fmaf(x, EXP_LOG2E, EXP_ROUND);
    float n = shifted - EXP_ROUND;
    float r = fmaf(-n, EXP_LN2_HIGH, x);
    r = fmaf(-n, EXP_LN2_LOW, r);
    float p = EXP_C4;
    p = fmaf(p, r, EXP_C3);
    p = fmaf(p, r, EXP_C2);
    p = fmaf(p, r, EXP_C1);
    p = fmaf(p, r, EXP_C0);
    p = fmaf(p, r * r, r);
    p = p + 1.0f;
    // n into the exponent field: p is within [0.7, 1.5), the result is normal.
    return float_of(bits_of(p) + (bits_of(shifted) << 23));
}

static void exp_many_portable(float *out, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = math_exp(x[i]);
}

AVX2_TARGET static void exp_many_avx2(float *out, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i, avx2_exp(_mm256_loadu_ps(x + i)));
    exp_many_portable(out + i, x + i, n - i);
}

void math_exp_many(float *out, const float *x, size_t n)
{
    if (kernels_in_use() == KERNELS_AVX2)
        exp_many_avx2(out, x, n);
    else
        exp_many_portable(out, x, n);
}

/*
 * log(x) = e ln 2 + log(1 + f), with 1 + f in [sqrt(1/2), sqrt(2)) and
 * log(1 + f) = f - f^2/2 + f^3 P(f), P minimax of degree 8 (error 7e-10 f^2).
 */
float math_log(float x)
{
    static const float P[] = {0.06916770f,  -0.11791721f, 0.11873362f,  -0.12384069f, 0.14218576f,
                              -0.16669263f, 0.20002231f,  -0.24999987f, 0.3333331f};
    if (x == 0.0f) return -INFINITY;
    if (x < 0.0f) return NAN;
    if (!(x < INFINITY)) return x; // infinity and NaN
    int32_t e = 0;
    if (x < 0x1p-126f) { // subnormal
        x *= 0x1p23f;
        e = -23;
    }
    uint32_t bits = bits_of(x);
    // Measured from sqrt(1/2), the exponent field counts whole octaves.
    uint32_t above = bits - 0x3f3504f3u;
    int32_t octaves = (int32_t)above >> 23;
    e += octaves;
    float f = float_of(bits - ((uint32_t)octaves << 23)) - 1.0f;
    float p = P[0];
    for (size_t i = 1; i < sizeof P / sizeof P[0]; i++)
        p = fmaf(p, f, P[i]);
    float square = f * f;
    float tail = fmaf(f * square, p, -0.5f * square);
    float n = (float)e;
    tail = fmaf(n, EXP_LN2_LOW, tail);
    return fmaf(n, EXP_LN2_HIGH, f + tail);
}

/*
 * x = n pi/2 + r with |r| <= pi/4.  pi/2 in three parts: for |x| < 1e6 the
 * first fused step is exact, the others leave about 1e-16.
 */
static double reduce(double x, uint64_t *quadrant)
{
    const double round = 0x1.8p52;
    double shifted = fma(x, 0x1.45f306dc9c883p-1, round);
    double n = shifted - round;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    *quadrant = bits & 3;
    double r = fma(-n, 0x1.921fb54442d18p+0, x);
    r = fma(-n, 0x1.1a62633145c07p-54, r);
    return fma(-n, -0x1.f1976b7ed8fbcp-110, r);
}

// Taylor series; on |r| <= pi/4 the first term left out is under 5e-17.
static double sine_near_0(double r)
{
    double s = r * r;
    double p = -1.0 / 1307674368000.0;
    p = fma(p, s, 1.0 / 6227020800.0);
    p = fma(p, s, -1.0 / 39916800.0);
    p = fma(p, s, 1.0 / 362880.0);
    p = fma(p, s, -1.0 / 5040.0);
    p = fma(p, s, 1.0 / 120.0);
    p = fma(p, s, -1.0 / 6.0);
    return fma(p, s * r, r);
}

static double cosine_near_0(double r)
{
    double s = r * r;
    double p = 1.0 / 20922789888000.0;
    p = fma(p, s, -1.0 / 87178291200.0);
    p = fma(p, s, 1.0 / 479001600.0);
    p = fma(p, s, -1.0 / 3628800.0);
    p = fma(p, s, 1.0 / 40320.0);
    p = fma(p, s, -1.0 / 720.0);
    p = fma(p, s, 1.0 / 24.0);
    return fma(p * s, s, fma(-0.5, s, 1.0));
}

static double quadrant_value(double r, uint64_t quadrant)
{
    double value = (quadrant & 1) ? cosine_near_0(r) : sine_near_0(r);
    return (quadrant & 2) ? -value : value;
}

double math_sin(double x)
{
    uint64_t quadrant;
    double r = reduce(x, &quadrant);
    return quadrant_value(r, quadrant);
}

double math_cos(double x)
{
    uint64_t quadrant;
    double r = reduce(x, &quadrant);
    return quadrant_value(r, quadrant + 1);
}
