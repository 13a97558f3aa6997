#include "actor/rendered_ids.h"

#include <stdlib.h>

int rendered_ids(const struct tokenizer *t, const struct template *template,
                 const struct rendering *r, bool is_literal, struct token_ids *out, struct err *err)
{
    struct literal_range *ranges = calloc(r->n_parts + 1, sizeof *ranges);
    struct literal_ranges literal = {ranges, 0};
    size_t at = 0;
    CHECK(ranges != NULL);
    for (size_t i = 0; is_literal && i < r->n_parts; i++) {
        size_t end = at + r->parts[i].size_bytes;
        if (r->parts[i].kind == PART_CONTENT)
            ranges[literal.count++] = (struct literal_range){at, end};
        at = end;
    }
    struct view text = text_buffer_view(&r->text);
    if (!template_is_whole(template)) tokenizer_add_prefix(t, out);
    int result = tokenizer_encode_literal(t, text.bytes, text.size_bytes, &literal, out, err);
    free(ranges);
    return result;
}
