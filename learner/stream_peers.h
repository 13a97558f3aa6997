/*
 * stream_peers.h - the inside of stream.h, shared by its two halves: stream.c
 * (journal, trainer, sending) and stream_receive.c (what peers say).
 */
#ifndef ARGOSY_LEARNER_STREAM_PEERS_H
#define ARGOSY_LEARNER_STREAM_PEERS_H

#include "learner/id_map.h"
#include "learner/ledger.h"
#include "learner/postbox.h"
#include "learner/shelf.h"
#include "learner/stream.h"

#define PEERS_MAX 4096
#define EVENTS_MAX 64

enum peer_state { PEER_STRANGER, PEER_GREETED, PEER_READY, PEER_REFUSED };

struct stream_peer {
    uint64_t number; // the socket's
    uint64_t session;
    enum peer_state state;
    struct book_peer *book;
    struct postbox mail;
    struct ack acks; // wait for the journal
    char name[NAME_BYTES_MAX + 1];
    bool is_announced;
    bool was_ready;     // in this session: it greets anew after each silence of ours
    uint64_t announced; // version
    uint64_t announced_ms;
    uint64_t heard_ms, probed_ms;
    bool is_full; // this round of sending
};

struct stream {
    struct stream_config config;
    struct shelf shelf;
    struct lease_book *book;
    struct ingest *ingest;
    struct ledger *ledger; // of earlier lives; only until stream_resume()

    struct wire_buffer staged;
    uint64_t next_sequence, durable; // journal records; all up to `durable` are on disk
    uint64_t message_sequence;
    struct wire_buffer encoded, aligned;

    struct stream_peer **peers;
    size_t n_peers, peers_capacity;
    struct id_map by_number;
    size_t sending; // whose turn it is
    struct wire_buffer chunk;
    bool is_sending_chunk;
    bool is_finished;

    struct gate_status status;
    char events[EVENTS_MAX][200];
    size_t n_events, next_event;
};

__attribute__((format(printf, 2, 3))) void stream_event(struct stream *s, const char *fmt, ...);
void stream_send(struct stream *s, struct stream_peer *p, struct message *m, bool is_after_journal);
void stream_flush_acks(struct stream *s, struct stream_peer *p);
void stream_drain_book(struct stream *s);
void stream_announce(struct stream *s, uint64_t now_ms);
struct stream_peer *stream_peer_find(struct stream *s, uint64_t number);
struct stream_peer *stream_peer_meet(struct stream *s, uint64_t now_ms, uint64_t number);
void stream_peer_remove(struct stream *s, uint64_t now_ms, struct stream_peer *p);
void stream_peer_refuse(struct stream *s, uint64_t now_ms, struct stream_peer *p,
                        enum refusal reason, const char *text);

#endif
