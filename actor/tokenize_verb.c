/*
 * `argosy tokenize`: text on standard input to ids, and back.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/text/text_buffer.h"
#include "actor/tokenizer/tokenizer.h"
#include "actor/verbs.h"
#include "common/base/log.h"

static const char usage[] =
    "usage: argosy tokenize --model DIR [--decode] [--special] [--lines] < IN > OUT\n"
    "\n"
    "  Reads text and prints its token ids, or with --decode the text of ids.\n"
    "  --special  with the tokens that the model's files put around a text (BOS)\n"
    "  --lines    every line is a text of its own, without its newline\n";

struct tokenize_options {
    const char *model;
    bool is_decoding, is_framed, by_line;
};

static int parse(int argc, char **argv, struct tokenize_options *o, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--model") == 0) {
            if (++i == argc) return err_set(err, ERR_USAGE, "--model: a folder is missing");
            o->model = argv[i];
        } else if (strcmp(argv[i], "--decode") == 0) {
            o->is_decoding = true;
        } else if (strcmp(argv[i], "--special") == 0) {
            o->is_framed = true;
        } else if (strcmp(argv[i], "--lines") == 0) {
            o->by_line = true;
        } else {
            return err_set(err, ERR_USAGE, "unexpected argument %s; see --help", argv[i]);
        }
    }
    return o->model != NULL ? 0 : err_set(err, ERR_USAGE, "--model is needed; see --help");
}

static int read_input(struct text_buffer *out, struct err *err)
{
    char block[1 << 16];
    size_t n;
    text_buffer_add_string(out, "");
    while ((n = fread(block, 1, sizeof block, stdin)) > 0) {
        if (out->size_bytes + n > TOKENIZER_TEXT_BYTES_MAX)
            return err_set(err, ERR_LIMIT, "standard input: over %zu bytes",
                           TOKENIZER_TEXT_BYTES_MAX);
        text_buffer_add(out, block, n);
    }
    return ferror(stdin) ? err_set(err, ERR_IO, "standard input: %s", strerror(errno)) : 0;
}

static int encode(const struct tokenizer *t, const struct tokenize_options *o, const char *text,
                  size_t size_bytes, struct err *err)
{
    struct token_ids ids;
    token_ids_init(&ids);
    if (o->is_framed) tokenizer_add_prefix(t, &ids);
    int result = tokenizer_encode(t, text, size_bytes, &ids, err);
    if (o->is_framed) tokenizer_add_suffix(t, &ids);
    for (size_t i = 0; result == 0 && i < ids.count; i++)
        printf("%s%" PRIu32, i == 0 ? "" : " ", ids.items[i]);
    if (result == 0) putchar('\n');
    token_ids_fini(&ids);
    return result;
}

static int decode(const struct tokenizer *t, const char *text, size_t size_bytes, struct err *err)
{
    struct token_ids ids;
    token_ids_init(&ids);
    int result = 0;
    for (size_t at = 0; at < size_bytes && result == 0;) {
        if (strchr(" \t\r\n,[]", text[at]) != NULL && text[at] != '\0') {
            at++;
            continue;
        }
        uint64_t id = 0;
        size_t start = at;
        for (; at < size_bytes && text[at] >= '0' && text[at] <= '9' && id < UINT32_MAX; at++)
            id = 10 * id + (uint64_t)(text[at] - '0');
        if (at == start || id >= tokenizer_id_limit(t))
            result = err_set(err, ERR_FORMAT, "want ids below %" PRIu32 " at byte %zu",
                             tokenizer_id_limit(t), start);
        else
            token_ids_add(&ids, (uint32_t)id);
    }
    if (result == 0) {
        size_t out_bytes;
        char *out = tokenizer_decode(t, ids.items, ids.count, false, &out_bytes);
        fwrite(out, 1, out_bytes, stdout);
        free(out);
    }
    token_ids_fini(&ids);
    return result;
}

static int convert(const struct tokenizer *t, const struct tokenize_options *o,
                   const struct text_buffer *in, struct err *err)
{
    size_t at = 0;
    do {
        size_t size_bytes = in->size_bytes - at;
        const char *newline = o->by_line ? memchr(in->bytes + at, '\n', size_bytes) : NULL;
        if (newline != NULL) size_bytes = (size_t)(newline - (in->bytes + at));
        int result = o->is_decoding ? decode(t, in->bytes + at, size_bytes, err)
                                    : encode(t, o, in->bytes + at, size_bytes, err);
        if (result != 0) return -1;
        if (o->by_line && o->is_decoding) putchar('\n');
        at += size_bytes + (newline != NULL);
    } while (at < in->size_bytes);
    return fflush(stdout) == 0 ? 0 : err_set(err, ERR_IO, "standard output: %s", strerror(errno));
}

int tokenize_verb(int argc, char **argv)
{
    struct tokenize_options options = {0};
    struct err err;
    log_init("tokenize", LOG_INFO);
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    struct tokenizer *t = NULL;
    struct text_buffer in;
    text_buffer_init(&in);
    int result = parse(argc, argv, &options, &err);
    if (result == 0) result = (t = tokenizer_read(options.model, &err)) == NULL ? -1 : 0;
    if (result == 0) result = read_input(&in, &err);
    if (result == 0) result = convert(t, &options, &in, &err);
    text_buffer_fini(&in);
    tokenizer_destroy(t);
    if (result == 0) return 0;
    log_line(LOG_ERROR, "%s", err.text);
    return err_exit_status(&err);
}
