// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/model/params.h"

static struct shape small_shape(void)
{
    return (struct shape){.n_layers = 3,
                          .width = 16,
                          .n_heads = 4,
                          .n_kv_heads = 2,
                          .head_width = 6,
                          .ffn_width = 20,
                          .vocab_size = 30,
                          .context_length = 64,
                          .norm_epsilon = 1e-6f,
                          .rope_theta = 1e4};
}

static struct params make(const struct shape *shape)
{
    struct params p;
    struct err err;
    assert_int_equal(params_init(&p, shape, &err), 0);
    return p;
}

static void parameters_follow_one_another_without_gaps(void **state)
{
    (void)state;
    for (int features = 0; features < 8; features++) {
        struct shape s = small_shape();
        s.qk_norm = features & 1;
        s.qkv_bias = features & 2;
        s.tied_embeddings = features & 4;
        struct params p = make(&s);
        size_t at = 0;
        for (size_t i = 0; i < p.count; i++) {
            assert_int_equal(p.table[i].offset, at);
            at += (size_t)p.table[i].rows * p.table[i].cols;
        }
        assert_int_equal(at, p.n_elements);
        params_fini(&p);
    }
}

static void a_model_has_as_many_elements_as_its_dimensions_say(void **state)
{
    (void)state;
    struct shape s = small_shape();
    struct params p = make(&s);
    size_t layer = 16 + (24 + 12 + 12) * 16 + 16 * 24 + 16 + 3 * 20 * 16;
    assert_int_equal(p.n_elements, 2 * 30 * 16 + 16 + 3 * layer);
    params_fini(&p);

    s.tied_embeddings = s.qk_norm = s.qkv_bias = true;
    p = make(&s);
    layer += 2 * 6 + 48;
    assert_int_equal(p.n_elements, 30 * 16 + 16 + 3 * layer);
    params_fini(&p);
}

static void every_parameter_is_found_by_role_and_by_name(void **state)
{
    (void)state;
    for (int features = 0; features < 8; features++) {
        struct shape s = small_shape();
        s.qk_norm = features & 1;
        s.qkv_bias = features & 2;
        s.tied_embeddings = features & 4;
        struct params p = make(&s);
        for (size_t i = 0; i < p.count; i++) {
            const struct param *param = &p.table[i];
            assert_ptr_equal(params_find(&p, param->role, param->layer), param);
            assert_ptr_equal(params_find_name(&p, param->name), param);
        }
        params_fini(&p);
    }
}

static void what_a_model_lacks_is_not_found(void **state)
{
    (void)state;
    struct shape s = small_shape();
    s.tied_embeddings = true;
    struct params p = make(&s);
    assert_null(params_find(&p, PARAM_HEAD, PARAM_NO_LAYER));
    assert_null(params_find(&p, PARAM_Q_NORM, 0));
    assert_null(params_find(&p, PARAM_K_BIAS, 0));
    assert_null(params_find(&p, PARAM_Q, 3));
    assert_null(params_find(&p, PARAM_Q, PARAM_NO_LAYER));
    assert_null(params_find_name(&p, "lm_head.weight"));
    assert_null(params_find_name(&p, "model.layers.3.self_attn.q_proj.weight"));
    assert_null(params_find_name(&p, "model.layers.18446744073709551616.mlp.up_proj.weight"));
    assert_null(params_find_name(&p, "model.layers.00.mlp.up_proj.weight"));
    assert_null(params_find_name(&p, "model.layers."));
    assert_null(params_find_name(&p, ""));
    params_fini(&p);
}

static void what_is_multiplied_as_one_matrix_is_contiguous(void **state)
{
    (void)state;
    struct shape s = small_shape();
    s.qkv_bias = true;
    struct params p = make(&s);
    for (uint32_t layer = 0; layer < s.n_layers; layer++) {
        size_t q = params_find(&p, PARAM_Q, layer)->offset;
        assert_int_equal(params_find(&p, PARAM_K, layer)->offset, q + 24 * 16);
        assert_int_equal(params_find(&p, PARAM_V, layer)->offset, q + 36 * 16);
        size_t bias = params_find(&p, PARAM_Q_BIAS, layer)->offset;
        assert_int_equal(params_find(&p, PARAM_K_BIAS, layer)->offset, bias + 24);
        assert_int_equal(params_find(&p, PARAM_V_BIAS, layer)->offset, bias + 36);
        assert_int_equal(params_find(&p, PARAM_UP, layer)->offset,
                         params_find(&p, PARAM_GATE, layer)->offset + 20 * 16);
    }
    params_fini(&p);
}

static void matrices_decay_and_vectors_do_not(void **state)
{
    (void)state;
    struct shape s = small_shape();
    s.qk_norm = s.qkv_bias = true;
    struct params p = make(&s);
    for (size_t i = 0; i < p.count; i++) {
        bool is_vector = strstr(p.table[i].name, "norm") || strstr(p.table[i].name, "bias");
        assert_true(param_is_decayed(&p.table[i]) == !is_vector);
    }
    params_fini(&p);
}

static void a_shape_with_a_zero_is_refused(void **state)
{
    (void)state;
    struct shape s = small_shape();
    struct params p;
    struct err err;
    s.n_layers = 0;
    assert_int_equal(params_init(&p, &s, &err), -1);
    s = small_shape();
    s.n_kv_heads = 3;
    assert_int_equal(params_init(&p, &s, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_follow_one_another_without_gaps),
        cmocka_unit_test(a_model_has_as_many_elements_as_its_dimensions_say),
        cmocka_unit_test(every_parameter_is_found_by_role_and_by_name),
        cmocka_unit_test(what_a_model_lacks_is_not_found),
        cmocka_unit_test(what_is_multiplied_as_one_matrix_is_contiguous),
        cmocka_unit_test(matrices_decay_and_vectors_do_not),
        cmocka_unit_test(a_shape_with_a_zero_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
