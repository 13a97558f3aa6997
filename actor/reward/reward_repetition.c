/*
 * repetition: max_penalty times the share of the response's n-grams of words that
 * were there before; open-r1's penalty.
 *   ngram_size   words of an n-gram (default 3)
 *   max_penalty  at most 0 (default -1)
 * Words are what white space separates, in lower case; a Han or kana character is
 * one by itself.  A response of fewer words than an n-gram is not penalised.
 */
#include <stdlib.h>
#include <string.h>

#include "actor/reward/reward_kind.h"
#include "actor/reward/script_words.h"
#include "actor/text/text_buffer.h"
#include "actor/text/utf8.h"
#include "common/base/hash.h"

#define NGRAM_MAX 64

struct repetition {
    uint32_t ngram_size;
    double max_penalty;
};

static const struct repetition defaults = {.ngram_size = 3, .max_penalty = -1};

static const struct spec_field fields[] = {
    {"ngram_size", SPEC_U32, offsetof(struct repetition, ngram_size), 1, NGRAM_MAX},
    {"max_penalty", SPEC_DOUBLE, offsetof(struct repetition, max_penalty), -1e6, 0},
};

// --- words ---------------------------------------------------------------------------------------

static bool is_alone(uint32_t code_point)
{
    return code_point >= 0x2e80 && script_stands_alone(script_of(code_point));
}

// Puts the next word from *at on into `word`; false: there is none.
static bool next_word(struct view text, size_t *at, struct text_buffer *word)
{
    text_buffer_clear(word);
    while (*at < text.size_bytes) {
        uint32_t code_point;
        char lower[4];
        const size_t n = utf8_next(text.bytes + *at, text.size_bytes - *at, &code_point);
        if (n == 0) { // no character: a letter like another
            text_buffer_add(word, text.bytes + *at, 1);
            ++*at;
            continue;
        }
        const bool is_space = utf8_is_space(code_point), alone = is_alone(code_point);
        if ((is_space || alone) && word->size_bytes > 0) return true;
        *at += n;
        if (is_space) continue;
        text_buffer_add(word, lower, utf8_put(letter_lower(code_point), lower));
        if (alone) return true;
    }
    return word->size_bytes > 0;
}

static uint64_t *hash_words(struct view text, size_t *n_words)
{
    // No word is shorter than a byte and, but for those that stand alone at three
    // bytes, the white space behind it.
    uint64_t *hashes = malloc((text.size_bytes / 2 + 1) * sizeof *hashes);
    struct text_buffer word;
    CHECK(hashes != NULL);
    text_buffer_init(&word);
    *n_words = 0;
    for (size_t at = 0; next_word(text, &at, &word);)
        hashes[(*n_words)++] = checksum_of(word.bytes, word.size_bytes);
    text_buffer_fini(&word);
    return hashes;
}

// --- n-grams -------------------------------------------------------------------------------------

// How many of the values are different: a table of at most half full, 0 for empty.
static size_t count_distinct(const uint64_t *words, size_t n_ngrams, size_t ngram_size)
{
    size_t room = 16, n_distinct = 0;
    while (room < 2 * n_ngrams)
        room *= 2;
    uint64_t *table = calloc(room, sizeof *table);
    CHECK(table != NULL);
    for (size_t i = 0; i < n_ngrams; i++) {
        const uint64_t key = checksum_of(&words[i], ngram_size * sizeof *words) | 1;
        size_t place = (size_t)(key >> 1) & (room - 1);
        while (table[place] != 0 && table[place] != key)
            place = (place + 1) & (room - 1);
        if (table[place] == 0) n_distinct++;
        table[place] = key;
    }
    free(table);
    return n_distinct;
}

static int value(const void *state, const struct reward_input *in, double *out, struct err *err)
{
    const struct repetition *s = state;
    size_t n_words;
    (void)err;
    *out = 0;
    uint64_t *words = hash_words(in->sample->response, &n_words);
    if (n_words >= s->ngram_size) {
        const size_t n = n_words - s->ngram_size + 1;
        const size_t n_distinct = count_distinct(words, n, s->ngram_size);
        // No repetition is 0, not the -0 that a negative penalty would make of it.
        if (n_distinct < n) *out = (1 - (double)n_distinct / (double)n) * s->max_penalty;
    }
    free(words);
    return 0;
}

const struct reward_kind reward_repetition = {
    .name = "repetition",
    .help = "minus for n-grams said before (ngram_size, max_penalty)",
    .state_bytes = sizeof(struct repetition),
    .defaults = &defaults,
    .fields = fields,
    .n_fields = sizeof fields / sizeof *fields,
    .value = value,
};
