#include "actor/reward/script_words.h"

#include <string.h>
#include <utf8proc.h>

#include "actor/text/utf8.h"

#define BIT(script) (UINT32_C(1) << (script))

// --- scripts -------------------------------------------------------------------------------------

static const struct {
    uint32_t first, last;
    enum script script;
} ranges[] = {
    {0x0041, 0x024F, SCRIPT_LATIN},    {0x0250, 0x02AF, SCRIPT_LATIN},
    {0x0370, 0x03FF, SCRIPT_GREEK},    {0x0400, 0x052F, SCRIPT_CYRILLIC},
    {0x0530, 0x058F, SCRIPT_ARMENIAN}, {0x0590, 0x05FF, SCRIPT_HEBREW},
    {0x0600, 0x06FF, SCRIPT_ARABIC},   {0x0750, 0x077F, SCRIPT_ARABIC},
    {0x0870, 0x08FF, SCRIPT_ARABIC},   {0x0900, 0x097F, SCRIPT_DEVANAGARI},
    {0x0980, 0x09FF, SCRIPT_BENGALI},  {0x0B80, 0x0BFF, SCRIPT_TAMIL},
    {0x0C00, 0x0C7F, SCRIPT_TELUGU},   {0x0E00, 0x0E7F, SCRIPT_THAI},
    {0x10A0, 0x10FF, SCRIPT_GEORGIAN}, {0x1100, 0x11FF, SCRIPT_HANGUL},
    {0x1C80, 0x1C8F, SCRIPT_CYRILLIC}, {0x1C90, 0x1CBF, SCRIPT_GEORGIAN},
    {0x1E00, 0x1EFF, SCRIPT_LATIN},    {0x1F00, 0x1FFF, SCRIPT_GREEK},
    {0x2C60, 0x2C7F, SCRIPT_LATIN},    {0x2DE0, 0x2DFF, SCRIPT_CYRILLIC},
    {0x2E80, 0x2FDF, SCRIPT_HAN},      {0x3005, 0x3007, SCRIPT_HAN},
    {0x3021, 0x3029, SCRIPT_HAN},      {0x3041, 0x309F, SCRIPT_HIRAGANA},
    {0x30A0, 0x30FF, SCRIPT_KATAKANA}, {0x3130, 0x318F, SCRIPT_HANGUL},
    {0x31F0, 0x31FF, SCRIPT_KATAKANA}, {0x3400, 0x4DBF, SCRIPT_HAN},
    {0x4E00, 0x9FFF, SCRIPT_HAN},      {0xA640, 0xA69F, SCRIPT_CYRILLIC},
    {0xA720, 0xA7FF, SCRIPT_LATIN},    {0xA8E0, 0xA8FF, SCRIPT_DEVANAGARI},
    {0xA960, 0xA97F, SCRIPT_HANGUL},   {0xAC00, 0xD7FF, SCRIPT_HANGUL},
    {0xF900, 0xFAFF, SCRIPT_HAN},      {0xFB1D, 0xFB4F, SCRIPT_HEBREW},
    {0xFB50, 0xFDFF, SCRIPT_ARABIC},   {0xFE70, 0xFEFF, SCRIPT_ARABIC},
    {0xFF21, 0xFF5A, SCRIPT_LATIN},    {0xFF66, 0xFF9F, SCRIPT_KATAKANA},
    {0x20000, 0x323AF, SCRIPT_HAN},
};
enum { RANGES = sizeof ranges / sizeof ranges[0] };

static enum script script_of_letter(uint32_t code_point)
{
    size_t low = 0, high = RANGES;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (code_point > ranges[middle].last)
            low = middle + 1;
        else if (code_point < ranges[middle].first)
            high = middle;
        else
            return ranges[middle].script;
    }
    return SCRIPT_OTHER;
}

static bool is_letter(uint32_t code_point)
{
    const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code_point);
    if (code_point == 0x3007) return true; // the ideographic zero is a number to Unicode
    return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

static bool is_mark(uint32_t code_point)
{
    const utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code_point);
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC;
}

enum script script_of(uint32_t code_point)
{
    if (code_point < 0x80) {
        const uint32_t lower = code_point | 0x20;
        return lower >= 'a' && lower <= 'z' ? SCRIPT_LATIN : SCRIPT_NONE;
    }
    return is_letter(code_point) ? script_of_letter(code_point) : SCRIPT_NONE;
}

uint32_t letter_lower(uint32_t code_point)
{
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)code_point);
}

// --- what is no prose ----------------------------------------------------------------------------

static bool starts_with(struct view text, size_t at, const char *what)
{
    const size_t n = strlen(what);
    return text.size_bytes - at >= n && memcmp(text.bytes + at, what, n) == 0;
}

struct enclosed {
    const char *open, *close;
    bool is_one_line; // without an end on its line the opening is only a sign
};

// Longer openings first.
static const struct enclosed enclosed[] = {
    {"```", "```", false}, {"`", "`", true},      {"$$", "$$", false},
    {"$", "$", true},      {"\\(", "\\)", false}, {"\\[", "\\]", false},
};
enum { ENCLOSED = sizeof enclosed / sizeof enclosed[0] };

struct scan {
    struct view text;
    // No close at or after the last one looked for in vain: it is not looked for
    // again, so that a text of nothing but openings takes linear time.
    bool has_no_close[ENCLOSED];
};

static size_t skip_enclosed(struct scan *s, size_t at)
{
    for (size_t i = 0; i < ENCLOSED; i++) {
        if (s->has_no_close[i] || !starts_with(s->text, at, enclosed[i].open)) continue;
        const size_t inside = at + strlen(enclosed[i].open);
        size_t close = text_find(s->text, enclosed[i].close, inside);
        if (close == TEXT_NOWHERE) {
            s->has_no_close[i] = true;
            continue;
        }
        if (enclosed[i].is_one_line && memchr(s->text.bytes + inside, '\n', close - inside) != NULL)
            continue;
        return close + strlen(enclosed[i].close);
    }
    return at;
}

static bool is_ascii_letter(char c)
{
    return script_of((unsigned char)c) == SCRIPT_LATIN && (unsigned char)c < 0x80;
}

// <think>, </answer> and their like; a command of LaTeX.
static size_t skip_markup(struct view text, size_t at)
{
    size_t end = at + 1;
    if (text.bytes[at] == '<') {
        if (end < text.size_bytes && text.bytes[end] == '/') end++;
        const size_t name = end;
        while (end < text.size_bytes && is_ascii_letter(text.bytes[end]))
            end++;
        return end > name && end < text.size_bytes && text.bytes[end] == '>' ? end + 1 : at;
    }
    while (end < text.size_bytes && is_ascii_letter(text.bytes[end]))
        end++;
    return end;
}

static size_t skip_no_prose(struct scan *s, size_t at)
{
    const char c = s->text.bytes[at];
    if (c != '`' && c != '$' && c != '\\' && c != '<') return at;
    const size_t end = c == '<' ? at : skip_enclosed(s, at);
    if (end > at || c == '`' || c == '$') return end;
    return skip_markup(s->text, at);
}

// --- words ---------------------------------------------------------------------------------------

bool script_stands_alone(enum script script)
{
    return script == SCRIPT_HAN || script == SCRIPT_HIRAGANA || script == SCRIPT_KATAKANA;
}

// An apostrophe's bytes where a letter of this script follows it, else 0.
static size_t apostrophe_bytes(struct view text, size_t at, enum script script)
{
    uint32_t next;
    size_t n = 0;
    if (starts_with(text, at, "'")) n = 1;
    if (starts_with(text, at, "\xe2\x80\x99")) n = 3;
    if (n == 0 || utf8_next(text.bytes + at + n, text.size_bytes - at - n, &next) == 0) return 0;
    return script_of(next) == script ? n : 0;
}

// The word whose first letter ends at `at`; the bytes it takes.
static size_t word_end(struct view text, size_t at, enum script script, size_t *n_letters)
{
    *n_letters = 1;
    while (at < text.size_bytes) {
        uint32_t code_point;
        const size_t n = utf8_next(text.bytes + at, text.size_bytes - at, &code_point);
        if (n == 0) break;
        if (script_of(code_point) == script) {
            ++*n_letters;
            at += n;
        } else if (code_point >= 0x80 && is_mark(code_point)) {
            at += n;
        } else {
            const size_t apostrophe = apostrophe_bytes(text, at, script);
            if (apostrophe == 0) break;
            at += apostrophe;
        }
    }
    return at;
}

void words_count(struct view text, struct word_counts *out)
{
    struct scan scan = {.text = text};
    *out = (struct word_counts){.total = 0};
    for (size_t at = 0; at < text.size_bytes;) {
        const size_t skipped = skip_no_prose(&scan, at);
        if (skipped > at) {
            at = skipped;
            continue;
        }
        uint32_t code_point;
        const size_t n = utf8_next(text.bytes + at, text.size_bytes - at, &code_point);
        const enum script script = n == 0 ? SCRIPT_NONE : script_of(code_point);
        at += n == 0 ? 1 : n;
        if (script == SCRIPT_NONE) continue;
        size_t n_letters = 1;
        if (!script_stands_alone(script)) at = word_end(text, at, script, &n_letters);
        if (n_letters == 1 && (script == SCRIPT_LATIN || script == SCRIPT_GREEK)) continue;
        out->of[script]++;
        out->total++;
    }
}

// --- languages -----------------------------------------------------------------------------------

static const struct {
    const char *language;
    uint32_t scripts;
} languages[] = {
    {"zh", BIT(SCRIPT_HAN)},
    {"ja", BIT(SCRIPT_HAN) | BIT(SCRIPT_HIRAGANA) | BIT(SCRIPT_KATAKANA)},
    {"ko", BIT(SCRIPT_HANGUL)},
    {"ru", BIT(SCRIPT_CYRILLIC)},
    {"uk", BIT(SCRIPT_CYRILLIC)},
    {"bg", BIT(SCRIPT_CYRILLIC)},
    {"kk", BIT(SCRIPT_CYRILLIC)},
    {"el", BIT(SCRIPT_GREEK)},
    {"hy", BIT(SCRIPT_ARMENIAN)},
    {"he", BIT(SCRIPT_HEBREW)},
    {"ar", BIT(SCRIPT_ARABIC)},
    {"fa", BIT(SCRIPT_ARABIC)},
    {"ur", BIT(SCRIPT_ARABIC)},
    {"hi", BIT(SCRIPT_DEVANAGARI)},
    {"mr", BIT(SCRIPT_DEVANAGARI)},
    {"ne", BIT(SCRIPT_DEVANAGARI)},
    {"bn", BIT(SCRIPT_BENGALI)},
    {"ta", BIT(SCRIPT_TAMIL)},
    {"te", BIT(SCRIPT_TELUGU)},
    {"th", BIT(SCRIPT_THAI)},
    {"ka", BIT(SCRIPT_GEORGIAN)},
};
static const char *const latin_languages[] = {"en", "fr", "de", "es", "it", "pt", "nl",
                                              "pl", "cs", "sk", "sv", "da", "no", "fi",
                                              "hu", "ro", "tr", "vi", "id", "ms", "la"};

uint32_t language_scripts(const char *language)
{
    for (size_t i = 0; i < sizeof languages / sizeof *languages; i++)
        if (strcmp(languages[i].language, language) == 0) return languages[i].scripts;
    for (size_t i = 0; i < sizeof latin_languages / sizeof *latin_languages; i++)
        if (strcmp(latin_languages[i], language) == 0) return BIT(SCRIPT_LATIN);
    return 0;
}

uint64_t words_of_scripts(const struct word_counts *words, uint32_t scripts)
{
    uint64_t n = 0;
    for (unsigned script = 0; script < SCRIPTS; script++)
        if (scripts & BIT(script)) n += words->of[script];
    return n;
}

// Japanese is three scripts, and one of them alone is Chinese.
uint32_t words_leading_scripts(const struct word_counts *words)
{
    const uint32_t japanese = language_scripts("ja");
    const bool has_kana = words->of[SCRIPT_HIRAGANA] + words->of[SCRIPT_KATAKANA] > 0;
    uint64_t most = 0;
    uint32_t scripts = 0;
    for (unsigned script = 0; script < SCRIPTS; script++) {
        const bool is_part = has_kana && (japanese & BIT(script)) != 0;
        const uint32_t candidate = is_part ? japanese : BIT(script);
        const uint64_t n = words_of_scripts(words, candidate);
        if (n <= most) continue;
        most = n;
        scripts = candidate;
    }
    return scripts;
}
