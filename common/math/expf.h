/*
 * expf.h - exp, log, sine and cosine of our own: glibc picks its versions per
 * processor, so its last bits differ between machines.
 *
 * The vector and the scalar forms give the same bits.  Bounded error, tested
 * against long double: exp and log within 2 ulp over the finite range.
 */
#ifndef ARGOSY_COMMON_MATH_EXPF_H
#define ARGOSY_COMMON_MATH_EXPF_H

#include <stddef.h>

float math_exp(float x); // underflows to 0 below about -87.3, +inf above 88.7, NaN stays
float math_log(float x); // -inf at 0, NaN below

void math_exp_many(float *out, const float *x, size_t n); // out may be x

double math_sin(double x); // for |x| < 1e6
double math_cos(double x);

#endif
