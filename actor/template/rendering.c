#include <stdlib.h>

#include "actor/template/template.h"

void rendering_init(struct rendering *r)
{
    *r = (struct rendering){0};
}

void rendering_fini(struct rendering *r)
{
    text_buffer_fini(&r->text);
    free(r->parts);
    *r = (struct rendering){0};
}

void rendering_add(struct rendering *r, enum part_kind kind, const char *bytes, size_t size_bytes)
{
    if (size_bytes == 0) return;
    text_buffer_add(&r->text, bytes, size_bytes);
    if (r->n_parts > 0 && r->parts[r->n_parts - 1].kind == kind) {
        r->parts[r->n_parts - 1].size_bytes += size_bytes;
        return;
    }
    if (r->n_parts == r->room) {
        r->room = r->room == 0 ? 16 : 2 * r->room;
        r->parts = realloc(r->parts, r->room * sizeof *r->parts);
        CHECK(r->parts != NULL);
    }
    r->parts[r->n_parts++] = (struct rendered_part){size_bytes, kind};
}
