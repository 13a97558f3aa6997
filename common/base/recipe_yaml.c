#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/base/recipe_tree.h"

// One parse: libyaml's events, pulled one at a time, and what was counted.
struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    const char *source;
    bool has_lines;
    size_t n_nodes;
};

static int refuse_at(const struct reader *r, const yaml_mark_t *mark, enum err_code code,
                     const char *what, struct err *err)
{
    if (r->has_lines) return err_set(err, code, "%s:%zu: %s", r->source, mark->line + 1, what);
    return err_set(err, code, "%s: %s", r->source, what);
}

static int refuse(const struct reader *r, const char *what, struct err *err)
{
    return refuse_at(r, &r->event.start_mark, ERR_USAGE, what, err);
}

static int pull(struct reader *r, struct err *err)
{
    if (r->has_event) yaml_event_delete(&r->event);
    r->has_event = yaml_parser_parse(&r->parser, &r->event) != 0;
    if (r->has_event) return 0;

    const yaml_parser_t *p = &r->parser;
    char what[256];
    snprintf(what, sizeof what, "not YAML: %s%s%s%s",
             p->problem != NULL ? p->problem : "out of memory", p->context != NULL ? " (" : "",
             p->context != NULL ? p->context : "", p->context != NULL ? ")" : "");
    return refuse_at(r, &p->problem_mark, ERR_USAGE, what, err);
}

static int check_key(const struct reader *r, const struct tree *map, const char *key,
                     size_t key_bytes, struct err *err)
{
    if (key_bytes == 0 || key_bytes > TREE_KEY_BYTES_MAX || strlen(key) != key_bytes) {
        return refuse(r, "a key must have 1 to 200 bytes", err);
    }
    // Keys are searched one by one, so that their number is bounded.
    if (map->n_items >= TREE_MAP_ITEMS_MAX) return refuse(r, "over 1000 keys in a map", err);
    for (size_t i = 0; i < map->n_items; i++) {
        if (map->items[i].key == NULL || strcmp(map->items[i].key, key) != 0) continue;
        char what[TREE_KEY_BYTES_MAX + 64];
        snprintf(what, sizeof what, "the key '%s' is given twice, first in line %zu", key,
                 map->items[i].line);
        return refuse(r, what, err);
    }
    return 0;
}

static int read_node(struct reader *r, struct tree *node, int depth, struct err *err);

static int read_items(struct reader *r, struct tree *node, int depth, struct err *err)
{
    bool is_map = node->kind == TREE_MAP;
    yaml_event_type_t end = is_map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    size_t capacity = 0;
    for (;;) {
        if (pull(r, err) != 0) return -1;
        if (r->event.type == end) return 0;
        if (node->n_items == capacity) {
            capacity = capacity * 2 + 8;
            node->items = realloc(node->items, capacity * sizeof *node->items);
            CHECK(node->items != NULL);
        }
        struct tree item = {0};
        if (is_map) {
            if (r->event.type != YAML_SCALAR_EVENT) return refuse(r, "a key must be a word", err);
            const char *key = (const char *)r->event.data.scalar.value;
            if (check_key(r, node, key, r->event.data.scalar.length, err) != 0) return -1;
            item.key = strdup(key);
            CHECK(item.key != NULL);
            size_t line = r->event.start_mark.line + 1;
            node->items[node->n_items++] = item;
            struct tree *value = &node->items[node->n_items - 1];
            if (pull(r, err) != 0 || read_node(r, value, depth + 1, err) != 0) return -1;
            value->line = r->has_lines ? line : 0; // people look for the key
        } else {
            node->items[node->n_items++] = item;
            if (read_node(r, &node->items[node->n_items - 1], depth + 1, err) != 0) return -1;
        }
    }
}

static int refuse_extras(const struct reader *r, const yaml_char_t *anchor, const yaml_char_t *tag,
                         struct err *err)
{
    if (anchor != NULL) return refuse(r, "anchors (&name) are not used in recipes", err);
    if (tag != NULL) return refuse(r, "tags (!name) are not used in recipes", err);
    return 0;
}

// Fills node, whose key is already there, from the event at hand.
static int read_node(struct reader *r, struct tree *node, int depth, struct err *err)
{
    const yaml_event_t *e = &r->event;
    node->source = r->source;
    node->line = r->has_lines ? e->start_mark.line + 1 : 0;
    if (depth > TREE_DEPTH_MAX) return refuse(r, "nested too deeply (limit 32)", err);
    if (++r->n_nodes > TREE_NODES_MAX) return refuse(r, "too many values (limit 100000)", err);

    if (e->type == YAML_SCALAR_EVENT) {
        if (refuse_extras(r, e->data.scalar.anchor, e->data.scalar.tag, err) != 0) return -1;
        node->kind = TREE_SCALAR;
        node->is_plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        node->text_bytes = e->data.scalar.length;
        node->text = malloc(node->text_bytes + 1);
        CHECK(node->text != NULL);
        memcpy(node->text, e->data.scalar.value, node->text_bytes);
        node->text[node->text_bytes] = '\0';
        return 0;
    }
    if (e->type == YAML_SEQUENCE_START_EVENT) {
        const yaml_char_t *tag = e->data.sequence_start.tag;
        if (refuse_extras(r, e->data.sequence_start.anchor, tag, err) != 0) return -1;
        node->kind = TREE_LIST;
        return read_items(r, node, depth, err);
    }
    if (e->type == YAML_MAPPING_START_EVENT) {
        const yaml_char_t *tag = e->data.mapping_start.tag;
        if (refuse_extras(r, e->data.mapping_start.anchor, tag, err) != 0) return -1;
        node->kind = TREE_MAP;
        return read_items(r, node, depth, err);
    }
    return refuse(r, "aliases (*name) are not used in recipes", err);
}

static int read_document(struct reader *r, struct tree *tree, struct err *err)
{
    if (pull(r, err) != 0) return -1; // stream start
    if (pull(r, err) != 0) return -1;
    if (r->event.type == YAML_STREAM_END_EVENT) {
        tree->kind = TREE_MAP;
        tree->source = r->source;
        tree->line = r->has_lines ? 1 : 0;
        return 0;
    }
    if (pull(r, err) != 0) return -1;
    if (read_node(r, tree, 1, err) != 0) return -1;
    if (pull(r, err) != 0) return -1; // document end
    if (pull(r, err) != 0) return -1;
    if (r->event.type != YAML_STREAM_END_EVENT) {
        return refuse(r, "a second document begins here; a recipe is one", err);
    }
    return 0;
}

int tree_parse(struct tree *tree, const char *bytes, size_t size_bytes, const char *source,
               bool has_lines, struct err *err)
{
    *tree = (struct tree){0};
    if (size_bytes > TREE_BYTES_MAX) {
        return err_set(err, ERR_LIMIT, "%s: %zu bytes, at most %zu", source, size_bytes,
                       TREE_BYTES_MAX);
    }
    struct reader r = {.source = source, .has_lines = has_lines};
    CHECK(yaml_parser_initialize(&r.parser) != 0);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)bytes, size_bytes);
    int status = read_document(&r, tree, err);
    if (r.has_event) yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    if (status != 0) tree_free(tree);
    return status;
}
