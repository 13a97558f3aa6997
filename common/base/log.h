/*
 * log.h - one line to stderr per event.
 *
 *   2026-01-02T03:04:05.678Z I actor.3 rollout id=7 tokens=812
 *
 * Level, origin, then a subject and key=value pairs.  Only main loops and
 * programs' edges log; a library returns its error.  Thread-safe (one write).
 */
#ifndef ARGOSY_COMMON_BASE_LOG_H
#define ARGOSY_COMMON_BASE_LOG_H

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

// Set once at start: who speaks ("learner.0", "actor.17"), and how much is said.
void log_init(const char *origin, enum log_level level);

void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
