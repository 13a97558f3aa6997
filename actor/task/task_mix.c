#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/task/task.h"

// Several tasks in fixed proportion:
//   {name: mix, of: [{task: {name: chain_sum}, weight: 2}, {task: {name: gcd}}]}
// In every `weight sum` problems each task has as many as its weight, spread
// evenly, and it is asked for its own problems 0, 1, 2, ... in that order.

#define PARTS_MAX 16
#define WEIGHT_MAX 100

struct mix_part {
    struct task task;
    uint32_t weight;
};

struct mix_state {
    char name[SPEC_STRING_BYTES];
    uint32_t n_parts, n_turns; // the sum of weights
    struct mix_part parts[PARTS_MAX];
    uint8_t turns[PARTS_MAX * WEIGHT_MAX]; // whose it is
};

static const struct spec_field fields[] = {
    {"name", SPEC_STRING, offsetof(struct mix_state, name), 0, 0},
    {"of", SPEC_OTHER, 0, 0, 0},
};

static const struct spec_field part_fields[] = {
    {"task", SPEC_OTHER, 0, 0, 0},
    {"weight", SPEC_U32, offsetof(struct mix_part, weight), 1, WEIGHT_MAX},
};

static void mix_destroy(void *state)
{
    struct mix_state *s = state;
    for (uint32_t i = 0; i < s->n_parts; i++)
        task_fini(&s->parts[i].task);
    free(s);
}

// Each turn goes to the part that is furthest behind its share.
static void deal_turns(struct mix_state *s)
{
    int64_t credit[PARTS_MAX] = {0};
    for (uint32_t turn = 0; turn < s->n_turns; turn++) {
        uint32_t next = 0;
        for (uint32_t i = 0; i < s->n_parts; i++) {
            credit[i] += s->parts[i].weight;
            if (credit[i] > credit[next]) next = i;
        }
        credit[next] -= s->n_turns;
        s->turns[turn] = (uint8_t)next;
    }
}

static int add_part(struct mix_state *s, struct json spec, const struct served_files *files,
                    uint64_t seed, struct err *err)
{
    struct mix_part *part = &s->parts[s->n_parts];
    part->weight = 1;
    struct json task = json_member(spec, "task");
    const char *name = json_to_string(json_member(task, "name"), NULL);
    if (spec_read(spec, "spec.task.of[]", part_fields, sizeof part_fields / sizeof part_fields[0],
                  part, err) != 0)
        return -1;
    if (name != NULL && strcmp(name, "mix") == 0)
        return err_set(err, ERR_USAGE, "spec.task.of: a mix may not hold a mix");
    if (task_init(&part->task, task, files, seed, err) != 0) return -1;
    s->n_turns += part->weight;
    s->n_parts++;
    return 0;
}

static void *mix_create(struct json spec, const struct served_files *files, uint64_t seed,
                        struct err *err)
{
    struct mix_state *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    struct json of = json_member(spec, "of");
    size_t n = json_count(of);
    if (spec_read(spec, "spec.task", fields, sizeof fields / sizeof fields[0], s, err) != 0)
        goto fail;
    if (!json_is_array(of) || n < 1 || n > PARTS_MAX) {
        err_set(err, ERR_USAGE, "spec.task.of: want a list of 1 to %d {task, weight}", PARTS_MAX);
        goto fail;
    }
    for (size_t i = 0; i < n; i++)
        if (add_part(s, json_item(of, i), files, seed, err) != 0) goto fail;
    deal_turns(s);
    return s;

fail:
    mix_destroy(s);
    return NULL;
}

// Enough that every part's problems have all been asked for.
static uint64_t mix_count(const void *state, enum task_split split)
{
    const struct mix_state *s = state;
    uint64_t rounds = 0;
    for (uint32_t i = 0; i < s->n_parts; i++) {
        const struct mix_part *part = &s->parts[i];
        uint64_t count = part->task.kind->count(part->task.state, split);
        if (count == 0) return 0;
        uint64_t need = (count + part->weight - 1) / part->weight;
        if (need > rounds) rounds = need;
    }
    return rounds * s->n_turns;
}

// Whose turn n is, and which of its own problems that is.
static const struct mix_part *find_part(const struct mix_state *s, uint64_t n, uint64_t *own)
{
    uint64_t turn = n % s->n_turns;
    const struct mix_part *part = &s->parts[s->turns[turn]];
    *own = n / s->n_turns * part->weight;
    for (uint64_t i = 0; i < turn; i++)
        *own += s->turns[i] == s->turns[turn];
    return part;
}

static int mix_problem(const void *state, enum task_split split, uint64_t n, struct problem *out,
                       struct err *err)
{
    uint64_t own;
    const struct mix_part *part = find_part(state, n, &own);
    return part->task.kind->problem(part->task.state, split, own, out, err);
}

static int mix_work_out(const void *state, uint64_t n, const struct working *working,
                        struct problem *out, struct err *err)
{
    uint64_t own;
    const struct mix_part *part = find_part(state, n, &own);
    if (part->task.kind->work_out == NULL)
        return err_set(err, ERR_USAGE, "the task '%s' in a mix does not say how it is worked out",
                       part->task.kind->name);
    return part->task.kind->work_out(part->task.state, own, working, out, err);
}

static int mix_substitute(const void *state, uint64_t n, uint32_t attempt, struct problem *out,
                          struct err *err)
{
    uint64_t own;
    const struct mix_part *part = find_part(state, n, &own);
    if (part->task.kind->substitute == NULL)
        return err_set(err, ERR_USAGE, "nothing stands in for a problem of '%s' in a mix",
                       part->task.kind->name);
    return part->task.kind->substitute(part->task.state, own, attempt, out, err);
}

const struct task_kind task_mix = {
    .name = "mix",
    .create = mix_create,
    .destroy = mix_destroy,
    .count = mix_count,
    .problem = mix_problem,
    .work_out = mix_work_out,
    .substitute = mix_substitute,
};
