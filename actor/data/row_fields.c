#include "actor/data/row_fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/data/permutation.h"
#include "actor/text/text_buffer.h"

int row_split(const struct served_files *files, bool holds_out, struct jsonl *train,
              struct jsonl *held_out, struct err *err)
{
    bool has_train = files->roles[FILES_TRAIN].count > 0;
    bool has_eval = files->roles[FILES_EVAL].count > 0;
    if (holds_out && has_eval)
        return err_set(err, ERR_USAGE, "spec.task.hold_out: there is an eval file already");
    if (!has_train && !has_eval)
        return err_set(err, ERR_USAGE, "spec.files: neither train nor eval names a file");
    enum jsonl_part part = holds_out ? JSONL_KEPT : JSONL_ALL;
    if (has_train && jsonl_init(train, files, FILES_TRAIN, part, err) != 0) return -1;
    if (has_eval) return jsonl_init(held_out, files, FILES_EVAL, JSONL_ALL, err);
    if (holds_out) return jsonl_init(held_out, files, FILES_TRAIN, JSONL_HELD_OUT, err);
    return 0;
}

struct json_document *row_read(const struct jsonl *rows, bool is_shuffled, uint64_t seed,
                               uint64_t n, struct jsonl_line *line, struct err *err)
{
    if (rows->n_rows == 0) {
        err_set(err, ERR_USAGE, "no data file for this kind of prompt was named in spec.files");
        return NULL;
    }
    uint64_t row = n % rows->n_rows;
    uint32_t epoch = (uint32_t)(n / rows->n_rows);
    if (is_shuffled) row = permutation_at(seed, epoch, rows->n_rows, row);
    *line = jsonl_line_at(rows, row);
    return jsonl_parse(rows, line, err);
}

static char *number_text(struct json value)
{
    char text[64];
    if (json_is_integer(value)) {
        snprintf(text, sizeof text, "%" PRId64, json_to_i64(value));
    } else {
        double number = json_to_double(value);
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof text, "%.*g", digits, number);
            if (strtod(text, NULL) == number) break;
        }
    }
    return text_copy(text, strlen(text));
}

int row_text(struct json value, const char *what, char **out, struct err *err)
{
    size_t size_bytes;
    const char *text = json_to_string(value, &size_bytes);
    *out = NULL;
    if (text != NULL && strlen(text) == size_bytes)
        *out = text_copy(text, size_bytes);
    else if (text == NULL && json_is_number(value))
        *out = number_text(value);
    if (*out != NULL) return 0;
    return err_set(err, ERR_FORMAT, "%s: want text or a number%s", what,
                   text != NULL              ? ", it holds a character 0"
                   : !json_is_present(value) ? ", it is absent"
                                             : "");
}

int row_text_of(struct json row, const char *const *keys, const char *option, char **out,
                struct err *err)
{
    char what[80];
    for (size_t i = 0; keys[i] != NULL; i++) {
        struct json value = json_member(row, keys[i]);
        if (!json_is_present(value)) continue;
        snprintf(what, sizeof what, "column '%s'", keys[i]);
        return row_text(value, what, out, err);
    }
    *out = NULL;
    return err_set(err, ERR_FORMAT, "none of the usual columns (%s, ...): set %s", keys[0], option);
}

char *row_json(struct json value)
{
    struct json_writer w;
    json_writer_init(&w);
    json_put_value(&w, NULL, value);
    return w.bytes;
}

uint32_t row_level(struct json row, const char *key)
{
    struct json value = json_member(row, key);
    if (json_is_number(value)) {
        double level = json_to_double(value);
        return level > 0 && level < 1000 ? (uint32_t)level : 0;
    }
    const char *text = json_to_string(value, NULL);
    if (text == NULL) return 0;
    while (*text != '\0' && (*text < '0' || *text > '9'))
        text++;
    unsigned long level = strtoul(text, NULL, 10);
    return level < 1000 ? (uint32_t)level : 0;
}
