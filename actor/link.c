#include "actor/link.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/json.h"
#include "common/base/log.h"

#define ENDPOINT_BYTES_MAX (16u << 10)
#define REDIAL_MS 100u            // how often the endpoint file is looked at while down
#define REFUSED_PATIENCE_MS 5000u // a refused key does not mend itself,
#define REFUSALS_MIN 5u           // but once or twice it may be a learner that is busy

struct link {
    struct link_config config;
    struct sock_keys keys;
    bool has_keys;
    struct sock *sock;
    char dialled[256];
    bool is_up;
    uint64_t down_since_ms;
    uint64_t looked_ms;
    uint64_t said_ms;
};

// The run folder's word on where the learner is; false when there is none yet.
static bool endpoint_of_run(const struct link *l, char *out, size_t out_bytes, char *why,
                            size_t why_bytes)
{
    struct err err;
    char path[4096];
    struct json_document *document = NULL;
    const char *endpoint;
    if (file_join(path, sizeof path, l->config.run_folder, "endpoint", &err) == 0)
        document = json_read_file(path, ENDPOINT_BYTES_MAX, &err);
    if (document == NULL ||
        json_get_string(json_root(document), "endpoint", &endpoint, &err) != 0) {
        snprintf(why, why_bytes, "%s", err.text);
        json_destroy(document);
        return false;
    }
    const int n = snprintf(out, out_bytes, "%s", endpoint);
    json_destroy(document);
    return n > 0 && (size_t)n < out_bytes;
}

static int read_keys(struct link *l, struct err *err)
{
    char path[4096];
    if (l->config.key_path != NULL) {
        l->has_keys = true;
        return sock_keys_read(&l->keys, l->config.key_path, err);
    }
    l->has_keys = false;
    if (l->config.run_folder == NULL) return 0;
    if (file_join(path, sizeof path, l->config.run_folder, "actor.key", err) != 0) return -1;
    if (!file_exists(path)) return 0;
    l->has_keys = true;
    return sock_keys_read(&l->keys, path, err);
}

static int dial(struct link *l, const char *endpoint, struct err *err)
{
    if (read_keys(l, err) != 0) return -1;
    struct sock *fresh = sock_dial(endpoint, l->has_keys ? &l->keys : NULL, err);
    if (fresh == NULL) return -1;
    if (l->sock != NULL) sock_close(l->sock);
    l->sock = fresh;
    snprintf(l->dialled, sizeof l->dialled, "%s", endpoint);
    log_line(LOG_INFO, "dial endpoint=%s curve=%s", endpoint, l->has_keys ? "yes" : "no");
    return 0;
}

// Dials where the learner is said to be, unless that is where we dial already.
static int look(struct link *l, uint64_t now_ms, struct err *err)
{
    char endpoint[256], why[512];
    l->looked_ms = now_ms;
    if (l->config.run_folder == NULL) return l->sock != NULL ? 0 : dial(l, l->config.endpoint, err);
    if (!endpoint_of_run(l, endpoint, sizeof endpoint, why, sizeof why)) return 0;
    if (l->sock != NULL && strcmp(endpoint, l->dialled) == 0) return 0;
    return dial(l, endpoint, err);
}

struct link *link_open(const struct link_config *config, uint64_t now_ms, struct err *err)
{
    struct link *l = calloc(1, sizeof *l);
    CHECK(l != NULL);
    l->config = *config;
    l->down_since_ms = now_ms;
    l->said_ms = now_ms;
    if (look(l, now_ms, err) != 0) {
        link_close(l);
        return NULL;
    }
    return l;
}

void link_close(struct link *l)
{
    if (l == NULL) return;
    if (l->sock != NULL) sock_close(l->sock);
    free(l);
}

struct sock *link_sock(struct link *l)
{
    return l->sock;
}

// A learner writes it last and removes it first (learner/run_folder.c).
static bool run_has_result(const struct link *l)
{
    struct err err;
    char path[4096];
    return l->config.run_folder != NULL &&
           file_join(path, sizeof path, l->config.run_folder, "result.json", &err) == 0 &&
           file_exists(path);
}

static int give_up(const struct link *l, uint64_t now_ms, struct err *err)
{
    if (l->sock == NULL)
        return err_set(err, ERR_TIMEOUT,
                       "no learner: %s/endpoint has not appeared in %" PRIu64 " s",
                       l->config.run_folder, (now_ms - l->down_since_ms) / 1000);
    return err_set(err, ERR_TIMEOUT, "learner at %s not reached in %" PRIu64 " s: %s", l->dialled,
                   (now_ms - l->down_since_ms) / 1000, sock_last_failure(l->sock));
}

int link_check(struct link *l, uint64_t now_ms, enum link_change *change, struct err *err)
{
    *change = LINK_SAME;
    const bool is_up = l->sock != NULL && sock_is_connected(l->sock);
    if (is_up != l->is_up) {
        *change = is_up ? LINK_UP : LINK_DOWN;
        l->is_up = is_up;
        l->down_since_ms = now_ms;
        log_line(LOG_INFO, "link %s endpoint=%s", is_up ? "up" : "down", l->dialled);
    }
    if (is_up) return 0;
    const uint64_t down_ms = now_ms - l->down_since_ms;
    const char *failure = l->sock != NULL ? sock_last_failure(l->sock) : "";
    const bool is_refused = l->sock != NULL && sock_refusals(l->sock) >= REFUSALS_MIN;
    if (down_ms > l->config.patience_ms || (is_refused && down_ms > REFUSED_PATIENCE_MS))
        return give_up(l, now_ms, err);
    if (now_ms - l->said_ms > 10000) {
        l->said_ms = now_ms;
        log_line(LOG_WARN, "waiting for the learner endpoint=%s for_s=%" PRIu64 " last=\"%s\"",
                 l->sock != NULL ? l->dialled : "unknown", down_ms / 1000, failure);
    }
    if (now_ms - l->looked_ms < REDIAL_MS) return 0;
    if (run_has_result(l)) {
        *change = LINK_OVER;
        return 0;
    }
    return look(l, now_ms, err);
}
