#define _XOPEN_SOURCE 700 // nftw
#define _DEFAULT_SOURCE   // madvise

#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, READ_BYTES = 1 << 16, WALK_DESCRIPTORS = 16 };

// --- reading -----------------------------------------------------------------------------------

static int open_regular(const char *path, size_t *size_bytes, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return err_set(err, ERR_IO, "open %s: %s", path, strerror(errno));

    struct stat st;
    if (fstat(fd, &st) != 0) {
        err_set(err, ERR_IO, "stat %s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_IO, "open %s: not a regular file", path);
    } else {
        *size_bytes = (size_t)st.st_size;
        return fd;
    }
    close(fd);
    return -1;
}

int file_map(struct file_map *map, const char *path, struct err *err)
{
    size_t size_bytes = 0;
    int fd = open_regular(path, &size_bytes, err);
    if (fd < 0) return -1;

    struct file_map made = {0};
    if (size_bytes > 0) {
        void *bytes = mmap(NULL, size_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED) {
            err_set(err, ERR_IO, "map %s: %s", path, strerror(errno));
            close(fd);
            return -1;
        }
        made = (struct file_map){.bytes = bytes, .size_bytes = size_bytes};
    }
    close(fd);
    *map = made;
    return 0;
}

void file_unmap(struct file_map *map)
{
    if (map->size_bytes > 0) {
        // A mapping is const to its readers; munmap wants the same address without.
        CHECK(munmap((void *)(uintptr_t)map->bytes, map->size_bytes) == 0);
    }
    *map = (struct file_map){0};
}

void file_forget(const struct file_map *map, size_t end)
{
    const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    const size_t whole = (end < map->size_bytes ? end : map->size_bytes) / page_bytes * page_bytes;
    // Advice: where it is not taken, the kernel still takes clean pages back in need.
    if (whole > 0) (void)madvise((void *)(uintptr_t)map->bytes, whole, MADV_DONTNEED);
}

int file_read(const char *path, size_t limit_bytes, char **bytes, size_t *size_bytes,
              struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return err_set(err, ERR_IO, "open %s: %s", path, strerror(errno));

    // Read to the end rather than trust the size: pipes and /proc have none.
    char *block = NULL;
    size_t used = 0;
    size_t capacity = 0;
    for (;;) {
        if (capacity - used < READ_BYTES + 1) {
            capacity = capacity * 2 + READ_BYTES + 1;
            block = realloc(block, capacity);
            CHECK(block != NULL);
        }
        ssize_t n = read(fd, block + used, READ_BYTES);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            err_set(err, ERR_IO, "read %s: %s", path, strerror(errno));
            goto fail;
        }
        if (n == 0) break;
        used += (size_t)n;
        if (used > limit_bytes) {
            err_set(err, ERR_LIMIT, "read %s: over the limit of %zu bytes", path, limit_bytes);
            goto fail;
        }
    }
    close(fd);
    block[used] = '\0';
    *bytes = block;
    *size_bytes = used;
    return 0;

fail:
    close(fd);
    free(block);
    return -1;
}

// --- writing -----------------------------------------------------------------------------------

int file_write_all(int fd, const void *bytes, size_t size_bytes, const char *what, struct err *err)
{
    const char *at = bytes;
    while (size_bytes > 0) {
        ssize_t n = write(fd, at, size_bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_set(err, ERR_IO, "write %s: %s", what, strerror(errno));
        at += n;
        size_bytes -= (size_t)n;
    }
    return 0;
}

int file_sync_folder(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return err_set(err, ERR_IO, "open folder %s: %s", path, strerror(errno));
    int status = fsync(fd);
    int reason = errno;
    close(fd);
    // Some network file systems have no fsync of a folder and say EINVAL: there
    // is nothing more to ask of them.
    if (status != 0 && reason != EINVAL) {
        return err_set(err, ERR_IO, "sync folder %s: %s", path, strerror(reason));
    }
    return 0;
}

static int sync_parent(const char *path, struct err *err)
{
    char folder[PATH_BYTES];
    int n = snprintf(folder, sizeof folder, "%s", path);
    if (n < 0 || (size_t)n >= sizeof folder) {
        return err_set(err, ERR_LIMIT, "path of over %d bytes: %.64s...", PATH_BYTES - 1, path);
    }
    char *slash = strrchr(folder, '/');
    if (slash == NULL) return file_sync_folder(".", err);
    slash[slash == folder ? 1 : 0] = '\0';
    return file_sync_folder(folder, err);
}

static int write_new_file(const char *path, const void *bytes, size_t size_bytes, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return err_set(err, ERR_IO, "create %s: %s", path, strerror(errno));
    int status = file_write_all(fd, bytes, size_bytes, path, err);
    if (status == 0 && fsync(fd) != 0) {
        status = err_set(err, ERR_IO, "sync %s: %s", path, strerror(errno));
    }
    // A full disk of another machine may be reported only now.
    if (close(fd) != 0 && status == 0) {
        status = err_set(err, ERR_IO, "close %s: %s", path, strerror(errno));
    }
    return status;
}

int file_write_atomic(const char *path, const void *bytes, size_t size_bytes, struct err *err)
{
    char temporary[PATH_BYTES];
    int n = snprintf(temporary, sizeof temporary, "%s.tmp-%ld", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof temporary) {
        return err_set(err, ERR_LIMIT, "path of over %d bytes: %.64s...", PATH_BYTES - 1, path);
    }
    int status = write_new_file(temporary, bytes, size_bytes, err);
    if (status == 0 && rename(temporary, path) != 0) {
        status = err_set(err, ERR_IO, "rename %s to %s: %s", temporary, path, strerror(errno));
    }
    if (status != 0) {
        unlink(temporary);
        return status;
    }
    return sync_parent(path, err);
}

int file_copy(const char *from, const char *to, struct err *err)
{
    struct file_map map;
    if (file_map(&map, from, err) != 0) return -1;
    int status = file_write_atomic(to, map.bytes, map.size_bytes, err);
    file_unmap(&map);
    return status;
}

// --- folders and paths -------------------------------------------------------------------------

static int make_folder(const char *path, struct err *err)
{
    if (mkdir(path, 0777) == 0) return 0;
    int reason = errno;
    struct stat st;
    if (reason == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return 0;
    return err_set(err, ERR_IO, "make folder %s: %s", path,
                   reason == EEXIST ? "a file of that name is in the way" : strerror(reason));
}

int file_make_folders(const char *path, struct err *err)
{
    char part[PATH_BYTES];
    int n = snprintf(part, sizeof part, "%s", path);
    if (n <= 0 || (size_t)n >= sizeof part) {
        return err_set(err, ERR_LIMIT, "make folder '%.64s': want a path of 1 to %d bytes", path,
                       PATH_BYTES - 1);
    }
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (make_folder(part, err) != 0) return -1;
        *slash = '/';
    }
    return make_folder(part, err);
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *place)
{
    (void)st;
    (void)kind;
    (void)place;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

int file_remove_tree(const char *path, struct err *err)
{
    // Children first, and a link is removed, never followed.
    if (nftw(path, remove_entry, WALK_DESCRIPTORS, FTW_DEPTH | FTW_PHYS) == 0) return 0;
    if (errno == ENOENT) return 0;
    return err_set(err, ERR_IO, "remove %s: %s", path, strerror(errno));
}

int file_join(char *out, size_t out_bytes, const char *folder, const char *name, struct err *err)
{
    size_t folder_bytes = strlen(folder);
    bool has_slash = folder_bytes > 0 && folder[folder_bytes - 1] == '/';
    while (*name == '/' && folder_bytes > 0) {
        name++;
    }
    const char *between = folder_bytes == 0 || has_slash ? "" : "/";
    int n = snprintf(out, out_bytes, "%s%s%s", folder, between, name);
    if (n < 0 || (size_t)n >= out_bytes) {
        return err_set(err, ERR_LIMIT, "path of over %zu bytes: %.64s.../%.64s", out_bytes - 1,
                       folder, name);
    }
    return 0;
}
