#include "actor/grading/math_parser.h"

#include <string.h>

bool math_parser_enter(struct math_parser *p)
{
    if (p->has_failed) return false;
    if (++p->depth > MATH_DEPTH_MAX) {
        p->has_failed = true;
        return false;
    }
    return true;
}

void *math_parser_fail(struct math_parser *p)
{
    p->has_failed = true;
    return NULL;
}

struct token *math_parser_peek(struct math_parser *p)
{
    return &p->tokens[p->at];
}

bool math_parser_take(struct math_parser *p, enum token_kind kind)
{
    if (p->tokens[p->at].kind != kind || kind == TOKEN_END) return false;
    p->at++;
    return true;
}

// --- lists ---------------------------------------------------------------------------------------

static bool ends_list(const struct token *t)
{
    return t->kind == TOKEN_END || t->kind == TOKEN_CLOSE || t->kind == TOKEN_GROUP_CLOSE;
}

// Full stops and commas that only end a clause.
static void skip_commas(struct math_parser *p)
{
    while (p->tokens[p->at].kind == TOKEN_COMMA || p->tokens[p->at].kind == TOKEN_DOT)
        p->at++;
}

struct math_node *math_parse_list(struct math_parser *p)
{
    if (!math_parser_enter(p)) return NULL;
    struct math_node *list = math_node_new(p->w, MATH_LIST, 0);
    uint32_t capacity = 0;
    skip_commas(p);
    while (!ends_list(math_parser_peek(p))) {
        struct math_node *clause = math_parse_clause(p);
        if (clause == NULL) return math_parser_fail(p);
        if (list->n_children == capacity) {
            capacity = capacity == 0 ? 4 : 2 * capacity;
            struct math_node **grown = math_take(p->w, capacity * sizeof *grown);
            if (list->n_children > 0)
                memcpy(grown, list->children, list->n_children * sizeof *grown);
            list->children = grown;
        }
        list->children[list->n_children++] = clause;
        enum token_kind next = math_parser_peek(p)->kind;
        if (next != TOKEN_COMMA && next != TOKEN_DOT && !ends_list(math_parser_peek(p)))
            return math_parser_fail(p);
        if (next == TOKEN_DOT && !ends_list(&p->tokens[p->at + 1])) return math_parser_fail(p);
        skip_commas(p);
    }
    p->depth--;
    return list;
}

// A value with "plus or minus" is two.
void math_spread_signs(struct math_parser *p, struct math_node *list)
{
    for (uint32_t i = 0; i < list->n_children; i++) {
        struct math_node *value = list->children[i];
        if (!math_node_has(value, MATH_SIGNED)) continue;
        if (!math_spend(p->w, 200)) {
            p->has_failed = true;
            return;
        }
        list->children[i] = math_node_pair(p->w, MATH_LIST, math_node_with_sign(p->w, value, 1),
                                           math_node_with_sign(p->w, value, -1));
    }
}

// --- brackets ------------------------------------------------------------------------------------

// After the opening token: (a), (a, b), [a, b), \{a, b\}, \lvert a \rvert ...
struct math_node *math_parse_brackets(struct math_parser *p)
{
    char open = (char)math_parser_peek(p)->code;
    p->at++;
    bool is_angle = p->is_angle;
    unsigned n_bars = p->n_bars;
    p->n_bars = 0;
    if (open == '(' || open == '[') p->is_angle = is_angle;
    struct math_node *list = math_parse_list(p);
    if (list == NULL) return NULL;
    p->n_bars = n_bars;
    p->is_angle = is_angle;
    struct token *end = math_parser_peek(p);
    if (end->kind != TOKEN_CLOSE) return math_parser_fail(p);
    char close = (char)end->code;
    p->at++;
    bool is_interval = (open == '(' || open == '[') && (close == '(' || close == '[');
    if (open != close && !is_interval) return math_parser_fail(p);
    if (open == '{') {
        math_spread_signs(p, list);
        list->kind = MATH_SET;
        return list;
    }
    if (list->n_children == 0) return math_parser_fail(p);
    if (list->n_children == 1 && open == close) {
        struct math_node *only = list->children[0];
        if (open == '|') return math_node_call(p->w, MATH_ABS, only, NULL);
        if (open == 'f') return math_node_call(p->w, MATH_FLOOR, only, NULL);
        if (open == 'c') return math_node_call(p->w, MATH_CEIL, only, NULL);
        if (only->kind == MATH_SYMBOL) {
            struct math_node *choice = math_node_new(p->w, MATH_SYMBOL, 0);
            *choice = *only;
            choice->is_choice = true;
            return choice;
        }
        return only;
    }
    if (open == '|' || open == 'f' || open == 'c') return math_parser_fail(p);
    list->kind = MATH_TUPLE;
    list->open = open == '<' ? '(' : open;
    list->close = close == '(' || close == '<' ? ')' : ']';
    return list;
}

static struct math_node *rows_to_matrix(struct math_parser *p, struct math_node **cells,
                                        uint32_t n_cells, uint32_t n_columns, char kind)
{
    if (n_cells == 0 || n_columns == 0 || n_cells % n_columns != 0) return math_parser_fail(p);
    if (kind == 'v') return math_parser_fail(p); // a determinant is left to the text
    struct math_node *matrix = math_node_new(p->w, MATH_MATRIX, n_cells);
    memcpy(matrix->children, cells, n_cells * sizeof *cells);
    matrix->n_columns = n_columns;
    return matrix;
}

struct math_node *math_parse_matrix(struct math_parser *p)
{
    enum { CELLS_MAX = 400 };
    char kind = (char)math_parser_peek(p)->code;
    p->at++;
    if (!math_parser_enter(p)) return NULL;
    struct math_node **cells = math_take(p->w, CELLS_MAX * sizeof *cells);
    uint32_t n_cells = 0, n_columns = 0, in_row = 0;
    while (!math_parser_take(p, TOKEN_MATRIX_CLOSE)) {
        if (math_parser_peek(p)->kind == TOKEN_MATRIX_CLOSE) break;
        if (n_cells == CELLS_MAX) return math_parser_fail(p);
        struct math_node *cell = math_parse_sum(p);
        if (cell == NULL) return NULL;
        cells[n_cells++] = cell;
        in_row++;
        if (math_parser_take(p, TOKEN_CELL)) continue;
        bool is_row = math_parser_take(p, TOKEN_ROW);
        if (!is_row && math_parser_peek(p)->kind != TOKEN_MATRIX_CLOSE) return math_parser_fail(p);
        if (n_columns != 0 && in_row != n_columns) return math_parser_fail(p);
        n_columns = in_row;
        in_row = 0;
    }
    p->depth--;
    return rows_to_matrix(p, cells, n_cells, n_columns, kind);
}

// --- sets and relations --------------------------------------------------------------------------

// A value and its unit.
static struct math_node *parse_quantity(struct math_parser *p)
{
    uint64_t unit = p->unit;
    uint8_t flags = p->unit_flags;
    bool has_unit = p->has_unit;
    p->unit = 0;
    p->unit_flags = 0;
    p->has_unit = false;
    struct math_node *value = math_parse_sum(p);
    if (value != NULL && p->has_unit) {
        struct math_node *quantity = math_node_new(p->w, MATH_QUANTITY, 1);
        quantity->children[0] = value;
        quantity->name = p->unit;
        quantity->unit_flags = p->unit_flags;
        value = quantity;
    }
    p->unit = unit;
    p->unit_flags = flags;
    p->has_unit = has_unit;
    return value;
}

static struct math_node *parse_ratio(struct math_parser *p)
{
    struct math_node *parts[4];
    uint32_t n = 0;
    bool is_clock = false;
    do {
        if (n == 4) return math_parser_fail(p);
        struct token *t = math_parser_peek(p);
        is_clock = n > 0 && t->kind == TOKEN_NUMBER && t->n_digits == 2 && t->digits[0] < '6';
        parts[n] = parse_quantity(p);
        if (parts[n++] == NULL) return NULL;
    } while (math_parser_take(p, TOKEN_COLON));
    if (n == 1) return parts[0];
    struct math_node *ratio = math_node_new(p->w, MATH_RATIO, n);
    memcpy(ratio->children, parts, n * sizeof *parts);
    ratio->is_clock = is_clock;
    return ratio;
}

static struct math_node *parse_set(struct math_parser *p)
{
    enum { PARTS_MAX = 256, DEPTH_MAX = 32 };
    struct math_node *left = parse_ratio(p);
    for (unsigned n = 0; left != NULL; n++) {
        enum token_kind next = math_parser_peek(p)->kind;
        enum math_kind kind = next == TOKEN_UNION          ? MATH_UNION
                              : next == TOKEN_INTERSECTION ? MATH_INTERSECTION
                                                           : MATH_DIFFERENCE;
        if (next != TOKEN_UNION && next != TOKEN_INTERSECTION && next != TOKEN_DIFFERENCE)
            return left;
        // each one is a level of the tree
        if (n == PARTS_MAX) return math_parser_fail(p);
        p->at++;
        struct math_node *right = parse_ratio(p);
        if (right == NULL) return NULL;
        if (left->kind == kind && kind != MATH_DIFFERENCE) {
            struct math_node *more = math_node_new(p->w, kind, left->n_children + 1);
            memcpy(more->children, left->children, left->n_children * sizeof *left->children);
            more->children[left->n_children] = right;
            left = more;
        } else {
            if (n >= DEPTH_MAX) return math_parser_fail(p);
            left = math_node_pair(p->w, kind, left, right);
        }
    }
    return NULL;
}

// Words before "=" or ":" only name what follows.
static bool skip_label(struct math_parser *p)
{
    size_t at = p->at;
    while (p->tokens[at].kind == TOKEN_WORD)
        at++;
    if (at == p->at) return false;
    bool is_label = (p->tokens[at].kind == TOKEN_RELATION && p->tokens[at].code <= MATH_ABOUT) ||
                    p->tokens[at].kind == TOKEN_COLON;
    if (is_label) p->at = at + 1;
    return is_label;
}

// Words up to the end of the clause.
static struct math_node *parse_words(struct math_parser *p)
{
    size_t start = p->at;
    while (p->tokens[p->at].kind == TOKEN_WORD)
        p->at++;
    const struct token *last = &p->tokens[p->at - 1];
    size_t size = (size_t)(last->text.bytes + last->text.size_bytes - p->tokens[start].text.bytes);
    char *letters = math_take(p->w, size + 1);
    size_t n = 0;
    for (size_t i = start; i < p->at; i++) {
        struct view word = p->tokens[i].text;
        for (size_t j = 0; j < word.size_bytes; j++) {
            char c = word.bytes[j];
            letters[n++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        }
    }
    static const char *const empty[] = {"nosolution", "nosolutions", "norealsolution",
                                        "norealsolutions", "emptyset"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
        if (n == strlen(empty[i]) && memcmp(letters, empty[i], n) == 0)
            return math_node_new(p->w, MATH_SET, 0);
    struct math_node *text = math_node_new(p->w, MATH_TEXT, 0);
    text->name = math_name(letters, n);
    return text;
}

static struct math_node *parse_related(struct math_parser *p)
{
    enum { SIDES_MAX = 8 };
    struct math_node *sides[SIDES_MAX];
    uint8_t relations[SIDES_MAX];
    uint32_t n = 0;
    for (;;) {
        if (n == SIDES_MAX) return math_parser_fail(p);
        if ((sides[n++] = parse_set(p)) == NULL) return NULL;
        struct token *t = math_parser_peek(p);
        if (t->kind != TOKEN_RELATION) break;
        relations[n - 1] = (uint8_t)t->code;
        p->at++;
    }
    if (n == 1) return sides[0];
    struct math_node *related = math_node_new(p->w, MATH_RELATION, n);
    memcpy(related->children, sides, n * sizeof *sides);
    related->relations = math_take(p->w, n);
    memcpy(related->relations, relations, n - 1);
    return related;
}

struct math_node *math_parse_clause(struct math_parser *p)
{
    // "= 5" and "≈ 5" say 5
    struct token *first = math_parser_peek(p);
    if (first->kind == TOKEN_RELATION && first->code <= MATH_ABOUT) p->at++;
    bool is_labelled = skip_label(p);
    if (!is_labelled && math_parser_peek(p)->kind == TOKEN_WORD) return parse_words(p);
    return parse_related(p);
}

// --- the answer ----------------------------------------------------------------------------------

struct math_node *math_parse(struct math_work *w, struct math_tokens *tokens)
{
    struct math_parser p = {.w = w, .tokens = tokens->tokens};
    struct math_node *list = math_parse_list(&p);
    if (list != NULL) math_spread_signs(&p, list);
    if (list == NULL || p.has_failed || math_parser_peek(&p)->kind != TOKEN_END ||
        list->n_children == 0)
        return NULL;
    return list->n_children == 1 ? list->children[0] : list;
}
