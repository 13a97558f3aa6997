#define _XOPEN_SOURCE 700 // mkdtemp

// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/rng.h"
#include "common/math/bf16.h"
#include "tests/support/golden.h"

static const struct shape shapes[] = {
    {.n_layers = 2,
     .width = 24,
     .n_heads = 4,
     .n_kv_heads = 2,
     .head_width = 10,
     .ffn_width = 36,
     .vocab_size = 37,
     .context_length = 64,
     .norm_epsilon = 1e-6f,
     .rope_theta = 1e4,
     .qk_norm = true},
    {.n_layers = 2,
     .width = 20,
     .n_heads = 2,
     .n_kv_heads = 2,
     .head_width = 10,
     .ffn_width = 33,
     .vocab_size = 41,
     .context_length = 64,
     .norm_epsilon = 1e-6f,
     .rope_theta = 1e4,
     .qkv_bias = true,
     .tied_embeddings = true},
};

static float value_of(const struct params *p, const uint16_t *flat, enum param_role role,
                      uint32_t layer, size_t i)
{
    return bf16_to_f32(flat[params_find(p, role, layer)->offset + i]);
}

// y = W x by gemm on panels against a plain sum over the flat block's rows.
static void check_panels(const struct panels *panels, const uint16_t *rows)
{
    uint32_t N = panels->n_outputs, K = panels->n_inputs;
    float *x = malloc(K * sizeof *x), *y = malloc(N * sizeof *y), *want = malloc(N * sizeof *want);
    const struct rng_key key = {.seed = 4, .domain = RNG_TEST};
    for (uint32_t k = 0; k < K; k++)
        x[k] = rng_unit(rng_at(key, k, 0, 0).word[0]) - 0.5f;
    gemm(y, N, x, K, 1, panels, NULL, NULL);
    for (uint32_t n = 0; n < N; n++) {
        double sum = 0;
        for (uint32_t k = 0; k < K; k++)
            sum += (double)x[k] * (double)bf16_to_f32(rows[(size_t)n * K + k]);
        want[n] = (float)sum;
    }
    assert_true(relative_distance(y, want, N) < 1e-6);
    free(x);
    free(y);
    free(want);
}

static void check_layer(const struct params *p, const uint16_t *flat, const struct weights *w,
                        uint32_t i)
{
    const struct shape *s = &p->shape;
    struct weights_layer layer = weights_acquire(w, i);
    uint32_t qkv_width = (s->n_heads + 2 * s->n_kv_heads) * s->head_width;
    assert_int_equal(layer.qkv.n_outputs, qkv_width);
    assert_int_equal(layer.gate_up.n_outputs, 2 * s->ffn_width);
    check_panels(&layer.qkv, flat + params_find(p, PARAM_Q, i)->offset);
    check_panels(&layer.o, flat + params_find(p, PARAM_O, i)->offset);
    check_panels(&layer.gate_up, flat + params_find(p, PARAM_GATE, i)->offset);
    check_panels(&layer.down, flat + params_find(p, PARAM_DOWN, i)->offset);
    for (uint32_t c = 0; c < s->width; c++) {
        assert_true(layer.norm_attention[c] == value_of(p, flat, PARAM_NORM_ATTENTION, i, c));
        assert_true(layer.norm_ffn[c] == value_of(p, flat, PARAM_NORM_FFN, i, c));
    }
    assert_true((layer.q_norm != NULL) == s->qk_norm && (layer.k_norm != NULL) == s->qk_norm);
    for (uint32_t d = 0; s->qk_norm && d < s->head_width; d++) {
        assert_true(layer.q_norm[d] == value_of(p, flat, PARAM_Q_NORM, i, d));
        assert_true(layer.k_norm[d] == value_of(p, flat, PARAM_K_NORM, i, d));
    }
    assert_true((layer.qkv_bias != NULL) == s->qkv_bias);
    for (uint32_t d = 0; s->qkv_bias && d < qkv_width; d++)
        assert_true(layer.qkv_bias[d] == value_of(p, flat, PARAM_Q_BIAS, i, d));
    weights_release(w, i);
}

static void every_part_of_the_flat_block_finds_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int type = PANEL_F32; type <= PANEL_BF16; type++) {
            struct params p;
            struct err err;
            assert_int_equal(params_init(&p, &shapes[i], &err), 0);
            uint16_t *flat = random_flat(&p, 6, 1.0f);
            struct weights *w = weights_create(&p, (enum panel_type)type);
            weights_load(w, flat, NULL);
            for (uint32_t layer = 0; layer < p.shape.n_layers; layer++)
                check_layer(&p, flat, w, layer);
            const uint16_t *head = flat;
            if (!p.shape.tied_embeddings)
                head = flat + params_find(&p, PARAM_HEAD, PARAM_NO_LAYER)->offset;
            check_panels(weights_head(w), head);
            const uint32_t tokens[] = {0, 17, p.shape.vocab_size - 1};
            for (size_t t = 0; t < sizeof tokens / sizeof *tokens; t++) {
                float row[64];
                weights_embed(w, tokens[t], row);
                for (uint32_t c = 0; c < p.shape.width; c++) {
                    size_t at = tokens[t] * (size_t)p.shape.width + c;
                    assert_true(row[c] == value_of(&p, flat, PARAM_EMBEDDING, PARAM_NO_LAYER, at));
                }
            }
            for (uint32_t c = 0; c < p.shape.width; c++)
                assert_true(weights_norm_final(w)[c] ==
                            value_of(&p, flat, PARAM_NORM_FINAL, PARAM_NO_LAYER, c));
            weights_destroy(w);
            free(flat);
            params_fini(&p);
        }
}

static void a_second_load_replaces_the_first_wholly(void **state)
{
    (void)state;
    struct params p;
    struct err err;
    assert_int_equal(params_init(&p, &shapes[0], &err), 0);
    uint16_t *first = random_flat(&p, 1, 1.0f), *second = random_flat(&p, 2, 1.0f);
    struct weights *w = weights_create(&p, PANEL_BF16);
    struct pool *pool = pool_create(2);
    weights_load(w, first, NULL);
    weights_load(w, second, pool);
    for (uint32_t layer = 0; layer < p.shape.n_layers; layer++)
        check_layer(&p, second, w, layer);
    assert_true(weights_bytes(&p, PANEL_BF16) < weights_bytes(&p, PANEL_F32));
    assert_true(weights_bytes(&p, PANEL_BF16) >= 2 * p.n_elements);
    pool_destroy(pool);
    weights_destroy(w);
    free(first);
    free(second);
    params_fini(&p);
}

// --- shared -----------------------------------------------------------------------------
static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "build/test-weights-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    struct err err;
    (void)state;
    return file_remove_tree(folder, &err);
}

static enum weights_origin load_named(struct weights *w, const uint16_t *flat, unsigned char name)
{
    const struct hash hash = {{name}};
    struct err why;
    enum weights_origin origin = weights_load_named(w, flat, &hash, NULL, &why);
    assert_int_equal(why.code, ERR_NONE);
    return origin;
}

static void a_version_is_packed_once_for_all_who_share_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct params p;
        struct err err;
        assert_int_equal(params_init(&p, &shapes[i], &err), 0);
        uint16_t *first = random_flat(&p, 1, 1.0f), *second = random_flat(&p, 2, 1.0f);
        struct weights *a = weights_create_shared(&p, PANEL_BF16, folder);
        struct weights *b = weights_create_shared(&p, PANEL_BF16, folder);
        assert_int_equal(load_named(a, first, 1), WEIGHTS_MADE);
        assert_int_equal(load_named(b, NULL, 1), WEIGHTS_FOUND); // nothing is read
        check_layer(&p, first, a, 0);
        check_layer(&p, first, b, 1);
        assert_int_equal(load_named(a, second, 2), WEIGHTS_MADE);
        check_layer(&p, second, a, 1);
        check_layer(&p, first, b, 1); // still what it was
        assert_int_equal(load_named(b, NULL, 2), WEIGHTS_FOUND);
        check_panels(weights_head(b),
                     second +
                         (p.shape.tied_embeddings ? 0 : params_find(&p, PARAM_HEAD, 0)->offset));
        weights_load(a, first, NULL); // and alone again
        check_layer(&p, first, a, 0);
        weights_destroy(a);
        check_layer(&p, second, b, 0);
        weights_destroy(b);
        free(first);
        free(second);
        params_fini(&p);
    }
}

static void other_panels_are_another_block(void **state)
{
    (void)state;
    struct params p;
    struct err err;
    assert_int_equal(params_init(&p, &shapes[0], &err), 0);
    uint16_t *flat = random_flat(&p, 1, 1.0f);
    struct weights *a = weights_create_shared(&p, PANEL_BF16, folder);
    struct weights *b = weights_create_shared(&p, PANEL_F32, folder);
    assert_int_equal(load_named(a, flat, 1), WEIGHTS_MADE);
    assert_int_equal(load_named(b, flat, 1), WEIGHTS_MADE);
    check_layer(&p, flat, b, 0);
    weights_destroy(a);
    weights_destroy(b);
    free(flat);
    params_fini(&p);
}

static void where_sharing_is_not_to_be_had_weights_are_loaded_all_the_same(void **state)
{
    (void)state;
    struct params p;
    struct err err, why;
    const struct hash name = {{1}};
    assert_int_equal(params_init(&p, &shapes[0], &err), 0);
    uint16_t *flat = random_flat(&p, 1, 1.0f);
    struct weights *w = weights_create_shared(&p, PANEL_BF16, "/nonexistent/folder");
    for (int again = 0; again < 2; again++) {
        assert_int_equal(weights_load_named(w, flat, &name, NULL, &why), WEIGHTS_OWN);
        assert_int_equal(why.code, ERR_IO);
        assert_non_null(strstr(why.text, "/nonexistent/folder"));
        check_layer(&p, flat, w, 1);
    }
    weights_destroy(w);
    w = weights_create(&p, PANEL_BF16);
    assert_int_equal(load_named(w, flat, 1), WEIGHTS_OWN); // nobody asked for it
    check_layer(&p, flat, w, 1);
    weights_destroy(w);
    free(flat);
    params_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_of_the_flat_block_finds_its_place),
        cmocka_unit_test(a_second_load_replaces_the_first_wholly),
        cmocka_unit_test_setup_teardown(a_version_is_packed_once_for_all_who_share_it, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(other_panels_are_another_block, make_folder, remove_folder),
        cmocka_unit_test(where_sharing_is_not_to_be_had_weights_are_loaded_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
