#include "learner/export.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/model/safetensors.h"
#include "learner/export_config.h"

#define PATH_BYTES 4096

static const char *const companions[] = {
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    "chat_template.json",
    "LICENSE",
};

static int copy_companions(const char *folder, const char *from, struct err *err)
{
    char config[PATH_BYTES], exported[PATH_BYTES];

    if (file_join(config, sizeof config, from, "config.json", err) != 0 ||
        file_join(exported, sizeof exported, folder, "config.json", err) != 0 ||
        export_config(config, exported, err) != 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof companions / sizeof *companions; i++) {
        char source[PATH_BYTES], target[PATH_BYTES];

        if (file_join(source, sizeof source, from, companions[i], err) != 0 ||
            file_join(target, sizeof target, folder, companions[i], err) != 0) {
            return -1;
        }
        if (file_exists(source) && file_copy(source, target, err) != 0) return -1;
    }
    return 0;
}

int export_model_sharded(const char *folder, const char *from, const struct params *params,
                         const uint16_t *flat, uint64_t shard_bytes_max, struct err *err)
{
    char temporary[PATH_BYTES];
    struct err ignored;
    int n = snprintf(temporary, sizeof temporary, "%s.tmp", folder);

    if (n < 0 || (size_t)n >= sizeof temporary) {
        return err_set(err, ERR_LIMIT, "%s: the path is too long", folder);
    }
    if (file_remove_tree(temporary, err) != 0 || file_make_folders(temporary, err) != 0) return -1;
    if (copy_companions(temporary, from, err) != 0 ||
        safetensors_write_sharded(temporary, params, flat, shard_bytes_max, err) != 0 ||
        file_sync_folder(temporary, err) != 0 || file_remove_tree(folder, err) != 0) {
        goto remove_temporary;
    }
    if (rename(temporary, folder) != 0) {
        (void)err_set(err, ERR_IO, "rename %s to %s: %s", temporary, folder, strerror(errno));
        goto remove_temporary;
    }
    return 0;

remove_temporary:
    (void)file_remove_tree(temporary, &ignored);
    return err_prefix(err, "export of the model");
}

int export_model(const char *folder, const char *from, const struct params *params,
                 const uint16_t *flat, struct err *err)
{
    return export_model_sharded(folder, from, params, flat, SAFETENSORS_SHARD_BYTES, err);
}

struct hash export_hash(const struct params *params, const uint16_t *flat)
{
    return hash_of(flat, params->n_elements * sizeof *flat);
}
