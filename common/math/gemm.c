#include "common/math/gemm.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/err.h"
#include "common/math/avx2.h"
#include "common/math/bf16.h"
#include "common/math/kernels.h"
#include "common/math/product.h"

/*
 * A task is a block of rows times a group of panels.  Cutting rows, panels and
 * k changes no bit (product.h), so the cuts follow the caches and the number
 * of threads.
 */
enum {
    ROWS_MAX = 96,        // of a block
    DEPTH_MAX = 768,      // ks at a time: a block's x (288 KiB) stays in L2, beside a panel
    ROWS_FEW = 32,        // so few rows take k in one piece
    TASK_FLOPS = 1 << 19, // worth handing to another thread
    TASKS_PER_THREAD = 8,
};

struct gemm_job {
    float *y;
    size_t ldy;
    const float *x;
    size_t ldx, n_rows;
    const struct panels *w;
    const float *bias;
    size_t n_panels, n_groups; // groups of panels
    size_t rows_per_block;
    size_t depth; // ks at a time
    bool gather;
};

static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static size_t element_bytes(enum panel_type type)
{
    return type == PANEL_BF16 ? sizeof(uint16_t) : sizeof(float);
}

size_t panels_bytes(enum panel_type type, uint32_t n_outputs, uint32_t n_inputs)
{
    return ceil_div(n_outputs, GEMM_PANEL) * GEMM_PANEL * n_inputs * element_bytes(type);
}

struct pack_job {
    struct panels *p;
    const uint16_t *w;
};

// ks [from, K) of a panel; rows[c] is output c's row of w, or NULL.
static void pack_portable(const struct pack_job *job, const uint16_t *const rows[GEMM_PANEL],
                          void *panel, size_t from)
{
    for (size_t k = from; k < job->p->n_inputs; k++) {
        for (size_t c = 0; c < GEMM_PANEL; c++) {
            uint16_t value = rows[c] ? rows[c][k] : 0;
            if (job->p->type == PANEL_BF16)
                ((uint16_t *)panel)[k * GEMM_PANEL + product_bf16_slot(c)] = value;
            else
                ((float *)panel)[k * GEMM_PANEL + c] = bf16_to_f32(value);
        }
    }
}

// An 8 x 8 transpose of halves at a time: outputs c and c + 8 meet as pairs.
AVX2_TARGET static size_t pack_avx2(const struct pack_job *job,
                                    const uint16_t *const rows[GEMM_PANEL], void *panel)
{
    size_t k = 0;
    for (; k + 8 <= job->p->n_inputs; k += 8) {
        __m256i pair[8], two[8], four[8];
        for (size_t c = 0; c < 8; c++) {
            __m256i low = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(rows[c] + k)));
            __m256i high = _mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)(rows[c + 8] + k)));
            pair[c] = _mm256_or_si256(low, _mm256_slli_epi32(high, 16));
        }
        for (size_t c = 0; c < 8; c += 2) {
            two[c] = _mm256_unpacklo_epi32(pair[c], pair[c + 1]);
            two[c + 1] = _mm256_unpackhi_epi32(pair[c], pair[c + 1]);
        }
        for (size_t c = 0; c < 8; c += 4) {
            four[c] = _mm256_unpacklo_epi64(two[c], two[c + 2]);
            four[c + 1] = _mm256_unpackhi_epi64(two[c], two[c + 2]);
            four[c + 2] = _mm256_unpacklo_epi64(two[c + 1], two[c + 3]);
            four[c + 3] = _mm256_unpackhi_epi64(two[c + 1], two[c + 3]);
        }
        for (size_t i = 0; i < 8; i++) {
            size_t at = i % 4;
            __m256i done = i < 4 ? _mm256_permute2x128_si256(four[at], four[at + 4], 0x20)
                                 : _mm256_permute2x128_si256(four[at], four[at + 4], 0x31);
            if (job->p->type == PANEL_BF16) {
                _mm256_storeu_si256((void *)((uint16_t *)panel + (k + i) * GEMM_PANEL), done);
            } else {
                float *to = (float *)panel + (k + i) * GEMM_PANEL;
                __m256i upper = _mm256_and_si256(done, _mm256_set1_epi32(-65536));
                _mm256_storeu_si256((void *)to, _mm256_slli_epi32(done, 16));
                _mm256_storeu_si256((void *)(to + 8), upper);
            }
        }
    }
    return k;
}

static void pack_panel(void *context, size_t panel, unsigned thread)
{
    const struct pack_job *job = context;
    (void)thread;
    size_t K = job->p->n_inputs, N = job->p->n_outputs, first = panel * GEMM_PANEL;
    char *to = (char *)job->p->data + panel * K * GEMM_PANEL * element_bytes(job->p->type);
    const uint16_t *rows[GEMM_PANEL] = {NULL};
    for (size_t c = 0; c < GEMM_PANEL && first + c < N; c++)
        rows[c] = job->w + (first + c) * K;
    bool vector = kernels_in_use() == KERNELS_AVX2 && first + GEMM_PANEL <= N;
    pack_portable(job, rows, to, vector ? pack_avx2(job, rows, to) : 0);
}

void panels_pack(struct panels *p, const uint16_t *w, struct pool *pool)
{
    struct pack_job job = {p, w};
    pool_for(pool, ceil_div(p->n_outputs, GEMM_PANEL), pack_panel, &job);
}

void panels_row(const struct panels *p, uint32_t output, float *out)
{
    CHECK(output < p->n_outputs);
    const size_t K = p->n_inputs, c = output % GEMM_PANEL;
    const size_t at = output / GEMM_PANEL * K * GEMM_PANEL;
    if (p->type == PANEL_BF16) {
        const uint16_t *panel = (const uint16_t *)p->data + at + product_bf16_slot(c);
        for (size_t k = 0; k < K; k++)
            out[k] = bf16_to_f32(panel[k * GEMM_PANEL]);
    } else {
        const float *panel = (const float *)p->data + at + c;
        for (size_t k = 0; k < K; k++)
            out[k] = panel[k * GEMM_PANEL];
    }
}

// The part of the last panel that exists, for rows [row, row + n): through a
// buffer, because a product writes whole panels.
static void ragged_panel(const struct gemm_job *job, struct product part, size_t first_output)
{
    float buffer[6 * GEMM_PANEL];
    size_t valid = job->w->n_outputs - first_output;
    size_t n_rows = part.n_rows;
    for (size_t done = 0; done < n_rows; done += part.n_rows) {
        part.n_rows = n_rows - done < 6 ? n_rows - done : 6;
        float *y = part.y + done * part.y_row;
        for (size_t r = 0; part.add && r < part.n_rows; r++) {
            memset(buffer + r * GEMM_PANEL, 0, GEMM_PANEL * sizeof(float));
            memcpy(buffer + r * GEMM_PANEL, y + r * part.y_row, valid * sizeof(float));
        }
        struct product piece = part;
        piece.y = buffer;
        piece.y_row = GEMM_PANEL;
        piece.x = part.x + done * part.x_row;
        product_run(&piece);
        for (size_t r = 0; r < part.n_rows; r++)
            memcpy(y + r * part.y_row, buffer + r * GEMM_PANEL, valid * sizeof(float));
    }
}

static void add_bias(float *y, size_t ldy, size_t n_rows, const float *bias, size_t n)
{
    for (size_t r = 0; r < n_rows; r++)
        for (size_t i = 0; i < n; i++)
            y[r * ldy + i] += bias[i];
}

// Rows of x side by side: from rows far apart, a power of two at worst, the
// piece would keep falling on the same few sets of the cache.
static void gather_rows(float *to, size_t depth, const float *x, size_t ldx, size_t n_rows)
{
    for (size_t r = 0; r < n_rows; r++)
        memcpy(to + r * depth, x + r * ldx, depth * sizeof(float));
}

static void gemm_task(void *context, size_t task, unsigned thread)
{
    const struct gemm_job *job = context;
    (void)thread;
    // Groups of one row block follow each other: its x is still in cache.
    size_t block = task / job->n_groups, group = task % job->n_groups;
    size_t K = job->w->n_inputs, N = job->w->n_outputs, bytes = element_bytes(job->w->type);
    size_t row = block * job->rows_per_block;
    size_t n_rows =
        job->n_rows - row < job->rows_per_block ? job->n_rows - row : job->rows_per_block;
    size_t panel = group * job->n_panels / job->n_groups;
    size_t panel_end = (group + 1) * job->n_panels / job->n_groups;
    size_t whole_end = panel_end * GEMM_PANEL > N ? panel_end - 1 : panel_end;
    float gathered[ROWS_MAX * DEPTH_MAX];
    for (size_t k = 0; k < K || k == 0; k += job->depth) {
        struct product part = {
            .y = job->y + row * job->ldy + panel * GEMM_PANEL,
            .y_row = job->ldy,
            .y_panel = GEMM_PANEL,
            .x = job->x + row * job->ldx + k,
            .x_row = job->ldx,
            .x_step = 1,
            .w = (const char *)job->w->data + (panel * K + k) * GEMM_PANEL * bytes,
            .w_panel = K * GEMM_PANEL,
            .w_step = GEMM_PANEL,
            .depth = K - k < job->depth ? K - k : job->depth,
            .n_rows = n_rows,
            .n_panels = whole_end - panel,
            .add = k > 0,
            .bf16 = job->w->type == PANEL_BF16,
        };
        if (job->gather) {
            gather_rows(gathered, part.depth, part.x, part.x_row, n_rows);
            part.x = gathered;
            part.x_row = part.depth;
        }
        product_run(&part);
        if (whole_end == panel_end) continue;
        part.y += (whole_end - panel) * GEMM_PANEL;
        part.w = (const char *)part.w + (whole_end - panel) * part.w_panel * bytes;
        part.n_panels = 1;
        ragged_panel(job, part, whole_end * GEMM_PANEL);
    }
    if (job->bias == NULL) return;
    size_t first = panel * GEMM_PANEL;
    size_t n = (panel_end * GEMM_PANEL < N ? panel_end * GEMM_PANEL : N) - first;
    add_bias(job->y + row * job->ldy + first, job->ldy, n_rows, job->bias + first, n);
}

void gemm(float *y, size_t ldy, const float *x, size_t ldx, size_t n_rows, const struct panels *w,
          const float *bias, struct pool *pool)
{
    if (n_rows == 0 || w->n_outputs == 0) return;
    struct gemm_job job = {.y = y, .ldy = ldy, .x = x, .ldx = ldx, .n_rows = n_rows, .w = w};
    job.bias = bias;
    job.n_panels = ceil_div(w->n_outputs, GEMM_PANEL);
    size_t n_row_blocks = ceil_div(n_rows, ROWS_MAX);
    job.rows_per_block = ceil_div(ceil_div(n_rows, n_row_blocks), 6) * 6; // whole tiles
    n_row_blocks = ceil_div(n_rows, job.rows_per_block);
    // Few rows read a panel from end to end, as the prefetcher likes it.
    job.depth = w->n_inputs == 0 ? 1 : w->n_inputs;
    if (n_rows > ROWS_FEW) job.depth = ceil_div(job.depth, ceil_div(job.depth, DEPTH_MAX));
    job.gather = job.depth < w->n_inputs;
    size_t flops = 2 * n_rows * w->n_outputs * w->n_inputs;
    size_t n_tasks = flops / TASK_FLOPS + 1;
    size_t most = TASKS_PER_THREAD * pool_thread_count(pool);
    if (n_tasks > most) n_tasks = most;
    if (pool_thread_count(pool) == 1) n_tasks = 1;
    job.n_groups = ceil_div(n_tasks, n_row_blocks);
    if (job.n_groups > job.n_panels) job.n_groups = job.n_panels;
    pool_for(pool, job.n_groups * n_row_blocks, gemm_task, &job);
}
