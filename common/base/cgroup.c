#include "common/base/cgroup.h"

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 1024 };

// Inside a container the path may be one of the host's that is not to be seen
// here; its last parent, the mount itself, is then the container's own group.
static void visit_up(const char *mount, const char *group, bool is_v2, cgroup_fn fn, void *context)
{
    char folder[PATH_BYTES];
    int n = snprintf(folder, sizeof folder, "%s%s", mount, group);
    if (n < 0 || (size_t)n >= sizeof folder) return;
    size_t mount_bytes = strlen(mount);
    for (;;) {
        fn(context, folder, is_v2);
        if (strlen(folder) <= mount_bytes) return;
        char *slash = strrchr(folder + mount_bytes, '/');
        if (slash == NULL) return;
        *slash = '\0';
    }
}

static bool lists(const char *controllers, const char *controller)
{
    for (const char *at = controllers; *at != '\0';) {
        size_t bytes = strcspn(at, ",");
        if (bytes == strlen(controller) && memcmp(at, controller, bytes) == 0) return true;
        at += bytes;
        if (*at == ',') at++;
    }
    return false;
}

// "number:controllers:/path"; version 2 has no controllers.
static void visit_line(char *line, const char *root, const char *controller, cgroup_fn fn,
                       void *context)
{
    char *controllers = strchr(line, ':');
    char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (group == NULL) return;
    *group++ = '\0';
    controllers++;
    char mount[PATH_BYTES];
    bool is_v2 = *controllers == '\0';
    int n = is_v2 ? snprintf(mount, sizeof mount, "%s", root)
                  : snprintf(mount, sizeof mount, "%s/%s", root, controllers);
    bool fits = n > 0 && (size_t)n < sizeof mount;
    if (fits && (is_v2 || lists(controllers, controller))) {
        visit_up(mount, group, is_v2, fn, context);
    }
}

void cgroup_visit(const char *membership, const char *root, const char *controller, cgroup_fn fn,
                  void *context)
{
    for (const char *line = membership; *line != '\0';) {
        size_t line_bytes = strcspn(line, "\n");
        char text[PATH_BYTES];
        if (line_bytes < sizeof text) {
            memcpy(text, line, line_bytes);
            text[line_bytes] = '\0';
            visit_line(text, root, controller, fn, context);
        }
        line += line_bytes;
        if (*line == '\n') line++;
    }
}

void cgroup_membership(char *out, size_t out_bytes)
{
    FILE *f = fopen("/proc/self/cgroup", "r");
    size_t size = 0;
    if (f != NULL) {
        size = fread(out, 1, out_bytes - 1, f);
        fclose(f);
    }
    out[size] = '\0';
}
