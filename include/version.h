/* include/version.h - which Redis we are like.
 * Owner     the program text.
 * Locks     none.
 * Crash     nothing to lose.
 * Survives  yes, it is code.
 * Fails     never.
 * Tests     tests/regress/server_info */
#ifndef SKEP_VERSION_H
#define SKEP_VERSION_H

/* What we answer to clients, and write into files, that look for a version of Redis. */
#define REDIS_VERSION     "7.2.4"
#define REDIS_VERSION_NUM 0x00070204

#endif
