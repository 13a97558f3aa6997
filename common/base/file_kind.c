#include "common/base/file_kind.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_BYTES 80 // of a path, in a command

// FILE stands for the path.
#define PANDAS(reader)                                                                             \
    "python3 -c \"import pandas as p; p." reader                                                   \
    "('FILE').to_json('FILE.jsonl', orient='records', lines=True)\""

struct kind {
    const char *magic;
    size_t magic_bytes;
    const char *what, *command;
};

#define MAGIC(text) text, sizeof text - 1
static const struct kind kinds[] = {
    {MAGIC("PAR1"), "Parquet", PANDAS("read_parquet")},
    {MAGIC("ARROW1"), "Arrow", PANDAS("read_feather")},
    {MAGIC("\xff\xff\xff\xff"), "an Arrow stream",
     "python3 -c \"import datasets as d; d.Dataset.from_file('FILE').to_json('FILE.jsonl')\""},
    {MAGIC("\x1f\x8b"), "compressed (gzip)", "gunzip -k FILE"},
    {MAGIC("\x28\xb5\x2f\xfd"), "compressed (zstd)", "zstd -d FILE"},
    {MAGIC("\xfd"
           "7zXZ"),
     "compressed (xz)", "xz -dk FILE"},
    {MAGIC("BZh"), "compressed (bzip2)", "bunzip2 -k FILE"},
    {MAGIC("PK\x03\x04"), "a zip archive", "unzip FILE"},
    {MAGIC("\xff\xfe"), "UTF-16", "iconv -f UTF-16 -t UTF-8 FILE > FILE.jsonl"},
    {MAGIC("\xfe\xff"), "UTF-16", "iconv -f UTF-16 -t UTF-8 FILE > FILE.jsonl"},
};

static const struct kind array = {
    NULL, 0, "one JSON array",
    "python3 -c \"import json; [print(json.dumps(r)) for r in json.load(open('FILE'))]\" > "
    "FILE.jsonl"};
static const struct kind csv = {NULL, 0, "CSV", PANDAS("read_csv")};
static const struct kind tsv = {
    NULL, 0, "tab-separated",
    "python3 -c \"import pandas as p; p.read_csv('FILE', sep='\\t').to_json('FILE.jsonl', "
    "orient='records', lines=True)\""};

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

static int refuse(const struct kind *kind, const char *path, struct err *err)
{
    char command[sizeof err->text];
    size_t used = 0;
    const char *base = strrchr(path, '/');
    base = base == NULL || strlen(path) <= SHOWN_BYTES ? path : base + 1;
    for (const char *at = kind->command; *at != '\0' && used + 1 < sizeof command;) {
        const bool is_place = strncmp(at, "FILE", 4) == 0;
        const int n = snprintf(command + used, sizeof command - used, "%.*s",
                               is_place ? SHOWN_BYTES : 1, is_place ? base : at);
        used += n > 0 ? (size_t)n : 0;
        at += is_place ? 4 : 1;
    }
    return err_set(err, ERR_USAGE, "%.150s is %s, and JSONL is wanted: %s", path, kind->what,
                   command);
}

static bool is_blank(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

int file_kind_want_jsonl(const void *head, size_t size_bytes, const char *path, struct err *err)
{
    const unsigned char *bytes = head;
    size_t at = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (size_bytes >= kinds[i].magic_bytes &&
            memcmp(bytes, kinds[i].magic, kinds[i].magic_bytes) == 0)
            return refuse(&kinds[i], path, err);
    if (size_bytes >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) at = 3;
    while (at < size_bytes && is_blank(bytes[at]))
        at++;
    if (at == size_bytes || bytes[at] == '{') return 0;
    if (bytes[at] == '[') return refuse(&array, path, err);
    if (ends_in(path, ".csv")) return refuse(&csv, path, err);
    if (ends_in(path, ".tsv")) return refuse(&tsv, path, err);
    return 0; // a bad first line, to be named like any other
}
