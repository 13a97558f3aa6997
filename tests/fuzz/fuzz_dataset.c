/*
 * fuzz_dataset.c - any bytes as data files make a dataset or a reason; its rows
 * are the same whenever they are asked for; every convention reads every row or
 * says why not; and a benchmark finds itself in itself.
 *
 * The first byte is flags, the rest one or two files, cut at the first byte 1.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "actor/data/contamination.h"
#include "actor/data/dataset.h"
#include "common/base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

enum { SHUFFLED = 1, SKIPS = 2, HELD_OUT = 4, WEIGHTS = 8, KEYS = 16, ANY_NUMBER = 32, KEPT = 64 };

static int accept(struct row_content *c, struct err *err)
{
    if (c->conversation.n_turns > 0 || c->text != NULL) return 0;
    return err_set(err, ERR_FORMAT, "nothing in it");
}

static void check_same(const struct row_content *a, const struct row_content *b)
{
    CHECK(a->conversation.n_turns == b->conversation.n_turns && a->level == b->level);
    for (size_t i = 0; i < a->conversation.n_turns; i++)
        CHECK(strcmp(a->conversation.turns[i].content, b->conversation.turns[i].content) == 0);
    CHECK((a->answer == NULL) == (b->answer == NULL));
    CHECK(a->answer == NULL || strcmp(a->answer, b->answer) == 0);
    CHECK(a->source != NULL && strcmp(a->source, b->source) == 0);
}

static void ask(const struct dataset *d)
{
    const uint64_t count = dataset_count(d);
    CHECK(count > 0);
    for (uint64_t i = 0; i < 12; i++) {
        const uint64_t n = i < 8 ? i : i * UINT64_C(0x1234567);
        struct row_content a, b;
        struct err err = {0};
        const uint32_t attempt = i % 3 == 2 ? (uint32_t)i : 0;
        if (dataset_read(d, n, attempt, &a, &err) != 0) {
            CHECK(err.code == ERR_FORMAT && err.text[0] != '\0');
            continue;
        }
        CHECK(dataset_read(d, n, attempt, &b, &err) == 0);
        check_same(&a, &b);
        row_content_fini(&a);
        row_content_fini(&b);
    }
}

static void read_by_all(struct view bytes)
{
    const struct data_options none = {0};
    int left = 8;
    for (size_t at = jsonl_first_line(bytes); at < bytes.size_bytes && left > 0; left--) {
        const struct view line = jsonl_next_line(bytes, &at);
        struct err err = {0};
        struct json_document *d = json_parse(line.bytes, line.size_bytes, "row", &err);
        for (size_t i = 0; d != NULL && i < n_conventions; i++) {
            struct row_content c;
            if (convention_read(&conventions[i], &none, json_root(d), &c, &err) == 0)
                row_content_fini(&c);
            else
                CHECK(err.code == ERR_FORMAT && err.text[0] != '\0');
        }
        json_destroy(d);
    }
}

static void find_in_itself(struct view bytes, bool any_number)
{
    const struct contamination_setting setting = {
        .n_words = 3, .common_share = 1, .any_number = any_number};
    struct benchmark b;
    struct canonical_words w;
    struct err err = {0};
    benchmark_init(&b, &setting);
    canonical_words_init(&w);
    if (benchmark_add(&b, "f", bytes, &err) != 0) CHECK(err.text[0] != '\0');
    canonical_words_read(&w, bytes, any_number);
    struct contamination match;
    if (benchmark_find(&b, &w, &match))
        CHECK(match.line > 0 && match.words.size_bytes > 0 &&
              match.words.bytes + match.words.size_bytes <= w.text.bytes + w.text.size_bytes);
    canonical_words_fini(&w);
    benchmark_fini(&b);
}

static void open_and_ask(int flags, const struct served_file *served, size_t n)
{
    struct served_files *files = calloc(1, sizeof *files);
    struct dataset *d = calloc(1, sizeof *d);
    CHECK(files != NULL && d != NULL);
    files->skips_bad_rows = flags & SKIPS;
    for (size_t i = 0; i < n; i++) {
        struct data_file *file = &files->roles[FILES_TRAIN].files[i];
        file->file = &served[i];
        if (flags & WEIGHTS) file->options.weight = (double)i + 0.5;
        if (flags & KEYS) memcpy(file->options.prompt_key, "p", 2);
    }
    files->roles[FILES_TRAIN].count = n;
    const struct dataset_setting setting = {.files = files,
                                            .role = FILES_TRAIN,
                                            .part = flags & HELD_OUT ? JSONL_HELD_OUT
                                                    : flags & KEPT   ? JSONL_KEPT
                                                                     : JSONL_ALL,
                                            .is_shuffled = flags & SHUFFLED,
                                            .seed = (uint64_t)flags,
                                            .accept = accept};
    struct err err = {0};
    if (dataset_open(d, &setting, &err) == 0)
        ask(d);
    else
        CHECK(err.code != ERR_NONE && err.text[0] != '\0');
    dataset_close(d);
    free(d);
    free(files);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    if (size_bytes == 0) return 0;
    log_init("fuzz", LOG_ERROR);
    const int flags = bytes[0];
    const uint8_t *rest = bytes + 1, *cut = memchr(rest, 1, size_bytes - 1);
    const size_t n_first = cut == NULL ? size_bytes - 1 : (size_t)(cut - rest);
    // files are only read
    struct served_file served[2] = {
        {.name = "data/a.jsonl", .bytes = (unsigned char *)(uintptr_t)rest, .size_bytes = n_first},
        {.name = "b.jsonl"}};
    if (cut != NULL) {
        served[1].bytes = (unsigned char *)(uintptr_t)(cut + 1);
        served[1].size_bytes = size_bytes - 2 - n_first;
    }
    open_and_ask(flags, served, cut == NULL ? 1 : 2);
    const struct view all = {(const char *)rest, n_first};
    read_by_all(all);
    find_in_itself(all, flags & ANY_NUMBER);
    return 0;
}
