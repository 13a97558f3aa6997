#include "actor/grading/math_exact.h"

#include <gmp.h>
#include <string.h>

#include "common/base/err.h"

_Static_assert(sizeof(struct exact) == sizeof(mpq_t), "an exact is an mpq_t");

enum { POWER_MAX = EXACT_BITS_MAX, FACTORIAL_MAX = 3000, ROOT_MAX = 1000, DIGITS_MAX = 9000 };

struct exact_cell {
    struct exact_cell *next;
    struct exact value;
};

static mpq_ptr q(struct exact *a)
{
    return (mpq_ptr)(void *)a;
}

static mpq_srcptr qc(const struct exact *a)
{
    return (mpq_srcptr)(const void *)a;
}

static mpz_srcptr over(const struct exact *a)
{
    return mpq_numref(qc(a));
}

static mpz_srcptr under(const struct exact *a)
{
    return mpq_denref(qc(a));
}

static struct exact *new_exact(struct math_work *w)
{
    struct exact_cell *cell = math_take(w, sizeof *cell);
    cell->next = w->exacts;
    w->exacts = cell;
    mpq_init(q(&cell->value));
    return &cell->value;
}

void exact_clear_all(struct math_work *w)
{
    for (struct exact_cell *cell = w->exacts; cell != NULL; cell = cell->next)
        mpq_clear(q(&cell->value));
    w->exacts = NULL;
}

static size_t bits_of(const struct exact *a)
{
    return mpz_sizeinbase(over(a), 2) + mpz_sizeinbase(under(a), 2);
}

// Whether an operation on numbers of that many bits is affordable: products and
// common divisors are quadratic at worst.
static bool can_afford(struct math_work *w, size_t n_bits)
{
    if (n_bits > 2 * EXACT_BITS_MAX) return false;
    size_t limbs = n_bits / 64 + 1;
    return math_spend(w, 1 + limbs * limbs / 64);
}

static const struct exact *bounded(const struct exact *a)
{
    return mpz_sizeinbase(over(a), 2) > EXACT_BITS_MAX ||
                   mpz_sizeinbase(under(a), 2) > EXACT_BITS_MAX
               ? NULL
               : a;
}

const struct exact *exact_of(struct math_work *w, long numerator, unsigned long denominator)
{
    if (denominator == 0) return NULL;
    struct exact *out = new_exact(w);
    mpq_set_si(q(out), numerator, denominator);
    mpq_canonicalize(q(out));
    return out;
}

const struct exact *exact_of_base(struct math_work *w, const char *digits, size_t n_digits,
                                  int base)
{
    if (n_digits == 0 || n_digits > DIGITS_MAX || !can_afford(w, n_digits * 6)) return NULL;
    char *text = math_take(w, n_digits + 1);
    memcpy(text, digits, n_digits);
    struct exact *out = new_exact(w);
    if (mpz_set_str(mpq_numref(q(out)), text, base) != 0) return NULL;
    return bounded(out);
}

const struct exact *exact_of_digits(struct math_work *w, const char *digits, size_t n_digits,
                                    long n_decimals)
{
    const struct exact *whole = exact_of_base(w, digits, n_digits, 10);
    if (whole == NULL || n_decimals == 0) return whole;
    unsigned long size = (unsigned long)(n_decimals < 0 ? -n_decimals : n_decimals);
    if (size > DIGITS_MAX || !can_afford(w, size * 4)) return NULL;
    struct exact *scale = new_exact(w);
    mpz_ui_pow_ui(mpq_numref(q(scale)), 10, size);
    return n_decimals > 0 ? exact_divide(w, whole, scale) : exact_multiply(w, whole, scale);
}

const struct exact *exact_add(struct math_work *w, const struct exact *a, const struct exact *b)
{
    if (a == NULL || b == NULL || !can_afford(w, bits_of(a) + bits_of(b))) return NULL;
    struct exact *out = new_exact(w);
    mpq_add(q(out), qc(a), qc(b));
    return bounded(out);
}

const struct exact *exact_multiply(struct math_work *w, const struct exact *a,
                                   const struct exact *b)
{
    if (a == NULL || b == NULL || !can_afford(w, bits_of(a) + bits_of(b))) return NULL;
    struct exact *out = new_exact(w);
    mpq_mul(q(out), qc(a), qc(b));
    return bounded(out);
}

const struct exact *exact_divide(struct math_work *w, const struct exact *a, const struct exact *b)
{
    if (a == NULL || b == NULL || exact_sign(b) == 0) return NULL;
    if (!can_afford(w, bits_of(a) + bits_of(b))) return NULL;
    struct exact *out = new_exact(w);
    mpq_div(q(out), qc(a), qc(b));
    return bounded(out);
}

const struct exact *exact_negate(struct math_work *w, const struct exact *a)
{
    if (a == NULL || !can_afford(w, bits_of(a))) return NULL;
    struct exact *out = new_exact(w);
    mpq_neg(q(out), qc(a));
    return out;
}

// a^n for n >= 0.
static const struct exact *raise(struct math_work *w, const struct exact *a, unsigned long n)
{
    size_t widest = mpz_sizeinbase(over(a), 2);
    if (mpz_sizeinbase(under(a), 2) > widest) widest = mpz_sizeinbase(under(a), 2);
    bool is_unit = widest == 1; // 0, 1, -1
    if (!is_unit && (n > POWER_MAX || widest * n > EXACT_BITS_MAX)) return NULL;
    if (!can_afford(w, is_unit ? 1 : widest * n)) return NULL;
    struct exact *out = new_exact(w);
    mpz_pow_ui(mpq_numref(q(out)), over(a), is_unit ? (n > 1 ? 2 - n % 2 : n) : n);
    mpz_pow_ui(mpq_denref(q(out)), under(a), is_unit ? 1 : n);
    return out;
}

// The n-th root if it is rational.
static const struct exact *root(struct math_work *w, const struct exact *a, unsigned long n)
{
    if (n > ROOT_MAX || (n % 2 == 0 && exact_sign(a) < 0)) return NULL;
    if (!can_afford(w, bits_of(a))) return NULL;
    struct exact *out = new_exact(w);
    if (mpz_root(mpq_numref(q(out)), over(a), n) == 0) return NULL;
    if (mpz_root(mpq_denref(q(out)), under(a), n) == 0) return NULL;
    return out;
}

const struct exact *exact_power(struct math_work *w, const struct exact *a, const struct exact *b)
{
    if (a == NULL || b == NULL || !mpz_fits_slong_p(over(b)) || !mpz_fits_ulong_p(under(b)))
        return NULL;
    long n = mpz_get_si(over(b));
    unsigned long n_root = mpz_get_ui(under(b));
    if (exact_sign(a) == 0 && n <= 0) return NULL; // 0^0 is not a number we vouch for
    if (n_root > 1) a = root(w, a, n_root);
    if (a == NULL) return NULL;
    const struct exact *out = raise(w, a, n < 0 ? -(unsigned long)n : (unsigned long)n);
    return n < 0 && out != NULL ? exact_divide(w, exact_of(w, 1, 1), out) : out;
}

const struct exact *exact_floor(struct math_work *w, const struct exact *a)
{
    if (a == NULL || !can_afford(w, bits_of(a))) return NULL;
    struct exact *out = new_exact(w);
    mpz_fdiv_q(mpq_numref(q(out)), over(a), under(a));
    return out;
}

const struct exact *exact_factorial(struct math_work *w, const struct exact *a)
{
    long n;
    if (a == NULL || !exact_to_long(a, &n) || n < 0 || n > FACTORIAL_MAX) return NULL;
    if (!math_spend(w, 1 + (uint64_t)n * (uint64_t)n / 4096)) return NULL;
    struct exact *out = new_exact(w);
    mpz_fac_ui(mpq_numref(q(out)), (unsigned long)n);
    return bounded(out);
}

const struct exact *exact_binomial(struct math_work *w, const struct exact *n,
                                   const struct exact *k)
{
    long of, taken;
    if (n == NULL || k == NULL || !exact_to_long(n, &of) || !exact_to_long(k, &taken)) return NULL;
    if (of < 0 || taken < 0) return NULL;
    if (taken > of) return exact_of(w, 0, 1);
    if (taken > of - taken) taken = of - taken;
    if (taken > FACTORIAL_MAX || !math_spend(w, 1 + (uint64_t)taken * (uint64_t)taken / 256))
        return NULL;
    struct exact *out = new_exact(w);
    mpz_bin_uiui(mpq_numref(q(out)), (unsigned long)of, (unsigned long)taken);
    return bounded(out);
}

const struct exact *exact_gcd(struct math_work *w, const struct exact *a, const struct exact *b)
{
    if (a == NULL || b == NULL || !exact_is_integer(a) || !exact_is_integer(b)) return NULL;
    if (!can_afford(w, bits_of(a) + bits_of(b))) return NULL;
    struct exact *out = new_exact(w);
    mpz_gcd(mpq_numref(q(out)), over(a), over(b));
    return out;
}

int exact_sign(const struct exact *a)
{
    return mpz_sgn(over(a));
}

int exact_compare(const struct exact *a, const struct exact *b)
{
    return mpq_cmp(qc(a), qc(b));
}

bool exact_is_wider(const struct exact *a, size_t n_bits)
{
    return mpz_sizeinbase(over(a), 2) > n_bits || mpz_sizeinbase(under(a), 2) > n_bits;
}

bool exact_is_integer(const struct exact *a)
{
    return mpz_cmp_ui(under(a), 1) == 0;
}

bool exact_to_long(const struct exact *a, long *out)
{
    if (!exact_is_integer(a) || !mpz_fits_slong_p(over(a))) return false;
    *out = mpz_get_si(over(a));
    return true;
}

bool exact_is_odd(const struct exact *a)
{
    return mpz_odd_p(over(a)) != 0;
}

bool exact_is_root_odd(const struct exact *a)
{
    return mpz_odd_p(under(a)) != 0;
}

uint64_t exact_modulo(const struct exact *a, uint64_t prime, bool *is_known)
{
    uint64_t numerator = mpz_fdiv_ui(over(a), prime), denominator = mpz_fdiv_ui(under(a), prime);
    *is_known = denominator != 0;
    if (!*is_known || denominator == 1) return numerator;
    mpz_t inverse, modulus;
    mpz_init_set_ui(inverse, denominator);
    mpz_init_set_ui(modulus, prime);
    mpz_invert(inverse, inverse, modulus);
    mpz_mul_ui(inverse, inverse, numerator);
    uint64_t out = mpz_fdiv_ui(inverse, prime);
    mpz_clears(inverse, modulus, NULL);
    return out;
}

uint64_t exact_exponent_modulo(const struct exact *a, uint64_t order)
{
    return mpz_fdiv_ui(over(a), order);
}
