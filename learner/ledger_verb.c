#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learner/ledger.h"

// Only the reasons that happened.
static void write_reasons(struct json_writer *out, const char *key,
                          const struct ledger_count by[LEDGER_REASONS])
{
    json_open(out, key, '{');
    for (uint32_t i = 0; i < LEDGER_REASONS; i++)
        if (by[i].leases > 0) json_put_u64(out, lease_end_name((enum lease_end)i), by[i].leases);
    json_close(out, '}');
}

void ledger_write_json(const struct ledger_sum *sum, struct json_writer *out)
{
    json_put_u64(out, "issued", sum->issued.leases);
    json_put_u64(out, "trained", sum->trained.leases);
    json_put_u64(out, "dropped", sum->dropped.leases);
    json_put_u64(out, "in_flight", sum->in_flight.leases);
    json_put_u64(out, "returned", sum->returned.leases);
    json_put_bool(out, "balanced", sum->is_balanced);
    write_reasons(out, "dropped_by", sum->dropped_by);
    write_reasons(out, "returned_by", sum->returned_by);
    json_open(out, "samples", '{');
    json_put_u64(out, "issued", sum->issued.samples);
    json_put_u64(out, "trained", sum->trained.samples);
    json_put_u64(out, "dropped", sum->dropped.samples);
    json_put_u64(out, "in_flight", sum->in_flight.samples);
    json_put_u64(out, "returned", sum->returned.samples);
    json_close(out, '}');
    json_put_u64(out, "results", sum->n_results);
    json_put_u64(out, "faults", sum->n_faults);
    json_put_u64(out, "superseded", sum->n_superseded);
    json_put_u64(out, "epochs", sum->n_epochs);
    json_put_u64(out, "determinism_voids", sum->n_voids);
    json_put_u64(out, "violations", sum->n_violations);
}

static void print_count(const char *name, const struct ledger_count *c)
{
    printf("%-12s %10" PRIu64 " leases %12" PRIu64 " samples\n", name, c->leases, c->samples);
}

static void print_reasons(const struct ledger_count by[LEDGER_REASONS])
{
    for (uint32_t i = 0; i < LEDGER_REASONS; i++)
        if (by[i].leases > 0)
            printf("  %-16s %4" PRIu64 " leases %12" PRIu64 " samples\n",
                   lease_end_name((enum lease_end)i), by[i].leases, by[i].samples);
}

static void print_table(const struct ledger *l, const struct ledger_sum *sum)
{
    print_count("issued", &sum->issued);
    print_count("trained", &sum->trained);
    print_count("dropped", &sum->dropped);
    print_reasons(sum->dropped_by);
    print_count("returned", &sum->returned);
    print_reasons(sum->returned_by);
    print_count("in flight", &sum->in_flight);
    if (sum->n_superseded > 0)
        printf("%" PRIu64 " leases were trained or dropped, then undone by going back to a "
               "checkpoint\n",
               sum->n_superseded);
    if (sum->n_voids > 0)
        printf("determinism is void: %" PRIu64 " prompts were dropped by a fault\n", sum->n_voids);
    for (size_t i = 0; ledger_violation(l, i) != NULL; i++)
        printf("violation: %s\n", ledger_violation(l, i));
    printf("balanced     %s\n", sum->is_balanced ? "yes" : "no");
}

static void print_json(const struct ledger *l, const struct ledger_sum *sum)
{
    struct json_writer out;
    json_writer_init(&out);
    json_open(&out, NULL, '{');
    ledger_write_json(sum, &out);
    json_open(&out, "violation_texts", '[');
    for (size_t i = 0; ledger_violation(l, i) != NULL; i++)
        json_put_string(&out, NULL, ledger_violation(l, i));
    json_close(&out, ']');
    json_close(&out, '}');
    puts(out.bytes);
    free(out.bytes);
}

static const char usage[] =
    "usage: argosy ledger RUN [--json]\n"
    "\n"
    "  RUN     a stage's run folder; nothing of it is changed\n"
    "  --json  one JSON object instead of a table\n"
    "\n"
    "Exit status: 0, every lease is accounted for; 1, the books do not balance or\n"
    "cannot be read.\n";

int ledger_verb(int argc, char **argv)
{
    const char *run = NULL;
    bool is_json = false;
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            is_json = true;
        else if (argv[i][0] != '-' && run == NULL)
            run = argv[i];
        else
            run = NULL, i = argc;
    }
    if (run == NULL) {
        fputs(usage, stderr);
        return 2;
    }
    struct ledger *l = ledger_create();
    struct err err;
    if (ledger_read(l, run, &err) != 0) {
        fprintf(stderr, "argosy ledger: %s\n", err.text);
        ledger_destroy(l);
        return 1;
    }
    struct ledger_sum sum;
    ledger_sum(l, &sum);
    if (is_json)
        print_json(l, &sum);
    else
        print_table(l, &sum);
    ledger_destroy(l);
    return sum.is_balanced ? 0 : 1;
}
