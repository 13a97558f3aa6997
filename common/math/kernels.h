/*
 * kernels.h - which implementation of the inner loops runs.
 *
 * Every kernel exists twice, in portable C and in AVX2+FMA, in the same order
 * of operations, so both give the same bits.  The choice is made once, at the
 * first use: AVX2 where the processor has it.  Tests force each.
 */
#ifndef ARGOSY_COMMON_MATH_KERNELS_H
#define ARGOSY_COMMON_MATH_KERNELS_H

#include <stdbool.h>

enum kernels { KERNELS_PORTABLE, KERNELS_AVX2 };

enum kernels kernels_in_use(void);
bool kernels_force(enum kernels which); // false: this processor cannot; not thread-safe

#endif
