#include "actor/tokenizer/pretokenizer.h"

#include <stdlib.h>
#include <string.h>

// What ByteLevel cuts by when it is told to: contractions, runs of letters,
// digits or other signs with at most one space before them, runs of space.
#define BYTE_LEVEL_PATTERN                                                                         \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

void pieces_init(struct pieces *p)
{
    *p = (struct pieces){0};
}

void pieces_fini(struct pieces *p)
{
    free(p->items);
    *p = (struct pieces){0};
}

static void pieces_add(struct pieces *p, size_t start, size_t size_bytes)
{
    if (size_bytes == 0) return;
    if (p->count == p->room) {
        p->room = p->room == 0 ? 64 : 2 * p->room;
        p->items = realloc(p->items, p->room * sizeof *p->items);
        CHECK(p->items != NULL);
    }
    p->items[p->count++] = (struct piece){start, size_bytes};
}

// --- reading -------------------------------------------------------------------------------------

static int add_step(struct pretokenizer *p, const char *pattern, bool keep_matches, bool keep_gaps,
                    struct err *err)
{
    if (p->byte_level)
        return err_set(err, ERR_FORMAT, "pre_tokenizer: a step after ByteLevel is not implemented");
    if (p->n_steps == PRETOKENIZER_STEPS_MAX)
        return err_set(err, ERR_LIMIT, "pre_tokenizer: more than %d steps", PRETOKENIZER_STEPS_MAX);
    struct tokenizer_regex *regex = tokenizer_regex_create(pattern, err);
    if (regex == NULL) return err_prefix(err, "pre_tokenizer");
    p->steps[p->n_steps++] = (struct pretokenizer_step){regex, keep_matches, keep_gaps};
    return 0;
}

static int read_split(struct pretokenizer *p, struct json value, struct err *err)
{
    struct json pattern = json_member(value, "pattern");
    const char *regex = json_to_string(json_member(pattern, "Regex"), NULL);
    size_t literal_bytes;
    const char *literal = json_to_string(json_member(pattern, "String"), &literal_bytes);
    const char *behavior = json_to_string(json_member(value, "behavior"), NULL);
    bool invert = json_to_bool(json_member(value, "invert"));
    if (regex == NULL && literal == NULL)
        return err_set(err, ERR_FORMAT, "pre_tokenizer: Split needs pattern.Regex or .String");
    bool isolated = behavior != NULL && strcmp(behavior, "Isolated") == 0;
    if (!isolated && (behavior == NULL || strcmp(behavior, "Removed") != 0))
        return err_set(err, ERR_FORMAT, "pre_tokenizer: Split behavior '%s' is not implemented",
                       behavior == NULL ? "" : behavior);
    char *escaped = regex != NULL ? NULL : tokenizer_regex_escape(literal, literal_bytes);
    int result =
        add_step(p, regex != NULL ? regex : escaped, isolated || invert, isolated || !invert, err);
    free(escaped);
    return result;
}

static int read_byte_level(struct pretokenizer *p, struct json value, struct err *err)
{
    if (json_to_bool(json_member(value, "add_prefix_space")))
        return err_set(err, ERR_FORMAT,
                       "pre_tokenizer: ByteLevel with add_prefix_space is not implemented");
    struct json use_regex = json_member(value, "use_regex");
    bool cut = !json_is_bool(use_regex) || json_to_bool(use_regex);
    if (cut && add_step(p, BYTE_LEVEL_PATTERN, true, true, err) != 0) return -1;
    p->byte_level = true;
    return 0;
}

static int read_step(struct pretokenizer *p, struct json value, struct err *err)
{
    const char *type = json_to_string(json_member(value, "type"), NULL);
    if (type == NULL) return err_set(err, ERR_FORMAT, "pre_tokenizer: no type");
    if (strcmp(type, "Split") == 0) return read_split(p, value, err);
    if (strcmp(type, "ByteLevel") == 0) return read_byte_level(p, value, err);
    if (strcmp(type, "WhitespaceSplit") == 0) return add_step(p, "\\s", false, true, err);
    if (strcmp(type, "Digits") == 0) {
        bool each = json_to_bool(json_member(value, "individual_digits"));
        return add_step(p, each ? "\\p{N}" : "\\p{N}+", true, true, err);
    }
    return err_set(err, ERR_FORMAT, "pre_tokenizer: '%.60s' is not implemented", type);
}

int pretokenizer_init(struct pretokenizer *p, struct json value, struct err *err)
{
    *p = (struct pretokenizer){0};
    if (!json_is_present(value)) return 0;
    const char *type = json_to_string(json_member(value, "type"), NULL);
    int result = 0;
    if (type != NULL && strcmp(type, "Sequence") == 0) {
        struct json list = json_member(value, "pretokenizers");
        for (size_t i = 0; i < json_count(list) && result == 0; i++)
            result = read_step(p, json_item(list, i), err);
    } else {
        result = read_step(p, value, err);
    }
    if (result != 0) pretokenizer_fini(p);
    return result;
}

void pretokenizer_fini(struct pretokenizer *p)
{
    for (size_t i = 0; i < p->n_steps; i++)
        tokenizer_regex_destroy(p->steps[i].regex);
    *p = (struct pretokenizer){0};
}

// --- cutting -------------------------------------------------------------------------------------

// Each piece is a text of its own: a pattern does not look beyond its ends.
static int cut_piece(const struct pretokenizer_step *step, struct regex_scan *scan,
                     const char *text, struct piece piece, struct pieces *out, struct err *err)
{
    size_t at = 0;
    while (at < piece.size_bytes) {
        size_t start, end;
        int found = tokenizer_regex_find(step->regex, scan, text + piece.start, piece.size_bytes,
                                         at, &start, &end, err);
        if (found < 0) return -1;
        if (found == 0) break;
        if (step->keep_gaps) pieces_add(out, piece.start + at, start - at);
        if (step->keep_matches) pieces_add(out, piece.start + start, end - start);
        at = end;
    }
    if (step->keep_gaps) pieces_add(out, piece.start + at, piece.size_bytes - at);
    return 0;
}

int pretokenizer_cut(const struct pretokenizer *p, struct regex_scan *scan, const char *text,
                     size_t size_bytes, struct pieces *out, struct pieces *spare, struct err *err)
{
    out->count = 0;
    pieces_add(out, 0, size_bytes);
    for (size_t s = 0; s < p->n_steps; s++) {
        struct pieces swap = *spare;
        *spare = *out;
        *out = swap;
        out->count = 0;
        for (size_t i = 0; i < spare->count; i++)
            if (cut_piece(&p->steps[s], scan, text, spare->items[i], out, err) != 0) return -1;
    }
    return 0;
}
