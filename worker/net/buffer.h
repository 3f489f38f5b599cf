/* worker/net/buffer.h - the bytes that a client's connection keeps: short ones from the heap, long ones as pages.
 * Owner     the client; scrap belongs to the worker.
 * Locks     none.
 * Crash     private memory, gone with the process.
 * Survives  no.
 * Fails     memory that cannot be had is a CHECK.
 * Tests     tests/crash/long_requests.py  tests/bench/big_values.py */
#ifndef SKEP_BUFFER_H
#define SKEP_BUFFER_H

#include "include/bytes.h"

/* From so many bytes on a buffer is a mapping of its own: to grow it the kernel moves page tables, where the heap
 * would copy hundreds of megabytes. */
#define BUFFER_PAGES_BYTES (1u << 20)

/* What is to go back to the system, a piece a turn: unmapping 512 MB takes some 30 ms. */
struct scrap {
    struct scrap_piece {
        char *at;
        size_t bytes;
    } * piece;
    size_t n, cap;
};

/* The buffer (NULL with *cap 0: none) with room for at least so many bytes; *cap becomes what it has. */
char *buffer_grow(char *p, size_t *cap, size_t bytes);
void buffer_free(struct scrap *scrap, char *p, size_t cap);
/* Gives a piece back; true: there is more. */
bool scrap_step(struct scrap *scrap);

#endif
