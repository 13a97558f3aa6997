#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/file_kind.h"

static void other_formats_are_refused_with_the_command_that_converts_them(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        size_t size_bytes;
        const char *path, *what, *command;
    } cases[] = {
        {"PAR1\x15\x04", 6, "a/train.parquet", "a/train.parquet is Parquet",
         "read_parquet('a/train.parquet').to_json('a/train.parquet.jsonl', orient='records', "
         "lines=True)\""},
        {"ARROW1\0\0", 8, "x.arrow", "Arrow", "read_feather('x.arrow')"},
        {"\xff\xff\xff\xff\x10", 5, "x.arrow", "Arrow stream", "Dataset.from_file('x.arrow')"},
        {"\x1f\x8b\x08", 3, "HumanEval.jsonl.gz", "gzip", ": gunzip -k HumanEval.jsonl.gz"},
        {"\x28\xb5\x2f\xfd", 4, "x.zst", "zstd", "zstd -d x.zst"},
        {"PK\x03\x04", 4, "x.zip", "zip", "unzip x.zip"},
        {"\xff\xfe{\0", 4, "x.json", "UTF-16", "iconv -f UTF-16"},
        {" \n [ {", 6, "x.json", "one JSON array", "json.load(open('x.json'))"},
        {"\xef\xbb\xbf[", 4, "x.json", "one JSON array", "json.load"},
        {"q,a\n1,2\n", 8, "x.csv", "CSV", "read_csv('x.csv')"},
        {"q\ta\n", 4, "x.tsv", "tab", "sep='\\t'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        assert_int_equal(
            file_kind_want_jsonl(cases[i].head, cases[i].size_bytes, cases[i].path, &err), -1);
        assert_int_equal(err.code, ERR_USAGE);
        if (strstr(err.text, cases[i].what) == NULL || strstr(err.text, cases[i].command) == NULL)
            fail_msg("want '%s' and '%s' in: %s", cases[i].what, cases[i].command, err.text);
    }
}

static void what_may_be_jsonl_is_let_through(void **state)
{
    (void)state;
    static const char *const heads[] = {"",          "{\"a\":1}\n", "\xef\xbb\xbf{",
                                        "\r\n\r\n{", "nonsense",    "PAR"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct err err;
        assert_int_equal(file_kind_want_jsonl(heads[i], strlen(heads[i]), "x.jsonl", &err), 0);
    }
}

static void a_long_path_leaves_the_command_whole(void **state)
{
    (void)state;
    char path[1000];
    struct err err;
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    memcpy(path + 900, "/short.parquet", sizeof "/short.parquet");
    assert_int_equal(file_kind_want_jsonl("PAR1", 4, path, &err), -1);
    assert_non_null(strstr(err.text, "lines=True)\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_formats_are_refused_with_the_command_that_converts_them),
        cmocka_unit_test(what_may_be_jsonl_is_let_through),
        cmocka_unit_test(a_long_path_leaves_the_command_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
