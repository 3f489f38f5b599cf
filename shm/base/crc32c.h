/* shm/base/crc32c.h - the checksum of the log's frames (Castagnoli's polynomial).
 * Owner     nobody: pure functions.
 * Locks     none.
 * Crash     nothing is kept.
 * Survives  nothing to survive.
 * Fails     never.
 * Tests     tests/unit/test_wal_file.c */
#ifndef SKEP_CRC32C_H
#define SKEP_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what crc was the checksum of, with these bytes behind it; crc is 0 at the beginning. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
/* The same without the CPU's instruction: for tests, and for machines that lack it. */
uint32_t crc32c_table(uint32_t crc, const void *p, size_t n);

#endif
