#include "learner/comm.h"

#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"

#define BUCKET_FLOATS ((size_t)1 << 20) // 4 MiB: one huge exchange runs at half the speed
#define PIECE_BYTES ((size_t)64 << 20)  // counts of MPI are ints
#define RANKS_MAX 1024
#define NAP_FIRST_NS 5000L
#define NAP_LAST_NS 2000000L

static struct {
    int rank, size, host_size;
    uint64_t patience_ms;
    float *inbox; // (size, BUCKET_FLOATS), made when first needed
} comm = {.size = 1, .host_size = 1, .patience_ms = 1800u * 1000u};

void comm_start(void)
{
    int provided = 0, initialized = 0;
    MPI_Comm host;

    MPI_Initialized(&initialized);
    if (!initialized) MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &comm.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &comm.size);
    CHECK(comm.size <= RANKS_MAX);
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
    MPI_Comm_size(host, &comm.host_size);
    MPI_Comm_free(&host);
}

void comm_end(void)
{
    free(comm.inbox);
    comm.inbox = NULL;
    MPI_Finalize();
}

int comm_rank(void)
{
    return comm.rank;
}

int comm_size(void)
{
    return comm.size;
}

int comm_host_size(void)
{
    return comm.host_size;
}

bool comm_is_bound(void)
{
    const char *bound = getenv("OMPI_MCA_orte_bound_at_launch"); // Open MPI 4

    return bound != NULL && strcmp(bound, "1") == 0;
}

void comm_set_patience(uint32_t seconds)
{
    comm.patience_ms = (uint64_t)seconds * 1000u;
}

// MPI's own waits spin at full speed; this one naps, longer and longer.
static void wait_for(MPI_Request *requests, int n, const char *what)
{
    uint64_t deadline_ms = clock_now_ms() + comm.patience_ms;
    long nap_ns = NAP_FIRST_NS;

    for (unsigned looks = 0;; looks++) {
        int is_done = 0;

        MPI_Testall(n, requests, &is_done, MPI_STATUSES_IGNORE);
        if (is_done) return;
        if (looks < 32) continue;
        nanosleep(&(struct timespec){.tv_nsec = nap_ns}, NULL);
        if (nap_ns < NAP_LAST_NS) nap_ns += nap_ns / 2;
        if (clock_now_ms() < deadline_ms) continue;
        log_line(LOG_ERROR, "comm rank=%d gave up: %s took longer than %llu s", comm.rank, what,
                 (unsigned long long)(comm.patience_ms / 1000u));
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
}

void comm_broadcast(void *bytes, size_t size_bytes)
{
    if (comm.size == 1) return;
    for (size_t at = 0; at < size_bytes; at += PIECE_BYTES) {
        size_t piece = size_bytes - at < PIECE_BYTES ? size_bytes - at : PIECE_BYTES;
        MPI_Request request;

        MPI_Ibcast((unsigned char *)bytes + at, (int)piece, MPI_BYTE, 0, MPI_COMM_WORLD, &request);
        wait_for(&request, 1, "a broadcast of rank 0");
    }
}

void comm_broadcast_block(void **bytes, size_t *size_bytes)
{
    uint64_t size = *size_bytes;

    comm_broadcast(&size, sizeof size);
    if (comm.rank != 0) {
        *size_bytes = (size_t)size;
        *bytes = malloc(*size_bytes + 1);
        CHECK(*bytes != NULL);
    }
    comm_broadcast(*bytes, *size_bytes);
}

void comm_gather_all(const void *own, size_t size_bytes, void *all)
{
    MPI_Request request;

    CHECK(size_bytes < PIECE_BYTES);
    MPI_Iallgather(own, (int)size_bytes, MPI_BYTE, all, (int)size_bytes, MPI_BYTE, MPI_COMM_WORLD,
                   &request);
    wait_for(&request, 1, "a gather");
}

static size_t longest_part(const size_t *first)
{
    size_t longest = 0;

    for (int r = 0; r < comm.size; r++) {
        size_t count = first[r + 1] - first[r];

        if (count > longest) longest = count;
    }
    return longest;
}

// The piece of part r that starts `at` items into it: how many items it has.
static size_t piece_of(const size_t *first, int r, size_t at, size_t most)
{
    size_t count = first[r + 1] - first[r];

    if (at >= count) return 0;
    return count - at < most ? count - at : most;
}

void comm_share_parts(void *array, size_t item_bytes, const size_t *first)
{
    size_t most = BUCKET_FLOATS * sizeof(float) / item_bytes, longest = longest_part(first);
    MPI_Request requests[2 * RANKS_MAX];

    if (comm.size == 1) return;
    for (size_t at = 0; at < longest; at += most) {
        size_t own = piece_of(first, comm.rank, at, most);
        int n = 0;

        for (int r = 0; r < comm.size; r++) {
            size_t theirs = piece_of(first, r, at, most);
            unsigned char *to = (unsigned char *)array + (first[r] + at) * item_bytes;
            const unsigned char *from =
                (const unsigned char *)array + (first[comm.rank] + at) * item_bytes;

            if (r == comm.rank) continue;
            if (theirs > 0) {
                MPI_Irecv(to, (int)(theirs * item_bytes), MPI_BYTE, r, 1, MPI_COMM_WORLD,
                          &requests[n++]);
            }
            if (own > 0) {
                MPI_Isend(from, (int)(own * item_bytes), MPI_BYTE, r, 1, MPI_COMM_WORLD,
                          &requests[n++]);
            }
        }
        wait_for(requests, n, "the sharing of parts");
    }
}

void comm_exchange_parts(float *array, const size_t *first, comm_fold_fn fold, void *context)
{
    size_t longest = longest_part(first);
    MPI_Request requests[2 * RANKS_MAX];
    float *parts[RANKS_MAX];

    if (comm.size > 1 && comm.inbox == NULL) {
        comm.inbox = malloc((size_t)comm.size * BUCKET_FLOATS * sizeof(float));
        CHECK(comm.inbox != NULL);
    }
    for (size_t at = 0; at < longest; at += BUCKET_FLOATS) {
        size_t own = piece_of(first, comm.rank, at, BUCKET_FLOATS);
        int n = 0;

        for (int r = 0; r < comm.size; r++) {
            size_t theirs = piece_of(first, r, at, BUCKET_FLOATS);
            float *inbox = comm.inbox ? comm.inbox + (size_t)r * BUCKET_FLOATS : NULL;

            parts[r] = r == comm.rank ? array + first[r] + at : inbox;
            if (r == comm.rank) continue;
            if (own > 0) {
                MPI_Irecv(inbox, (int)own, MPI_FLOAT, r, 2, MPI_COMM_WORLD, &requests[n++]);
            }
            if (theirs > 0) {
                MPI_Isend(array + first[r] + at, (int)theirs, MPI_FLOAT, r, 2, MPI_COMM_WORLD,
                          &requests[n++]);
            }
        }
        wait_for(requests, n, "the exchange of gradients");
        if (own > 0) fold(context, first[comm.rank] + at, own, parts);
    }
}

int comm_agree(int status, struct err *err)
{
    struct err *all;
    struct err own = {0};
    int failed = -1;

    if (comm.size == 1) return status;
    if (status != 0) own = *err;
    if (status != 0 && own.code == ERR_NONE) own.code = ERR_IO;
    all = calloc((size_t)comm.size, sizeof *all);
    CHECK(all != NULL);
    comm_gather_all(&own, sizeof own, all);
    for (int r = comm.size - 1; r >= 0; r--) {
        if (all[r].code != ERR_NONE) failed = r;
    }
    if (failed >= 0) *err = all[failed];
    if (failed > 0) (void)err_prefix(err, "rank %d", failed);
    free(all);
    return failed >= 0 ? -1 : 0;
}
