#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "common/math/attention.h"
#include "common/math/kernels.h"

/*
 * A pack: groups of a prompt and responses, laid out as the trainer does.  The
 * prompt is one span; a response is a span that shares the prompt's whole
 * pages and starts its own first page with a copy of the prompt's tail.
 */
enum { SPANS_MAX = 24, PAGES_MAX = 16 };

struct group {
    uint32_t n_prompt, n_responses;
    uint32_t n_response[6]; // tokens of each
};

struct tail_copy {
    uint32_t from, to, n_positions;
};

struct pack {
    struct attention_shape shape;
    size_t n_rows, n_spans, n_copies;
    struct span spans[SPANS_MAX];
    size_t prompt_of[SPANS_MAX]; // span of its prompt; itself for a prompt
    uint32_t pages[SPANS_MAX][PAGES_MAX];
    uint32_t n_pages;
    struct tail_copy copies[SPANS_MAX];
    size_t ldq, ldkv;
    float *q, *k, *v, *dout; // rows of the pack
};

static uint32_t seed = 7;

static float uniform(void)
{
    seed = seed * 1664525u + 1013904223u;
    return ((float)(seed >> 8) - 8388608.0f) / 8388608.0f;
}

// Filled with NaN: what is read without having been written shows.
static float *floats(size_t count)
{
    void *memory = aligned_alloc(64, (count * sizeof(float) + 64) / 64 * 64);
    assert_non_null(memory);
    memset(memory, 0xff, count * sizeof(float));
    return memory;
}

static float *random_floats(size_t count)
{
    float *x = floats(count);
    for (size_t i = 0; i < count; i++)
        x[i] = 2.0f * uniform();
    return x;
}

static void add_span(struct pack *p, uint32_t position, uint32_t n_rows, size_t prompt)
{
    size_t s = p->n_spans++;
    assert_true(s < SPANS_MAX);
    p->prompt_of[s] = prompt;
    uint32_t shared = prompt == s ? 0 : position / KV_PAGE;
    uint32_t n_pages = (position + n_rows + KV_PAGE - 1) / KV_PAGE;
    assert_true(n_pages <= PAGES_MAX);
    for (uint32_t i = 0; i < n_pages; i++)
        p->pages[s][i] = i < shared ? p->pages[prompt][i] : p->n_pages++;
    if (prompt != s && position % KV_PAGE != 0)
        p->copies[p->n_copies++] =
            (struct tail_copy){p->pages[prompt][shared], p->pages[s][shared], position % KV_PAGE};
    p->spans[s] = (struct span){(uint32_t)p->n_rows, n_rows, position, p->pages[s]};
    p->n_rows += n_rows;
}

static struct pack *pack_make(struct attention_shape shape, const struct group *groups, size_t n)
{
    struct pack *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->shape = shape;
    for (size_t g = 0; g < n; g++) {
        size_t prompt = p->n_spans;
        add_span(p, 0, groups[g].n_prompt, prompt);
        for (size_t r = 0; r < groups[g].n_responses; r++)
            add_span(p, groups[g].n_prompt, groups[g].n_response[r], prompt);
    }
    p->ldq = (size_t)shape.n_heads * shape.head_width + 5;
    p->ldkv = (size_t)shape.n_kv_heads * shape.head_width + 3;
    p->q = random_floats(p->n_rows * p->ldq);
    p->k = random_floats(p->n_rows * p->ldkv);
    p->v = random_floats(p->n_rows * p->ldkv);
    p->dout = random_floats(p->n_rows * shape.n_heads * shape.head_width);
    return p;
}

static void pack_free(struct pack *p)
{
    free(p->q);
    free(p->k);
    free(p->v);
    free(p->dout);
    free(p);
}

static struct kv_layer make_kv(const struct pack *p, uint32_t n_pages)
{
    size_t n = kv_layer_floats(&p->shape, n_pages);
    return (struct kv_layer){floats(n), floats(n), n_pages};
}

static void free_kv(struct kv_layer *kv)
{
    free(kv->keys);
    free(kv->values);
}

struct result {
    float *out, *logsumexp;
    size_t n_out, n_lse;
};

static struct result make_result(const struct pack *p)
{
    struct result r = {.n_lse = p->n_rows * p->shape.n_heads};
    r.n_out = r.n_lse * p->shape.head_width;
    r.out = floats(r.n_out);
    r.logsumexp = floats(r.n_lse);
    return r;
}

static void free_result(struct result *r)
{
    free(r->out);
    free(r->logsumexp);
}

static void assert_same_result(const struct result *a, const struct result *b)
{
    assert_memory_equal(a->out, b->out, a->n_out * sizeof(float));
    assert_memory_equal(a->logsumexp, b->logsumexp, a->n_lse * sizeof(float));
}

// The pack in one call, as the trainer runs it.
static struct result run_pack(const struct pack *p, struct kv_layer *kv, struct pool *pool)
{
    struct result r = make_result(p);
    *kv = make_kv(p, p->n_pages);
    kv_store(kv, &p->shape, p->k, p->v, p->ldkv, p->spans, p->n_spans, pool);
    for (size_t i = 0; i < p->n_copies; i++)
        kv_copy(kv, &p->shape, p->copies[i].from, p->copies[i].to, p->copies[i].n_positions);
    attention_forward(r.out, r.logsumexp, p->q, p->ldq, kv, &p->shape, p->spans, p->n_spans, pool);
    return r;
}

// Prompts first, then a token of every response at a time, as an actor does.
static struct result run_decode(const struct pack *p, struct pool *pool)
{
    struct result r = make_result(p);
    struct kv_layer kv = make_kv(p, p->n_pages);
    uint32_t longest = 0;
    for (size_t s = 0; s < p->n_spans; s++) {
        if (p->spans[s].n_rows > longest) longest = p->spans[s].n_rows;
        if (p->prompt_of[s] != s) continue;
        kv_store(&kv, &p->shape, p->k, p->v, p->ldkv, &p->spans[s], 1, pool);
        attention_forward(r.out, r.logsumexp, p->q, p->ldq, &kv, &p->shape, &p->spans[s], 1, pool);
    }
    for (size_t i = 0; i < p->n_copies; i++)
        kv_copy(&kv, &p->shape, p->copies[i].from, p->copies[i].to, p->copies[i].n_positions);
    for (uint32_t step = 0; step < longest; step++) {
        struct span now[SPANS_MAX];
        size_t n = 0;
        for (size_t s = 0; s < p->n_spans; s++) {
            if (p->prompt_of[s] == s || step >= p->spans[s].n_rows) continue;
            now[n++] =
                (struct span){p->spans[s].row + step, 1, p->spans[s].position + step, p->pages[s]};
        }
        kv_store(&kv, &p->shape, p->k, p->v, p->ldkv, now, n, pool);
        attention_forward(r.out, r.logsumexp, p->q, p->ldq, &kv, &p->shape, now, n, pool);
    }
    free_kv(&kv);
    return r;
}

// The rows that row `offset` of span s sees, oldest first.
static size_t rows_seen(const struct pack *p, size_t s, size_t offset, size_t *rows)
{
    size_t n = 0;
    const struct span *prompt = &p->spans[p->prompt_of[s]], *span = &p->spans[s];
    for (size_t i = 0; prompt != span && i < prompt->n_rows; i++)
        rows[n++] = prompt->row + i;
    for (size_t i = 0; i <= offset; i++)
        rows[n++] = span->row + i;
    return n;
}

// One row and head in double; returns its logsumexp.
static double reference_row(double *out, const struct pack *p, const size_t *rows, size_t n,
                            size_t row, size_t head)
{
    size_t D = p->shape.head_width, kv_head = head / (p->shape.n_heads / p->shape.n_kv_heads);
    const float *q = p->q + row * p->ldq + head * D;
    double max = -HUGE_VAL, total = 0.0, *score = malloc(n * sizeof *score);
    assert_non_null(score);
    for (size_t j = 0; j < n; j++) {
        const float *k = p->k + rows[j] * p->ldkv + kv_head * D;
        score[j] = 0.0;
        for (size_t d = 0; d < D; d++)
            score[j] += (double)q[d] * (double)k[d];
        score[j] /= sqrt((double)D);
        if (score[j] > max) max = score[j];
    }
    for (size_t d = 0; d < D; d++)
        out[d] = 0.0;
    for (size_t j = 0; j < n; j++) {
        double e = exp(score[j] - max);
        const float *v = p->v + rows[j] * p->ldkv + kv_head * D;
        total += e;
        for (size_t d = 0; d < D; d++)
            out[d] += e * (double)v[d];
    }
    for (size_t d = 0; d < D; d++)
        out[d] /= total;
    free(score);
    return max + log(total);
}

static void check_against_reference(const struct pack *p, const struct result *r)
{
    double out[256];
    size_t rows[1024], H = p->shape.n_heads, D = p->shape.head_width;
    for (size_t s = 0; s < p->n_spans; s++) {
        for (size_t i = 0; i < p->spans[s].n_rows; i++) {
            size_t n = rows_seen(p, s, i, rows), row = p->spans[s].row + i;
            for (size_t h = 0; h < H; h++) {
                double lse = reference_row(out, p, rows, n, row, h);
                assert_true(fabs(lse - (double)r->logsumexp[row * H + h]) < 4e-6);
                for (size_t d = 0; d < D; d++)
                    assert_true(fabs(out[d] - (double)r->out[(row * H + h) * D + d]) < 4e-6);
            }
        }
    }
}

static const struct attention_shape shapes[] = {
    {4, 2, 32}, {6, 6, 64}, {8, 4, 8}, {3, 1, 20}, {14, 2, 16}, {1, 1, 128}, {56, 1, 4},
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

static const struct group groups[] = {
    {45, 4, {70, 1, 20, 33}},    // whole page and a tail
    {20, 3, {5, 100, 12}},       // a tail alone
    {64, 5, {3, 40, 1, 90, 32}}, // whole pages alone
    {130, 0, {0}},
};
enum { N_GROUPS = sizeof groups / sizeof groups[0] };

static void the_forward_follows_a_double_reference(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_SHAPES; s++) {
        struct pack *p = pack_make(shapes[s], groups, N_GROUPS);
        struct kv_layer kv;
        struct result r = run_pack(p, &kv, NULL);
        check_against_reference(p, &r);
        free_result(&r);
        free_kv(&kv);
        pack_free(p);
    }
}

static void avx2_and_portable_forward_agree_bit_for_bit(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_SHAPES; s++) {
        struct pack *p = pack_make(shapes[s], groups, N_GROUPS);
        struct kv_layer kv[2];
        kernels_force(KERNELS_PORTABLE);
        struct result portable = run_pack(p, &kv[0], NULL);
        if (!kernels_force(KERNELS_AVX2)) skip();
        struct result avx2 = run_pack(p, &kv[1], NULL);
        assert_same_result(&portable, &avx2);
        free_result(&portable);
        free_result(&avx2);
        free_kv(&kv[0]);
        free_kv(&kv[1]);
        pack_free(p);
    }
}

static void decode_equals_the_pack_bit_for_bit(void **state)
{
    (void)state;
    struct pool *pool = pool_create(2);
    for (size_t s = 0; s < N_SHAPES; s++) {
        struct pack *p = pack_make(shapes[s], groups, N_GROUPS);
        struct kv_layer kv[2];
        struct result pack = run_pack(p, &kv[0], NULL), threaded = run_pack(p, &kv[1], pool);
        struct result decode = run_decode(p, NULL), threaded_decode = run_decode(p, pool);
        assert_same_result(&pack, &threaded);
        assert_same_result(&pack, &decode);
        assert_same_result(&pack, &threaded_decode);
        struct result *all[] = {&pack, &threaded, &decode, &threaded_decode};
        for (size_t i = 0; i < 4; i++)
            free_result(all[i]);
        free_kv(&kv[0]);
        free_kv(&kv[1]);
        pack_free(p);
    }
    pool_destroy(pool);
}

// A response's whole sequence as one span in pages of its own.
static void a_sequence_alone_equals_the_sequence_in_its_group(void **state)
{
    (void)state;
    for (size_t s = 0; s < N_SHAPES; s++) {
        struct pack *p = pack_make(shapes[s], groups, N_GROUPS);
        size_t width = (size_t)p->shape.n_heads * p->shape.head_width;
        struct kv_layer kv;
        struct result r = run_pack(p, &kv, NULL);
        for (size_t span = 0; span < p->n_spans; span++) {
            size_t rows[1024];
            size_t n = rows_seen(p, span, p->spans[span].n_rows - 1, rows);
            struct pack alone = {.shape = p->shape, .ldq = p->ldq, .ldkv = p->ldkv};
            alone.q = floats(n * p->ldq);
            alone.k = floats(n * p->ldkv);
            alone.v = floats(n * p->ldkv);
            for (size_t i = 0; i < n; i++) {
                memcpy(alone.q + i * p->ldq, p->q + rows[i] * p->ldq, p->ldq * sizeof(float));
                memcpy(alone.k + i * p->ldkv, p->k + rows[i] * p->ldkv, p->ldkv * sizeof(float));
                memcpy(alone.v + i * p->ldkv, p->v + rows[i] * p->ldkv, p->ldkv * sizeof(float));
            }
            add_span(&alone, 0, (uint32_t)n, 0);
            struct kv_layer own;
            struct result one = run_pack(&alone, &own, NULL);
            for (size_t i = 0; i < n; i++)
                assert_memory_equal(one.out + i * width, r.out + rows[i] * width,
                                    width * sizeof(float));
            free_result(&one);
            free_kv(&own);
            free(alone.q);
            free(alone.k);
            free(alone.v);
        }
        free_result(&r);
        free_kv(&kv);
        pack_free(p);
    }
}

// Every page ends in NaN where nothing is stored yet, and a row may not even
// see what its younger neighbours hold.
static void younger_rows_do_not_reach_older_ones(void **state)
{
    (void)state;
    const struct group one = {50, 0, {0}};
    struct pack *p = pack_make(shapes[0], &one, 1);
    struct kv_layer kv[2];
    size_t width = (size_t)p->shape.n_heads * p->shape.head_width;
    struct result clean = run_pack(p, &kv[0], NULL);
    for (size_t row = 40; row < 50; row++) {
        for (size_t i = 0; i < p->ldkv; i++) {
            p->k[row * p->ldkv + i] = NAN;
            p->v[row * p->ldkv + i] = INFINITY;
        }
    }
    struct result poisoned = run_pack(p, &kv[1], NULL);
    assert_memory_equal(clean.out, poisoned.out, 40 * width * sizeof(float));
    for (size_t row = 40; row < 50; row++)
        assert_true(isnan(poisoned.out[row * width] - poisoned.out[row * width]));
    free_result(&clean);
    free_result(&poisoned);
    free_kv(&kv[0]);
    free_kv(&kv[1]);
    pack_free(p);
}

struct gradient {
    float *dq, *dk, *dv;
};

static struct gradient run_backward(const struct pack *p, struct pool *pool)
{
    struct gradient g = {floats(p->n_rows * p->ldq), floats(p->n_rows * p->ldkv),
                         floats(p->n_rows * p->ldkv)};
    struct kv_layer kv, dkv = make_kv(p, p->n_pages);
    struct result r = run_pack(p, &kv, pool);
    memset(dkv.keys, 0, kv_layer_floats(&p->shape, p->n_pages) * sizeof(float));
    memset(dkv.values, 0, kv_layer_floats(&p->shape, p->n_pages) * sizeof(float));
    attention_backward(g.dq, p->ldq, &dkv, p->dout, r.out, r.logsumexp, p->q, p->ldq, &kv,
                       &p->shape, p->spans, p->n_spans, pool);
    for (size_t i = 0; i < p->n_copies; i++)
        kv_copy_backward(&dkv, &p->shape, p->copies[i].from, p->copies[i].to,
                         p->copies[i].n_positions);
    kv_store_backward(&dkv, &p->shape, g.dk, g.dv, p->ldkv, p->spans, p->n_spans, pool);
    free_result(&r);
    free_kv(&kv);
    free_kv(&dkv);
    return g;
}

static void free_gradient(struct gradient *g)
{
    free(g->dq);
    free(g->dk);
    free(g->dv);
}

// sum(dout * out) over the rows that see `changed`, in double.
static double reference_loss(const struct pack *p, size_t changed)
{
    double loss = 0.0, out[256];
    size_t rows[1024], H = p->shape.n_heads, D = p->shape.head_width;
    for (size_t s = 0; s < p->n_spans; s++) {
        for (size_t i = 0; i < p->spans[s].n_rows; i++) {
            size_t n = rows_seen(p, s, i, rows), row = p->spans[s].row + i;
            bool sees = false;
            for (size_t j = 0; j < n; j++)
                sees = sees || rows[j] == changed;
            for (size_t h = 0; sees && h < H; h++) {
                reference_row(out, p, rows, n, row, h);
                for (size_t d = 0; d < D; d++)
                    loss += out[d] * (double)p->dout[(row * H + h) * D + d];
            }
        }
    }
    return loss;
}

static void check_difference(const struct pack *p, float *x, size_t row, float gradient)
{
    float kept = *x, up = kept + 0x1p-10f, down = kept - 0x1p-10f;
    *x = up;
    double high = reference_loss(p, row);
    *x = down;
    double low = reference_loss(p, row);
    *x = kept;
    double want = (high - low) / ((double)up - (double)down);
    assert_true(fabs(want - (double)gradient) < 2e-4 * (1.0 + fabs(want)));
}

static void the_backward_follows_finite_differences(void **state)
{
    (void)state;
    static const struct group small[] = {{37, 3, {9, 1, 30}}, {6, 2, {4, 33}}, {32, 1, {3}}};
    for (size_t s = 0; s < 5; s++) {
        struct pack *p = pack_make(shapes[s], small, 3);
        struct gradient g = run_backward(p, NULL);
        for (size_t row = 0; row < p->n_rows; row++) {
            size_t i = (row * 7) % (p->ldq - 5), j = (row * 5) % (p->ldkv - 3);
            check_difference(p, &p->q[row * p->ldq + i], row, g.dq[row * p->ldq + i]);
            check_difference(p, &p->k[row * p->ldkv + j], row, g.dk[row * p->ldkv + j]);
            check_difference(p, &p->v[row * p->ldkv + j], row, g.dv[row * p->ldkv + j]);
        }
        free_gradient(&g);
        pack_free(p);
    }
}

static void assert_same_gradient(const struct pack *p, const struct gradient *a,
                                 const struct gradient *b)
{
    assert_memory_equal(a->dq, b->dq, p->n_rows * p->ldq * sizeof(float));
    assert_memory_equal(a->dk, b->dk, p->n_rows * p->ldkv * sizeof(float));
    assert_memory_equal(a->dv, b->dv, p->n_rows * p->ldkv * sizeof(float));
}

static void the_backward_is_the_same_for_any_kernel_and_thread_count(void **state)
{
    (void)state;
    struct pool *pool = pool_create(3);
    for (size_t s = 0; s < N_SHAPES; s++) {
        struct pack *p = pack_make(shapes[s], groups, N_GROUPS);
        struct gradient serial = run_backward(p, NULL), threaded = run_backward(p, pool);
        kernels_force(KERNELS_PORTABLE);
        struct gradient portable = run_backward(p, NULL);
        if (!kernels_force(KERNELS_AVX2)) skip();
        assert_same_gradient(p, &serial, &threaded);
        assert_same_gradient(p, &serial, &portable);
        free_gradient(&serial);
        free_gradient(&threaded);
        free_gradient(&portable);
        pack_free(p);
    }
    pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_forward_follows_a_double_reference),
        cmocka_unit_test(avx2_and_portable_forward_agree_bit_for_bit),
        cmocka_unit_test(decode_equals_the_pack_bit_for_bit),
        cmocka_unit_test(a_sequence_alone_equals_the_sequence_in_its_group),
        cmocka_unit_test(younger_rows_do_not_reach_older_ones),
        cmocka_unit_test(the_backward_follows_finite_differences),
        cmocka_unit_test(the_backward_is_the_same_for_any_kernel_and_thread_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
