#include "learner/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

#define TASK_FLOATS ((size_t)32 << 10)

bool lanes_are_valid(uint32_t n_lanes, int n_ranks)
{
    return n_lanes > 0 && (n_lanes & (n_lanes - 1)) == 0 && n_ranks > 0 &&
           n_lanes % (uint32_t)n_ranks == 0;
}

uint32_t lanes_levels(uint32_t n_lanes_of_rank)
{
    uint32_t n = 1;

    for (; n_lanes_of_rank > 1; n_lanes_of_rank /= 2)
        n++;
    return n;
}

void lanes_init(struct lanes *l, uint32_t n_lanes, int rank, int n_ranks, size_t n_elements,
                struct pool *pool)
{
    CHECK(lanes_are_valid(n_lanes, n_ranks));
    l->count = n_lanes / (uint32_t)n_ranks;
    l->first = l->count * (uint32_t)rank;
    l->n_elements = n_elements;
    l->n_levels = lanes_levels(l->count);
    l->pool = pool;
    l->levels = calloc(l->n_levels, sizeof *l->levels);
    CHECK(l->levels != NULL);
    for (uint32_t i = 0; i < l->n_levels; i++) {
        l->levels[i] = malloc(n_elements * sizeof **l->levels);
        CHECK(l->levels[i] != NULL);
    }
}

void lanes_fini(struct lanes *l)
{
    for (uint32_t i = 0; i < l->n_levels; i++)
        free(l->levels[i]);
    free(l->levels);
    *l = (struct lanes){0};
}

struct range_job {
    float *into;
    const float *from; // NULL: zero
    size_t count;
};

static void range_task(void *context, size_t task, unsigned thread)
{
    const struct range_job *job = context;
    size_t at = task * TASK_FLOATS;
    size_t count = job->count - at < TASK_FLOATS ? job->count - at : TASK_FLOATS;

    (void)thread;
    if (job->from == NULL) {
        memset(job->into + at, 0, count * sizeof *job->into);
        return;
    }
    for (size_t i = at; i < at + count; i++)
        job->into[i] += job->from[i];
}

static void for_range(float *into, const float *from, size_t count, struct pool *pool)
{
    struct range_job job = {into, from, count};

    pool_for(pool, (count + TASK_FLOATS - 1) / TASK_FLOATS, range_task, &job);
}

float *lanes_fold(struct lanes *l, lane_fn fn, void *context)
{
    uint32_t depth = 0;

    for (uint32_t i = 0; i < l->count; i++) {
        for_range(l->levels[depth], NULL, l->n_elements, l->pool);
        fn(context, l->first + i, l->levels[depth]);
        depth++;
        // A binary counter: two subtrees of one size are a subtree of twice it.
        for (uint32_t done = i + 1; done % 2 == 0; done /= 2) {
            depth--;
            for_range(l->levels[depth - 1], l->levels[depth], l->n_elements, l->pool);
        }
    }
    CHECK(depth == 1);
    return l->levels[0];
}

void lanes_meet(float *const *parts, int n, size_t count, struct pool *pool)
{
    CHECK(n > 0 && (n & (n - 1)) == 0);
    for (int stride = 1; stride < n; stride *= 2) {
        for (int i = 0; i + stride < n; i += 2 * stride)
            for_range(parts[i], parts[i + stride], count, pool);
    }
}
