#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "learner/stream.h"
#include "learner/stream_peers.h"

#define ANNOUNCE_PERIODS 4 // then who does not hold the version it was told of is told again

static void copy_text(char *out, size_t out_bytes, struct text text)
{
    size_t n = text.size_bytes < out_bytes ? text.size_bytes : out_bytes - 1;
    if (n > 0) memcpy(out, text.bytes, n);
    out[n] = 0;
    for (size_t i = 0; i < n; i++) // it goes to a log
        if ((unsigned char)out[i] < 0x20) out[i] = '?';
}

static void send_welcome(struct stream *s, struct stream_peer *p)
{
    const struct stream_config *c = &s->config;
    struct message m = {.type = MESSAGE_WELCOME,
                        .welcome = {.spec = {c->spec, (uint32_t)strlen(c->spec)},
                                    .n_files = s->shelf.n_files,
                                    .progress_ms = c->book.progress_ms,
                                    .deterministic = c->deterministic}};
    for (uint32_t i = 0; i < s->shelf.n_files; i++)
        m.welcome.files[i] =
            (struct file_entry){.name = {c->files[i].name, (uint32_t)strlen(c->files[i].name)},
                                .object = s->shelf.files[i].hash,
                                .size_bytes = s->shelf.files[i].size_bytes};
    stream_send(s, p, &m, false);
}

// The same actor on another connection: its leases come along.
static void take_over_session(struct stream *s, uint64_t now_ms, struct stream_peer *p)
{
    for (size_t i = 0; i < s->n_peers; i++) {
        struct stream_peer *old = s->peers[i];
        if (old == p || old->session != p->session || old->book == NULL) continue;
        lease_book_move(s->book, now_ms, old->book, p->book);
        stream_peer_remove(s, now_ms, old);
        return;
    }
}

static void on_hello(struct stream *s, uint64_t now_ms, struct stream_peer *p,
                     const struct hello *hello)
{
    copy_text(p->name, sizeof p->name, hello->name);
    if (hello->protocol != PROTO_VERSION) {
        stream_peer_refuse(s, now_ms, p, REFUSAL_PROTOCOL, "another version of the protocol");
        return;
    }
    if (!hash_is_equal(&hello->fingerprint, &s->config.fingerprint)) {
        if (s->config.deterministic) {
            stream_peer_refuse(s, now_ms, p, REFUSAL_FINGERPRINT,
                               "its arithmetic gives other bits than the learner's (numerics "
                               "fingerprint), and the run is synchronous");
            return;
        }
        char text[TEXT_BYTES_MAX];
        snprintf(text, sizeof text, "fingerprint of actor %s differs", p->name);
        if (p->state == PEER_STRANGER) {
            journal_encode_note(&s->staged, s->next_sequence++, text);
            stream_event(s, "%s", text);
        }
    }
    bool is_same_actor = p->book != NULL && p->session == hello->session;
    if (p->book != NULL && !is_same_actor) {
        lease_book_leave(s->book, now_ms, p->book, LEASE_END_PEER_LOST);
        p->book = NULL;
    }
    p->session = hello->session;
    if (p->book == NULL) p->book = lease_book_join(s->book, now_ms, p);
    if (!is_same_actor) {
        take_over_session(s, now_ms, p);
        p->was_ready = false;
    }
    stream_drain_book(s);
    p->state = PEER_GREETED;
    p->is_announced = false; // it may have lost what it was told
    send_welcome(s, p);
}

static const char *differing_hash(const struct ready *a, const struct ready *want)
{
    if (!hash_is_zero(&want->shape) && !hash_is_equal(&a->shape, &want->shape)) return "shape";
    if (!hash_is_zero(&want->tokenizer) && !hash_is_equal(&a->tokenizer, &want->tokenizer))
        return "tokenizer";
    if (!hash_is_zero(&want->sampler) && !hash_is_equal(&a->sampler, &want->sampler))
        return "sampler";
    if (!hash_is_zero(&want->spec) && !hash_is_equal(&a->spec, &want->spec)) return "spec";
    return NULL;
}

static void on_ready(struct stream *s, uint64_t now_ms, struct stream_peer *p,
                     const struct ready *ready)
{
    const char *which = differing_hash(ready, &s->config.expected);
    if (which != NULL) {
        char text[120];
        snprintf(text, sizeof text, "the hash of its %s differs from the run's", which);
        stream_peer_refuse(s, now_ms, p, REFUSAL_HASHES, text);
        return;
    }
    if (!p->was_ready) stream_event(s, "actor %s ready", p->name);
    p->was_ready = true;
    p->state = PEER_READY;
    s->status.knows_held_out = true;
    s->status.n_held_out = ready->n_held_out;
    stream_announce(s, now_ms);
}

static void on_credit(struct stream *s, uint64_t now_ms, struct stream_peer *p,
                      const struct credit *credit)
{
    if (p->state != PEER_READY) return;
    lease_book_credit(s->book, now_ms, p->book, credit);
    // What it was told may have been dropped on the way: it is told again, at times.
    const bool has_it = credit->has_weights && credit->weights_version == p->announced;
    const uint64_t patience_ms = (uint64_t)ANNOUNCE_PERIODS * s->config.book.progress_ms;
    if (!p->is_announced || has_it || now_ms - p->announced_ms <= patience_ms) return;
    p->is_announced = false;
    stream_announce(s, now_ms);
}

static void on_progress(struct stream *s, uint64_t now_ms, struct stream_peer *p,
                        const struct progress *progress)
{
    struct message m = {.type = MESSAGE_CANCEL};
    lease_book_progress(s->book, now_ms, p->book, progress, &m.lease_list);
    if (m.lease_list.n > 0) stream_send(s, p, &m, false);
}

static void on_get(struct stream *s, struct stream_peer *p, const struct get *get)
{
    const struct object *o = shelf_find(&s->shelf, &get->object);
    if (o == NULL) return; // a version that is gone: the next ANNOUNCE is on its way
    if (get->want_manifest) {
        struct message m = {.type = MESSAGE_MANIFEST};
        object_manifest(o, &m.manifest);
        stream_send(s, p, &m, false);
    }
    if (get->first < o->n_chunks)
        postbox_add_chunks(&p->mail, &get->object, get->first, get->count);
}

// --- results ------------------------------------------------------------------------

static void ack(struct stream *s, struct stream_peer *p, const struct result *r,
                enum verdict verdict)
{
    if (p->acks.n == ACKS_MAX) stream_flush_acks(s, p);
    p->acks.entries[p->acks.n++] = (struct ack_entry){.lease = r->lease,
                                                      .prompt_index = r->prompt_index,
                                                      .sample = r->sample,
                                                      .verdict = verdict};
}

static void on_fault(struct stream *s, uint64_t now_ms, const struct result *r)
{
    static const char *const names[] = {
        [OUTCOME_SCORER_ERROR] = "scorer error",       [OUTCOME_SCORER_TIMEOUT] = "scorer timeout",
        [OUTCOME_PROMPT_TOO_LONG] = "prompt too long", [OUTCOME_BAD_DATA] = "bad data",
        [OUTCOME_INTERNAL] = "internal fault",
    };
    char detail[160], what[200];
    copy_text(detail, sizeof detail, r->outcome_text);
    snprintf(what, sizeof what, "%s%s%s", names[r->outcome], detail[0] != 0 ? ": " : "", detail);
    stream_event(s, "lease %" PRIu64 " prompt %" PRIu64 ": %s", r->lease, r->prompt_index, what);
    bool is_lasting = r->outcome == OUTCOME_PROMPT_TOO_LONG || r->outcome == OUTCOME_BAD_DATA;
    lease_book_fault(s->book, now_ms, r->lease, r->prompt_index, is_lasting, what);
}

static void accept_result(struct stream *s, uint64_t now_ms, const struct result *r, uint64_t hash,
                          const struct frames *in)
{
    size_t record = s->staged.size_bytes;
    journal_encode_result(&s->staged, s->next_sequence++, in);
    size_t payload = record + JOURNAL_RECORD_BYTES;
    s->status.n_results++;
    if (r->outcome != OUTCOME_OK) {
        on_fault(s, now_ms, r);
        return;
    }
    lease_book_received(s->book, now_ms, r->lease);
    if (ingest_keep(s->ingest, r, hash, s->staged.bytes + payload,
                    (uint32_t)(s->staged.size_bytes - payload)))
        lease_book_complete(s->book, now_ms, r->lease);
}

static void on_result(struct stream *s, uint64_t now_ms, struct stream_peer *p,
                      const struct result *r, const struct frames *in)
{
    struct err why = {0};
    uint64_t hash = ingest_payload_hash(in);
    enum verdict verdict = ingest_judge(s->ingest, r, hash, &why);
    // A new sample can only come from the lease's holder; anybody else's lease is over.
    if (verdict == VERDICT_OK && !lease_book_is_holder(s->book, r->lease, p->book))
        verdict = VERDICT_STALE;
    if (verdict == VERDICT_OK) accept_result(s, now_ms, r, hash, in);
    if (verdict == VERDICT_DUPLICATE) s->status.n_duplicates++;
    if (verdict == VERDICT_STALE) {
        s->status.n_stale++;
        lease_book_works(p->book); // late, but at work
    }
    ack(s, p, r, verdict);
    if (verdict == VERDICT_CONFLICT) stream_event(s, "actor %s: %s", p->name, why.text);
    if (verdict == VERDICT_REFUSED) {
        stream_flush_acks(s, p);
        stream_peer_refuse(s, now_ms, p, REFUSAL_MALFORMED, why.text);
    }
}

// --- all messages -------------------------------------------------------------------

static void dispatch(struct stream *s, uint64_t now_ms, struct stream_peer *p,
                     const struct message *m, const struct frames *in)
{
    switch (m->type) {
    case MESSAGE_READY:
        on_ready(s, now_ms, p, &m->ready);
        break;
    case MESSAGE_CREDIT:
        on_credit(s, now_ms, p, &m->credit);
        break;
    case MESSAGE_PROGRESS:
        on_progress(s, now_ms, p, &m->progress);
        break;
    case MESSAGE_RESULT:
        on_result(s, now_ms, p, &m->result, in);
        break;
    case MESSAGE_RETURN:
        lease_book_give_back(s->book, now_ms, p->book, &m->lease_list);
        break;
    case MESSAGE_GET:
        on_get(s, p, &m->get);
        break;
    case MESSAGE_BYE:
        stream_peer_remove(s, now_ms, p);
        break;
    case MESSAGE_HELLO:
    case MESSAGE_WELCOME:
    case MESSAGE_REFUSE:
    case MESSAGE_LEASE:
    case MESSAGE_ACK:
    case MESSAGE_CANCEL:
    case MESSAGE_ANNOUNCE:
    case MESSAGE_MANIFEST:
    case MESSAGE_CHUNK:
        stream_peer_refuse(s, now_ms, p, REFUSAL_MALFORMED, "a message only the learner sends");
        break;
    }
    stream_drain_book(s);
}

void stream_refuse(struct stream *s, uint64_t now_ms, uint64_t peer, const char *why)
{
    struct stream_peer *p = stream_peer_meet(s, now_ms, peer);
    if (p != NULL && p->state != PEER_REFUSED)
        stream_peer_refuse(s, now_ms, p, REFUSAL_MALFORMED, why);
}

void stream_receive(struct stream *s, uint64_t now_ms, uint64_t peer, const struct frames *in)
{
    struct stream_peer *p = stream_peer_meet(s, now_ms, peer);
    if (p == NULL) return;
    p->heard_ms = now_ms;
    if (p->state == PEER_REFUSED) return;

    struct message m;
    struct err err;
    if (wire_decode(&m, in, &s->aligned, &err) != 0) {
        bool is_other = err.code == ERR_MISMATCH;
        stream_peer_refuse(s, now_ms, p, is_other ? REFUSAL_PROTOCOL : REFUSAL_MALFORMED, err.text);
        return;
    }
    if (s->is_finished) { // only good-byes are waited for
        if (m.type == MESSAGE_BYE) stream_peer_remove(s, now_ms, p);
        return;
    }
    if (m.type == MESSAGE_HELLO) {
        on_hello(s, now_ms, p, &m.hello);
        return;
    }
    if (p->state == PEER_STRANGER || m.run != s->config.run) {
        // It knew an earlier learner, or was silent for too long: it should greet.
        struct message bye = {.type = MESSAGE_BYE,
                              .bye = {.reason = {"not greeted", sizeof "not greeted" - 1}}};
        stream_send(s, p, &bye, false);
        return;
    }
    lease_book_heard(s->book, now_ms, p->book);
    dispatch(s, now_ms, p, &m, in);
}
