/*
 * export_config.h - the config.json of an exported model: the one that the
 * stage started from, letter by letter, but for what saving has changed.
 */
#ifndef ARGOSY_LEARNER_EXPORT_CONFIG_H
#define ARGOSY_LEARNER_EXPORT_CONFIG_H

#include <stddef.h>

#include "common/base/err.h"

// Says that the weights are bf16, and nothing of a quantisation that is gone.
int export_config(const char *from_path, const char *to_path, struct err *err);

// The same from text to text: malloc'ed, 0-terminated; NULL on failure.
char *export_config_text(const char *config, size_t size_bytes, const char *name, struct err *err);

#endif
