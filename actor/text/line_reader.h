/*
 * line_reader.h - lines of a stream, none of which can take all memory.
 */
#ifndef ARGOSY_ACTOR_TEXT_LINE_READER_H
#define ARGOSY_ACTOR_TEXT_LINE_READER_H

#include <stddef.h>
#include <stdio.h>

#include "common/base/err.h"

// The next line without its "\n", 0-terminated, in *line (malloc'ed, *room bytes,
// grown as needed; begin with NULL and 0).  Of a longer line than `most` bytes,
// most + 1 are kept and the rest is read over: *size_bytes tells.  1: a line;
// 0: the end; -1: ERR_IO.
int line_read(FILE *in, size_t most, char **line, size_t *room, size_t *size_bytes,
              struct err *err);

#endif
