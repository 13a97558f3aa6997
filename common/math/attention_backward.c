#include <math.h>
#include <string.h>

#include "common/math/attention.h"
#include "common/math/avx2.h"
#include "common/math/expf.h"
#include "common/math/kernels.h"
#include "common/math/query_block.h"

/*
 * With S = scale Q K^T, P = exp(S - logsumexp), delta = dout . out:
 *   dV = P^T dout,  dP = dout V^T,  dS = P (dP - delta),
 *   dQ = scale dS K,  dK = dS^T (scale Q).
 * P is computed again page by page; nothing of size T x T is kept.
 *
 * Sums into a page run over its queries in span order.  A task is a kv head
 * and a family of spans, so no page is another task's.
 */

struct backward_job {
    struct attention_input in;
    const struct kv_layer *dkv;
    float *dq;
    size_t lddq;
    const float *dout, *out, *logsumexp;
};

struct backward_block {
    struct query_block b;                   // score: S, then P
    float slope[QUERY_BLOCK_MAX * KV_PAGE]; // dP, then dS
    float dout[QUERY_BLOCK_MAX * QUERY_WIDTH_MAX];
    float dq[QUERY_BLOCK_MAX * QUERY_WIDTH_MAX];
    float delta[QUERY_BLOCK_MAX];
    float logsumexp[QUERY_BLOCK_MAX];
    // The page once more, the other axis along the vectors.
    float values_across[KV_PAGE * QUERY_WIDTH_MAX]; // laid out as keys
    float keys_across[KV_PAGE * QUERY_WIDTH_MAX];   // laid out as values
};

static void fill(struct backward_block *bb, const struct backward_job *job)
{
    size_t D = job->in.shape->head_width, H = job->in.shape->n_heads, W = job->in.W;
    memset(bb->dq, 0, bb->b.n * W * sizeof *bb->dq);
    for (size_t r = 0; r < bb->b.n; r++) {
        const struct query *query = &bb->b.query[r];
        size_t at = query->row * H + query->head;
        const float *dout = job->dout + at * D, *out = job->out + at * D;
        float lane[8] = {0};
        for (size_t d = 0; d < D; d++)
            lane[d % 8] = fmaf(dout[d], out[d], lane[d % 8]);
        bb->delta[r] = lane_sum(lane);
        bb->logsumexp[r] = job->logsumexp[at];
        memset(bb->dout + r * W, 0, W * sizeof *dout);
        memcpy(bb->dout + r * W, dout, D * sizeof *dout);
    }
}

static void across_portable(struct backward_block *bb, const float *keys, const float *values,
                            size_t W, size_t seen)
{
    for (size_t d = 0; d < W; d++) {
        for (size_t j = 0; j < seen; j++) {
            bb->values_across[kv_key_slot(j, d, W)] = values[kv_value_slot(j, d)];
            bb->keys_across[kv_value_slot(j, d)] = keys[kv_key_slot(j, d, W)];
        }
    }
}

AVX2_TARGET static void across_avx2(struct backward_block *bb, const float *keys,
                                    const float *values, size_t W, size_t seen)
{
    for (size_t d = 0; d < W; d += 8) {
        for (size_t j = 0; j < seen; j += 8) {
            size_t key = kv_key_slot(j, d, W), value = kv_value_slot(j, d);
            avx2_transpose(bb->values_across + key, KV_PANEL, values + value, KV_PANEL);
            avx2_transpose(bb->keys_across + value, KV_PANEL, keys + key, KV_PANEL);
        }
    }
}

// From S and dP to P and dS; 0 where a query sees nothing.
static void slopes_portable(float weight[KV_PAGE], float slope[KV_PAGE], float logsumexp,
                            float delta, size_t seen)
{
    for (size_t j = 0; j < KV_PAGE; j++) {
        float p = j < seen ? math_exp(weight[j] - logsumexp) : 0.0f;
        slope[j] = j < seen ? p * (slope[j] - delta) : 0.0f;
        weight[j] = p;
    }
}

AVX2_TARGET static void slopes_avx2(float weight[KV_PAGE], float slope[KV_PAGE], float logsumexp,
                                    float delta, size_t seen)
{
    const __m256 shift = _mm256_set1_ps(logsumexp), d = _mm256_set1_ps(delta);
    for (size_t j = 0; j < KV_PAGE; j += 8) {
        __m256 p = avx2_exp(_mm256_sub_ps(_mm256_loadu_ps(weight + j), shift));
        __m256 s = _mm256_mul_ps(p, _mm256_sub_ps(_mm256_loadu_ps(slope + j), d));
        if (seen < j + 8) {
            __m256 mask = _mm256_castsi256_ps(avx2_mask(seen > j ? seen - j : 0));
            p = _mm256_and_ps(p, mask);
            s = _mm256_and_ps(s, mask);
        }
        _mm256_storeu_ps(weight + j, p);
        _mm256_storeu_ps(slope + j, s);
    }
}

// P and dS of a run, from scratch.
static void run_slopes(struct backward_block *bb, const struct backward_job *job, size_t page_index,
                       const struct query_run *run)
{
    const struct attention_input *in = &job->in;
    bool vector = kernels_in_use() == KERNELS_AVX2;
    struct query_block *b = &bb->b;
    size_t offset = kv_page_offset(in->shape, run->page, b->kv_head);
    const float *keys = in->kv->keys + offset, *values = in->kv->values + offset;
    (vector ? across_avx2 : across_portable)(bb, keys, values, in->W, run->most);
    query_block_scores(b, in, keys, run);
    struct product dout_values = {
        .y = bb->slope + run->begin * KV_PAGE,
        .y_row = KV_PAGE,
        .y_panel = KV_PANEL,
        .x = bb->dout + run->begin * in->W,
        .x_row = in->W,
        .x_step = 1,
        .w = bb->values_across,
        .w_panel = in->W * KV_PANEL,
        .w_step = KV_PANEL,
        .depth = in->shape->head_width,
        .n_rows = run->end - run->begin,
        .n_panels = (run->most + KV_PANEL - 1) / KV_PANEL,
    };
    product_run(&dout_values);
    for (size_t r = run->begin; r < run->end; r++)
        (vector ? slopes_avx2 : slopes_portable)(b->score + r * KV_PAGE, bb->slope + r * KV_PAGE,
                                                 bb->logsumexp[r], bb->delta[r],
                                                 query_sees(&b->query[r], page_index));
}

// dq += dS K, dV += P^T dout, dK += dS^T q of a run.
static void run_gradients(struct backward_block *bb, const struct backward_job *job,
                          const struct query_run *run)
{
    size_t W = job->in.W, n = run->end - run->begin;
    size_t offset = kv_page_offset(job->in.shape, run->page, bb->b.kv_head);
    struct product dq = {
        .y = bb->dq + run->begin * W,
        .y_row = W,
        .y_panel = KV_PANEL,
        .x = bb->slope + run->begin * KV_PAGE,
        .x_row = KV_PAGE,
        .x_step = 1,
        .w = bb->keys_across,
        .w_panel = KV_PAGE * KV_PANEL,
        .w_step = KV_PANEL,
        .depth = run->most,
        .n_rows = n,
        .n_panels = W / KV_PANEL,
        .add = true,
    };
    struct product dvalues = {
        // rows are positions
        .y = job->dkv->values + offset,
        .y_row = KV_PANEL,
        .y_panel = KV_PAGE * KV_PANEL,
        .x = bb->b.score + run->begin * KV_PAGE,
        .x_row = 1,
        .x_step = KV_PAGE,
        .w = bb->dout + run->begin * W,
        .w_panel = KV_PANEL,
        .w_step = W,
        .depth = n,
        .n_rows = run->most,
        .n_panels = W / KV_PANEL,
        .add = true,
    };
    struct product dkeys = {
        // rows are elements, columns positions
        .y = job->dkv->keys + offset,
        .y_row = KV_PANEL,
        .y_panel = W * KV_PANEL,
        .x = bb->b.q + run->begin * W,
        .x_row = 1,
        .x_step = W,
        .w = bb->slope + run->begin * KV_PAGE,
        .w_panel = KV_PANEL,
        .w_step = KV_PAGE,
        .depth = n,
        .n_rows = job->in.shape->head_width,
        .n_panels = (run->most + KV_PANEL - 1) / KV_PANEL,
        .add = true,
    };
    product_run(&dq);
    product_run(&dvalues);
    product_run(&dkeys);
}

static void backward_block(struct backward_block *bb, const struct backward_job *job)
{
    struct query_block *b = &bb->b;
    size_t D = job->in.shape->head_width, W = job->in.W;
    fill(bb, job);
    for (size_t i = 0; i < b->n_pages; i++) {
        struct query_run run = {0};
        while (query_block_next_run(b, i, &run)) {
            run_slopes(bb, job, i, &run);
            run_gradients(bb, job, &run);
        }
    }
    float scale = job->in.scale;
    for (size_t r = 0; r < b->n; r++) {
        const struct query *query = &b->query[r];
        float *dq = job->dq + query->row * job->lddq + query->head * D;
        for (size_t d = 0; d < D; d++)
            dq[d] = bb->dq[r * W + d] * scale;
    }
}

// A family: neighbouring spans whose first page is the same.  Only within one
// can two spans share a page.
static size_t family_end(const struct attention_input *in, size_t span)
{
    size_t end = span + 1;
    while (end < in->n_spans && in->spans[end].pages[0] == in->spans[span].pages[0])
        end++;
    return end;
}

static void backward_task(void *context, size_t task, unsigned thread)
{
    const struct backward_job *job = context;
    const struct attention_input *in = &job->in;
    (void)thread;
    size_t kv_head = task % in->shape->n_kv_heads, family = task / in->shape->n_kv_heads;
    size_t span = 0;
    for (size_t i = 0; i < family; i++)
        span = family_end(in, span);
    size_t n = kv_count_rows(in->spans + span, family_end(in, span) - span) * in->heads_per_kv;
    struct backward_block bb;
    for (size_t first = 0; first < n; first += QUERY_BLOCK_MAX) {
        query_block_fill(&bb.b, in, kv_head, span, first,
                         n - first < QUERY_BLOCK_MAX ? n - first : QUERY_BLOCK_MAX);
        backward_block(&bb, job);
    }
}

void attention_backward(float *dq, size_t lddq, const struct kv_layer *dkv, const float *dout,
                        const float *out, const float *logsumexp, const float *q, size_t ldq,
                        const struct kv_layer *kv, const struct attention_shape *shape,
                        const struct span *spans, size_t n_spans, struct pool *pool)
{
    struct backward_job job = {.in = attention_input(shape, q, ldq, kv, spans, n_spans)};
    if (job.in.n_queries == 0) return;
    job.dkv = dkv;
    job.dq = dq;
    job.lddq = lddq;
    job.dout = dout;
    job.out = out;
    job.logsumexp = logsumexp;
    size_t n_families = 0;
    for (size_t span = 0; span < n_spans; span = family_end(&job.in, span))
        n_families++;
    pool_for(pool, n_families * shape->n_kv_heads, backward_task, &job);
}
