#include <stdlib.h>
#include <string.h>

#include "actor/tokenizer/pretokenizer.h"

// What ByteLevel cuts by when it is told to: contractions, runs of letters,
// digits or other signs with at most one space before them, runs of space.
#define BYTE_LEVEL_PATTERN                                                                         \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
// Words, and runs of what is neither word nor space; joiners belong to words.
#define WHITESPACE_PATTERN "[\\w\\x{200c}\\x{200d}]+|[^\\w\\s\\x{200c}\\x{200d}]+"
#define PUNCTUATION_PATTERN "[!-\\/:-@\\[-`{-~\\p{P}]"

static struct pretokenizer_step *take_step(struct pretokenizer *p, struct err *err)
{
    if (p->byte_level) {
        err_set(err, ERR_FORMAT, "pre_tokenizer: a step after ByteLevel is not implemented");
        return NULL;
    }
    if (p->n_steps == PRETOKENIZER_STEPS_MAX) {
        err_set(err, ERR_LIMIT, "pre_tokenizer: more than %d steps", PRETOKENIZER_STEPS_MAX);
        return NULL;
    }
    return &p->steps[p->n_steps++]; // zeroed
}

static int add_split(struct pretokenizer *p, const char *pattern, enum split_behavior behavior,
                     bool inverted, struct err *err)
{
    struct pretokenizer_step *step = take_step(p, err);
    if (step == NULL) return -1;
    step->behavior = behavior;
    step->inverted = inverted;
    step->regex = tokenizer_regex_create(pattern, err);
    return step->regex == NULL ? err_prefix(err, "pre_tokenizer") : 0;
}

static int add_writing(struct pretokenizer *p, const char *space, enum prefix_rule prefix,
                       struct err *err)
{
    struct pretokenizer_step *step = take_step(p, err);
    if (step == NULL) return -1;
    step->space = text_copy(space, strlen(space));
    step->prefix = prefix;
    return 0;
}

static int read_behavior(struct json value, enum split_behavior absent, enum split_behavior *out,
                         struct err *err)
{
    static const char *const names[] = {
        [SPLIT_REMOVED] = "Removed",
        [SPLIT_ISOLATED] = "Isolated",
        [SPLIT_MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
        [SPLIT_MERGED_WITH_NEXT] = "MergedWithNext",
        [SPLIT_CONTIGUOUS] = "Contiguous",
    };
    *out = absent;
    struct json behavior = json_member(value, "behavior");
    if (!json_is_present(behavior)) return 0;
    const char *name = json_to_string(behavior, NULL);
    for (size_t i = 0; name != NULL && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (enum split_behavior)i;
        return 0;
    }
    return err_set(err, ERR_FORMAT, "pre_tokenizer: behavior '%.60s' is not implemented",
                   name == NULL ? "" : name);
}

static int read_split(struct pretokenizer *p, struct json value, struct err *err)
{
    struct json pattern = json_member(value, "pattern");
    const char *regex = json_to_string(json_member(pattern, "Regex"), NULL);
    size_t literal_bytes;
    const char *literal = json_to_string(json_member(pattern, "String"), &literal_bytes);
    enum split_behavior behavior;
    if (regex == NULL && literal == NULL)
        return err_set(err, ERR_FORMAT, "pre_tokenizer: Split needs pattern.Regex or .String");
    if (!json_is_present(json_member(value, "behavior")))
        return err_set(err, ERR_FORMAT, "pre_tokenizer: Split needs a behavior");
    if (read_behavior(value, SPLIT_ISOLATED, &behavior, err) != 0) return -1;
    char *escaped = regex != NULL ? NULL : tokenizer_regex_escape(literal, literal_bytes);
    int result = add_split(p, regex != NULL ? regex : escaped, behavior,
                           json_to_bool(json_member(value, "invert")), err);
    free(escaped);
    return result;
}

static int read_byte_level(struct pretokenizer *p, struct json value, struct err *err)
{
    struct json use_regex = json_member(value, "use_regex");
    bool cuts = !json_is_bool(use_regex) || json_to_bool(use_regex);
    if (json_to_bool(json_member(value, "add_prefix_space")) &&
        add_writing(p, " ", PREFIX_ALWAYS, err) != 0)
        return -1;
    if (cuts && add_split(p, BYTE_LEVEL_PATTERN, SPLIT_ISOLATED, false, err) != 0) return -1;
    p->byte_level = true;
    return 0;
}

static int read_prefix_rule(struct json value, enum prefix_rule *out, struct err *err)
{
    struct json scheme = json_member(value, "prepend_scheme");
    struct json legacy = json_member(value, "add_prefix_space");
    *out = PREFIX_ALWAYS;
    if (json_is_bool(legacy) && !json_to_bool(legacy)) *out = PREFIX_NEVER;
    if (!json_is_present(scheme)) return 0;
    const char *name = json_to_string(scheme, NULL);
    if (name != NULL && strcmp(name, "always") == 0)
        *out = PREFIX_ALWAYS;
    else if (name != NULL && strcmp(name, "first") == 0)
        *out = PREFIX_FIRST;
    else if (name != NULL && strcmp(name, "never") == 0)
        *out = PREFIX_NEVER;
    else
        return err_set(err, ERR_FORMAT, "pre_tokenizer: prepend_scheme '%.60s' is not implemented",
                       name == NULL ? "" : name);
    return 0;
}

static int read_metaspace(struct pretokenizer *p, struct json value, struct err *err)
{
    size_t size_bytes;
    const char *space = json_to_string(json_member(value, "replacement"), &size_bytes);
    enum prefix_rule prefix;
    if (space == NULL || size_bytes == 0 || size_bytes > 4)
        return err_set(err, ERR_FORMAT, "pre_tokenizer: Metaspace needs a replacement");
    if (read_prefix_rule(value, &prefix, err) != 0 || add_writing(p, space, prefix, err) != 0)
        return -1;
    struct json split = json_member(value, "split");
    if (json_is_bool(split) && !json_to_bool(split)) return 0;
    char *escaped = tokenizer_regex_escape(space, size_bytes);
    int result = add_split(p, escaped, SPLIT_MERGED_WITH_NEXT, false, err);
    free(escaped);
    return result;
}

static int read_step(struct pretokenizer *p, struct json value, struct err *err)
{
    const char *type = json_to_string(json_member(value, "type"), NULL);
    enum split_behavior behavior;
    if (type == NULL) return err_set(err, ERR_FORMAT, "pre_tokenizer: no type");
    if (strcmp(type, "Split") == 0) return read_split(p, value, err);
    if (strcmp(type, "ByteLevel") == 0) return read_byte_level(p, value, err);
    if (strcmp(type, "Metaspace") == 0) return read_metaspace(p, value, err);
    if (strcmp(type, "WhitespaceSplit") == 0) return add_split(p, "\\s", SPLIT_REMOVED, false, err);
    if (strcmp(type, "Whitespace") == 0)
        return add_split(p, WHITESPACE_PATTERN, SPLIT_REMOVED, true, err);
    if (strcmp(type, "Punctuation") == 0) {
        if (read_behavior(value, SPLIT_ISOLATED, &behavior, err) != 0) return -1;
        return add_split(p, PUNCTUATION_PATTERN, behavior, false, err);
    }
    if (strcmp(type, "Digits") == 0) {
        bool each = json_to_bool(json_member(value, "individual_digits"));
        return add_split(p, each ? "\\p{N}" : "\\p{N}+", SPLIT_ISOLATED, false, err);
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
    for (size_t i = 0; i < p->n_steps; i++) {
        tokenizer_regex_destroy(p->steps[i].regex);
        free(p->steps[i].space);
    }
    *p = (struct pretokenizer){0};
}
