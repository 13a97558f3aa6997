/*
 * exp_terms.h - the constants of exp, shared by its scalar and vector forms.
 *
 * exp(x) = 2^n exp(r), n the integer nearest to x/ln 2 and |r| <= ln 2 / 2;
 * exp(r) = 1 + r + r^2 (C0 + C1 r + ... + C4 r^4), minimax on that interval
 * with relative error 3.2e-9.  Adding EXP_ROUND leaves n in the low bits.
 */
#ifndef ARGOSY_COMMON_MATH_EXP_TERMS_H
#define ARGOSY_COMMON_MATH_EXP_TERMS_H

#define EXP_ROUND 0x1.8p23f
#define EXP_LOG2E 0x1.715476p+0f
#define EXP_LN2_HIGH 0x1.62e4p-1f // short enough that n * high is exact
#define EXP_LN2_LOW 0x1.7f7d1cp-20f
#define EXP_C0 0x1p-1f
#define EXP_C1 0x1.55548cp-3f
#define EXP_C2 0x1.55545cp-5f
#define EXP_C3 0x1.123ce0p-7f
#define EXP_C4 0x1.6db64cp-10f
#define EXP_MAX 0x1.62e42ep+6f  // the largest x whose exp is finite
#define EXP_MIN -0x1.5d589ep+6f // the smallest whose exp is not subnormal

#endif
