#include "actor/data/contamination.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Fewer rows than this have nothing in common by custom.
#define COMMON_ROWS_MIN 4u

void benchmark_init(struct benchmark *b, const struct contamination_setting *setting)
{
    *b = (struct benchmark){.setting = *setting};
    gram_set_init(&b->grams);
    gram_set_init(&b->whole);
}

void benchmark_fini(struct benchmark *b)
{
    gram_set_fini(&b->grams);
    gram_set_fini(&b->whole);
    free(b->rows);
    free(b->files);
    *b = (struct benchmark){0};
}

static uint32_t add_row(struct benchmark *b, uint64_t line)
{
    if (b->n_rows == b->rows_room) {
        b->rows_room = b->rows_room == 0 ? 256 : 2 * b->rows_room;
        b->rows = realloc(b->rows, b->rows_room * sizeof *b->rows);
        CHECK(b->rows != NULL);
    }
    b->rows[b->n_rows] = (struct benchmark_row){(uint32_t)(b->n_files - 1), line};
    return (uint32_t)b->n_rows++;
}

struct adding { // of one file
    struct benchmark *benchmark;
    struct gram_set grams;
    struct canonical_words words;
    uint32_t row;
    uint64_t n_rows;
};

static void add_text(struct adding *a, const char *text, bool is_question)
{
    struct benchmark *b = a->benchmark;
    struct gram_roll roll;
    if (text == NULL) return;
    canonical_words_read(&a->words, (struct view){text, strlen(text)}, b->setting.any_number);
    if (gram_roll_begin(&roll, &a->words, b->setting.n_words)) {
        do
            gram_set_add(&a->grams, gram_roll_hash(&roll), a->row);
        while (gram_roll_next(&roll));
    } else if (is_question && a->words.n >= 2) {
        (void)gram_roll_begin(&roll, &a->words, a->words.n);
        gram_set_add(&b->whole, gram_roll_hash(&roll), a->row);
    }
}

// The question is what the user says; all else is of the solution.
static void add_content(struct adding *a, const struct row_content *c)
{
    for (size_t i = 0; i < c->conversation.n_turns; i++) {
        const struct turn *turn = &c->conversation.turns[i];
        if (strcmp(turn->role, "system") == 0) continue;
        add_text(a, turn->content, strcmp(turn->role, "user") == 0);
    }
    add_text(a, c->text, true);
    add_text(a, c->completion, false);
    add_text(a, c->answer, false);
}

static int add_line(struct adding *a, struct view line, struct err *err)
{
    const struct data_options *options = &a->benchmark->setting.options;
    struct row_content content;
    int result = -1;
    if (line.size_bytes > JSONL_LINE_BYTES_MAX)
        return err_set(err, ERR_FORMAT, "a line of %zu bytes, at most %zu", line.size_bytes,
                       JSONL_LINE_BYTES_MAX);
    struct json_document *document = json_parse(line.bytes, line.size_bytes, "row", err);
    if (document == NULL) return -1;
    const struct json row = json_root(document);
    const struct convention *convention = convention_of_row(row);
    if (convention == NULL && options->prompt_key[0] == '\0')
        err_set(err, ERR_FORMAT, "its columns are of no convention: name them (--prompt-key)");
    else
        result = convention_read(convention, options, row, &content, err);
    json_destroy(document);
    if (result != 0) return -1;
    add_content(a, &content);
    row_content_fini(&content);
    a->n_rows++;
    return 0;
}

// What most of a file's rows have in common is left out.
static void keep_grams(struct adding *a)
{
    struct benchmark *b = a->benchmark;
    const double limit = b->setting.common_share * (double)a->n_rows;
    for (size_t i = 0; i < a->grams.n_places; i++) {
        const struct gram *gram = &a->grams.places[i];
        if (gram->hash == 0) continue;
        if (gram->n_rows >= COMMON_ROWS_MIN && (double)gram->n_rows > limit)
            b->n_common++;
        else
            gram_set_merge(&b->grams, gram);
    }
}

int benchmark_add(struct benchmark *b, const char *name, struct view bytes, struct err *err)
{
    struct adding a = {.benchmark = b};
    int result = 0;
    uint64_t number = 1;
    b->files = realloc(b->files, (b->n_files + 1) * sizeof *b->files);
    CHECK(b->files != NULL);
    snprintf(b->files[b->n_files++], sizeof *b->files, "%s", name);
    gram_set_init(&a.grams);
    canonical_words_init(&a.words);
    for (size_t at = jsonl_first_line(bytes); at < bytes.size_bytes && result == 0; number++) {
        const struct view line = jsonl_next_line(bytes, &at);
        if (text_is_blank(line)) continue;
        a.row = add_row(b, number);
        result = add_line(&a, line, err);
        if (result != 0) err_prefix(err, "%s:%" PRIu64, name, number);
    }
    keep_grams(&a);
    if (result == 0 && a.n_rows == 0)
        result = err_set(err, ERR_FORMAT, "%s: no row to use in it", name);
    canonical_words_fini(&a.words);
    gram_set_fini(&a.grams);
    return result;
}

static bool found(const struct benchmark *b, const struct gram *gram, const struct gram_roll *roll,
                  struct contamination *out)
{
    const struct canonical_words *w = roll->words;
    const struct benchmark_row *row = &b->rows[gram->row];
    const size_t start = w->words[roll->first].start;
    *out = (struct contamination){
        .is_whole = roll->n == w->n && roll->n < b->setting.n_words,
        .file = b->files[row->file],
        .line = row->line,
        .words = {w->text.bytes + start, w->words[roll->first + roll->n - 1].end - start}};
    return true;
}

bool benchmark_find(const struct benchmark *b, const struct canonical_words *words,
                    struct contamination *out)
{
    struct gram_roll roll;
    if (!gram_roll_begin(&roll, words, b->setting.n_words)) {
        if (!gram_roll_begin(&roll, words, words->n)) return false;
        const struct gram *gram = gram_set_find(&b->whole, gram_roll_hash(&roll));
        return gram != NULL && found(b, gram, &roll, out);
    }
    do {
        const struct gram *gram = gram_set_find(&b->grams, gram_roll_hash(&roll));
        if (gram != NULL) return found(b, gram, &roll, out);
    } while (gram_roll_next(&roll));
    return false;
}
