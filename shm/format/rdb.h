/* shm/format/rdb.h - the numbers of Redis's RDB format that reading and writing share.
 * Owner     the format: none of them can be changed.
 * Locks     none.
 * Crash     nothing to lose.
 * Survives  yes, they are in files.
 * Fails     never.
 * Tests     tests/compat/rdb_files.py */
#ifndef SKEP_RDB_H
#define SKEP_RDB_H

#define RDB_VERSION_MAX    12 /* what can be read: Redis 7.4's */
#define RDB_VERSION_OUT    10 /* what is written: Redis 7.0's */
#define RDB_VERSION_FIELDS 12 /* what is written where fields of hashes expire: Redis 7.4's */

/* The type byte of a value: what it is and how it is written. The numbers are the format's. */
enum rdb_type {
    RDB_STRING = 0,
    RDB_LIST = 1,
    RDB_SET = 2,
    RDB_ZSET = 3, /* scores as text */
    RDB_HASH = 4,
    RDB_ZSET_2 = 5, /* scores as doubles */
    RDB_MODULE_1 = 6,
    RDB_MODULE_2 = 7,
    RDB_HASH_ZIPMAP = 9,
    RDB_LIST_ZIPLIST = 10,
    RDB_SET_INTSET = 11,
    RDB_ZSET_ZIPLIST = 12,
    RDB_HASH_ZIPLIST = 13,
    RDB_LIST_QUICKLIST = 14,
    RDB_STREAM_LISTPACKS = 15,
    RDB_HASH_LISTPACK = 16,
    RDB_ZSET_LISTPACK = 17,
    RDB_LIST_QUICKLIST_2 = 18,
    RDB_STREAM_LISTPACKS_2 = 19,
    RDB_SET_LISTPACK = 20,
    RDB_STREAM_LISTPACKS_3 = 21,
    RDB_HASH_EXPIRING_RC = 22, /* 22 and 23: what Redis 7.4's release candidates wrote */
    RDB_HASH_LISTPACK_EXPIRING_RC = 23,
    RDB_HASH_EXPIRING = 24, /* fields with an expiry of their own */
    RDB_HASH_LISTPACK_EXPIRING = 25,
    RDB_TYPE_LIMIT
};

/* What stands where a type byte could stand, and is none. */
enum rdb_mark {
    RDB_MARK_SLOT_INFO = 244,
    RDB_MARK_FUNCTION = 245,
    RDB_MARK_FUNCTION_RC = 246, /* what release candidates of Redis 7.0 wrote */
    RDB_MARK_MODULE_AUX = 247,
    RDB_MARK_IDLE = 248,
    RDB_MARK_FREQ = 249,
    RDB_MARK_AUX = 250,
    RDB_MARK_SIZES = 251,
    RDB_MARK_EXPIRY_MS = 252,
    RDB_MARK_EXPIRY_S = 253,
    RDB_MARK_SELECT = 254,
    RDB_MARK_END = 255,
};

/* A base of our log says in this one up to which record it goes. */
#define RDB_AUX_LSN "skep-lsn"

#endif
