/*
 * gate_pipe.h - records over the socketpair between the trainer and the gate.
 *
 * A record is {u32 type, u32 0, u64 request, u64 payload bytes} and a payload,
 * in the machine's byte order: both ends are this program.  An answer carries
 * the request it answers, so that one which comes too late is told apart.
 *
 * The gate's end never blocks: it reads and writes what goes.  The trainer's
 * end waits, with a deadline.
 */
#ifndef ARGOSY_LEARNER_GATE_PIPE_H
#define ARGOSY_LEARNER_GATE_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/err.h"

enum pipe_type {
    PIPE_MAKE_ROOM = 1, // nothing: a version of the weights is to come
    PIPE_PUBLISH,       // the bytes, then u64 version
    PIPE_ORDER,         // struct order
    PIPE_AWAIT,         // u64 number
    PIPE_COMMIT,        // u64 number, u64 step, then struct order_fate each
    PIPE_STATUS,        // nothing; the answer: struct gate_status
    PIPE_STOP,          // u64 is_final, then the reason's text
    PIPE_DONE,          // answers
    PIPE_SAMPLES,       // u64 n, then each {u32 bytes, u32 0, payload, zeros to 8}
    PIPE_ERROR,         // u64 code, then text
    PIPE_ENDED,         // unasked: the gate is over; as PIPE_ERROR
};
#define PIPE_HEADER_BYTES 24

struct pipe_record {
    uint32_t type;
    uint64_t request;
    unsigned char *payload; // malloc'ed; the receiver's
    uint64_t payload_bytes;
};

struct gate_pipe {
    int fd;
    unsigned char header[PIPE_HEADER_BYTES];
    size_t header_bytes;        // of the record being read
    struct pipe_record reading; // payload_bytes: expected
    uint64_t payload_bytes;     // of it, read so far
    unsigned char *out;         // malloc'ed: what is still to be written
    size_t out_bytes, out_written, out_capacity;
};

int gate_pipe_pair(struct gate_pipe *trainer, struct gate_pipe *gate, struct err *err);
void gate_pipe_fini(struct gate_pipe *p);

// 1: *out is the next record; 0: not whole yet; -1: the other end is gone.
int gate_pipe_read(struct gate_pipe *p, struct pipe_record *out);
// The same, waiting until deadline_ms (clock_now_ms()); 0: it passed.
int gate_pipe_wait(struct gate_pipe *p, uint64_t deadline_ms, struct pipe_record *out);

// Queues a record and its payload in two parts; gate_pipe_flush() writes.
void gate_pipe_put(struct gate_pipe *p, uint32_t type, uint64_t request, const void *head,
                   size_t head_bytes, const void *tail, size_t tail_bytes);
// For payloads made in place: begin, add, end.
size_t gate_pipe_begin(struct gate_pipe *p, uint32_t type, uint64_t request);
void gate_pipe_add(struct gate_pipe *p, const void *bytes, size_t size_bytes);
void gate_pipe_end(struct gate_pipe *p, size_t begun);

// 1: all is written; 0: the other end has to read first; -1: it is gone.
int gate_pipe_flush(struct gate_pipe *p);
// Writes a record without queueing its tail, waiting until deadline_ms.
int gate_pipe_write(struct gate_pipe *p, uint32_t type, uint64_t request, const void *head,
                    size_t head_bytes, const void *tail, size_t tail_bytes, uint64_t deadline_ms,
                    struct err *err);

#endif
