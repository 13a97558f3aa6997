#include "actor/task/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct task_kind *const kinds[] = {&task_countdown, &task_dials, &task_jsonl,
                                                &task_mix};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

void problem_fini(struct problem *p)
{
    conversation_fini(&p->conversation);
    free(p->answer);
    free(p->metadata);
    free(p->own_source);
    *p = (struct problem){0};
}

// Rows of numbers and targets make a countdown too.
static const struct task_kind *find_kind(const char *name, const struct served_files *files)
{
    bool has_files = files->roles[FILES_TRAIN].count + files->roles[FILES_EVAL].count > 0;
    if (strcmp(name, "countdown") == 0 && !has_files) return &task_generated;
    for (size_t i = 0; i < N_KINDS; i++)
        if (strcmp(name, kinds[i]->name) == 0) return kinds[i];
    return generator_find(name) == NULL ? NULL : &task_generated;
}

static int refuse_name(const char *name, struct err *err)
{
    char names[200] = "dials, jsonl, mix";
    for (size_t i = 0, at = strlen(names); i < n_generators && at < sizeof names; i++)
        at += (size_t)snprintf(names + at, sizeof names - at, ", %s", generators[i]->name);
    return err_set(err, ERR_USAGE, "spec.task.name: got '%.60s', want one of %s", name, names);
}

int task_init(struct task *t, struct json spec, const struct served_files *files, uint64_t seed,
              struct err *err)
{
    *t = (struct task){0};
    if (json_is_string(spec))
        return err_set(err, ERR_USAGE, "spec.task: got text, want {name: %.60s}",
                       json_to_string(spec, NULL));
    const char *name = json_to_string(json_member(spec, "name"), NULL);
    const struct task_kind *kind = name == NULL ? NULL : find_kind(name, files);
    if (kind == NULL) return refuse_name(name == NULL ? "" : name, err);
    void *state = kind->create(spec, files, seed, err);
    if (state == NULL) return -1;
    *t = (struct task){kind, state};
    return 0;
}

void task_fini(struct task *t)
{
    if (t->kind != NULL) t->kind->destroy(t->state);
    *t = (struct task){0};
}
