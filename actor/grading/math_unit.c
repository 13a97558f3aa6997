#include <stdlib.h>
#include <string.h>

#include "actor/grading/math_vocabulary.h"

// Names of one unit, divided by spaces; a plural s needs no name of its own.
// Nothing here converts: 100 cm is not 1 m, but neither is it 100 m.
static const char *const units[] = {
    "m meter metre",
    "cm centimeter centimetre",
    "mm millimeter millimetre",
    "km kilometer kilometre",
    "in inch inches",
    "ft foot feet",
    "yd yard",
    "mi mile",
    "s sec second",
    "min minute",
    "h hr hour",
    "day",
    "week",
    "month",
    "yr year",
    "g gram",
    "kg kilogram",
    "mg milligram",
    "lb lbs pound",
    "oz ounce",
    "l liter litre",
    "ml milliliter millilitre",
    "gal gallon",
    "mph",
    "kmh kph",
    "dollar usd bucks $",
    "cent cents ¢",
    "euro eur",
    "yuan rmb cny",
    "yen jpy",
    "rupee rs inr",
    "degree deg",
    "radian rad",
    "percent pct percentage",
    "th st nd rd",
    "am",
    "pm",
    "hz hertz",
    "j joule",
    "n newton",
    "w watt",
    "v volt",
    "ohm",
    "k kelvin",
    "mol mole",
    "pa pascal",
    "acre",
    "hectare ha",
};
enum { UNITS = sizeof units / sizeof *units };

static bool is_named(const char *names, struct view word)
{
    for (const char *at = names; *at != 0;) {
        size_t size = strcspn(at, " ");
        if (size == word.size_bytes && memcmp(at, word.bytes, size) == 0) return true;
        at += size + (at[size] == ' ');
    }
    return false;
}

uint32_t math_unit(struct view lower_case)
{
    for (uint32_t i = 0; i < UNITS; i++)
        if (is_named(units[i], lower_case)) return i + 1;
    size_t size = lower_case.size_bytes;
    if (size < 4 || lower_case.bytes[size - 1] != 's') return 0;
    lower_case.size_bytes--;
    for (uint32_t i = 0; i < UNITS; i++)
        if (is_named(units[i], lower_case)) return i + 1;
    return 0;
}
