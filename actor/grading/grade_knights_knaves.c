#include <string.h>

#include "actor/grading/answer.h"
#include "actor/grading/grader.h"
#include "actor/grading/words.h"

// Who is a knight and who a knave.  The reference is metadata.names and
// metadata.solution, or text such as "(1) Zoey is a knight (2) ...".  An answer
// says it in any of the ways people do:
//   Zoey is a knight, Jack and Mia are knaves      names, then their role
//   {"Zoey": "knight", "Jack": false}              true and false are roles too
//   Knights: Zoey. Knaves: Jack, Mia.              a role, then its names
// Everybody is named exactly once.  What leaves a doubt (or, if, maybe, "a
// knight/knave") is wrong.  Partial credit is reasoning-gym's: 0.3 + 0.7 x the
// share that is right, if any is.

#define PEOPLE_MAX 16

struct people {
    uint32_t count;
    struct view names[PEOPLE_MAX];
    bool is_knight[PEOPLE_MAX];
    struct view knight, knave; // what the two are called
};

// --- the reference -------------------------------------------------------------------------------

// What reasoning-gym calls the two, so that its rows can be read.
static const char *const role_pairs[][2] = {
    {"knight", "knave"}, {"pioneer", "laggard"}, {"saint", "sinner"}, {"hero", "villain"},
    {"angel", "devil"},  {"altruist", "egoist"}, {"sage", "fool"},
};
enum { N_PAIRS = sizeof role_pairs / sizeof role_pairs[0] };

static bool add_person(struct people *p, struct view name, bool is_knight)
{
    name = text_trim(name);
    if (p->count == PEOPLE_MAX || name.size_bytes == 0 || !word_starts(name, 0)) return false;
    for (uint32_t i = 0; i < p->count; i++)
        if (words_are_same(p->names[i], name)) return false;
    p->names[p->count] = name;
    p->is_knight[p->count++] = is_knight;
    return true;
}

static struct view view_of_json(struct json value)
{
    size_t size_bytes = 0;
    const char *text = json_to_string(value, &size_bytes);
    return text == NULL ? view_of_string("") : (struct view){text, size_bytes};
}

static int read_metadata(struct json metadata, struct people *out, struct err *err)
{
    struct json names = json_member(metadata, "names"),
                solution = json_member(metadata, "solution"),
                terms = json_member(metadata, "knight_knave_terms");
    size_t n = json_count(names);
    if (!json_is_array(names) || !json_is_array(solution) || n < 1 || n != json_count(solution))
        return err_set(err, ERR_FORMAT,
                       "knights_knaves: names, solution: want two lists of the same length");
    for (size_t i = 0; i < n; i++) {
        struct json is_knight = json_item(solution, i);
        if (!json_is_bool(is_knight) ||
            !add_person(out, view_of_json(json_item(names, i)), json_to_bool(is_knight)))
            return err_set(err, ERR_FORMAT,
                           "knights_knaves: want at most %d different names, and true or false "
                           "for each",
                           PEOPLE_MAX);
    }
    struct view knight = view_of_json(json_member(terms, "knight")),
                knave = view_of_json(json_member(terms, "knave"));
    if (knight.size_bytes > 0 && knave.size_bytes > 0) {
        out->knight = knight;
        out->knave = knave;
    }
    return 0;
}

static bool find_role(struct view word, struct people *out, bool *is_knight)
{
    for (size_t i = 0; i < N_PAIRS; i++)
        for (int side = 0; side < 2; side++) {
            if (!words_are_same(word, view_of_string(role_pairs[i][side]))) continue;
            out->knight = view_of_string(role_pairs[i][0]);
            out->knave = view_of_string(role_pairs[i][1]);
            *is_knight = side == 0;
            return true;
        }
    return false;
}

// "NAME is a ROLE" as often as there are people: the name is the word before.
static int read_gold_text(struct view gold, struct people *out, struct err *err)
{
    struct view name = {gold.bytes, 0};
    for (size_t at = 0; at < gold.size_bytes;) {
        if (!word_starts(gold, at)) {
            at++;
            continue;
        }
        size_t end = word_end(gold, at);
        struct view word = text_part(gold, at, end);
        bool is_knight = false;
        at = end;
        if (words_are_same(word, view_of_string("is")) ||
            words_are_same(word, view_of_string("a")) || words_are_same(word, view_of_string("an")))
            continue;
        if (!find_role(word, out, &is_knight))
            name = word;
        else if (!add_person(out, name, is_knight))
            break;
    }
    if (out->count > 0) return 0;
    return err_set(err, ERR_FORMAT,
                   "knights_knaves: the reference has neither names and solution nor "
                   "'NAME is a knight'");
}

// --- the answer ----------------------------------------------------------------------------------

enum said_kind { SAID_END, SAID_NAME, SAID_ROLE, SAID_NOT, SAID_NONE, SAID_DOUBT };

struct said {
    enum said_kind kind;
    uint32_t person; // of a name
    bool is_knight;  // of a role
};

// The role in the singular or the plural.
static bool is_role_at(struct view text, size_t at, struct view role)
{
    struct view word = text_part(text, at, word_end(text, at));
    if (words_are_same(word, role)) return true;
    if (word.size_bytes != role.size_bytes + 1) return false;
    char last = word.bytes[role.size_bytes];
    word.size_bytes--;
    return (last == 's' || last == 'S') && words_are_same(word, role);
}

static const struct known_word {
    const char *text;
    enum said_kind kind;
    bool is_knight;
} known_words[] = {
    {"true", SAID_ROLE, true},       {"truthful", SAID_ROLE, true},
    {"false", SAID_ROLE, false},     {"truth-teller", SAID_ROLE, true},
    {"liar", SAID_ROLE, false},      {"none", SAID_NONE, false},
    {"nobody", SAID_NONE, false},    {"no one", SAID_NONE, false},
    {"not", SAID_NOT, false},        {"isn", SAID_NOT, false},
    {"aren", SAID_NOT, false},       {"no", SAID_NOT, false},
    {"never", SAID_NOT, false},      {"or", SAID_DOUBT, false},
    {"if", SAID_DOUBT, false},       {"either", SAID_DOUBT, false},
    {"unless", SAID_DOUBT, false},   {"maybe", SAID_DOUBT, false},
    {"possibly", SAID_DOUBT, false}, {"probably", SAID_DOUBT, false},
};

static enum said_kind read_word(const struct people *p, struct view text, size_t at,
                                struct said *out)
{
    size_t longest = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->names[i].size_bytes <= longest || !word_is_at(text, at, p->names[i])) continue;
        longest = p->names[i].size_bytes;
        out->person = i;
    }
    if (longest > 0) return SAID_NAME;
    out->is_knight = is_role_at(text, at, p->knight);
    if (out->is_knight || is_role_at(text, at, p->knave)) return SAID_ROLE;
    char first = text.bytes[at] | 0x20; // of an ASCII letter, the small one
    for (size_t i = 0; i < sizeof known_words / sizeof known_words[0]; i++) {
        const struct known_word *known = &known_words[i];
        if (known->text[0] != first || !word_is_at(text, at, view_of_string(known->text))) continue;
        out->is_knight = known->is_knight;
        return known->kind;
    }
    return SAID_END;
}

// The next word that means something here; moves on behind it.
static struct said next_said(const struct people *p, struct view text, size_t *at)
{
    while (*at < text.size_bytes) {
        struct said out = {SAID_END, 0, false};
        size_t start = (*at)++;
        if (text.bytes[start] == '[' && *at < text.size_bytes && text.bytes[*at] == ']')
            return (struct said){SAID_NONE, 0, false};
        if (!word_starts(text, start)) continue;
        out.kind = read_word(p, text, start, &out);
        *at =
            out.kind == SAID_NAME ? start + p->names[out.person].size_bytes : word_end(text, start);
        if (out.kind != SAID_END) return out;
    }
    return (struct said){SAID_END, 0, false};
}

struct reading {
    bool is_named[PEOPLE_MAX], is_settled[PEOPLE_MAX], is_knight[PEOPLE_MAX];
    uint32_t n_named, n_pending;
};

static bool take_name(struct reading *r, uint32_t person)
{
    if (r->is_named[person]) return false;
    r->is_named[person] = true;
    r->n_named++;
    r->n_pending++;
    return true;
}

static void settle(struct reading *r, bool is_knight)
{
    for (uint32_t i = 0; i < PEOPLE_MAX; i++) {
        if (!r->is_named[i] || r->is_settled[i]) continue;
        r->is_settled[i] = true;
        r->is_knight[i] = is_knight;
    }
    r->n_pending = 0;
}

// Names, then what they are.  Roles before the first name are a heading; "a
// knight, not a knave" says the same twice.
static bool read_names_first(const struct people *p, struct view text, struct reading *r)
{
    bool is_negated = false, last_role = false;
    size_t at = 0;
    for (;;) {
        struct said said = next_said(p, text, &at);
        bool is_knight = said.is_knight != is_negated;
        if (said.kind == SAID_END) return r->n_pending == 0 && r->n_named == p->count;
        if (said.kind == SAID_DOUBT || said.kind == SAID_NONE) return false;
        if (said.kind == SAID_NOT) {
            is_negated = true;
            continue;
        }
        if (said.kind == SAID_NAME) {
            if (!take_name(r, said.person)) return false;
        } else if (r->n_pending > 0) {
            settle(r, is_knight);
            last_role = is_knight;
        } else if (r->n_named > 0 && (!is_negated || is_knight != last_role)) {
            return false;
        }
        is_negated = false;
    }
}

// A role, then who has it, or "none".
static bool read_roles_first(const struct people *p, struct view text, struct reading *r)
{
    struct said role = {SAID_END, 0, false};
    bool is_filled = true;
    size_t at = 0;
    for (;;) {
        struct said said = next_said(p, text, &at);
        if (said.kind == SAID_END) return is_filled && r->n_named == p->count;
        if (said.kind == SAID_DOUBT || said.kind == SAID_NOT) return false;
        if (said.kind == SAID_ROLE) {
            if (!is_filled) return false;
            role = said;
        } else if (said.kind == SAID_NAME) {
            if (!take_name(r, said.person)) return false;
            settle(r, role.is_knight);
        }
        is_filled = said.kind != SAID_ROLE;
    }
}

static bool read_answer(const struct people *p, struct view text, struct reading *out)
{
    *out = (struct reading){0};
    struct said first = {SAID_END, 0, false}, last = first;
    size_t at = 0;
    for (;;) {
        struct said said = next_said(p, text, &at);
        if (said.kind == SAID_END) break;
        if (said.kind == SAID_NOT || said.kind == SAID_DOUBT) continue;
        if (first.kind == SAID_END) first = said;
        last = said;
    }
    bool is_roles_first =
        first.kind == SAID_ROLE && (last.kind == SAID_NAME || last.kind == SAID_NONE);
    return is_roles_first ? read_roles_first(p, text, out) : read_names_first(p, text, out);
}

static void compare(const struct people *p, const struct grading *g, struct grade *out)
{
    struct reading r;
    if (!read_answer(p, g->answer, &r)) {
        out->hash = answer_hash(g->answer.bytes, g->answer.size_bytes);
        return;
    }
    uint32_t n_right = 0;
    for (uint32_t i = 0; i < p->count; i++)
        n_right += r.is_knight[i] == p->is_knight[i];
    out->is_correct = n_right == p->count;
    out->value = out->is_correct ? 1 : n_right == 0 ? 0 : 0.3 + 0.7 * n_right / p->count;
    out->hash = answer_hash((const char *)r.is_knight, p->count * sizeof r.is_knight[0]);
}

static int grade_knights_knaves(const struct grading *g, struct grade *out, struct err *err)
{
    struct people people = {.knight = view_of_string("knight"), .knave = view_of_string("knave")};
    struct json_document *document = NULL;
    int result = 0;
    if (g->metadata.size_bytes > 0) {
        document = json_parse(g->metadata.bytes, g->metadata.size_bytes, "knights_knaves", err);
        if (document == NULL) return -1;
    }
    if (document != NULL && json_is_present(json_member(json_root(document), "names")))
        result = read_metadata(json_root(document), &people, err);
    else
        result = read_gold_text(g->gold, &people, err);
    if (result == 0) compare(&people, g, out);
    json_destroy(document);
    return result;
}

const struct grader grader_knights_knaves = {
    .name = "knights_knaves",
    .help = "everybody named once as knight or knave, as metadata.names and .solution have it",
    .grade = grade_knights_knaves,
};
