#include "actor/grading/math_ball_real.h"

// Exponents beyond this overflow nothing yet and mean nothing any more.
enum { MAGNITUDE_MAX = 1 << 26 };

void real_new(struct math_work *w, struct real *out)
{
    // MPFR's own set-up for memory that it does not own: nothing to free after.
    size_t size = mpfr_custom_get_size(w->precision_bits);
    void *limbs = math_take(w, size);
    mpfr_custom_init(limbs, w->precision_bits);
    mpfr_custom_init_set(out->middle, MPFR_ZERO_KIND, 0, w->precision_bits, limbs);
    out->radius = RADIUS_NONE;
}

static long larger(long a, long b)
{
    return a > b ? a : b;
}

// The exponent of a sum of two bounds, and of a product.
static long both(long a, long b)
{
    if (a == RADIUS_NONE) return b;
    if (b == RADIUS_NONE) return a;
    return larger(a, b) + 1;
}

static long times(long a, long b)
{
    return a == RADIUS_NONE || b == RADIUS_NONE ? RADIUS_NONE : a + b;
}

static long exponent(const struct real *a) // |middle| < 2^this
{
    return mpfr_regular_p(a->middle) ? mpfr_get_exp(a->middle) : RADIUS_NONE;
}

long real_magnitude(const struct real *a)
{
    return both(exponent(a), a->radius);
}

bool real_is_zero(const struct real *a)
{
    return a->radius == RADIUS_NONE && mpfr_zero_p(a->middle);
}

bool real_has_zero(const struct real *a)
{
    if (mpfr_zero_p(a->middle)) return true;
    return a->radius != RADIUS_NONE && exponent(a) <= a->radius + 1;
}

int real_sign(const struct real *a)
{
    return real_has_zero(a) ? 0 : mpfr_sgn(a->middle);
}

void real_rounded(struct real *out, int inexact)
{
    if (inexact != 0) out->radius = both(out->radius, exponent(out) - mpfr_get_prec(out->middle));
}

static bool is_sane(const struct real *out)
{
    return mpfr_number_p(out->middle) && real_magnitude(out) < MAGNITUDE_MAX;
}

void real_copy(struct math_work *w, struct real *out, const struct real *a)
{
    real_new(w, out);
    out->radius = a->radius;
    real_rounded(out, mpfr_set(out->middle, a->middle, MPFR_RNDN));
}

void real_negate(struct math_work *w, struct real *out, const struct real *a)
{
    real_copy(w, out, a);
    mpfr_neg(out->middle, out->middle, MPFR_RNDN);
}

bool real_add(struct math_work *w, struct real *out, const struct real *a, const struct real *b)
{
    real_new(w, out);
    int inexact = mpfr_add(out->middle, a->middle, b->middle, MPFR_RNDN);
    out->radius = both(a->radius, b->radius);
    real_rounded(out, inexact);
    return is_sane(out);
}

bool real_multiply(struct math_work *w, struct real *out, const struct real *a,
                   const struct real *b)
{
    real_new(w, out);
    int inexact = mpfr_mul(out->middle, a->middle, b->middle, MPFR_RNDN);
    long cross = both(times(exponent(a), b->radius), times(exponent(b), a->radius));
    out->radius = both(cross, times(a->radius, b->radius));
    real_rounded(out, inexact);
    return is_sane(out);
}

// |b| stays above half of its middle: the error of a/b is at most
// 2 |a| rb / |b|^2 + 2 ra / |b|.
bool real_divide(struct math_work *w, struct real *out, const struct real *a, const struct real *b)
{
    real_new(w, out);
    if (mpfr_zero_p(b->middle) || (b->radius != RADIUS_NONE && b->radius > exponent(b) - 3))
        return false;
    int inexact = mpfr_div(out->middle, a->middle, b->middle, MPFR_RNDN);
    long inverse = 1 - exponent(b);
    long by_divisor = times(times(exponent(a), b->radius), 1 + 2 * inverse);
    long by_dividend = times(a->radius, 1 + inverse);
    out->radius = both(by_divisor, by_dividend);
    real_rounded(out, inexact);
    return is_sane(out);
}

bool real_halve(struct math_work *w, struct real *out, const struct real *a)
{
    real_copy(w, out, a);
    mpfr_div_2ui(out->middle, out->middle, 1, MPFR_RNDN);
    if (out->radius != RADIUS_NONE) out->radius--;
    return true;
}

bool real_sqrt(struct math_work *w, struct real *out, const struct real *a)
{
    real_new(w, out);
    if (real_is_zero(a)) return true;
    if (real_has_zero(a)) { // anything from zero to the root of the bound
        out->radius = real_magnitude(a) / 2 + 1;
        return true;
    }
    if (mpfr_sgn(a->middle) < 0) return false;
    if (a->radius != RADIUS_NONE && a->radius > exponent(a) - 3) return false;
    int inexact = mpfr_sqrt(out->middle, a->middle, MPFR_RNDN);
    // ra / (2 sqrt(a - ra)), and a - ra > 2^(exponent - 2)
    long half = (exponent(a) - 2) / 2 - ((exponent(a) - 2) % 2 < 0);
    if (a->radius != RADIUS_NONE) out->radius = a->radius - 1 - half;
    real_rounded(out, inexact);
    return is_sane(out);
}

bool real_exp(struct math_work *w, struct real *out, const struct real *a)
{
    real_new(w, out);
    if (real_magnitude(a) > 25 || (a->radius != RADIUS_NONE && a->radius > -2)) return false;
    int inexact = mpfr_exp(out->middle, a->middle, MPFR_RNDN);
    if (a->radius != RADIUS_NONE) out->radius = exponent(out) + a->radius + 2;
    real_rounded(out, inexact);
    return is_sane(out);
}

bool real_log(struct math_work *w, struct real *out, const struct real *a)
{
    real_new(w, out);
    if (real_has_zero(a) || mpfr_sgn(a->middle) < 0) return false;
    if (a->radius != RADIUS_NONE && a->radius > exponent(a) - 3) return false;
    int inexact = mpfr_log(out->middle, a->middle, MPFR_RNDN);
    // ra / (a - ra) <= 2 ra / a
    if (a->radius != RADIUS_NONE) out->radius = a->radius + 2 - exponent(a);
    real_rounded(out, inexact);
    return is_sane(out);
}

// Functions whose slope is at most one.
static bool gentle(struct math_work *w, struct real *out, const struct real *a,
                   int (*function)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t), long magnitude_max)
{
    real_new(w, out);
    if (real_magnitude(a) > magnitude_max) return false;
    int inexact = function(out->middle, a->middle, MPFR_RNDN);
    out->radius = a->radius;
    real_rounded(out, inexact);
    return is_sane(out);
}

bool real_sin(struct math_work *w, struct real *out, const struct real *a)
{
    return gentle(w, out, a, mpfr_sin, 64);
}

bool real_cos(struct math_work *w, struct real *out, const struct real *a)
{
    return gentle(w, out, a, mpfr_cos, 64);
}

bool real_arctan(struct math_work *w, struct real *out, const struct real *a)
{
    return gentle(w, out, a, mpfr_atan, MAGNITUDE_MAX);
}

// For 1/4 < a < 256 the slope is below 16 times the value, or 2^5 where that is
// small.
bool real_gamma(struct math_work *w, struct real *out, const struct real *a)
{
    real_new(w, out);
    if (real_sign(a) <= 0 || exponent(a) < -1 || exponent(a) > 8) return false;
    if (a->radius != RADIUS_NONE && a->radius > -16) return false;
    int inexact = mpfr_gamma(out->middle, a->middle, MPFR_RNDN);
    if (a->radius != RADIUS_NONE) out->radius = larger(exponent(out), 1) + 5 + a->radius;
    real_rounded(out, inexact);
    return is_sane(out);
}

bool real_floor(struct math_work *w, struct real *out, const struct real *a)
{
    struct real left;
    real_new(w, out);
    real_new(w, &left);
    if (real_magnitude(a) >= w->precision_bits) return false;
    mpfr_floor(out->middle, a->middle);
    if (a->radius == RADIUS_NONE) return true;
    mpfr_sub(left.middle, a->middle, out->middle, MPFR_RNDN);
    if (mpfr_zero_p(left.middle) || exponent(&left) <= a->radius + 1) return false;
    mpfr_ui_sub(left.middle, 1, left.middle, MPFR_RNDN);
    return !mpfr_zero_p(left.middle) && exponent(&left) > a->radius + 1;
}

void real_pi(struct math_work *w, struct real *out)
{
    real_new(w, out);
    real_rounded(out, mpfr_const_pi(out->middle, MPFR_RNDN));
}
