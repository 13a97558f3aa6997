#include "actor/talker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "actor/data/served_files.h"
#include "actor/engine/rollout.h"
#include "actor/rendered_ids.h"
#include "actor/stop_ids.h"
#include "actor/template/template.h"
#include "actor/tokenizer/tokenizer.h"
#include "common/base/file.h"
#include "common/base/json.h"
#include "common/model/safetensors.h"

#define FILE_BYTES_MAX TOKENIZER_FILE_BYTES_MAX
#define TICKET 1
#define PATH_BYTES 4096

static const char *const file_names[] = {
    "config.json",           "tokenizer.json",      "generation_config.json",
    "tokenizer_config.json", "chat_template.jinja", "chat_template.json"};
enum { N_FILES = sizeof file_names / sizeof file_names[0] };
#define N_NEEDED 2 // the others may be missing

struct talker {
    struct served_file files[N_FILES]; // as a learner would serve them
    struct served_files served;
    struct shape shape;
    struct params params;
    struct tokenizer *tokenizer;
    struct stop_ids stop_ids;
    struct template template;
    struct sampling sampling;
    struct pool *pool;
    struct weights *weights;
    struct rollout *rollout;
};

// --- opening -------------------------------------------------------------------------------------

static int read_files(struct talker *t, const char *folder, struct err *err)
{
    t->served.files = t->files;
    for (int i = 0; i < N_FILES; i++) {
        char path[PATH_BYTES], *bytes;
        size_t size_bytes;
        if (file_join(path, sizeof path, folder, file_names[i], err) != 0) return -1;
        if (i >= N_NEEDED && !file_exists(path)) continue;
        if (file_read(path, FILE_BYTES_MAX, &bytes, &size_bytes, err) != 0) return -1;
        struct served_file *file = &t->files[t->served.n_files++];
        snprintf(file->name, sizeof file->name, "%s", file_names[i]);
        file->bytes = (unsigned char *)bytes;
        file->size_bytes = size_bytes;
    }
    return 0;
}

static struct view bytes_of(const struct talker *t, const char *name)
{
    const struct served_file *file = served_files_find(&t->served, name);
    return file == NULL ? (struct view){0} : served_file_bytes(file);
}

static int read_text_side(struct talker *t, const char *template, struct err *err)
{
    struct view config = bytes_of(t, "config.json"), tokenizer = bytes_of(t, "tokenizer.json");
    const struct template_files files = {bytes_of(t, "tokenizer_config.json"),
                                         bytes_of(t, "chat_template.jinja"),
                                         bytes_of(t, "chat_template.json")};
    if (shape_parse(&t->shape, config.bytes, config.size_bytes, "config.json", err) != 0 ||
        template_init_for_model(&t->template, template, &files, err) != 0)
        return -1;
    t->tokenizer = tokenizer_create(tokenizer.bytes, tokenizer.size_bytes, "tokenizer.json", err);
    if (t->tokenizer == NULL || stop_ids_init(&t->stop_ids, &t->served, t->tokenizer, err) != 0)
        return -1;
    if (template_end(&t->template) != NULL)
        stop_ids_add(&t->stop_ids, t->tokenizer, template_end(&t->template));
    if (tokenizer_id_limit(t->tokenizer) <= t->shape.vocab_size) return 0;
    return err_set(err, ERR_MISMATCH,
                   "tokenizer.json has ids up to %" PRIu32 ", config.json a vocab_size of %" PRIu32,
                   tokenizer_id_limit(t->tokenizer) - 1, t->shape.vocab_size);
}

static double number_of(struct json config, const char *key, double absent, double max)
{
    struct json value = json_member(config, key);
    double number = json_is_number(value) ? json_to_double(value) : absent;
    return number >= 0 && number <= max ? number : absent;
}

// "do_sample": false asks for the most probable token.
static int read_sampling(struct talker *t, struct err *err)
{
    struct view file = bytes_of(t, "generation_config.json");
    t->sampling = (struct sampling){1, 1, 0};
    if (file.bytes == NULL) return 0;
    struct json_document *document =
        json_parse(file.bytes, file.size_bytes, "generation_config.json", err);
    if (document == NULL) return -1;
    struct json config = json_root(document), do_sample = json_member(config, "do_sample");
    t->sampling.temperature = (float)number_of(config, "temperature", 1, 10);
    t->sampling.top_p = (float)number_of(config, "top_p", 1, 1);
    t->sampling.top_k = (uint32_t)number_of(config, "top_k", 0, 1e6);
    if (json_is_bool(do_sample) && !json_to_bool(do_sample))
        t->sampling = (struct sampling){0, 1, 0};
    if (t->sampling.top_p <= 0) t->sampling.top_p = 1;
    json_destroy(document);
    return 0;
}

static int open_engine(struct talker *t, const struct talker_options *o, struct err *err)
{
    if (params_init(&t->params, &t->shape, err) != 0) return -1;
    uint16_t *flat = malloc(t->params.n_elements * sizeof *flat);
    CHECK(flat != NULL);
    if (safetensors_read_model(o->model, &t->params, flat, err) != 0) {
        free(flat);
        return -1;
    }
    t->pool = pool_create(o->n_threads);
    t->weights = weights_create(&t->params, PANEL_BF16);
    weights_load(t->weights, flat, t->pool);
    free(flat);
    const uint32_t wanted = rollout_pages_needed(1, t->shape.context_length);
    const uint64_t one = kv_bytes(&t->shape, 1), allowed = o->cache_bytes_max / (one ? one : 1);
    const struct rollout_limits limits = {1, allowed < wanted ? (uint32_t)allowed : wanted,
                                          decode_prefill_rows(&t->shape)};
    if (limits.n_pages == 0)
        return err_set(err, ERR_LIMIT, "%" PRIu64 " bytes of cache hold not one page of this model",
                       o->cache_bytes_max);
    t->rollout = rollout_create(&t->shape, &limits, t->pool);
    rollout_set_weights(t->rollout, t->weights);
    return 0;
}

struct talker *talker_open(const struct talker_options *options, struct err *err)
{
    struct talker *t = calloc(1, sizeof *t);
    CHECK(t != NULL);
    if (read_files(t, options->model, err) == 0 && read_text_side(t, options->template, err) == 0 &&
        read_sampling(t, err) == 0 && open_engine(t, options, err) == 0)
        return t;
    err_prefix(err, "%s", options->model);
    talker_close(t);
    return NULL;
}

void talker_close(struct talker *t)
{
    if (t == NULL) return;
    rollout_destroy(t->rollout);
    weights_destroy(t->weights);
    pool_destroy(t->pool);
    params_fini(&t->params);
    template_fini(&t->template);
    tokenizer_destroy(t->tokenizer);
    for (size_t i = 0; i < t->served.n_files; i++)
        free(t->files[i].bytes);
    free(t);
}

struct sampling talker_sampling(const struct talker *t)
{
    return t->sampling;
}

// --- answering -----------------------------------------------------------------------------------

struct answer {
    const struct talker *t;
    struct text_stream *stream;
    struct text_buffer text, fresh; // all of it; what is not in it yet
    uint32_t n_tokens;              // of which this many are in it
    talker_fn write;
    void *context;
};

static void give(struct answer *a)
{
    const size_t before = a->text.size_bytes;
    text_buffer_add_repaired(&a->text, a->fresh.bytes, a->fresh.size_bytes);
    text_buffer_clear(&a->fresh);
    if (a->text.size_bytes > before)
        a->write(a->context, text_part(text_buffer_view(&a->text), before, a->text.size_bytes));
}

static void take_tokens(struct answer *a, const uint32_t *tokens, uint32_t n_tokens)
{
    for (; a->n_tokens < n_tokens; a->n_tokens++)
        if (!stop_ids_has(&a->t->stop_ids, tokens[a->n_tokens]))
            text_stream_add(a->stream, tokens[a->n_tokens], &a->fresh);
    give(a);
}

static void draw(struct talker *t, struct answer *a)
{
    struct rollout_sample sample;
    while (!rollout_pop(t->rollout, &sample)) {
        uint32_t n_tokens;
        rollout_step(t->rollout);
        const uint32_t *tokens = rollout_drawn(t->rollout, TICKET, 0, &n_tokens);
        take_tokens(a, tokens, n_tokens);
    }
    take_tokens(a, sample.tokens, sample.n_tokens);
    text_stream_end(a->stream, &a->fresh);
    give(a);
}

static int start(struct talker *t, const struct token_ids *ids, const struct talker_turn *turn,
                 struct err *err)
{
    if (ids->count == 0) return err_set(err, ERR_FORMAT, "there is nothing to answer");
    if (ids->count >= t->shape.context_length)
        return err_set(err, ERR_LIMIT,
                       "the conversation has %zu tokens and the model's context %" PRIu32,
                       ids->count, t->shape.context_length);
    const uint32_t room = t->shape.context_length - (uint32_t)ids->count;
    const struct rollout_group group = {
        .ticket = TICKET,
        .prompt = ids->items,
        .n_prompt_tokens = (uint32_t)ids->count,
        .n_samples = 1,
        .max_new_tokens = turn->max_new_tokens < room ? turn->max_new_tokens : room,
        .sampling = turn->sampling,
        .seed = turn->seed,
        .prompt_index = turn->number,
        .stop_ids = t->stop_ids.ids,
        .n_stop_ids = t->stop_ids.count};
    return rollout_add(t->rollout, &group, err);
}

char *talker_answer(struct talker *t, const struct conversation *c, const struct talker_turn *turn,
                    talker_fn write, void *context, struct err *err)
{
    struct rendering r;
    struct token_ids ids;
    rendering_init(&r);
    token_ids_init(&ids);
    int result = template_render(&t->template, c, true, &r, err);
    if (result == 0)
        result = rendered_ids(t->tokenizer, &t->template, &r, turn->is_literal, &ids, err);
    if (result == 0) result = start(t, &ids, turn, err);
    struct answer a = {.t = t, .write = write, .context = context};
    if (result == 0) {
        text_buffer_init(&a.text);
        text_buffer_add_string(&a.text, "");
        a.stream = text_stream_create(t->tokenizer, true);
        draw(t, &a);
        text_stream_destroy(a.stream);
        text_buffer_fini(&a.fresh);
    }
    rendering_fini(&r);
    token_ids_fini(&ids);
    return result == 0 ? text_buffer_take(&a.text) : NULL;
}
