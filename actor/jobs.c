#include "actor/jobs.h"

#include <stdlib.h>
#include <string.h>

struct job {
    struct job *next;
    struct lease lease;
    struct prompt prompt;
    uint32_t n_left;     // samples not yet submitted
    uint32_t n_scoring;  // of these, with the scorer
    uint64_t n_tokens;   // generated so far; never less than it was
    uint64_t scoring_ms; // spent with nothing to do but wait for scores
};

// A sample that the engine has finished and the scorer has not.
struct pending {
    struct pending *next;
    uint64_t ticket;
    struct job *job;
    struct result result; // points into the block that follows
};

struct jobs {
    struct job *jobs;
    struct pending *pending;
    uint64_t last_ticket;
    uint64_t advanced_ms; // the last time
};

struct jobs *jobs_create(void)
{
    struct jobs *j = calloc(1, sizeof *j);
    CHECK(j != NULL);
    return j;
}

static void job_destroy(struct job *job)
{
    prompt_fini(&job->prompt);
    free(job);
}

void jobs_destroy(struct jobs *j)
{
    if (j == NULL) return;
    while (j->pending != NULL) {
        struct pending *p = j->pending;
        j->pending = p->next;
        free(p);
    }
    while (j->jobs != NULL) {
        struct job *job = j->jobs;
        j->jobs = job->next;
        job_destroy(job);
    }
    free(j);
}

static struct text text_of(const char *s)
{
    return (struct text){s, (uint32_t)strlen(s)};
}

static enum outcome outcome_of(const struct err *err)
{
    switch (err->code) {
    case ERR_LIMIT:
        return OUTCOME_PROMPT_TOO_LONG;
    case ERR_FORMAT:
        return OUTCOME_BAD_DATA;
    case ERR_NONE:
    case ERR_USAGE:
    case ERR_IO:
    case ERR_STALE:
    case ERR_TIMEOUT:
    case ERR_MISMATCH:
        break;
    }
    return OUTCOME_INTERNAL;
}

static struct result result_of(const struct lease *lease, uint64_t prompt_index, uint32_t sample)
{
    return (struct result){
        .lease = lease->id, .kind = lease->kind, .prompt_index = prompt_index, .sample = sample};
}

// Says of one prompt's samples that they cannot be had, and why.
static void submit_failure(const struct lease *lease, uint64_t prompt_index, const struct err *err,
                           struct client *client, uint64_t now_ms)
{
    for (uint32_t i = 0; i < lease->n_samples; i++) {
        struct result r = result_of(lease, prompt_index, i);
        r.outcome = outcome_of(err);
        r.outcome_text = text_of(err->text);
        r.finish_reason = FINISH_ABORT;
        client_submit(client, now_ms, &r);
    }
}

// That bad rows were passed over counts, once a prompt.
static void add_skipped(struct result *r, uint32_t n_skipped)
{
    if (n_skipped == 0 || r->sample != 0 || r->n_metrics == METRICS_MAX) return;
    r->metrics[r->n_metrics++] = (struct named_number){text_of("skipped_rows"), n_skipped};
}

static void take_feed(const struct lease *lease, const struct workload *workload,
                      struct client *client, uint64_t now_ms)
{
    for (uint32_t i = 0; i < lease->n_prompts; i++) {
        struct err err;
        struct document d;
        const uint64_t index = lease->prompt_first + i;
        if (workload_document(workload, index, &d, &err) != 0) {
            submit_failure(lease, index, &err, client, now_ms);
            continue;
        }
        struct result r = result_of(lease, index, 0);
        r.tokens = d.tokens;
        r.loss_mask = d.loss_mask;
        r.n_tokens = d.n_tokens;
        r.n_prompt_tokens = d.n_tokens;
        add_skipped(&r, d.n_skipped);
        client_submit(client, now_ms, &r);
        document_fini(&d);
    }
}

// An evaluation goes as far as the context does; training never asks for more.
static uint32_t tokens_allowed(const struct lease *lease, const struct workload *workload,
                               const struct prompt *prompt)
{
    const uint32_t left = workload_shape(workload)->context_length - prompt->n_tokens;
    return lease->kind == LEASE_EVAL && lease->max_new_tokens > left ? left : lease->max_new_tokens;
}

static int start_generation(struct jobs *j, const struct lease *lease,
                            const struct workload *workload, struct rollout *rollout,
                            struct err *err)
{
    if (lease->kind != LEASE_GENERATE && lease->kind != LEASE_EVAL)
        return err_set(err, ERR_USAGE, "lease kind %u is not served by this actor", lease->kind);
    struct prompt prompt;
    const uint64_t index = lease->prompt_first / lease->n_parts;
    const uint32_t part = (uint32_t)(lease->prompt_first % lease->n_parts);
    if (workload_prompt(workload, (enum lease_kind)lease->kind, index, &prompt, err) != 0)
        return -1;
    struct rollout_group group = {.ticket = lease->id,
                                  .prompt = prompt.tokens,
                                  .n_prompt_tokens = prompt.n_tokens,
                                  .n_samples = lease->n_samples,
                                  .max_new_tokens = tokens_allowed(lease, workload, &prompt),
                                  .sampling = {lease->temperature, lease->top_p, lease->top_k},
                                  .seed = lease->seed,
                                  .prompt_index = index,
                                  .first_sample = part * lease->n_samples};
    group.n_stop_ids = workload_stop_ids(workload, &group.stop_ids);
    if (rollout_add(rollout, &group, err) != 0) {
        prompt_fini(&prompt);
        return -1;
    }
    struct job *job = calloc(1, sizeof *job);
    CHECK(job != NULL);
    *job = (struct job){
        .next = j->jobs, .lease = *lease, .prompt = prompt, .n_left = lease->n_samples};
    j->jobs = job;
    return 0;
}

void jobs_take(struct jobs *j, const struct lease *lease, uint64_t held_version,
               struct workload *workload, struct rollout *rollout, struct client *client,
               uint64_t now_ms)
{
    struct err err;
    if (lease->kind == LEASE_FEED) {
        take_feed(lease, workload, client, now_ms);
    } else if (lease->weights_version != held_version) {
        // It was on its way while the weights were swapped: the next CREDIT says so.
        client_return(client, lease->id, "other weights are held here");
    } else if (start_generation(j, lease, workload, rollout, &err) != 0) {
        for (uint32_t i = 0; i < lease->n_prompts; i++)
            submit_failure(lease, lease->prompt_first + i, &err, client, now_ms);
    }
}

static struct job *find_job(const struct jobs *j, uint64_t lease)
{
    for (struct job *job = j->jobs; job != NULL; job = job->next)
        if (job->lease.id == lease) return job;
    return NULL;
}

static void drop_job(struct jobs *j, struct job *job)
{
    struct job **link = &j->jobs;
    while (*link != job)
        link = &(*link)->next;
    *link = job->next;
    job_destroy(job);
}

void jobs_cancel(struct jobs *j, uint64_t lease, struct workload *workload, struct rollout *rollout)
{
    struct job *job = find_job(j, lease);
    if (job == NULL) return;
    rollout_cancel(rollout, lease);
    for (struct pending **link = &j->pending; *link != NULL;) {
        struct pending *p = *link;
        if (p->job != job) {
            link = &p->next;
            continue;
        }
        *link = p->next;
        workload_cancel(workload, p->ticket);
        free(p);
    }
    drop_job(j, job);
}

// The result of a finished sample, all but its score, in one block.
static struct pending *pending_create(struct job *job, const struct rollout_sample *s)
{
    const size_t n_prompt = job->prompt.n_tokens;
    const size_t n = n_prompt + s->n_tokens;
    const size_t n_floats = n + 2 * (size_t)s->n_tokens;
    struct pending *p = calloc(1, sizeof *p + n * sizeof(uint32_t) + n_floats * sizeof(float));
    CHECK(p != NULL);
    uint32_t *tokens = (uint32_t *)(void *)(p + 1);
    float *mask = (float *)(void *)(tokens + n);
    float *logprobs = mask + n;
    float *behaviour = logprobs + s->n_tokens;
    memcpy(tokens, job->prompt.tokens, n_prompt * sizeof *tokens);
    memcpy(tokens + n_prompt, s->tokens, s->n_tokens * sizeof *tokens);
    memcpy(logprobs, s->logprobs, s->n_tokens * sizeof *logprobs);
    for (size_t i = n_prompt; i < n; i++)
        mask[i] = 1.0f;
    p->job = job;
    p->result = result_of(&job->lease, job->lease.prompt_first, s->sample);
    p->result.finish_reason = s->is_stopped ? FINISH_STOP : FINISH_LENGTH;
    p->result.n_prompt_tokens = job->prompt.n_tokens;
    p->result.n_tokens = (uint32_t)n;
    p->result.tokens = tokens;
    p->result.loss_mask = mask;
    p->result.logprobs = logprobs;
    if (s->logprobs_behaviour != NULL) {
        memcpy(behaviour, s->logprobs_behaviour, s->n_tokens * sizeof *behaviour);
        p->result.logprobs_behaviour = behaviour;
    }
    p->result.n_spans = 1;
    p->result.spans[0] = (struct version_span){0, job->lease.weights_version};
    return p;
}

static void submit(struct jobs *j, struct pending *p, struct client *client, uint64_t now_ms)
{
    client_submit(client, now_ms, &p->result);
    if (--p->job->n_left == 0) drop_job(j, p->job);
    free(p);
}

static void send_to_scorer(struct jobs *j, struct pending *p, struct workload *workload,
                           struct client *client, uint64_t now_ms)
{
    struct err err;
    const struct prompt *prompt = &p->job->prompt;
    p->ticket = ++j->last_ticket;
    if (workload_score(workload, p->ticket, prompt, p->result.tokens + prompt->n_tokens,
                       p->result.n_tokens - prompt->n_tokens,
                       (enum finish_reason)p->result.finish_reason, &err) == 0) {
        p->next = j->pending;
        p->job->n_scoring++;
        j->pending = p;
        return;
    }
    p->result.outcome = OUTCOME_SCORER_ERROR;
    p->result.outcome_text = text_of(err.text);
    submit(j, p, client, now_ms);
}

static void take_score(struct result *r, const struct score *score)
{
    r->outcome = score->outcome;
    r->outcome_text = text_of(score->outcome_text);
    r->reward = score->reward;
    r->n_rewards = score->n_rewards;
    memcpy(r->rewards, score->rewards, sizeof r->rewards);
    r->n_metrics = score->n_metrics;
    memcpy(r->metrics, score->metrics, sizeof r->metrics);
    r->answer = score->answer;
    r->is_correct = score->is_correct;
    r->source = score->source;
}

static struct pending *take_pending(struct jobs *j, uint64_t ticket)
{
    for (struct pending **link = &j->pending; *link != NULL; link = &(*link)->next) {
        struct pending *p = *link;
        if (p->ticket != ticket) continue;
        *link = p->next;
        return p;
    }
    return NULL; // cancelled meanwhile
}

// A score may take longer than a lease may stand still, and scorers have deadlines
// of their own: each second that a job only waits for scores counts as a token.
static void report_progress(struct jobs *j, const struct rollout *rollout, struct client *client,
                            uint64_t now_ms)
{
    const uint64_t passed_ms = j->advanced_ms == 0 ? 0 : now_ms - j->advanced_ms;
    j->advanced_ms = now_ms;
    for (struct job *job = j->jobs; job != NULL; job = job->next) {
        const uint64_t n_tokens = rollout_progress(rollout, job->lease.id);
        if (n_tokens > job->n_tokens) job->n_tokens = n_tokens;
        if (job->n_scoring == job->n_left) job->scoring_ms += passed_ms;
        client_progress(client, job->lease.id, job->n_tokens + job->scoring_ms / 1000);
    }
}

void jobs_advance(struct jobs *j, struct workload *workload, struct rollout *rollout,
                  struct client *client, uint64_t now_ms)
{
    struct rollout_sample sample;
    while (rollout_pop(rollout, &sample)) {
        struct job *job = find_job(j, sample.ticket);
        CHECK(job != NULL); // a cancelled lease's samples have vanished from the engine
        send_to_scorer(j, pending_create(job, &sample), workload, client, now_ms);
    }
    uint64_t ticket;
    struct score score;
    while (workload_poll(workload, &ticket, &score)) {
        struct pending *p = take_pending(j, ticket);
        if (p == NULL) continue;
        p->job->n_scoring--;
        take_score(&p->result, &score);
        add_skipped(&p->result, p->job->prompt.n_skipped);
        submit(j, p, client, now_ms);
    }
    client_scoring(client, workload_scoring(workload));
    report_progress(j, rollout, client, now_ms);
}
