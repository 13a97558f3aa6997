/*
 * template_files.h - the chat template that a model's files name.
 */
#ifndef ARGOSY_ACTOR_TEMPLATE_TEMPLATE_FILES_H
#define ARGOSY_ACTOR_TEMPLATE_TEMPLATE_FILES_H

#include "actor/template/template.h"

// The Jinja text, malloc'ed; NULL with a reason, ERR_USAGE when no file has one.
char *template_files_jinja(const struct template_files *files, size_t *size_bytes, struct err *err);

// The text of bos_token in tokenizer_config.json, malloc'ed; NULL: it names none.
int template_files_bos(const struct template_files *files, char **out, struct err *err);

#endif
