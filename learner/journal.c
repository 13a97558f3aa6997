#include "learner/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"

#define PATH_BYTES 4096

struct journal {
    char folder[PATH_BYTES];
    char path[PATH_BYTES]; // of the segment being written
    int fd;
    uint64_t run;
    uint32_t epoch, segment;
    uint64_t segment_bytes_max, segment_bytes, size_bytes;
    uint64_t next_sequence;
    bool has_failed;
};

static int segment_path(char out[PATH_BYTES], const char *folder, uint32_t segment, struct err *err)
{
    char name[32];
    snprintf(name, sizeof name, JOURNAL_SEGMENT_NAME, segment);
    return file_join(out, PATH_BYTES, folder, name, err);
}

static int segment_begin(struct journal *j, struct err *err)
{
    if (segment_path(j->path, j->folder, ++j->segment, err) != 0) return -1;
    int fd = open(j->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_set(err, ERR_IO, "begin journal segment %s: %s", j->path, strerror(errno));
    struct wire_buffer header;
    wire_buffer_init(&header);
    journal_encode_segment(&header, j->run, j->epoch, j->segment);
    int status = file_write_all(fd, header.bytes, header.size_bytes, j->path, err);
    j->segment_bytes = header.size_bytes;
    wire_buffer_fini(&header);
    if (status == 0 && fdatasync(fd) != 0)
        status = err_set(err, ERR_IO, "sync journal segment %s: %s", j->path, strerror(errno));
    if (status == 0) status = file_sync_folder(j->folder, err);
    if (status != 0) {
        close(fd);
        return -1;
    }
    if (j->fd >= 0) close(j->fd);
    j->fd = fd;
    return 0;
}

// Cuts what a crash left behind the last whole record.
static int cut_tail(const char *folder, const struct journal_position *end, struct err *err)
{
    char path[PATH_BYTES];
    if (segment_path(path, folder, end->segment, err) != 0) return -1;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return err_set(err, ERR_IO, "open %s: %s", path, strerror(errno));
    int status = 0;
    if (ftruncate(fd, (off_t)end->offset) != 0 || fdatasync(fd) != 0)
        status = err_set(err, ERR_IO, "cut the torn tail of %s: %s", path, strerror(errno));
    close(fd);
    return status;
}

// A segment whose header did not get whole holds nothing: its number is used again.
static int remove_headless(const char *folder, struct journal_position *end, struct err *err)
{
    char path[PATH_BYTES];
    if (segment_path(path, folder, end->segment, err) != 0) return -1;
    if (unlink(path) != 0 && errno != ENOENT)
        return err_set(err, ERR_IO, "remove %s: %s", path, strerror(errno));
    end->segment--;
    return 0;
}

static int replay_all(struct journal *j, journal_replay_fn replay, void *context, struct err *err)
{
    struct journal_reader *reader = journal_open(j->folder, err);
    if (reader == NULL) return -1;
    struct journal_record record;
    int got;
    while ((got = journal_next(reader, &record, err)) == 1) {
        if (replay == NULL || replay(context, &record, err) == 0) continue;
        got = err_prefix(err, "%s: record %" PRIu64, j->folder, record.sequence);
        break;
    }
    struct journal_position end = journal_position(reader);
    journal_close(reader);
    if (got != 0) return -1;

    j->next_sequence = end.sequence;
    bool has_header = end.offset >= JOURNAL_SEGMENT_BYTES;
    if (has_header && end.run != j->run)
        return err_set(err, ERR_MISMATCH,
                       "%s is the journal of run %016" PRIx64 ", not %016" PRIx64, j->folder,
                       end.run, j->run);
    if (end.segment > 0 && !has_header) {
        if (remove_headless(j->folder, &end, err) != 0) return -1;
    } else if (end.is_torn) {
        if (cut_tail(j->folder, &end, err) != 0) return -1;
    }
    j->segment = end.segment;
    return 0;
}

struct journal *journal_start(const char *run_folder, uint64_t run, uint32_t epoch,
                              uint64_t segment_bytes, journal_replay_fn replay, void *context,
                              struct err *err)
{
    struct journal *j = calloc(1, sizeof *j);
    CHECK(j != NULL);
    j->fd = -1;
    j->run = run;
    j->epoch = epoch;
    j->segment_bytes_max = segment_bytes;
    if (file_join(j->folder, sizeof j->folder, run_folder, "journal", err) != 0 ||
        file_make_folders(j->folder, err) != 0 || replay_all(j, replay, context, err) != 0 ||
        segment_begin(j, err) != 0) {
        journal_stop(j);
        return NULL;
    }
    return j;
}

void journal_stop(struct journal *j)
{
    if (j == NULL) return;
    if (j->fd >= 0) close(j->fd);
    free(j);
}

uint64_t journal_next_sequence(const struct journal *j)
{
    return j->next_sequence;
}

int journal_commit(struct journal *j, const void *records, size_t size_bytes, struct err *err)
{
    if (j->has_failed)
        return err_set(err, ERR_IO, "journal %s: an earlier write failed", j->folder);
    j->has_failed = true; // until this one is through
    if (j->segment_bytes > j->segment_bytes_max && segment_begin(j, err) != 0) return -1;
    if (file_write_all(j->fd, records, size_bytes, j->path, err) != 0)
        return err_prefix(err, "append to the journal");
    if (fdatasync(j->fd) != 0)
        return err_set(err, ERR_IO, "append to the journal: sync %s: %s", j->path, strerror(errno));
    j->segment_bytes += size_bytes;
    j->size_bytes += size_bytes;
    j->has_failed = false;
    return 0;
}

uint64_t journal_size_bytes(const struct journal *j)
{
    return j->size_bytes;
}

int journal_find_run(const char *run_folder, bool *is_there, uint64_t *run, struct err *err)
{
    char folder[PATH_BYTES], first[PATH_BYTES];
    *is_there = false;
    if (file_join(folder, sizeof folder, run_folder, "journal", err) != 0 ||
        segment_path(first, folder, 1, err) != 0)
        return -1;
    if (!file_exists(first)) return 0;
    struct journal_reader *reader = journal_open(folder, err);
    if (reader == NULL) return -1;
    struct journal_record record;
    int got = journal_next(reader, &record, err);
    struct journal_position at = journal_position(reader);
    journal_close(reader);
    if (got < 0) return -1;
    *is_there = at.offset >= JOURNAL_SEGMENT_BYTES;
    *run = at.run;
    return 0;
}
