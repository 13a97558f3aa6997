#include "learner/endpoint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/json.h"

#define PATH_BYTES 4096

static int highest_epoch(const char *folder, uint32_t *highest, struct err *err)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) return err_set(err, ERR_IO, "open %s: %s", folder, strerror(errno));
    *highest = 0;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        char *end;
        unsigned long n = strtoul(e->d_name, &end, 10);
        if (end != e->d_name && *end == 0 && n < UINT32_MAX && n > *highest) *highest = (uint32_t)n;
    }
    closedir(dir);
    return 0;
}

int run_epoch_raise(const char *run_folder, uint32_t *epoch, struct err *err)
{
    char folder[PATH_BYTES], path[PATH_BYTES], name[16];
    uint32_t highest = 0;
    if (file_join(folder, sizeof folder, run_folder, "epochs", err) != 0 ||
        file_make_folders(folder, err) != 0 || highest_epoch(folder, &highest, err) != 0)
        return -1;
    *epoch = highest + 1;
    snprintf(name, sizeof name, "%06" PRIu32, *epoch);
    if (file_join(path, sizeof path, folder, name, err) != 0) return -1;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_set(err, ERR_IO, "begin epoch %u, %s: %s%s", *epoch, path, strerror(errno),
                       errno == EEXIST ? " (another learner began it)" : "");
    close(fd);
    return file_sync_folder(folder, err);
}

int endpoint_write(const char *run_folder, const struct endpoint *endpoint, struct err *err)
{
    char path[PATH_BYTES], address[512], run[24];
    if (file_join(path, sizeof path, run_folder, "endpoint", err) != 0) return -1;
    bool is_ipv6 = strchr(endpoint->host, ':') != NULL && endpoint->host[0] != '[';
    snprintf(address, sizeof address, is_ipv6 ? "tcp://[%s]:%u" : "tcp://%s:%u", endpoint->host,
             endpoint->port);
    snprintf(run, sizeof run, "%016" PRIx64, endpoint->run);

    struct json_writer out;
    json_writer_init(&out);
    json_open(&out, NULL, '{');
    json_put_string(&out, "endpoint", address);
    json_put_string(&out, "host", endpoint->host);
    json_put_u64(&out, "port", endpoint->port);
    json_put_bool(&out, "has_curve", endpoint->public_key != NULL);
    if (endpoint->public_key != NULL) {
        json_put_string(&out, "public_key", endpoint->public_key);
        json_put_string(&out, "key_file", ACTOR_KEY_NAME);
    }
    json_put_string(&out, "run", run);
    json_put_u64(&out, "epoch", endpoint->epoch);
    json_close(&out, '}');
    int status = file_write_atomic(path, out.bytes, out.size_bytes, err);
    free(out.bytes);
    return status;
}
