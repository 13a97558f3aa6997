#include "common/math/attention.h"

#include <math.h>
#include <string.h>

#include "common/base/err.h"
#include "common/math/avx2.h"
#include "common/math/expf.h"
#include "common/math/kernels.h"
#include "common/math/query_block.h"

enum {
    QUERIES_MIN = 12, // of a block: none is smaller for the sake of balance
    TASKS_PER_THREAD = 6,
};

struct forward_job {
    struct attention_input in;
    float *out;
    float *logsumexp; // or NULL
    size_t n_blocks;  // of a kv head
};

// The online softmax of one query.
struct softmax {
    float max;
    float total[8]; // lane c: positions with j % 8 == c
};

// What the sums so far are to be multiplied with.  At the first page there are
// none yet.
static float correction(const struct softmax *s, float max)
{
    return max == s->max || s->max == -INFINITY ? 1.0f : math_exp(s->max - max);
}

// Turns a page's scores into exp(score - max) and brings the total up to date.
static float softmax_page_portable(struct softmax *s, float score[KV_PAGE], size_t seen)
{
    float max = s->max;
    for (size_t j = 0; j < seen; j++)
        max = score[j] > max ? score[j] : max;
    float factor = correction(s, max);
    s->max = max;
    for (size_t c = 0; c < 8; c++) {
        float e[4];
        for (size_t i = 0; i < 4; i++) {
            size_t j = 8 * i + c;
            e[i] = j < seen ? math_exp(score[j] - max) : 0.0f;
            score[j] = e[i];
        }
        s->total[c] = fmaf(s->total[c], factor, (e[0] + e[1]) + (e[2] + e[3]));
    }
    return factor;
}

AVX2_INLINE float softmax_page_avx2(struct softmax *s, float score[KV_PAGE], size_t seen)
{
    const __m256 lowest = _mm256_set1_ps(-INFINITY);
    __m256 x[4];
    for (size_t i = 0; i < 4; i++)
        x[i] = _mm256_loadu_ps(score + 8 * i);
    for (size_t i = 0; i < 4 && seen < KV_PAGE; i++) {
        __m256i seen_here = avx2_mask(seen > 8 * i ? seen - 8 * i : 0);
        x[i] = _mm256_blendv_ps(lowest, x[i], _mm256_castsi256_ps(seen_here));
    }
    // A NaN in the second place would win; scores stand in the first.
    __m256 most = _mm256_set1_ps(s->max);
    for (size_t i = 0; i < 4; i++)
        most = _mm256_max_ps(x[i], most);
    float max = avx2_max(most);
    float factor = correction(s, max);
    s->max = max;
    const __m256 shift = _mm256_set1_ps(max);
    for (size_t i = 0; i < 4; i++) // of minus infinity: 0, as it should be
        x[i] = avx2_exp(_mm256_sub_ps(x[i], shift));
    for (size_t i = 0; i < 4; i++)
        _mm256_storeu_ps(score + 8 * i, x[i]);
    __m256 sum = _mm256_add_ps(_mm256_add_ps(x[0], x[1]), _mm256_add_ps(x[2], x[3]));
    __m256 total = _mm256_fmadd_ps(_mm256_loadu_ps(s->total), _mm256_set1_ps(factor), sum);
    _mm256_storeu_ps(s->total, total);
    return factor;
}

static void multiply(float *x, float factor, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= factor;
}

static void softmax_run_portable(struct softmax *state, struct query_block *b, float *sum, size_t W,
                                 size_t page_index, const struct query_run *run)
{
    for (size_t r = run->begin; r < run->end; r++) {
        float factor = softmax_page_portable(&state[r], b->score + r * KV_PAGE,
                                             query_sees(&b->query[r], page_index));
        if (factor != 1.0f) multiply(sum + r * W, factor, W);
    }
}

AVX2_TARGET static void softmax_run_avx2(struct softmax *state, struct query_block *b, float *sum,
                                         size_t W, size_t page_index, const struct query_run *run)
{
    for (size_t r = run->begin; r < run->end; r++) {
        float factor = softmax_page_avx2(&state[r], b->score + r * KV_PAGE,
                                         query_sees(&b->query[r], page_index));
        if (factor != 1.0f) multiply(sum + r * W, factor, W);
    }
}

// sum[i] += weights[i] . values over the positions that each query of the run
// sees, and no others: rows past those hold anything, NaN included.  Queries
// that see unequally much go in small groups as far as their shortest member,
// and from there each alone.
static void weighted_sums(const struct query_block *b, const struct attention_input *in, float *sum,
                          const float *values, size_t page_index, const struct query_run *run)
{
    struct product p = {
        .y_row = in->W,
        .y_panel = KV_PANEL,
        .x_row = KV_PAGE,
        .x_step = 1,
        .w_panel = KV_PAGE * KV_PANEL,
        .w_step = KV_PANEL,
        .n_panels = in->W / KV_PANEL,
        .add = true,
    };
    size_t end;
    for (size_t begin = run->begin; begin < run->end; begin = end) {
        end = run->least == run->most || run->end - begin < 6 ? run->end : begin + 6;
        size_t least = KV_PAGE;
        for (size_t r = begin; r < end; r++) {
            size_t seen = query_sees(&b->query[r], page_index);
            if (seen < least) least = seen;
        }
        p.y = sum + begin * in->W;
        p.x = b->score + begin * KV_PAGE;
        p.w = values;
        p.depth = least;
        p.n_rows = end - begin;
        product_run(&p);
        if (run->least == run->most) continue;
        p.n_rows = 1;
        p.w = values + least * KV_PANEL;
        for (size_t r = begin; r < end; r++) {
            p.depth = query_sees(&b->query[r], page_index) - least;
            p.y = sum + r * in->W;
            p.x = b->score + r * KV_PAGE + least;
            if (p.depth > 0) product_run(&p);
        }
    }
}

static void forward_block(const struct forward_job *job, struct query_block *b)
{
    const struct attention_input *in = &job->in;
    bool vector = kernels_in_use() == KERNELS_AVX2;
    struct softmax state[QUERY_BLOCK_MAX];
    float sum[QUERY_BLOCK_MAX * QUERY_WIDTH_MAX];
    memset(sum, 0, b->n * in->W * sizeof *sum);
    for (size_t r = 0; r < b->n; r++)
        state[r] = (struct softmax){.max = -INFINITY};
    for (size_t i = 0; i < b->n_pages; i++) {
        struct query_run run = {0};
        while (query_block_next_run(b, i, &run)) {
            CHECK(run.page < in->kv->n_pages);
            size_t offset = kv_page_offset(in->shape, run.page, b->kv_head);
            query_block_scores(b, in, in->kv->keys + offset, &run);
            (vector ? softmax_run_avx2 : softmax_run_portable)(state, b, sum, in->W, i, &run);
            weighted_sums(b, in, sum, in->kv->values + offset, i, &run);
        }
    }
    size_t D = in->shape->head_width, H = in->shape->n_heads;
    for (size_t r = 0; r < b->n; r++) {
        const struct query *query = &b->query[r];
        float total = lane_sum(state[r].total), inverse = 1.0f / total;
        float *out = job->out + (query->row * H + query->head) * D;
        for (size_t d = 0; d < D; d++)
            out[d] = sum[r * in->W + d] * inverse;
        if (job->logsumexp)
            job->logsumexp[query->row * H + query->head] = state[r].max + math_log(total);
    }
}

static void forward_task(void *context, size_t task, unsigned thread)
{
    const struct forward_job *job = context;
    (void)thread;
    // The last blocks first: of one long span they have the most to read.
    size_t kv_head = task % job->in.shape->n_kv_heads;
    size_t i = job->n_blocks - 1 - task / job->in.shape->n_kv_heads;
    size_t first = i * job->in.n_queries / job->n_blocks;
    size_t end = (i + 1) * job->in.n_queries / job->n_blocks;
    struct query_block b;
    query_block_fill(&b, &job->in, kv_head, 0, first, end - first);
    forward_block(job, &b);
}

void attention_forward(float *out, float *logsumexp, const float *q, size_t ldq,
                       const struct kv_layer *kv, const struct attention_shape *shape,
                       const struct span *spans, size_t n_spans, struct pool *pool)
{
    struct forward_job job = {.in = attention_input(shape, q, ldq, kv, spans, n_spans)};
    if (job.in.n_queries == 0) return;
    job.out = out;
    job.logsumexp = logsumexp;
    size_t per_block =
        job.in.n_queries * shape->n_kv_heads / (TASKS_PER_THREAD * pool_thread_count(pool));
    if (per_block < QUERIES_MIN) per_block = QUERIES_MIN;
    if (per_block > QUERY_BLOCK_MAX) per_block = QUERY_BLOCK_MAX;
    job.n_blocks = (job.in.n_queries + per_block - 1) / per_block;
    pool_for(pool, job.n_blocks * shape->n_kv_heads, forward_task, &job);
}
