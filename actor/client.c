#include "actor/client.h"

#include <stdlib.h>
#include <string.h>

#include "actor/outbox.h"
#include "proto/object.h"

#define FETCH_WINDOW 8u
#define FETCH_POLL_MS 200u
#define WEIGHTS_BYTES_MAX ((uint64_t)OBJECT_CHUNKS_MAX * CHUNK_BYTES)

enum phase {
    PHASE_DOWN,     // no link
    PHASE_GREETING, // HELLO is out
    PHASE_FETCHING, // WELCOME is here, files are coming
    PHASE_BUILDING, // CLIENT_SPEC was handed out
    PHASE_WORKING,  // READY is out
    PHASE_OVER,
};

// A lease from its arrival to the ACK of its last result.
struct held_lease {
    struct held_lease *next;
    uint64_t id;
    uint64_t n_left;    // samples not yet submitted
    uint64_t n_unacked; // submitted
    uint64_t n_tokens;
    bool was_named; // to the learner, on this connection
};

// A message or an action that waits to be handed out.
struct waiting {
    struct waiting *next;
    struct client_action action;
    struct wire_buffer encoded; // CLIENT_SEND
};

struct client {
    struct client_config config;
    char name[NAME_BYTES_MAX + 1];
    enum phase phase;
    uint64_t run;
    uint32_t epoch;
    uint64_t sequence;
    uint32_t progress_ms;
    uint64_t heard_ms, spoke_ms; // last message in; last CREDIT or PROGRESS out
    uint64_t called_ms;          // when the caller last asked what to do
    bool wants_credit;           // something changed that the learner should know
    size_t n_scoring;            // samples that wait for their scores

    // What WELCOME said.
    char *spec;
    bool deterministic;
    struct served_file files[FILES_MAX];
    struct scratch contents[FILES_MAX];
    struct hash objects[FILES_MAX];
    uint32_t n_files, n_fetched;
    struct hash content; // of spec and files: an equal WELCOME needs no rebuilding
    struct ready ready;
    bool is_built;

    struct fetch *fetch; // a file, or weights when is_weights
    bool is_weights;
    uint64_t fetch_version;
    unsigned char *weights; // verified, until applied
    uint64_t weights_size, weights_version;
    struct hash weights_object;
    bool has_weights, is_weights_out;
    uint64_t held_version;
    struct announce announced;
    bool has_announced;

    struct outbox outbox;
    struct held_lease *leases;
    uint64_t n_out; // samples of them not yet submitted
    bool is_leaving;
    bool may_have_lost; // what was sent: the connection or the learner is another one
    struct waiting *first, *last;
    struct waiting *lent; // what client_next last handed out
    bool is_result_lent;  // or a result
    struct wire_buffer aligned, encoded;
    struct client_status status;
};

static void *take(size_t count, size_t item_bytes)
{
    void *memory = calloc(count ? count : 1, item_bytes);
    CHECK(memory != NULL);
    return memory;
}

static void waiting_destroy(struct waiting *w)
{
    if (w == NULL) return;
    wire_buffer_fini(&w->encoded);
    free(w);
}

static struct waiting *enqueue(struct client *c, enum client_action_type type)
{
    struct waiting *w = take(1, sizeof *w);
    wire_buffer_init(&w->encoded);
    w->action.type = type;
    if (c->last != NULL)
        c->last->next = w;
    else
        c->first = w;
    c->last = w;
    return w;
}

static void say(struct client *c, struct message *m)
{
    m->run = c->run;
    m->epoch = c->epoch;
    m->sequence = c->sequence++;
    struct waiting *w = enqueue(c, CLIENT_SEND);
    wire_encode(&w->encoded, m);
}

static void quit(struct client *c, bool is_refused, struct text reason)
{
    struct waiting *w = enqueue(c, CLIENT_QUIT);
    const size_t n = reason.size_bytes < TEXT_BYTES_MAX ? reason.size_bytes : TEXT_BYTES_MAX;
    if (n != 0) memcpy(w->action.reason, reason.bytes, n);
    w->action.is_refused = is_refused;
    c->phase = PHASE_OVER;
}

struct client *client_create(const struct client_config *config)
{
    struct client *c = take(1, sizeof *c);
    c->config = *config;
    const size_t n = strlen(config->name);
    memcpy(c->name, config->name, n < NAME_BYTES_MAX ? n : NAME_BYTES_MAX);
    c->progress_ms = 1000;
    outbox_init(&c->outbox);
    wire_buffer_init(&c->aligned);
    wire_buffer_init(&c->encoded);
    return c;
}

static void forget_files(struct client *c)
{
    for (uint32_t i = 0; i < c->n_fetched; i++)
        scratch_release(&c->contents[i]);
    c->n_files = c->n_fetched = 0;
    free(c->spec);
    c->spec = NULL;
    c->is_built = false;
}

static void stop_fetch(struct client *c)
{
    fetch_destroy(c->fetch);
    c->fetch = NULL;
}

static void forget_weights(struct client *c)
{
    if (c->is_weights) stop_fetch(c);
    free(c->weights);
    c->weights = NULL;
    c->is_weights_out = false;
    c->has_weights = false;
    c->has_announced = false;
}

// What was under way is gone; results that are done still wait for their ACK.
static void forget_work(struct client *c)
{
    struct held_lease **link = &c->leases;
    while (*link != NULL) {
        struct held_lease *l = *link;
        *link = l->next;
        free(l);
    }
    c->n_out = 0;
    c->status.n_leases = 0;
}

void client_destroy(struct client *c)
{
    if (c == NULL) return;
    stop_fetch(c);
    forget_weights(c);
    forget_files(c);
    forget_work(c);
    outbox_fini(&c->outbox);
    while (c->first != NULL) {
        struct waiting *w = c->first;
        c->first = w->next;
        waiting_destroy(w);
    }
    waiting_destroy(c->lent);
    wire_buffer_fini(&c->aligned);
    wire_buffer_fini(&c->encoded);
    free(c);
}

// --- link and greeting -----------------------------------------------------------

static void greet(struct client *c, uint64_t now_ms)
{
    struct message m = {.type = MESSAGE_HELLO,
                        .hello = {.protocol = PROTO_VERSION,
                                  .session = c->config.session,
                                  .name = {c->name, (uint32_t)strlen(c->name)},
                                  .fingerprint = c->config.fingerprint}};
    if (c->phase == PHASE_OVER) return;
    say(c, &m);
    c->phase = PHASE_GREETING;
    c->heard_ms = now_ms; // the wait for its answer begins
}

void client_connected(struct client *c, uint64_t now_ms)
{
    c->status.is_connected = true;
    greet(c, now_ms);
}

void client_disconnected(struct client *c, uint64_t now_ms)
{
    (void)now_ms;
    c->status.is_connected = false;
    c->may_have_lost = true;
    if (c->phase == PHASE_OVER) return;
    c->phase = PHASE_DOWN;
    if (!c->is_weights) stop_fetch(c);
}

static struct hash hash_welcome(const struct message *m)
{
    const struct welcome *w = &m->welcome;
    struct hasher h;
    hasher_init(&h);
    hasher_add(&h, &m->run, sizeof m->run);
    hasher_add(&h, &m->epoch, sizeof m->epoch);
    hasher_add(&h, w->spec.bytes, w->spec.size_bytes);
    for (uint32_t i = 0; i < w->n_files; i++) {
        hasher_add(&h, w->files[i].name.bytes, w->files[i].name.size_bytes);
        hasher_add(&h, &w->files[i].object, sizeof w->files[i].object);
    }
    return hasher_end(&h);
}

static void say_ready(struct client *c)
{
    struct message m = {.type = MESSAGE_READY, .ready = c->ready};
    say(c, &m);
    c->phase = PHASE_WORKING;
    c->wants_credit = true;
    if (c->may_have_lost) outbox_resend_all(&c->outbox);
    c->may_have_lost = false;
    for (struct held_lease *l = c->leases; l != NULL; l = l->next)
        l->was_named = false;
}

static void next_file(struct client *c)
{
    if (c->n_fetched < c->n_files) {
        const struct served_file *f = &c->files[c->n_fetched];
        c->fetch = fetch_create(&c->objects[c->n_fetched], f->size_bytes);
        fetch_into_scratch(c->fetch);
        c->is_weights = false;
        return;
    }
    struct waiting *w = enqueue(c, CLIENT_SPEC);
    w->action.spec = c->spec;
    w->action.deterministic = c->deterministic;
    w->action.files = c->files;
    w->action.n_files = c->n_files;
    c->phase = PHASE_BUILDING;
}

static void on_welcome(struct client *c, const struct message *m)
{
    const struct welcome *w = &m->welcome;
    const struct hash content = hash_welcome(m);
    // Another run's learner has no use for our results, and its lease ids mean others.
    if (c->run != 0 && c->run != m->run) outbox_fini(&c->outbox);
    if (c->epoch != m->epoch) c->may_have_lost = true;
    c->run = m->run;
    c->epoch = m->epoch;
    c->progress_ms = w->progress_ms ? w->progress_ms : 1;
    if (c->is_built && hash_is_equal(&content, &c->content)) {
        say_ready(c);
        return;
    }
    stop_fetch(c);
    forget_weights(c);
    forget_work(c); // the engine is rebuilt
    forget_files(c);
    c->content = content;
    c->deterministic = w->deterministic;
    c->spec = take(w->spec.size_bytes + 1u, 1);
    memcpy(c->spec, w->spec.bytes, w->spec.size_bytes);
    c->n_files = w->n_files;
    for (uint32_t i = 0; i < w->n_files; i++) {
        struct served_file *f = &c->files[i];
        *f = (struct served_file){.size_bytes = w->files[i].size_bytes};
        const size_t n = w->files[i].name.size_bytes;
        memcpy(f->name, w->files[i].name.bytes, n < sizeof f->name ? n : sizeof f->name - 1);
        c->objects[i] = w->files[i].object;
    }
    c->phase = PHASE_FETCHING;
    next_file(c);
}

void client_ready(struct client *c, const struct ready *hashes)
{
    c->ready = *hashes;
    c->is_built = true;
    if (c->phase == PHASE_BUILDING) say_ready(c);
}

// --- objects ------------------------------------------------------------------------

static void want_weights(struct client *c)
{
    if (!c->has_announced || c->fetch != NULL || c->weights != NULL) return;
    if (c->has_weights && c->held_version == c->announced.version) return;
    const uint64_t limit = c->announced.size_bytes;
    c->fetch =
        fetch_create(&c->announced.object, limit < WEIGHTS_BYTES_MAX ? limit : WEIGHTS_BYTES_MAX);
    c->is_weights = true;
    c->fetch_version = c->announced.version;
}

static void on_announce(struct client *c, const struct announce *a)
{
    c->announced = *a;
    c->has_announced = true;
    if (c->fetch != NULL && c->is_weights && c->fetch_version != a->version) stop_fetch(c);
    want_weights(c);
}

static void fetched(struct client *c)
{
    if (!c->is_weights) {
        struct served_file *file = &c->files[c->n_fetched];
        struct scratch *content = &c->contents[c->n_fetched++];
        *content = fetch_take_scratch(c->fetch);
        file->bytes = content->bytes;
        file->size_bytes = content->size_bytes - 1;
        file->is_mapped = content->is_file;
        stop_fetch(c);
        next_file(c);
        return;
    }
    uint64_t size;
    const struct hash object = *fetch_object(c->fetch);
    unsigned char *bytes = fetch_take_bytes(c->fetch, &size);
    stop_fetch(c);
    c->weights = bytes;
    c->weights_size = size;
    c->weights_version = c->fetch_version;
    c->weights_object = object;
    c->is_weights_out = false;
}

static void on_object(struct client *c, const struct message *m)
{
    struct err err;
    if (c->fetch == NULL) return;
    const int status = m->type == MESSAGE_MANIFEST
                           ? fetch_take_manifest(c->fetch, &m->manifest, &err)
                           : fetch_take_chunk(c->fetch, &m->chunk, &err);
    if (status != 0) c->status.n_malformed++;
    if (fetch_is_complete(c->fetch)) fetched(c);
}

void client_applied(struct client *c, uint64_t version)
{
    free(c->weights);
    c->weights = NULL;
    c->is_weights_out = false;
    c->has_weights = true;
    c->held_version = version;
    c->wants_credit = true;
    want_weights(c);
}

// --- leases and results ---------------------------------------------------------------

static struct held_lease **find_lease(struct client *c, uint64_t id)
{
    struct held_lease **link = &c->leases;
    while (*link != NULL && (*link)->id != id)
        link = &(*link)->next;
    return link;
}

static void lease_free(struct held_lease **link)
{
    struct held_lease *l = *link;
    *link = l->next;
    free(l);
}

// Nothing more will be submitted of it.
static void end_work(struct client *c, struct held_lease *l)
{
    if (l->n_left == 0) return;
    c->n_out -= l->n_left;
    l->n_left = 0;
    c->status.n_leases--;
    c->wants_credit = true;
}

static void drop_lease(struct client *c, struct held_lease **link)
{
    end_work(c, *link);
    lease_free(link);
}

static void on_lease(struct client *c, const struct lease *lease)
{
    // While a greeting is under way the same learner's leases are as good as ever.
    if (*find_lease(c, lease->id) != NULL || !c->is_built) return;
    struct held_lease *l = take(1, sizeof *l);
    l->id = lease->id;
    l->n_left = (uint64_t)lease->n_prompts * lease->n_samples;
    l->next = c->leases;
    c->leases = l;
    c->n_out += l->n_left;
    c->status.n_leases++;
    if (c->is_leaving)
        client_return(c, lease->id, "the actor is leaving");
    else
        enqueue(c, CLIENT_LEASE)->action.lease = *lease;
}

static void cancel(struct client *c, uint64_t id)
{
    struct held_lease **link = find_lease(c, id);
    if (*link == NULL) return;
    const bool is_at_work = (*link)->n_left > 0;
    drop_lease(c, link);
    if (is_at_work) enqueue(c, CLIENT_CANCEL)->action.lease_id = id;
}

static void on_ack(struct client *c, uint64_t now_ms, const struct ack *ack)
{
    for (uint32_t i = 0; i < ack->n; i++) {
        const struct ack_entry *e = &ack->entries[i];
        if (!outbox_ack(&c->outbox, e)) continue;
        c->status.n_acked++;
        struct held_lease **link = find_lease(c, e->lease);
        struct held_lease *l = *link;
        if (l != NULL && l->n_unacked > 0) l->n_unacked--;
        if (l != NULL && l->n_unacked == 0 && l->n_left == 0) lease_free(link);
        if (e->verdict != VERDICT_STALE) continue;
        c->status.n_stale++;
        cancel(c, e->lease);
    }
    outbox_ack_end(&c->outbox, now_ms);
}

void client_submit(struct client *c, uint64_t now_ms, const struct result *result)
{
    struct held_lease *l = *find_lease(c, result->lease);
    (void)now_ms;
    if (l == NULL || l->n_left == 0) return; // cancelled meanwhile
    struct message m = {
        .type = MESSAGE_RESULT, .run = c->run, .epoch = c->epoch, .result = *result};
    m.sequence = c->sequence++;
    wire_encode(&c->encoded, &m);
    outbox_add(&c->outbox, result, &c->encoded.frames);
    l->n_unacked++;
    if (l->n_left == 1)
        end_work(c, l);
    else {
        l->n_left--;
        c->n_out--;
    }
}

void client_progress(struct client *c, uint64_t lease, uint64_t n_tokens)
{
    struct held_lease **link = find_lease(c, lease);
    if (*link != NULL) (*link)->n_tokens = n_tokens;
}

void client_scoring(struct client *c, size_t n_samples)
{
    if (c->n_scoring == n_samples) return;
    c->n_scoring = n_samples;
    c->wants_credit = true;
}

void client_return(struct client *c, uint64_t lease, const char *reason)
{
    struct held_lease **link = find_lease(c, lease);
    struct message m = {.type = MESSAGE_RETURN, .lease_list = {.n = 1, .leases = {lease}}};
    if (*link == NULL) return;
    m.lease_list.reason = (struct text){reason, (uint32_t)strlen(reason)};
    drop_lease(c, link);
    if (c->phase == PHASE_WORKING) say(c, &m);
}

void client_return_all(struct client *c, uint64_t now_ms, const char *reason)
{
    (void)now_ms;
    c->is_leaving = true; // no further lease is asked for
    while (c->status.n_leases > 0) {
        struct message m = {.type = MESSAGE_RETURN};
        m.lease_list.reason = (struct text){reason, (uint32_t)strlen(reason)};
        for (struct held_lease **link = &c->leases; *link != NULL;) {
            const bool is_at_work = (*link)->n_left > 0;
            if (is_at_work && m.lease_list.n < PROGRESS_MAX) {
                m.lease_list.leases[m.lease_list.n++] = (*link)->id;
                drop_lease(c, link);
            } else {
                link = &(*link)->next;
            }
        }
        if (c->phase == PHASE_WORKING) say(c, &m);
    }
}

bool client_is_drained(const struct client *c)
{
    return c->outbox.n == 0 && c->first == NULL;
}

// --- what the learner says -------------------------------------------------------------

static void on_bye(struct client *c, uint64_t now_ms, const struct bye *bye)
{
    if (bye->is_final) {
        struct message m = {.type = MESSAGE_BYE, .bye = {.is_final = true}};
        say(c, &m); // so that the learner need not wait for us
        quit(c, false, bye->reason);
        return;
    }
    c->may_have_lost = true; // it does not know us
    if (c->status.is_connected && c->phase != PHASE_GREETING) greet(c, now_ms);
}

static void dispatch(struct client *c, uint64_t now_ms, const struct message *m)
{
    switch (m->type) {
    case MESSAGE_WELCOME:
        if (c->phase == PHASE_GREETING) on_welcome(c, m);
        break;
    case MESSAGE_REFUSE:
        quit(c, true, m->refuse.text);
        break;
    case MESSAGE_LEASE:
        on_lease(c, &m->lease);
        break;
    case MESSAGE_ACK:
        on_ack(c, now_ms, &m->ack);
        break;
    case MESSAGE_CANCEL:
        for (uint32_t i = 0; i < m->lease_list.n; i++)
            cancel(c, m->lease_list.leases[i]);
        break;
    case MESSAGE_ANNOUNCE:
        if (c->is_built) on_announce(c, &m->announce);
        break;
    case MESSAGE_MANIFEST:
    case MESSAGE_CHUNK:
        on_object(c, m);
        break;
    case MESSAGE_BYE:
        on_bye(c, now_ms, &m->bye);
        break;
    case MESSAGE_HELLO:
    case MESSAGE_READY:
    case MESSAGE_CREDIT:
    case MESSAGE_PROGRESS:
    case MESSAGE_RESULT:
    case MESSAGE_RETURN:
    case MESSAGE_GET:
        c->status.n_malformed++; // only an actor says these
        break;
    }
}

void client_receive(struct client *c, uint64_t now_ms, const struct frames *in)
{
    struct message m;
    struct err err;
    if (c->phase == PHASE_OVER) return;
    if (wire_decode(&m, in, &c->aligned, &err) != 0) {
        c->status.n_malformed++;
        return;
    }
    // An older life of the learner is not to be listened to, and a stranger only
    // as far as a greeting goes.
    const bool is_ours = m.run == c->run && m.epoch == c->epoch;
    const bool is_greeting =
        m.type == MESSAGE_WELCOME || m.type == MESSAGE_REFUSE || m.type == MESSAGE_BYE;
    if (c->run != 0 && m.run == c->run && m.epoch < c->epoch) return;
    if (!is_ours && !is_greeting) return;
    // A greeting waits for its answer, whatever else is heard.
    if (c->phase != PHASE_GREETING || m.type == MESSAGE_WELCOME) c->heard_ms = now_ms;
    dispatch(c, now_ms, &m);
}

// --- what to do next ----------------------------------------------------------------------

// All leases, or those only that the learner does not know to have arrived: for
// all it knows they are under way and take up credit.
static void say_progress(struct client *c, bool wants_all)
{
    struct held_lease *l = c->leases;
    while (l != NULL) {
        struct message m = {.type = MESSAGE_PROGRESS};
        for (; l != NULL && m.progress.n < PROGRESS_MAX; l = l->next) {
            if (l->was_named && !wants_all) continue;
            m.progress.entries[m.progress.n++] = (struct progress_entry){l->id, l->n_tokens};
            l->was_named = true;
        }
        if (m.progress.n != 0) say(c, &m);
    }
}

static void say_credit(struct client *c)
{
    const uint64_t limit = c->config.result_bytes_max, held = c->outbox.size_bytes;
    const uint64_t samples = c->is_leaving ? 0 : c->config.samples_max;
    const uint64_t scoring = c->n_scoring < samples ? c->n_scoring : samples;
    const uint64_t n_out = c->n_out > scoring ? c->n_out - scoring : 0;
    struct message m = {.type = MESSAGE_CREDIT,
                        .credit = {.bytes = limit > held ? limit - held : 0,
                                   .samples = n_out < samples ? (uint32_t)(samples - n_out) : 0,
                                   .has_weights = c->has_weights,
                                   .weights_version = c->held_version}};
    say(c, &m);
}

// Time in which the caller computed and read no socket says nothing of the learner.
static void forgive_absence(struct client *c, uint64_t now_ms)
{
    const uint64_t away_ms = now_ms - c->called_ms;
    c->called_ms = now_ms;
    if (away_ms > c->config.silence_ms / 2 && now_ms - c->heard_ms >= away_ms)
        c->heard_ms += away_ms;
}

static void tick(struct client *c, uint64_t now_ms)
{
    struct get get;
    forgive_absence(c, now_ms);
    if (c->phase == PHASE_OVER || c->phase == PHASE_DOWN) return;
    if (now_ms - c->heard_ms > c->config.silence_ms) greet(c, now_ms);
    if (c->fetch != NULL && (c->phase == PHASE_FETCHING || c->phase == PHASE_WORKING)) {
        while (fetch_next(c->fetch, now_ms, FETCH_WINDOW, &get)) {
            struct message m = {.type = MESSAGE_GET, .get = get};
            say(c, &m);
        }
    }
    if (c->phase != PHASE_WORKING) return;
    const bool is_time = now_ms - c->spoke_ms >= c->progress_ms / 2;
    if (c->wants_credit || is_time) {
        c->wants_credit = false;
        if (is_time) c->spoke_ms = now_ms;
        say_progress(c, is_time);
        say_credit(c);
    }
    if (c->weights != NULL && !c->is_weights_out) {
        struct waiting *w = enqueue(c, CLIENT_WEIGHTS);
        w->action.version = c->weights_version;
        w->action.object = c->weights_object;
        w->action.bytes = c->weights;
        w->action.size_bytes = c->weights_size;
        c->is_weights_out = true;
    }
}

bool client_next(struct client *c, uint64_t now_ms, struct client_action *out)
{
    waiting_destroy(c->lent);
    c->lent = NULL;
    // Results go before the credit that their completion frees.
    const bool may_send = c->first == NULL && c->phase == PHASE_WORKING;
    const struct frames *result = may_send ? outbox_next(&c->outbox, now_ms) : NULL;
    c->is_result_lent = result != NULL;
    if (result != NULL) {
        *out = (struct client_action){.type = CLIENT_SEND, .frames = result};
        return true;
    }
    if (c->first == NULL) tick(c, now_ms);
    if (c->first == NULL) return false;
    c->lent = c->first;
    c->first = c->lent->next;
    if (c->first == NULL) c->last = NULL;
    *out = c->lent->action;
    if (out->type == CLIENT_SEND) out->frames = &c->lent->encoded.frames;
    return true;
}

void client_unsent(struct client *c)
{
    if (c->is_result_lent) outbox_unsent(&c->outbox);
    if (c->lent == NULL) return;
    c->lent->next = c->first;
    c->first = c->lent;
    if (c->last == NULL) c->last = c->lent;
    c->lent = NULL;
}

uint32_t client_wait_ms(const struct client *c, uint64_t now_ms)
{
    (void)now_ms;
    if (c->fetch != NULL) return FETCH_POLL_MS;
    return c->progress_ms / 4 + 1;
}

struct client_status client_status(const struct client *c)
{
    struct client_status s = c->status;
    s.n_held_results = c->outbox.n;
    s.n_sent = c->outbox.n_sent;
    s.n_resent = c->outbox.n_resent;
    s.is_ready = c->phase == PHASE_WORKING;
    return s;
}
