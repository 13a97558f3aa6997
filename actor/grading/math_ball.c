#include "actor/grading/math_ball.h"

#include <gmp.h>

#include "actor/grading/math_ball_real.h"
#include "common/base/hash.h"

struct ball {
    struct real re, im;
};

// What an operation costs in steps, by the digits it is done to.
static bool can_afford(struct math_work *w, unsigned weight)
{
    return math_spend(w, weight * (uint64_t)(w->precision_bits / 320 + 1));
}

static struct ball *new_ball(struct math_work *w)
{
    struct ball *out = math_take(w, sizeof *out);
    real_new(w, &out->re);
    real_new(w, &out->im);
    return out;
}

const struct ball *ball_of_exact(struct math_work *w, const struct exact *value)
{
    if (value == NULL || !can_afford(w, 4)) return NULL;
    struct ball *out = new_ball(w);
    real_rounded(&out->re, mpfr_set_q(out->re.middle, (mpq_srcptr)(const void *)value, MPFR_RNDN));
    return out;
}

const struct ball *ball_of_parts(struct math_work *w, int64_t over, unsigned n_bits_under)
{
    struct ball *out = new_ball(w);
    mpfr_set_si_2exp(out->re.middle, over, -(long)n_bits_under, MPFR_RNDN);
    return out;
}

const struct ball *ball_pi(struct math_work *w)
{
    struct ball *out = new_ball(w);
    real_pi(w, &out->re);
    return out;
}

const struct ball *ball_i(struct math_work *w)
{
    struct ball *out = new_ball(w);
    mpfr_set_ui(out->im.middle, 1, MPFR_RNDN);
    return out;
}

bool ball_is_real(const struct ball *a)
{
    return real_is_zero(&a->im);
}

bool ball_has_zero(const struct ball *a)
{
    return real_has_zero(&a->re) && real_has_zero(&a->im);
}

// --- arithmetic ----------------------------------------------------------------------------------

const struct ball *ball_add(struct math_work *w, const struct ball *a, const struct ball *b)
{
    if (a == NULL || b == NULL || !can_afford(w, 2)) return NULL;
    struct ball *out = math_take(w, sizeof *out);
    return real_add(w, &out->re, &a->re, &b->re) && real_add(w, &out->im, &a->im, &b->im) ? out
                                                                                          : NULL;
}

const struct ball *ball_negate(struct math_work *w, const struct ball *a)
{
    if (a == NULL || !can_afford(w, 2)) return NULL;
    struct ball *out = math_take(w, sizeof *out);
    real_negate(w, &out->re, &a->re);
    real_negate(w, &out->im, &a->im);
    return out;
}

const struct ball *ball_multiply(struct math_work *w, const struct ball *a, const struct ball *b)
{
    if (a == NULL || b == NULL || !can_afford(w, 8)) return NULL;
    struct ball *out = new_ball(w);
    if (ball_is_real(a) && ball_is_real(b))
        return real_multiply(w, &out->re, &a->re, &b->re) ? out : NULL;
    struct real rr, ii, ri, ir;
    if (!real_multiply(w, &rr, &a->re, &b->re) || !real_multiply(w, &ii, &a->im, &b->im) ||
        !real_multiply(w, &ri, &a->re, &b->im) || !real_multiply(w, &ir, &a->im, &b->re))
        return NULL;
    mpfr_neg(ii.middle, ii.middle, MPFR_RNDN);
    return real_add(w, &out->re, &rr, &ii) && real_add(w, &out->im, &ri, &ir) ? out : NULL;
}

// re^2 + im^2
static bool norm(struct math_work *w, struct real *out, const struct ball *a)
{
    struct real rr, ii;
    return real_multiply(w, &rr, &a->re, &a->re) && real_multiply(w, &ii, &a->im, &a->im) &&
           real_add(w, out, &rr, &ii);
}

const struct ball *ball_divide(struct math_work *w, const struct ball *a, const struct ball *b)
{
    if (a == NULL || b == NULL || !can_afford(w, 8)) return NULL;
    struct ball *out = new_ball(w);
    if (ball_is_real(b)) {
        bool is_known = real_divide(w, &out->re, &a->re, &b->re) &&
                        (ball_is_real(a) || real_divide(w, &out->im, &a->im, &b->re));
        return is_known ? out : NULL;
    }
    struct ball conjugate;
    struct real size;
    real_copy(w, &conjugate.re, &b->re);
    real_negate(w, &conjugate.im, &b->im);
    const struct ball *product = ball_multiply(w, a, &conjugate);
    if (product == NULL || !norm(w, &size, b)) return NULL;
    return real_divide(w, &out->re, &product->re, &size) &&
                   real_divide(w, &out->im, &product->im, &size)
               ? out
               : NULL;
}

const struct ball *ball_abs(struct math_work *w, const struct ball *a)
{
    if (a == NULL || !can_afford(w, 8)) return NULL;
    struct ball *out = new_ball(w);
    if (!ball_is_real(a)) {
        struct real size;
        return norm(w, &size, a) && real_sqrt(w, &out->re, &size) ? out : NULL;
    }
    if (mpfr_sgn(a->re.middle) < 0)
        real_negate(w, &out->re, &a->re);
    else
        real_copy(w, &out->re, &a->re);
    return out;
}

// --- roots, exponentials, logarithms -------------------------------------------------------------

const struct ball *ball_sqrt(struct math_work *w, const struct ball *a)
{
    if (a == NULL || !can_afford(w, 16)) return NULL;
    struct ball *out = new_ball(w);
    struct real size, sum, half, root, twice;
    if (ball_is_real(a)) {
        if (mpfr_sgn(a->re.middle) >= 0 || real_has_zero(&a->re))
            return real_sqrt(w, &out->re, &a->re) ? out : NULL;
        w->has_left_reals = true;
        real_negate(w, &sum, &a->re);
        return real_sqrt(w, &out->im, &sum) ? out : NULL;
    }
    // The part that does not cancel first, the other by its product im/2.
    if (!norm(w, &sum, a) || !real_sqrt(w, &size, &sum)) return NULL;
    bool is_right = mpfr_sgn(a->re.middle) >= 0;
    struct real side;
    real_copy(w, &side, &a->re);
    if (!is_right) mpfr_neg(side.middle, side.middle, MPFR_RNDN);
    if (!real_add(w, &sum, &size, &side) || !real_halve(w, &half, &sum) ||
        !real_sqrt(w, &root, &half) || !real_add(w, &twice, &root, &root))
        return NULL;
    struct real other;
    if (!real_divide(w, &other, &a->im, &twice)) return NULL;
    if (is_right) {
        out->re = root;
        out->im = other;
        return out;
    }
    int sign = real_sign(&a->im); // on the negative axis either root may be meant
    if (sign == 0) return NULL;
    if (sign < 0) {
        mpfr_neg(root.middle, root.middle, MPFR_RNDN);
        mpfr_neg(other.middle, other.middle, MPFR_RNDN);
    }
    out->re = other;
    out->im = root;
    return out;
}

const struct ball *ball_exp(struct math_work *w, const struct ball *a)
{
    if (a == NULL || !can_afford(w, 40)) return NULL;
    struct ball *out = new_ball(w);
    struct real size, cosine, sine;
    if (!real_exp(w, &size, &a->re)) return NULL;
    if (ball_is_real(a)) {
        out->re = size;
        return out;
    }
    if (!real_cos(w, &cosine, &a->im) || !real_sin(w, &sine, &a->im)) return NULL;
    return real_multiply(w, &out->re, &size, &cosine) && real_multiply(w, &out->im, &size, &sine)
               ? out
               : NULL;
}

// The angle of a, which is not real, from the quotient that is at most one.
static bool angle(struct math_work *w, struct real *out, const struct ball *a)
{
    struct real quotient, turned, half, pi;
    bool is_steep = real_magnitude(&a->im) > real_magnitude(&a->re);
    if (is_steep) {
        int sign = real_sign(&a->im);
        if (sign == 0 || !real_divide(w, &quotient, &a->re, &a->im) ||
            !real_arctan(w, &turned, &quotient))
            return false;
        real_pi(w, &pi);
        real_halve(w, &half, &pi);
        if (sign < 0) mpfr_neg(half.middle, half.middle, MPFR_RNDN);
        mpfr_neg(turned.middle, turned.middle, MPFR_RNDN);
        return real_add(w, out, &half, &turned);
    }
    int side = real_sign(&a->re);
    if (side == 0 || !real_divide(w, &quotient, &a->im, &a->re) ||
        !real_arctan(w, &turned, &quotient))
        return false;
    if (side > 0) {
        *out = turned;
        return true;
    }
    int sign = real_sign(&a->im);
    if (sign == 0) return false; // on the cut
    real_pi(w, &pi);
    if (sign < 0) mpfr_neg(pi.middle, pi.middle, MPFR_RNDN);
    return real_add(w, out, &pi, &turned);
}

const struct ball *ball_log(struct math_work *w, const struct ball *a)
{
    if (a == NULL || !can_afford(w, 120)) return NULL;
    struct ball *out = new_ball(w);
    struct real size, whole;
    if (ball_is_real(a)) {
        if (real_has_zero(&a->re)) return NULL;
        if (mpfr_sgn(a->re.middle) > 0) return real_log(w, &out->re, &a->re) ? out : NULL;
        w->has_left_reals = true;
        real_negate(w, &size, &a->re);
        real_pi(w, &out->im);
        return real_log(w, &out->re, &size) ? out : NULL;
    }
    if (!norm(w, &size, a) || !real_log(w, &whole, &size) || !angle(w, &out->im, a)) return NULL;
    return real_halve(w, &out->re, &whole) ? out : NULL;
}

// a^n by squaring, for n up to a thousand or so.
static const struct ball *power_of_long(struct math_work *w, const struct ball *a, long n)
{
    const struct ball *out = NULL, *square = a;
    unsigned long left = n < 0 ? -(unsigned long)n : (unsigned long)n;
    for (; left > 0; left >>= 1) {
        if (left & 1) out = out == NULL ? square : ball_multiply(w, out, square);
        if (left > 1) square = ball_multiply(w, square, square);
        if (square == NULL || ((left & 1) && out == NULL)) return NULL;
    }
    if (out == NULL) return ball_of_parts(w, 1, 0);
    return n < 0 ? ball_divide(w, ball_of_parts(w, 1, 0), out) : out;
}

const struct ball *ball_power_exact(struct math_work *w, const struct ball *a,
                                    const struct exact *b)
{
    enum { SQUARED_MAX = 4096 };
    if (a == NULL || b == NULL || !can_afford(w, 8)) return NULL;
    long n;
    if (exact_to_long(b, &n) && n >= -SQUARED_MAX && n <= SQUARED_MAX) {
        if (n <= 0 && ball_has_zero(a)) return NULL;
        return power_of_long(w, a, n);
    }
    bool is_zero = ball_is_real(a) && real_is_zero(&a->re);
    if (is_zero) return exact_sign(b) > 0 ? a : NULL;
    bool is_half = exact_compare(b, exact_of(w, 1, 2)) == 0;
    if (is_half) return ball_sqrt(w, a);
    bool is_mirrored = ball_is_real(a) && mpfr_sgn(a->re.middle) < 0 && exact_is_root_odd(b);
    const struct ball *base = is_mirrored ? ball_negate(w, a) : a;
    const struct ball *out = ball_exp(w, ball_multiply(w, ball_of_exact(w, b), ball_log(w, base)));
    return is_mirrored && exact_is_odd(b) ? ball_negate(w, out) : out;
}

// --- real functions ------------------------------------------------------------------------------

static const struct ball *of_real(struct math_work *w, const struct ball *a,
                                  bool (*function)(struct math_work *, struct real *,
                                                   const struct real *))
{
    if (a == NULL || !ball_is_real(a) || !can_afford(w, 40)) return NULL;
    struct ball *out = new_ball(w);
    return function(w, &out->re, &a->re) ? out : NULL;
}

const struct ball *ball_sin(struct math_work *w, const struct ball *a)
{
    return of_real(w, a, real_sin);
}

const struct ball *ball_cos(struct math_work *w, const struct ball *a)
{
    return of_real(w, a, real_cos);
}

const struct ball *ball_arctan(struct math_work *w, const struct ball *a)
{
    return of_real(w, a, real_arctan);
}

const struct ball *ball_floor(struct math_work *w, const struct ball *a)
{
    return of_real(w, a, real_floor);
}

const struct ball *ball_gamma(struct math_work *w, const struct ball *a)
{
    return can_afford(w, 2000) ? of_real(w, a, real_gamma) : NULL;
}

int ball_compare(struct math_work *w, const struct ball *a, const struct ball *b)
{
    if (a == NULL || b == NULL || !ball_is_real(a) || !ball_is_real(b)) return 0;
    struct real minus, difference;
    real_negate(w, &minus, &b->re);
    return real_add(w, &difference, &a->re, &minus) ? real_sign(&difference) : 0;
}

// --- the hash ------------------------------------------------------------------------------------

enum { DIGITS_LIMBS = BALL_DIGITS_BITS / 64, SPARE_BITS = 16 };

struct fingerprint {
    int64_t exponent;
    uint64_t sign;
    uint64_t limbs[DIGITS_LIMBS];
};

// scale: the exponent of the whole number's size, against which zero is told.
static bool read_digits(const struct real *a, long scale, struct fingerprint *out)
{
    *out = (struct fingerprint){0};
    if (real_is_zero(a)) return true;
    if (real_has_zero(a)) return a->radius < scale - BALL_DIGITS_BITS - SPARE_BITS;
    if (a->radius != RADIUS_NONE &&
        mpfr_get_exp(a->middle) - a->radius < BALL_DIGITS_BITS + SPARE_BITS)
        return false;
    mp_limb_t limbs[DIGITS_LIMBS] = {0};
    mpfr_t rounded;
    mpfr_custom_init_set(rounded, MPFR_ZERO_KIND, 0, BALL_DIGITS_BITS, limbs);
    mpfr_set(rounded, a->middle, MPFR_RNDN);
    out->exponent = mpfr_get_exp(rounded);
    out->sign = mpfr_signbit(rounded) != 0 ? 1 : 0;
    for (int i = 0; i < DIGITS_LIMBS; i++)
        out->limbs[i] = limbs[i];
    return true;
}

bool ball_hash(const struct ball *a, uint64_t *out)
{
    if (a == NULL) return false;
    struct fingerprint parts[2];
    long scale = real_magnitude(&a->re), other = real_magnitude(&a->im);
    if (other > scale) scale = other;
    if (scale < 0) scale = 0;
    if (!read_digits(&a->re, scale, &parts[0]) || !read_digits(&a->im, scale, &parts[1]))
        return false;
    *out = checksum_of(parts, sizeof parts);
    return true;
}
