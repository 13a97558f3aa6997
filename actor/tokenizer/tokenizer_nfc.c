#include "actor/tokenizer/tokenizer_nfc.h"

#include <stdlib.h>

#include <utf8proc.h>

#include "common/base/err.h"

bool nfc_is_plain(enum normal_form form, const char *text, size_t size_bytes)
{
    // U+0300, the first that combines, is cc 80: a smaller first byte means a
    // smaller code point.  The other forms change Latin-1's letters and signs.
    unsigned char limit = form == FORM_C ? 0xcc : 0x80;
    for (size_t i = 0; i < size_bytes; i++)
        if ((unsigned char)text[i] >= limit) return false;
    return true;
}

char *nfc_convert(enum normal_form form, const char *text, size_t size_bytes, size_t *out_bytes)
{
    static const utf8proc_option_t options[] = {
        [FORM_C] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [FORM_D] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [FORM_KC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [FORM_KD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    utf8proc_uint8_t *out = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size_bytes,
                                      &out, options[form]);
    CHECK(n >= 0); // the text is valid UTF-8, and running out of memory aborts
    *out_bytes = (size_t)n;
    return (char *)out;
}

static bool is_circled_letter(uint32_t c)
{
    return (c >= 0x24b6 && c <= 0x24e9) || (c >= 0x1f130 && c <= 0x1f149) ||
           (c >= 0x1f150 && c <= 0x1f169) || (c >= 0x1f170 && c <= 0x1f189);
}

bool nfc_is_word(uint32_t c)
{
    utf8proc_category_t kind = utf8proc_category((utf8proc_int32_t)c);
    bool is_letter = kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
    bool is_mark = kind >= UTF8PROC_CATEGORY_MN && kind <= UTF8PROC_CATEGORY_ME;
    bool is_joiner = c == 0x200c || c == 0x200d;
    return is_letter || is_mark || kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL ||
           kind == UTF8PROC_CATEGORY_PC || is_joiner || is_circled_letter(c);
}
