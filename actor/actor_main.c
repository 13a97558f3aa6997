/*
 * argosy-actor - generates, scores and sends; any number, any time.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor/option_number.h"
#include "actor/serve.h"
#include "actor/verbs.h"
#include "common/base/log.h"
#include "common/model/shared_block.h"

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

static const char usage[] =
    "usage: argosy-actor (--connect tcp://HOST:PORT [--key FILE] | --run DIR) [options]\n"
    "       argosy-actor VERB ...   (chat, decontaminate, generate, init, score, show, tokenize;\n"
    "                                VERB --help)\n"
    "\n"
    "  --connect ENDPOINT  the learner's address\n"
    "  --key FILE          actor.key of the run (made beside the run by the learner)\n"
    "  --run DIR           read DIR/endpoint and DIR/actor.key, again at every reconnect\n"
    "  --name NAME         for logs (default: the process id)\n"
    "  --threads N         compute threads (default: what the machine allows)\n"
    "  --slots N           samples generated at once (default 64)\n"
    "  --cache-mib N       memory for keys and values (default 2048)\n"
    "  --results-mib N     results held until acknowledged (default 256)\n"
    "  --share-weights DIR actors of this host that say the same DIR hold one copy of the weights\n"
    "                      (default: a folder of this user; off: each has its own)\n"
    "  --commands 0|1      run the commands that a recipe names as rewards (default 1)\n"
    "  --wait SECONDS      without a learner for this long, give up (default 600)\n"
    "  --fault-flip-weight N   flip the last bit of weight N: a test of the exactness check\n";

struct number_option {
    const char *name;
    uint64_t *value;
    uint64_t min, max;
};

static int parse(int argc, char **argv, struct serve_options *o, struct err *err)
{
    uint64_t threads = 0, slots = 64, cache_mib = 2048, results_mib = 256, wait_s = 600;
    uint64_t flip = UINT64_MAX, commands = 1;
    const struct number_option numbers[] = {{"--threads", &threads, 0, 1024},
                                            {"--slots", &slots, 1, 65536},
                                            {"--cache-mib", &cache_mib, 1, 1u << 22},
                                            {"--results-mib", &results_mib, 1, 1u << 20},
                                            {"--wait", &wait_s, 1, 1u << 22},
                                            {"--commands", &commands, 0, 1},
                                            {"--fault-flip-weight", &flip, 0, INT64_MAX}};
    const struct {
        const char *name;
        const char **value;
    } texts[] = {{"--connect", &o->link.endpoint},
                 {"--key", &o->link.key_path},
                 {"--run", &o->link.run_folder},
                 {"--share-weights", &o->share_folder},
                 {"--name", &o->name}};
    for (int i = 1; i < argc; i += 2) {
        bool is_known = false;
        if (i + 1 >= argc) return err_set(err, ERR_USAGE, "%s: a value is missing", argv[i]);
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
            if (strcmp(argv[i], texts[k].name) != 0) continue;
            *texts[k].value = argv[i + 1];
            is_known = true;
        }
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
            const struct number_option *n = &numbers[k];
            if (strcmp(argv[i], n->name) != 0) continue;
            if (option_whole(n->name, argv[i + 1], n->min, n->max, n->value, err) != 0) return -1;
            is_known = true;
        }
        if (!is_known) return err_set(err, ERR_USAGE, "unknown option %s", argv[i]);
    }
    if ((o->link.endpoint == NULL) == (o->link.run_folder == NULL))
        return err_set(err, ERR_USAGE, "give either --connect ENDPOINT or --run DIR");
    if (strcmp(o->share_folder, "off") == 0) o->share_folder = "";
    if (strlen(o->share_folder) >= SHARED_PATH_BYTES)
        return err_set(err, ERR_USAGE, "--share-weights: the path is too long");
    o->n_threads = (unsigned)threads;
    o->n_slots = (uint32_t)slots;
    o->cache_bytes_max = cache_mib << 20;
    o->result_bytes_max = results_mib << 20;
    o->link.patience_ms = wait_s * 1000;
    o->runs_commands = commands == 1;
    o->flip_weight = flip == UINT64_MAX ? -1 : (int64_t)flip;
    return 0;
}

static int fail(const struct err *err)
{
    log_line(LOG_ERROR, "%s", err->text);
    return err_exit_status(err);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < n_actor_verbs; i++)
        if (argc > 1 && strcmp(argv[1], actor_verbs[i].name) == 0)
            return actor_verbs[i].run(argc - 1, argv + 1);
    if (argc < 2 || strcmp(argv[1], "--help") == 0) {
        fputs(usage, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    char name[64];
    snprintf(name, sizeof name, "%ld", (long)getpid());
    char share_folder[SHARED_PATH_BYTES];
    struct serve_options options = {.name = name, .share_folder = share_folder};
    struct err err;
    log_init("actor", LOG_INFO);
    if (shared_folder(share_folder, sizeof share_folder, &err) != 0 ||
        parse(argc, argv, &options, &err) != 0)
        return fail(&err);
    char origin[96];
    snprintf(origin, sizeof origin, "actor.%s", options.name);
    log_init(origin, LOG_INFO);
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    return serve(&options, &stop_asked, &err) == 0 ? 0 : fail(&err);
}
