#include "common/math/gemm.h"

#include <string.h>

#include "common/math/bf16.h"
#include "common/math/product.h"

/*
 * A task is a block of rows times a group of panels.  Cutting rows, panels and
 * k changes no bit (product.h), so the cuts follow the caches and the number
 * of threads.
 */
enum {
    ROWS_MAX = 96,        // of a block: with a piece of k, half of a small L2
    DEPTH_MAX = 384,      // ks at a time: a panel's piece stays in L1 (24 KiB)
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
    size_t n_panels, panels_per_task, n_groups;
    size_t n_row_blocks;
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

static void pack_panel(void *context, size_t panel, unsigned thread)
{
    const struct pack_job *job = context;
    (void)thread;
    size_t K = job->p->n_inputs, N = job->p->n_outputs;
    size_t first = panel * GEMM_PANEL;
    float *f32 = (float *)job->p->data + panel * K * GEMM_PANEL;
    uint16_t *bf16 = (uint16_t *)job->p->data + panel * K * GEMM_PANEL;
    for (size_t c = 0; c < GEMM_PANEL; c++) {
        const uint16_t *row = first + c < N ? job->w + (first + c) * K : NULL;
        size_t slot = product_bf16_slot(c);
        for (size_t k = 0; k < K; k++) {
            uint16_t value = row ? row[k] : 0;
            if (job->p->type == PANEL_BF16)
                bf16[k * GEMM_PANEL + slot] = value;
            else
                f32[k * GEMM_PANEL + c] = bf16_to_f32(value);
        }
    }
}

void panels_pack(struct panels *p, const uint16_t *w, struct pool *pool)
{
    struct pack_job job = {p, w};
    pool_for(pool, ceil_div(p->n_outputs, GEMM_PANEL), pack_panel, &job);
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

static void gemm_task(void *context, size_t task, unsigned thread)
{
    const struct gemm_job *job = context;
    (void)thread;
    // Groups of one row block follow each other: its x is still in cache.
    size_t block = task / job->n_groups, group = task % job->n_groups;
    size_t K = job->w->n_inputs, N = job->w->n_outputs;
    size_t row = block * job->n_rows / job->n_row_blocks;
    size_t row_end = (block + 1) * job->n_rows / job->n_row_blocks;
    size_t panel = group * job->n_panels / job->n_groups;
    size_t panel_end = (group + 1) * job->n_panels / job->n_groups;
    size_t whole_end = panel_end * GEMM_PANEL > N ? panel_end - 1 : panel_end;
    size_t depth = K == 0 ? 0 : ceil_div(K, ceil_div(K, DEPTH_MAX));
    size_t bytes = element_bytes(job->w->type);
    for (size_t k = 0; k < K || k == 0; k += depth ? depth : 1) {
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
            .depth = K - k < depth ? K - k : depth,
            .n_rows = row_end - row,
            .n_panels = whole_end - panel,
            .add = k > 0,
            .bf16 = job->w->type == PANEL_BF16,
        };
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
    add_bias(job->y + row * job->ldy + first, job->ldy, row_end - row, job->bias + first, n);
}

void gemm(float *y, size_t ldy, const float *x, size_t ldx, size_t n_rows, const struct panels *w,
          const float *bias, struct pool *pool)
{
    if (n_rows == 0 || w->n_outputs == 0) return;
    struct gemm_job job = {.y = y, .ldy = ldy, .x = x, .ldx = ldx, .n_rows = n_rows, .w = w};
    job.bias = bias;
    job.n_panels = ceil_div(w->n_outputs, GEMM_PANEL);
    job.n_row_blocks = ceil_div(n_rows, ROWS_MAX);
    size_t flops = 2 * n_rows * w->n_outputs * w->n_inputs;
    size_t n_tasks = flops / TASK_FLOPS + 1;
    size_t most = TASKS_PER_THREAD * pool_thread_count(pool);
    if (n_tasks > most) n_tasks = most;
    job.n_groups = ceil_div(n_tasks, job.n_row_blocks);
    if (job.n_groups > job.n_panels) job.n_groups = job.n_panels;
    pool_for(pool, job.n_groups * job.n_row_blocks, gemm_task, &job);
}
