/* shm/base/lzf.h - LZF, the compression inside RDB files: Redis reads what we write, and the reverse.
 * Owner     the caller owns table and buffers.
 * Locks     none.
 * Crash     private memory, gone with the process.
 * Survives  no.
 * Fails     0 from lzf_compress: it would not fit; false from lzf_decompress: no LZF, or of another length.
 * Tests     tests/unit/test_lzf.c  tests/fuzz/fuzz_rdb.c */
#ifndef SKEP_LZF_H
#define SKEP_LZF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LZF_SLOTS (1u << 16)
#define LZF_MAX   (1ull << 31) /* longer inputs are not compressed: places are 32 bits */
#define LZF_GAIN  88u          /* three bytes stand for 264 at most */

/* Where three bytes were last seen. May be used for one input after the other; begins as zeros. */
struct lzf_table {
    uint32_t base; /* places up to here belong to earlier inputs: so the table need not be cleared for each */
    uint32_t seen[LZF_SLOTS];
};

/* The compressed bytes' number, at most room; 0: they would be more, or n is beyond LZF_MAX. The outcome,
 * a refusal included, is the one of the library that Redis uses, byte for byte. */
size_t lzf_compress(struct lzf_table *t, const void *in, size_t n, void *out, size_t room);

/* The same in pieces. lzf_measure is lzf_compress without its output; after lzf_begin, lzf_piece gives the
 * bytes, each time at least one and at most room (which is LZF_PIECE_MIN or more), and 0 at the end. */
#define LZF_PIECE_MIN 64u
struct lzf {
    struct lzf_table *table;
    const uint8_t *in;
    size_t n, at; /* what lies before at is in the output */
    uint32_t base;
};
size_t lzf_measure(struct lzf_table *t, const void *in, size_t n, size_t room);
void lzf_begin(struct lzf *z, struct lzf_table *t, const void *in, size_t n);
size_t lzf_piece(struct lzf *z, void *out, size_t room);

/* Exactly n bytes come of it, and all of the input is used up; or false. */
bool lzf_decompress(const void *in, size_t length, void *out, size_t n);

#endif
