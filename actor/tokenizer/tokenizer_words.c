#include "actor/tokenizer/tokenizer_words.h"

#include <stdlib.h>
#include <string.h>

#include "actor/text/text_buffer.h"
#include "actor/tokenizer/tokenizer_regex.h"

static void add_escaped(struct text_buffer *out, const char *text)
{
    char *escaped = tokenizer_regex_escape(text, strlen(text));
    text_buffer_add_string(out, escaped);
    free(escaped);
}

static size_t longest_word(const struct word *words, size_t n_words)
{
    size_t longest = 0;
    for (size_t i = 0; i < n_words; i++)
        if (words[i].role == WORD_PLAIN && strlen(words[i].text) > longest)
            longest = strlen(words[i].text);
    return longest;
}

// "wait|ok|[abc…]": of words with a common start the longest must come first,
// because the first alternative that matches is taken.
static char *make_pattern(const struct word *words, size_t n_words)
{
    struct text_buffer out, singles;
    text_buffer_init(&out);
    text_buffer_init(&singles);
    for (size_t length = longest_word(words, n_words); length > 0; length--) {
        for (size_t i = 0; i < n_words; i++) {
            if (words[i].role != WORD_PLAIN || strlen(words[i].text) != length) continue;
            if (length > 1 && out.size_bytes > 0) text_buffer_add_string(&out, "|");
            add_escaped(length > 1 ? &out : &singles, words[i].text);
        }
    }
    if (singles.size_bytes > 0)
        text_buffer_printf(&out, "%s[%s]", out.size_bytes > 0 ? "|" : "", singles.bytes);
    text_buffer_fini(&singles);
    return text_buffer_take(&out);
}

static void write_added(const struct word *words, size_t n_words, struct json_writer *out)
{
    json_open(out, "added_tokens", '[');
    for (size_t i = 0; i < n_words; i++) {
        if (words[i].role == WORD_PLAIN) continue;
        json_open(out, NULL, '{');
        json_put_u64(out, "id", i);
        json_put_string(out, "content", words[i].text);
        json_put_bool(out, "single_word", false);
        json_put_bool(out, "lstrip", false);
        json_put_bool(out, "rstrip", false);
        json_put_bool(out, "normalized", false);
        json_put_bool(out, "special", words[i].role == WORD_SPECIAL);
        json_close(out, '}');
    }
    json_close(out, ']');
}

// Without a decoder the format means: words joined by spaces.
static void write_decoder(bool is_fused, struct json_writer *out)
{
    if (!is_fused) {
        json_put_json(out, "decoder", "null");
        return;
    }
    json_open(out, "decoder", '{');
    json_put_string(out, "type", "Fuse");
    json_close(out, '}');
}

static void write_cutting(const char *pattern, struct json_writer *out)
{
    json_open(out, "pre_tokenizer", '{');
    if (pattern == NULL) {
        json_put_string(out, "type", "WhitespaceSplit");
        json_close(out, '}');
        return;
    }
    json_put_string(out, "type", "Split");
    json_open(out, "pattern", '{');
    json_put_string(out, "Regex", pattern);
    json_close(out, '}');
    json_put_string(out, "behavior", "Isolated");
    json_put_bool(out, "invert", false);
    json_close(out, '}');
}

// pattern NULL: words stand between white space.
static void write_tokenizer(const struct word *words, size_t n_words, const char *pattern,
                            struct json_writer *out)
{
    json_open(out, NULL, '{');
    json_put_string(out, "version", "1.0");
    json_put_json(out, "truncation", "null");
    json_put_json(out, "padding", "null");
    write_added(words, n_words, out);
    json_put_json(out, "normalizer", "null");
    write_cutting(pattern, out);
    json_put_json(out, "post_processor", "null");
    write_decoder(pattern != NULL, out);
    json_open(out, "model", '{');
    json_put_string(out, "type", "WordLevel");
    json_open(out, "vocab", '{');
    for (size_t i = 0; i < n_words; i++)
        json_put_u64(out, words[i].text, i);
    json_close(out, '}');
    json_put_string(out, "unk_token", "<unk>"); // a key the format wants; no such word exists
    json_close(out, '}');
    json_close(out, '}');
}

void tokenizer_write_words(const struct word *words, size_t n_words, const char *pattern,
                           struct json_writer *out)
{
    char *made = pattern != NULL ? NULL : make_pattern(words, n_words);
    write_tokenizer(words, n_words, pattern != NULL ? pattern : made, out);
    free(made);
}

void tokenizer_write_spaced_words(const struct word *words, size_t n_words, struct json_writer *out)
{
    write_tokenizer(words, n_words, NULL, out);
}
