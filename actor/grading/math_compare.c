#include "actor/grading/math_compare.h"

#include <string.h>

#include "actor/grading/math_hash.h"
#include "actor/grading/math_parser.h"
#include "actor/grading/math_same.h"
#include "actor/grading/math_text.h"

struct reading {
    struct math_node *tree; // NULL: text
    bool is_ambiguous;
};

static struct reading read_answer(struct math_work *w, struct view text, enum math_reading how)
{
    struct math_tokens tokens;
    struct reading out = {NULL, false};
    if (!math_tokens_read(w, text, how, &tokens)) return out;
    out.is_ambiguous = tokens.is_ambiguous;
    out.tree = math_parse(w, &tokens);
    return out;
}

static bool is_same_view(struct view a, struct view b)
{
    return a.size_bytes == b.size_bytes &&
           (a.size_bytes == 0 || memcmp(a.bytes, b.bytes, a.size_bytes) == 0);
}

static bool is_text(const struct reading *r)
{
    return r->tree == NULL || r->tree->kind == MATH_TEXT;
}

static bool begins_with_zero(struct view text)
{
    text = text_trim(text);
    size_t at = text.size_bytes > 0 && text.bytes[0] == '-' ? 1 : 0;
    return text.size_bytes > at + 1 && text.bytes[at] == '0' && text.bytes[at + 1] == ',';
}

// The commas read in other ways: 1,234 as a pair on either side; 3,14 as a
// decimal in the answer alone, where the reference is one number.
static bool is_same_otherwise(struct math_work *w, struct view gold, struct view answer,
                              const struct reading *g, const struct reading *a)
{
    struct reading golds[3] = {*g, {NULL, false}, {NULL, false}};
    struct reading answers[3] = {*a, {NULL, false}, {NULL, false}};
    if (g->is_ambiguous) golds[1] = read_answer(w, gold, READ_COMMAS);
    if (a->is_ambiguous) answers[1] = read_answer(w, answer, READ_COMMAS);
    if (a->is_ambiguous && g->tree != NULL && g->tree->kind != MATH_LIST)
        answers[2] = read_answer(w, answer, READ_DECIMAL_COMMA);
    // 0,5 can be nothing else
    if (g->is_ambiguous && begins_with_zero(gold))
        golds[2] = read_answer(w, gold, READ_DECIMAL_COMMA);
    for (int i = 0; i < 3; i++) {
        for (int j = i == 0 ? 1 : 0; j < (i == 0 ? 3 : 2); j++) {
            if (golds[i].tree != NULL && answers[j].tree != NULL &&
                math_same(w, golds[i].tree, answers[j].tree))
                return true;
        }
    }
    return false;
}

// --- choices -------------------------------------------------------------------------------------

// "(C) 42", "C. 42", "\textbf{(C)}\ 42": the letter, and what follows it.
static bool split_choice(struct math_work *w, struct view text, struct math_node **letter,
                         struct view *rest)
{
    struct math_tokens tokens;
    if (!math_tokens_read(w, text, READ_GROUPS, &tokens)) return false;
    struct token *t = tokens.tokens;
    bool is_bracketed = t->kind == TOKEN_OPEN && t->code == '(';
    if (is_bracketed) t++;
    char c = t->kind == TOKEN_SYMBOL && t->text.size_bytes == 1 ? t->text.bytes[0] : 0;
    if (c < 'A' || c > 'J') return false;
    enum token_kind next = t[1].kind;
    bool is_closed = next == TOKEN_CLOSE && t[1].code == '(';
    if (is_bracketed ? !is_closed : next != TOKEN_DOT && next != TOKEN_COLON && !is_closed)
        return false;
    struct token *after = &t[2];
    if (after->kind == TOKEN_DOT || after->kind == TOKEN_COLON) after++;
    if (after->kind == TOKEN_END || after->kind == TOKEN_CARET || after->kind == TOKEN_PLUS ||
        after->kind == TOKEN_TIMES || after->kind == TOKEN_DIVIDE || after->kind == TOKEN_RELATION)
        return false;
    *letter = math_node_new(w, MATH_SYMBOL, 0);
    (*letter)->name = t->name;
    *rest = text_part(text, (size_t)(after->text.bytes - text.bytes), text.size_bytes);
    return true;
}

static bool is_same_choice(struct math_work *w, const struct reading *g, struct view answer)
{
    struct math_node *letter;
    struct view rest;
    if (g->tree == NULL || !split_choice(w, answer, &letter, &rest)) return false;
    if (g->tree->kind == MATH_SYMBOL) return math_choice_name(g->tree) == letter->name;
    struct reading value = read_answer(w, rest, READ_GROUPS);
    return value.tree != NULL && math_same(w, g->tree, value.tree);
}

// --- the verdict ---------------------------------------------------------------------------------

static uint64_t hash_answer(struct math_work *w, const struct reading *a, struct view plain)
{
    if (a->tree != NULL) return math_hash(w, a->tree);
    struct view lower = math_text_lower(w, plain);
    return math_name(lower.bytes, lower.size_bytes);
}

static void renew(struct math_work *w, uint64_t *n_steps)
{
    *n_steps += w->n_steps;
    w->n_steps = 0;
}

// Without the emphasis and the quotes of the text around.
static struct view unquoted(struct view text)
{
    for (;;) {
        text = text_trim(text);
        size_t n = text.size_bytes;
        char first = n < 2 ? 0 : text.bytes[0];
        bool is_quoted =
            (first == '*' || first == '`' || first == '"') && text.bytes[n - 1] == first;
        if (!is_quoted) return text;
        text = text_part(text, 1, n - 1);
    }
}

void math_compare(struct view gold, struct view answer, struct math_verdict *out)
{
    struct math_work w;
    math_work_init(&w);
    *out = (struct math_verdict){0};
    gold = unquoted(gold);
    answer = unquoted(answer);
    // The answer first and on its own budget: its hash depends on nothing else.
    struct reading a = read_answer(&w, answer, READ_GROUPS);
    struct view answer_plain = math_text_plain(&w, answer);
    out->hash = hash_answer(&w, &a, answer_plain);
    renew(&w, &out->n_steps);
    struct reading g = read_answer(&w, gold, READ_GROUPS);
    struct view gold_plain = math_text_plain(&w, gold);
    if (g.tree != NULL) math_hash(&w, g.tree);
    renew(&w, &out->n_steps);

    out->is_same = is_same_view(gold, answer);
    if (!out->is_same && g.tree != NULL && a.tree != NULL)
        out->is_same = math_same(&w, g.tree, a.tree);
    if (!out->is_same && answer_plain.size_bytes > 0 && (is_text(&g) || is_text(&a)))
        out->is_same =
            is_same_view(math_text_lower(&w, gold_plain), math_text_lower(&w, answer_plain));
    if (!out->is_same && (g.is_ambiguous || a.is_ambiguous))
        out->is_same = is_same_otherwise(&w, gold, answer, &g, &a);
    if (!out->is_same) out->is_same = is_same_choice(&w, &g, answer);
    renew(&w, &out->n_steps);
    math_work_fini(&w);
}
