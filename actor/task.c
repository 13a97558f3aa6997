#include "actor/task.h"

#include <stdlib.h>
#include <string.h>

#include "actor/answer.h"

static const struct task_kind *const kinds[] = {&task_dials, &task_chain, &task_countdown,
                                                &task_jsonl};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

void problem_fini(struct problem *p)
{
    free(p->prompt);
    free(p->answer);
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

void task_grade_answer(const struct problem *problem, struct view answer, struct grade *out)
{
    struct text_buffer canonical;
    text_buffer_init(&canonical);
    answer_canonical(answer, &canonical);
    out->is_correct = strlen(problem->answer) == canonical.size_bytes &&
                      memcmp(problem->answer, canonical.bytes, canonical.size_bytes) == 0;
    out->hash = answer_hash(canonical.bytes, canonical.size_bytes);
    text_buffer_fini(&canonical);
}
