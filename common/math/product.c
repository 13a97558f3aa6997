#include "common/math/product.h"

#include <math.h>
#include <stdint.h>

#include "common/math/avx2.h"
#include "common/math/bf16.h"
#include "common/math/kernels.h"

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

enum { PREFETCH_BYTES = 1024 }; // ahead in a panel, past its end in the next one

static void row_portable(const struct product *p, size_t row, size_t panel)
{
    float *y = p->y + row * p->y_row + panel * p->y_panel;
    const float *x = p->x + row * p->x_row;
    float sum[PRODUCT_PANEL] = {0};
    for (size_t c = 0; p->add && c < PRODUCT_PANEL; c++)
        sum[c] = y[c];
    for (size_t k = 0; k < p->depth; k++) {
        float xk = x[k * p->x_step];
        if (p->bf16) {
            const uint16_t *w = (const uint16_t *)p->w + panel * p->w_panel + k * p->w_step;
            for (size_t c = 0; c < PRODUCT_PANEL; c++)
                sum[c] = fmaf(xk, bf16_to_f32(w[product_bf16_slot(c)]), sum[c]);
        } else {
            const float *w = (const float *)p->w + panel * p->w_panel + k * p->w_step;
            for (size_t c = 0; c < PRODUCT_PANEL; c++)
                sum[c] = fmaf(xk, w[c], sum[c]);
        }
    }
    for (size_t c = 0; c < PRODUCT_PANEL; c++)
        y[c] = sum[c];
}

static void run_portable(const struct product *p)
{
    for (size_t panel = 0; panel < p->n_panels; panel++)
        for (size_t row = 0; row < p->n_rows; row++)
            row_portable(p, row, panel);
}

// How x and w are laid out; a constant where it is used.
enum layout {
    ROWS_F32,  // x_step 1, w_step 16
    ROWS_BF16, // the same, w in bf16
    OUTER,     // x_row 1, any steps: sums of outer products
};

AVX2_INLINE __m256 load_eight(const void *w, size_t half, enum layout layout)
{
    if (layout != ROWS_BF16) return _mm256_loadu_ps((const float *)w + 8 * half);
    __m256i pairs = _mm256_load_si256(w);
    return half == 0 ? _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16))
                     : _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(-65536)));
}

// R rows of P panels: 2 R P accumulators, at most 12, and at least 8 where
// there are panels enough, to hide the latency of the chains.
AVX2_INLINE void tile(const struct product *p, size_t row, size_t panel, const size_t R,
                      const size_t P, const enum layout layout)
{
    const size_t bytes = layout == ROWS_BF16 ? sizeof(uint16_t) : sizeof(float);
    const size_t y_row = p->y_row, y_panel = p->y_panel, w_panel = p->w_panel * bytes;
    const size_t w_step = (layout == OUTER ? p->w_step : PRODUCT_PANEL) * bytes;
    const size_t x_row = layout == OUTER ? 1 : p->x_row;
    const size_t x_step = layout == OUTER ? p->x_step : 1;
    float *y = p->y + row * y_row + panel * y_panel;
    const float *x = p->x + row * p->x_row;
    const char *w = (const char *)p->w + panel * w_panel;
    __m256 sum[6][4][2];
    UNROLL for (size_t r = 0; r < R; r++) UNROLL for (size_t q = 0; q < P; q++)
    {
        const float *at = y + r * y_row + q * y_panel;
        sum[r][q][0] = p->add ? _mm256_loadu_ps(at) : _mm256_setzero_ps();
        sum[r][q][1] = p->add ? _mm256_loadu_ps(at + 8) : _mm256_setzero_ps();
    }
    // Where the next rows' sums stand: far apart, so no prefetcher sees them coming.
    if (layout != OUTER) {
        UNROLL for (size_t r = 0; r < R; r++)
            _mm_prefetch((const char *)(y + (R + r) * y_row), _MM_HINT_T0);
    }
    for (size_t k = p->depth; k > 0; k--) {
        __m256 xk[6];
        if (P > 1) {
            UNROLL for (size_t r = 0; r < R; r++) xk[r] = _mm256_broadcast_ss(x + r * x_row);
        }
        UNROLL for (size_t q = 0; q < P; q++)
        {
            const char *at = w + q * w_panel;
            if (layout != OUTER) _mm_prefetch(at + PREFETCH_BYTES, _MM_HINT_T0);
            __m256 w0 = load_eight(at, 0, layout), w1 = load_eight(at, 1, layout);
            UNROLL for (size_t r = 0; r < R; r++)
            {
                if (P == 1) xk[r] = _mm256_broadcast_ss(x + r * x_row);
                sum[r][q][0] = _mm256_fmadd_ps(xk[r], w0, sum[r][q][0]);
                sum[r][q][1] = _mm256_fmadd_ps(xk[r], w1, sum[r][q][1]);
            }
        }
        x += x_step;
        w += w_step;
    }
    UNROLL for (size_t r = 0; r < R; r++) UNROLL for (size_t q = 0; q < P; q++)
    {
        float *at = y + r * y_row + q * y_panel;
        _mm256_storeu_ps(at, sum[r][q][0]);
        _mm256_storeu_ps(at + 8, sum[r][q][1]);
    }
}

// All rows in balanced blocks of at most 6 (16 = 6 + 5 + 5: no short tail),
// over P neighbouring panels; P > 1 only where rows are few.
AVX2_INLINE void rows_of_panel(const struct product *p, size_t panel, const enum layout layout)
{
    size_t n_blocks = (p->n_rows + 5) / 6;
    size_t base = p->n_rows / n_blocks, n_longer = p->n_rows % n_blocks;
    for (size_t block = 0, row = 0; block < n_blocks; block++) {
        size_t count = base + (block < n_longer);
        switch (count) {
        case 6:
            tile(p, row, panel, 6, 1, layout);
            break;
        case 5:
            tile(p, row, panel, 5, 1, layout);
            break;
        case 4:
            tile(p, row, panel, 4, 1, layout);
            break;
        case 3:
            tile(p, row, panel, 3, 1, layout);
            break;
        case 2:
            tile(p, row, panel, 2, 1, layout);
            break;
        default:
            tile(p, row, panel, 1, 1, layout);
            break;
        }
        row += count;
    }
}

AVX2_INLINE void run_avx2(const struct product *p, const enum layout layout)
{
    size_t panel = 0;
    if (p->n_rows == 1)
        for (; panel + 4 <= p->n_panels; panel += 4)
            tile(p, 0, panel, 1, 4, layout);
    if (p->n_rows == 2 || p->n_rows == 1)
        for (; panel + 2 <= p->n_panels; panel += 2)
            p->n_rows == 1 ? tile(p, 0, panel, 1, 2, layout) : tile(p, 0, panel, 2, 2, layout);
    if (p->n_rows == 3)
        for (; panel + 2 <= p->n_panels; panel += 2)
            tile(p, 0, panel, 3, 2, layout);
    for (; panel < p->n_panels; panel++)
        rows_of_panel(p, panel, layout);
}

AVX2_TARGET static void run_rows_f32(const struct product *p)
{
    run_avx2(p, ROWS_F32);
}

AVX2_TARGET static void run_rows_bf16(const struct product *p)
{
    run_avx2(p, ROWS_BF16);
}

AVX2_TARGET static void run_outer(const struct product *p)
{
    run_avx2(p, OUTER);
}

void product_run(const struct product *p)
{
    if (p->n_rows == 0 || p->n_panels == 0) return;
    if (kernels_in_use() != KERNELS_AVX2)
        run_portable(p);
    else if (p->bf16)
        run_rows_bf16(p);
    else if (p->x_step == 1 && p->w_step == PRODUCT_PANEL)
        run_rows_f32(p);
    else
        run_outer(p);
}
