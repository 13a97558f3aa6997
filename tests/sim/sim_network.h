/*
 * sim_network.h - messages under way in a simulation.
 *
 * Each has a time at which it arrives; a message of a connection keeps behind
 * those before it in its direction unless it overtakes.  What is lost, late or
 * repeated is the caller's to decide.
 */
#ifndef ARGOSY_TESTS_SIM_SIM_NETWORK_H
#define ARGOSY_TESTS_SIM_SIM_NETWORK_H

#include "proto/wire.h"

#define SIM_ACTORS_MAX 16

struct packet {
    uint64_t due_ms, order; // order breaks ties
    uint64_t conn;          // number of the connection it travels on
    int actor;              // the end that is an actor
    bool to_learner;
    struct frames frames; // into the bytes that follow
};

struct sim_network {
    struct packet **packets;
    size_t n_packets, capacity;
    uint64_t n_sent;
    uint64_t last_due[SIM_ACTORS_MAX][2];
};

void sim_network_fini(struct sim_network *n);
// A new connection: nothing stands before its messages.
void sim_network_connect(struct sim_network *n, int actor);
// head: conn, actor and to_learner; the rest is filled.
void sim_network_send(struct sim_network *n, const struct packet *head, uint64_t due_ms,
                      bool overtakes, const struct frames *frames);
// The next packet due by now_ms, the caller's to free; NULL: none.
struct packet *sim_network_take(struct sim_network *n, uint64_t now_ms);

#endif
