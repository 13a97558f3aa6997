/*
 * config_keys.h - which keys a config.json may have.
 *
 * Those that shape.c reads; those known to leave a forward pass as it is
 * (names of files and versions, settings of generation and of classifiers);
 * and any other while its value switches it off: null, false, 0, or empty.
 * The rest is refused by name, so that a feature of tomorrow's models is never
 * taken for nothing.
 */
#ifndef ARGOSY_COMMON_MODEL_CONFIG_KEYS_H
#define ARGOSY_COMMON_MODEL_CONFIG_KEYS_H

#include "common/base/err.h"
#include "common/base/json.h"

int config_keys_check(struct json root, const char *name, struct err *err);

#endif
