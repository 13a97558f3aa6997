#include "actor/grading/math_vocabulary.h"

#include <stdlib.h>
#include <string.h>

// --- commands: sorted by spelling ----------------------------------------------------------------

#define SKIP(name)                                                                                 \
    {                                                                                              \
        name, WORD_SKIP, 0, 0                                                                      \
    }
#define TOKEN(name, kind, code)                                                                    \
    {                                                                                              \
        name, WORD_TOKEN, TOKEN_##kind, code                                                       \
    }
#define LETTER(name)                                                                               \
    {                                                                                              \
        name, WORD_LETTER, 0, 0                                                                    \
    }
#define TEXT(name)                                                                                 \
    {                                                                                              \
        name, WORD_TEXT, 0, 0                                                                      \
    }
#define FUNCTION(name, which) TOKEN(name, FUNCTION, MATH_##which)
#define RELATION(name, which) TOKEN(name, RELATION, MATH_##which)

// clang-format off
static const struct meaning commands[] = {
    TOKEN("And", COMMA, 1), LETTER("Delta"), LETTER("Gamma"), LETTER("Lambda"), SKIP("Large"),
    LETTER("Omega"), LETTER("Phi"), LETTER("Pi"), LETTER("Psi"), LETTER("Sigma"), LETTER("Theta"),
    LETTER("alpha"), SKIP("angle"), TOKEN("approx", RELATION, MATH_ABOUT),
    FUNCTION("arccos", ARCCOS), FUNCTION("arcsin", ARCSIN), FUNCTION("arctan", ARCTAN),
    TOKEN("ast", TIMES, 0), TOKEN("backslash", DIFFERENCE, 0), {"bar", WORD_DRAWN, 0, 0},
    {"begin", WORD_BEGIN, 0, 0}, LETTER("beta"), SKIP("bf"), SKIP("big"), SKIP("bigcap"),
    TOKEN("bigcup", UNION, 0), SKIP("bigg"), SKIP("biggl"), SKIP("biggr"), SKIP("bigl"),
    SKIP("bigr"), TOKEN("binom", BINOMIAL, 0), SKIP("bm"), SKIP("boldsymbol"), SKIP("boxed"),
    TOKEN("bullet", TIMES, 0), TOKEN("cap", INTERSECTION, 0), TOKEN("cdot", TIMES, 0),
    TOKEN("cfrac", FRACTION, 0), LETTER("chi"), TOKEN("choose", CHOOSE, 0),
    TOKEN("circ", DEGREE, 0), TOKEN("colon", COLON, 0), TOKEN("cong", RELATION, MATH_ABOUT),
    FUNCTION("cos", COS), FUNCTION("cosh", COSH), FUNCTION("cot", COT), FUNCTION("csc", CSC),
    TOKEN("cup", UNION, 0), TOKEN("dbinom", BINOMIAL, 0), TOKEN("degree", DEGREE, 0),
    LETTER("delta"), TOKEN("dfrac", FRACTION, 0), SKIP("displaystyle"), TOKEN("div", DIVIDE, 0),
    TOKEN("dollar", CURRENCY, '$'), LETTER("ell"), TOKEN("emptyset", EMPTY_SET, 0),
    {"end", WORD_END, 0, 0}, LETTER("epsilon"), RELATION("equiv", EQUAL), LETTER("eta"),
    TOKEN("euro", CURRENCY, 'e'), FUNCTION("exp", EXP), SKIP("fbox"), TOKEN("frac", FRACTION, 0),
    LETTER("gamma"), FUNCTION("gcd", GCD), RELATION("ge", GREATER_EQUAL),
    RELATION("geq", GREATER_EQUAL), RELATION("geqslant", GREATER_EQUAL), RELATION("gt", GREATER),
    SKIP("hat"), {"hspace", WORD_HIDDEN, 0, 0}, SKIP("huge"), RELATION("in", IN),
    TOKEN("infty", CONSTANT, MATH_INFINITY), LETTER("iota"), SKIP("it"), LETTER("kappa"),
    LETTER("lambda"), TOKEN("land", COMMA, 1), TOKEN("langle", OPEN, '<'), SKIP("large"),
    TOKEN("lbrace", OPEN, '{'), TOKEN("lbrack", OPEN, '['), TOKEN("lceil", OPEN, 'c'),
    FUNCTION("lcm", LCM), RELATION("le", LESS_EQUAL), SKIP("left"), RELATION("leq", LESS_EQUAL),
    RELATION("leqslant", LESS_EQUAL), TOKEN("lfloor", OPEN, 'f'), FUNCTION("lg", LOG),
    SKIP("limits"), FUNCTION("ln", LOG), FUNCTION("log", LOG), TOKEN("lor", COMMA, 1),
    TOKEN("lparen", OPEN, '('), RELATION("lt", LESS), TOKEN("lvert", OPEN, '|'), SKIP("mathbb"),
    SKIP("mathbf"), SKIP("mathcal"), SKIP("mathit"), SKIP("mathop"), TEXT("mathrm"),
    SKIP("mathsf"), SKIP("mathstrut"), TEXT("mathtt"), FUNCTION("max", MAX), TEXT("mbox"),
    SKIP("middle"), FUNCTION("min", MIN), TOKEN("mp", PLUS_MINUS, 0), LETTER("mu"),
    RELATION("ne", UNEQUAL), SKIP("negthinspace"), RELATION("neq", UNEQUAL), SKIP("newline"),
    SKIP("nolimits"), SKIP("normalfont"), LETTER("nu"), LETTER("omega"), TEXT("operatorname"),
    TOKEN("or", COMMA, 1), {"overline", WORD_DRAWN, 0, 0}, SKIP("overrightarrow"),
    {"phantom", WORD_HIDDEN, 0, 0}, LETTER("phi"), TOKEN("pi", CONSTANT, MATH_PI),
    TOKEN("pm", PLUS_MINUS, 1), TOKEN("pound", CURRENCY, 'l'), TOKEN("pounds", CURRENCY, 'l'),
    TOKEN("prime", PRIME, 0), LETTER("psi"), SKIP("qquad"), SKIP("quad"),
    TOKEN("rangle", CLOSE, '<'), TOKEN("ratio", COLON, 0), TOKEN("rbrace", CLOSE, '{'),
    TOKEN("rbrack", CLOSE, '['), TOKEN("rceil", CLOSE, 'c'), TOKEN("rfloor", CLOSE, 'f'),
    LETTER("rho"), SKIP("right"), SKIP("rm"), TOKEN("rparen", CLOSE, '('),
    TOKEN("rvert", CLOSE, '|'), FUNCTION("sec", SEC), TOKEN("setminus", DIFFERENCE, 0),
    SKIP("sf"), LETTER("sigma"), TOKEN("sim", RELATION, MATH_ABOUT),
    TOKEN("simeq", RELATION, MATH_ABOUT), FUNCTION("sin", SIN), FUNCTION("sinh", SINH),
    SKIP("small"), TOKEN("smallsetminus", DIFFERENCE, 0), TOKEN("sqrt", ROOT, 0),
    FUNCTION("tan", TAN), FUNCTION("tanh", TANH), LETTER("tau"), TOKEN("tbinom", BINOMIAL, 0),
    TEXT("text"), TEXT("textbf"), TOKEN("textdegree", DEGREE, 0), TEXT("textit"),
    TEXT("textnormal"), TEXT("textrm"), TEXT("textsc"), TEXT("textsf"), SKIP("textstyle"),
    TEXT("texttt"), TOKEN("tfrac", FRACTION, 0), LETTER("theta"), SKIP("thickspace"),
    SKIP("thinspace"), SKIP("tilde"), TOKEN("times", TIMES, 0), SKIP("tiny"), SKIP("triangle"),
    SKIP("underline"), LETTER("upsilon"), LETTER("varepsilon"), TOKEN("varnothing", EMPTY_SET, 0),
    LETTER("varphi"), SKIP("vec"), TOKEN("vee", COMMA, 1), TOKEN("vert", BAR, 0),
    TOKEN("wedge", COMMA, 1), SKIP("widehat"), LETTER("xi"), LETTER("zeta"),
};
// clang-format on

static int compare_spelling(const void *key, const void *row)
{
    const struct view *name = key;
    const char *spelling = ((const struct meaning *)row)->spelling;
    int order = strncmp(name->bytes, spelling, name->size_bytes);
    return order != 0 ? order : -(int)(spelling[name->size_bytes] != 0);
}

const struct meaning *math_command(struct view name)
{
    static const struct meaning wide_variants[] = {
        SKIP("Big"),   SKIP("Bigg"),  SKIP("Bigl"),  SKIP("Bigr"),
        SKIP("Biggl"), SKIP("Biggr"), SKIP("LARGE"), TOKEN("Vert", BAR, 0),
    };
    const struct meaning *found = bsearch(&name, commands, sizeof commands / sizeof *commands,
                                          sizeof *commands, compare_spelling);
    if (found != NULL) return found;
    for (size_t i = 0; i < sizeof wide_variants / sizeof *wide_variants; i++)
        if (compare_spelling(&name, &wide_variants[i]) == 0) return &wide_variants[i];
    return NULL;
}

// --- bare words ----------------------------------------------------------------------------------

static const struct meaning words[] = {
    TOKEN("and", COMMA, 1),
    FUNCTION("arccos", ARCCOS),
    FUNCTION("arcsin", ARCSIN),
    FUNCTION("arctan", ARCTAN),
    FUNCTION("ceil", CEIL),
    FUNCTION("cos", COS),
    FUNCTION("cosh", COSH),
    FUNCTION("cot", COT),
    FUNCTION("csc", CSC),
    FUNCTION("exp", EXP),
    FUNCTION("floor", FLOOR),
    FUNCTION("gcd", GCD),
    TOKEN("inf", CONSTANT, MATH_INFINITY),
    TOKEN("infinity", CONSTANT, MATH_INFINITY),
    TOKEN("infty", CONSTANT, MATH_INFINITY),
    FUNCTION("lcm", LCM),
    FUNCTION("ln", LOG),
    FUNCTION("log", LOG),
    TOKEN("oo", CONSTANT, MATH_INFINITY),
    TOKEN("or", COMMA, 1),
    TOKEN("pi", CONSTANT, MATH_PI),
    FUNCTION("sec", SEC),
    FUNCTION("sin", SIN),
    FUNCTION("sinh", SINH),
    TOKEN("sqrt", ROOT, 0),
    FUNCTION("tan", TAN),
    FUNCTION("tanh", TANH),
};

const struct meaning *math_word(struct view lower_case)
{
    return bsearch(&lower_case, words, sizeof words / sizeof *words, sizeof *words,
                   compare_spelling);
}

// --- signs ---------------------------------------------------------------------------------------

struct sign {
    uint32_t code_point;
    struct meaning meaning;
};

#define SIGN(point, kind, code)                                                                    \
    {                                                                                              \
        point,                                                                                     \
        {                                                                                          \
            NULL, WORD_TOKEN, TOKEN_##kind, code                                                   \
        }                                                                                          \
    }
#define NOTHING(point)                                                                             \
    {                                                                                              \
        point,                                                                                     \
        {                                                                                          \
            NULL, WORD_SKIP, 0, 0                                                                  \
        }                                                                                          \
    }

// clang-format off
static const struct sign signs[] = {
    NOTHING(0xa0), SIGN(0xa3, CURRENCY, 'l'), SIGN(0xa5, CURRENCY, 'y'), SIGN(0xb0, DEGREE, 0),
    SIGN(0xb1, PLUS_MINUS, 1), SIGN(0xb7, TIMES, 0), SIGN(0xd7, TIMES, 0), SIGN(0xf7, DIVIDE, 0),
    SIGN(0x3c0, CONSTANT, MATH_PI), SIGN(0x2010, MINUS, 0), SIGN(0x2011, MINUS, 0),
    SIGN(0x2012, MINUS, 0), SIGN(0x2013, MINUS, 0), SIGN(0x2014, MINUS, 0),
    SIGN(0x2019, PRIME, 0), SIGN(0x2022, TIMES, 0), SIGN(0x2032, PRIME, 0),
    SIGN(0x2044, DIVIDE, 0), SIGN(0x20ac, CURRENCY, 'e'), SIGN(0x2102, UNKNOWN, 0),
    SIGN(0x2148, CONSTANT, MATH_I), SIGN(0x2205, EMPTY_SET, 0), SIGN(0x2208, RELATION, MATH_IN),
    SIGN(0x2212, MINUS, 0), SIGN(0x2213, PLUS_MINUS, 0), SIGN(0x2215, DIVIDE, 0),
    SIGN(0x2216, DIFFERENCE, 0), SIGN(0x2217, TIMES, 0), SIGN(0x2219, TIMES, 0),
    SIGN(0x221a, ROOT, 0), SIGN(0x221e, CONSTANT, MATH_INFINITY), NOTHING(0x2220),
    SIGN(0x2227, COMMA, 1), SIGN(0x2228, COMMA, 1), SIGN(0x2229, INTERSECTION, 0),
    SIGN(0x222a, UNION, 0), SIGN(0x2236, COLON, 0), SIGN(0x2248, RELATION, MATH_ABOUT),
    SIGN(0x2260, RELATION, MATH_UNEQUAL), SIGN(0x2264, RELATION, MATH_LESS_EQUAL),
    SIGN(0x2265, RELATION, MATH_GREATER_EQUAL), SIGN(0x22c5, TIMES, 0), NOTHING(0x25b3),
    SIGN(0x27e8, OPEN, '<'), SIGN(0x27e9, CLOSE, '<'), SIGN(0x2a7d, RELATION, MATH_LESS_EQUAL),
    SIGN(0x2a7e, RELATION, MATH_GREATER_EQUAL), SIGN(0x3001, COMMA, 0), SIGN(0x3002, DOT, 0),
    SIGN(0xff01, BANG, 0), SIGN(0xff05, PERCENT, 0), SIGN(0xff08, OPEN, '('),
    SIGN(0xff09, CLOSE, '('), SIGN(0xff0b, PLUS, 0), SIGN(0xff0c, COMMA, 0),
    SIGN(0xff0d, MINUS, 0), SIGN(0xff0f, DIVIDE, 0), SIGN(0xff1a, COLON, 0),
    SIGN(0xff1b, COMMA, 0), SIGN(0xff1c, RELATION, MATH_LESS), SIGN(0xff1d, RELATION, MATH_EQUAL),
    SIGN(0xff1e, RELATION, MATH_GREATER), SIGN(0xffe5, CURRENCY, 'y'),
};
// clang-format on

static int compare_point(const void *key, const void *row)
{
    uint32_t point = *(const uint32_t *)key, other = ((const struct sign *)row)->code_point;
    return point < other ? -1 : point > other;
}

const struct meaning *math_sign(uint32_t code_point)
{
    static const struct meaning nothing = {NULL, WORD_SKIP, TOKEN_END, 0};
    // no-break and thin spaces, zero width, marks of direction, joiners
    if ((code_point >= 0x2000 && code_point <= 0x200f) ||
        (code_point >= 0x2028 && code_point <= 0x202f) ||
        (code_point >= 0x205f && code_point <= 0x206f) || code_point == 0xfeff ||
        code_point == 0x3000)
        return &nothing;
    const struct sign *found =
        bsearch(&code_point, signs, sizeof signs / sizeof *signs, sizeof *signs, compare_point);
    return found == NULL ? NULL : &found->meaning;
}

const char *math_greek(uint32_t code_point)
{
    static const char *const lower[] = {
        "alpha", "beta",   "gamma",   "delta", "epsilon", "zeta", "eta",   "theta", "iota",
        "kappa", "lambda", "mu",      "nu",    "xi",      NULL,   "pi",    "rho",   "sigma",
        "sigma", "tau",    "upsilon", "phi",   "chi",     "psi",  "omega",
    };
    switch (code_point) {
    case 0x393:
        return "Gamma";
    case 0x394:
        return "Delta";
    case 0x398:
        return "Theta";
    case 0x39b:
        return "Lambda";
    case 0x3a3:
        return "Sigma";
    case 0x3a6:
        return "Phi";
    case 0x3a8:
        return "Psi";
    case 0x3a9:
        return "Omega";
    default:
        break;
    }
    return code_point >= 0x3b1 && code_point <= 0x3c9 ? lower[code_point - 0x3b1] : NULL;
}

char math_superscript(uint32_t code_point)
{
    switch (code_point) {
    case 0xb2:
        return '2';
    case 0xb3:
        return '3';
    case 0xb9:
        return '1';
    case 0x207b:
        return '-';
    case 0x2070:
        return '0';
    default:
        return code_point >= 0x2074 && code_point <= 0x2079 ? (char)('4' + code_point - 0x2074) : 0;
    }
}

bool math_fraction_sign(uint32_t code_point, int *over, int *under)
{
    static const struct {
        uint32_t code_point;
        int over, under;
    } known[] = {
        {0xbc, 1, 4},    {0xbd, 1, 2},   {0xbe, 3, 4},   {0x2150, 1, 7}, {0x2151, 1, 9},
        {0x2152, 1, 10}, {0x2153, 1, 3}, {0x2154, 2, 3}, {0x2155, 1, 5}, {0x2156, 2, 5},
        {0x2157, 3, 5},  {0x2158, 4, 5}, {0x2159, 1, 6}, {0x215a, 5, 6}, {0x215b, 1, 8},
        {0x215c, 3, 8},  {0x215d, 5, 8}, {0x215e, 7, 8},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (known[i].code_point != code_point) continue;
        *over = known[i].over;
        *under = known[i].under;
        return true;
    }
    return false;
}

bool math_is_matrix(struct view environment, int *code)
{
    static const char *const names[] = {"pmatrix", "bmatrix", "vmatrix",    "Bmatrix",
                                        "matrix",  "array",   "smallmatrix"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strlen(names[i]) != environment.size_bytes ||
            memcmp(names[i], environment.bytes, environment.size_bytes) != 0)
            continue;
        *code = names[i][0];
        return true;
    }
    return false;
}
