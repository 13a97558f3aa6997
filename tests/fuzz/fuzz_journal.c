/*
 * fuzz_journal.c - any bytes as the segments of a journal end it, or are refused
 * with a reason that names the folder; what is read before has no gap.
 *
 * Input: a byte of flags and a u16; then the bytes of the first segment, of
 * which the u16 tells where the second begins (0: there is none).  Flag 1: the
 * checksums are made right, so that what lies under them is reached.  Flag 2:
 * the sequences too.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "proto/journal_format.h"
#include "proto/little_endian.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static char folder[128];

static void remove_folder(void)
{
    struct err err;
    (void)file_remove_tree(folder, &err);
}

static void make_folder(void)
{
    if (folder[0] != '\0') return;
    const char *where = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.64s/fuzz-journal-XXXXXX", where != NULL ? where : "build");
    CHECK(mkdtemp(folder) != NULL);
    atexit(remove_folder);
}

static void write_segment(uint32_t number, const unsigned char *bytes, size_t size_bytes)
{
    char name[32], path[160];
    snprintf(name, sizeof name, JOURNAL_SEGMENT_NAME, number);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wbe");
    CHECK(file != NULL);
    CHECK(fwrite(bytes, 1, size_bytes, file) == size_bytes && fclose(file) == 0);
}

static void mend(unsigned char *segment, size_t size_bytes, bool with_sequences, uint64_t *sequence)
{
    for (size_t at = JOURNAL_SEGMENT_BYTES; at + JOURNAL_RECORD_BYTES <= size_bytes;) {
        size_t payload = get_u32(segment + at);
        if (payload > size_bytes - at - JOURNAL_RECORD_BYTES) return;
        if (with_sequences) put_u64(segment + at + 8, (*sequence)++);
        put_u64(segment + at + 16,
                journal_record_checksum(segment + at, segment + at + JOURNAL_RECORD_BYTES));
        at += JOURNAL_RECORD_BYTES + (payload + 7) / 8 * 8;
    }
}

static void decode(const struct journal_record *record)
{
    static struct message message;
    struct journal_reserved reserved;
    struct journal_issued issued;
    struct journal_end end;
    struct err err = {0};
    char text[64];
    int rc = 0;
    switch (record->type) {
    case JOURNAL_RESERVED:
        rc = journal_decode_reserved(record, &reserved, &err);
        break;
    case JOURNAL_ISSUED:
        rc = journal_decode_issued(record, &issued, &err);
        break;
    case JOURNAL_RESULT:
        rc = journal_decode_result(record, &message, &err);
        break;
    case JOURNAL_RETURNED:
    case JOURNAL_TRAINED:
    case JOURNAL_DROPPED:
        rc = journal_decode_end(record, &end, &err);
        break;
    case JOURNAL_NOTE:
        rc = journal_decode_note(record, text, sizeof text, &err);
        CHECK(rc == 0 && strlen(text) < sizeof text);
        break;
    default:
        break;
    }
    CHECK(rc == 0 || (err.code != ERR_NONE && err.text[0] != '\0'));
}

static void read_all(const size_t sizes[2])
{
    struct journal_record record;
    struct err err = {0};
    struct journal_reader *r = journal_open(folder, &err);
    CHECK(r != NULL);
    int rc;
    for (uint64_t sequence = 1; (rc = journal_next(r, &record, &err)) == 1; sequence++) {
        CHECK(record.sequence == sequence && record.type != 0);
        decode(&record);
    }
    struct journal_position p = journal_position(r);
    CHECK(p.segment <= 2 && (p.segment == 0 || p.offset <= sizes[p.segment - 1] + 7));
    CHECK(rc == 0 || (err.code != ERR_NONE && strstr(err.text, folder) != NULL));
    if (rc == 0) CHECK(p.is_torn == (p.offset < sizes[p.segment - 1]));
    journal_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    if (size_bytes < 3) return 0;
    make_folder();
    unsigned flags = bytes[0];
    size_t sizes[2] = {size_bytes - 3, 0}, second = get_u16(bytes + 1);
    if (second > 0 && second <= sizes[0]) {
        sizes[1] = sizes[0] - second;
        sizes[0] = second;
    }
    unsigned char *copy = malloc(size_bytes);
    CHECK(copy != NULL);
    memcpy(copy, bytes + 3, size_bytes - 3);
    uint64_t sequence = 1;
    if (flags & 1) {
        mend(copy, sizes[0], flags & 2, &sequence);
        mend(copy + sizes[0], sizes[1], flags & 2, &sequence);
    }
    write_segment(1, copy, sizes[0]);
    char path[160];
    snprintf(path, sizeof path, "%s/" JOURNAL_SEGMENT_NAME, folder, 2u);
    if (sizes[1] > 0)
        write_segment(2, copy + sizes[0], sizes[1]);
    else
        remove(path);
    free(copy);
    read_all(sizes);
    return 0;
}
