#include "common/math/kernels.h"

// Threads that race to the first use compute the same answer, so a plain
// relaxed word is enough.
static int chosen = -1;

static bool processor_has_avx2(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

enum kernels kernels_in_use(void)
{
    int known = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
    if (known >= 0) return (enum kernels)known;
    enum kernels best = processor_has_avx2() ? KERNELS_AVX2 : KERNELS_PORTABLE;
    __atomic_store_n(&chosen, (int)best, __ATOMIC_RELAXED);
    return best;
}

bool kernels_force(enum kernels which)
{
    if (which == KERNELS_AVX2 && !processor_has_avx2()) return false;
    __atomic_store_n(&chosen, (int)which, __ATOMIC_RELAXED);
    return true;
}
