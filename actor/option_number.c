#include "actor/option_number.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// strtoull alone takes blanks, signs and the wrap of "-1"; strtod "nan" and "0x1p3".
static int refuse_range(const char *name, const char *text, uint64_t min, uint64_t max,
                        struct err *err)
{
    if (max == UINT64_MAX)
        return err_set(err, ERR_USAGE, "%s: want a whole number, got \"%.40s\"", name, text);
    return err_set(err, ERR_USAGE,
                   "%s: want a whole number from %" PRIu64 " to %" PRIu64 ", got \"%.40s\"", name,
                   min, max, text);
}

int option_whole(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out,
                 struct err *err)
{
    const size_t n_digits = strspn(text, "0123456789");
    errno = 0;
    const unsigned long long value = strtoull(text, NULL, 10);
    if (n_digits == 0 || text[n_digits] != '\0' || errno != 0 || value < min || value > max)
        return refuse_range(name, text, min, max, err);
    *out = value;
    return 0;
}

int option_real(const char *name, const char *text, double min, double max, double *out,
                struct err *err)
{
    const size_t n = strspn(text, "0123456789.eE+-");
    char *end;
    const double value = strtod(text, &end);
    if (n == 0 || text[n] != '\0' || *end != '\0' || !(value >= min && value <= max))
        return err_set(err, ERR_USAGE, "%s: want a number from %g to %g, got \"%.40s\"", name, min,
                       max, text);
    *out = value;
    return 0;
}
