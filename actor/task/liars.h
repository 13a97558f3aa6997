/*
 * liars.h - knights and knaves: what each of a few people said, and who fits.
 *
 * A statement is a tree: somebody is a knight (tells the truth) or a knave
 * (lies), and not, and, or, if … then, exactly when.  An assignment is a bit
 * mask, bit i for "person i is a knight"; it fits when everyone's statement is
 * true exactly if they are a knight.  Solved by trying all of them.
 */
#ifndef ARGOSY_ACTOR_TASK_LIARS_H
#define ARGOSY_ACTOR_TASK_LIARS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/json.h"
#include "common/base/rng.h"

#define LIARS_PEOPLE_MAX 8
#define LIARS_DEPTH_MAX 3
#define LIARS_WIDTH_MAX 4
// Each person's tree: 1 + 4 + 16, and room for one "not" above each.
#define LIARS_NODES_MAX 384

enum liars_kind { LIARS_KNIGHT, LIARS_KNAVE, LIARS_NOT, LIARS_AND, LIARS_OR, LIARS_IF, LIARS_IFF };

struct liars_node {
    uint8_t kind; // enum liars_kind
    uint8_t person;
    uint8_t n_children;
    uint16_t children[LIARS_WIDTH_MAX];
};

struct liars {
    uint32_t n_people;
    uint32_t n_nodes;
    struct liars_node nodes[LIARS_NODES_MAX];
    uint16_t said[LIARS_PEOPLE_MAX]; // the node of what person i said
};

// One statement a person; false when a draw cannot be completed.
bool liars_draw(struct liars *out, uint32_t n_people, uint32_t depth, uint32_t width,
                struct rng_stream *rng);
bool liars_holds(const struct liars *l, uint16_t node, uint32_t knights);
// The first person whose statement does not fit; n_people when all do.
uint32_t liars_misfit(const struct liars *l, uint32_t knights);
// How many assignments fit; one of them.
uint32_t liars_solve(const struct liars *l, uint32_t *knights);
// [["not", ["telling-truth", 2]], ...]: a statement for each person.
void liars_write(const struct liars *l, struct json_writer *w);

#endif
