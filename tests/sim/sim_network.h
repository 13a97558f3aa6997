/*
 * sim_network.h - messages under way in a simulation.
 *
 * One end is the learner, the others are actors.  Each message has a time at
 * which it can be read; a message of a connection keeps behind those before it
 * in its direction unless it overtakes.  What is lost, late or repeated is the
 * caller's to decide.  A message that nobody takes waits, as in a socket.
 */
#ifndef ARGOSY_TESTS_SIM_SIM_NETWORK_H
#define ARGOSY_TESTS_SIM_SIM_NETWORK_H

#include "proto/wire.h"

#define SIM_ACTORS_MAX 8
#define SIM_LEARNER SIM_ACTORS_MAX // the learner's number as a destination

struct packet {
    uint64_t due_ms, order; // order breaks ties
    uint64_t conn;          // number of the connection it travels on
    int actor;              // the end that is an actor
    bool to_learner;
    struct frames frames; // into the bytes that follow
};

struct packet_heap { // the earliest first
    struct packet **packets;
    size_t n, capacity;
};

struct sim_line { // one direction of an actor's newest connection
    uint64_t conn;
    uint64_t last_due_ms, free_ms; // nothing overtakes this; the wire is busy until then
    uint32_t n_waiting;            // sent and not taken
};

struct sim_network {
    struct packet_heap heaps[SIM_ACTORS_MAX + 1]; // by destination
    struct sim_line lines[SIM_ACTORS_MAX][2];     // by actor and to_learner
    uint64_t n_sent;
};

void sim_network_fini(struct sim_network *n);
// A new connection: nothing stands before its messages.
void sim_network_connect(struct sim_network *n, int actor, uint64_t conn);
// A connection is over: of what is under way only that due by until_ms still arrives.
void sim_network_break(struct sim_network *n, int actor, uint64_t conn, uint64_t until_ms);
// What is under way to the learner goes with its process.
void sim_network_forget_learner(struct sim_network *n);

struct sim_sending {
    uint64_t now_ms, delay_ms;
    uint32_t bytes_per_ms; // 0: any number
    bool overtakes;
};
// head: conn, actor and to_learner; the rest is filled.
void sim_network_send(struct sim_network *n, const struct packet *head,
                      const struct sim_sending *how, const struct frames *frames);
uint32_t sim_network_waiting(const struct sim_network *n, int actor, bool to_learner);
// The next packet for an actor or SIM_LEARNER that is due, the caller's to free; NULL: none.
struct packet *sim_network_take(struct sim_network *n, int destination, uint64_t now_ms);

#endif
