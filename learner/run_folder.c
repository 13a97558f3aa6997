#include "learner/run_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"

#define ID_BYTES_MAX 64

int run_folder_name(struct run_folder *f, const char *path, struct err *err)
{
    *f = (struct run_folder){.path = path, .lock_fd = -1};
    if (file_join(f->metrics, RUN_PATH_BYTES, path, "metrics.jsonl", err) != 0 ||
        file_join(f->checkpoints, RUN_PATH_BYTES, path, "checkpoints", err) != 0 ||
        file_join(f->model, RUN_PATH_BYTES, path, "model", err) != 0 ||
        file_join(f->result, RUN_PATH_BYTES, path, "result.json", err) != 0 ||
        file_join(f->recipe, RUN_PATH_BYTES, path, "recipe.json", err) != 0) {
        return -1;
    }
    return 0;
}

static int take_lock(struct run_folder *f, struct err *err)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[RUN_PATH_BYTES];

    if (file_join(path, sizeof path, f->path, "lock", err) != 0) return -1;
    f->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (f->lock_fd < 0) return err_set(err, ERR_IO, "open %s: %s", path, strerror(errno));
    if (fcntl(f->lock_fd, F_SETLK, &lock) == 0) return 0;
    if (errno == EACCES || errno == EAGAIN) {
        return err_set(err, ERR_MISMATCH, "%s: another learner is writing this run", f->path);
    }
    return err_set(err, ERR_IO, "lock %s: %s", path, strerror(errno));
}

static int random_id(uint64_t *id, struct err *err)
{
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, id, sizeof *id) : -1;

    if (fd >= 0) close(fd);
    if (got != (ssize_t)sizeof *id) {
        return err_set(err, ERR_IO, "read /dev/urandom: %s", strerror(errno));
    }
    *id = (*id & INT64_MAX) | 1u;
    return 0;
}

static int keep_id(struct run_folder *f, struct err *err)
{
    char path[RUN_PATH_BYTES], text[ID_BYTES_MAX];
    char *bytes, *end;
    size_t size_bytes;

    if (file_join(path, sizeof path, f->path, "run_id", err) != 0) return -1;
    if (!file_exists(path)) {
        if (random_id(&f->run, err) != 0) return -1;
        snprintf(text, sizeof text, "%016" PRIx64 "\n", f->run);
        return file_write_atomic(path, text, strlen(text), err);
    }
    if (file_read(path, ID_BYTES_MAX, &bytes, &size_bytes, err) != 0) return -1;
    f->run = strtoull(bytes, &end, 16);
    if (end != bytes + 16 || *end != '\n' || f->run > INT64_MAX) {
        free(bytes);
        return err_set(err, ERR_FORMAT, "%s: want 16 hexadecimal digits", path);
    }
    free(bytes);
    return 0;
}

int run_folder_open(struct run_folder *f, const char *path, struct err *err)
{
    if (run_folder_name(f, path, err) != 0) return -1;
    if (file_make_folders(f->checkpoints, err) != 0) return -1;
    // While a learner lives there is no result: actors end when they find one.
    if (take_lock(f, err) != 0 || keep_id(f, err) != 0 || file_remove_tree(f->result, err) != 0) {
        run_folder_close(f);
        return -1;
    }
    return 0;
}

void run_folder_close(struct run_folder *f)
{
    if (f->lock_fd >= 0) close(f->lock_fd);
    f->lock_fd = -1;
}
