/*
 * bf16.h - the storage format of weights: the upper half of an fp32.
 *
 * Rounds to nearest, ties to even; NaN stays NaN (quiet).
 */
#ifndef ARGOSY_COMMON_MATH_BF16_H
#define ARGOSY_COMMON_MATH_BF16_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline float bf16_to_f32(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint16_t bf16_from_f32(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((bits >> 16) | 0x40u);
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

void bf16_expand(float *out, const uint16_t *in, size_t count);
void bf16_round(uint16_t *out, const float *in, size_t count);

#endif
