/* shm/types/hll.h - HyperLogLogs: strings in the very representation that Redis gives them.
 * Owner     the key's entry (a string's).
 * Locks     the caller holds the key's latch through its transaction.
 * Crash     as shm/types/string.h: new values are built aside, registers in place are saved first.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY: the caller aborts. RC_INVALID: the value's registers are damaged; nothing is changed.
 * Tests     tests/unit/test_hll.c  tests/compat/bits_both.py */
#ifndef SKEP_HLL_H
#define SKEP_HLL_H

#include "shm/table.h"

/* The value, front to back:
 *
 *  0      4          5        8                   16
 *  +------+----------+--------+-------------------+-----------------
 *  | HYLL | encoding | 0 0 0  | cardinality, LE   | registers ...
 *  +------+----------+--------+-------------------+-----------------
 *
 * The cardinality is what was counted last; its highest bit says that it is out of date. Registers are numbers of 6
 * bits, dense: one behind the other, from the lowest bit on; or sparse, as runs:
 *
 *   00nnnnnn           n + 1 registers of 0       (a zero)
 *   01nnnnnn nnnnnnnn  n + 1 registers of 0       (a long zero)
 *   1vvvvvnn           n + 1 registers of v + 1   (a value) */
#define HLL_BITS      14u
#define HLL_REGISTERS (1u << HLL_BITS)
#define HLL_HEAD      16u
#define HLL_CARD      8u /* where the cardinality stands */
#define HLL_DENSE     (HLL_HEAD + HLL_REGISTERS * 6 / 8)
/* A sparse value is never longer, since each byte of a run stands for a register at least. */
#define HLL_LONGEST (HLL_HEAD + HLL_REGISTERS + 8)

/* Do the bytes look like one? What stands in its registers is not looked at. */
bool hll_is(struct bytes value);
static inline bool hll_is_dense(struct bytes value)
{
    return value.p[4] == 0;
}
/* The cardinality that stands in the value. False: it is out of date. */
bool hll_cached(struct bytes value, uint64_t *count);

/* ---- one that is being changed, in private memory ---- */

struct hll {
    size_t n;
    uint8_t p[HLL_LONGEST];
};
void hll_new(struct hll *h);                         /* empty, sparse */
enum rc hll_open(struct hll *h, struct bytes value); /* a copy */
enum rc hll_to_dense(struct hll *h);                 /* nothing if it is */
/* Raises a register to rank, if it is lower: *changed. A sparse one becomes dense where the rank, or sparse_max bytes,
 * ask for it. */
enum rc hll_raise(struct hll *h, unsigned index, unsigned rank, uint64_t sparse_max, bool *changed);
void hll_outdate(struct hll *h); /* the cardinality is out of date */

/* The register that an element goes to, and what the register becomes at least. */
unsigned hll_rank(struct bytes element, unsigned *index);
unsigned hll_register(const uint8_t *registers, unsigned index); /* of a dense one */
/* Raises each of the registers to that of the value. */
enum rc hll_merge(uint8_t registers[HLL_REGISTERS], struct bytes value);
uint64_t hll_count_registers(const uint8_t registers[HLL_REGISTERS]);
enum rc hll_count(struct bytes value, uint64_t *count);

/* ---- a key's ---- */

/* What a change is given. k holds one, or nothing. */
struct hll_change {
    uint64_t sparse_max; /* hll-sparse-max-bytes */
    uint32_t clock;
};
/* Adds elements; *changed: how many made a difference, where making the key counts as one. */
enum rc hll_add(struct tx *tx, struct key_ref *k, const struct hll_change *how, const struct bytes *element,
                size_t n, unsigned *changed);
/* The value becomes this one. */
enum rc hll_store(struct tx *tx, struct key_ref *k, const struct hll *h, uint32_t clock);
/* Notes the cardinality in the value, whose bytes are then *card. */
enum rc hll_cache(struct tx *tx, struct key_ref *k, uint64_t count, uint32_t clock, char card[8]);

#endif
