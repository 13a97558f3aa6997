#define _GNU_SOURCE // memfd_create, its seals, flock
#include "common/model/shared_block.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"

#define HEAD_BYTES ((size_t)4096) // of the file, before the block
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define REGISTRY_BYTES_MAX 8192
#define HOLDERS_MAX 128u
#define POLL_MS 20
#define SUFFIX ".shared"
#define MEMFD_NAME "argosy-weights"
#define LEAVE_MS 100u // for the lock, when going

// At the head of the memfd: what a stranger's file descriptor would not have.
struct head {
    char magic[16];
    uint64_t size_bytes;
    struct hash name;
};
static const char magic[16] = "argosy shared 1";

struct holder {
    long pid;
    int fd;
};

static void forget(struct shared_block *b)
{
    *b = (struct shared_block){.fd = -1, .registry_fd = -1};
}

// --- the registry ---------------------------------------------------------------------

// Whether the open file is still the one of that path.
static bool is_in_place(int fd, const char *path)
{
    struct stat opened, named;
    return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

// The registry open and locked, or -1; errno is EWOULDBLOCK when the time ran out.
static int lock_registry(const char *path, int flags, uint32_t wait_ms)
{
    const uint64_t deadline_ms = clock_now_ms() + wait_ms;
    for (;;) {
        int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
        if (fd < 0) return -1;
        int status = flock(fd, LOCK_EX | LOCK_NB);
        // Whoever removed it did so under the lock: then this one is nobody's.
        if (status == 0 && is_in_place(fd, path)) return fd;
        int why = status == 0 ? 0 : errno;
        close(fd);
        if (why != 0 && why != EWOULDBLOCK && why != EINTR) {
            errno = why;
            return -1;
        }
        if (clock_now_ms() >= deadline_ms) {
            errno = EWOULDBLOCK;
            return -1;
        }
        if (why != 0) nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
    }
}

static size_t read_holders(int fd, struct holder *holders)
{
    char text[REGISTRY_BYTES_MAX + 1];
    ssize_t n_bytes = pread(fd, text, REGISTRY_BYTES_MAX, 0);
    size_t n = 0;
    text[n_bytes > 0 ? n_bytes : 0] = '\0';
    for (char *at = text; n < HOLDERS_MAX;) {
        char *end;
        holders[n].pid = strtol(at, &end, 10);
        if (end == at || *end != ' ') break;
        at = end;
        holders[n].fd = (int)strtol(at, &end, 10);
        if (end == at || *end != '\n') break;
        at = end;
        n += holders[n].pid > 0 && holders[n].fd >= 0;
    }
    return n;
}

static int write_holders(int fd, const struct holder *holders, size_t n)
{
    char text[REGISTRY_BYTES_MAX];
    size_t used = 0;
    for (size_t i = 0; i < n && used + 64 < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%ld %d\n", holders[i].pid,
                                 holders[i].fd);
    return ftruncate(fd, 0) == 0 && pwrite(fd, text, used, 0) == (ssize_t)used ? 0 : -1;
}

// --- a holder's file -------------------------------------------------------------------

// For reading alone; the process may be this one.
static int reopen(long pid, int fd)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/fd/%d", pid, fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

// Opens what another process holds; -1 when it is gone, or never was of ours:
// the number may by now be that of any process, with any file behind it.
static int open_held(const struct holder *holder)
{
    static const char ours[] = "/memfd:" MEMFD_NAME;
    char path[64], target[64];
    snprintf(path, sizeof path, "/proc/%ld/fd/%d", holder->pid, holder->fd);
    ssize_t n_bytes = readlink(path, target, sizeof target);
    if (n_bytes < (ssize_t)(sizeof ours - 1) || memcmp(target, ours, sizeof ours - 1) != 0)
        return -1;
    int fd = reopen(holder->pid, holder->fd);
    // Some kernels add a seal of their own.
    int seals = fd >= 0 ? fcntl(fd, F_GET_SEALS) : -1;
    if (fd >= 0 && (seals < 0 || (seals & SEALS) != SEALS)) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool is_alive(const struct holder *holder)
{
    int fd = open_held(holder);
    if (fd >= 0) close(fd);
    return fd >= 0;
}

static bool has_name(int fd, const struct hash *name, size_t size_bytes)
{
    struct head head;
    struct stat status;
    return pread(fd, &head, sizeof head, 0) == (ssize_t)sizeof head &&
           memcmp(head.magic, magic, sizeof magic) == 0 && head.size_bytes == size_bytes &&
           hash_is_equal(&head.name, name) && fstat(fd, &status) == 0 &&
           (size_t)status.st_size == HEAD_BYTES + size_bytes;
}

static int map(struct shared_block *b, int protection, struct err *err)
{
    void *at = mmap(NULL, b->size_bytes, protection, MAP_SHARED, b->fd, (off_t)HEAD_BYTES);
    if (at == MAP_FAILED)
        return err_set(err, ERR_IO, "map %zu shared bytes: %s", b->size_bytes, strerror(errno));
    b->bytes = at;
    return 0;
}

static int join(struct shared_block *b, const struct holder *holders, size_t n_holders,
                struct err *err)
{
    struct holder left[HOLDERS_MAX + 1];
    size_t n = 0;
    for (size_t i = 0; i < n_holders; i++) {
        int fd = open_held(&holders[i]);
        if (fd < 0 || !has_name(fd, &b->name, b->size_bytes)) {
            if (fd >= 0) close(fd);
            continue;
        }
        left[n++] = holders[i];
        if (b->fd < 0)
            b->fd = fd;
        else
            close(fd);
    }
    if (b->fd < 0) return 0; // nobody holds it
    if (map(b, PROT_READ, err) != 0) return -1;
    left[n++] = (struct holder){(long)getpid(), b->fd};
    (void)write_holders(b->registry_fd, left, n); // unlisted, it serves its holder all the same
    return 0;
}

static int begin(struct shared_block *b, struct err *err)
{
    b->fd = memfd_create(MEMFD_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (b->fd < 0) return err_set(err, ERR_IO, "memfd_create: %s", strerror(errno));
    if (ftruncate(b->fd, (off_t)(HEAD_BYTES + b->size_bytes)) != 0)
        return err_set(err, ERR_IO, "%zu bytes to share: %s", b->size_bytes, strerror(errno));
    if (map(b, PROT_READ | PROT_WRITE, err) != 0) return -1;
    b->is_filling = true;
    return 0;
}

// --- the folder ------------------------------------------------------------------------
static int own_folder(const char *folder, struct err *err)
{
    struct stat status;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return err_set(err, ERR_IO, "make %s: %s", folder, strerror(errno));
    if (lstat(folder, &status) != 0)
        return err_set(err, ERR_IO, "stat %s: %s", folder, strerror(errno));
    if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0)
        return err_set(err, ERR_USAGE,
                       "%s: want a folder of this user that no other may enter (mode 0700)",
                       folder);
    return 0;
}

// Removes registries of blocks that nobody holds any more.
static void sweep(const char *folder)
{
    DIR *dir = opendir(folder);
    struct err ignored;
    if (dir == NULL) return;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct holder holders[HOLDERS_MAX];
        char path[SHARED_PATH_BYTES];
        const char *end = strrchr(entry->d_name, '.');
        if (end == NULL || strcmp(end, SUFFIX) != 0 ||
            file_join(path, sizeof path, folder, entry->d_name, &ignored) != 0)
            continue;
        int fd = lock_registry(path, 0, 0);
        if (fd < 0) continue;
        size_t n = read_holders(fd, holders);
        bool is_held = false;
        for (size_t i = 0; i < n && !is_held; i++)
            is_held = is_alive(&holders[i]);
        if (!is_held) unlink(path);
        close(fd);
    }
    closedir(dir);
}

int shared_folder(char *out, size_t out_bytes, struct err *err)
{
    const char *of_session = getenv("XDG_RUNTIME_DIR");
    int n = of_session != NULL && of_session[0] == '/'
                ? snprintf(out, out_bytes, "%s/argosy", of_session)
                : snprintf(out, out_bytes, "%s/argosy-%u", P_tmpdir, (unsigned)geteuid());
    if (n >= 0 && (size_t)n < out_bytes) return 0;
    return err_set(err, ERR_LIMIT, "the folder's name for shared weights is too long");
}

// --- opening and closing ---------------------------------------------------------------
int shared_block_open(struct shared_block *b, const char *folder, const struct hash *name,
                      size_t size_bytes, uint32_t wait_ms, struct err *err)
{
    char hex[HASH_HEX_BYTES], file_name[HASH_HEX_BYTES + sizeof SUFFIX];
    struct holder holders[HOLDERS_MAX];
    forget(b);
    b->name = *name;
    b->size_bytes = size_bytes;
    hash_hex(name, hex);
    snprintf(file_name, sizeof file_name, "%s" SUFFIX, hex);
    if (file_join(b->registry, sizeof b->registry, folder, file_name, err) != 0 ||
        own_folder(folder, err) != 0)
        return -1;
    sweep(folder);
    b->registry_fd = lock_registry(b->registry, O_CREAT, wait_ms);
    if (b->registry_fd < 0) {
        err_set(err, errno == EWOULDBLOCK ? ERR_TIMEOUT : ERR_IO, "lock %s: %s", b->registry,
                strerror(errno));
        forget(b);
        return -1;
    }
    size_t n = read_holders(b->registry_fd, holders);
    if (join(b, holders, n, err) != 0 || (b->fd < 0 && begin(b, err) != 0)) {
        shared_block_close(b);
        return -1;
    }
    if (!b->is_filling) {
        close(b->registry_fd);
        b->registry_fd = -1;
    }
    return 0;
}

int shared_block_seal(struct shared_block *b, struct err *err)
{
    CHECK(b->is_filling);
    struct head head = {.size_bytes = b->size_bytes, .name = b->name};
    memcpy(head.magic, magic, sizeof magic);
    munmap(b->bytes, b->size_bytes); // a file that is mapped for writing takes no seal
    b->bytes = NULL;
    b->is_filling = false;
    if (pwrite(b->fd, &head, sizeof head, 0) != (ssize_t)sizeof head ||
        fcntl(b->fd, F_ADD_SEALS, SEALS) != 0) {
        err_set(err, ERR_IO, "seal shared weights: %s", strerror(errno));
        goto close_block;
    }
    // Older kernels map a sealed file only where it is open for reading alone.
    int fd = reopen((long)getpid(), b->fd);
    if (fd < 0) {
        err_set(err, ERR_IO, "open shared weights again: %s", strerror(errno));
        goto close_block;
    }
    close(b->fd);
    b->fd = fd;
    if (map(b, PROT_READ, err) != 0) goto close_block;
    const struct holder self = {(long)getpid(), b->fd};
    (void)write_holders(b->registry_fd, &self, 1);
    close(b->registry_fd);
    b->registry_fd = -1;
    return 0;

close_block:
    shared_block_close(b);
    return -1;
}

// Takes our line out, and those of the dead; the last one takes the file along.
static void leave(const struct shared_block *b, int registry_fd)
{
    struct holder holders[HOLDERS_MAX];
    size_t n = read_holders(registry_fd, holders), n_left = 0;
    for (size_t i = 0; i < n; i++) {
        bool is_own = holders[i].pid == (long)getpid() && holders[i].fd == b->fd;
        if (!is_own && is_alive(&holders[i])) holders[n_left++] = holders[i];
    }
    if (n_left == 0)
        unlink(b->registry);
    else
        (void)write_holders(registry_fd, holders, n_left);
}

void shared_block_close(struct shared_block *b)
{
    // A zeroed one never was opened; and 0 is no file of ours.
    if (b->registry[0] == '\0') return;
    int registry_fd =
        b->registry_fd >= 0 ? b->registry_fd : lock_registry(b->registry, 0, LEAVE_MS);
    if (registry_fd >= 0) {
        leave(b, registry_fd);
        close(registry_fd);
    }
    if (b->bytes != NULL) munmap(b->bytes, b->size_bytes);
    if (b->fd >= 0) close(b->fd);
    forget(b);
}
