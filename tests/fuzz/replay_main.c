/*
 * replay_main.c - runs a fuzz target over the files of a folder, without a fuzzer.
 *
 *   fuzz_NAME FOLDER
 *
 * Every input that ever broke the target is kept in its corpus, so that the
 * plain test run replays them.  An empty folder is a failure: a replay of
 * nothing would prove nothing.
 */
#define _DEFAULT_SOURCE // scandir, alphasort

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static int is_input(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int replay(const char *folder, const char *name)
{
    struct err err;
    char path[4096];
    char *bytes = NULL;
    size_t size_bytes = 0;
    if (file_join(path, sizeof path, folder, name, &err) != 0 ||
        file_read(path, (size_t)1 << 28, &bytes, &size_bytes, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    // A block of exactly the input's size: the sanitizer then sees one byte too far.
    uint8_t *exact = malloc(size_bytes > 0 ? size_bytes : 1);
    if (exact == NULL) abort();
    memcpy(exact, bytes, size_bytes);
    free(bytes);
    printf("%s\n", path); // the last one shown is the one that broke it
    fflush(stdout);
    LLVMFuzzerTestOneInput(exact, size_bytes);
    free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    struct dirent **entries = NULL;
    int n = scandir(argv[1], &entries, is_input, alphasort);
    if (n <= 0) {
        fprintf(stderr, "%s: no inputs there\n", argv[1]);
        return 1;
    }
    int status = 0;
    for (int i = 0; i < n; i++) {
        if (replay(argv[1], entries[i]->d_name) != 0) status = 1;
        free(entries[i]);
    }
    free(entries);
    printf("%d inputs\n", n);
    return status;
}
