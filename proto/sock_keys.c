#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "proto/sock.h"

#define FILE_BYTES_MAX 4096

struct key_name {
    const char *name;
    size_t offset;
};
#define KEY(member)                                                                                \
    {                                                                                              \
#member, offsetof(struct sock_keys, member)                                                \
    }
static const struct key_name key_names[] = {
    KEY(server_public),
    KEY(server_secret),
    KEY(client_public),
    KEY(client_secret),
};
#define N_KEYS (sizeof key_names / sizeof key_names[0])

static char *key_at(struct sock_keys *keys, size_t i)
{
    return (char *)keys + key_names[i].offset;
}

// --- writing -------------------------------------------------------------------------------------

// Nobody else can read the file at any moment, nor find half of it, nor make us
// write through a link of theirs.
static int write_secret(const char *path, const char *text, struct err *err)
{
    char temporary[4096];
    int n = snprintf(temporary, sizeof temporary, "%s.tmp-%ld", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof temporary)
        return err_set(err, ERR_LIMIT, "%.64s...: path too long", path);

    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = open(temporary, flags, 0600);
    if (fd < 0 && errno == EEXIST && unlink(temporary) == 0) fd = open(temporary, flags, 0600);
    if (fd < 0) return err_set(err, ERR_IO, "create %s: %s", temporary, strerror(errno));

    int rc = file_write_all(fd, text, strlen(text), temporary, err);
    if (rc == 0 && fsync(fd) != 0)
        rc = err_set(err, ERR_IO, "fsync %s: %s", temporary, strerror(errno));
    if (close(fd) != 0 && rc == 0)
        rc = err_set(err, ERR_IO, "close %s: %s", temporary, strerror(errno));
    if (rc == 0 && rename(temporary, path) != 0)
        rc = err_set(err, ERR_IO, "rename %s to %s: %s", temporary, path, strerror(errno));
    if (rc != 0) unlink(temporary);
    return rc;
}

int sock_keys_write(const struct sock_keys *keys, const char *learner_path, const char *actor_path,
                    struct err *err)
{
    char text[FILE_BYTES_MAX];
    snprintf(text, sizeof text,
             "# A key of an argosy run: whoever can read this can join it.\n"
             "server_public: %s\nclient_public: %s\nclient_secret: %s\n",
             keys->server_public, keys->client_public, keys->client_secret);
    if (write_secret(actor_path, text, err) != 0) return -1;
    snprintf(text, sizeof text,
             "# The learner's key of an argosy run: only the learner needs it.\n"
             "server_public: %s\nserver_secret: %s\nclient_public: %s\n",
             keys->server_public, keys->server_secret, keys->client_public);
    return write_secret(learner_path, text, err);
}

// --- reading -------------------------------------------------------------------------------------

static int read_secret(const char *path, char text[FILE_BYTES_MAX + 1], struct err *err)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_set(err, ERR_IO, "open key %s: %s", path,
                       errno == ELOOP ? "it is a symbolic link" : strerror(errno));

    struct stat st;
    ssize_t n = 0;
    int rc = 0;
    memset(text, 0, FILE_BYTES_MAX + 1);
    if (fstat(fd, &st) != 0)
        rc = err_set(err, ERR_IO, "stat key %s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        rc = err_set(err, ERR_FORMAT, "key %s: not a regular file", path);
    else if ((st.st_mode & 077) != 0)
        rc = err_set(err, ERR_USAGE, "key %s: others can read it (mode %03o); chmod 600 %s", path,
                     st.st_mode & 0777u, path);
    else if (st.st_size > FILE_BYTES_MAX)
        rc = err_set(err, ERR_FORMAT, "key %s: over %d bytes, not a key", path, FILE_BYTES_MAX);
    else if ((n = read(fd, text, FILE_BYTES_MAX)) < 0)
        rc = err_set(err, ERR_IO, "read key %s: %s", path, strerror(errno));
    close(fd);
    if (rc == 0 && strlen(text) != (size_t)n)
        rc = err_set(err, ERR_FORMAT, "key %s: holds a 0 byte, not a key", path);
    return rc;
}

static int read_line(struct sock_keys *keys, const char *line, size_t size, struct err *err)
{
    while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t' || line[size - 1] == '\r'))
        size--;
    if (size == 0 || line[0] == '#') return 0;

    for (size_t i = 0; i < N_KEYS; i++) {
        size_t name_size = strlen(key_names[i].name);
        if (size <= name_size || memcmp(line, key_names[i].name, name_size) != 0 ||
            line[name_size] != ':')
            continue;
        const char *value = line + name_size + 1;
        size_t value_size = size - name_size - 1;
        while (value_size > 0 && (*value == ' ' || *value == '\t')) {
            value++;
            value_size--;
        }
        char *key = key_at(keys, i);
        if (key[0] != '\0') return err_set(err, ERR_FORMAT, "%s comes twice", key_names[i].name);
        if (value_size == SOCK_KEY_BYTES - 1) memcpy(key, value, value_size);
        if (value_size != SOCK_KEY_BYTES - 1 || !sock_key_is_valid(key))
            return err_set(err, ERR_FORMAT, "%s is not a key of %d characters", key_names[i].name,
                           SOCK_KEY_BYTES - 1);
        return 0;
    }
    return err_set(err, ERR_FORMAT, "want name: key, with a name such as %s", key_names[0].name);
}

static int check_complete(const struct sock_keys *keys, const char *path, struct err *err)
{
    bool is_learner = keys->server_secret[0] != '\0';
    if (!sock_key_is_valid(keys->server_public))
        return err_set(err, ERR_FORMAT, "key %s: server_public is missing", path);
    if (!sock_key_is_valid(keys->client_public))
        return err_set(err, ERR_FORMAT, "key %s: client_public is missing", path);
    if (!is_learner && keys->client_secret[0] == '\0')
        return err_set(err, ERR_FORMAT, "key %s: client_secret is missing", path);
    if (is_learner && !sock_key_is_pair(keys->server_public, keys->server_secret))
        return err_set(err, ERR_MISMATCH, "key %s: server_secret does not fit server_public", path);
    if (keys->client_secret[0] != '\0' &&
        !sock_key_is_pair(keys->client_public, keys->client_secret))
        return err_set(err, ERR_MISMATCH, "key %s: client_secret does not fit client_public", path);
    return 0;
}

int sock_keys_read(struct sock_keys *keys, const char *path, struct err *err)
{
    char text[FILE_BYTES_MAX + 1];
    if (read_secret(path, text, err) != 0) return -1;

    struct sock_keys read = {0};
    unsigned number = 1;
    for (const char *line = text; *line != '\0'; number++) {
        size_t size = strcspn(line, "\n");
        if (read_line(&read, line, size, err) != 0)
            return err_prefix(err, "key %s line %u", path, number);
        line += size + (line[size] == '\n');
    }
    if (check_complete(&read, path, err) != 0) return -1;
    *keys = read;
    return 0;
}
