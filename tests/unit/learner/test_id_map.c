#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/rng.h"
#include "learner/id_map.h"

#define IDS 300

static int values[IDS + 1];

static void test_an_empty_map_has_nothing(void **state)
{
    (void)state;
    struct id_map m;
    size_t at = 0;
    id_map_init(&m);
    assert_null(id_map_get(&m, 7));
    assert_null(id_map_remove(&m, 7));
    assert_null(id_map_next(&m, &at));
    id_map_fini(&m);
}

static void test_it_agrees_with_a_table_through_puts_and_removals(void **state)
{
    (void)state;
    struct id_map m;
    struct rng_stream rng;
    void *table[IDS + 1] = {0};
    size_t n = 0, n_removed = 0;
    id_map_init(&m);
    rng_stream_init(&rng, (struct rng_key){1, RNG_TEST}, 0, 0);
    for (int i = 0; i < 20000; i++) {
        const uint32_t id = 1 + rng_below(&rng, IDS);
        if (rng_below(&rng, 2) == 0) {
            n += table[id] == NULL;
            table[id] = &values[rng_below(&rng, IDS)];
            id_map_put(&m, id, table[id]);
        } else {
            n_removed += table[id] != NULL;
            n -= table[id] != NULL;
            assert_ptr_equal(id_map_remove(&m, id), table[id]);
            table[id] = NULL;
        }
        const uint32_t other = 1 + rng_below(&rng, IDS);
        assert_ptr_equal(id_map_get(&m, other), table[other]);
        assert_true(m.n == n);
    }
    assert_true(n_removed > 1000);
    for (uint32_t id = 1; id <= IDS; id++)
        assert_ptr_equal(id_map_get(&m, id), table[id]);
    id_map_fini(&m);
}

static void test_it_gives_each_entry_once(void **state)
{
    (void)state;
    struct id_map m;
    int seen[IDS + 1] = {0};
    id_map_init(&m);
    for (uint64_t id = 1; id <= IDS; id++)
        id_map_put(&m, id << 40, &values[id]); // far apart, all the same
    size_t at = 0;
    for (int *value; (value = id_map_next(&m, &at)) != NULL;)
        seen[value - values]++;
    for (int i = 1; i <= IDS; i++)
        assert_int_equal(seen[i], 1);
    id_map_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_map_has_nothing),
        cmocka_unit_test(test_it_agrees_with_a_table_through_puts_and_removals),
        cmocka_unit_test(test_it_gives_each_entry_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
