#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor/tokenizer/bpe.h"
#include "common/base/rng.h"

#define N_BASE 4u
#define N_IDS_MAX 300u

struct rule {
    uint32_t left, right, merged;
};

// Rules over ids 0..3: rule i makes id 4 + i of two ids that exist before it.
static uint32_t random_rules(struct rng_stream *rng, struct bpe *b, struct rule *rules)
{
    uint32_t n = 1 + rng_below(rng, 20);
    bpe_init(b, n);
    for (uint32_t i = 0; i < n; i++) {
        rules[i] =
            (struct rule){rng_below(rng, N_BASE + i), rng_below(rng, N_BASE + i), N_BASE + i};
        bpe_add(b, rules[i].left, rules[i].right, i, rules[i].merged);
    }
    return n;
}

// As the rules are defined: the first rule that applies anywhere, leftmost place.
static uint32_t merge_plainly(const struct rule *rules, uint32_t n_rules, uint32_t *ids, uint32_t n)
{
    for (;;) {
        uint32_t rule, at = 0;
        for (rule = 0; rule < n_rules; rule++) {
            for (at = 0; at + 1 < n; at++)
                if (ids[at] == rules[rule].left && ids[at + 1] == rules[rule].right) break;
            if (at + 1 < n) break;
        }
        if (rule == n_rules) return n;
        ids[at] = rules[rule].merged;
        memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
        n--;
    }
}

static void short_and_long_pieces_merge_as_the_rules_are_defined(void **state)
{
    (void)state;
    uint32_t n_merged = 0, n_long = 0;
    struct bpe_scratch scratch;
    bpe_scratch_init(&scratch);
    for (uint32_t round = 0; round < 3000; round++) {
        struct rng_stream rng;
        rng_stream_init(&rng, (struct rng_key){1, RNG_TEST}, round, 0);
        struct rule rules[32];
        struct bpe bpe;
        uint32_t n_rules = random_rules(&rng, &bpe, rules);
        uint32_t n = rng_below(&rng, round % 2 ? 30 : N_IDS_MAX);
        uint32_t ids[N_IDS_MAX], expected[N_IDS_MAX];
        uint32_t n_kinds = 1 + rng_below(&rng, N_BASE);
        for (uint32_t i = 0; i < n; i++)
            ids[i] = expected[i] = rng_below(&rng, n_kinds);
        // two rules for one pair: the first wins in both
        uint32_t n_left = bpe_merge(&bpe, &scratch, ids, n);
        assert_int_equal(n_left, merge_plainly(rules, n_rules, expected, n));
        assert_memory_equal(ids, expected, n_left * sizeof *ids);
        n_merged += n - n_left;
        n_long += n > 100;
        bpe_fini(&bpe);
    }
    bpe_scratch_fini(&scratch);
    assert_true(n_merged > 10000 && n_long > 500);
}

static void a_run_of_a_million_ids_takes_no_quadratic_time(void **state)
{
    (void)state;
    const uint32_t n = 1000000;
    struct bpe bpe;
    bpe_init(&bpe, 2);
    bpe_add(&bpe, 0, 0, 0, 1);
    bpe_add(&bpe, 1, 1, 1, 2);
    uint32_t *ids = calloc(n, sizeof *ids);
    struct bpe_scratch scratch;
    bpe_scratch_init(&scratch);
    assert_int_equal(bpe_merge(&bpe, &scratch, ids, n), n / 4);
    assert_int_equal(ids[0], 2);
    assert_int_equal(ids[n / 4 - 1], 2);
    bpe_scratch_fini(&scratch);
    bpe_fini(&bpe);
    free(ids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_and_long_pieces_merge_as_the_rules_are_defined),
        cmocka_unit_test(a_run_of_a_million_ids_takes_no_quadratic_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
