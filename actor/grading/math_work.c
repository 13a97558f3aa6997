#include "actor/grading/math_work.h"

#include <stdlib.h>
#include <string.h>

#include "actor/grading/math_exact.h"
#include "common/base/err.h"

enum { BLOCK_BYTES = 64 << 10, ALIGN = 16 };

struct math_block {
    struct math_block *next;
    _Alignas(ALIGN) char bytes[];
};

static void add_block(struct math_work *w, size_t size_bytes)
{
    struct math_block *block = malloc(sizeof *block + size_bytes);
    CHECK(block != NULL);
    block->next = w->blocks;
    w->blocks = block;
    w->at = block->bytes;
    w->end = block->bytes + size_bytes;
}

void math_work_init(struct math_work *w)
{
    *w = (struct math_work){0};
    add_block(w, BLOCK_BYTES);
}

void math_work_fini(struct math_work *w)
{
    exact_clear_all(w);
    for (struct math_block *block = w->blocks; block != NULL;) {
        struct math_block *next = block->next;
        free(block);
        block = next;
    }
    *w = (struct math_work){0};
}

void *math_take(struct math_work *w, size_t size_bytes)
{
    size_t rounded = (size_bytes + ALIGN - 1) / ALIGN * ALIGN;
    if ((size_t)(w->end - w->at) < rounded)
        add_block(w, rounded > BLOCK_BYTES ? rounded : BLOCK_BYTES);
    void *taken = w->at;
    w->at += rounded;
    return memset(taken, 0, rounded);
}

bool math_spend(struct math_work *w, uint64_t n_steps)
{
    if (w->n_steps + n_steps > MATH_STEPS_MAX) {
        w->n_steps = MATH_STEPS_MAX;
        return false;
    }
    w->n_steps += n_steps;
    return true;
}
