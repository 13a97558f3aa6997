#include "actor/task/dials.h"

#include <inttypes.h>

#include "common/base/hash.h"

#define POSITIONS 10
#define TURN_MAX 3
#define DRAWS_MAX 10000
#define SEEN_LATER_MAX 2 // turns between the doubtful one and what is seen

// Letters of a problem: the start, 2 level turns and 1 + level / 2 extras.
_Static_assert(1 + 2 * DIALS_LEVEL_MAX + 1 + DIALS_LEVEL_MAX / 2 <= DIALS_LETTERS,
               "the highest level must fit the alphabet");

#define SHARE(name, member)                                                                        \
    {                                                                                              \
        name, SPEC_DOUBLE, offsetof(struct dials_parameters, member), 0, 1                         \
    }
const struct spec_field dials_fields[] = {
    SHARE("swap", swap),
    SHARE("doubt", doubt),
    SHARE("wrong_first", wrong_first),
};
const size_t n_dials_fields = sizeof dials_fields / sizeof dials_fields[0];

void dials_defaults(struct dials_parameters *p)
{
    *p = (struct dials_parameters){.swap = 0.2, .doubt = 0.6, .wrong_first = 0.5};
}

static bool happens(struct rng_stream *rng, double share)
{
    return (double)rng_next_unit(rng) < share;
}

struct dial_turn dials_draw_turn(const struct dials_parameters *p, struct rng_stream *rng)
{
    if (happens(rng, p->swap)) return (struct dial_turn){.is_swap = true};
    struct dial_turn turn = {.dial = rng_below(rng, 2) == 0 ? DIAL_LEFT : DIAL_RIGHT};
    int32_t by = 1 + (int32_t)rng_below(rng, TURN_MAX);
    turn.by = rng_below(rng, 2) == 0 ? by : -by;
    return turn;
}

struct dial_values dials_draw_values(struct rng_stream *rng)
{
    struct dial_values v;
    v.at[DIAL_LEFT] = rng_below(rng, POSITIONS);
    v.at[DIAL_RIGHT] = rng_below(rng, POSITIONS);
    return v;
}

struct dial_values dials_apply(struct dial_turn turn, struct dial_values values)
{
    if (turn.is_swap) return (struct dial_values){{values.at[DIAL_RIGHT], values.at[DIAL_LEFT]}};
    values.at[turn.dial] = (values.at[turn.dial] + (uint32_t)(POSITIONS + turn.by)) % POSITIONS;
    return values;
}

char dials_letter(const struct dials *d, uint32_t i)
{
    return (char)('a' + d->first_letter + i);
}

struct dial_values dials_answer(const struct dials *d)
{
    return d->values[d->n_turns];
}

// --- drawing -------------------------------------------------------------------------------------

static uint32_t turn_code(struct dial_turn turn)
{
    return turn.is_swap ? 0 : (uint32_t)(turn.by + 2 * POSITIONS) + 100 * (uint32_t)turn.dial;
}

static bool is_held_out(const struct dials *d)
{
    uint32_t key[2 + DIALS_LETTERS] = {d->values[0].at[0], d->values[0].at[1]};
    size_t n = 2;
    for (uint32_t i = 0; i < d->n_turns; i++)
        key[n++] = turn_code(d->turns[i]);
    return checksum_of(key, n * sizeof key[0]) % DIALS_HOLDOUT == 0;
}

// The dials at letter `to` if turn number `turn` were `other`.
static struct dial_values values_with(const struct dials *d, uint32_t turn, struct dial_turn other,
                                      uint32_t to)
{
    struct dial_values v = dials_apply(other, d->values[turn]);
    for (uint32_t i = turn + 1; i < to; i++)
        v = dials_apply(d->turns[i], v);
    return v;
}

// One turn becomes two candidates, and one dial is seen that tells them apart.
static void add_doubt(const struct dials_parameters *p, struct rng_stream *rng, struct dials *d)
{
    d->is_doubtful = true;
    d->doubtful_turn = rng_below(rng, d->n_turns - 1);
    d->seen_letter = d->doubtful_turn + 1 + rng_below(rng, SEEN_LATER_MAX + 1);
    if (d->seen_letter > d->n_turns - 1) d->seen_letter = d->n_turns - 1;
    const struct dial_turn right = d->turns[d->doubtful_turn];
    const struct dial_values *seen = &d->values[d->seen_letter];
    struct dial_turn wrong;
    bool differs[2];
    do { // turns have inverses, so most candidates do leave other values
        wrong = dials_draw_turn(p, rng);
        struct dial_values other = values_with(d, d->doubtful_turn, wrong, d->seen_letter);
        differs[DIAL_LEFT] = other.at[DIAL_LEFT] != seen->at[DIAL_LEFT];
        differs[DIAL_RIGHT] = other.at[DIAL_RIGHT] != seen->at[DIAL_RIGHT];
    } while (!differs[DIAL_LEFT] && !differs[DIAL_RIGHT]);
    if (differs[DIAL_LEFT] && differs[DIAL_RIGHT])
        d->seen_dial = rng_below(rng, 2) == 0 ? DIAL_LEFT : DIAL_RIGHT;
    else
        d->seen_dial = differs[DIAL_LEFT] ? DIAL_LEFT : DIAL_RIGHT;
    bool wrong_first = happens(rng, p->wrong_first);
    d->candidates[0] = wrong_first ? wrong : right;
    d->candidates[1] = wrong_first ? right : wrong;
}

// What does not decide the side: letters, useless statements, doubt, order.
static void dress(const struct dials_parameters *p, struct rng_stream *rng, struct dials *d)
{
    d->n_extras = rng_below(rng, 2 + d->level / 2);
    uint32_t n_letters = 1 + d->n_turns + d->n_extras;
    d->first_letter = rng_below(rng, DIALS_LETTERS - n_letters + 1);
    for (uint32_t i = 0; i < d->n_extras; i++)
        d->turns[d->n_turns + i] = dials_draw_turn(p, rng);
    d->is_doubtful = false;
    if (d->level >= 2 && happens(rng, p->doubt)) add_doubt(p, rng, d);
    d->n_statements = n_letters + (d->is_doubtful ? 1 : 0);
    for (uint32_t i = 0; i < d->n_statements; i++)
        d->order[i] = i;
    for (uint32_t i = d->n_statements; i > 1; i--) {
        uint32_t j = rng_below(rng, i);
        uint32_t swap = d->order[i - 1];
        d->order[i - 1] = d->order[j];
        d->order[j] = swap;
    }
}

int dials_draw(const struct dials_parameters *p, uint32_t level, bool held_out,
               struct rng_stream *rng, struct dials *out, struct err *err)
{
    CHECK(level >= 1 && level <= DIALS_LEVEL_MAX);
    struct dials *d = out;
    *d = (struct dials){.level = level};
    for (int draw = 0; draw < DRAWS_MAX; draw++) {
        d->n_turns = 2 * level - 1 + rng_below(rng, 2);
        d->values[0] = dials_draw_values(rng);
        for (uint32_t i = 0; i < d->n_turns; i++) {
            d->turns[i] = dials_draw_turn(p, rng);
            d->values[i + 1] = dials_apply(d->turns[i], d->values[i]);
        }
        if (is_held_out(d) != held_out) continue;
        dress(p, rng, d);
        return 0;
    }
    return err_set(err, ERR_USAGE, "dials: no %s problem of level %" PRIu32 " in %d draws",
                   held_out ? "held-out" : "training", level, DRAWS_MAX);
}

// --- writing -------------------------------------------------------------------------------------

const char *dials_dial_word(enum dial dial)
{
    return dial == DIAL_LEFT ? "left" : "right";
}

void dials_write_turn(struct dial_turn turn, struct text_buffer *out)
{
    if (turn.is_swap)
        text_buffer_add_string(out, "X");
    else
        text_buffer_printf(out, "%c%+" PRId32, turn.dial == DIAL_LEFT ? 'L' : 'R', turn.by);
}

void dials_write_values(struct dial_values v, struct text_buffer *out)
{
    text_buffer_printf(out, "%" PRIu32 " %" PRIu32, v.at[DIAL_LEFT], v.at[DIAL_RIGHT]);
}

static void write_statement(const struct dials *d, uint32_t which, struct text_buffer *out)
{
    if (which == 0) {
        text_buffer_printf(out, "%c = ", dials_letter(d, 0));
        dials_write_values(d->values[0], out);
    } else if (d->is_doubtful && which == d->n_statements - 1) {
        text_buffer_printf(out, "%c %s %" PRIu32, dials_letter(d, d->seen_letter),
                           dials_dial_word(d->seen_dial),
                           d->values[d->seen_letter].at[d->seen_dial]);
    } else if (d->is_doubtful && which - 1 == d->doubtful_turn) {
        text_buffer_printf(out, "%c maybe ", dials_letter(d, which));
        dials_write_turn(d->candidates[0], out);
        text_buffer_add_string(out, " or ");
        dials_write_turn(d->candidates[1], out);
    } else {
        text_buffer_printf(out, "%c ", dials_letter(d, which));
        dials_write_turn(d->turns[which - 1], out);
    }
    text_buffer_add_string(out, " ");
}

void dials_write_problem(const struct dials *d, struct text_buffer *out)
{
    for (uint32_t i = 0; i < d->n_statements; i++)
        write_statement(d, d->order[i], out);
    text_buffer_printf(out, "%c ?", dials_letter(d, d->n_turns));
}
