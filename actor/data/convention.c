#include "actor/data/convention.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/data/row_fields.h"
#include "actor/text/text_buffer.h"

#define FIRST_ROWS 8u // that show a file's convention

void row_content_fini(struct row_content *c)
{
    conversation_fini(&c->conversation);
    free(c->text);
    free(c->answer);
    free(c->completion);
    free(c->metadata);
    free(c->source);
    free(c->maker);
    *c = (struct row_content){0};
}

const struct convention *convention_find(const char *name)
{
    for (size_t i = 0; i < n_conventions; i++)
        if (strcmp(conventions[i].name, name) == 0) return &conventions[i];
    return NULL;
}

const struct convention *convention_of_row(struct json row)
{
    for (size_t i = 0; i < n_conventions; i++)
        if (conventions[i].fits(row)) return &conventions[i];
    return NULL;
}

// --- a file's ------------------------------------------------------------------------------------

static const struct convention *named(const char *name, struct err *err)
{
    const struct convention *found = convention_find(name);
    struct text_buffer list;
    if (found != NULL) return found;
    text_buffer_init(&list);
    for (size_t i = 0; i < n_conventions; i++)
        text_buffer_printf(&list, "%s%s", i == 0 ? "" : ", ", conventions[i].name);
    err_set(err, ERR_USAGE, "convention: want one of %s, got '%s'", list.bytes, name);
    text_buffer_fini(&list);
    return NULL;
}

static int refuse_row(struct json row, struct err *err)
{
    char columns[200];
    size_t used = 0;
    columns[0] = '\0';
    for (void *it = json_first(row); it != NULL && used < sizeof columns; it = json_next(row, it)) {
        const int n = snprintf(columns + used, sizeof columns - used, "%s%.40s",
                               used == 0 ? "" : ", ", json_key(it));
        used += n > 0 ? (size_t)n : 0;
    }
    return err_set(err, ERR_FORMAT,
                   "a row with the columns %s is of no convention: set prompt_key and answer_key "
                   "(a task) or prompt_key and completion_key (a corpus)",
                   columns);
}

// Whether a row can be read by another's convention after all: one without its
// "####" is still GSM8K's.
static bool is_readable(const struct convention *convention, struct json row)
{
    const struct data_options none = {0};
    struct row_content content;
    struct err ignored;
    if (convention_read(convention, &none, row, &content, &ignored) != 0) return false;
    row_content_fini(&content);
    return true;
}

// The first row decides, the others must not speak against it.
static int look_at(struct json row, bool skips, const struct convention **first, struct err *err)
{
    const struct convention *found = convention_of_row(row);
    if (found == NULL && skips) return 0;
    if (found == NULL) return refuse_row(row, err);
    if (*first == NULL) *first = found;
    if (found == *first || skips || is_readable(*first, row)) return 0;
    return err_set(err, ERR_FORMAT, "a row like %s, after one like %s: name its convention",
                   found->name, (*first)->name);
}

// Rows that do not parse show nothing; they are met again when they are drawn.
const struct convention *convention_of_file(const struct jsonl *j, size_t file, bool skips,
                                            struct err *err)
{
    const struct jsonl_file *f = &j->files[file];
    const struct data_options *options = &f->data->options;
    const struct convention *first = NULL;
    if (options->convention[0] != '\0') return named(options->convention, err);
    err_set(err, ERR_FORMAT, "%s: no row to use in it", f->data->file->name);
    for (uint64_t i = 0; i < FIRST_ROWS && i < f->n_rows; i++) {
        const struct jsonl_line line = jsonl_line_at(j, f->first_row + i);
        struct json_document *document = jsonl_parse(j, &line, err);
        if (document == NULL) continue;
        const int result = look_at(json_root(document), skips, &first, err);
        json_destroy(document);
        if (result == 0) continue;
        jsonl_blame(j, &line, err);
        return NULL;
    }
    return first;
}

// --- a row's -------------------------------------------------------------------------------------

static void take_source(struct json row, const char *key, char **out)
{
    size_t size_bytes;
    const char *text = json_to_string(json_member(row, key), &size_bytes);
    if (text == NULL || size_bytes == 0 || strlen(text) != size_bytes) return;
    free(*out);
    *out = text_copy(text, size_bytes < NAME_BYTES_MAX ? size_bytes : NAME_BYTES_MAX - 1);
}

static int replace_text(struct json row, const char *key, char **text, struct err *err)
{
    char what[SPEC_STRING_BYTES + 16];
    if (key[0] == '\0') return 0;
    snprintf(what, sizeof what, "column '%s'", key);
    free(*text);
    return row_text(json_member(row, key), what, text, err);
}

static int replace_prompt(struct json row, const char *key, struct row_content *out,
                          struct err *err)
{
    char what[SPEC_STRING_BYTES + 16];
    snprintf(what, sizeof what, "column '%s'", key);
    conversation_fini(&out->conversation);
    return turns_read(json_member(row, key), what, &out->conversation, err);
}

// Only what nobody named is looked for in the usual places.
static int read_columns(const struct data_options *o, struct json row, struct row_content *out,
                        struct err *err)
{
    static const char *const prompts[] = {"prompt", "question", "problem", "quiz", "input", NULL};
    static const char *const answers[] = {"answer", "label", "ground_truth", "solution", NULL};
    char *prompt = NULL;
    if (o->prompt_key[0] == '\0') {
        if (row_text_of(row, prompts, "prompt_key", &prompt, err) != 0) return -1;
        conversation_add(&out->conversation, "user", (struct view){prompt, strlen(prompt)});
        free(prompt);
    }
    if (o->answer_key[0] == '\0' && o->completion_key[0] == '\0' &&
        row_text_of(row, answers, "answer_key", &out->answer, err) != 0)
        return -1;
    out->metadata = row_json(row);
    out->grader = "exact";
    return 0;
}

static void read_level(const struct data_options *o, struct json row, struct row_content *out)
{
    if (o->level_key[0] != '\0') {
        out->level = row_level(row, o->level_key);
        return;
    }
    if (out->level == 0) out->level = row_level(row, "level");
    if (out->level == 0) out->level = row_level(row, "difficulty");
}

int convention_read(const struct convention *convention, const struct data_options *o,
                    struct json row, struct row_content *out, struct err *err)
{
    *out = (struct row_content){0};
    int result =
        convention == NULL ? read_columns(o, row, out, err) : convention->read(row, out, err);
    if (result == 0 && o->prompt_key[0] != '\0')
        result = replace_prompt(row, o->prompt_key, out, err);
    if (result == 0) result = replace_text(row, o->answer_key, &out->answer, err);
    if (result == 0) result = replace_text(row, o->completion_key, &out->completion, err);
    if (result != 0) {
        row_content_fini(out);
        return -1;
    }
    read_level(o, row, out);
    if (out->grader == NULL && convention != NULL) out->grader = convention->grader;
    if (o->source_key[0] != '\0') take_source(row, o->source_key, &out->source);
    return 0;
}

// --- parts ---------------------------------------------------------------------------------------

static int turn_read(struct json turn, const char *what, size_t number, struct conversation *out,
                     struct err *err)
{
    static const struct {
        const char *from, *role;
    } roles[] = {{"human", "user"}, {"gpt", "assistant"}};
    struct json role = json_member(turn, "role"), content = json_member(turn, "content");
    size_t role_bytes, size_bytes;
    if (!json_is_present(role)) role = json_member(turn, "from");
    if (!json_is_present(content)) content = json_member(turn, "value");
    const char *name = json_to_string(role, &role_bytes);
    const char *text = json_to_string(content, &size_bytes);
    if (name == NULL || strlen(name) != role_bytes || role_bytes >= SPEC_STRING_BYTES)
        return err_set(err, ERR_FORMAT, "%s: turn %zu: role: want text", what, number);
    if (text == NULL || strlen(text) != size_bytes)
        return err_set(err, ERR_FORMAT, "%s: turn %zu: content: want text%s", what, number,
                       text != NULL ? ", it holds a character 0" : "");
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (strcmp(name, roles[i].from) == 0) name = roles[i].role;
    conversation_add(out, name, (struct view){text, size_bytes});
    return 0;
}

int turns_read(struct json value, const char *what, struct conversation *out, struct err *err)
{
    const size_t n = json_count(value);
    if (!json_is_array(value)) {
        char *text;
        if (row_text(value, what, &text, err) != 0) return -1;
        conversation_add(out, "user", (struct view){text, strlen(text)});
        free(text);
        return 0;
    }
    if (n == 0 || n > CONVENTION_TURNS_MAX)
        return err_set(err, ERR_FORMAT, "%s: want 1 to %d turns, found %zu", what,
                       CONVENTION_TURNS_MAX, n);
    for (size_t i = 0; i < n; i++)
        if (turn_read(json_item(value, i), what, i + 1, out, err) != 0) return -1;
    return 0;
}

static bool contains(const char *text, const char *word)
{
    for (; *text != '\0'; text++) {
        size_t i = 0;
        while (word[i] != '\0' && tolower((unsigned char)text[i]) == word[i])
            i++;
        if (word[i] == '\0') return true;
    }
    return false;
}

const char *grader_of_source(const char *source)
{
    static const struct {
        const char *word, *grader;
    } known[] = {
        {"countdown", "countdown"},
        {"knights", "knights_knaves"},
        {"kk_logic", "knights_knaves"},
        {"gsm8k", "math"},
        {"math", "math"},
        {"aime", "math"},
        {"amc", "math"},
        {"olympiad", "math"},
        {"minerva", "math"},
        {"deepscaler", "math"},
        {"numina", "math"},
        {"gpqa", "choice"},
        {"mmlu", "choice"},
        {"multiple_choice", "choice"},
        {"humaneval", "code"},
        {"mbpp", "code"},
        {"code", "code"},
        {"apps", "code"},
        {"taco", "code"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (contains(source, known[i].word)) return known[i].grader;
    return NULL;
}
