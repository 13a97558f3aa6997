#include "actor/tokenizer/tokenizer_nfc.h"

#include <stdlib.h>

#include <utf8proc.h>

#include "common/base/err.h"

bool nfc_is_plain(const char *text, size_t size_bytes)
{
    // U+0300 is cc 80: a smaller first byte means a smaller code point
    for (size_t i = 0; i < size_bytes; i++)
        if ((unsigned char)text[i] >= 0xcc) return false;
    return true;
}

char *nfc_compose(const char *text, size_t size_bytes, size_t *out_bytes)
{
    utf8proc_uint8_t *out = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)size_bytes,
                                      &out, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    CHECK(n >= 0); // the text is valid UTF-8, and running out of memory aborts
    *out_bytes = (size_t)n;
    return (char *)out;
}
