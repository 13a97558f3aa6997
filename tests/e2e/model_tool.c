/*
 * model_tool - what the end-to-end tests ask of a model's folder.
 *
 *   model_tool export FROM TO BYTES   FROM as a stage would export it, in files of
 *                                     at most so many bytes
 *   model_tool logits FOLDER ID...    the logits after each id, raw fp32, on stdout
 *   model_tool load FOLDER [SHARE]    reads and packs the weights (shared with others
 *                                     who meet in SHARE); says how long that took and
 *                                     what memory it left in use, and so again for each
 *                                     line of stdin, until its end
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/processors.h"
#include "common/model/forward.h"
#include "common/model/safetensors.h"
#include "learner/export.h"

#define IDS_MAX 4096u

struct model {
    struct params params;
    uint16_t *flat;
};

static int open_model(struct model *m, const char *folder, struct err *err)
{
    struct shape shape;
    if (shape_read(&shape, folder, err) != 0 || params_init(&m->params, &shape, err) != 0)
        return -1;
    m->flat = malloc(m->params.n_elements * sizeof *m->flat);
    CHECK(m->flat != NULL);
    return safetensors_read_model(folder, &m->params, m->flat, err);
}

static void close_model(struct model *m)
{
    free(m->flat);
    params_fini(&m->params);
}

static int export_folder(char **arguments, struct err *err)
{
    struct model m = {0};
    int status = open_model(&m, arguments[0], err);
    if (status == 0)
        status = export_model_sharded(arguments[1], arguments[0], &m.params, m.flat,
                                      strtoull(arguments[2], NULL, 10), err);
    close_model(&m);
    return status;
}

static int read_ids(char **texts, uint32_t *ids, uint32_t vocab_size, struct err *err)
{
    uint32_t n = 0;
    for (; texts[n] != NULL; n++) {
        ids[n] = (uint32_t)strtoul(texts[n], NULL, 10);
        if (ids[n] >= vocab_size || n + 1 == IDS_MAX)
            return err_set(err, ERR_USAGE, "%s: no id of this model, or too many", texts[n]);
    }
    return (int)n;
}

static void print_logits(const struct model *m, const uint32_t *ids, uint32_t n)
{
    const struct shape *s = &m->params.shape;
    uint32_t pages[IDS_MAX / KV_PAGE];
    for (uint32_t i = 0; i < IDS_MAX / KV_PAGE; i++)
        pages[i] = i;
    const struct span span = {.n_rows = n, .pages = pages};
    const struct chunk chunk = {.tokens = ids, .n_rows = n, .spans = &span, .n_spans = 1};
    float *hidden = malloc((size_t)n * s->width * sizeof *hidden);
    float *logits = malloc((size_t)n * s->vocab_size * sizeof *logits);
    CHECK(hidden != NULL && logits != NULL);

    struct kv kv;
    struct weights *w = weights_create(&m->params, PANEL_BF16);
    struct forward_scratch *scratch = forward_scratch_create(s, n);
    kv_init(&kv, s, n / KV_PAGE + 1);
    weights_load(w, m->flat, NULL);
    forward(hidden, w, &kv, &chunk, NULL, scratch, NULL);
    forward_logits(logits, w, hidden, n, NULL);
    fwrite(logits, sizeof *logits, (size_t)n * s->vocab_size, stdout);

    kv_fini(&kv);
    forward_scratch_destroy(scratch);
    weights_destroy(w);
    free(hidden);
    free(logits);
}

static int show_logits(char **arguments, struct err *err)
{
    struct model m = {0};
    uint32_t ids[IDS_MAX];
    int status = open_model(&m, arguments[0], err);
    if (status == 0) {
        int n = read_ids(arguments + 1, ids, m.params.shape.vocab_size, err);
        if (n > 0) print_logits(&m, ids, (uint32_t)n);
        status = n > 0 ? 0 : -1;
    }
    close_model(&m);
    return status;
}

// Of everything in use, and of that a fair share where others use it too.
static void print_memory(const char *when)
{
    static const char *const names[] = {"Rss:", "Pss:", "Pss_Anon:", "Pss_Shmem:"};
    struct err err;
    char *text;
    size_t size_bytes;
    if (file_read("/proc/self/smaps_rollup", 1 << 16, &text, &size_bytes, &err) != 0) return;
    printf("%s:", when);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *at = strstr(text, names[i]);
        if (at != NULL) printf(" %s %ld", names[i], strtol(at + strlen(names[i]), NULL, 10) / 1024);
    }
    printf(" MiB\n");
    fflush(stdout);
    free(text);
}

static int load_folder(char **arguments, struct err *err)
{
    static const char *const origins[] = {"its own", "shared", "found"};
    const char *share = arguments[1] != NULL ? arguments[1] : "";
    struct model m = {0};
    const uint64_t start_ms = clock_now_ms();
    int status = open_model(&m, arguments[0], err);
    if (status == 0) {
        const uint64_t read_ms = clock_now_ms();
        const struct hash name = hash_of(m.flat, m.params.n_elements * sizeof *m.flat);
        const uint64_t hashed_ms = clock_now_ms();
        struct pool *pool = pool_create((unsigned)processors_usable());
        struct weights *w = weights_create_shared(&m.params, PANEL_BF16, share);
        struct err why;
        enum weights_origin origin = weights_load_named(w, m.flat, &name, pool, &why);
        printf("read %llu ms, packed %llu ms: %s%s%s\n", (unsigned long long)(read_ms - start_ms),
               (unsigned long long)(clock_now_ms() - hashed_ms), origins[origin],
               why.code == ERR_NONE ? "" : ", because ", why.text);
        print_memory("with the flat block");
        free(m.flat);
        m.flat = NULL;
        print_memory("without");
        for (int c; (c = getchar()) != EOF;)
            if (c == '\n') print_memory("now");
        weights_destroy(w);
        pool_destroy(pool);
    }
    close_model(&m);
    return status;
}

int main(int argc, char **argv)
{
    struct err err;
    int status = -1;
    if (argc == 5 && strcmp(argv[1], "export") == 0)
        status = export_folder(argv + 2, &err);
    else if (argc > 3 && strcmp(argv[1], "logits") == 0)
        status = show_logits(argv + 2, &err);
    else if ((argc == 3 || argc == 4) && strcmp(argv[1], "load") == 0)
        status = load_folder(argv + 2, &err);
    else
        err_set(&err, ERR_USAGE, "see the head of %s.c for the arguments", argv[0]);
    if (status != 0) fprintf(stderr, "model_tool: %s\n", err.text);
    return status == 0 ? 0 : 1;
}
