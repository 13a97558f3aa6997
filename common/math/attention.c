#include "common/math/attention.h"

#include <math.h>
#include <string.h>

#include "common/base/err.h"
#include "common/math/avx2.h"
#include "common/math/expf.h"
#include "common/math/kernels.h"
#include "common/math/product.h"

/*
 * Inside a page of one kv head, both in panels for product.h, with D rounded
 * up to W (a multiple of 16):
 *   keys    (KV_PAGE/16, W, 16)  key[d] of position j at [j/16][d][j%16]
 *   values  (W/16, KV_PAGE, 16)  value[d] of position j at [d/16][j][d%16]
 * Scores are then a product over d with vectors over positions, weighted sums
 * one over positions with vectors over d.
 *
 * The unit of work is a query: one row of one query head.  Queries of a kv
 * head are numbered row by row, the H/K heads of a row together; a task takes
 * a block of consecutive ones and walks the pages in ascending order, each
 * page for a run of queries that read it at that place in their sequence.
 */
enum {
    PANEL = PRODUCT_PANEL,
    WIDTH_MAX = 256,
    QUERIES_MAX = 48, // of a block
    QUERIES_MIN = 12, // no smaller blocks for the sake of balance
    TASKS_PER_THREAD = 6,
    STORE_ROWS = 64, // rows of a task that moves keys and values
};

static size_t padded_width(const struct attention_shape *shape)
{
    return (shape->head_width + PANEL - 1) / PANEL * PANEL;
}

static size_t page_floats(const struct attention_shape *shape)
{
    return KV_PAGE * padded_width(shape);
}

size_t kv_layer_floats(const struct attention_shape *shape, uint32_t n_pages)
{
    return (size_t)n_pages * shape->n_kv_heads * page_floats(shape);
}

static size_t page_offset(const struct attention_shape *shape, uint32_t page, size_t kv_head)
{
    return ((size_t)page * shape->n_kv_heads + kv_head) * page_floats(shape);
}

// Where element d of a position's key or value lies in its page.
static size_t key_slot(size_t j, size_t d, size_t W)
{
    return (j / PANEL * W + d) * PANEL + j % PANEL;
}

static size_t value_slot(size_t j, size_t d)
{
    return (d / PANEL * KV_PAGE + j) * PANEL + d % PANEL;
}

// --- moving keys and values ----------------------------------------------------

enum move { MOVE_STORE, MOVE_READ };

struct move_job {
    const struct kv_layer *kv;
    const struct attention_shape *shape;
    float *k, *v;
    size_t ld;
    const struct span *spans;
    size_t n_spans, n_rows;
    enum move move;
};

static size_t count_rows(const struct span *spans, size_t n_spans)
{
    size_t n_rows = 0;
    for (size_t i = 0; i < n_spans; i++)
        n_rows += spans[i].n_rows;
    return n_rows;
}

// A place in the rows of all spans, counted in span order.
struct place {
    size_t span, offset;
};

static struct place place_of_row(const struct span *spans, size_t row)
{
    struct place at = {0, row};
    while (at.offset >= spans[at.span].n_rows)
        at.offset -= spans[at.span++].n_rows;
    return at;
}

static void move_row(const struct move_job *job, const struct span *span, size_t offset)
{
    size_t D = job->shape->head_width, W = padded_width(job->shape);
    size_t position = span->position + offset, j = position % KV_PAGE;
    uint32_t page = span->pages[position / KV_PAGE];
    CHECK(page < job->kv->n_pages);
    for (size_t head = 0; head < job->shape->n_kv_heads; head++) {
        float *keys = job->kv->keys + page_offset(job->shape, page, head);
        float *values = job->kv->values + page_offset(job->shape, page, head);
        float *k = job->k + (span->row + offset) * job->ld + head * D;
        float *v = job->v + (span->row + offset) * job->ld + head * D;
        if (job->move == MOVE_STORE) {
            for (size_t d = 0; d < D; d++) {
                keys[key_slot(j, d, W)] = k[d];
                values[value_slot(j, d)] = v[d];
            }
        } else {
            for (size_t d = 0; d < D; d++) {
                k[d] = keys[key_slot(j, d, W)];
                v[d] = values[value_slot(j, d)];
            }
        }
    }
}

static void move_task(void *context, size_t task, unsigned thread)
{
    const struct move_job *job = context;
    (void)thread;
    size_t row = task * STORE_ROWS;
    size_t end = row + STORE_ROWS < job->n_rows ? row + STORE_ROWS : job->n_rows;
    struct place at = place_of_row(job->spans, row);
    for (; row < end; row++) {
        while (at.offset >= job->spans[at.span].n_rows) {
            at.offset = 0;
            at.span++;
        }
        move_row(job, &job->spans[at.span], at.offset++);
    }
}

static void move_all(struct move_job *job, struct pool *pool)
{
    job->n_rows = count_rows(job->spans, job->n_spans);
    pool_for(pool, (job->n_rows + STORE_ROWS - 1) / STORE_ROWS, move_task, job);
}

void kv_store(const struct kv_layer *kv, const struct attention_shape *shape, const float *k,
              const float *v, size_t ld, const struct span *spans, size_t n_spans,
              struct pool *pool)
{
    struct move_job job = {.kv = kv, .shape = shape, .ld = ld, .spans = spans};
    job.k = (float *)(uintptr_t)k; // only read when storing
    job.v = (float *)(uintptr_t)v;
    job.n_spans = n_spans;
    job.move = MOVE_STORE;
    move_all(&job, pool);
}

void kv_store_backward(const struct kv_layer *dkv, const struct attention_shape *shape, float *dk,
                       float *dv, size_t ld, const struct span *spans, size_t n_spans,
                       struct pool *pool)
{
    struct move_job job = {.kv = dkv, .shape = shape, .k = dk, .v = dv, .ld = ld, .spans = spans};
    job.n_spans = n_spans;
    job.move = MOVE_READ;
    move_all(&job, pool);
}

void kv_copy(const struct kv_layer *kv, const struct attention_shape *shape, uint32_t from,
             uint32_t to, uint32_t n_positions)
{
    size_t D = shape->head_width, W = padded_width(shape);
    CHECK(from < kv->n_pages && to < kv->n_pages && n_positions <= KV_PAGE);
    for (size_t head = 0; head < shape->n_kv_heads; head++) {
        size_t source = page_offset(shape, from, head), target = page_offset(shape, to, head);
        for (size_t j = 0; j < n_positions; j++) {
            for (size_t d = 0; d < D; d++) {
                kv->keys[target + key_slot(j, d, W)] = kv->keys[source + key_slot(j, d, W)];
                kv->values[target + value_slot(j, d)] = kv->values[source + value_slot(j, d)];
            }
        }
    }
}

void kv_copy_backward(const struct kv_layer *dkv, const struct attention_shape *shape,
                      uint32_t from, uint32_t to, uint32_t n_positions)
{
    size_t D = shape->head_width, W = padded_width(shape);
    CHECK(from < dkv->n_pages && to < dkv->n_pages && n_positions <= KV_PAGE);
    for (size_t head = 0; head < shape->n_kv_heads; head++) {
        size_t source = page_offset(shape, from, head), target = page_offset(shape, to, head);
        for (size_t j = 0; j < n_positions; j++) {
            for (size_t d = 0; d < D; d++) {
                dkv->keys[source + key_slot(j, d, W)] += dkv->keys[target + key_slot(j, d, W)];
                dkv->values[source + value_slot(j, d)] += dkv->values[target + value_slot(j, d)];
            }
        }
    }
}

// --- blocks of queries ------------------------------------------------------------

struct attention_job {
    const struct attention_shape *shape;
    const struct kv_layer *kv;
    const struct span *spans;
    size_t n_spans, n_queries; // queries of one kv head
    size_t heads_per_kv;       // H/K
    size_t W;                  // padded width
    float scale;
    const float *q;
    size_t ldq;
    float *out;       // forward: written
    float *logsumexp; // forward: written, or NULL
    size_t n_blocks;  // forward: of a kv head
    // backward
    const struct kv_layer *dkv;
    float *dq;
    size_t lddq;
    const float *dout, *saved_out, *saved_logsumexp;
};

struct query {
    const uint32_t *pages;
    uint32_t position;
    size_t row, head; // of the chunk; query head
};

struct block {
    size_t n;
    size_t kv_head;
    struct query query[QUERIES_MAX];
    float q[QUERIES_MAX * WIDTH_MAX]; // scaled, rows W apart
    float score[QUERIES_MAX * KV_PAGE];
};

// Queries [first, first + n) of a kv head, from a span on; their q scaled.
static void block_fill(struct block *b, const struct attention_job *job, size_t kv_head,
                       size_t first_span, size_t first, size_t n)
{
    size_t D = job->shape->head_width, G = job->heads_per_kv;
    struct place at = place_of_row(job->spans + first_span, first / G);
    at.span += first_span;
    size_t head = first % G;
    b->n = n;
    b->kv_head = kv_head;
    for (size_t i = 0; i < n; i++) {
        while (at.offset >= job->spans[at.span].n_rows) {
            at.offset = 0;
            at.span++;
        }
        const struct span *span = &job->spans[at.span];
        struct query *query = &b->query[i];
        query->pages = span->pages;
        query->position = span->position + (uint32_t)at.offset;
        query->row = span->row + at.offset;
        query->head = kv_head * G + head;
        const float *q = job->q + query->row * job->ldq + query->head * D;
        for (size_t d = 0; d < D; d++)
            b->q[i * job->W + d] = q[d] * job->scale;
        if (++head == G) {
            head = 0;
            at.offset++;
        }
    }
}

// How many positions of page i a query sees.
static size_t positions_seen(const struct query *query, size_t i)
{
    size_t seen = (size_t)query->position + 1;
    if (seen <= i * KV_PAGE) return 0;
    return seen - i * KV_PAGE < KV_PAGE ? seen - i * KV_PAGE : KV_PAGE;
}

// The next run of queries, from *begin on, that see the same page as their
// i-th.  False when there is none left.
static bool block_next_run(const struct block *b, size_t i, size_t *begin, size_t *end,
                           size_t *most_seen)
{
    while (*begin < b->n && positions_seen(&b->query[*begin], i) == 0)
        ++*begin;
    if (*begin == b->n) return false;
    uint32_t page = b->query[*begin].pages[i];
    *most_seen = 0;
    for (*end = *begin; *end < b->n; ++*end) {
        size_t seen = positions_seen(&b->query[*end], i);
        if (seen == 0 || b->query[*end].pages[i] != page) break;
        if (seen > *most_seen) *most_seen = seen;
    }
    return true;
}

static size_t block_pages(const struct block *b)
{
    uint32_t last = 0;
    for (size_t i = 0; i < b->n; i++)
        if (b->query[i].position > last) last = b->query[i].position;
    return last / KV_PAGE + 1;
}

// score[i][j] = q[i] . key[j] for a run and the first positions of its page.
static void run_scores(struct block *b, const struct attention_job *job, const float *keys,
                       size_t begin, size_t end, size_t seen)
{
    struct product p = {
        .y = b->score + begin * KV_PAGE,
        .y_row = KV_PAGE,
        .y_panel = PANEL,
        .x = b->q + begin * job->W,
        .x_row = job->W,
        .x_step = 1,
        .w = keys,
        .w_panel = job->W * PANEL,
        .w_step = PANEL,
        .depth = job->shape->head_width,
        .n_rows = end - begin,
        .n_panels = (seen + PANEL - 1) / PANEL,
    };
    product_run(&p);
}

// --- forward --------------------------------------------------------------------------

// The online softmax of one query.
struct softmax {
    float max;
    float total[8]; // lane c: positions with j % 8 == c
};

// Turns a page's scores into exp(score - max), brings the total up to date;
// returns what the sums so far are to be multiplied with.
static float softmax_page_portable(struct softmax *s, float score[KV_PAGE], size_t seen)
{
    float max = s->max;
    for (size_t j = 0; j < seen; j++)
        max = score[j] > max ? score[j] : max;
    float correction = max == s->max ? 1.0f : math_exp(s->max - max);
    s->max = max;
    for (size_t c = 0; c < 8; c++) {
        float e[4];
        for (size_t i = 0; i < 4; i++) {
            size_t j = 8 * i + c;
            e[i] = j < seen ? math_exp(score[j] - max) : 0.0f;
            score[j] = e[i];
        }
        s->total[c] = fmaf(s->total[c], correction, (e[0] + e[1]) + (e[2] + e[3]));
    }
    return correction;
}

AVX2_TARGET static float softmax_page_avx2(struct softmax *s, float score[KV_PAGE], size_t seen)
{
    const __m256 lowest = _mm256_set1_ps(-INFINITY);
    __m256 x[4], seen_lane[4], most = _mm256_set1_ps(s->max);
    for (size_t i = 0; i < 4; i++) {
        size_t left = seen > 8 * i ? seen - 8 * i : 0;
        seen_lane[i] = _mm256_castsi256_ps(avx2_mask(left));
        x[i] = _mm256_blendv_ps(lowest, _mm256_loadu_ps(score + 8 * i), seen_lane[i]);
        most = _mm256_max_ps(x[i], most);
    }
    float max = avx2_max(most);
    float correction = max == s->max ? 1.0f : math_exp(s->max - max);
    s->max = max;
    const __m256 shift = _mm256_set1_ps(max);
    for (size_t i = 0; i < 4; i++) {
        x[i] = _mm256_and_ps(avx2_exp(_mm256_sub_ps(x[i], shift)), seen_lane[i]);
        _mm256_storeu_ps(score + 8 * i, x[i]);
    }
    __m256 sum = _mm256_add_ps(_mm256_add_ps(x[0], x[1]), _mm256_add_ps(x[2], x[3]));
    __m256 total = _mm256_fmadd_ps(_mm256_loadu_ps(s->total), _mm256_set1_ps(correction), sum);
    _mm256_storeu_ps(s->total, total);
    return correction;
}

static void multiply(float *x, float factor, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= factor;
}

// sum[i] += weights[i] . values over the positions each query of the run sees,
// and no others: rows past the end hold anything, NaN included.  Queries that
// see unequally much go together as far as the shortest, then each alone.
static void run_weighted_sum(const struct block *b, const struct attention_job *job, float *sum,
                             const float *values, size_t i, size_t begin, size_t end)
{
    struct product p = {
        .y_row = job->W,
        .y_panel = PANEL,
        .x_row = KV_PAGE,
        .x_step = 1,
        .w_panel = KV_PAGE * PANEL,
        .w_step = PANEL,
        .n_panels = job->W / PANEL,
        .add = true,
    };
    size_t least = KV_PAGE, most = 0;
    for (size_t r = begin; r < end; r++) {
        size_t seen = positions_seen(&b->query[r], i);
        if (seen < least) least = seen;
        if (seen > most) most = seen;
    }
    if (most - least > 8 && end - begin > 6) {
        size_t middle = begin + (end - begin) / 12 * 6;
        if (middle == begin) middle = begin + 6;
        run_weighted_sum(b, job, sum, values, i, begin, middle);
        run_weighted_sum(b, job, sum, values, i, middle, end);
        return;
    }
    p.y = sum + begin * job->W;
    p.x = b->score + begin * KV_PAGE;
    p.w = values;
    p.depth = least;
    p.n_rows = end - begin;
    product_run(&p);
    p.n_rows = 1;
    p.w = values + least * PANEL;
    for (size_t r = begin; r < end && most > least; r++) {
        p.depth = positions_seen(&b->query[r], i) - least;
        if (p.depth == 0) continue;
        p.y = sum + r * job->W;
        p.x = b->score + r * KV_PAGE + least;
        product_run(&p);
    }
}

static void forward_block(const struct attention_job *job, struct block *b)
{
    bool vector = kernels_in_use() == KERNELS_AVX2;
    struct softmax state[QUERIES_MAX];
    float sum[QUERIES_MAX * WIDTH_MAX];
    memset(sum, 0, b->n * job->W * sizeof *sum);
    for (size_t r = 0; r < b->n; r++)
        state[r] = (struct softmax){.max = -INFINITY};
    size_t n_pages = block_pages(b);
    for (size_t i = 0; i < n_pages; i++) {
        size_t end, seen;
        for (size_t begin = 0; block_next_run(b, i, &begin, &end, &seen); begin = end) {
            uint32_t page = b->query[begin].pages[i];
            CHECK(page < job->kv->n_pages);
            size_t offset = page_offset(job->shape, page, b->kv_head);
            run_scores(b, job, job->kv->keys + offset, begin, end, seen);
            for (size_t r = begin; r < end; r++) {
                float correction = (vector ? softmax_page_avx2 : softmax_page_portable)(
                    &state[r], b->score + r * KV_PAGE, positions_seen(&b->query[r], i));
                if (correction != 1.0f) multiply(sum + r * job->W, correction, job->W);
            }
            run_weighted_sum(b, job, sum, job->kv->values + offset, i, begin, end);
        }
    }
    size_t D = job->shape->head_width, H = job->shape->n_heads;
    for (size_t r = 0; r < b->n; r++) {
        const struct query *query = &b->query[r];
        float total = lane_sum(state[r].total), inverse = 1.0f / total;
        float *out = job->out + (query->row * H + query->head) * D;
        for (size_t d = 0; d < D; d++)
            out[d] = sum[r * job->W + d] * inverse;
        if (job->logsumexp)
            job->logsumexp[query->row * H + query->head] = state[r].max + math_log(total);
    }
}

static void forward_task(void *context, size_t task, unsigned thread)
{
    const struct attention_job *job = context;
    (void)thread;
    // The last blocks first: of one long span they have the most to read.
    size_t kv_head = task % job->shape->n_kv_heads;
    size_t i = job->n_blocks - 1 - task / job->shape->n_kv_heads;
    size_t first = i * job->n_queries / job->n_blocks;
    size_t end = (i + 1) * job->n_queries / job->n_blocks;
    struct block b;
    block_fill(&b, job, kv_head, 0, first, end - first);
    forward_block(job, &b);
}

static struct attention_job attention_job(const struct attention_shape *shape, const float *q,
                                          size_t ldq, const struct kv_layer *kv,
                                          const struct span *spans, size_t n_spans)
{
    CHECK(shape->head_width <= WIDTH_MAX && shape->n_heads % shape->n_kv_heads == 0);
    struct attention_job job = {.shape = shape, .kv = kv, .spans = spans, .n_spans = n_spans};
    job.heads_per_kv = shape->n_heads / shape->n_kv_heads;
    job.n_queries = count_rows(spans, n_spans) * job.heads_per_kv;
    job.W = padded_width(shape);
    job.scale = 1.0f / sqrtf((float)shape->head_width);
    job.q = q;
    job.ldq = ldq;
    return job;
}

void attention_forward(float *out, float *logsumexp, const float *q, size_t ldq,
                       const struct kv_layer *kv, const struct attention_shape *shape,
                       const struct span *spans, size_t n_spans, struct pool *pool)
{
    struct attention_job job = attention_job(shape, q, ldq, kv, spans, n_spans);
    if (job.n_queries == 0) return;
    job.out = out;
    job.logsumexp = logsumexp;
    size_t per_block =
        job.n_queries * shape->n_kv_heads / (TASKS_PER_THREAD * pool_thread_count(pool));
    if (per_block < QUERIES_MIN) per_block = QUERIES_MIN;
    if (per_block > QUERIES_MAX) per_block = QUERIES_MAX;
    job.n_blocks = (job.n_queries + per_block - 1) / per_block;
    pool_for(pool, job.n_blocks * shape->n_kv_heads, forward_task, &job);
}

// --- backward -----------------------------------------------------------------------

struct backward_block {
    struct block b;
    float weight_slope[QUERIES_MAX * KV_PAGE]; // dS
    float dout[QUERIES_MAX * WIDTH_MAX];
    float dq[QUERIES_MAX * WIDTH_MAX];
    float delta[QUERIES_MAX]; // dout . out
    float logsumexp[QUERIES_MAX];
    // The page once more with the other axis along the vectors.
    float values_across[KV_PAGE * WIDTH_MAX]; // as keys
    float keys_across[KV_PAGE * WIDTH_MAX];   // as values
};

static void backward_fill(struct backward_block *bb, const struct attention_job *job)
{
    size_t D = job->shape->head_width, H = job->shape->n_heads;
    memset(bb->dq, 0, bb->b.n * job->W * sizeof *bb->dq);
    for (size_t r = 0; r < bb->b.n; r++) {
        const struct query *query = &bb->b.query[r];
        size_t at = query->row * H + query->head;
        const float *dout = job->dout + at * D, *out = job->saved_out + at * D;
        float lane[8] = {0};
        for (size_t d = 0; d < D; d++)
            lane[d % 8] = fmaf(dout[d], out[d], lane[d % 8]);
        bb->delta[r] = lane_sum(lane);
        bb->logsumexp[r] = job->saved_logsumexp[at];
        memset(bb->dout + r * job->W, 0, job->W * sizeof *dout);
        memcpy(bb->dout + r * job->W, dout, D * sizeof *dout);
    }
}

static void page_across(struct backward_block *bb, const struct attention_job *job,
                        const float *keys, const float *values, size_t seen)
{
    size_t D = job->shape->head_width, W = job->W;
    for (size_t d = 0; d < D; d++) {
        for (size_t j = 0; j < seen; j++) {
            bb->values_across[key_slot(j, d, W)] = values[value_slot(j, d)];
            bb->keys_across[value_slot(j, d)] = keys[key_slot(j, d, W)];
        }
    }
}

// P = exp(S - logsumexp), dS = P (dP - delta); 0 where a query sees nothing.
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
        __m256 mask = _mm256_castsi256_ps(avx2_mask(seen > j ? seen - j : 0));
        __m256 p = avx2_exp(_mm256_sub_ps(_mm256_loadu_ps(weight + j), shift));
        __m256 s = _mm256_mul_ps(p, _mm256_sub_ps(_mm256_loadu_ps(slope + j), d));
        _mm256_storeu_ps(weight + j, _mm256_and_ps(p, mask));
        _mm256_storeu_ps(slope + j, _mm256_and_ps(s, mask));
    }
}

// The products of one page and a run of queries.
static void backward_run(struct backward_block *bb, const struct attention_job *job, size_t i,
                         size_t begin, size_t end, size_t seen)
{
    bool vector = kernels_in_use() == KERNELS_AVX2;
    struct block *b = &bb->b;
    size_t W = job->W, D = job->shape->head_width, n = end - begin;
    size_t offset = page_offset(job->shape, b->query[begin].pages[i], b->kv_head);
    const float *keys = job->kv->keys + offset, *values = job->kv->values + offset;
    float *q = b->q + begin * W, *dout = bb->dout + begin * W, *dq = bb->dq + begin * W;
    float *weight = b->score + begin * KV_PAGE, *slope = bb->weight_slope + begin * KV_PAGE;
    size_t n_panels = (seen + PANEL - 1) / PANEL;
    page_across(bb, job, keys, values, seen);
    run_scores(b, job, keys, begin, end, seen);
    // dP = dout values^T
    struct product p = {.y = slope, .y_row = KV_PAGE, .y_panel = PANEL};
    p = (struct product){.y = slope,
                         .y_row = KV_PAGE,
                         .y_panel = PANEL,
                         .x = dout,
                         .x_row = W,
                         .x_step = 1,
                         .w = bb->values_across,
                         .w_panel = W * PANEL,
                         .w_step = PANEL,
                         .depth = D,
                         .n_rows = n,
                         .n_panels = n_panels};
    product_run(&p);
    for (size_t r = 0; r < n; r++)
        (vector ? slopes_avx2 : slopes_portable)(weight + r * KV_PAGE, slope + r * KV_PAGE,
                                                 bb->logsumexp[begin + r], bb->delta[begin + r],
                                                 positions_seen(&b->query[begin + r], i));
    // dq += dS keys
    p = (struct product){.y = dq,
                         .y_row = W,
                         .y_panel = PANEL,
                         .x = slope,
                         .x_row = KV_PAGE,
                         .x_step = 1,
                         .w = bb->keys_across,
                         .w_panel = KV_PAGE * PANEL,
                         .w_step = PANEL,
                         .depth = seen,
                         .n_rows = n,
                         .n_panels = W / PANEL,
                         .add = true};
    product_run(&p);
    // dvalues += P^T dout
    p = (struct product){.y = job->dkv->values + offset,
                         .y_row = PANEL,
                         .y_panel = KV_PAGE * PANEL,
                         .x = weight,
                         .x_row = 1,
                         .x_step = KV_PAGE,
                         .w = dout,
                         .w_panel = PANEL,
                         .w_step = W,
                         .depth = n,
                         .n_rows = seen,
                         .n_panels = W / PANEL,
                         .add = true};
    product_run(&p);
    // dkeys += dS^T q, as (d, j)
    p = (struct product){.y = job->dkv->keys + offset,
                         .y_row = PANEL,
                         .y_panel = W * PANEL,
                         .x = q,
                         .x_row = 1,
                         .x_step = W,
                         .w = slope,
                         .w_panel = PANEL,
                         .w_step = KV_PAGE,
                         .depth = n,
                         .n_rows = D,
                         .n_panels = n_panels,
                         .add = true};
    product_run(&p);
}

static void backward_of_block(struct backward_block *bb, const struct attention_job *job)
{
    struct block *b = &bb->b;
    size_t D = job->shape->head_width;
    backward_fill(bb, job);
    size_t n_pages = block_pages(b);
    for (size_t i = 0; i < n_pages; i++) {
        size_t end, seen;
        for (size_t begin = 0; block_next_run(b, i, &begin, &end, &seen); begin = end)
            backward_run(bb, job, i, begin, end, seen);
    }
    for (size_t r = 0; r < b->n; r++) {
        const struct query *query = &b->query[r];
        float *dq = job->dq + query->row * job->lddq + query->head * D;
        for (size_t d = 0; d < D; d++)
            dq[d] = bb->dq[r * job->W + d] * job->scale;
    }
}

// A family: neighbouring spans whose first page is the same.  Only within one
// can two spans share a page, so a task may add to its pages alone.
static size_t family_end(const struct attention_job *job, size_t span)
{
    size_t end = span + 1;
    while (end < job->n_spans && job->spans[end].pages[0] == job->spans[span].pages[0])
        end++;
    return end;
}

static void backward_task(void *context, size_t task, unsigned thread)
{
    const struct attention_job *job = context;
    (void)thread;
    size_t kv_head = task % job->shape->n_kv_heads, family = task / job->shape->n_kv_heads;
    size_t span = 0;
    for (size_t i = 0; i < family; i++)
        span = family_end(job, span);
    size_t n = count_rows(job->spans + span, family_end(job, span) - span) * job->heads_per_kv;
    struct backward_block bb;
    for (size_t first = 0; first < n; first += QUERIES_MAX) {
        block_fill(&bb.b, job, kv_head, span, first,
                   n - first < QUERIES_MAX ? n - first : QUERIES_MAX);
        backward_of_block(&bb, job);
    }
}

void attention_backward(float *dq, size_t lddq, const struct kv_layer *dkv, const float *dout,
                        const float *out, const float *logsumexp, const float *q, size_t ldq,
                        const struct kv_layer *kv, const struct attention_shape *shape,
                        const struct span *spans, size_t n_spans, struct pool *pool)
{
    struct attention_job job = attention_job(shape, q, ldq, kv, spans, n_spans);
    if (job.n_queries == 0) return;
    job.dkv = dkv;
    job.dq = dq;
    job.lddq = lddq;
    job.dout = dout;
    job.saved_out = out;
    job.saved_logsumexp = logsumexp;
    size_t n_families = 0;
    for (size_t span = 0; span < n_spans; span = family_end(&job, span))
        n_families++;
    pool_for(pool, n_families * shape->n_kv_heads, backward_task, &job);
}
