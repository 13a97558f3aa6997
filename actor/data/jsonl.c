#include "actor/data/jsonl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file_kind.h"
#include "common/base/hash.h"

// Lines between two moments at which what was read is let go of.
#define FORGET_BYTES ((size_t)256 << 20)

struct view jsonl_next_line(struct view bytes, size_t *at)
{
    const char *start = bytes.bytes + *at;
    const size_t left = bytes.size_bytes - *at;
    const char *end = memchr(start, '\n', left);
    size_t size_bytes = end == NULL ? left : (size_t)(end - start);
    *at += end == NULL ? left : size_bytes + 1;
    if (size_bytes > 0 && start[size_bytes - 1] == '\r') size_bytes--;
    return (struct view){start, size_bytes};
}

size_t jsonl_first_line(struct view bytes)
{
    const bool has_mark = bytes.size_bytes >= 3 && memcmp(bytes.bytes, "\xef\xbb\xbf", 3) == 0;
    return has_mark ? 3 : 0;
}

static bool is_wanted(struct view line, enum jsonl_part part)
{
    if (line.size_bytes == 0 || (line.bytes[0] != '{' && text_is_blank(line))) return false;
    if (part == JSONL_ALL) return true;
    bool is_held_out = checksum_of(line.bytes, line.size_bytes) % JSONL_HOLDOUT == 0;
    return is_held_out == (part == JSONL_HELD_OUT);
}

static void add_mark(struct jsonl *j, size_t *room, struct jsonl_mark mark)
{
    if (j->n_marks == *room) {
        *room = *room == 0 ? 256 : *room + *room / 2;
        j->marks = realloc(j->marks, *room * sizeof *j->marks);
        CHECK(j->marks != NULL);
    }
    j->marks[j->n_marks++] = mark;
}

static int index_file(struct jsonl *j, const struct data_file *data, size_t *room, struct err *err)
{
    struct view bytes = served_file_bytes(data->file);
    struct jsonl_file *file = &j->files[j->n_files++];
    *file = (struct jsonl_file){data, j->n_rows, 0, j->n_marks};
    if (file_kind_want_jsonl(bytes.bytes, bytes.size_bytes, data->file->name, err) != 0) return -1;
    uint64_t number = 1;
    size_t forgotten = 0;
    for (size_t at = jsonl_first_line(bytes); at < bytes.size_bytes; number++) {
        const size_t start = at;
        if (!is_wanted(jsonl_next_line(bytes, &at), j->part)) continue;
        if (file->n_rows++ % JSONL_STRIDE == 0)
            add_mark(j, room, (struct jsonl_mark){start, number});
        if (at - forgotten < FORGET_BYTES) continue;
        served_file_forget(data->file);
        forgotten = at;
    }
    served_file_forget(data->file);
    j->n_rows += file->n_rows;
    return 0;
}

int jsonl_init(struct jsonl *j, const struct served_files *files, enum file_role role,
               enum jsonl_part part, struct err *err)
{
    *j = (struct jsonl){.part = part};
    if (files->roles[role].count == 0)
        return err_set(err, ERR_USAGE, "spec.files.%s: no file is named", file_role_name(role));
    size_t room = 0;
    for (size_t i = 0; i < files->roles[role].count; i++)
        if (index_file(j, &files->roles[role].files[i], &room, err) != 0) return -1;
    if (j->n_rows == 0)
        return err_set(err, ERR_FORMAT, "%s: no row to use in it", j->files[0].data->file->name);
    return 0;
}

void jsonl_fini(struct jsonl *j)
{
    free(j->marks);
    *j = (struct jsonl){0};
}

struct jsonl_line jsonl_line_at(const struct jsonl *j, uint64_t row)
{
    CHECK(row < j->n_rows);
    size_t low = 0, high = j->n_files; // the last file whose first row is not after it
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (j->files[middle].first_row <= row)
            low = middle;
        else
            high = middle;
    }
    const struct jsonl_file *file = &j->files[low];
    const struct view bytes = served_file_bytes(file->data->file);
    uint64_t left = (row - file->first_row) % JSONL_STRIDE;
    const struct jsonl_mark mark =
        j->marks[file->first_mark + (row - file->first_row) / JSONL_STRIDE];
    struct jsonl_line line = {.file = (uint32_t)low, .number = mark.line};
    for (size_t at = mark.start;; line.number++) {
        line.text = jsonl_next_line(bytes, &at);
        if (is_wanted(line.text, j->part) && left-- == 0) return line;
    }
}

int jsonl_blame(const struct jsonl *j, const struct jsonl_line *line, struct err *err)
{
    err->code = ERR_FORMAT;
    return err_prefix(err, "%s:%" PRIu64, j->files[line->file].data->file->name, line->number);
}

struct json_document *jsonl_parse(const struct jsonl *j, const struct jsonl_line *line,
                                  struct err *err)
{
    struct json_document *document = NULL;
    if (line->text.size_bytes > JSONL_LINE_BYTES_MAX) {
        err_set(err, ERR_FORMAT, "a line of %zu bytes, at most %zu", line->text.size_bytes,
                JSONL_LINE_BYTES_MAX);
    } else {
        document = json_parse(line->text.bytes, line->text.size_bytes, "row", err);
    }
    if (document != NULL && !json_is_object(json_root(document))) {
        err_set(err, ERR_FORMAT, "want an object");
        json_destroy(document);
        document = NULL;
    }
    if (document == NULL) jsonl_blame(j, line, err);
    return document;
}
