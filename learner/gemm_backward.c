#include "learner/gemm_backward.h"

#include <cblas.h>
#include <string.h>

#include "common/base/err.h"
#include "common/math/product.h"

// Tiles of dW.  Large enough that the library's packing of dY and X costs
// little, small enough that a layer's tiles fill several threads evenly: what
// is narrow is cut less often.
#define TILE_ROWS_MAX 128u
#define TILE_ROWS_MAX_NARROW 256u
#define NARROW_COLS 512u
#define TILE_COLS_MAX 1024u
#define TILE_ALIGN 16u
#define JOBS_MAX 8u

void gemm_backward_init(void)
{
    openblas_set_num_threads(1);
}

const char *gemm_backward_core(void)
{
    return openblas_get_corename();
}

// --- dX -----------------------------------------------------------------------------
struct panels gemm_backward_panels(uint32_t n_outputs, uint32_t n_inputs, void *data)
{
    return (struct panels){
        .type = PANEL_BF16, .n_outputs = n_inputs, .n_inputs = n_outputs, .data = data};
}

struct pack_job {
    const struct panels *p;
    const uint16_t *w;
};

// Panel i is columns [16 i, 16 i + 16) of W, a row of it for each of W's rows.
static void pack_panel(void *context, size_t panel, unsigned thread)
{
    const struct pack_job *job = context;
    (void)thread;
    size_t n_cols = job->p->n_outputs, n_rows = job->p->n_inputs, first = panel * GEMM_PANEL;
    size_t valid = n_cols - first < GEMM_PANEL ? n_cols - first : GEMM_PANEL;
    const uint16_t *from = job->w + first;
    uint16_t *into = (uint16_t *)job->p->data + panel * n_rows * GEMM_PANEL;
    for (size_t row = 0; row < n_rows; row++, from += n_cols, into += GEMM_PANEL) {
        uint16_t padded[GEMM_PANEL] = {0};
        memcpy(padded, from, valid * sizeof *from);
        for (size_t c = 0; c < GEMM_PANEL; c++)
            into[product_bf16_slot(c)] = padded[c];
    }
}

void gemm_backward_pack(const struct panels *p, const uint16_t *w, struct pool *pool)
{
    struct pack_job job = {.p = p, .w = w};
    pool_for(pool, (p->n_outputs + GEMM_PANEL - 1) / GEMM_PANEL, pack_panel, &job);
}

// --- dW -----------------------------------------------------------------------------
struct tiling {
    uint32_t rows, cols; // of a tile
    size_t n_across;     // tiles side by side
    size_t first_tile;   // of this job among all tiles
};

struct weights_job {
    const struct weight_gradient *jobs;
    size_t n_jobs, n_rows;
    struct tiling tilings[JOBS_MAX + 1];
};

static uint32_t even_part(uint32_t size, uint32_t part_max)
{
    uint32_t n_parts = (size + part_max - 1) / part_max;
    uint32_t part = (size + n_parts - 1) / n_parts;
    return (part + TILE_ALIGN - 1) / TILE_ALIGN * TILE_ALIGN;
}

static uint32_t part_at(uint32_t size, uint32_t part, uint32_t first)
{
    return size - first < part ? size - first : part;
}

static void run_tile(void *context, size_t tile, unsigned thread)
{
    const struct weights_job *all = context;
    (void)thread;
    size_t i = 0;
    while (i + 1 < all->n_jobs && tile >= all->tilings[i + 1].first_tile)
        i++;
    const struct weight_gradient *job = &all->jobs[i];
    const struct tiling *tiling = &all->tilings[i];
    tile -= tiling->first_tile;
    uint32_t row = (uint32_t)(tile / tiling->n_across) * tiling->rows;
    uint32_t col = (uint32_t)(tile % tiling->n_across) * tiling->cols;
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans,
                (int)part_at(job->n_outputs, tiling->rows, row),
                (int)part_at(job->n_inputs, tiling->cols, col), (int)all->n_rows, 1.0f,
                job->dy + row, (int)job->lddy, job->x + col, (int)job->ldx, 1.0f,
                job->dw + (size_t)row * job->n_inputs + col, (int)job->n_inputs);
}

void gemm_backward_weights(const struct weight_gradient *jobs, size_t n_jobs, size_t n_rows,
                           struct pool *pool)
{
    CHECK(n_jobs <= JOBS_MAX && n_rows <= INT32_MAX);
    struct weights_job all = {.jobs = jobs, .n_jobs = n_jobs, .n_rows = n_rows};
    size_t n_tiles = 0;
    for (size_t i = 0; i < n_jobs; i++) {
        struct tiling *tiling = &all.tilings[i];
        bool is_narrow = jobs[i].n_inputs <= NARROW_COLS;
        tiling->rows =
            even_part(jobs[i].n_outputs, is_narrow ? TILE_ROWS_MAX_NARROW : TILE_ROWS_MAX);
        tiling->cols = even_part(jobs[i].n_inputs, TILE_COLS_MAX);
        tiling->n_across = (jobs[i].n_inputs + tiling->cols - 1) / tiling->cols;
        tiling->first_tile = n_tiles;
        n_tiles += tiling->n_across * ((jobs[i].n_outputs + tiling->rows - 1) / tiling->rows);
    }
    pool_for(pool, n_tiles, run_tile, &all);
}
