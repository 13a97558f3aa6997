/*
 * The stream under faults: production state machines, one seed a run.
 *
 * Checked: an ACK never speaks of a result, nor a LEASE of an issue, that is not
 * durable; a complete order has exactly its samples, each the pure function of
 * its key and drawn by the right weights; what the trainer committed on the
 * surviving timeline is what the journal says, each prompt once; the ledger
 * recomputed from the journal balances with nothing in flight; every run ends.
 *
 * SEEDS=n runs n seeds (default 500), SEED=n that one alone.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/sim/sim_world.h"

static struct sim_world world;
static struct sim_counts all;

static uint64_t from_environment(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 10) : fallback;
}

static void run(const struct sim_plan *plan)
{
    sim_world_fini(&world);
    sim_world_run(&world, plan);
}

static void run_well(const struct sim_plan *plan)
{
    run(plan);
    if (world.failure[0] != '\0')
        fail_msg("seed %" PRIu64 " at %" PRIu64 " ms: %s", plan->seed, world.now_ms, world.failure);
}

static void end_actors(void)
{
    for (int i = 0; i < world.plan.n_actors; i++)
        sim_actor_end(&world, i);
}

// All counters are uint64_t; healed_ms is a maximum.
static void count_in(const struct sim_counts *one)
{
    const size_t n = sizeof all / sizeof(uint64_t);
    uint64_t sum[sizeof all / sizeof(uint64_t)], part[sizeof all / sizeof(uint64_t)];
    const uint64_t healed_ms = one->healed_ms > all.healed_ms ? one->healed_ms : all.healed_ms;
    memcpy(sum, &all, sizeof all);
    memcpy(part, one, sizeof all);
    for (size_t i = 0; i < n; i++)
        sum[i] += part[i];
    memcpy(&all, sum, sizeof all);
    all.healed_ms = healed_ms;
}

static void report(uint64_t n)
{
    print_message(
        "%" PRIu64 " runs: messages %" PRIu64 " lost, %" PRIu64 " repeated, %" PRIu64
        " overtook, %" PRIu64 " found a full socket, %" PRIu64 " came late\n"
        "actors: %" PRIu64 " crashes, %" PRIu64 " leaves, %" PRIu64 " hangs, %" PRIu64
        " long steps, %" PRIu64 " links dropped, %" PRIu64 " cut, %" PRIu64 " scorer faults\n"
        "learner: %" PRIu64 " crashes, %" PRIu64 " stops, %" PRIu64 " stalls\n"
        "leases: %" PRIu64 " issued, %" PRIu64 " returned; results %" PRIu64 " resent, %" PRIu64
        " stale; %" PRIu64 " prompts void; longest end after healing %" PRIu64 " ms\n",
        n, all.lost, all.repeated, all.overtaken, all.full, all.late, all.crashes, all.leaves,
        all.hangs, all.freezes, all.drops, all.cuts, all.faults, all.learner_crashes,
        all.learner_stops, all.learner_freezes, all.issued, all.returned, all.resent, all.stale,
        all.voids, all.healed_ms);
}

static void every_run_ends_with_its_books_balanced(void **state)
{
    (void)state;
    const bool is_one = getenv("SEED") != NULL && getenv("SEED")[0] != '\0';
    const uint64_t first = is_one ? from_environment("SEED", 0) : 1;
    const uint64_t n = is_one ? 1 : from_environment("SEEDS", 500);
    for (uint64_t seed = first; seed < first + n; seed++) {
        const struct sim_plan plan = sim_plan_of(seed);
        run_well(&plan);
        end_actors();
        count_in(&world.counts);
    }
    report(n);
    if (n < 100) return; // too few to have met everything
    assert_true(all.lost > n && all.repeated > n && all.overtaken > n && all.full > n);
    assert_true(all.late > n / 10 && all.crashes > n / 10 && all.leaves > n / 10);
    assert_true(all.hangs > n / 10 && all.freezes > n / 10 && all.drops > n / 10);
    assert_true(all.cuts > n / 10 && all.faults > n / 10 && all.voids > n / 10);
    assert_true(all.learner_crashes > n / 10 && all.learner_stops > n / 10);
    assert_true(all.learner_freezes > n / 10 && all.returned > n / 10 && all.stale > n / 10);
}

static void a_seed_gives_the_same_run_again(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        const struct sim_plan plan = sim_plan_of(seed);
        run_well(&plan);
        const uint64_t trace = world.trace;
        run_well(&plan);
        assert_true(trace == world.trace);
    }
}

// Trouble that loses nothing costs nothing but time, and a few questions whether
// something was lost.
static void runs_without_waste(const struct sim_weather *weather)
{
    uint64_t n_sent = 0, n_resent = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct sim_plan plan = sim_plan_of(seed);
        plan.weather = *weather;
        run_well(&plan);
        end_actors();
        const struct sim_counts *c = &world.counts;
        // A lease that crossed with a swap of weights is given back untouched.
        if (c->returned > c->crossed || c->stale > 0 || c->duplicates > c->resent)
            fail_msg("seed %" PRIu64 ": %" PRIu64 " leases returned, %" PRIu64
                     " crossed a swap; results %" PRIu64 " resent, %" PRIu64 " stale, %" PRIu64
                     " twice",
                     seed, c->returned, c->crossed, c->resent, c->stale, c->duplicates);
        n_sent += c->sent;
        n_resent += c->resent;
    }
    print_message("%" PRIu64 " results sent, %" PRIu64 " of them again\n", n_sent, n_resent);
    assert_true(n_resent <= n_sent / 20);
}

static void without_trouble_nothing_is_done_twice(void **state)
{
    (void)state;
    runs_without_waste(&(struct sim_weather){.is_ordered = true, .delay_ms = 5});
}

static void a_slow_link_makes_nothing_be_done_twice(void **state)
{
    (void)state;
    runs_without_waste(
        &(struct sim_weather){.is_ordered = true, .delay_ms = 300, .bytes_per_ms = 3, .full = 5});
}

static void long_steps_of_an_actor_make_nothing_be_done_twice(void **state)
{
    (void)state;
    runs_without_waste(&(struct sim_weather){
        .is_ordered = true, .delay_ms = 5, .freeze = 100, .freeze_ms = SIM_LEASE_TIMEOUT_MS - 500});
}

static void a_stalled_learner_makes_nothing_be_done_twice(void **state)
{
    (void)state;
    runs_without_waste(&(struct sim_weather){.is_ordered = true,
                                             .delay_ms = 5,
                                             .learner_freeze = 200,
                                             .freeze_ms = 2 * SIM_LEASE_TIMEOUT_MS});
}

static int runs_that_find(enum sim_bug bug, const char *what)
{
    int n = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct sim_plan plan = sim_plan_of(seed);
        if (plan.mode == SIM_FEED || plan.n_samples < 2) continue;
        plan.bug = bug;
        run(&plan);
        n += world.failure[0] != '\0' && strstr(world.failure, what) != NULL;
    }
    return n;
}

static void a_learner_that_acknowledges_too_early_is_found_out(void **state)
{
    (void)state;
    assert_true(runs_that_find(SIM_EARLY_ACKS, "before the journal") > 10);
}

static void a_sample_counted_twice_is_found_out(void **state)
{
    (void)state;
    assert_true(runs_that_find(SIM_RENUMBERING, "") > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_run_ends_with_its_books_balanced),
        cmocka_unit_test(a_seed_gives_the_same_run_again),
        cmocka_unit_test(without_trouble_nothing_is_done_twice),
        cmocka_unit_test(a_slow_link_makes_nothing_be_done_twice),
        cmocka_unit_test(long_steps_of_an_actor_make_nothing_be_done_twice),
        cmocka_unit_test(a_stalled_learner_makes_nothing_be_done_twice),
        cmocka_unit_test(a_learner_that_acknowledges_too_early_is_found_out),
        cmocka_unit_test(a_sample_counted_twice_is_found_out),
    };
    const int status = cmocka_run_group_tests(tests, NULL, NULL);
    sim_world_fini(&world);
    return status;
}
