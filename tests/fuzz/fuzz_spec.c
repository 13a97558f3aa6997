/*
 * fuzz_spec.c - any spec and any data file make a workload or a reason, and
 * what a workload promises it can be asked for: prompts, documents, scores.
 *
 * The input is the spec up to the first newline, then the served file "d".
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "actor/tokenizer/tokenizer_words.h"
#include "actor/workload.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static const char config[] =
    "{\"architectures\":[\"Qwen3ForCausalLM\"],\"model_type\":\"qwen3\",\"hidden_size\":8,"
    "\"intermediate_size\":8,\"num_hidden_layers\":1,\"num_attention_heads\":1,"
    "\"num_key_value_heads\":1,\"head_dim\":8,\"vocab_size\":257,\"max_position_embeddings\":512,"
    "\"rms_norm_eps\":1e-6,\"rope_theta\":200.0,\"hidden_act\":\"silu\","
    "\"tie_word_embeddings\":true,\"eos_token_id\":0}";

// One word for every character below U+0100.
static char *make_tokenizer(size_t *size_bytes)
{
    struct word words[257];
    char texts[257][4] = {{0}};
    for (unsigned i = 0; i < 257; i++) {
        if (i > 0x80) {
            texts[i][0] = (char)(0xc0 | ((i - 1) >> 6));
            texts[i][1] = (char)(0x80 | ((i - 1) & 0x3f));
        } else if (i > 1) {
            texts[i][0] = (char)(i - 1);
        }
        words[i] = (struct word){texts[i], WORD_PLAIN};
    }
    words[0] = (struct word){"<eos>", WORD_SPECIAL};
    words[1] = (struct word){"<nul>", WORD_SPECIAL};
    struct json_writer w;
    json_writer_init(&w);
    tokenizer_write_words(words, 257, "[\\x{0}-\\x{10ffff}]", &w);
    *size_bytes = w.size_bytes;
    return w.bytes;
}

static void ask(struct workload *w)
{
    struct err err;
    for (uint64_t n = 0; n < 6; n++) {
        struct prompt p;
        struct document d;
        err = (struct err){0};
        enum lease_kind kind = n % 2 ? LEASE_EVAL : LEASE_GENERATE;
        if (workload_prompt(w, kind, n, &p, &err) == 0) {
            CHECK(p.n_tokens > 0 && p.n_tokens < 512);
            CHECK(workload_score(w, n, &p, p.tokens, p.n_tokens, FINISH_STOP, &err) == 0);
            struct score score;
            uint64_t ticket;
            CHECK(workload_poll(w, &ticket, &score) && ticket == n);
            prompt_fini(&p);
        } else {
            CHECK(err.text[0] != '\0');
        }
        if (workload_document(w, n, &d, &err) == 0) {
            CHECK(d.n_tokens > 0 && d.n_tokens <= 512);
            document_fini(&d);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    static char *tokenizer; // lives as long as the process
    static size_t tokenizer_bytes;
    if (tokenizer == NULL) tokenizer = make_tokenizer(&tokenizer_bytes);
    const uint8_t *newline = size_bytes == 0 ? NULL : memchr(bytes, '\n', size_bytes);
    size_t spec_bytes = newline == NULL ? size_bytes : (size_t)(newline - bytes);
    char *spec = malloc(spec_bytes + 1);
    CHECK(spec != NULL);
    if (spec_bytes > 0) memcpy(spec, bytes, spec_bytes);
    spec[spec_bytes] = '\0';
    // the workload only reads its files
    const struct served_file files[] = {
        {"config.json", (unsigned char *)(uintptr_t)config, sizeof config - 1, false},
        {"tokenizer.json", (unsigned char *)tokenizer, tokenizer_bytes, false},
        {"d", (unsigned char *)(uintptr_t)(newline == NULL ? bytes : newline + 1),
         newline == NULL ? 0 : size_bytes - spec_bytes - 1, false},
    };
    struct err err = {0};
    struct workload *w = workload_create(spec, files, 3, &err);
    if (w == NULL)
        CHECK(err.code != ERR_NONE && err.text[0] != '\0');
    else
        ask(w);
    workload_destroy(w);
    free(spec);
    return 0;
}
