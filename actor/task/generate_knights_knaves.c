#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "actor/task/generator.h"
#include "actor/task/liars.h"
#include "actor/task/worked_sum.h"
#include "common/base/hash.h"

// Who tells the truth?  Level: the number of people.  Statements are drawn as
// in reasoning-gym (depth and width of their trees) until exactly one
// assignment fits.  Depth 1 is refused: where all only say what one of them is,
// the opposite of what fits does too.  Here the words are always knight and knave.

struct knights_parameters {
    uint32_t n_people, depth_constraint, width_constraint;
};

struct knights {
    struct liars liars;
    uint32_t solution;
};

#define FIELD(key, min, max)                                                                       \
    {                                                                                              \
#key, SPEC_U32, offsetof(struct knights_parameters, key), min, max                         \
    }
static const struct spec_field fields[] = {
    FIELD(n_people, 2, LIARS_PEOPLE_MAX),
    FIELD(depth_constraint, 2, LIARS_DEPTH_MAX),
    FIELD(width_constraint, 2, LIARS_WIDTH_MAX),
};

static const char *const names[] = {
    "Ada",   "Amir",   "Anja",  "Bela",  "Boris", "Carla", "Chen",  "Clara", "Dana",   "Diego",
    "Edith", "Emil",   "Fatma", "Felix", "Fiona", "Georg", "Greta", "Hanna", "Hugo",   "Ida",
    "Igor",  "Ines",   "Ivan",  "Jonas", "Judit", "Karim", "Kira",  "Lars",  "Leila",  "Lotte",
    "Marek", "Marta",  "Milan", "Nadia", "Nils",  "Noor",  "Olga",  "Oskar", "Paula",  "Pedro",
    "Quinn", "Rafael", "Rosa",  "Selma", "Simon", "Tarik", "Tessa", "Ulla",  "Viktor", "Yara",
};
enum { N_NAMES = sizeof names / sizeof names[0] };

static void defaults(void *parameters)
{
    *(struct knights_parameters *)parameters = (struct knights_parameters){2, 2, 2};
}

// Levels name the number of people, so they need not keep to n_people.
static void level_range(const void *parameters, uint32_t *min, uint32_t *max)
{
    (void)parameters;
    *min = 2;
    *max = LIARS_PEOPLE_MAX;
}

static bool draw(const void *parameters, uint32_t level, struct rng_stream *rng, void *drawn,
                 uint64_t *side)
{
    const struct knights_parameters *p = parameters;
    struct knights *k = drawn;
    uint32_t n_people = level > 0 ? level : p->n_people;
    if (!liars_draw(&k->liars, n_people, p->depth_constraint, p->width_constraint, rng) ||
        liars_solve(&k->liars, &k->solution) != 1)
        return false;
    struct json_writer w;
    json_writer_init(&w);
    json_open(&w, NULL, '[');
    liars_write(&k->liars, &w);
    json_close(&w, ']');
    *side = checksum_of(w.bytes, w.size_bytes);
    free(w.bytes);
    return true;
}

// --- writing -------------------------------------------------------------------------------------

struct cast {
    const struct liars *liars;
    const char *names[LIARS_PEOPLE_MAX];
};

static void draw_names(struct cast *c, struct rng_stream *rng)
{
    uint32_t order[N_NAMES];
    for (uint32_t i = 0; i < N_NAMES; i++)
        order[i] = i;
    for (uint32_t i = 0; i < c->liars->n_people; i++) {
        uint32_t j = i + rng_below(rng, N_NAMES - i);
        uint32_t swap = order[i];
        order[i] = order[j];
        order[j] = swap;
        c->names[i] = names[order[i]];
    }
}

static void write_statement(const struct cast *c, uint16_t at, struct text_buffer *out);

static void write_part(const struct cast *c, uint16_t at, struct text_buffer *out)
{
    bool is_plain = c->liars->nodes[at].n_children == 0;
    if (!is_plain) text_buffer_add_string(out, "(");
    write_statement(c, at, out);
    if (!is_plain) text_buffer_add_string(out, ")");
}

// As deep as the statement: LIARS_DEPTH_MAX.
static void write_statement(const struct cast *c, uint16_t at, struct text_buffer *out)
{
    static const char *const between[] = {[LIARS_AND] = " and ",
                                          [LIARS_OR] = " or ",
                                          [LIARS_IF] = ", then ",
                                          [LIARS_IFF] = " exactly when "};
    const struct liars_node *node = &c->liars->nodes[at];
    if (node->n_children == 0) {
        text_buffer_printf(out, "%s is a %s", c->names[node->person],
                           node->kind == LIARS_KNIGHT ? "knight" : "knave");
        return;
    }
    if (node->kind == LIARS_NOT) {
        const struct liars_node *inner = &c->liars->nodes[node->children[0]];
        if (inner->n_children == 0) {
            text_buffer_printf(out, "%s is not a %s", c->names[inner->person],
                               inner->kind == LIARS_KNIGHT ? "knight" : "knave");
            return;
        }
        text_buffer_add_string(out, "it is false that ");
        write_part(c, node->children[0], out);
        return;
    }
    if (node->kind == LIARS_IF) text_buffer_add_string(out, "if ");
    for (uint32_t i = 0; i < node->n_children; i++) {
        if (i > 0) text_buffer_add_string(out, between[node->kind]);
        write_part(c, node->children[i], out);
    }
}

static void write_list(const struct cast *c, struct text_buffer *out)
{
    for (uint32_t i = 0; i < c->liars->n_people; i++)
        text_buffer_printf(out, "%s%s",
                           i == 0                        ? ""
                           : i + 1 == c->liars->n_people ? " and "
                                                         : ", ",
                           c->names[i]);
}

static void write_question(const struct cast *c, struct rng_stream *rng, struct text_buffer *out)
{
    static const char *const frames[] = {
        "%s says: \"%t.\"",       "%s claims that %t.",         "\"%t,\" says %s.",
        "If you ask %s, %t.",     "%s swears that %t.",         "From %s you hear that %t.",
        "%s tells you this: %t.", "\"%t\" is what %s answers.",
    };
    text_buffer_printf(out,
                       "Everyone here is either a knight, who only says what is true, or a knave, "
                       "who only says what is false. You meet %" PRIu32 " people: ",
                       c->liars->n_people);
    write_list(c, out);
    text_buffer_add_string(out, ".");
    struct text_buffer statement;
    text_buffer_init(&statement);
    for (uint32_t i = 0; i < c->liars->n_people; i++) {
        text_buffer_clear(&statement);
        write_statement(c, c->liars->said[i], &statement);
        text_buffer_add_string(out, " ");
        write_wording(out, frames[rng_below(rng, sizeof frames / sizeof frames[0])], c->names[i],
                      statement.bytes);
    }
    text_buffer_fini(&statement);
    text_buffer_printf(out,
                       " Who is what? Say it of each of them, in this form: (1) %s is a "
                       "knight/knave (2) %s is a knight/knave%s",
                       c->names[0], c->names[1], c->liars->n_people > 2 ? " (3) ..." : "");
}

static const char *role(uint32_t knights, uint32_t i)
{
    return (knights >> i & 1) != 0 ? "knight" : "knave";
}

// One assignment after the other, until one fits.
static void work_out(const struct cast *c, const struct working *w)
{
    struct text_buffer line;
    text_buffer_init(&line);
    for (uint32_t knights = 0;; knights++) {
        text_buffer_clear(&line);
        for (uint32_t i = 0; i < c->liars->n_people; i++)
            text_buffer_printf(&line, "%s%s %s", i == 0 ? "" : " , ", c->names[i],
                               role(knights, i));
        uint32_t misfit = liars_misfit(c->liars, knights);
        if (misfit == c->liars->n_people) {
            working_line(w, "%s : all fit", line.bytes);
            break;
        }
        working_line(w, "%s : %s would %s", line.bytes, c->names[misfit],
                     (knights >> misfit & 1) != 0 ? "lie" : "tell the truth");
    }
    text_buffer_fini(&line);
}

static void write(const void *parameters, const void *drawn, struct rng_stream *rng,
                  struct generated *out)
{
    (void)parameters;
    const struct knights *k = drawn;
    struct cast c = {.liars = &k->liars};
    draw_names(&c, rng);
    write_question(&c, rng, &out->question);
    uint32_t n = k->liars.n_people;
    for (uint32_t i = 0; i < n; i++)
        text_buffer_printf(&out->answer, "%s%s is a %s%s",
                           i == 0       ? ""
                           : i + 1 == n ? " and "
                                        : " ",
                           c.names[i], role(k->solution, i), i + 1 == n ? "." : ",");
    if (out->working != NULL) work_out(&c, out->working);
    json_open(&out->metadata, "statements", '[');
    liars_write(&k->liars, &out->metadata);
    json_close(&out->metadata, ']');
    json_open(&out->metadata, "solution", '[');
    for (uint32_t i = 0; i < n; i++)
        json_put_bool(&out->metadata, NULL, (k->solution >> i & 1) != 0);
    json_close(&out->metadata, ']');
    json_open(&out->metadata, "names", '[');
    for (uint32_t i = 0; i < n; i++)
        json_put_string(&out->metadata, NULL, c.names[i]);
    json_close(&out->metadata, ']');
    out->level = n;
    out->n_steps = n;
}

static void write_difficulty(const void *parameters, struct json_writer *w)
{
    const struct knights_parameters *p = parameters;
    json_put_u64(w, "n_people", p->n_people);
    json_put_u64(w, "depth_constraint", p->depth_constraint);
    json_put_u64(w, "width_constraint", p->width_constraint);
}

const struct generator generator_knights_knaves = {
    .name = "knights_knaves",
    .level_is = "people",
    .grader = &grader_knights_knaves,
    .parameters_bytes = sizeof(struct knights_parameters),
    .drawn_bytes = sizeof(struct knights),
    .fields = fields,
    .n_fields = sizeof fields / sizeof fields[0],
    .defaults = defaults,
    .level_range = level_range,
    .draw = draw,
    .write = write,
    .write_difficulty = write_difficulty,
};
