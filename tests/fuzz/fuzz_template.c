/*
 * fuzz_template.c - any bytes are read as a model's template files or refused
 * with a reason, and any conversation is rendered into parts that cover it.
 *
 * The first byte chooses: a tokenizer_config.json, a Jinja text, the text of a
 * recipe, or a conversation (turns end in a 0 byte, the first letter of each is
 * its role) in every template there is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "actor/template/chat_style.h"
#include "actor/template/jinja_canon.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static void render(const struct template *t, const struct conversation *c)
{
    struct err err;
    for (int way = 0; way < 3; way++) {
        struct rendering r;
        rendering_init(&r);
        int result = way == 2 ? template_render_example(t, c, &r, &err)
                              : template_render(t, c, way == 1, &r, &err);
        size_t sum = 0;
        for (size_t i = 0; i < r.n_parts; i++) {
            CHECK(r.parts[i].size_bytes > 0);
            CHECK(i == 0 || r.parts[i].kind != r.parts[i - 1].kind);
            sum += r.parts[i].size_bytes;
        }
        CHECK(result == 0 || err.text[0] != '\0');
        CHECK(sum == r.text.size_bytes);
        rendering_fini(&r);
    }
}

static void check_files(const struct template_files *files)
{
    struct template t;
    struct err err = {0};
    if (template_init_for_model(&t, "auto", files, &err) != 0) {
        CHECK(err.code != ERR_NONE && err.text[0] != '\0');
        return;
    }
    CHECK(template_is_whole(&t) && template_end(&t) != NULL);
    struct conversation c = {0};
    conversation_add(&c, "user", (struct view){"q", 1});
    render(&t, &c);
    conversation_fini(&c);
    template_fini(&t);
}

static void check_jinja(struct view text)
{
    struct jinja_canon j;
    struct err err = {0};
    if (jinja_canon_init(&j, text, &err) != 0) {
        CHECK(strstr(err.text, "chat template") != NULL);
        return;
    }
    CHECK(j.system == NULL || j.system[0] != '\0' || text.size_bytes > 0);
    jinja_canon_fini(&j);
}

static void check_conversation(const char *bytes, size_t size_bytes)
{
    struct conversation c = {0};
    for (size_t at = 0; at < size_bytes && c.n_turns < 64;) {
        size_t n = strnlen(bytes + at, size_bytes - at);
        const char *role = n == 0 || bytes[at] == 'u' ? "user"
                           : bytes[at] == 'a'         ? "assistant"
                           : bytes[at] == 's'         ? "system"
                                                      : "tool";
        conversation_add(&c, role, (struct view){bytes + at + (n > 0), n - (n > 0)});
        at += n + 1;
    }
    for (size_t i = 0; i < n_chat_styles; i++) {
        struct template t = {.chat = &chat_styles[i]};
        render(&t, &c);
    }
    static const char *const names[] = {"plain", "r1_zero", "x{prompt}y"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct template t;
        struct err err;
        CHECK(template_init(&t, names[i], &err) == 0);
        render(&t, &c);
        template_fini(&t);
    }
    conversation_fini(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    if (size_bytes == 0) return 0;
    struct view rest = {(const char *)bytes + 1, size_bytes - 1};
    struct template_files files = {0};
    if (bytes[0] == '{') {
        files.tokenizer_config = (struct view){(const char *)bytes, size_bytes};
        check_files(&files);
        files = (struct template_files){.json = files.tokenizer_config};
        check_files(&files);
    } else if (bytes[0] == 'j') {
        files.jinja = rest;
        check_files(&files);
        check_jinja(rest);
    } else if (bytes[0] == 'r') {
        struct template t;
        struct err err;
        char *text = text_copy(rest.bytes, rest.size_bytes);
        if (template_init(&t, text, &err) == 0) template_fini(&t);
        free(text);
    } else {
        check_conversation(rest.bytes, rest.size_bytes);
    }
    return 0;
}
