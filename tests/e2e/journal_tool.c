/*
 * journal_tool - what the end-to-end tests ask of a journal, with nothing but
 * its public format.
 *
 *   journal_tool count FOLDER             one JSON object: records by type, and for
 *                                         every step what was trained in it
 *   journal_tool without FOLDER OUT T N   a copy without the N-th record of type T
 *                                         (from 1), in one segment, its sequences and
 *                                         checksums as if that had never been
 *   journal_tool cut FOLDER OUT T N       the same, the others' bytes left as they are
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/json.h"
#include "proto/journal_format.h"

#define PATH_BYTES 4096
#define TYPES 8

struct tokens_of_lease {
    uint64_t lease;
    uint64_t n_tokens, n_samples;
};

struct counts {
    uint64_t by_type[TYPES];
    uint64_t n_ok; // results whose outcome is OK
    uint64_t n_tokens_trained, n_samples_trained;
    struct tokens_of_lease *leases; // a growing array, in the order of their first result
    size_t n_leases, capacity;
    struct json_writer steps;
};

static struct tokens_of_lease *find_lease(struct counts *c, uint64_t lease)
{
    for (size_t i = c->n_leases; i > 0; i--)
        if (c->leases[i - 1].lease == lease) return &c->leases[i - 1];
    if (c->n_leases == c->capacity) {
        c->capacity = c->capacity ? 2 * c->capacity : 256;
        c->leases = realloc(c->leases, c->capacity * sizeof *c->leases);
        CHECK(c->leases != NULL);
    }
    c->leases[c->n_leases] = (struct tokens_of_lease){.lease = lease};
    return &c->leases[c->n_leases++];
}

static int count_result(struct counts *c, const struct journal_record *record, struct err *err)
{
    struct message m;
    if (journal_decode_result(record, &m, err) != 0) return -1;
    if (m.result.outcome != OUTCOME_OK) return 0;
    struct tokens_of_lease *lease = find_lease(c, m.result.lease);
    lease->n_tokens += m.result.n_tokens;
    lease->n_samples++;
    c->n_ok++;
    return 0;
}

static int count_trained(struct counts *c, const struct journal_record *record, struct err *err)
{
    struct journal_end end;
    if (journal_decode_end(record, &end, err) != 0) return -1;
    const struct tokens_of_lease *lease = find_lease(c, end.lease);
    json_open(&c->steps, NULL, '{');
    json_put_u64(&c->steps, "step", end.step);
    json_put_u64(&c->steps, "lease", end.lease);
    json_put_u64(&c->steps, "samples", lease->n_samples);
    json_put_u64(&c->steps, "tokens", lease->n_tokens);
    json_close(&c->steps, '}');
    c->n_tokens_trained += lease->n_tokens;
    c->n_samples_trained += lease->n_samples;
    return 0;
}

static int count_record(struct counts *c, const struct journal_record *record, struct err *err)
{
    if (record->type < TYPES) c->by_type[record->type]++;
    if (record->type == JOURNAL_RESULT) return count_result(c, record, err);
    if (record->type == JOURNAL_TRAINED) return count_trained(c, record, err);
    return 0;
}

static int count(struct journal_reader *reader, struct err *err)
{
    static const char *const names[TYPES] = {
        [JOURNAL_RESERVED] = "reserved", [JOURNAL_ISSUED] = "issued",
        [JOURNAL_RESULT] = "result",     [JOURNAL_RETURNED] = "returned",
        [JOURNAL_TRAINED] = "trained",   [JOURNAL_DROPPED] = "dropped",
        [JOURNAL_NOTE] = "note",
    };
    struct counts c = {.n_ok = 0};
    struct journal_record record;
    int got;
    json_writer_init(&c.steps);
    json_open(&c.steps, NULL, '{');
    json_open(&c.steps, "trained_leases", '[');
    while ((got = journal_next(reader, &record, err)) > 0)
        if (count_record(&c, &record, err) != 0) break;
    json_close(&c.steps, ']');
    for (uint32_t i = 1; i < TYPES; i++)
        json_put_u64(&c.steps, names[i], c.by_type[i]);
    json_put_u64(&c.steps, "results_ok", c.n_ok);
    json_put_u64(&c.steps, "samples_trained", c.n_samples_trained);
    json_put_u64(&c.steps, "tokens_trained", c.n_tokens_trained);
    json_close(&c.steps, '}');
    if (got == 0) puts(c.steps.bytes);
    free(c.steps.bytes);
    free(c.leases);
    return got == 0 ? 0 : -1;
}

// Appends one record, renumbered; the payload is copied as it stands.
static void copy_record(struct wire_buffer *out, const struct journal_record *record,
                        uint64_t sequence)
{
    const size_t padded = (record->payload_bytes + 7u) & ~(size_t)7;
    unsigned char *to = wire_buffer_take(out, JOURNAL_RECORD_BYTES + padded);
    memset(to, 0, JOURNAL_RECORD_BYTES + padded);
    for (unsigned i = 0; i < 4; i++)
        to[i] = (unsigned char)(record->payload_bytes >> 8 * i);
    for (unsigned i = 0; i < 2; i++)
        to[4 + i] = (unsigned char)(record->type >> 8 * i);
    for (unsigned i = 0; i < 8; i++)
        to[8 + i] = (unsigned char)(sequence >> 8 * i);
    memcpy(to + JOURNAL_RECORD_BYTES, record->payload, record->payload_bytes);
    const uint64_t checksum = journal_record_checksum(to, to + JOURNAL_RECORD_BYTES);
    for (unsigned i = 0; i < 8; i++)
        to[16 + i] = (unsigned char)(checksum >> 8 * i);
}

static int without(struct journal_reader *reader, const char *folder, uint32_t type, uint64_t which,
                   bool is_renumbered, struct err *err)
{
    struct wire_buffer out;
    struct journal_record record;
    char path[PATH_BYTES], name[32];
    uint64_t seen = 0, sequence = 1;
    int got;
    wire_buffer_init(&out);
    while ((got = journal_next(reader, &record, err)) > 0) {
        if (sequence == 1 && out.size_bytes == 0)
            journal_encode_segment(&out, journal_position(reader).run, 1, 1);
        if (record.type == type && ++seen == which) continue;
        copy_record(&out, &record, is_renumbered ? sequence : record.sequence);
        sequence++;
    }
    int status = got;
    if (status == 0 && seen < which)
        status = err_set(err, ERR_USAGE, "only %" PRIu64 " records of type %u", seen, type);
    snprintf(name, sizeof name, JOURNAL_SEGMENT_NAME, 1u);
    if (status == 0) status = file_make_folders(folder, err);
    if (status == 0) status = file_join(path, sizeof path, folder, name, err);
    if (status == 0) status = file_write_atomic(path, out.bytes, out.size_bytes, err);
    wire_buffer_fini(&out);
    return status;
}

int main(int argc, char **argv)
{
    struct err err;
    int status = -1;
    const bool is_count = argc == 3 && strcmp(argv[1], "count") == 0;
    const bool is_cut = argc == 6 && strcmp(argv[1], "cut") == 0;
    const bool is_without = is_cut || (argc == 6 && strcmp(argv[1], "without") == 0);
    if (!is_count && !is_without) {
        fputs("usage: journal_tool count FOLDER | (without | cut) FOLDER OUT TYPE N\n", stderr);
        return 2;
    }
    struct journal_reader *reader = journal_open(argv[2], &err);
    if (reader != NULL && is_count) status = count(reader, &err);
    if (reader != NULL && is_without)
        status = without(reader, argv[3], (uint32_t)strtoul(argv[4], NULL, 10),
                         strtoull(argv[5], NULL, 10), !is_cut, &err);
    journal_close(reader);
    if (status == 0) return 0;
    fprintf(stderr, "journal_tool: %s\n", err.text);
    return 1;
}
