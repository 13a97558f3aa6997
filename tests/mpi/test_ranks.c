// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/rng.h"
#include "learner/comm.h"
#include "learner/export.h"
#include "learner/team.h"
#include "tests/support/random_samples.h"
#include "tests/support/rank_tests.h"

#define N_LANES 4u
#define N_GRPO_STEPS 3u
#define N_TEXT_STEPS 2u

// Of the masters, moments and weights after train(1): what 1, 2 and 4 ranks, and
// any number of threads, have to end with.  Made by OpenBLAS 0.3.21's Haswell
// kernels; another release of it may add in another order.
static const char openblas_release[] = "OpenBLAS 0.3.21 ";
static const char recorded[] = "30af4f93fe53d2c4f14386c82f0b790da9c56f49223effdf1799427c67350cfa";

char *openblas_get_config(void); // of the library; its header is behind the learner's door

// Of five blocks of 64 Ki elements, so that four ranks own unequal shards.
static const struct shape tiny = {
    .n_layers = 3,
    .width = 64,
    .n_heads = 4,
    .n_kv_heads = 2,
    .head_width = 16,
    .ffn_width = 192,
    .vocab_size = 1024,
    .context_length = 128,
    .norm_epsilon = 1e-6f,
    .rope_theta = 10000.0,
    .qk_norm = true,
};

static const struct replica_config config = {
    .n_lanes = N_LANES,
    .pack_tokens = 128,
    .sequence_max = 100,
    .wants_reference = true,
    .adamw = {.beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.1},
    .grad_clip = 1.0,
};

static const struct update grpo = {
    .loss = {.kind = LOSS_GRPO,
             .clip_ratio_low = 0.2f,
             .clip_ratio_high = 0.28f,
             .kl_loss_coef = 0.05f,
             .kl_kind = KL_K3},
    .lr = 1e-3,
};
static const struct update text = {.loss = {.kind = LOSS_CROSS_ENTROPY}, .lr = 2e-3};

static float *random_masters(uint64_t seed, const struct params *params)
{
    const struct rng_key key = {.seed = seed, .domain = RNG_TEST};
    float *masters = malloc(params->n_elements * sizeof *masters);

    assert_non_null(masters);
    for (size_t p = 0; p < params->count; p++) {
        const struct param *at = &params->table[p];
        size_t n = (size_t)at->rows * at->cols;

        for (size_t i = 0; i < n; i++) {
            float noise = rng_unit(rng_at(key, i, (uint32_t)p, 0).word[0]) - 0.5f;
            masters[at->offset + i] = param_is_decayed(at) ? 0.2f * noise : 1.0f + 0.1f * noise;
        }
    }
    return masters;
}

static void assert_trained(const struct update_result *result)
{
    assert_true(result->is_applied);
    assert_false(result->is_nonfinite);
    assert_true(result->n_lanes_used > 1);
    // More rows than all lanes hold in one pack each: a lane folds several.
    assert_true(result->n_rows > (uint64_t)N_LANES * config.pack_tokens);
    assert_true(result->grad_norm > 0);
}

// Rank 0's part: the steps, and the sums they gave into the hash.
static void lead(struct team *t, uint64_t seed, struct hasher *hasher)
{
    const struct sample_dials answers = {8, 4, 40, 60, tiny.vocab_size};
    const struct sample_dials documents = {16, 1, 0, 100, tiny.vocab_size};

    for (uint32_t step = 0; step < N_GRPO_STEPS + N_TEXT_STEPS; step++) {
        bool is_text = step >= N_GRPO_STEPS;
        struct random_samples batch;
        struct update_result result;

        random_samples_init(&batch, 100 * seed + step, is_text ? &documents : &answers);
        team_update(t, batch.samples, batch.n, is_text ? &text : &grpo, &result);
        random_samples_fini(&batch);
        assert_trained(&result);
        if (!is_text) assert_true(step == 0 ? result.sums.kl == 0 : result.sums.kl > 0);
        hasher_add(hasher, &result.grad_norm, sizeof result.grad_norm);
        hasher_add(hasher, &result.sums.loss, sizeof result.sums.loss);
        hasher_add(hasher, &result.sums.entropy, sizeof result.sums.entropy);
    }
    team_refresh_reference(t);
    team_beat(t, t->beat_ms + 60000);
    team_end(t);
}

// Every rank gets the whole of an array of which each has its shard.
static void add_sharded(struct hasher *hasher, const struct replica *r, const float *shard)
{
    float *whole = calloc(r->params.n_elements, sizeof *whole);

    assert_non_null(whole);
    memcpy(whole + r->adam.first, shard, r->adam.count * sizeof *shard);
    comm_share_parts(whole, sizeof *whole, r->map.first);
    hasher_add(hasher, whole, r->params.n_elements * sizeof *whole);
    free(whole);
}

static struct hash state_hash(const struct replica *r, struct hasher *hasher)
{
    hasher_add(hasher, r->flat, r->params.n_elements * sizeof *r->flat);
    add_sharded(hasher, r, r->adam.masters);
    add_sharded(hasher, r, r->adam.m);
    add_sharded(hasher, r, r->adam.v);
    return hasher_end(hasher);
}

static void assert_same_everywhere(const void *bytes, size_t size_bytes)
{
    unsigned char *all = malloc((size_t)comm_size() * size_bytes);

    assert_non_null(all);
    comm_gather_all(bytes, size_bytes, all);
    for (int r = 0; r < comm_size(); r++)
        assert_memory_equal(all + (size_t)r * size_bytes, all, size_bytes);
    free(all);
}

// The hash of everything that a training of five steps leaves (rank 0's; the
// others only agree with it on the weights).
static struct hash train(uint64_t seed, unsigned n_threads, bool recompute)
{
    struct replica_config mine = config;
    struct replica r;
    struct team team = {.replica = &r};
    struct params params;
    struct hasher hasher;
    struct hash weights, out;
    struct err err;

    assert_int_equal(params_init(&params, &tiny, &err), 0);
    float *masters = random_masters(seed, &params);
    struct pool *pool = pool_create(n_threads);
    mine.recompute = recompute;
    assert_int_equal(replica_open_masters(&r, &tiny, masters, &mine, pool, &err), 0);
    assert_int_equal(r.map.n_blocks, 5);
    hasher_init(&hasher);
    if (comm_rank() == 0) {
        lead(&team, seed, &hasher);
    } else {
        team_follow(&team);
    }
    assert_int_equal(r.n_updates, N_GRPO_STEPS + N_TEXT_STEPS);
    assert_memory_equal(r.flat_reference, r.flat, r.params.n_elements * sizeof *r.flat);
    weights = export_hash(&r.params, r.flat);
    assert_same_everywhere(&weights, sizeof weights);
    out = state_hash(&r, &hasher);
    comm_broadcast(&out, sizeof out);
    replica_close(&r);
    pool_destroy(pool);
    params_fini(&params);
    free(masters);
    return out;
}

static void a_training_ends_with_the_recorded_bits_on_any_number_of_ranks(void **state)
{
    const struct hash hash = train(1, 1, false);
    char hex[HASH_HEX_BYTES];

    (void)state;
    hash_hex(&hash, hex);
    if (strncmp(openblas_get_config(), openblas_release, strlen(openblas_release)) == 0) {
        assert_string_equal(hex, recorded);
    } else if (comm_rank() == 0) {
        print_message("recorded with %s, this is %s: %s is not compared\n", openblas_release,
                      openblas_get_config(), hex);
    }
}

static void threads_and_recomputation_change_no_bit_of_a_training(void **state)
{
    const struct hash want = train(1, 1, false);
    const struct hash threads = train(1, 2, false), recomputed = train(1, 2, true);

    (void)state;
    assert_true(hash_is_equal(&threads, &want));
    assert_true(hash_is_equal(&recomputed, &want));
}

static void another_seed_ends_with_other_bits(void **state)
{
    const struct hash one = train(1, 1, false), two = train(2, 1, false);

    (void)state;
    assert_false(hash_is_equal(&one, &two));
}

static void a_step_that_is_not_finite_changes_nothing_on_any_rank(void **state)
{
    const struct sample_dials dials = {4, 2, 20, 30, tiny.vocab_size};
    struct random_samples batch;
    struct update_result result;
    struct params params;
    struct replica r;
    struct err err;

    (void)state;
    assert_int_equal(params_init(&params, &tiny, &err), 0);
    float *masters = random_masters(1, &params);
    assert_int_equal(replica_open_masters(&r, &tiny, masters, &config, NULL, &err), 0);
    const struct hash before = export_hash(&r.params, r.flat);
    random_samples_init(&batch, 5, &dials);
    batch.samples[3].advantage = (float)(1e30 * 1e30);
    replica_update(&r, batch.samples, batch.n, &grpo, &result);
    const struct hash after = export_hash(&r.params, r.flat);
    assert_true(result.is_nonfinite);
    assert_false(result.is_applied);
    assert_int_equal(r.n_updates, 0);
    assert_true(hash_is_equal(&before, &after));
    assert_memory_equal(r.adam.masters, masters + r.adam.first,
                        r.adam.count * sizeof *r.adam.masters);
    for (size_t i = 0; i < r.adam.count; i++)
        assert_true(r.adam.m[i] == 0 && r.adam.v[i] == 0);
    random_samples_fini(&batch);
    replica_close(&r);
    params_fini(&params);
    free(masters);
}

// --- the moves of bytes one by one -----------------------------------------------------------
static void rank_0_s_block_reaches_everybody(void **state)
{
    static const size_t sizes[] = {0, 1, 1000, (size_t)3 << 20};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t size_bytes = comm_rank() == 0 ? sizes[i] : 77;
        unsigned char *bytes = comm_rank() == 0 ? malloc(sizes[i] + 1) : NULL;
        void *block = bytes;

        for (size_t b = 0; comm_rank() == 0 && b < sizes[i]; b++)
            bytes[b] = (unsigned char)(b * 31 + i);
        comm_broadcast_block(&block, &size_bytes);
        assert_int_equal(size_bytes, sizes[i]);
        bytes = block;
        for (size_t b = 0; b < sizes[i]; b++)
            assert_int_equal(bytes[b], (unsigned char)(b * 31 + i));
        free(block);
    }
}

static void a_gather_has_everyone_s_bytes_in_rank_order(void **state)
{
    const uint32_t own[2] = {7u + (uint32_t)comm_rank(), 1000u * (uint32_t)comm_rank()};
    uint32_t *all = calloc((size_t)comm_size(), sizeof own);

    (void)state;
    assert_non_null(all);
    comm_gather_all(own, sizeof own, all);
    for (uint32_t r = 0; r < (uint32_t)comm_size(); r++) {
        assert_int_equal(all[2 * r], 7 + r);
        assert_int_equal(all[2 * r + 1], 1000 * r);
    }
    free(all);
}

// Parts of unequal length: none, more than one bucket, one, and some.
static size_t *unequal_parts(void)
{
    static const size_t lengths[] = {0, ((size_t)1 << 20) + 17, 1, 1000};
    size_t *first = calloc((size_t)comm_size() + 1, sizeof *first);

    assert_non_null(first);
    for (int r = 0; r < comm_size(); r++)
        first[r + 1] = first[r] + lengths[(r + (comm_size() == 1)) % 4];
    return first;
}

static float value_of(int rank, size_t i)
{
    return (float)(rank + 1) * 1000.0f + (float)(i % 997);
}

static void shared_parts_make_the_whole_array_everywhere(void **state)
{
    size_t *first = unequal_parts();
    size_t n = first[comm_size()];
    float *array = calloc(n, sizeof *array);

    (void)state;
    assert_non_null(array);
    for (size_t i = first[comm_rank()]; i < first[comm_rank() + 1]; i++)
        array[i] = value_of(comm_rank(), i);
    comm_share_parts(array, sizeof *array, first);
    for (int r = 0; r < comm_size(); r++) {
        for (size_t i = first[r]; i < first[r + 1]; i++) {
            if (array[i] != value_of(r, i)) fail_msg("rank %d's item %zu is wrong", r, i);
        }
    }
    free(array);
    free(first);
}

struct fold_check {
    float *array;
    size_t next, n_calls;
};

static void check_fold(void *context, size_t at, size_t count, float *const *parts)
{
    struct fold_check *check = context;

    assert_int_equal(at, check->next); // every item once, in order
    check->next = at + count;
    check->n_calls++;
    assert_ptr_equal(parts[comm_rank()], check->array + at);
    for (int r = 0; r < comm_size(); r++) {
        for (size_t i = 0; i < count; i++) {
            if (parts[r][i] != value_of(r, at + i)) fail_msg("rank %d's item %zu", r, at + i);
        }
    }
}

static void an_exchange_brings_everyone_s_values_of_the_own_part(void **state)
{
    size_t *first = unequal_parts();
    size_t n = first[comm_size()];
    size_t own = first[comm_rank() + 1] - first[comm_rank()];
    struct fold_check check = {calloc(n, sizeof(float)), first[comm_rank()], 0};

    (void)state;
    assert_non_null(check.array);
    for (size_t i = 0; i < n; i++)
        check.array[i] = value_of(comm_rank(), i);
    comm_exchange_parts(check.array, first, check_fold, &check);
    assert_int_equal(check.next, first[comm_rank() + 1]);
    assert_int_equal(check.n_calls, own == 0 ? 0 : own > ((size_t)1 << 20) ? 2 : 1);
    free(check.array);
    free(first);
}

static void all_agree_when_nobody_failed(void **state)
{
    struct err err = {0};

    (void)state;
    assert_int_equal(comm_agree(0, &err), 0);
}

static void when_one_rank_fails_all_have_its_error(void **state)
{
    (void)state;
    for (int failing = 0; failing < comm_size(); failing++) {
        struct err err = {0};
        int status = 0;
        char want[64];

        if (comm_rank() >= failing) // the lowest of them speaks
            status = err_set(&err, ERR_LIMIT, "disk %d is full", comm_rank());
        assert_int_equal(comm_agree(status, &err), -1);
        assert_int_equal(err.code, ERR_LIMIT);
        snprintf(want, sizeof want, "disk %d is full", failing);
        assert_non_null(strstr(err.text, want));
        if (failing > 0) assert_non_null(strstr(err.text, "rank "));
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rank_0_s_block_reaches_everybody),
        cmocka_unit_test(a_gather_has_everyone_s_bytes_in_rank_order),
        cmocka_unit_test(shared_parts_make_the_whole_array_everywhere),
        cmocka_unit_test(an_exchange_brings_everyone_s_values_of_the_own_part),
        cmocka_unit_test(all_agree_when_nobody_failed),
        cmocka_unit_test(when_one_rank_fails_all_have_its_error),
        cmocka_unit_test(a_training_ends_with_the_recorded_bits_on_any_number_of_ranks),
        cmocka_unit_test(threads_and_recomputation_change_no_bit_of_a_training),
        cmocka_unit_test(another_seed_ends_with_other_bits),
        cmocka_unit_test(a_step_that_is_not_finite_changes_nothing_on_any_rank),
    };

    (void)argc;
    rank_tests_pin_blas(argv);
    return rank_tests_run(tests, sizeof tests / sizeof *tests);
}
