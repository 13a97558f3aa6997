#include "common/base/clock.h"

#include <time.h>

#include "common/base/err.h"

static struct timespec now(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return t;
}

uint64_t clock_now_ms(void)
{
    struct timespec t = now();
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

double clock_now_s(void)
{
    struct timespec t = now();
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
