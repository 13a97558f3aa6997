/*
 * err.h - how a function says why it failed.
 *
 * A function that can fail at run time (files, sockets, bytes from a peer,
 * user options) returns int: 0, or -1 with the reason written to its last
 * argument.  The first function that knows the reason writes it; callers pass
 * the same err up and may add a prefix.  Nothing below a main loop logs an
 * error it also returns.  Programmer mistakes are not errors: see CHECK().
 */
#ifndef ARGOSY_COMMON_BASE_ERR_H
#define ARGOSY_COMMON_BASE_ERR_H

enum err_code {
    ERR_NONE = 0,
    ERR_USAGE,    // a bad option or recipe value: tell the user, exit 2
    ERR_IO,       // a file or socket failed: errno text is in the message
    ERR_FORMAT,   // bytes from disk or a peer do not follow their format
    ERR_LIMIT,    // a declared size is over a fixed limit
    ERR_STALE,    // well formed, but of a step or epoch we no longer accept
    ERR_TIMEOUT,  // nothing arrived in time: the caller decides on a retry
    ERR_MISMATCH, // both sides are well formed and disagree (hash, shape, key)
};

struct err {
    enum err_code code;
    char text[512];
};

// Writes code and message; always returns -1, so that a caller can write
// `return err_set(err, ERR_IO, "open %s: %s", path, strerror(errno));`.
int err_set(struct err *err, enum err_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

// Puts "prefix: " before the text already there; always returns -1.
int err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// The exit status a program ends with for an error: 2 for ERR_USAGE, else 1.
int err_exit_status(const struct err *err);

// CHECK is for what cannot happen unless our own code is wrong.  It stays on
// in release builds: a trainer that stops beats one that learns from garbage.
#define CHECK(cond) ((cond) ? (void)0 : check_failed(#cond, __FILE__, __LINE__))
_Noreturn void check_failed(const char *cond, const char *file, int line);

#endif
