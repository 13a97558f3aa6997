#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/data/convention.h"
#include "actor/data/row_fields.h"
#include "actor/text/text_buffer.h"

// The conventions, the more particular ones before those they would pass for.

static bool has(struct json row, const char *key)
{
    return json_is_present(json_member(row, key));
}

// A column that is there, be it empty: a row without its answer is still of its kind.
static bool has_column(struct json row, const char *key)
{
    return json_member(row, key).value != NULL;
}

static bool has_list(struct json row, const char *key)
{
    return json_is_array(json_member(row, key));
}

static bool has_map(struct json row, const char *key)
{
    return json_is_object(json_member(row, key));
}

static int read_prompt(struct json row, const char *key, struct row_content *out, struct err *err)
{
    return turns_read(json_member(row, key), key, &out->conversation, err);
}

static int read_text(struct json row, const char *key, char **out, struct err *err)
{
    return row_text(json_member(row, key), key, out, err);
}

static void keep_row(struct json row, struct row_content *out)
{
    struct json metadata = json_member(row, "metadata");
    out->metadata = row_json(json_is_object(metadata) ? metadata : row);
}

static void read_source(struct json row, const char *key, char **out)
{
    size_t size_bytes;
    const char *text = json_to_string(json_member(row, key), &size_bytes);
    if (text == NULL || size_bytes == 0 || strlen(text) != size_bytes) return;
    *out = text_copy(text, size_bytes < NAME_BYTES_MAX ? size_bytes : NAME_BYTES_MAX - 1);
}

// A reference is text, a number, or an object that is the metadata.
static int read_reference(struct json value, const char *what, struct json row,
                          struct row_content *out, struct err *err)
{
    if (json_is_object(value) || json_is_array(value)) {
        out->metadata = row_json(value);
        return 0;
    }
    keep_row(row, out);
    return row_text(value, what, &out->answer, err);
}

// --- verl ----------------------------------------------------------------------------------------

static bool fits_verl(struct json row)
{
    return has(row, "prompt") && (has_map(row, "reward_model") || has_map(row, "reward_spec"));
}

static int read_verl(struct json row, struct row_content *out, struct err *err)
{
    struct json rule = json_member(row, "reward_model");
    const char *ability = json_to_string(json_member(row, "ability"), NULL);
    if (!json_is_object(rule)) rule = json_member(row, "reward_spec");
    if (read_prompt(row, "prompt", out, err) != 0 ||
        read_reference(json_member(rule, "ground_truth"), "reward_model.ground_truth", row, out,
                       err) != 0)
        return -1;
    read_source(row, "data_source", &out->source);
    if (out->source == NULL) read_source(row, "env_class", &out->source);
    if (out->source != NULL) out->grader = grader_of_source(out->source);
    if (out->grader == NULL && ability != NULL) out->grader = grader_of_source(ability);
    return 0;
}

// --- open-instruct -------------------------------------------------------------------------------

static bool fits_rlvr(struct json row)
{
    return has_list(row, "messages") && has(row, "ground_truth");
}

static int read_rlvr(struct json row, struct row_content *out, struct err *err)
{
    if (read_prompt(row, "messages", out, err) != 0 ||
        read_reference(json_member(row, "ground_truth"), "ground_truth", row, out, err) != 0)
        return -1;
    read_source(row, "dataset", &out->source);
    if (out->source != NULL) out->grader = grader_of_source(out->source);
    return 0;
}

// --- conversations and documents -----------------------------------------------------------------

static bool fits_messages(struct json row)
{
    return has_list(row, "messages");
}

static int read_messages(struct json row, struct row_content *out, struct err *err)
{
    if (!has_list(row, "messages")) return err_set(err, ERR_FORMAT, "messages: want a list");
    return read_prompt(row, "messages", out, err);
}

static bool fits_sharegpt(struct json row)
{
    return has_list(row, "conversations");
}

static int read_sharegpt(struct json row, struct row_content *out, struct err *err)
{
    if (!has_list(row, "conversations"))
        return err_set(err, ERR_FORMAT, "conversations: want a list");
    return read_prompt(row, "conversations", out, err);
}

static bool fits_completion(struct json row)
{
    return has(row, "prompt") && has(row, "completion");
}

static int read_completion(struct json row, struct row_content *out, struct err *err)
{
    struct json completion = json_member(row, "completion");
    if (read_prompt(row, "prompt", out, err) != 0) return -1;
    keep_row(row, out);
    if (json_is_array(completion))
        return turns_read(completion, "completion", &out->conversation, err);
    return read_text(row, "completion", &out->completion, err);
}

static bool fits_text(struct json row)
{
    return json_is_string(json_member(row, "text"));
}

static int read_document(struct json row, struct row_content *out, struct err *err)
{
    return read_text(row, "text", &out->text, err);
}

// --- code ----------------------------------------------------------------------------------------

static bool fits_humaneval(struct json row)
{
    return has(row, "prompt") && has(row, "test") && has(row, "entry_point");
}

static int read_humaneval(struct json row, struct row_content *out, struct err *err)
{
    if (read_prompt(row, "prompt", out, err) != 0) return -1;
    out->metadata = row_json(row);
    if (!has(row, "canonical_solution")) return 0;
    return read_text(row, "canonical_solution", &out->completion, err);
}

static bool fits_mbpp(struct json row)
{
    return has(row, "text") && has(row, "code") && has_list(row, "test_list");
}

static int read_mbpp(struct json row, struct row_content *out, struct err *err)
{
    if (read_prompt(row, "text", out, err) != 0) return -1;
    out->metadata = row_json(row);
    return read_text(row, "code", &out->completion, err);
}

// --- puzzles -------------------------------------------------------------------------------------

static bool fits_knights(struct json row)
{
    return has(row, "quiz") && has_list(row, "names") && has_list(row, "solution");
}

static int read_knights(struct json row, struct row_content *out, struct err *err)
{
    if (read_prompt(row, "quiz", out, err) != 0) return -1;
    out->metadata = row_json(row);
    out->level = (uint32_t)json_count(json_member(row, "names"));
    if (!has(row, "solution_text_format")) return 0;
    if (read_text(row, "solution_text_format", &out->answer, err) != 0) return -1;
    out->completion = text_copy(out->answer, strlen(out->answer));
    return 0;
}

static struct json numbers_of(struct json row)
{
    struct json numbers = json_member(row, "nums");
    return json_is_array(numbers) ? numbers : json_member(row, "numbers");
}

static bool fits_countdown(struct json row)
{
    return json_is_array(numbers_of(row)) && json_is_integer(json_member(row, "target")) &&
           !has(row, "prompt") && !has(row, "question");
}

static int read_countdown(struct json row, struct row_content *out, struct err *err)
{
    const struct json numbers = numbers_of(row), target = json_member(row, "target");
    const size_t n = json_count(numbers);
    struct text_buffer list, text;
    if (!json_is_integer(target)) return err_set(err, ERR_FORMAT, "target: want a whole number");
    if (n == 0 || n > 64) return err_set(err, ERR_FORMAT, "nums: want a list of 1 to 64 numbers");
    text_buffer_init(&list);
    text_buffer_init(&text);
    for (size_t i = 0; i < n; i++) {
        if (!json_is_integer(json_item(numbers, i))) {
            text_buffer_fini(&list);
            return err_set(err, ERR_FORMAT, "nums: want whole numbers");
        }
        text_buffer_printf(&list, "%s%" PRId64, i == 0 ? "" : ", ",
                           json_to_i64(json_item(numbers, i)));
    }
    text_buffer_printf(&text,
                       "Use the numbers %s, each of them exactly once, with + - * / and brackets, "
                       "to write an expression whose value is %" PRId64 ".",
                       list.bytes, json_to_i64(target));
    conversation_add(&out->conversation, "user", text_buffer_view(&text));
    text_buffer_clear(&text);
    text_buffer_printf(&text, "{\"numbers\": [%s], \"target\": %" PRId64 "}", list.bytes,
                       json_to_i64(target));
    out->metadata = text_buffer_take(&text);
    out->level = n > 2 ? (uint32_t)n - 2 : 1;
    text_buffer_fini(&list);
    return 0;
}

static bool fits_gym(struct json row)
{
    return has(row, "question") && has_map(row, "metadata") &&
           json_is_string(json_member(json_member(row, "metadata"), "source_dataset"));
}

static int read_gym(struct json row, struct row_content *out, struct err *err)
{
    const struct json metadata = json_member(row, "metadata");
    if (read_prompt(row, "question", out, err) != 0) return -1;
    out->metadata = row_json(metadata);
    read_source(metadata, "source_dataset", &out->source);
    read_source(metadata, "source_dataset", &out->maker);
    return has(row, "answer") ? read_text(row, "answer", &out->answer, err) : 0;
}

// --- multiple choice -----------------------------------------------------------------------------

static struct json choices_of(struct json row)
{
    struct json choices = json_member(row, "choices");
    return json_is_array(choices) ? choices : json_member(row, "options");
}

static bool fits_choices(struct json row)
{
    return has(row, "question") && json_is_array(choices_of(row)) &&
           (has(row, "answer") || has(row, "answer_index"));
}

#define CHOICES_MAX 26u

// The letter of the right choice: said as a letter, as a number from 0, or in full.
static int right_choice(struct json row, size_t n, char *letter, struct err *err)
{
    struct json answer = json_member(row, "answer");
    if (!json_is_present(answer)) answer = json_member(row, "answer_index");
    const char *text = json_to_string(answer, NULL);
    size_t at = n;
    if (json_is_integer(answer) && json_to_i64(answer) >= 0) at = (size_t)json_to_i64(answer);
    if (text != NULL && text[0] >= 'A' && text[0] <= 'Z' && text[1] == '\0')
        at = (size_t)(text[0] - 'A');
    for (size_t i = 0; text != NULL && at >= n && i < n; i++) {
        const char *choice = json_to_string(json_item(choices_of(row), i), NULL);
        if (choice != NULL && strcmp(choice, text) == 0) at = i;
    }
    if (at >= n)
        return err_set(err, ERR_FORMAT,
                       "answer: want one of the %zu choices, by its letter, "
                       "its number from 0, or its text",
                       n);
    *letter = (char)('A' + at);
    return 0;
}

static int read_choices(struct json row, struct row_content *out, struct err *err)
{
    const struct json choices = choices_of(row);
    const size_t n = json_count(choices);
    struct text_buffer text;
    char letter[2] = {0}, *part = NULL;
    if (n < 2 || n > CHOICES_MAX)
        return err_set(err, ERR_FORMAT, "choices: want 2 to %u of them", CHOICES_MAX);
    if (right_choice(row, n, letter, err) != 0 || read_text(row, "question", &part, err) != 0)
        return -1;
    text_buffer_init(&text);
    text_buffer_add_string(&text, part);
    free(part);
    for (size_t i = 0; i < n; i++) {
        if (row_text(json_item(choices, i), "choices", &part, err) != 0) {
            text_buffer_fini(&text);
            return -1;
        }
        text_buffer_printf(&text, "\n%c. %s", (char)('A' + i), part);
        free(part);
    }
    conversation_add(&out->conversation, "user", text_buffer_view(&text));
    text_buffer_fini(&text);
    out->answer = text_copy(letter, 1);
    out->metadata = row_json(row);
    return 0;
}

// --- question and answer -------------------------------------------------------------------------

static bool fits_gsm8k(struct json row)
{
    const char *answer = json_to_string(json_member(row, "answer"), NULL);
    return has(row, "question") && answer != NULL && strstr(answer, "####") != NULL;
}

static int read_question(struct json row, struct row_content *out, struct err *err)
{
    if (read_prompt(row, "question", out, err) != 0) return -1;
    keep_row(row, out);
    if (read_text(row, "answer", &out->answer, err) != 0) return -1;
    out->completion = text_copy(out->answer, strlen(out->answer));
    return 0;
}

static bool fits_question(struct json row)
{
    return has(row, "question") && has_column(row, "answer");
}

static bool fits_problem(struct json row)
{
    return has(row, "problem") && (has_column(row, "answer") || has_column(row, "solution"));
}

static int read_problem(struct json row, struct row_content *out, struct err *err)
{
    if (read_prompt(row, "problem", out, err) != 0) return -1;
    keep_row(row, out);
    if (has(row, "solution") && read_text(row, "solution", &out->completion, err) != 0) return -1;
    const bool has_solution_only = has(row, "solution") && !has(row, "answer");
    return read_text(row, has_solution_only ? "solution" : "answer", &out->answer, err);
}

static bool fits_answer(struct json row)
{
    return has(row, "prompt") && has_column(row, "answer");
}

static int read_answer(struct json row, struct row_content *out, struct err *err)
{
    if (read_prompt(row, "prompt", out, err) != 0) return -1;
    keep_row(row, out);
    return read_text(row, "answer", &out->answer, err);
}

static bool fits_label(struct json row)
{
    return (has(row, "prompt") || has(row, "input")) && has_column(row, "label");
}

static int read_label(struct json row, struct row_content *out, struct err *err)
{
    if (read_prompt(row, has(row, "prompt") ? "prompt" : "input", out, err) != 0) return -1;
    struct json label = json_member(row, "label");
    return read_reference(label, "label", row, out, err);
}

static bool fits_output(struct json row)
{
    return has(row, "input") && has(row, "output");
}

static int read_output(struct json row, struct row_content *out, struct err *err)
{
    if (read_prompt(row, "input", out, err) != 0) return -1;
    keep_row(row, out);
    if (read_text(row, "output", &out->answer, err) != 0) return -1;
    out->completion = text_copy(out->answer, strlen(out->answer));
    return 0;
}

const struct convention conventions[] = {
    {"verl", "data_source, prompt, reward_model{ground_truth}", NULL, fits_verl, read_verl},
    {"rlvr", "messages, ground_truth, dataset", NULL, fits_rlvr, read_rlvr},
    {"messages", "messages[{role, content}]", NULL, fits_messages, read_messages},
    {"sharegpt", "conversations[{from, value}]", NULL, fits_sharegpt, read_sharegpt},
    {"humaneval", "prompt, test, entry_point", "code", fits_humaneval, read_humaneval},
    {"mbpp", "text, code, test_list", "code", fits_mbpp, read_mbpp},
    {"knights_knaves", "quiz, names, solution", "knights_knaves", fits_knights, read_knights},
    {"countdown", "nums, target", "countdown", fits_countdown, read_countdown},
    {"reasoning_gym", "question, answer, metadata{source_dataset}", NULL, fits_gym, read_gym},
    {"choices", "question, choices, answer", "choice", fits_choices, read_choices},
    {"problem", "problem, answer and solution", "math", fits_problem, read_problem},
    {"gsm8k", "question, answer ending in #### N", "math", fits_gsm8k, read_question},
    {"question", "question, answer", "math", fits_question, read_question},
    {"label", "prompt, label, metadata", "math", fits_label, read_label},
    {"completion", "prompt, completion", NULL, fits_completion, read_completion},
    {"answer", "prompt, answer", "math", fits_answer, read_answer},
    {"output", "input, output", "math", fits_output, read_output},
    {"text", "text", NULL, fits_text, read_document},
};
const size_t n_conventions = sizeof conventions / sizeof *conventions;
