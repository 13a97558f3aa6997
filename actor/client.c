#include "actor/client.h"

#include <stdlib.h>
#include <string.h>

#include "proto/object.h"

#define RESEND_MS 2000u
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

// A result from its submission to its ACK.
struct held {
    struct held *next;
    uint64_t lease, prompt_index;
    uint32_t sample;
    bool is_due;      // to be sent at the next opportunity
    uint64_t sent_ms; // last time
    bool was_sent;
    size_t size_bytes;
    struct frames frames; // into the bytes that follow
};

struct held_lease {
    struct held_lease *next;
    uint64_t id;
    uint64_t n_left; // samples not yet submitted
    uint64_t n_tokens;
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
    bool has_weights, is_weights_out;
    uint64_t held_version;
    struct announce announced;
    bool has_announced;

    struct held *held; // oldest first
    uint64_t held_bytes;
    struct held_lease *leases;
    struct waiting *first, *last;
    struct waiting *lent;   // what client_next last handed out,
    struct held *lent_held; // or the result
    struct wire_buffer aligned;
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
    wire_buffer_init(&c->aligned);
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

static void forget_leases(struct client *c)
{
    while (c->leases != NULL) {
        struct held_lease *l = c->leases;
        c->leases = l->next;
        free(l);
    }
}

static void drop_held(struct client *c, struct held **link)
{
    struct held *h = *link;
    if (c->lent_held == h) c->lent_held = NULL;
    *link = h->next;
    c->held_bytes -= h->size_bytes;
    c->status.n_held_results--;
    free(h);
}

void client_destroy(struct client *c)
{
    if (c == NULL) return;
    stop_fetch(c);
    forget_weights(c);
    forget_files(c);
    forget_leases(c);
    while (c->held != NULL)
        drop_held(c, &c->held);
    while (c->first != NULL) {
        struct waiting *w = c->first;
        c->first = w->next;
        waiting_destroy(w);
    }
    waiting_destroy(c->lent);
    wire_buffer_fini(&c->aligned);
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
    for (struct held *h = c->held; h != NULL; h = h->next)
        h->is_due = true; // the learner may have lost what it was sent
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
    while (c->run != 0 && c->run != m->run && c->held != NULL)
        drop_held(c, &c->held);
    c->run = m->run;
    c->epoch = m->epoch;
    c->progress_ms = w->progress_ms ? w->progress_ms : 1;
    if (c->is_built && hash_is_equal(&content, &c->content)) {
        say_ready(c);
        return;
    }
    stop_fetch(c);
    forget_weights(c);
    c->status.n_leases = 0;
    forget_leases(c); // the engine is rebuilt: what was under way is gone
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
    unsigned char *bytes = fetch_take_bytes(c->fetch, &size);
    stop_fetch(c);
    c->weights = bytes;
    c->weights_size = size;
    c->weights_version = c->fetch_version;
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

static void drop_lease(struct client *c, struct held_lease **link)
{
    struct held_lease *l = *link;
    *link = l->next;
    c->status.n_leases--;
    c->wants_credit = true;
    free(l);
}

static void on_lease(struct client *c, const struct lease *lease)
{
    if (*find_lease(c, lease->id) != NULL || c->phase != PHASE_WORKING) return;
    struct held_lease *l = take(1, sizeof *l);
    l->id = lease->id;
    l->n_left = (uint64_t)lease->n_prompts * lease->n_samples;
    l->next = c->leases;
    c->leases = l;
    c->status.n_leases++;
    enqueue(c, CLIENT_LEASE)->action.lease = *lease;
}

static void cancel(struct client *c, uint64_t id)
{
    struct held_lease **link = find_lease(c, id);
    if (*link == NULL) return;
    drop_lease(c, link);
    enqueue(c, CLIENT_CANCEL)->action.lease_id = id;
}

static void on_ack(struct client *c, const struct ack *ack)
{
    for (uint32_t i = 0; i < ack->n; i++) {
        const struct ack_entry *e = &ack->entries[i];
        struct held **link = &c->held;
        while (*link != NULL && ((*link)->lease != e->lease || (*link)->sample != e->sample ||
                                 (*link)->prompt_index != e->prompt_index))
            link = &(*link)->next;
        if (*link == NULL) continue;
        drop_held(c, link);
        c->status.n_acked++;
        if (e->verdict == VERDICT_STALE) {
            c->status.n_stale++;
            cancel(c, e->lease);
        }
    }
}

// One block: the head, then every frame's bytes, 8-aligned.
static struct held *held_create(const struct frames *frames)
{
    size_t size = 0;
    for (uint32_t i = 0; i < frames->n; i++)
        size += (frames->frame[i].size_bytes + 7u) & ~(size_t)7;
    struct held *h = malloc(sizeof *h + size);
    CHECK(h != NULL);
    *h = (struct held){.size_bytes = size, .frames.n = frames->n, .is_due = true};
    unsigned char *at = (unsigned char *)(h + 1);
    for (uint32_t i = 0; i < frames->n; i++) {
        const size_t n = frames->frame[i].size_bytes;
        if (n != 0) memcpy(at, frames->frame[i].bytes, n);
        h->frames.frame[i] = (struct frame){at, n};
        at += (n + 7u) & ~(size_t)7;
    }
    return h;
}

void client_submit(struct client *c, uint64_t now_ms, const struct result *result)
{
    struct held_lease **lease = find_lease(c, result->lease);
    (void)now_ms;
    if (*lease == NULL) return; // cancelled meanwhile
    struct message m = {
        .type = MESSAGE_RESULT, .run = c->run, .epoch = c->epoch, .result = *result};
    struct wire_buffer encoded;
    m.sequence = c->sequence++;
    wire_buffer_init(&encoded);
    wire_encode(&encoded, &m);
    struct held *h = held_create(&encoded.frames);
    wire_buffer_fini(&encoded);
    h->lease = result->lease;
    h->prompt_index = result->prompt_index;
    h->sample = result->sample;
    struct held **tail = &c->held;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = h;
    c->held_bytes += h->size_bytes;
    c->status.n_held_results++;
    if (--(*lease)->n_left == 0) drop_lease(c, lease);
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
    while (c->leases != NULL) {
        struct message m = {.type = MESSAGE_RETURN};
        m.lease_list.reason = (struct text){reason, (uint32_t)strlen(reason)};
        while (c->leases != NULL && m.lease_list.n < PROGRESS_MAX) {
            m.lease_list.leases[m.lease_list.n++] = c->leases->id;
            drop_lease(c, &c->leases);
        }
        if (c->phase == PHASE_WORKING) say(c, &m);
    }
    c->config.samples_max = 0; // no further lease is asked for
}

bool client_is_drained(const struct client *c)
{
    return c->held == NULL && c->first == NULL;
}

// --- what the learner says -------------------------------------------------------------

static void on_bye(struct client *c, uint64_t now_ms, const struct bye *bye)
{
    if (bye->is_final) {
        struct message m = {.type = MESSAGE_BYE, .bye = {.is_final = true}};
        say(c, &m); // so that the learner need not wait for us
        quit(c, false, bye->reason);
    } else if (c->status.is_connected && c->phase != PHASE_GREETING)
        greet(c, now_ms);
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
        on_ack(c, &m->ack);
        break;
    case MESSAGE_CANCEL:
        for (uint32_t i = 0; i < m->lease_list.n; i++)
            cancel(c, m->lease_list.leases[i]);
        break;
    case MESSAGE_ANNOUNCE:
        if (c->phase == PHASE_WORKING) on_announce(c, &m->announce);
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
    // An older life of the learner is not to be listened to.
    if (c->run != 0 && m.run == c->run && m.epoch < c->epoch) return;
    c->heard_ms = now_ms;
    dispatch(c, now_ms, &m);
}

// --- what to do next ----------------------------------------------------------------------

static void say_progress(struct client *c)
{
    struct message m = {.type = MESSAGE_PROGRESS};
    for (struct held_lease *l = c->leases; l != NULL && m.progress.n < PROGRESS_MAX; l = l->next)
        m.progress.entries[m.progress.n++] = (struct progress_entry){l->id, l->n_tokens};
    if (m.progress.n != 0) say(c, &m);
}

static void say_credit(struct client *c)
{
    uint64_t n_out = 0;
    for (const struct held_lease *l = c->leases; l != NULL; l = l->next)
        n_out += l->n_left;
    const uint64_t n_scoring =
        c->n_scoring < c->config.samples_max ? c->n_scoring : c->config.samples_max;
    n_out -= n_scoring < n_out ? n_scoring : n_out;
    const uint64_t limit = c->config.result_bytes_max;
    struct message m = {.type = MESSAGE_CREDIT,
                        .credit = {.bytes = limit > c->held_bytes ? limit - c->held_bytes : 0,
                                   .samples = n_out < c->config.samples_max
                                                  ? c->config.samples_max - (uint32_t)n_out
                                                  : 0,
                                   .has_weights = c->has_weights,
                                   .weights_version = c->held_version}};
    say(c, &m);
}

static void tick(struct client *c, uint64_t now_ms)
{
    struct get get;
    if (c->phase == PHASE_OVER || c->phase == PHASE_DOWN) return;
    if (now_ms - c->heard_ms > c->config.silence_ms) greet(c, now_ms);
    if (c->fetch != NULL && (c->phase == PHASE_FETCHING || c->phase == PHASE_WORKING)) {
        while (fetch_next(c->fetch, now_ms, FETCH_WINDOW, &get)) {
            struct message m = {.type = MESSAGE_GET, .get = get};
            say(c, &m);
        }
    }
    if (c->phase != PHASE_WORKING) return;
    if (c->wants_credit || now_ms - c->spoke_ms >= c->progress_ms / 2) {
        c->wants_credit = false;
        c->spoke_ms = now_ms;
        say_progress(c);
        say_credit(c);
    }
    if (c->weights != NULL && !c->is_weights_out) {
        struct waiting *w = enqueue(c, CLIENT_WEIGHTS);
        w->action.version = c->weights_version;
        w->action.bytes = c->weights;
        w->action.size_bytes = c->weights_size;
        c->is_weights_out = true;
    }
}

// The oldest result that is to be sent (again) now.
static struct held *due(struct client *c, uint64_t now_ms)
{
    if (c->phase != PHASE_WORKING) return NULL;
    for (struct held *h = c->held; h != NULL; h = h->next)
        if (h->is_due || now_ms - h->sent_ms >= RESEND_MS) return h;
    return NULL;
}

bool client_next(struct client *c, uint64_t now_ms, struct client_action *out)
{
    waiting_destroy(c->lent);
    c->lent = NULL;
    c->lent_held = NULL;
    // Results go before the credit that their completion frees.
    struct held *h = c->first == NULL ? due(c, now_ms) : NULL;
    if (h != NULL) {
        if (h->was_sent) c->status.n_resent++;
        c->status.n_sent++;
        h->was_sent = true;
        h->is_due = false;
        h->sent_ms = now_ms;
        c->lent_held = h;
        *out = (struct client_action){.type = CLIENT_SEND, .frames = &h->frames};
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
    if (c->lent_held != NULL) c->lent_held->is_due = true;
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
    s.is_ready = c->phase == PHASE_WORKING;
    return s;
}
