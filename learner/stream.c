#include "learner/stream.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learner/stream_peers.h"

#define PEER_FORGET_MS 60000 // of a silent peer without leases
#define PROBE_PERIODS 2      // silent for so many: is the connection still there?

struct stream *stream_create(const struct stream_config *config, struct err *err)
{
    struct stream *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->config = *config;
    shelf_init(&s->shelf);
    id_map_init(&s->by_number);
    s->ingest = ingest_create(&config->limits);
    s->ledger = ledger_create();
    wire_buffer_init(&s->staged);
    wire_buffer_init(&s->encoded);
    wire_buffer_init(&s->aligned);
    wire_buffer_init(&s->chunk);
    if (strlen(config->spec) > SPEC_BYTES_MAX) {
        err_set(err, ERR_LIMIT, "the spec for actors has %zu bytes, at most %u",
                strlen(config->spec), SPEC_BYTES_MAX);
        stream_destroy(s);
        return NULL;
    }
    for (size_t i = 0; i < config->n_files; i++) {
        const struct stream_file *f = &config->files[i];
        if (shelf_add_file(&s->shelf, f->bytes, f->size_bytes, err) == 0) continue;
        err_prefix(err, "%s", f->name);
        stream_destroy(s);
        return NULL;
    }
    return s;
}

void stream_destroy(struct stream *s)
{
    if (s == NULL) return;
    for (size_t i = 0; i < s->n_peers; i++) {
        postbox_fini(&s->peers[i]->mail);
        free(s->peers[i]);
    }
    free(s->peers);
    lease_book_destroy(s->book);
    ingest_destroy(s->ingest);
    ledger_destroy(s->ledger);
    shelf_fini(&s->shelf);
    id_map_fini(&s->by_number);
    wire_buffer_fini(&s->staged);
    wire_buffer_fini(&s->encoded);
    wire_buffer_fini(&s->aligned);
    wire_buffer_fini(&s->chunk);
    free(s);
}

void stream_event(struct stream *s, const char *fmt, ...)
{
    if (s->n_events - s->next_event == EVENTS_MAX) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->events[s->n_events++ % EVENTS_MAX], sizeof s->events[0], fmt, ap);
    va_end(ap);
}

bool stream_next_event(struct stream *s, char *out, size_t out_bytes)
{
    if (s->next_event == s->n_events) return false;
    snprintf(out, out_bytes, "%s", s->events[s->next_event++ % EVENTS_MAX]);
    return true;
}

// --- start ------------------------------------------------------------------------

// Keeps in ingest what a repeated order may use again.
static int replay_samples(struct stream *s, const struct journal_record *record, struct err *err)
{
    if (record->type == JOURNAL_ISSUED) {
        struct journal_issued issued;
        if (journal_decode_issued(record, &issued, err) != 0) return -1;
        if (issued.lease.step >= s->config.next_order) ingest_open(s->ingest, &issued.lease);
    } else if (record->type == JOURNAL_RETURNED) {
        struct journal_end end;
        if (journal_decode_end(record, &end, err) != 0) return -1;
        ingest_close(s->ingest, end.lease);
    } else if (record->type == JOURNAL_RESULT) {
        struct message m;
        struct frames frames;
        struct err why;
        if (journal_result_frames(record, &frames, err) != 0 ||
            journal_decode_result(record, &m, err) != 0)
            return -1;
        uint64_t hash = ingest_payload_hash(&frames);
        if (ingest_judge(s->ingest, &m.result, hash, &why) == VERDICT_OK)
            ingest_keep(s->ingest, &m.result, hash, record->payload, record->payload_bytes);
    }
    return 0;
}

int stream_replay(struct stream *s, const struct journal_record *record, struct err *err)
{
    if (ledger_add(s->ledger, record, err) != 0) return -1;
    return replay_samples(s, record, err);
}

static void stage_note(struct stream *s, const char *text)
{
    journal_encode_note(&s->staged, s->next_sequence++, text);
}

void stream_resume(struct stream *s, uint64_t next_sequence)
{
    s->next_sequence = next_sequence;
    s->durable = next_sequence - 1;
    s->book = lease_book_create(&s->config.book, ledger_next_lease_id(s->ledger));
    char text[64];
    snprintf(text, sizeof text, "epoch %u", s->config.epoch);
    stage_note(s, text);
    if (ledger_first(s->ledger) != NULL) {
        snprintf(text, sizeof text, LEDGER_RESUME_NOTE "%" PRIu64, s->config.next_order);
        stage_note(s, text);
    }
    for (const struct ledger_lease *e = ledger_first(s->ledger); e != NULL; e = e->next) {
        bool is_undone = e->lease.step >= s->config.next_order && e->fate != FATE_RETURNED;
        if (e->fate != FATE_IN_FLIGHT && !is_undone) continue;
        if (is_undone && ledger_is_complete(e)) {
            lease_book_hold(s->book, &e->lease);
            continue;
        }
        struct journal_end end = {.lease = e->lease.id, .reason = LEASE_END_RESTART};
        journal_encode_end(&s->staged, s->next_sequence++, JOURNAL_RETURNED, &end);
        ingest_close(s->ingest, e->lease.id);
    }
    ledger_destroy(s->ledger);
    s->ledger = NULL;
}

// --- the journal --------------------------------------------------------------------

const struct wire_buffer *stream_staged(const struct stream *s)
{
    return &s->staged;
}

void stream_flush_acks(struct stream *s, struct stream_peer *p)
{
    if (p->acks.n == 0) return;
    struct message m = {.type = MESSAGE_ACK, .ack = p->acks};
    p->acks.n = 0;
    stream_send(s, p, &m, true);
}

void stream_synced(struct stream *s)
{
    for (size_t i = 0; i < s->n_peers; i++)
        stream_flush_acks(s, s->peers[i]);
    s->staged.size_bytes = 0;
    s->durable = s->next_sequence - 1;
}

// Does what the lease book wants; after every event that may move it.
void stream_drain_book(struct stream *s)
{
    struct book_action a;
    while (lease_book_next(s->book, &a)) {
        struct stream_peer *p = a.peer;
        switch (a.type) {
        case BOOK_RESERVE: {
            struct journal_reserved reserved = {.first = a.first, .count = a.count};
            journal_encode_reserved(&s->staged, s->next_sequence++, &reserved);
            break;
        }
        case BOOK_ISSUE: {
            struct journal_issued issued = {.lease = a.lease};
            journal_encode_issued(&s->staged, s->next_sequence++, &issued);
            ingest_open(s->ingest, &a.lease);
            struct message m = {.type = MESSAGE_LEASE, .lease = a.lease};
            stream_send(s, p, &m, true);
            s->status.n_issued++;
            break;
        }
        case BOOK_END:
            journal_encode_end(&s->staged, s->next_sequence++, a.end_type, &a.end);
            ingest_close(s->ingest, a.end.lease);
            if (a.end_type == JOURNAL_RETURNED) s->status.n_returned++;
            if (p != NULL) {
                struct message m = {.type = MESSAGE_CANCEL,
                                    .lease_list = {.n = 1, .leases = {a.end.lease}}};
                stream_send(s, p, &m, false);
            }
            break;
        case BOOK_NOTE:
            stage_note(s, a.text);
            stream_event(s, "%s", a.text);
            break;
        }
    }
}

// --- peers --------------------------------------------------------------------------

struct stream_peer *stream_peer_find(struct stream *s, uint64_t number)
{
    return id_map_get(&s->by_number, number + 1); // 0 is a number, but no key
}

struct stream_peer *stream_peer_meet(struct stream *s, uint64_t now_ms, uint64_t number)
{
    struct stream_peer *p = stream_peer_find(s, number);
    if (p != NULL) return p;
    if (s->n_peers == PEERS_MAX) return NULL;
    if (s->n_peers == s->peers_capacity) {
        s->peers_capacity = s->peers_capacity > 0 ? 2 * s->peers_capacity : 16;
        s->peers = realloc(s->peers, s->peers_capacity * sizeof(struct stream_peer *));
        CHECK(s->peers != NULL);
    }
    p = calloc(1, sizeof *p);
    CHECK(p != NULL);
    p->number = number;
    p->heard_ms = now_ms;
    postbox_init(&p->mail);
    s->peers[s->n_peers++] = p;
    id_map_put(&s->by_number, number + 1, p);
    return p;
}

void stream_peer_remove(struct stream *s, uint64_t now_ms, struct stream_peer *p)
{
    if (p->book != NULL) {
        lease_book_leave(s->book, now_ms, p->book, LEASE_END_PEER_LOST);
        p->book = NULL;
        stream_drain_book(s);
    }
    size_t at = 0;
    while (s->peers[at] != p)
        at++;
    s->peers[at] = s->peers[--s->n_peers];
    id_map_remove(&s->by_number, p->number + 1);
    postbox_fini(&p->mail);
    free(p);
}

void stream_gone(struct stream *s, uint64_t now_ms, uint64_t peer)
{
    struct stream_peer *p = stream_peer_find(s, peer);
    if (p == NULL) return;
    stream_event(s, "actor %s gone", p->name);
    stream_peer_remove(s, now_ms, p);
}

void stream_peer_refuse(struct stream *s, uint64_t now_ms, struct stream_peer *p,
                        enum refusal reason, const char *text)
{
    s->status.n_refused++;
    stream_event(s, "actor %s refused: %s", p->name, text);
    struct message m = {.type = MESSAGE_REFUSE,
                        .refuse = {.reason = reason, .text = {text, (uint32_t)strlen(text)}}};
    stream_send(s, p, &m, false);
    p->state = PEER_REFUSED;
    if (p->book == NULL) return;
    lease_book_leave(s->book, now_ms, p->book, LEASE_END_PEER_LOST);
    p->book = NULL;
    stream_drain_book(s);
}

// Only a send says that a connection is gone, so one that is silent gets
// something to send: an empty CANCEL, which asks nothing of an actor that is busy.
static void probe(struct stream *s, uint64_t now_ms, struct stream_peer *p)
{
    const uint64_t period_ms = s->config.book.progress_ms;
    if (p->book == NULL || now_ms - p->heard_ms <= PROBE_PERIODS * period_ms ||
        now_ms - p->probed_ms < period_ms || !postbox_is_empty(&p->mail))
        return;
    p->probed_ms = now_ms;
    struct message m = {.type = MESSAGE_CANCEL};
    stream_send(s, p, &m, false);
}

void stream_tick(struct stream *s, uint64_t now_ms)
{
    lease_book_tick(s->book, now_ms);
    stream_drain_book(s);
    for (size_t i = 0; i < s->n_peers;) { // the last one takes a removed one's place
        struct stream_peer *p = s->peers[i];
        if (now_ms - p->heard_ms > PEER_FORGET_MS)
            stream_peer_remove(s, now_ms, p);
        else
            i++;
    }
    for (size_t i = 0; i < s->n_peers; i++)
        probe(s, now_ms, s->peers[i]);
    stream_announce(s, now_ms);
}

// --- sending ------------------------------------------------------------------------

void stream_send(struct stream *s, struct stream_peer *p, struct message *m, bool is_after_journal)
{
    m->run = s->config.run;
    m->epoch = s->config.epoch;
    m->sequence = ++s->message_sequence;
    wire_encode(&s->encoded, m);
    postbox_add(&p->mail, is_after_journal ? s->next_sequence - 1 : 0, &s->encoded.frames);
}

// Which version is everybody to hold?  The one that the first waiting prompt
// needs; when none waits, the latest, for the order to come.
static const struct object *version_to_hold(const struct stream *s)
{
    uint64_t wanted;
    if (lease_book_wanted_version(s->book, &wanted)) {
        const struct object *o = shelf_version(&s->shelf, wanted);
        if (o != NULL) return o;
    }
    return shelf_latest(&s->shelf);
}

void stream_announce(struct stream *s, uint64_t now_ms)
{
    const struct object *o = version_to_hold(s);
    if (o == NULL) return;
    for (size_t i = 0; i < s->n_peers; i++) {
        struct stream_peer *p = s->peers[i];
        if (p->state != PEER_READY || (p->is_announced && p->announced == o->version)) continue;
        p->is_announced = true;
        p->announced = o->version;
        p->announced_ms = now_ms;
        struct message m = {
            .type = MESSAGE_ANNOUNCE,
            .announce = {.version = o->version, .object = o->hash, .size_bytes = o->size_bytes}};
        stream_send(s, p, &m, false);
    }
}

void stream_begin_sending(struct stream *s)
{
    for (size_t i = 0; i < s->n_peers; i++)
        s->peers[i]->is_full = false;
    s->sending = 0;
}

// A chunk is made when its turn comes: its bytes stay where they are.
static const struct frames *next_chunk(struct stream *s, struct stream_peer *p)
{
    struct hash hash;
    uint32_t number;
    while (postbox_chunk(&p->mail, &hash, &number)) {
        const struct object *o = shelf_find(&s->shelf, &hash);
        struct message m = {.type = MESSAGE_CHUNK,
                            .run = s->config.run,
                            .epoch = s->config.epoch,
                            .sequence = ++s->message_sequence};
        if (o == NULL || !object_chunk(o, number, &m.chunk)) {
            postbox_drop_range(&p->mail);
            continue;
        }
        wire_encode(&s->chunk, &m);
        return &s->chunk.frames;
    }
    return NULL;
}

bool stream_next_send(struct stream *s, uint64_t *peer, const struct frames **out)
{
    for (; s->sending < s->n_peers; s->sending++) {
        struct stream_peer *p = s->peers[s->sending];
        if (p->is_full) continue;
        *peer = p->number;
        *out = postbox_letter(&p->mail, s->durable);
        s->is_sending_chunk = *out == NULL;
        if (*out == NULL) *out = next_chunk(s, p);
        if (*out != NULL) return true;
    }
    return false;
}

void stream_sent(struct stream *s, uint64_t now_ms, int status)
{
    struct stream_peer *p = s->peers[s->sending];
    if (status < 0) {
        stream_gone(s, now_ms, p->number);
    } else if (status > 0) {
        p->is_full = true;
    } else if (s->is_sending_chunk) {
        postbox_pop_chunk(&p->mail);
    } else {
        postbox_pop(&p->mail);
    }
}

bool stream_has_mail(const struct stream *s)
{
    for (size_t i = 0; i < s->n_peers; i++)
        if (!postbox_is_empty(&s->peers[i]->mail)) return true;
    return false;
}

// --- the trainer --------------------------------------------------------------------

static bool is_version_needed(const void *context, uint64_t version)
{
    const struct stream *s = context;
    return lease_book_needs_version(s->book, version);
}

void stream_make_room(struct stream *s)
{
    shelf_make_room(&s->shelf, is_version_needed, s);
}

int stream_publish(struct stream *s, uint64_t now_ms, uint64_t version, void *bytes,
                   uint64_t size_bytes, struct err *err)
{
    if (shelf_add_version(&s->shelf, version, bytes, size_bytes, is_version_needed, s, err) != 0)
        return -1;
    stream_announce(s, now_ms);
    return 0;
}

int stream_order(struct stream *s, uint64_t now_ms, const struct order *order, struct err *err)
{
    const struct object *latest = shelf_latest(&s->shelf);
    if (order->kind != LEASE_FEED && latest != NULL && order->weights_version <= latest->version &&
        shelf_version(&s->shelf, order->weights_version) == NULL)
        return err_set(err, ERR_USAGE,
                       "order %" PRIu64 " wants weights version %" PRIu64
                       ", which is no longer kept",
                       order->number, order->weights_version);
    if (lease_book_order(s->book, now_ms, order, err) != 0) return -1;
    stream_drain_book(s);
    stream_announce(s, now_ms);
    return 0;
}

enum order_state stream_order_state(const struct stream *s, uint64_t number, struct err *err)
{
    return lease_book_order_state(s->book, number, err);
}

const struct ingest_sample *stream_order_sample(const struct stream *s, uint64_t number,
                                                uint64_t *at)
{
    const struct order *o = lease_book_order_find(s->book, number);
    while (o != NULL && *at < (uint64_t)o->n_prompts * o->n_samples) {
        uint32_t prompt = (uint32_t)(*at / o->n_samples), sample = (uint32_t)(*at % o->n_samples);
        uint64_t lease = lease_book_order_lease(s->book, number, prompt);
        if (lease == 0) {
            *at += o->n_samples; // void
            continue;
        }
        const struct ingest_sample *found =
            ingest_sample(s->ingest, lease, o->prompt_first + prompt, sample);
        CHECK(found != NULL);
        (*at)++;
        return found;
    }
    return NULL;
}

int stream_commit(struct stream *s, uint64_t now_ms, uint64_t number, uint64_t step,
                  const struct order_fate *fates, size_t n, struct err *err)
{
    (void)now_ms;
    if (lease_book_commit(s->book, number, step, fates, n, err) != 0) return -1;
    stream_drain_book(s);
    return 0;
}

struct gate_status stream_status(const struct stream *s)
{
    struct gate_status status = s->status;
    for (size_t i = 0; i < s->n_peers; i++) {
        const struct stream_peer *p = s->peers[i];
        if (p->state == PEER_READY && lease_book_peer_is_alive(p->book)) status.n_actors++;
    }
    lease_book_oldest(s->book, &status.order_samples_done, &status.order_samples_wanted);
    return status;
}

void stream_finish(struct stream *s, uint64_t now_ms, bool is_final, const char *reason)
{
    (void)now_ms;
    s->is_finished = true;
    if (is_final) {
        lease_book_cancel_all(s->book);
        stream_drain_book(s);
    }
    for (size_t i = 0; i < s->n_peers; i++) {
        struct stream_peer *p = s->peers[i];
        struct message m = {
            .type = MESSAGE_BYE,
            .bye = {.is_final = is_final, .reason = {reason, (uint32_t)strlen(reason)}}};
        stream_flush_acks(s, p);
        stream_send(s, p, &m, true);
    }
}

bool stream_has_peers(const struct stream *s)
{
    for (size_t i = 0; i < s->n_peers; i++)
        if (s->peers[i]->state == PEER_READY) return true;
    return false;
}
