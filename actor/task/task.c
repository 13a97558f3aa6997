#include "actor/task/task.h"

#include <stdlib.h>
#include <string.h>

static const struct task_kind *const kinds[] = {&task_dials, &task_chain, &task_countdown,
                                                &task_jsonl};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

void problem_fini(struct problem *p)
{
    conversation_fini(&p->conversation);
    free(p->answer);
    free(p->metadata);
    *p = (struct problem){0};
}

int task_init(struct task *t, struct json spec, const struct served_files *files, uint64_t seed,
              struct err *err)
{
    *t = (struct task){0};
    const char *name = json_to_string(json_member(spec, "name"), NULL);
    for (size_t i = 0; i < N_KINDS; i++) {
        if (name == NULL || strcmp(name, kinds[i]->name) != 0) continue;
        void *state = kinds[i]->create(spec, files, seed, err);
        if (state == NULL) return -1;
        *t = (struct task){kinds[i], state};
        return 0;
    }
    return err_set(err, ERR_USAGE,
                   "spec.task.name: want dials, chain, countdown or jsonl, got '%.60s'",
                   name == NULL ? "" : name);
}

void task_fini(struct task *t)
{
    if (t->kind != NULL) t->kind->destroy(t->state);
    *t = (struct task){0};
}
