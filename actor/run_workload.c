#include "actor/run_workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPEC_FILE "actor_spec.json"
#define SPEC_FILE_BYTES_MAX ((size_t)64 << 20)
#define PATH_BYTES 4096

static int map_file(struct run_workload *r, struct json entry, struct err *err)
{
    const char *name, *path;
    if (r->n_files == FILES_MAX)
        return err_set(err, ERR_FORMAT, "%s: more than %d files", SPEC_FILE, FILES_MAX);
    if (json_get_string(entry, "name", &name, err) != 0 ||
        json_get_string(entry, "path", &path, err) != 0 ||
        file_map(&r->maps[r->n_files], path, err) != 0)
        return -1;
    struct served_file *file = &r->files[r->n_files];
    snprintf(file->name, sizeof file->name, "%s", name);
    // Served files are only read, whoever holds them.
    file->bytes = (unsigned char *)(uintptr_t)r->maps[r->n_files].bytes;
    file->size_bytes = r->maps[r->n_files].size_bytes;
    file->is_mapped = true;
    r->n_files++;
    return 0;
}

// The spec as its actors got it: the text of the member, written again.
static int take_spec(struct run_workload *r, struct json root, struct err *err)
{
    struct json spec = json_member(root, "spec");
    if (!json_is_object(spec))
        return err_set(err, ERR_FORMAT, "%s: 'spec': want an object", SPEC_FILE);
    struct json_writer out;
    json_writer_init(&out);
    json_put_value(&out, NULL, spec);
    r->spec = out.bytes;
    return 0;
}

int run_workload_open(struct run_workload *r, const char *run_folder, struct err *err)
{
    char path[PATH_BYTES];
    *r = (struct run_workload){0};
    if (file_join(path, sizeof path, run_folder, SPEC_FILE, err) != 0) return -1;
    struct json_document *document = json_read_file(path, SPEC_FILE_BYTES_MAX, err);
    if (document == NULL) return -1;
    struct json root = json_root(document), files = json_member(root, "files");
    int result = take_spec(r, root, err);
    for (size_t i = 0; i < json_count(files) && result == 0; i++)
        result = map_file(r, json_item(files, i), err);
    json_destroy(document);
    if (result == 0) {
        r->workload = workload_create(r->spec, r->files, r->n_files, err);
        result = r->workload == NULL ? -1 : 0;
    }
    if (result != 0) run_workload_close(r);
    return result;
}

void run_workload_close(struct run_workload *r)
{
    workload_destroy(r->workload);
    for (size_t i = 0; i < r->n_files; i++)
        file_unmap(&r->maps[i]);
    free(r->spec);
    *r = (struct run_workload){0};
}
