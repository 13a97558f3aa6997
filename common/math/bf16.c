#include "common/math/bf16.h"

#include "common/math/avx2.h"
#include "common/math/kernels.h"

static void expand_portable(float *out, const uint16_t *in, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = bf16_to_f32(in[i]);
}

static void round_portable(uint16_t *out, const float *in, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = bf16_from_f32(in[i]);
}

AVX2_TARGET static void expand_avx2(float *out, const uint16_t *in, size_t count)
{
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(in + i)));
        _mm256_storeu_ps(out + i, _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16)));
    }
    expand_portable(out + i, in + i, count - i);
}

// Eight floats to their rounded upper halves, in the low halves of 8 words.
AVX2_INLINE __m256i round_eight(const float *in)
{
    __m256 value = _mm256_loadu_ps(in);
    __m256i bits = _mm256_castps_si256(value);
    __m256i upper = _mm256_srli_epi32(bits, 16);
    __m256i odd = _mm256_and_si256(upper, _mm256_set1_epi32(1));
    __m256i bias = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, bias), 16);
    __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
    __m256 is_nan = _mm256_cmp_ps(value, value, _CMP_UNORD_Q);
    return _mm256_blendv_epi8(rounded, quiet, _mm256_castps_si256(is_nan));
}

AVX2_TARGET static void round_avx2(uint16_t *out, const float *in, size_t count)
{
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        // Packing works within 128-bit halves; the permutation mends the order.
        __m256i both = _mm256_packus_epi32(round_eight(in + i), round_eight(in + i + 8));
        _mm256_storeu_si256((void *)(out + i), _mm256_permute4x64_epi64(both, 0xd8));
    }
    round_portable(out + i, in + i, count - i);
}

void bf16_expand(float *out, const uint16_t *in, size_t count)
{
    if (kernels_in_use() == KERNELS_AVX2)
        expand_avx2(out, in, count);
    else
        expand_portable(out, in, count);
}

void bf16_round(uint16_t *out, const float *in, size_t count)
{
    if (kernels_in_use() == KERNELS_AVX2)
        round_avx2(out, in, count);
    else
        round_portable(out, in, count);
}
