#include "tests/support/golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/rng.h"
#include "common/math/bf16.h"
#include "common/model/safetensors.h"

static _Noreturn void stop(const struct err *err)
{
    fprintf(stderr, "golden: %s\n", err->text);
    abort();
}

void golden_open_weights(struct golden *g, const char *name)
{
    struct err err;
    struct shape shape;
    *g = (struct golden){0};
    snprintf(g->folder, sizeof g->folder, "tests/golden/%s", name);
    if (shape_read(&shape, g->folder, &err) != 0 || params_init(&g->params, &shape, &err) != 0)
        stop(&err);
    g->flat = malloc(g->params.n_elements * sizeof *g->flat);
    CHECK(g->flat != NULL);
    if (safetensors_read_model(g->folder, &g->params, g->flat, &err) != 0) stop(&err);
}

void golden_open(struct golden *g, const char *name)
{
    struct err err;
    char path[512], *bytes;
    size_t size_bytes;
    golden_open_weights(g, name);
    snprintf(path, sizeof path, "%s/golden.json", g->folder);
    g->document = json_read_file(path, (size_t)1 << 24, &err);
    if (g->document == NULL) stop(&err);
    g->root = json_root(g->document);
    snprintf(path, sizeof path, "%s/golden.bin", g->folder);
    if (file_read(path, (size_t)1 << 24, &bytes, &size_bytes, &err) != 0) stop(&err);
    g->n_values = size_bytes / sizeof(float);
    g->values = malloc(size_bytes);
    CHECK(g->values != NULL);
    memcpy(g->values, bytes, size_bytes);
    free(bytes);
}

void golden_close(struct golden *g)
{
    json_destroy(g->document);
    params_fini(&g->params);
    free(g->values);
    free(g->flat);
}

const float *golden_array(const struct golden *g, const char *name, size_t count)
{
    struct json arrays = json_member(g->root, "arrays");
    for (size_t i = 0; i < json_count(arrays); i++) {
        struct json entry = json_item(arrays, i);
        if (strcmp(json_to_string(json_member(entry, "name"), NULL), name) != 0) continue;
        size_t offset = (size_t)json_to_i64(json_member(entry, "offset"));
        CHECK((size_t)json_to_i64(json_member(entry, "count")) == count);
        CHECK(offset + count <= g->n_values);
        return g->values + offset;
    }
    fprintf(stderr, "golden: %s has no array %s\n", g->folder, name);
    abort();
}

double golden_number(const struct golden *g, const char *key)
{
    struct json value = json_member(g->root, key);
    CHECK(json_is_number(value));
    return json_to_double(value);
}

double relative_distance(const float *a, const float *b, size_t count)
{
    double distance = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)a[i] - (double)b[i];
        distance += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return norm > 0 ? sqrt(distance / norm) : distance > 0 ? (double)INFINITY : 0.0;
}

double largest_difference(const float *a, const float *b, size_t count)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= largest)) largest = d;
    }
    return largest;
}

uint16_t *random_flat(const struct params *params, uint64_t seed, float scale)
{
    uint16_t *flat = malloc(params->n_elements * sizeof *flat);
    CHECK(flat != NULL);
    struct rng_stream stream;
    rng_stream_init(&stream, (struct rng_key){.seed = seed, .domain = RNG_TEST}, 0, 0);
    for (size_t i = 0; i < params->count; i++) {
        const struct param *p = &params->table[i];
        bool is_bias = strstr(p->name, "bias") != NULL;
        float spread = p->rows > 1 ? scale / sqrtf((float)p->cols) : 0.2f;
        if (p->role == PARAM_EMBEDDING) spread = 0.5f;
        float centre = p->rows > 1 || is_bias ? 0.0f : 1.0f;
        for (size_t j = 0; j < (size_t)p->rows * p->cols; j++)
            flat[p->offset + j] = bf16_from_f32(centre + spread * rng_next_normal(&stream));
    }
    return flat;
}

const char *outside_data(const char *what)
{
    static char path[1024];
    const char *root = getenv("ARGOSY_DATA");
    snprintf(path, sizeof path, "%s/%s", root != NULL ? root : "../shared/data", what);
    if (file_exists(path)) return path;
    fprintf(stderr, "*** SKIPPED: %s is not there (set ARGOSY_DATA) ***\n", path);
    return NULL;
}
