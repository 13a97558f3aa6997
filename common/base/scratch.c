#define _DEFAULT_SOURCE // madvise

#include "common/base/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/log.h"

#define PATH_BYTES 4096

static int open_unnamed(const char *folder, size_t size_bytes, struct err *err)
{
    char path[PATH_BYTES];
    if (snprintf(path, sizeof path, "%s/argosy-XXXXXX", folder) >= (int)sizeof path)
        return err_set(err, ERR_LIMIT, "TMPDIR is too long");
    const int fd = mkstemp(path);
    if (fd < 0) return err_set(err, ERR_IO, "make a file in %s: %s", folder, strerror(errno));
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)unlink(path);
    const int failed = posix_fallocate(fd, 0, (off_t)size_bytes);
    if (failed == 0) return fd;
    close(fd);
    return err_set(err, ERR_IO, "take %zu bytes in %s: %s", size_bytes, folder, strerror(failed));
}

static int take_file(struct scratch *s, size_t size_bytes, struct err *err)
{
    const char *folder = getenv("TMPDIR");
    if (folder == NULL || folder[0] == '\0') folder = P_tmpdir;
    const int fd = open_unnamed(folder, size_bytes, err);
    if (fd < 0) return -1;
    void *bytes = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    const int why = errno;
    close(fd);
    if (bytes == MAP_FAILED)
        return err_set(err, ERR_IO, "map a file of %s: %s", folder, strerror(why));
    *s = (struct scratch){bytes, size_bytes, true};
    return 0;
}

int scratch_take(struct scratch *s, size_t size_bytes, struct err *err)
{
    struct err why;
    *s = (struct scratch){0};
    if (size_bytes >= SCRATCH_FILE_BYTES) {
        if (take_file(s, size_bytes, &why) == 0) return 0;
        log_line(LOG_WARN, "%s: %zu bytes are kept in memory instead (set TMPDIR)", why.text,
                 size_bytes);
    }
    void *bytes = malloc(size_bytes > 0 ? size_bytes : 1);
    if (bytes == NULL) return err_set(err, ERR_LIMIT, "no memory for %zu bytes", size_bytes);
    *s = (struct scratch){bytes, size_bytes, false};
    return 0;
}

void scratch_release(struct scratch *s)
{
    if (s->is_file)
        CHECK(munmap(s->bytes, s->size_bytes) == 0);
    else
        free(s->bytes);
    *s = (struct scratch){0};
}

void scratch_forget(const struct scratch *s, size_t end)
{
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    const size_t whole = (end < s->size_bytes ? end : s->size_bytes) / page_bytes * page_bytes;
    if (s->is_file && whole > 0) (void)madvise(s->bytes, whole, MADV_DONTNEED);
}
