#include "actor/reward/private_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"

// "", "/x", "a//b", "a/", "..", "a/../b", "."
static bool stays_inside(const char *name)
{
    for (const char *part = name;; part++) {
        const size_t n = strcspn(part, "/");
        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part += n;
        if (*part == '\0') return true;
    }
}

const struct served_file *private_files_find(const struct served_file *files, size_t n_files,
                                             const char *name, struct err *err)
{
    const struct served_files served = {.files = files, .n_files = n_files};
    const struct served_file *file = served_files_find(&served, name);
    if (file == NULL)
        err_set(err, ERR_USAGE, "'%.100s' is not among the served files", name);
    else if (!stays_inside(name)) {
        err_set(err, ERR_USAGE, "'%.100s' is no name for a file of its own", name);
        return NULL;
    }
    return file;
}

static int make_folder(struct private_files *p, struct err *err)
{
    const char *where = getenv("TMPDIR");
    if (p->folder[0] != '\0') return 0;
    const int n = snprintf(p->folder, sizeof p->folder, "%s/argosy-reward-XXXXXX",
                           where == NULL || where[0] == '\0' ? "/tmp" : where);
    if (n > 0 && (size_t)n < sizeof p->folder && mkdtemp(p->folder) != NULL) return 0;
    err_set(err, ERR_IO, "make the folder %s: %s", p->folder, strerror(errno));
    p->folder[0] = '\0';
    return -1;
}

static int make_parents(const struct private_files *p, char *path, struct err *err)
{
    for (char *slash = path + strlen(p->folder) + 1; (slash = strchr(slash, '/')) != NULL;) {
        *slash = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return err_set(err, ERR_IO, "make the folder %s: %s", path, strerror(errno));
        *slash++ = '/';
    }
    return 0;
}

int private_files_write(struct private_files *p, const struct served_file *file, char *path,
                        size_t path_bytes, struct err *err)
{
    if (make_folder(p, err) != 0 || file_join(path, path_bytes, p->folder, file->name, err) != 0 ||
        make_parents(p, path, err) != 0)
        return -1;
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    if (fd < 0 && errno == EEXIST) return 0; // written before
    if (fd < 0) return err_set(err, ERR_IO, "open %s: %s", path, strerror(errno));
    const struct view bytes = served_file_bytes(file);
    const int result = file_write_all(fd, bytes.bytes, bytes.size_bytes, path, err);
    if (close(fd) != 0 && result == 0)
        return err_set(err, ERR_IO, "write %s: %s", path, strerror(errno));
    return result;
}

void private_files_fini(struct private_files *p)
{
    struct err ignored;
    if (p->folder[0] != '\0') (void)file_remove_tree(p->folder, &ignored);
    p->folder[0] = '\0';
}
