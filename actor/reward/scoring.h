/*
 * scoring.h - scores under way: what the rules said at once, and what scorers
 * have yet to say.
 *
 * A score is finished when its rules have failed, when any scorer has failed, or
 * when all have answered; then it waits to be polled.  The total is summed in
 * the order of the list, whoever answered first.
 *
 * Part of reward.h, which everyone includes; one thread.
 */
#ifndef ARGOSY_ACTOR_REWARD_SCORING_H
#define ARGOSY_ACTOR_REWARD_SCORING_H

#include "actor/reward/reward.h"

#define SCORES_MAX 65536 // under way at once

struct scoring *scoring_create(const struct rewards *rewards); // must outlive it
void scoring_destroy(struct scoring *s);
void scoring_watch(struct scoring *s); // once scorers have started: wakes for them

int scoring_submit(struct scoring *s, uint64_t ticket, const struct reward_case *c, uint64_t now_ms,
                   struct err *err);
bool scoring_poll(struct scoring *s, uint64_t now_ms, uint64_t *ticket, struct score *out);
void scoring_cancel(struct scoring *s, uint64_t ticket);
size_t scoring_waiting(const struct scoring *s);
int scoring_fd(const struct scoring *s);

#endif
