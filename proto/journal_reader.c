#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "proto/journal_format.h"
#include "proto/little_endian.h"

#define TAIL_BYTES_MAX (64u << 20) // what torn writes can leave; more is damage

// Read through stdio and not mapped: a learner that restarts cuts a torn tail
// off while tools read, and a mapping would then end in SIGBUS.
struct journal_reader {
    char *folder;
    FILE *file; // of the segment below; NULL while there is none
    bool has_header;
    struct journal_position position; // of the next record
    unsigned char *payload;           // malloc'ed
    size_t payload_capacity;
};

static int damage(const struct journal_reader *r, struct err *err, const char *what)
{
    char name[32];
    snprintf(name, sizeof name, JOURNAL_SEGMENT_NAME, r->position.segment);
    return err_set(err, ERR_FORMAT, "journal %s/%s, byte %llu: %s", r->folder, name,
                   (unsigned long long)r->position.offset, what);
}

static int io_error(const struct journal_reader *r, struct err *err)
{
    return err_set(err, ERR_IO, "journal %s: %s", r->folder, strerror(errno));
}

struct journal_reader *journal_open(const char *folder, struct err *err)
{
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        err_set(err, ERR_IO, "journal %s: %s", folder, strerror(errno));
        return NULL;
    }
    closedir(dir);

    struct journal_reader *r = calloc(1, sizeof *r);
    CHECK(r != NULL);
    r->folder = strdup(folder);
    CHECK(r->folder != NULL);
    r->position.sequence = 1;
    return r;
}

void journal_close(struct journal_reader *r)
{
    if (r == NULL) return;
    if (r->file != NULL) fclose(r->file);
    free(r->payload);
    free(r->folder);
    free(r);
}

struct journal_position journal_position(const struct journal_reader *r)
{
    return r->position;
}

// --- segments ------------------------------------------------------------------------------------

// 1: *number is the lowest segment after ours; 0: there is none.
static int find_later(const struct journal_reader *r, uint32_t *number, struct err *err)
{
    DIR *dir = opendir(r->folder);
    if (dir == NULL) return io_error(r, err);

    *number = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        unsigned n = 0;
        char name[32];
        if (sscanf(entry->d_name, "%9u.journal", &n) != 1) continue;
        snprintf(name, sizeof name, JOURNAL_SEGMENT_NAME, n);
        if (strcmp(name, entry->d_name) != 0 || n <= r->position.segment) continue;
        if (*number == 0 || n < *number) *number = n;
    }
    closedir(dir);
    if (*number > r->position.segment + 1)
        return err_set(err, ERR_FORMAT, "journal %s: segment %u is missing", r->folder,
                       r->position.segment + 1);
    return *number != 0;
}

static int open_segment(struct journal_reader *r, uint32_t number, struct err *err)
{
    char name[32], path[4096];
    snprintf(name, sizeof name, JOURNAL_SEGMENT_NAME, number);
    if (file_join(path, sizeof path, r->folder, name, err) != 0) return -1;

    FILE *file = fopen(path, "rbe");
    if (file == NULL) return err_set(err, ERR_IO, "open %s: %s", path, strerror(errno));
    if (r->file != NULL) fclose(r->file);
    r->file = file;
    setvbuf(file, NULL, _IOFBF, 1u << 18);
    r->has_header = false;
    r->position.segment = number;
    r->position.offset = 0;
    return 0;
}

enum outcome_of_read { READ_OK, READ_END, READ_BAD, READ_FAILED };

// Back to the next record: stdio forgets what it read, and sees what has come since.
static int rewind_to_record(struct journal_reader *r, struct err *err)
{
    if (fseeko(r->file, (off_t)r->position.offset, SEEK_SET) != 0) return io_error(r, err);
    return 0;
}

static enum outcome_of_read read_header(struct journal_reader *r, struct err *err)
{
    unsigned char header[JOURNAL_SEGMENT_BYTES] = {0};
    static const unsigned char zeros[JOURNAL_SEGMENT_BYTES];
    struct journal_position *p = &r->position;

    size_t n = fread(header, 1, sizeof header, r->file);
    if (n < sizeof header) {
        if (!ferror(r->file)) return n == 0 ? READ_END : READ_BAD;
        io_error(r, err);
        return READ_FAILED;
    }
    if (memcmp(header, zeros, sizeof header) == 0) return READ_BAD;

    uint64_t run = get_u64(header + 8);
    uint32_t epoch = get_u32(header + 16);
    const char *fault = NULL;
    if (get_u32(header) != JOURNAL_MAGIC)
        fault = "not a segment of a journal";
    else if (get_u32(header + 4) != JOURNAL_VERSION)
        fault = "a version of the journal this program does not know";
    else if (get_u32(header + 20) != p->segment)
        fault = "its number is not its name's";
    else if (p->segment > 1 && run != p->run)
        fault = "of another run than the segments before it";
    else if (epoch < p->epoch)
        fault = "of an earlier epoch than the segments before it";
    if (fault != NULL) {
        damage(r, err, fault);
        return READ_FAILED;
    }
    p->run = run;
    p->epoch = epoch;
    p->offset = sizeof header;
    r->has_header = true;
    return READ_OK;
}

// --- records -------------------------------------------------------------------------------------

static size_t padded(size_t n)
{
    return (n + 7) / 8 * 8;
}

static bool is_plausible(const unsigned char header[JOURNAL_RECORD_BYTES])
{
    return get_u32(header) <= JOURNAL_PAYLOAD_BYTES_MAX && get_u16(header + 4) != 0 &&
           get_u16(header + 6) == 0;
}

static unsigned char *payload_room(struct journal_reader *r, size_t n)
{
    if (n > r->payload_capacity) {
        free(r->payload);
        r->payload_capacity = 2 * n;
        r->payload = malloc(r->payload_capacity);
        CHECK(r->payload != NULL);
    }
    return r->payload;
}

static enum outcome_of_read read_record(struct journal_reader *r, struct journal_record *out,
                                        struct err *err)
{
    unsigned char header[JOURNAL_RECORD_BYTES];
    size_t n = fread(header, 1, sizeof header, r->file);
    if (n == sizeof header && is_plausible(header)) {
        size_t size = padded(get_u32(header));
        unsigned char *payload = payload_room(r, size + 8);
        n += fread(payload, 1, size, r->file);
        if (n == sizeof header + size &&
            get_u64(header + 16) == journal_record_checksum(header, payload)) {
            *out = (struct journal_record){.type = get_u16(header + 4),
                                           .sequence = get_u64(header + 8),
                                           .payload = payload,
                                           .payload_bytes = get_u32(header)};
            return READ_OK;
        }
    }
    if (!ferror(r->file)) return n == 0 ? READ_END : READ_BAD;
    io_error(r, err);
    return READ_FAILED;
}

static bool is_record_at(const unsigned char *bytes, size_t left)
{
    return left >= JOURNAL_RECORD_BYTES && is_plausible(bytes) &&
           padded(get_u32(bytes)) <= left - JOURNAL_RECORD_BYTES &&
           get_u64(bytes + 16) == journal_record_checksum(bytes, bytes + JOURNAL_RECORD_BYTES);
}

// Is what lies at the next record's place only a torn tail?  1: yes; 0: no, the
// record has been completed meanwhile; -1: damage, for valid records follow.
static int judge_tail(struct journal_reader *r, struct err *err)
{
    if (rewind_to_record(r, err) != 0) return -1;
    struct stat st;
    if (fstat(fileno(r->file), &st) != 0) return io_error(r, err);
    uint64_t size_bytes = (uint64_t)st.st_size, room = 0;
    if (size_bytes > r->position.offset) room = size_bytes - r->position.offset;
    if (room > TAIL_BYTES_MAX) room = TAIL_BYTES_MAX + 1;
    unsigned char *tail = malloc(room + 1);
    CHECK(tail != NULL);

    size_t n = fread(tail, 1, room, r->file);
    int rc = 1;
    if (ferror(r->file))
        rc = io_error(r, err);
    else if (n > TAIL_BYTES_MAX)
        rc = damage(r, err, "not a record, and too much after it for a torn write");
    else if (is_record_at(tail, n) ||
             (!r->has_header && n >= JOURNAL_SEGMENT_BYTES && tail[0] != 0))
        rc = 0;
    uint64_t hashed_bytes = 0; // bounded, for bytes made to look like long records
    for (size_t at = 8; rc == 1 && at + JOURNAL_RECORD_BYTES <= n; at += 8) {
        if (!is_plausible(tail + at) || get_u64(tail + at + 8) - r->position.sequence >= UINT64_C(1)
                                                                                             << 32)
            continue;
        hashed_bytes += get_u32(tail + at);
        if (is_record_at(tail + at, n - at) || hashed_bytes > 16 * (uint64_t)TAIL_BYTES_MAX)
            rc = damage(r, err, "not a record, but valid ones follow");
    }
    free(tail);
    return rc;
}

static int accept(struct journal_reader *r, const struct journal_record *record, struct err *err)
{
    if (record->sequence != r->position.sequence) return damage(r, err, "a record is missing");
    r->position.sequence++;
    r->position.offset += JOURNAL_RECORD_BYTES + padded(record->payload_bytes);
    r->position.is_torn = false;
    return 1;
}

int journal_next(struct journal_reader *r, struct journal_record *out, struct err *err)
{
    for (;;) {
        enum outcome_of_read got = READ_END;
        if (r->file != NULL) {
            got = r->has_header ? READ_OK : read_header(r, err);
            if (got == READ_OK) got = read_record(r, out, err);
        }
        if (got == READ_OK) return accept(r, out, err);
        if (got == READ_FAILED) return -1;

        // Whether a later segment exists is asked before looking again at the end
        // of this one: the writer begins a segment only when the last is complete.
        uint32_t later = 0;
        int is_later = find_later(r, &later, err);
        if (is_later < 0) return -1;
        if (r->file != NULL) {
            int is_torn = got == READ_BAD || is_later ? judge_tail(r, err) : 1;
            if (is_torn < 0 || rewind_to_record(r, err) != 0) return -1;
            if (is_torn == 0) continue;
            r->position.is_torn = got == READ_BAD;
        }
        if (!is_later) return 0;
        if (got == READ_BAD) return damage(r, err, "not a record, and later segments exist");
        if (open_segment(r, later, err) != 0) return -1;
    }
}
