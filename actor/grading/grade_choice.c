#include <string.h>

#include "actor/grading/answer.h"
#include "actor/grading/grader.h"
#include "actor/grading/words.h"

// Multiple choice, A to J.  The reference is a letter ("B", "(B)") or, where
// metadata.choices or .options lists the choices (a list, or a map from letter
// to text), the text of one.  An answer may be
//   B   (b)   B.   B) Paris   Answer: B   \text{(B)}   **B**   option B   Paris
// Another letter beside it ("B or C", "(A) ... (B)") leaves it open: wrong, and
// so is a letter whose text is another choice's.

#define CHOICES_MAX 10
#define NO_CHOICE (-1)

struct choices {
    uint32_t count; // 0: not listed
    struct view texts[CHOICES_MAX];
};

// --- the choices ---------------------------------------------------------------------------------

static int letter_index(char c)
{
    if (c >= 'A' && c < 'A' + CHOICES_MAX) return c - 'A';
    if (c >= 'a' && c < 'a' + CHOICES_MAX) return c - 'a';
    return NO_CHOICE;
}

static bool set_choice(struct choices *out, int at, struct json value)
{
    size_t size_bytes;
    const char *text = json_to_string(value, &size_bytes);
    if (text == NULL || at < 0 || at >= CHOICES_MAX) return false;
    out->texts[at] = text_trim((struct view){text, size_bytes});
    if ((uint32_t)at + 1 > out->count) out->count = (uint32_t)at + 1;
    return true;
}

static bool read_choices(struct json metadata, struct choices *out)
{
    struct json list = json_member(metadata, "choices");
    if (!json_is_present(list)) list = json_member(metadata, "options");
    if (!json_is_present(list)) return true;
    if (json_is_object(list)) {
        for (void *it = json_first(list); it != NULL; it = json_next(list, it)) {
            const char *key = json_key(it);
            if (strlen(key) != 1 || !set_choice(out, letter_index(key[0]), json_value(list, it)))
                return false;
        }
    } else {
        if (!json_is_array(list)) return false;
        for (size_t i = 0; i < json_count(list); i++)
            if (!set_choice(out, i < CHOICES_MAX ? (int)i : NO_CHOICE, json_item(list, i)))
                return false;
    }
    for (uint32_t i = 0; i < out->count; i++)
        if (out->texts[i].bytes == NULL) return false;
    return out->count > 0;
}

// --- peeling -------------------------------------------------------------------------------------

static bool strip_around(struct view *text, const char *open, const char *close)
{
    size_t before = strlen(open), after = strlen(close);
    if (text->size_bytes < before + after + 1 || memcmp(text->bytes, open, before) != 0 ||
        memcmp(text->bytes + text->size_bytes - after, close, after) != 0)
        return false;
    *text = text_trim(text_part(*text, before, text->size_bytes - after));
    return true;
}

// Marks around the whole that say nothing: LaTeX, emphasis, quotes, final dots.
static struct view peel(struct view text)
{
    enum { LAYERS_MAX = 16 };
    static const char *const pairs[][2] = {
        {"\\boxed{", "}"},  {"\\text{", "}"}, {"\\textbf{", "}"}, {"\\mathrm{", "}"},
        {"\\mathbf{", "}"}, {"$", "$"},       {"\\(", "\\)"},     {"**", "**"},
        {"*", "*"},         {"`", "`"},       {"\"", "\""},       {"'", "'"},
    };
    for (int layer = 0; layer < LAYERS_MAX; layer++) {
        text = text_trim(text);
        while (text.size_bytes > 1 && text.bytes[text.size_bytes - 1] == '.')
            text.size_bytes--;
        size_t i = 0, n = sizeof pairs / sizeof pairs[0];
        while (i < n && !strip_around(&text, pairs[i][0], pairs[i][1]))
            i++;
        if (i == n) break;
    }
    return text;
}

// "The correct answer is: " before what is said.
static struct view skip_phrase(struct view text)
{
    static const char *const words[] = {"the", "correct", "final",  "best",   "right", "answer",
                                        "is",  "option",  "choice", "letter", "would", "be"};
    enum { WORDS_MAX = 12 };
    size_t at = 0;
    for (int word = 0; word <= WORDS_MAX; word++) {
        while (at < text.size_bytes && strchr(" :=\n\t*", text.bytes[at]) != NULL &&
               text.bytes[at] != '\0')
            at++;
        size_t i = 0, n = sizeof words / sizeof words[0];
        while (i < n && !(word_starts(text, at) && word_is_at(text, at, view_of_string(words[i]))))
            i++;
        if (i == n) break;
        at = word_end(text, at);
    }
    return at == text.size_bytes ? text : peel(text_part(text, at, text.size_bytes));
}

// --- reading -------------------------------------------------------------------------------------

static int find_text(const struct choices *c, struct view text)
{
    int found = NO_CHOICE;
    text = peel(text);
    for (uint32_t i = 0; i < c->count; i++) {
        if (!words_are_same(text, c->texts[i]) && !words_are_same(text, peel(c->texts[i])))
            continue;
        if (found != NO_CHOICE) return NO_CHOICE; // two choices with one text
        found = (int)i;
    }
    return found;
}

static int letter_of(const struct choices *c, char letter)
{
    int at = letter_index(letter);
    return c->count > 0 && at >= (int)c->count ? NO_CHOICE : at;
}

static bool is_at(struct view text, size_t at, const char *any)
{
    return at < text.size_bytes && text.bytes[at] != '\0' && strchr(any, text.bytes[at]) != NULL;
}

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_bracketed(struct view text, size_t at)
{
    return at > 0 && is_at(text, at - 1, "([{") && is_at(text, at + 1, ")]}");
}

// A word of one letter that is named beside others: "(C)", "or C", ", C", "/ C".
static bool is_named(struct view text, size_t at)
{
    if (!word_starts(text, at) || word_end(text, at) != at + 1) return false;
    if (is_bracketed(text, at)) return true;
    if (!is_capital(text.bytes[at])) return false;
    // an article, or a name's initial
    if (is_at(text, at + 1, " ") && at + 2 < text.size_bytes && word_is_part(text.bytes[at + 2]) &&
        !is_capital(text.bytes[at + 2]))
        return false;
    size_t before = at;
    while (before > 0 && is_at(text, before - 1, " *("))
        before--;
    if (before > 0 && is_at(text, before - 1, ",/&|;")) return true;
    static const char *const joints[] = {"or", "and", "not"};
    for (size_t i = 0; i < sizeof joints / sizeof joints[0]; i++) {
        size_t n = strlen(joints[i]);
        if (before >= n && word_starts(text, before - n) &&
            word_is_at(text_part(text, 0, before), before - n, view_of_string(joints[i])))
            return true;
    }
    return false;
}

// The one letter that is named from `from` on; NO_CHOICE for none or several.
static int only_named(const struct choices *c, struct view text, size_t from, int found)
{
    for (size_t at = from; at < text.size_bytes; at++) {
        if (!is_named(text, at)) continue;
        int letter = letter_of(c, text.bytes[at]);
        if (letter == NO_CHOICE || letter == found) continue;
        if (found != NO_CHOICE) return NO_CHOICE;
        found = letter;
    }
    return found;
}

// "B", "(b)", "B) Paris", "B. Paris", "B: because ...".
static int read_leading(const struct choices *c, struct view text)
{
    size_t at = is_at(text, 0, "([") ? 1 : 0;
    if (!word_starts(text, at) || word_end(text, at) != at + 1) return NO_CHOICE;
    int letter = letter_of(c, text.bytes[at]);
    if (letter == NO_CHOICE) return NO_CHOICE;
    size_t rest = at + 1;
    bool is_marked = at == 1 || is_at(text, rest, ").:,-]*");
    if (rest == text.size_bytes) return letter;
    // "b because" and "A dog" are no letters
    if (!is_marked &&
        (!is_capital(text.bytes[at]) || text.bytes[at] == 'A' || text.bytes[at] == 'I'))
        return NO_CHOICE;
    if (at == 0 && !is_marked && !is_at(text, rest, " \n\t/&|;")) return NO_CHOICE;
    while (is_at(text, rest, ").:,-]* \n\t"))
        rest++;
    int other = find_text(c, text_part(text, rest, text.size_bytes));
    if (other != NO_CHOICE) return other == letter ? letter : NO_CHOICE;
    return only_named(c, text, at + 1, letter);
}

// "B; no, (C)" begins with a choice that was not clear; "I choose" with a word.
static bool is_leading(const struct choices *c, struct view text)
{
    bool is_letter =
        word_starts(text, 0) && word_end(text, 0) == 1 && letter_of(c, text.bytes[0]) != NO_CHOICE;
    return is_letter && !(is_at(text, 1, " ") && text.size_bytes > 2 &&
                          word_is_part(text.bytes[2]) && !is_capital(text.bytes[2]));
}

static bool has_denial(struct view text)
{
    static const char *const words[] = {"not", "isn", "neither", "nor", "except", "cannot"};
    for (size_t at = 0; at < text.size_bytes; at++) {
        if (!word_starts(text, at)) continue;
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
            if (word_is_at(text, at, view_of_string(words[i]))) return true;
    }
    return false;
}

// "I choose (B)": no letter is named but the one in brackets.
static int read_bracketed(const struct choices *c, struct view text)
{
    for (size_t at = 0; at < text.size_bytes; at++) {
        if (!word_starts(text, at) || !is_named(text, at) || !is_bracketed(text, at)) continue;
        int letter = letter_of(c, text.bytes[at]);
        if (letter != NO_CHOICE) return only_named(c, text, 0, letter);
    }
    return NO_CHOICE;
}

static int read_choice(const struct choices *c, struct view text)
{
    struct view tries[] = {peel(text), skip_phrase(peel(text))};
    for (int i = 0; i < 2; i++) {
        struct view t = tries[i];
        bool is_letter = t.size_bytes == 1 || (t.size_bytes == 3 && is_bracketed(t, 1));
        int found = is_letter ? letter_of(c, t.bytes[t.size_bytes / 2]) : NO_CHOICE;
        if (found == NO_CHOICE) found = find_text(c, t);
        if (found != NO_CHOICE) return found;
    }
    int found = read_leading(c, tries[1]);
    if (found != NO_CHOICE) return found;
    return is_leading(c, tries[1]) || has_denial(tries[1]) ? NO_CHOICE
                                                           : read_bracketed(c, tries[1]);
}

static int grade_choice(const struct grading *g, struct grade *out, struct err *err)
{
    struct json_document *document = NULL;
    struct choices choices = {0};
    if (g->metadata.size_bytes > 0) {
        document = json_parse(g->metadata.bytes, g->metadata.size_bytes, "choice", err);
        if (document == NULL) return -1;
    }
    int result = 0, gold = NO_CHOICE;
    if (document != NULL && !read_choices(json_root(document), &choices))
        result = err_set(err, ERR_FORMAT,
                         "choice: choices: want a list of at most %d texts, or a map from letters",
                         CHOICES_MAX);
    if (result == 0 && (gold = read_choice(&choices, g->gold)) == NO_CHOICE)
        result = err_set(err, ERR_FORMAT, "choice: the reference '%.*s' is none of the choices",
                         (int)(g->gold.size_bytes < 40 ? g->gold.size_bytes : 40), g->gold.bytes);
    if (result == 0) {
        int said = read_choice(&choices, g->answer);
        out->is_correct = said == gold;
        out->value = out->is_correct ? 1 : 0;
        out->hash = said == NO_CHOICE ? answer_hash(g->answer.bytes, g->answer.size_bytes)
                                      : answer_hash((const char *)&said, sizeof said);
    }
    json_destroy(document);
    return result;
}

const struct grader grader_choice = {
    .name = "choice",
    .help = "a letter from A to J, or the text of that choice",
    .grade = grade_choice,
};
