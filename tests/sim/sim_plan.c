#include "tests/sim/sim_world.h"

// Half of the time n, give or take a factor of two; else never.
static uint32_t maybe(struct rng_stream *rng, uint32_t n)
{
    return rng_below(rng, 2) == 0 ? 0 : n / 2 + rng_below(rng, 2 * n);
}

// Different kinds of weather, so that a fault is seen alone and in company.
static struct sim_weather draw_weather(struct rng_stream *rng)
{
    struct sim_weather w = {
        .is_ordered = rng_below(rng, 2) == 0,
        .delay_ms = 1 + rng_below(rng, rng_below(rng, 3) == 0 ? 400 : 40),
        .bytes_per_ms = rng_below(rng, 4) == 0 ? 10 + rng_below(rng, 60) : 0,
        .full = maybe(rng, 40),
        .crash = maybe(rng, 400),
        .leave = maybe(rng, 600),
        .hang = maybe(rng, 500),
        .freeze = maybe(rng, 300),
        .drop = maybe(rng, 300),
        .cut = maybe(rng, 400),
        .fault = maybe(rng, 30),
        .learner_crash = maybe(rng, 300),
        .learner_stop = maybe(rng, 500),
        .learner_freeze = maybe(rng, 400),
        .freeze_ms = rng_below(rng, 2) == 0 ? 500 : 7000,
        .train_ms = rng_below(rng, 3) == 0 ? 20 : 1000,
        .is_voiding = rng_below(rng, 4) == 0,
    };
    if (w.is_ordered) return w;
    w.lose = maybe(rng, 20);
    w.repeat = maybe(rng, 15);
    w.overtake = maybe(rng, 10);
    return w;
}

struct sim_plan sim_plan_of(uint64_t seed)
{
    struct rng_stream rng;
    rng_stream_init(&rng, (struct rng_key){seed, RNG_TEST}, 1, 0);
    struct sim_plan p = {.seed = seed,
                         .mode = (enum sim_mode)(seed % SIM_MODES),
                         .n_actors = 1 + (int)rng_below(&rng, 5),
                         .n_steps = 4 + rng_below(&rng, SIM_STEPS_MAX - 3),
                         .n_prompts = 2 + rng_below(&rng, 11),
                         .n_samples = 1 + rng_below(&rng, 5)};
    if (p.mode == SIM_FEED) {
        p.n_prompts = 5 + rng_below(&rng, SIM_PROMPTS_MAX - 5);
        p.n_samples = 1;
    }
    p.weather = draw_weather(&rng);
    return p;
}
