#include "actor/text/line_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 256u

static void put(char **line, size_t *room, size_t at, char c)
{
    if (at == *room) {
        *room = *room < ROOM_MIN ? ROOM_MIN : 2 * *room;
        *line = realloc(*line, *room);
        CHECK(*line != NULL);
    }
    (*line)[at] = c;
}

int line_read(FILE *in, size_t most, char **line, size_t *room, size_t *size_bytes, struct err *err)
{
    size_t n = 0;
    int c;
    errno = 0;
    while ((c = getc_unlocked(in)) != EOF && c != '\n')
        if (n <= most) put(line, room, n++, (char)c);
    if (c == EOF && ferror(in)) return err_set(err, ERR_IO, "read: %s", strerror(errno));
    *size_bytes = n;
    if (c == EOF && n == 0) return 0;
    put(line, room, n, '\0');
    return 1;
}
