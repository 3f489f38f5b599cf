/* shm/pages.h - what stands behind the units: pages of the system, obtained, folded into huge ones, given back.
 * Owner     obtaining: who takes the units. The rest: the slow lanes, beside their commands.
 * Locks     the trim latch, as a nested action; giving back, the arena latch within it.
 * Crash     a note that pages are there is made after they are, and taken back before they go. That a chunk is folded is
 *           a hint: wrong, it costs speed.
 * Survives  worker death and a change of binary: yes.
 * Fails     RC_NOMEM when the machine has no room. Without huge pages everything goes on in small ones.
 * Tests     tests/unit/test_arena.c  tests/crash/crash_points.c */
#ifndef SKEP_PAGES_H
#define SKEP_PAGES_H

#include "shm/arena.h"

#define CHUNK_BYTES (2ull << 20) /* a huge page */
#define CHUNK_UNITS 32u

enum rc units_obtain(uint64_t first, uint64_t n);
/* Maps the pages of units that have been obtained into this process, all at once: sixteen first touches cost
 * about four times as much. */
void units_map(uint64_t first, uint64_t n);

/* While units are being taken, obtains those that will be next, so that whoever takes one does not wait for the
 * system (on a virtual machine the first touch may last milliseconds). Twice as many as were taken since the last
 * call; *seen is the caller's own, 0 at first. True: units were taken, call again within some 5 ms. What is not
 * taken after all goes back by pages_trim. */
bool pages_ahead(struct shm_ctx *ctx, uint64_t *seen);

/* Looks on from *from, the caller's own and 0 at first, for a chunk whose units are all taken, and folds it into a huge
 * page. Who touches the chunk meanwhile waits. False: none was found, or the system gives none. */
bool pages_fold(struct shm_ctx *ctx, uint64_t *from);

/* Gives up to max free units back to the system: pages that the caller saw free in *before already.
 * before is the caller's own bitmap of the previous look, updated here. Returns how many went. */
unsigned pages_trim(struct shm_ctx *ctx, uint64_t *before, unsigned max);

/* What of the arena the system stands behind, and what of that lies in huge pages. */
uint64_t pages_resident_bytes(void);
uint64_t pages_folded_bytes(void);

#endif
