#include "actor/task/liars.h"

#include <string.h>

// --- drawing -------------------------------------------------------------------------------------

struct liars_drawing {
    struct liars *l;
    struct rng_stream *rng;
    uint32_t speaker, width;
};

static bool is_same(const struct liars *l, uint16_t a, uint16_t b)
{
    const struct liars_node *x = &l->nodes[a], *y = &l->nodes[b];
    if (x->kind != y->kind || x->person != y->person || x->n_children != y->n_children)
        return false;
    for (uint32_t i = 0; i < x->n_children; i++)
        if (!is_same(l, x->children[i], y->children[i])) return false;
    return true;
}

static bool draw_node(const struct liars_drawing *d, uint32_t depth, uint16_t *out);

// Children that differ from each other.
static bool draw_children(const struct liars_drawing *d, uint32_t depth, uint32_t count,
                          uint16_t parent)
{
    enum { TRIES = 20 };
    for (uint32_t i = 0; i < count; i++) {
        bool is_new = false;
        for (int t = 0; t < TRIES && !is_new; t++) {
            uint32_t n_before = d->l->n_nodes;
            uint16_t child;
            if (!draw_node(d, depth - 1, &child)) return false;
            is_new = true;
            for (uint32_t j = 0; j < i && is_new; j++)
                is_new = !is_same(d->l, d->l->nodes[parent].children[j], child);
            if (is_new)
                d->l->nodes[parent].children[i] = child;
            else
                d->l->n_nodes = n_before;
        }
        if (!is_new) return false;
        d->l->nodes[parent].n_children++;
    }
    return true;
}

// The shares are reasoning-gym's: of six, one plain, one "not", and one each of
// and, or, if, exactly when.
static bool draw_node(const struct liars_drawing *d, uint32_t depth, uint16_t *out)
{
    if (d->l->n_nodes == LIARS_NODES_MAX) return false;
    *out = (uint16_t)d->l->n_nodes++;
    struct liars_node *node = &d->l->nodes[*out];
    *node = (struct liars_node){0};
    uint32_t dice = rng_below(d->rng, 6);
    if (depth == 1 || dice == 0) {
        do { // nobody says of themselves that they lie: neither could
            node->kind = rng_below(d->rng, 2) == 0 ? LIARS_KNIGHT : LIARS_KNAVE;
            node->person = (uint8_t)rng_below(d->rng, d->l->n_people);
        } while (node->kind == LIARS_KNAVE && node->person == d->speaker);
        return true;
    }
    static const uint8_t kinds[] = {LIARS_NOT, LIARS_NOT, LIARS_AND, LIARS_OR, LIARS_IF, LIARS_IFF};
    node->kind = kinds[dice];
    uint32_t count = dice == 1 ? 1 : dice <= 3 ? 2 + rng_below(d->rng, d->width - 1) : 2;
    return draw_children(d, depth, count, *out);
}

bool liars_draw(struct liars *out, uint32_t n_people, uint32_t depth, uint32_t width,
                struct rng_stream *rng)
{
    CHECK(n_people >= 2 && n_people <= LIARS_PEOPLE_MAX && depth >= 1 && depth <= LIARS_DEPTH_MAX &&
          width >= 2 && width <= LIARS_WIDTH_MAX);
    out->n_people = n_people;
    out->n_nodes = 0;
    struct liars_drawing d = {out, rng, 0, width};
    for (d.speaker = 0; d.speaker < n_people; d.speaker++)
        if (!draw_node(&d, depth, &out->said[d.speaker])) return false;
    return true;
}

// --- solving -------------------------------------------------------------------------------------

// As deep as the tree: LIARS_DEPTH_MAX.
bool liars_holds(const struct liars *l, uint16_t at, uint32_t knights)
{
    const struct liars_node *node = &l->nodes[at];
    bool is_knight = (knights >> node->person & 1) != 0;
    bool holds[LIARS_WIDTH_MAX] = {false};
    uint32_t n_true = 0;
    for (uint32_t i = 0; i < node->n_children; i++) {
        holds[i] = liars_holds(l, node->children[i], knights);
        n_true += holds[i];
    }
    switch ((enum liars_kind)node->kind) {
    case LIARS_KNIGHT:
        return is_knight;
    case LIARS_KNAVE:
        return !is_knight;
    case LIARS_NOT:
        return !holds[0];
    case LIARS_AND:
        return n_true == node->n_children;
    case LIARS_OR:
        return n_true > 0;
    case LIARS_IF:
        return !holds[0] || holds[1];
    case LIARS_IFF:
        return holds[0] == holds[1];
    }
    return false;
}

uint32_t liars_misfit(const struct liars *l, uint32_t knights)
{
    uint32_t i = 0;
    while (i < l->n_people && liars_holds(l, l->said[i], knights) == ((knights >> i & 1) != 0))
        i++;
    return i;
}

uint32_t liars_solve(const struct liars *l, uint32_t *knights)
{
    uint32_t n_found = 0;
    for (uint32_t all = 1u << l->n_people, k = 0; k < all; k++) {
        if (liars_misfit(l, k) < l->n_people) continue;
        *knights = k;
        n_found++;
    }
    return n_found;
}

// --- writing -------------------------------------------------------------------------------------

static void write_node(const struct liars *l, uint16_t at, struct json_writer *w)
{
    static const char *const names[] = {"telling-truth", "lying", "not", "and", "or", "->", "<=>"};
    const struct liars_node *node = &l->nodes[at];
    json_open(w, NULL, '[');
    json_put_string(w, NULL, names[node->kind]);
    if (node->n_children == 0) json_put_u64(w, NULL, node->person);
    for (uint32_t i = 0; i < node->n_children; i++)
        write_node(l, node->children[i], w);
    json_close(w, ']');
}

void liars_write(const struct liars *l, struct json_writer *w)
{
    for (uint32_t i = 0; i < l->n_people; i++)
        write_node(l, l->said[i], w);
}
