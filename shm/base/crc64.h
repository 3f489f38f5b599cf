/* shm/base/crc64.h - the checksum of RDB files and DUMP payloads: CRC-64 "Jones", reflected, beginning at 0.
 * Owner     nobody: a function of its arguments; its tables are made at first use.
 * Locks     none; the tables are made the same by whoever makes them.
 * Crash     nothing to lose.
 * Survives  nothing to survive.
 * Fails     never.
 * Tests     tests/unit/test_crc64.c */
#ifndef SKEP_CRC64_H
#define SKEP_CRC64_H

#include <stddef.h>
#include <stdint.h>

/* crc: 0 at first, then what the call before answered. */
uint64_t crc64(uint64_t crc, const void *p, size_t n);

#endif
