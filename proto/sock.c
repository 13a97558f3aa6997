#include "proto/sock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <zmq.h>

#include "common/base/clock.h"

#define QUEUE_MESSAGES 16 // in each direction for each peer; credit bounds the bytes
#define CLOSE_MS 1000
#define FILES_MIN 64 // descriptors without which listening makes no sense
#define FILES_WANTED 65536
#define ROUTING_ID_BYTES 5
#define MONITOR_ADDRESS "inproc://monitor"
#define ZAP_ADDRESS "inproc://zeromq.zap.01"
#define ZAP_EVERY 32 // receives between looks at who waits for the handshake

struct sock {
    void *context;
    void *zmq;     // ROUTER or DEALER
    void *zap;     // REP that answers handshakes; listening with keys only
    void *monitor; // PAIR; dialled only
    bool is_listening;
    uint16_t port;
    char client_public[SOCK_KEY_BYTES]; // the allow-list
    uint32_t n_receives;

    bool is_connected, is_handshaking;
    uint32_t n_refusals; // in a row
    char failure[128];

    zmq_msg_t messages[FRAMES_MAX]; // the frames handed out last
    uint32_t n_messages;
};

// --- opening and closing -------------------------------------------------------------------------

static int check_library(struct err *err)
{
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    if (major * 10000 + minor * 100 + patch < 40304)
        return err_set(err, ERR_USAGE, "libzmq %d.%d.%d is too old: 4.3.4 or later is needed",
                       major, minor, patch);
    if (!zmq_has("curve"))
        return err_set(err, ERR_USAGE, "libzmq was built without CURVE, which argosy needs");
    return 0;
}

static int check_files(struct err *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_set(err, ERR_IO, "read the open-file limit: %s", strerror(errno));
    if (limit.rlim_cur < FILES_WANTED && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
        (void)setrlimit(RLIMIT_NOFILE, &limit); // what counts is what is there afterwards
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur < FILES_MIN)
        return err_set(err, ERR_USAGE,
                       "open-file limit of %llu is too low: at least %d (ulimit -n)",
                       (unsigned long long)limit.rlim_cur, FILES_MIN);
    return 0;
}

struct option {
    int name, value;
};

static int set_options(void *zmq, const struct option *options, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (zmq_setsockopt(zmq, options[i].name, &options[i].value, sizeof options[i].value) != 0)
            return err_set(err, ERR_IO, "socket option %d: %s", options[i].name,
                           zmq_strerror(errno));
    }
    return 0;
}

static int set_text(void *zmq, int name, const char *value, struct err *err)
{
    if (zmq_setsockopt(zmq, name, value, strlen(value)) == 0) return 0;
    return err_set(err, ERR_USAGE, "socket option %d: %s", name, zmq_strerror(errno));
}

static const struct option common_options[] = {
    {ZMQ_LINGER, 0},           {ZMQ_SNDHWM, QUEUE_MESSAGES}, {ZMQ_RCVHWM, QUEUE_MESSAGES},
    {ZMQ_HANDSHAKE_IVL, 2000}, {ZMQ_HEARTBEAT_IVL, 1000},    {ZMQ_HEARTBEAT_TIMEOUT, 3000},
    {ZMQ_HEARTBEAT_TTL, 3000}, {ZMQ_TCP_KEEPALIVE, 1},       {ZMQ_TCP_MAXRT, 10000},
};
static const struct option listen_options[] = {
    {ZMQ_ROUTER_MANDATORY, 1},
    {ZMQ_BACKLOG, 1024},
};
static const struct option dial_options[] = {
    {ZMQ_IMMEDIATE, 1},
    {ZMQ_RECONNECT_IVL, 100},
    {ZMQ_RECONNECT_IVL_MAX, 5000},
    {ZMQ_CONNECT_TIMEOUT, 5000},
};
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static int set_frame_limit(void *zmq, struct err *err)
{
    int64_t bytes_max = FRAME_BYTES_MAX + 4096;
    if (zmq_setsockopt(zmq, ZMQ_MAXMSGSIZE, &bytes_max, sizeof bytes_max) == 0) return 0;
    return err_set(err, ERR_IO, "limit the size of frames: %s", zmq_strerror(errno));
}

static struct sock *sock_create(int type, bool wants_ipv6, struct err *err)
{
    if (check_library(err) != 0) return NULL;
    struct sock *s = calloc(1, sizeof *s);
    CHECK(s != NULL);
    s->is_listening = type == ZMQ_ROUTER;
    s->context = zmq_ctx_new();
    if (s->context != NULL) s->zmq = zmq_socket(s->context, type);

    const struct option ipv6 = {ZMQ_IPV6, 1};
    int rc = 0;
    if (s->zmq == NULL) rc = err_set(err, ERR_IO, "open a socket: %s", zmq_strerror(errno));
    if (rc == 0) rc = set_options(s->zmq, common_options, COUNT(common_options), err);
    if (rc == 0) rc = set_frame_limit(s->zmq, err);
    if (rc == 0 && wants_ipv6) rc = set_options(s->zmq, &ipv6, 1, err);
    if (rc == 0) return s;
    sock_close(s);
    return NULL;
}

static void release_messages(struct sock *s)
{
    for (uint32_t i = 0; i < s->n_messages; i++)
        zmq_msg_close(&s->messages[i]);
    s->n_messages = 0;
}

void sock_close(struct sock *s)
{
    if (s == NULL) return;
    release_messages(s);

    // What was sent goes out if it can; a context ends when its last message has.
    int linger_ms = CLOSE_MS;
    if (s->monitor != NULL) {
        zmq_socket_monitor(s->zmq, NULL, 0);
        zmq_close(s->monitor);
    }
    if (s->zmq != NULL) {
        zmq_setsockopt(s->zmq, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        zmq_close(s->zmq);
    }
    if (s->zap != NULL) zmq_close(s->zap);
    while (s->context != NULL && zmq_ctx_term(s->context) != 0 && errno == EINTR)
        continue;
    free(s);
}

// --- listening -----------------------------------------------------------------------------------

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0 ||
           strcmp(address, "localhost") == 0;
}

static int serve_curve(struct sock *s, const struct sock_keys *keys, struct err *err)
{
    const struct option server[] = {{ZMQ_CURVE_SERVER, 1}};
    const struct option no_linger[] = {{ZMQ_LINGER, 0}};

    memcpy(s->client_public, keys->client_public, sizeof s->client_public);
    s->zap = zmq_socket(s->context, ZMQ_REP);
    if (s->zap == NULL || zmq_bind(s->zap, ZAP_ADDRESS) != 0)
        return err_set(err, ERR_IO, "open the handshake's socket: %s", zmq_strerror(errno));
    if (set_options(s->zap, no_linger, COUNT(no_linger), err) != 0) return -1;
    if (set_options(s->zmq, server, COUNT(server), err) != 0) return -1;
    if (set_text(s->zmq, ZMQ_ZAP_DOMAIN, "argosy", err) != 0) return -1;
    return set_text(s->zmq, ZMQ_CURVE_SECRETKEY, keys->server_secret, err);
}

static int bind_to(struct sock *s, const char *address, uint16_t port, struct err *err)
{
    char endpoint[256], port_text[8] = "*";
    bool is_ipv6 = strchr(address, ':') != NULL;
    if (strcmp(address, "localhost") == 0) address = "127.0.0.1";
    if (port != 0) snprintf(port_text, sizeof port_text, "%u", port);
    int n = snprintf(endpoint, sizeof endpoint, is_ipv6 ? "tcp://[%s]:%s" : "tcp://%s:%s", address,
                     port_text);
    if (n < 0 || (size_t)n >= sizeof endpoint)
        return err_set(err, ERR_USAGE, "listen on %.64s...: the address is too long", address);

    if (zmq_bind(s->zmq, endpoint) != 0) {
        if (errno == EADDRINUSE)
            return err_set(err, ERR_IO, "listen on %s port %u: another program has the port",
                           address, port);
        enum err_code code = errno == EINVAL || errno == ENODEV ? ERR_USAGE : ERR_IO;
        return err_set(err, code, "listen on %s port %u: %s", address, port, zmq_strerror(errno));
    }
    size_t size = sizeof endpoint;
    const char *colon = NULL;
    if (zmq_getsockopt(s->zmq, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0)
        colon = strrchr(endpoint, ':');
    if (colon == NULL) return err_set(err, ERR_IO, "listen on %s: the port is not known", address);
    s->port = (uint16_t)strtoul(colon + 1, NULL, 10);
    return 0;
}

struct sock *sock_listen(const char *address, uint16_t port, const struct sock_keys *keys,
                         struct err *err)
{
    if (keys == NULL && !is_loopback(address)) {
        err_set(err, ERR_USAGE,
                "listen on %s: beyond loopback only with keys (turn CURVE on, or bind 127.0.0.1)",
                address);
        return NULL;
    }
    if (keys != NULL && (!sock_key_is_pair(keys->server_public, keys->server_secret) ||
                         !sock_key_is_valid(keys->client_public))) {
        err_set(err, ERR_USAGE, "listen on %s: the keys are not a learner's", address);
        return NULL;
    }
    if (check_files(err) != 0) return NULL;

    struct sock *s = sock_create(ZMQ_ROUTER, strchr(address, ':') != NULL, err);
    if (s == NULL) return NULL;
    if (set_options(s->zmq, listen_options, COUNT(listen_options), err) == 0 &&
        (keys == NULL || serve_curve(s, keys, err) == 0) && bind_to(s, address, port, err) == 0)
        return s;
    sock_close(s);
    return NULL;
}

uint16_t sock_port(const struct sock *s)
{
    return s->port;
}

// One question of the handshake (ZeroMQ RFC 27): version, request id, domain,
// address, identity, mechanism, the client's 32-byte key.  A faulty one, which
// only libzmq itself could send, is answered like a stranger.
static bool answer_zap(struct sock *s)
{
    enum { PARTS = 7, ID = 1, MECHANISM = 5, KEY = 6 };
    unsigned char parts[PARTS][256];
    size_t sizes[PARTS] = {0};
    int more = 1;
    size_t more_size = sizeof more;
    uint32_t n = 0;
    for (; more; n++) {
        unsigned char rest[256];
        unsigned char *to = n < PARTS ? parts[n] : rest;
        int size = zmq_recv(s->zap, to, sizeof rest, ZMQ_DONTWAIT);
        if (size < 0) return false;
        if (n < PARTS) sizes[n] = (size_t)size;
        zmq_getsockopt(s->zap, ZMQ_RCVMORE, &more, &more_size);
    }

    char key[SOCK_KEY_BYTES] = "";
    bool is_well_formed = n == PARTS && sizes[ID] <= sizeof parts[ID] && sizes[KEY] == 32 &&
                          sizes[MECHANISM] == 5 && memcmp(parts[MECHANISM], "CURVE", 5) == 0;
    bool is_allowed = is_well_formed && zmq_z85_encode(key, parts[KEY], 32) != NULL &&
                      strcmp(key, s->client_public) == 0;
    const char *status = is_allowed ? "200" : "400";
    const char *text = is_allowed ? "" : "key not on the list";
    const char *user = is_allowed ? key : "";
    zmq_send(s->zap, "1.0", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(s->zap, parts[ID], is_well_formed ? sizes[ID] : 0, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(s->zap, status, 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(s->zap, text, strlen(text), ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(s->zap, user, strlen(user), ZMQ_SNDMORE | ZMQ_DONTWAIT);
    zmq_send(s->zap, "", 0, ZMQ_DONTWAIT);
    return true;
}

static void answer_handshakes(struct sock *s)
{
    while (s->zap != NULL && answer_zap(s))
        continue;
}

// --- dialling ------------------------------------------------------------------------------------

static int watch_link(struct sock *s, struct err *err)
{
    const struct option no_linger[] = {{ZMQ_LINGER, 0}};
    int events = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED |
                 ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    if (zmq_socket_monitor(s->zmq, MONITOR_ADDRESS, events) == 0)
        s->monitor = zmq_socket(s->context, ZMQ_PAIR);
    if (s->monitor == NULL || zmq_connect(s->monitor, MONITOR_ADDRESS) != 0)
        return err_set(err, ERR_IO, "watch a socket: %s", zmq_strerror(errno));
    return set_options(s->monitor, no_linger, COUNT(no_linger), err);
}

static int use_curve(struct sock *s, const struct sock_keys *keys, struct err *err)
{
    if (set_text(s->zmq, ZMQ_CURVE_SERVERKEY, keys->server_public, err) != 0) return -1;
    if (set_text(s->zmq, ZMQ_CURVE_PUBLICKEY, keys->client_public, err) != 0) return -1;
    return set_text(s->zmq, ZMQ_CURVE_SECRETKEY, keys->client_secret, err);
}

// libzmq would dial port 99999, or an empty host, for ever.
static bool is_endpoint(const char *text)
{
    const char *colon = strrchr(text, ':');
    if (strncmp(text, "tcp://", 6) != 0 || colon == NULL || colon < text + 7) return false;
    size_t n_digits = strspn(colon + 1, "0123456789");
    unsigned long port = strtoul(colon + 1, NULL, 10);
    return n_digits > 0 && colon[1 + n_digits] == '\0' && port > 0 && port <= UINT16_MAX;
}

struct sock *sock_dial(const char *endpoint, const struct sock_keys *keys, struct err *err)
{
    if (!is_endpoint(endpoint)) {
        err_set(err, ERR_USAGE, "dial %s: want tcp://HOST:PORT", endpoint);
        return NULL;
    }
    if (keys != NULL && (!sock_key_is_pair(keys->client_public, keys->client_secret) ||
                         !sock_key_is_valid(keys->server_public))) {
        err_set(err, ERR_USAGE, "dial %s: the keys are not an actor's", endpoint);
        return NULL;
    }

    struct sock *s = sock_create(ZMQ_DEALER, strchr(endpoint, '[') != NULL, err);
    if (s == NULL) return NULL;
    snprintf(s->failure, sizeof s->failure, "no answer yet");
    if (set_options(s->zmq, dial_options, COUNT(dial_options), err) == 0 &&
        watch_link(s, err) == 0 && (keys == NULL || use_curve(s, keys, err) == 0)) {
        if (zmq_connect(s->zmq, endpoint) == 0) return s;
        err_set(err, errno == EINVAL ? ERR_USAGE : ERR_IO, "dial %s: %s", endpoint,
                errno == EINVAL ? "want tcp://HOST:PORT" : zmq_strerror(errno));
    }
    sock_close(s);
    return NULL;
}

static void note_failure(struct sock *s, const char *text)
{
    snprintf(s->failure, sizeof s->failure, "%s", text);
}

// A busy learner hangs up on a slow handshake as it does on a wrong key: how often
// it happens in a row tells them apart.
static void note_refusal(struct sock *s, const char *text)
{
    s->n_refusals++;
    note_failure(s, text);
}

static void take_event(struct sock *s, unsigned event, uint32_t value)
{
    switch (event) {
    case ZMQ_EVENT_CONNECTED:
        s->is_handshaking = true;
        break;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        s->is_connected = true;
        s->is_handshaking = false;
        s->n_refusals = 0;
        note_failure(s, "");
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        note_refusal(s, "handshake refused: our key is not on the learner's list");
        s->is_handshaking = false;
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
        if (value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
            note_refusal(s, "handshake refused: one side uses keys and the other does not");
        else if (value == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC)
            note_refusal(s, "handshake refused: wrong key");
        else
            note_failure(s, "handshake failed: the other side does not speak ZeroMQ");
        s->is_handshaking = false;
        break;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        if (value == EAGAIN || value == ETIMEDOUT) {
            s->n_refusals = 0;
            note_failure(s, "handshake failed: no answer in time");
        } else {
            note_refusal(s, "handshake refused: wrong key (the other side hung up)");
        }
        s->is_handshaking = false;
        break;
    case ZMQ_EVENT_DISCONNECTED:
        if (s->is_connected) note_failure(s, "connection lost");
        s->is_connected = s->is_handshaking = false;
        break;
    case ZMQ_EVENT_CLOSED:
        note_failure(s, "connection refused, or the host is unreachable");
        break;
    default:
        break;
    }
}

// An event is a u16 and a u32, then a frame with the address.
static bool watch_events(struct sock *s)
{
    bool was_connected = s->is_connected;
    unsigned char event[6];
    char address[256];
    while (s->monitor != NULL &&
           zmq_recv(s->monitor, event, sizeof event, ZMQ_DONTWAIT) == (int)sizeof event) {
        uint16_t number;
        uint32_t value;
        memcpy(&number, event, sizeof number);
        memcpy(&value, event + 2, sizeof value);
        zmq_recv(s->monitor, address, sizeof address, ZMQ_DONTWAIT);
        take_event(s, number, value);
    }
    return s->is_connected != was_connected;
}

bool sock_is_connected(struct sock *s)
{
    watch_events(s);
    return s->is_connected;
}

uint32_t sock_refusals(struct sock *s)
{
    (void)watch_events(s);
    return s->n_refusals;
}

const char *sock_last_failure(struct sock *s)
{
    watch_events(s);
    return s->failure;
}

// --- messages ------------------------------------------------------------------------------------

int sock_wait(struct sock *s, int other_fd, int timeout_ms)
{
    uint64_t deadline_ms = clock_now_ms() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);
    for (;;) {
        zmq_pollitem_t items[3] = {{.socket = s->zmq, .events = ZMQ_POLLIN}};
        int n = 1, other = 0;
        void *side = s->zap != NULL ? s->zap : s->monitor;
        if (side != NULL) items[n++] = (zmq_pollitem_t){.socket = side, .events = ZMQ_POLLIN};
        if (other_fd >= 0) {
            other = n;
            items[n++] = (zmq_pollitem_t){.fd = other_fd, .events = ZMQ_POLLIN};
        }
        uint64_t now_ms = clock_now_ms();
        long left_ms = now_ms < deadline_ms ? (long)(deadline_ms - now_ms) : 0;
        int n_ready = zmq_poll(items, n, left_ms);

        answer_handshakes(s);
        if (watch_events(s)) return 0;
        if (n_ready > 0) {
            int ready = items[0].revents & ZMQ_POLLIN ? SOCK_READY : 0;
            if (other > 0 && items[other].revents != 0) ready |= SOCK_READY_OTHER;
            if (ready != 0) return ready;
        }
        // A signal ends the wait, so that the caller's loop sees its flag.
        if ((n_ready < 0 && errno == EINTR) || clock_now_ms() >= deadline_ms) return 0;
    }
}

// The routing id which libzmq gives a peer: a 0 and 4 bytes.  Any other length
// was chosen by the peer, which ours never do.
static struct peer peer_of(zmq_msg_t *id)
{
    struct peer peer = {0};
    if (zmq_msg_size(id) == ROUTING_ID_BYTES) memcpy(&peer.id, zmq_msg_data(id), ROUTING_ID_BYTES);
    return peer;
}

// Takes the next frame into `message`; the last of a message is told by *more.
static bool take_frame(struct sock *s, zmq_msg_t *message, bool *more)
{
    zmq_msg_init(message);
    int rc;
    do
        rc = zmq_msg_recv(message, s->zmq, ZMQ_DONTWAIT);
    while (rc < 0 && errno == EINTR);
    if (rc < 0) {
        zmq_msg_close(message);
        return false;
    }
    *more = zmq_msg_more(message) != 0;
    return true;
}

static int refuse_rest(struct sock *s, bool more, const char *why, struct err *err)
{
    zmq_msg_t message;
    while (more && take_frame(s, &message, &more))
        zmq_msg_close(&message);
    release_messages(s);
    return err_set(err, ERR_LIMIT, "message refused: %s", why);
}

int sock_receive(struct sock *s, struct frames *in, struct peer *from, struct err *err)
{
    release_messages(s);
    if (s->n_receives++ % ZAP_EVERY == 0) answer_handshakes(s);

    bool more = true;
    *from = (struct peer){0};
    if (s->is_listening) {
        zmq_msg_t id;
        if (!take_frame(s, &id, &more)) {
            answer_handshakes(s);
            return 0;
        }
        *from = peer_of(&id);
        zmq_msg_close(&id);
        if (from->id == 0) return refuse_rest(s, more, "its sender chose its own routing id", err);
        if (!more) return refuse_rest(s, more, "it has no frames", err);
    }

    uint64_t total = 0;
    in->n = 0;
    while (more) {
        if (s->n_messages == FRAMES_MAX) return refuse_rest(s, more, "too many frames", err);
        zmq_msg_t *message = &s->messages[s->n_messages];
        if (!take_frame(s, message, &more)) {
            if (s->n_messages > 0) return refuse_rest(s, false, "it ends in the middle", err);
            return 0;
        }
        s->n_messages++;
        total += zmq_msg_size(message);
        if (total > MESSAGE_BYTES_MAX + ENVELOPE_BYTES)
            return refuse_rest(s, more, "too many bytes", err);
        in->frame[in->n++] = (struct frame){zmq_msg_data(message), zmq_msg_size(message)};
    }
    return 1;
}

static int send_part(struct sock *s, const void *bytes, size_t size_bytes, bool more)
{
    int rc;
    do
        rc = zmq_send(s->zmq, bytes, size_bytes, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    while (rc < 0 && errno == EINTR);
    return rc;
}

int sock_send(struct sock *s, struct peer to, const struct frames *out, struct err *err)
{
    CHECK(out->n > 0);
    if (s->is_listening && send_part(s, &to.id, ROUTING_ID_BYTES, true) < 0) {
        if (errno == EAGAIN) return 1;
        return err_set(err, ERR_IO, "send: %s",
                       errno == EHOSTUNREACH ? "the peer is gone" : zmq_strerror(errno));
    }
    for (uint32_t i = 0; i < out->n; i++) {
        const struct frame *f = &out->frame[i];
        if (send_part(s, f->bytes, f->size_bytes, i + 1 < out->n) >= 0) continue;
        if (errno != EAGAIN || i > 0) return err_set(err, ERR_IO, "send: %s", zmq_strerror(errno));
        if (s->is_listening || sock_is_connected(s)) return 1;
        return err_set(err, ERR_IO, "send: not connected (%s)", s->failure);
    }
    return 0;
}

// --- keys ----------------------------------------------------------------------------------------

int sock_keys_make(struct sock_keys *keys, struct err *err)
{
    *keys = (struct sock_keys){0};
    if (zmq_curve_keypair(keys->server_public, keys->server_secret) == 0 &&
        zmq_curve_keypair(keys->client_public, keys->client_secret) == 0)
        return 0;
    return err_set(err, ERR_IO, "make keys: %s", zmq_strerror(errno));
}

bool sock_key_is_valid(const char *key)
{
    unsigned char bytes[32];
    return memchr(key, 0, SOCK_KEY_BYTES) == key + SOCK_KEY_BYTES - 1 &&
           zmq_z85_decode(bytes, key) != NULL;
}

bool sock_key_is_pair(const char *public_key, const char *secret_key)
{
    char derived[SOCK_KEY_BYTES];
    return sock_key_is_valid(public_key) && sock_key_is_valid(secret_key) &&
           zmq_curve_public(derived, secret_key) == 0 && strcmp(derived, public_key) == 0;
}
