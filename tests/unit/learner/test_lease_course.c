/*
 * The lease book under random courses of events: whatever happens, an id is
 * issued once and ends once, no prompt is out twice, and in the end each
 * prompt is done.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/rng.h"
#include "learner/lease_book.h"

static const struct lease_book_config config = {
    .lease_timeout_ms = 1000, .progress_ms = 100, .prompts_per_lease = 4, .fault_retries = 1};
static int names[4];
static struct book_peer *peers[4];
static struct err err;

static struct order generate(uint64_t number, uint64_t first, uint32_t n_prompts)
{
    return (struct order){.number = number,
                          .kind = LEASE_GENERATE,
                          .prompt_first = first,
                          .n_prompts = n_prompts,
                          .n_samples = 2,
                          .weights_version = 7,
                          .temperature = 1.0f,
                          .top_p = 1.0f,
                          .max_new_tokens = 8};
}

static struct order feed(uint64_t number, uint64_t first, uint32_t n_prompts)
{
    struct order o = generate(number, first, n_prompts);
    o.kind = LEASE_FEED;
    o.n_samples = 1;
    return o;
}

#define WALK_LEASES 4096
static struct lease issued[WALK_LEASES];
static bool is_over[WALK_LEASES], is_whole[WALK_LEASES];

// What must hold whatever happens: an id is issued once, ends once, and no
// prompt is out twice.
static void account(struct lease_book *book, uint64_t *n_issued, uint32_t prompt_leases[64])
{
    struct book_action a;
    while (lease_book_next(book, &a)) {
        const struct lease *l = &a.lease;
        if (a.type == BOOK_ISSUE) {
            assert_true(l->id == ++*n_issued && l->id < WALK_LEASES);
            issued[l->id] = *l;
            is_over[l->id] = is_whole[l->id] = false;
        } else if (a.type == BOOK_END) {
            assert_false(is_over[l->id]);
            is_over[l->id] = true;
        } else {
            continue;
        }
        for (uint32_t k = 0; k < l->n_prompts; k++) {
            uint32_t *n = &prompt_leases[l->prompt_first + k];
            *n = a.type == BOOK_ISSUE ? *n + 1 : *n - 1;
            assert_true(*n <= 1);
        }
    }
}

// A lease that is neither over nor whole, if the random start finds one.
static uint64_t open_lease(struct rng_stream *rng, uint64_t n_issued)
{
    if (n_issued == 0) return 0;
    uint64_t id = 1 + rng_below(rng, (uint32_t)n_issued);
    while (id < n_issued && (is_over[id] || is_whole[id]))
        id++;
    return id;
}

static void walk(uint64_t seed, uint64_t *n_ended_early)
{
    struct rng_stream rng;
    uint32_t prompt_leases[64] = {0}, received[WALK_LEASES] = {0};
    uint64_t n_issued = 0, now_ms;
    rng_stream_init(&rng, (struct rng_key){seed, RNG_TEST}, 0, 0);
    now_ms = 1000;
    struct lease_book *book = lease_book_create(&config, 1);
    for (int i = 0; i < 4; i++)
        peers[i] = lease_book_join(book, now_ms, &names[i]);
    const struct order orders[] = {generate(1, 0, 12), feed(2, 12, 20), generate(3, 32, 12)};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(lease_book_order(book, now_ms, &orders[i], &err), 0);
    for (int turn = 0; turn < 4000; turn++) {
        const bool is_healed = turn > 1000;
        const uint32_t who = rng_below(&rng, 4);
        struct book_peer *p = peers[who];
        now_ms += rng_below(&rng, is_healed ? 10 : 60);
        const uint32_t event = rng_below(&rng, 10);
        const uint64_t id = open_lease(&rng, n_issued);
        const struct lease_list one = {.n = 1, .leases = {id}};
        const struct credit c = {1000, rng_below(&rng, 9), true, is_healed ? 7 : 7 + event % 2};
        if (event < 3) {
            lease_book_heard(book, now_ms, p);
            lease_book_credit(book, now_ms, p, &c);
        } else if (event < 8 && id != 0 && lease_book_lease(book, id) != NULL && !is_whole[id]) {
            lease_book_received(book, now_ms, id);
            if (++received[id] == issued[id].n_prompts * issued[id].n_samples) {
                is_whole[id] = true;
                lease_book_complete(book, now_ms, id);
            }
        } else if (event == 8 && !is_healed) {
            lease_book_give_back(book, now_ms, p, &one);
            peers[who] = lease_book_join(book, now_ms, &names[who]); // a new connection
            if (rng_below(&rng, 2) == 0) lease_book_move(book, now_ms, p, peers[who]);
            lease_book_leave(book, now_ms, p, LEASE_END_PEER_LOST);
        } else if (event == 9) {
            for (int i = 0; is_healed && i < 4; i++)
                lease_book_heard(book, now_ms, peers[i]);
            lease_book_tick(book, now_ms);
        }
        account(book, &n_issued, prompt_leases);
    }
    for (uint64_t number = 1; number <= 3; number++)
        assert_int_equal(lease_book_order_state(book, number, &err), ORDER_COMPLETE);
    for (uint64_t id = 1; id <= n_issued; id++)
        *n_ended_early += is_over[id];
    lease_book_destroy(book);
}

static void test_any_course_of_events_ends_with_each_prompt_once(void **state)
{
    (void)state;
    uint64_t n_ended_early = 0;
    for (uint64_t seed = 1; seed <= 50; seed++)
        walk(seed, &n_ended_early);
    assert_true(n_ended_early > 500); // or nothing was lost on the way
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_course_of_events_ends_with_each_prompt_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
