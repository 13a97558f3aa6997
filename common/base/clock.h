/*
 * clock.h - time that only goes forward.
 *
 * Deadlines and leases use monotonic milliseconds and nothing else.  State
 * machines are handed `now_ms` and never read a clock; only main loops do.
 */
#ifndef ARGOSY_COMMON_BASE_CLOCK_H
#define ARGOSY_COMMON_BASE_CLOCK_H

#include <stdint.h>

uint64_t clock_now_ms(void); // CLOCK_MONOTONIC
double clock_now_s(void);    // CLOCK_MONOTONIC, for timings

#endif
