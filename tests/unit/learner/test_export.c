#define _XOPEN_SOURCE 700 // mkdtemp

// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/base/file.h"
#include "common/model/safetensors.h"
#include "learner/export.h"
#include "learner/export_config.h"

static const struct shape shape = {.n_layers = 1,
                                   .width = 16,
                                   .n_heads = 2,
                                   .n_kv_heads = 1,
                                   .head_width = 8,
                                   .ffn_width = 24,
                                   .vocab_size = 40,
                                   .context_length = 64,
                                   .norm_epsilon = 1e-6f,
                                   .rope_theta = 1000.0};

static char folder[64]; // with a folder `from` in it
static struct params params;
static uint16_t *flat, *found;

static const char *inside(const char *name)
{
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    struct err err;

    assert_int_equal(file_write_atomic(inside(name), text, strlen(text), &err), 0);
}

static int set_up(void **state)
{
    struct err err;

    (void)state;
    snprintf(folder, sizeof folder, "build/test-export-XXXXXX");
    if (mkdtemp(folder) == NULL || file_make_folders(inside("from"), &err) != 0) return -1;
    if (params_init(&params, &shape, &err) != 0) return -1;
    flat = calloc(params.n_elements, sizeof *flat);
    found = calloc(params.n_elements, sizeof *found);
    for (size_t i = 0; i < params.n_elements; i++)
        flat[i] = (uint16_t)(0x3c00u + i % 0x300u); // small finite numbers
    put("from/config.json", "{\"a\": 1}");
    put("from/tokenizer.json", "{\"b\": 2}");
    put("from/model.safetensors", "old weights");
    put("from/notes.txt", "mine");
    return 0;
}

static int tear_down(void **state)
{
    struct err err;

    (void)state;
    free(flat);
    free(found);
    params_fini(&params);
    return file_remove_tree(folder, &err);
}

static void assert_text(const char *name, const char *want)
{
    struct err err;
    size_t size_bytes;
    char *bytes;

    if (file_read(inside(name), 1 << 16, &bytes, &size_bytes, &err) != 0) fail_msg("%s", err.text);
    assert_string_equal(bytes, want);
    free(bytes);
}

static void assert_model(void)
{
    struct err err;

    if (safetensors_read_model(inside("model"), &params, found, &err) != 0)
        fail_msg("%s", err.text);
    assert_memory_equal(found, flat, params.n_elements * sizeof *flat);
}

static void weights_and_the_files_beside_them_are_exported(void **state)
{
    struct err err;

    (void)state;
    if (export_model(inside("model"), inside("from"), &params, flat, &err) != 0)
        fail_msg("%s", err.text);
    assert_model();
    assert_text("model/config.json", "{\"a\": 1, \"torch_dtype\": \"bfloat16\"}");
    assert_text("model/tokenizer.json", "{\"b\": 2}");
    assert_false(file_exists(inside("model/notes.txt")));
    assert_false(file_exists(inside("model.tmp")));
}

static void a_config_is_kept_letter_by_letter_but_for_what_saving_changes(void **state)
{
    static const char *const cases[][2] = {
        {"{\n  \"dtype\": \"float32\",\n  \"eps\": 1e-05,\n  \"eos\": [1, 2]\n}\n",
         "{\n  \"dtype\": \"bfloat16\",\n  \"eps\": 1e-05,\n  \"eos\": [1, 2]\n}\n"},
        {"{\"a\": \"}, \\\"dtype\\\"\", \"torch_dtype\" : \"float16\" , \"b\": {\"dtype\": 1}}",
         "{\"a\": \"}, \\\"dtype\\\"\", \"torch_dtype\" : \"bfloat16\" , \"b\": {\"dtype\": 1}}"},
        {"{\"quantization_config\": {\"x\": [{}]},\n \"a\": 1, \"dtype\": \"bfloat16\"}",
         "{\"a\": 1, \"dtype\": \"bfloat16\"}"},
        {"{\"a\": 1,\n \"quantization_config\": {}, \"b\": null}",
         "{\"a\": 1, \"b\": null, \"torch_dtype\": \"bfloat16\"}"},
        {"{ \"a\": [1, 2], \"quantization_config\": 3 }",
         "{ \"a\": [1, 2], \"torch_dtype\": \"bfloat16\" }"},
        {"{ }", "{\"torch_dtype\": \"bfloat16\" }"},
        {"\n{\"quantization_config\": {}}", "\n{\"torch_dtype\": \"bfloat16\"}"},
    };
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put("from/config.json", cases[i][0]);
        if (export_config(inside("from/config.json"), inside("out.json"), &err) != 0)
            fail_msg("%s", err.text);
        assert_text("out.json", cases[i][1]);
    }
    put("from/config.json", "{\"\\u0064type\": \"float32\"}"); // "dtype", spelled otherwise
    assert_int_equal(export_config(inside("from/config.json"), inside("out.json"), &err), -1);
    put("from/config.json", "[1]");
    assert_int_equal(export_config(inside("from/config.json"), inside("out.json"), &err), -1);
    assert_non_null(strstr(err.text, "from/config.json"));
}

static void an_older_export_and_half_of_one_are_replaced(void **state)
{
    struct err err;

    (void)state;
    assert_int_equal(file_make_folders(inside("model"), &err), 0);
    assert_int_equal(file_make_folders(inside("model.tmp"), &err), 0);
    put("model/vocab.json", "of another tokenizer");
    put("model.tmp/merges.txt", "half");
    assert_int_equal(export_model(inside("model"), inside("from"), &params, flat, &err), 0);
    assert_model();
    assert_false(file_exists(inside("model/vocab.json")));
    assert_false(file_exists(inside("model/merges.txt")));
    assert_false(file_exists(inside("model.tmp")));
}

static void a_full_disk_leaves_the_older_export(void **state)
{
    struct rlimit before, tight;
    struct err err = {0};

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(export_model(inside("model"), inside("from"), &params, flat, &err), 0);
    uint16_t kept = flat[7];
    flat[7] = 0;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = 100; // the weights do not fit, the other files do
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    int status = export_model(inside("model"), inside("from"), &params, flat, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, -1);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "export of the model"));
    assert_false(file_exists(inside("model.tmp")));
    flat[7] = kept;
    assert_model();
}

static void the_hash_is_of_every_weight(void **state)
{
    const struct hash before = export_hash(&params, flat);

    (void)state;
    flat[params.n_elements - 1] ^= 1u;
    const struct hash after = export_hash(&params, flat);
    assert_false(hash_is_equal(&before, &after));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(weights_and_the_files_beside_them_are_exported),
        TEST(a_config_is_kept_letter_by_letter_but_for_what_saving_changes),
        TEST(an_older_export_and_half_of_one_are_replaced),
        TEST(a_full_disk_leaves_the_older_export),
        TEST(the_hash_is_of_every_weight),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
