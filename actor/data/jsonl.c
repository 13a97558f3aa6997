#include "actor/data/jsonl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hash.h"

static void add_row(struct jsonl *j, uint64_t *room, struct jsonl_row row)
{
    if (j->n_rows == *room) {
        *room = *room == 0 ? 1024 : 2 * *room;
        j->rows = realloc(j->rows, *room * sizeof *j->rows);
        CHECK(j->rows != NULL);
    }
    j->rows[j->n_rows++] = row;
}

static bool is_wanted(struct view line, enum jsonl_part part)
{
    if (text_is_blank(line)) return false;
    if (part == JSONL_ALL) return true;
    bool is_held_out = checksum_of(line.bytes, line.size_bytes) % JSONL_HOLDOUT == 0;
    return is_held_out == (part == JSONL_HELD_OUT);
}

static struct view line_at(struct view bytes, size_t start)
{
    size_t end = text_find(bytes, "\n", start);
    return text_part(bytes, start, end == TEXT_NOWHERE ? bytes.size_bytes : end);
}

static void index_file(struct jsonl *j, uint32_t file, enum jsonl_part part, uint64_t *room)
{
    struct view bytes = served_file_bytes(j->files[file]);
    uint32_t line = 1;
    for (size_t start = 0; start < bytes.size_bytes; line++) {
        struct view text = line_at(bytes, start);
        if (is_wanted(text, part)) add_row(j, room, (struct jsonl_row){file, line, start});
        start += text.size_bytes + 1;
    }
}

int jsonl_init(struct jsonl *j, const struct served_files *files, enum file_role role,
               enum jsonl_part part, struct err *err)
{
    static const char *const names[FILE_ROLES] = {"train", "eval", "sft"};
    *j = (struct jsonl){.n_files = files->roles[role].count};
    if (j->n_files == 0)
        return err_set(err, ERR_USAGE, "spec.files.%s: no file is named", names[role]);
    uint64_t room = 0;
    for (uint32_t i = 0; i < j->n_files; i++) {
        j->files[i] = files->roles[role].files[i];
        index_file(j, i, part, &room);
    }
    if (j->n_rows == 0)
        return err_set(err, ERR_FORMAT, "%s: no row to use in it", j->files[0]->name);
    return 0;
}

void jsonl_fini(struct jsonl *j)
{
    free(j->rows);
    *j = (struct jsonl){0};
}

int jsonl_blame(const struct jsonl *j, uint64_t row, struct err *err)
{
    return err_prefix(err, "%s:%" PRIu32, jsonl_file_name(j, row), j->rows[row].line);
}

const char *jsonl_file_name(const struct jsonl *j, uint64_t row)
{
    return j->files[j->rows[row].file]->name;
}

struct json_document *jsonl_read(const struct jsonl *j, uint64_t row, struct err *err)
{
    const struct jsonl_row *r = &j->rows[row];
    struct view line = line_at(served_file_bytes(j->files[r->file]), r->start);
    struct json_document *document = NULL;
    if (line.size_bytes > JSONL_LINE_BYTES_MAX) {
        err_set(err, ERR_FORMAT, "a line of %zu bytes, at most %zu", line.size_bytes,
                JSONL_LINE_BYTES_MAX);
    } else {
        document = json_parse(line.bytes, line.size_bytes, "row", err);
    }
    if (document != NULL && !json_is_object(json_root(document))) {
        err_set(err, ERR_FORMAT, "want an object");
        json_destroy(document);
        document = NULL;
    }
    if (document == NULL) {
        err->code = ERR_FORMAT;
        jsonl_blame(j, row, err);
    }
    return document;
}
