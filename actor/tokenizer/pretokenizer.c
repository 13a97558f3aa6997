#include "actor/tokenizer/pretokenizer.h"

#include <stdlib.h>
#include <string.h>

// --- cutting -------------------------------------------------------------------------------------

void cutting_init(struct cutting *c)
{
    *c = (struct cutting){.scan = regex_scan_create()};
}

void cutting_fini(struct cutting *c)
{
    regex_scan_destroy(c->scan);
    free(c->pieces.items);
    free(c->spare.items);
    text_buffer_fini(&c->written);
    text_buffer_fini(&c->rewritten);
    *c = (struct cutting){0};
}

static void pieces_add(struct pieces *p, size_t start, size_t size_bytes)
{
    if (size_bytes == 0) return;
    if (p->count == p->room) {
        p->room = p->room == 0 ? 64 : 2 * p->room;
        p->items = realloc(p->items, p->room * sizeof *p->items);
        CHECK(p->items != NULL);
    }
    p->items[p->count++] = (struct piece){start, size_bytes};
}

struct joint { // how a stretch meets the one before it
    enum split_behavior behavior;
    bool was_match; // of the stretch before; for MERGED_WITH_PREVIOUS: and not merged
    bool is_open;   // there is a stretch before it, in this piece
};

static void add_stretch(struct pieces *out, struct joint *j, size_t start, size_t end,
                        bool is_match)
{
    if (start == end) return;
    bool joins = false;
    if (j->is_open) {
        joins = (j->behavior == SPLIT_CONTIGUOUS && is_match == j->was_match) ||
                (j->behavior == SPLIT_MERGED_WITH_PREVIOUS && is_match && !j->was_match) ||
                (j->behavior == SPLIT_MERGED_WITH_NEXT && !is_match && j->was_match);
    }
    j->was_match = is_match;
    if (is_match && j->behavior == SPLIT_REMOVED) return;
    j->is_open = true;
    if (joins)
        out->items[out->count - 1].size_bytes = end - out->items[out->count - 1].start;
    else
        pieces_add(out, start, end - start);
}

// Each piece is a text of its own: a pattern does not look beyond its ends.
static int cut_piece(const struct pretokenizer_step *step, struct cutting *c, struct piece piece,
                     struct err *err)
{
    struct joint joint = {.behavior = step->behavior};
    const size_t base = piece.start;
    size_t at = 0, start, end;
    while (at < piece.size_bytes) {
        int found = tokenizer_regex_find(step->regex, c->scan, c->text.bytes + base,
                                         piece.size_bytes, at, &start, &end, err);
        if (found < 0) return -1;
        if (found == 0) break;
        add_stretch(&c->pieces, &joint, base + at, base + start, step->inverted);
        add_stretch(&c->pieces, &joint, base + start, base + end, !step->inverted);
        at = end;
    }
    add_stretch(&c->pieces, &joint, base + at, base + piece.size_bytes, step->inverted);
    return 0;
}

// Copies a piece to the text that is written, with its spaces made visible.
static void write_piece(const struct pretokenizer_step *step, struct cutting *c, struct piece piece,
                        bool is_first)
{
    struct text_buffer *out = &c->rewritten;
    const char *text = c->text.bytes + piece.start;
    const size_t n_space = strlen(step->space), start = out->size_bytes;
    bool has_space =
        text[0] == ' ' || (piece.size_bytes >= n_space && memcmp(text, step->space, n_space) == 0);
    if (!has_space && (step->prefix == PREFIX_ALWAYS || (step->prefix == PREFIX_FIRST && is_first)))
        text_buffer_add(out, step->space, n_space);
    for (size_t at = 0; at < piece.size_bytes;) {
        const char *space = memchr(text + at, ' ', piece.size_bytes - at);
        size_t n = space == NULL ? piece.size_bytes - at : (size_t)(space - text) - at;
        text_buffer_add(out, text + at, n);
        if (space != NULL) text_buffer_add(out, step->space, n_space);
        at += n + (space != NULL);
    }
    pieces_add(&c->pieces, start, out->size_bytes - start);
}

static void write_pieces(const struct pretokenizer_step *step, struct cutting *c, bool is_start)
{
    text_buffer_clear(&c->rewritten);
    for (size_t i = 0; i < c->spare.count; i++)
        write_piece(step, c, c->spare.items[i], is_start && i == 0);
    struct text_buffer swap = c->written; // the text may lie in it
    c->written = c->rewritten;
    c->rewritten = swap;
    c->text = text_buffer_view(&c->written);
}

int pretokenizer_cut(const struct pretokenizer *p, struct view text, bool is_start,
                     struct cutting *c, struct err *err)
{
    c->text = text;
    c->pieces.count = 0;
    pieces_add(&c->pieces, 0, text.size_bytes);
    for (size_t s = 0; s < p->n_steps; s++) {
        struct pieces swap = c->spare;
        c->spare = c->pieces;
        c->pieces = swap;
        c->pieces.count = 0;
        if (p->steps[s].regex == NULL) {
            write_pieces(&p->steps[s], c, is_start);
            continue;
        }
        for (size_t i = 0; i < c->spare.count; i++)
            if (cut_piece(&p->steps[s], c, c->spare.items[i], err) != 0) return -1;
        is_start = is_start && c->spare.count > 0 && c->pieces.count > 0 &&
                   c->pieces.items[0].start == c->spare.items[0].start;
    }
    return 0;
}
