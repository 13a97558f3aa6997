#include "learner/head_loss.h"

#include <string.h>

#include "common/math/softmax.h"
#include "learner/gemm_backward.h"
#include "learner/loss.h"

// Rows of a chunk: the product that adds to dW wants many, the cache few logits.
#define CHUNK_LOGITS ((size_t)4 << 20)
#define CHUNK_ROWS_MIN 256u
#define CHUNK_ROWS_MAX 1024u
#define ROWS_PER_TASK 16u

static uint32_t choose_chunk_rows(const struct shape *shape, uint32_t n_rows_max)
{
    size_t rows = CHUNK_LOGITS / shape->vocab_size;
    if (rows < CHUNK_ROWS_MIN) rows = CHUNK_ROWS_MIN;
    if (rows > CHUNK_ROWS_MAX) rows = CHUNK_ROWS_MAX;
    return rows < n_rows_max ? (uint32_t)rows : n_rows_max;
}

void head_loss_carve(struct block *b, struct head_loss *h, const struct shape *shape,
                     uint32_t n_rows_max, uint32_t n_items_max)
{
    uint32_t V = shape->vocab_size, C = shape->width;
    h->shape = *shape;
    h->n_rows_max = n_rows_max;
    h->n_items_max = n_items_max;
    h->chunk_rows = choose_chunk_rows(shape, n_rows_max);
    h->rows = block_take(b, n_rows_max, sizeof *h->rows);
    h->first_item = block_take(b, (size_t)n_rows_max + 1, sizeof *h->first_item);
    h->hidden = block_take(b, (size_t)h->chunk_rows * C, sizeof *h->hidden);
    h->logits = block_take(b, (size_t)h->chunk_rows * V, sizeof *h->logits);
    h->entropy = block_take(b, h->chunk_rows, sizeof *h->entropy);
    h->logprobs = block_take(b, n_items_max, sizeof *h->logprobs);
    void *panels = block_take(b, panels_bytes(PANEL_BF16, C, V), 1);
    h->head_back = gemm_backward_panels(V, C, panels);
}

struct head_job {
    struct head_loss *h;
    const struct pack *pack;
    const struct loss_config *config; // NULL: log-probabilities alone
    const float *all_hidden;          // (n_rows, C)
    float *logprobs;                  // (n_items)
    uint32_t n_rows;                  // with items
    uint32_t first, n;                // of the chunk among them
    float *d_hidden;                  // (n_rows, C)
};

// The rows that have items, and where each one's items begin.
static uint32_t list_rows(struct head_loss *h, const struct pack *pack)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < pack->n_items; i++) {
        uint32_t row = pack->items[i].row;
        CHECK(row < pack->chunk.n_rows && (n == 0 || row >= h->rows[n - 1]));
        CHECK(pack->items[i].target < h->shape.vocab_size);
        if (n > 0 && h->rows[n - 1] == row) continue;
        h->rows[n] = row;
        h->first_item[n++] = i;
    }
    h->first_item[n] = pack->n_items;
    return n;
}

static void gather(const struct head_job *job)
{
    size_t C = job->h->shape.width;
    for (uint32_t i = 0; i < job->n; i++)
        memcpy(job->h->hidden + i * C, job->all_hidden + job->h->rows[job->first + i] * C,
               C * sizeof(float));
}

// Logits of one row -> log-probabilities of its items, then d loss / d logits.
static void run_row(const struct head_job *job, uint32_t i)
{
    struct head_loss *h = job->h;
    size_t V = h->shape.vocab_size;
    float *logits = h->logits + i * V;
    uint32_t item = h->first_item[job->first + i], end = h->first_item[job->first + i + 1];
    struct softmax_stats stats = softmax_row(logits, V);
    h->entropy[i] = stats.entropy;
    for (uint32_t j = item; j < end; j++)
        job->logprobs[j] = logits[job->pack->items[j].target] - stats.logsumexp;
    if (job->config == NULL) return;

    float total = 0.0f;
    for (uint32_t j = item; j < end; j++) {
        const struct loss_item *at = &job->pack->items[j];
        total += at->weight * loss_of_token(job->config, at, job->logprobs[j]).slope;
    }
    softmax_probabilities(logits, logits, V, stats.logsumexp);
    for (size_t k = 0; k < V; k++)
        logits[k] *= -total;
    for (uint32_t j = item; j < end; j++) {
        const struct loss_item *at = &job->pack->items[j];
        logits[at->target] += at->weight * loss_of_token(job->config, at, job->logprobs[j]).slope;
    }
}

static void run_rows(void *context, size_t task, unsigned thread)
{
    (void)thread;
    const struct head_job *job = context;
    uint32_t from = (uint32_t)task * ROWS_PER_TASK;
    uint32_t to = job->n - from < ROWS_PER_TASK ? job->n : from + ROWS_PER_TASK;
    for (uint32_t i = from; i < to; i++)
        run_row(job, i);
}

static void run_chunk(struct head_job *job, const struct weights *w, struct pool *pool)
{
    gather(job);
    forward_logits(job->h->logits, w, job->h->hidden, job->n, pool);
    pool_for(pool, (job->n + ROWS_PER_TASK - 1) / ROWS_PER_TASK, run_rows, job);
}

// In item order, on one thread: the sums are the same however rows were shared.
static void sum_chunk(const struct head_job *job, struct loss_sums *sums)
{
    const struct head_loss *h = job->h;
    for (uint32_t i = 0; i < job->n; i++)
        for (uint32_t j = h->first_item[job->first + i]; j < h->first_item[job->first + i + 1];
             j++) {
            const struct loss_item *item = &job->pack->items[j];
            struct token_loss token = loss_of_token(job->config, item, job->logprobs[j]);
            loss_sums_add_item(sums, job->config, item, &token, job->logprobs[j], h->entropy[i]);
        }
}

static void backward_chunk(const struct head_job *job, float *d_head, struct pool *pool)
{
    struct head_loss *h = job->h;
    size_t C = h->shape.width, V = h->shape.vocab_size;
    const struct weight_gradient head = {.dw = d_head,
                                         .dy = h->logits,
                                         .lddy = V,
                                         .x = h->hidden,
                                         .ldx = C,
                                         .n_outputs = h->shape.vocab_size,
                                         .n_inputs = h->shape.width};
    gemm_backward_weights(&head, 1, job->n, pool);
    gemm(h->hidden, C, h->logits, V, job->n, &h->head_back, NULL, pool);
    for (uint32_t i = 0; i < job->n; i++)
        memcpy(job->d_hidden + h->rows[job->first + i] * C, h->hidden + i * C, C * sizeof(float));
}

void head_loss_run(struct head_loss *h, float *d_hidden, float *d_head, struct loss_sums *sums,
                   const float *hidden, const struct weights *w, const uint16_t *head_bf16,
                   const struct pack *pack, const struct loss_config *config, struct pool *pool)
{
    CHECK(pack->n_items <= h->n_items_max && pack->chunk.n_rows <= h->n_rows_max);
    struct head_job job = {.h = h,
                           .pack = pack,
                           .config = config,
                           .all_hidden = hidden,
                           .logprobs = h->logprobs,
                           .d_hidden = d_hidden};
    job.n_rows = list_rows(h, pack);
    memset(d_hidden, 0, (size_t)pack->chunk.n_rows * h->shape.width * sizeof *d_hidden);
    gemm_backward_pack(&h->head_back, head_bf16, pool);
    for (; job.first < job.n_rows; job.first += job.n) {
        job.n = job.n_rows - job.first < h->chunk_rows ? job.n_rows - job.first : h->chunk_rows;
        run_chunk(&job, w, pool);
        sum_chunk(&job, sums);
        backward_chunk(&job, d_head, pool);
    }
}

void head_loss_logprobs(struct head_loss *h, float *logprobs, const float *hidden,
                        const struct weights *w, const struct pack *pack, struct pool *pool)
{
    CHECK(pack->chunk.n_rows <= h->n_rows_max);
    struct head_job job = {.h = h, .pack = pack, .all_hidden = hidden, .logprobs = logprobs};
    job.n_rows = list_rows(h, pack);
    for (; job.first < job.n_rows; job.first += job.n) {
        job.n = job.n_rows - job.first < h->chunk_rows ? job.n_rows - job.first : h->chunk_rows;
        run_chunk(&job, w, pool);
    }
}
