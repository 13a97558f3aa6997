#include "common/model/rope_scaling.h"

#include <math.h>
#include <string.h>

#define PI 0x1.921fb54442d18p+1
#define LN_2 0x1.62e42fefa39efp-1
#define FACTOR_MAX 1e6
#define LENGTH_MAX (1u << 22)

// --- reading ----------------------------------------------------------------------
// One object of a config that says how positions turn, and where it stands.
struct source {
    struct json object;
    const char *key, *file;
};

static const char *const type_names[] = {"default", "linear", "llama3", "yarn"};

// Which keys a type reads; any other that is set is refused.
static const struct {
    const char *key;
    bool linear, llama3, yarn;
} known_keys[] = {
    {"factor", true, true, true},
    {"original_max_position_embeddings", false, true, true},
    {"low_freq_factor", false, true, false},
    {"high_freq_factor", false, true, false},
    {"attention_factor", false, false, true},
    {"beta_fast", false, false, true},
    {"beta_slow", false, false, true},
    {"mscale", false, false, true},
    {"mscale_all_dim", false, false, true},
    {"truncate", false, false, true},
};

static bool is_read(const char *key, enum rope_type type)
{
    for (size_t i = 0; i < sizeof known_keys / sizeof *known_keys; i++)
        if (strcmp(known_keys[i].key, key) == 0)
            return (type == ROPE_LINEAR && known_keys[i].linear) ||
                   (type == ROPE_LLAMA3 && known_keys[i].llama3) ||
                   (type == ROPE_YARN && known_keys[i].yarn);
    return strcmp(key, "rope_type") == 0 || strcmp(key, "type") == 0 ||
           strcmp(key, "rope_theta") == 0;
}

static int check_keys(const struct source *from, enum rope_type type, struct err *err)
{
    for (void *it = json_first(from->object); it != NULL; it = json_next(from->object, it)) {
        const char *key = json_key(it);
        struct json value = json_value(from->object, it);
        if (!json_is_present(value) || is_read(key, type)) continue;
        if (strcmp(key, "partial_rotary_factor") == 0 && json_is_number(value) &&
            json_to_double(value) == 1.0)
            continue;
        return err_set(err, ERR_FORMAT, "%s: %s: '%.60s' is not implemented%s for rope type '%s'",
                       from->file, from->key, key,
                       json_is_object(value) ? " (a rope for each layer type)" : "",
                       type_names[type]);
    }
    return 0;
}

static int read_type(const struct source *from, enum rope_type *out, struct err *err)
{
    struct json newer = json_member(from->object, "rope_type");
    struct json older = json_member(from->object, "type");
    struct json said = json_is_present(newer) ? newer : older;
    *out = ROPE_DEFAULT;
    if (!json_is_present(said)) return 0;
    const char *text = json_is_string(said) ? json_to_string(said, NULL) : "(not a string)";
    if (json_is_present(newer) && json_is_present(older) &&
        (!json_is_string(older) || strcmp(json_to_string(older, NULL), text) != 0))
        return err_set(err, ERR_FORMAT, "%s: %s: 'type' and 'rope_type' differ", from->file,
                       from->key);
    for (size_t i = 0; i < sizeof type_names / sizeof *type_names; i++) {
        if (strcmp(type_names[i], text) != 0) continue;
        *out = (enum rope_type)i;
        return 0;
    }
    return err_set(err, ERR_FORMAT,
                   "%s: %s: rope_type '%.60s' is not implemented (default, linear, llama3 and yarn "
                   "are)",
                   from->file, from->key, text);
}

// A number between low and high; *out stays where the key is absent or null.
static int read_number(const struct source *from, const char *key, double low, double high,
                       double *out, struct err *err)
{
    struct json value = json_member(from->object, key);
    if (!json_is_present(value)) return 0;
    double found = json_is_number(value) ? json_to_double(value) : (double)NAN;
    if (!(found >= low && found <= high))
        return err_set(err, ERR_FORMAT, "%s: %s: '%s': want a number from %g to %g", from->file,
                       from->key, key, low, high);
    *out = found;
    return 0;
}

static int read_length(const struct source *from, uint32_t max_positions, uint32_t *out,
                       struct err *err)
{
    double length = (double)max_positions;
    if (read_number(from, "original_max_position_embeddings", 1, LENGTH_MAX, &length, err) != 0)
        return -1;
    *out = (uint32_t)length;
    if ((double)*out < length)
        return err_set(err, ERR_FORMAT,
                       "%s: %s: 'original_max_position_embeddings': want a whole number",
                       from->file, from->key);
    return 0;
}

static int read_llama3(struct rope_scaling *s, const struct source *from, struct err *err)
{
    if (read_number(from, "low_freq_factor", 1e-3, 1e6, &s->low_freq_factor, err) != 0 ||
        read_number(from, "high_freq_factor", 1e-3, 1e6, &s->high_freq_factor, err) != 0)
        return -1;
    if (s->low_freq_factor > 0 && s->low_freq_factor < s->high_freq_factor) return 0;
    return err_set(err, ERR_FORMAT,
                   "%s: %s: 'high_freq_factor' must be there and over 'low_freq_factor'",
                   from->file, from->key);
}

static int read_yarn(struct rope_scaling *s, const struct source *from, struct err *err)
{
    struct json truncate = json_member(from->object, "truncate");
    s->beta_fast = 32;
    s->beta_slow = 1;
    if (read_number(from, "beta_fast", 1e-3, 1e6, &s->beta_fast, err) != 0 ||
        read_number(from, "beta_slow", 1e-3, 1e6, &s->beta_slow, err) != 0 ||
        read_number(from, "mscale", 0, 100, &s->mscale, err) != 0 ||
        read_number(from, "mscale_all_dim", 0, 100, &s->mscale_all_dim, err) != 0 ||
        read_number(from, "attention_factor", 1e-3, 1e3, &s->attention_factor, err) != 0)
        return -1;
    if (s->beta_fast < s->beta_slow)
        return err_set(err, ERR_FORMAT, "%s: %s: 'beta_fast' is under 'beta_slow'", from->file,
                       from->key);
    if (json_is_present(truncate) && !json_is_bool(truncate))
        return err_set(err, ERR_FORMAT, "%s: %s: 'truncate': want true or false", from->file,
                       from->key);
    s->keeps_fractions = json_is_present(truncate) && !json_to_bool(truncate);
    return 0;
}

static int read_source(struct rope_scaling *s, const struct source *from, uint32_t max_positions,
                       struct err *err)
{
    *s = (struct rope_scaling){0};
    if (!json_is_object(from->object))
        return err_set(err, ERR_FORMAT, "%s: '%s' is not an object", from->file, from->key);
    if (read_type(from, &s->type, err) != 0 || check_keys(from, s->type, err) != 0) return -1;
    if (s->type == ROPE_DEFAULT) return 0;
    if (read_number(from, "factor", 1, FACTOR_MAX, &s->factor, err) != 0) return -1;
    if (s->type != ROPE_LINEAR && read_length(from, max_positions, &s->original_length, err) != 0)
        return -1;
    if (s->type == ROPE_YARN && s->factor < 1) // as the length it is stretched to says
        s->factor = (double)max_positions / s->original_length;
    if (!(s->factor >= 1 && s->factor <= FACTOR_MAX))
        return err_set(err, ERR_FORMAT, "%s: %s: 'factor': want a number from 1 to %g", from->file,
                       from->key, FACTOR_MAX);
    if (s->type == ROPE_LLAMA3) return read_llama3(s, from, err);
    return s->type == ROPE_YARN ? read_yarn(s, from, err) : 0;
}

static struct hash hash_alone(const struct rope_scaling *s)
{
    struct hasher hasher;
    hasher_init(&hasher);
    rope_scaling_hash(s, &hasher);
    return hasher_end(&hasher);
}

static int read_theta(struct json root, const struct source *sources, double *theta,
                      const char *name, struct err *err)
{
    const struct source places[] = {{root, "the config", name}, sources[0], sources[1]};
    *theta = 0;
    for (size_t i = 0; i < 3; i++) {
        double found = 0;
        if (read_number(&places[i], "rope_theta", 1, 1e12, &found, err) != 0) return -1;
        if (found > 0 && *theta > 0 && (found < *theta || found > *theta))
            return err_set(err, ERR_FORMAT, "%s: two values of rope_theta: %g and %g", name, *theta,
                           found);
        if (found > 0) *theta = found;
    }
    if (!(*theta > 0)) *theta = 10000.0;
    return 0;
}

int rope_scaling_read(struct rope_scaling *s, double *theta, struct json root,
                      uint32_t max_positions, const char *name, struct err *err)
{
    const struct source sources[] = {
        {json_member(root, "rope_scaling"), "rope_scaling", name},
        {json_member(root, "rope_parameters"), "rope_parameters", name},
    };
    bool is_said = false;
    *s = (struct rope_scaling){0};
    for (size_t i = 0; i < 2; i++) {
        struct rope_scaling found;
        if (!json_is_present(sources[i].object)) continue;
        if (read_source(&found, &sources[i], max_positions, err) != 0) return -1;
        struct hash left = hash_alone(s), right = hash_alone(&found);
        if (is_said && !hash_is_equal(&left, &right))
            return err_set(err, ERR_FORMAT, "%s: 'rope_scaling' and 'rope_parameters' differ",
                           name);
        *s = found;
        is_said = true;
    }
    if (read_theta(root, sources, theta, name, err) != 0) return -1;
    if (s->type == ROPE_YARN && !(*theta > 1.0))
        return err_set(err, ERR_FORMAT, "%s: rope_theta: want more than 1 with yarn", name);
    return 0;
}

// --- writing ------------------------------------------------------------------------
static void put_given(struct json_writer *out, const char *key, double value)
{
    if (value > 0) json_put_double(out, key, value);
}

void rope_scaling_write(const struct rope_scaling *s, struct json_writer *out)
{
    if (s->type == ROPE_DEFAULT) return;
    json_open(out, "rope_scaling", '{');
    json_put_string(out, "rope_type", type_names[s->type]);
    json_put_double(out, "factor", s->factor);
    if (s->type != ROPE_LINEAR)
        json_put_u64(out, "original_max_position_embeddings", s->original_length);
    put_given(out, "low_freq_factor", s->low_freq_factor);
    put_given(out, "high_freq_factor", s->high_freq_factor);
    put_given(out, "beta_fast", s->beta_fast);
    put_given(out, "beta_slow", s->beta_slow);
    put_given(out, "mscale", s->mscale);
    put_given(out, "mscale_all_dim", s->mscale_all_dim);
    put_given(out, "attention_factor", s->attention_factor);
    if (s->keeps_fractions) json_put_bool(out, "truncate", false);
    json_close(out, '}');
}

void rope_scaling_hash(const struct rope_scaling *s, struct hasher *hasher)
{
    const uint32_t counts[] = {s->type, s->original_length, s->keeps_fractions};
    const double numbers[] = {s->factor,         s->low_freq_factor, s->high_freq_factor,
                              s->beta_fast,      s->beta_slow,       s->mscale,
                              s->mscale_all_dim, s->attention_factor};
    hasher_add(hasher, counts, sizeof counts);
    hasher_add(hasher, numbers, sizeof numbers);
}

uint64_t rope_scaling_reach(const struct rope_scaling *s)
{
    return s->type == ROPE_YARN ? (uint64_t)(s->factor * s->original_length) : 0;
}

// --- what it does to the turns ------------------------------------------------------
// ln(x) for x > 0 by the series of atanh: the same bits on every machine.
static double natural_log(double x)
{
    int exponent;
    double mantissa = frexp(x, &exponent); // exact
    if (mantissa < 0x1.6a09e667f3bcdp-1) {
        mantissa *= 2;
        exponent--;
    }
    double t = (mantissa - 1) / (mantissa + 1), square = t * t, sum = 0;
    for (int i = 41; i > 0; i -= 2) // |t| < 0.172: the next term is under 1e-33
        sum = sum * square + 1.0 / i;
    return exponent * LN_2 + 2 * t * sum;
}

static double magnitude_of(double factor, double mscale)
{
    return factor <= 1 ? 1.0 : 0.1 * mscale * natural_log(factor) + 1.0;
}

double rope_scaling_magnitude(const struct rope_scaling *s)
{
    if (s->type != ROPE_YARN) return 1.0;
    if (s->attention_factor > 0) return s->attention_factor;
    if (s->mscale > 0 && s->mscale_all_dim > 0)
        return magnitude_of(s->factor, s->mscale) / magnitude_of(s->factor, s->mscale_all_dim);
    return magnitude_of(s->factor, 1.0);
}

// Slow pairs are stretched, fast ones are not, those between in part.
static double llama3_turn(const struct rope_scaling *s, double turn)
{
    double wavelength = 2 * PI / turn, length = s->original_length;
    if (wavelength < length / s->high_freq_factor) return turn;
    if (wavelength > length / s->low_freq_factor) return turn / s->factor;
    double smooth =
        (length / wavelength - s->low_freq_factor) / (s->high_freq_factor - s->low_freq_factor);
    return (1 - smooth) * turn / s->factor + smooth * turn;
}

// The pair that turns `rotations` times within the original length.
static double yarn_pair(const struct rope_scaling *s, double theta, uint32_t head_width,
                        double rotations)
{
    return head_width * natural_log(s->original_length / (rotations * 2 * PI)) /
           (2 * natural_log(theta));
}

static void yarn_turns(const struct rope_scaling *s, double theta, uint32_t head_width,
                       double *turns)
{
    double low = yarn_pair(s, theta, head_width, s->beta_fast);
    double high = yarn_pair(s, theta, head_width, s->beta_slow);
    if (!s->keeps_fractions) {
        low = floor(low);
        high = ceil(high);
    }
    if (low < 0) low = 0;
    if (high > head_width - 1) high = head_width - 1;
    double width = high - low;
    if (!(width < 0 || width > 0)) width = 0.001;
    for (uint32_t i = 0; i < head_width / 2; i++) {
        double ramp = (i - low) / width;
        if (!(ramp > 0)) ramp = 0;
        if (ramp > 1) ramp = 1;
        turns[i] = turns[i] / s->factor * ramp + turns[i] * (1 - ramp);
    }
}

void rope_scaling_apply(const struct rope_scaling *s, double theta, uint32_t head_width,
                        double *inverse_frequency)
{
    if (s->type == ROPE_YARN) yarn_turns(s, theta, head_width, inverse_frequency);
    for (uint32_t i = 0; i < head_width / 2; i++) {
        if (s->type == ROPE_LINEAR) inverse_frequency[i] /= s->factor;
        if (s->type == ROPE_LLAMA3) inverse_frequency[i] = llama3_turn(s, inverse_frequency[i]);
    }
}
