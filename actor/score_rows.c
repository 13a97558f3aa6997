#include "actor/score_rows.h"

#include <stdlib.h>
#include <string.h>

#include "actor/data/convention.h"
#include "actor/data/row_fields.h"
#include "actor/grading/answer.h"

static struct json first_of(struct json row, const char *const *keys)
{
    struct json value = {NULL, NULL};
    for (; *keys != NULL && !json_is_present(value); keys++)
        value = json_member(row, *keys);
    return value;
}

// --- reading -------------------------------------------------------------------------------------

static int read_response(struct score_row *row, struct json root)
{
    static const char *const keys[] = {"response", "completion", "solution_str", "output", NULL};
    struct json value = first_of(root, keys);
    const bool is_answer = !json_is_present(value);
    if (is_answer) value = json_member(root, "pred");
    if (!json_is_present(value))
        return err_set(&row->err, ERR_FORMAT, "there is no response (or pred)");
    struct view text, inside;
    text.bytes = json_to_string(value, &text.size_bytes);
    if (text.bytes == NULL) return err_set(&row->err, ERR_FORMAT, "the response is no text");
    struct text_buffer out;
    text_buffer_init(&out);
    const bool is_bare = is_answer && !answer_find(text, &inside);
    if (is_bare) text_buffer_add_string(&out, "<answer>");
    text_buffer_add(&out, text.bytes, text.size_bytes);
    if (is_bare) text_buffer_add_string(&out, "</answer>");
    row->response_bytes = out.size_bytes;
    row->response = text_buffer_take(&out);
    return 0;
}

// A reference may be a worked solution, as in data files.
static int read_reference(struct score_row *row, struct json root)
{
    static const char *const keys[] = {"ground_truth", "gold", "answer", "label", "solution", NULL};
    struct json value = first_of(root, keys);
    if (!json_is_present(value))
        value = json_member(json_member(root, "reward_model"), "ground_truth");
    if (!json_is_present(value)) return 0; // the metadata may say it
    if (json_is_array(value) || json_is_object(value) || json_is_bool(value)) {
        row->problem.answer = row_json(value);
        return 0;
    }
    if (row_text(value, "the reference", &row->problem.answer, &row->err) != 0) return -1;
    struct view text = {row->problem.answer, strlen(row->problem.answer)}, inside;
    if (!answer_find_marked(text, &inside) && !answer_find_boxed(text, &inside)) return 0;
    inside = text_trim(inside);
    char *answer = text_copy(inside.bytes, inside.size_bytes);
    free(row->problem.answer);
    row->problem.answer = answer;
    return 0;
}

static void choose_grader(struct score_row *row, struct json metadata)
{
    const struct grader *usual = grader_find("math");
    const char *maker = json_to_string(json_member(metadata, "source_dataset"), NULL);
    const char *name = row->source == NULL ? NULL : grader_of_source(row->source);
    const struct grader *found = maker == NULL ? NULL : grader_of_dataset(maker);
    if (found == NULL && name != NULL) found = grader_find(name);
    row->problem.grader = found != NULL ? found : usual != NULL ? usual : &grader_exact;
}

static int read_rest(struct score_row *row, struct json root)
{
    static const char *const prompts[] = {"prompt", "question", "problem", NULL};
    static const char *const lengths[] = {"n_tokens", "response_length", NULL};
    const struct json prompt = first_of(root, prompts), metadata = json_member(root, "metadata");
    const char *source = json_to_string(json_member(root, "data_source"), NULL);
    const char *finish = json_to_string(json_member(root, "finish_reason"), NULL);
    const struct json n_tokens = first_of(root, lengths);
    const char *id_key = json_is_present(json_member(root, "id")) ? "id" : "index";
    if (json_is_present(prompt) &&
        turns_read(prompt, "the prompt", &row->problem.conversation, &row->err) != 0)
        return -1;
    if (source != NULL) row->source = text_copy(source, strlen(source));
    row->problem.source = row->source == NULL ? "" : row->source;
    row->problem.level = row_level(root, "level");
    row->is_stopped = finish == NULL || strcmp(finish, "length") != 0;
    row->n_tokens = REWARD_TOKENS_UNKNOWN;
    if (json_is_integer(n_tokens) && json_to_i64(n_tokens) >= 0 &&
        json_to_i64(n_tokens) < REWARD_TOKENS_UNKNOWN)
        row->n_tokens = (uint32_t)json_to_i64(n_tokens);
    row->problem.metadata =
        json_is_object(metadata) ? row_json(metadata) : text_copy(row->line, row->size_bytes);
    if (json_is_present(json_member(root, id_key))) {
        row->id_key = text_copy(id_key, strlen(id_key));
        row->id = row_json(json_member(root, id_key));
    }
    choose_grader(row, metadata);
    return 0;
}

int score_row_read(struct score_row *row)
{
    struct json_document *document = json_parse(row->line, row->size_bytes, "JSON", &row->err);
    if (document == NULL) return -1;
    const struct json root = json_root(document);
    int result = 0;
    if (!json_is_object(root)) result = err_set(&row->err, ERR_FORMAT, "the row is no JSON object");
    if (result == 0) result = read_rest(row, root);
    if (result == 0) result = read_response(row, root);
    if (result == 0) result = read_reference(row, root);
    json_destroy(document);
    return result;
}

struct reward_case score_row_case(const struct score_row *row)
{
    return (struct reward_case){.problem = &row->problem,
                                .response = {row->response, row->response_bytes},
                                .is_stopped = row->is_stopped,
                                .n_tokens = row->n_tokens};
}

// --- writing -------------------------------------------------------------------------------------

static const char *const outcomes[] = {
    [OUTCOME_OK] = "ok",
    [OUTCOME_SCORER_ERROR] = "scorer_error",
    [OUTCOME_SCORER_TIMEOUT] = "scorer_timeout",
    [OUTCOME_PROMPT_TOO_LONG] = "prompt_too_long",
    [OUTCOME_BAD_DATA] = "bad_data",
    [OUTCOME_INTERNAL] = "internal",
};

static void write_score(struct json_writer *w, const struct score_row *row)
{
    const struct score *s = &row->score;
    struct view answer;
    json_put_double(w, "score", s->reward);
    json_open(w, "components", '{');
    for (uint32_t i = 0; i < s->n_rewards; i++) {
        char name[NAME_BYTES_MAX + 1];
        const struct text *text = &s->rewards[i].name;
        CHECK(text->size_bytes <= NAME_BYTES_MAX);
        memcpy(name, text->bytes, text->size_bytes);
        name[text->size_bytes] = '\0';
        json_put_double(w, name, s->rewards[i].value);
    }
    json_close(w, '}');
    json_put_bool(w, "correct", s->is_correct);
    if (answer_find((struct view){row->response, row->response_bytes}, &answer))
        json_put_text(w, "answer", answer.bytes, answer.size_bytes);
    else
        json_put_string(w, "answer", NULL);
}

void score_row_write(struct score_row *row)
{
    struct json_writer *w = &row->verdict;
    if (w->bytes == NULL) json_writer_init(w);
    w->size_bytes = 0;
    w->need_comma = false;
    json_open(w, NULL, '{');
    if (row->id != NULL)
        json_put_json(w, row->id_key, row->id);
    else
        json_put_u64(w, "index", row->number - 1);
    row->is_scored = !row->is_bad && row->score.outcome == OUTCOME_OK;
    const enum outcome outcome = row->is_bad ? OUTCOME_BAD_DATA : row->score.outcome;
    if (row->is_scored) {
        write_score(w, row);
    } else {
        json_put_string(w, "score", NULL);
    }
    json_put_string(w, "outcome", outcomes[outcome]);
    if (!row->is_scored)
        json_put_string(w, "error", row->is_bad ? row->err.text : row->score.outcome_text);
    json_close(w, '}');
}

void score_row_clear(struct score_row *row)
{
    conversation_fini(&row->problem.conversation);
    free(row->problem.answer);
    free(row->problem.metadata);
    free(row->source);
    free(row->response);
    free(row->id_key);
    free(row->id);
    *row = (struct score_row){
        .line = row->line, .capacity_bytes = row->capacity_bytes, .verdict = row->verdict};
}

void score_row_fini(struct score_row *row)
{
    score_row_clear(row);
    free(row->line);
    free(row->verdict.bytes);
    *row = (struct score_row){.line = NULL};
}
