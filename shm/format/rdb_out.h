/* shm/format/rdb_out.h - writes Redis's RDB format, version 10 (Redis 7.0 reads it), or 12 (7.4), and DUMP payloads.
 * Owner     whoever writes.
 * Locks     none here: the caller sees to it that an entry stays as it is while it is written.
 * Crash     private memory, gone with the process; the caller's flush decides what becomes of the bytes.
 * Survives  what was flushed.
 * Fails     RC_NOMEM, or what flush said (RC_IO); every later call answers the same.
 * Tests     tests/unit/test_rdb_out.c  tests/compat/rdb_files.py */
#ifndef SKEP_RDB_OUT_H
#define SKEP_RDB_OUT_H

#include "shm/base/lzf.h"
#include "shm/entry.h"

struct shm_config;

/* Takes all n bytes, or says why not. */
typedef enum rc rdb_flush_fn(void *arg, const char *p, size_t n);

struct rdb_out {
    char *buf;
    size_t len, cap;
    rdb_flush_fn *flush; /* NULL: the buffer grows and keeps everything */
    void *arg;
    bool compress, checksum; /* rdbcompression, rdbchecksum: set before the first byte */
    enum rc rc;              /* the first failure */
    uint64_t crc;            /* of what was flushed */
    uint64_t flushed;        /* bytes */
    struct lzf_table *table; /* made when it is first needed; may be the caller's own, which it then frees */
    bool table_is_ours;
};

/* Both switches are on. cap: the size at which the buffer is flushed, or the size to begin with. What is
 * longer than the buffer is flushed from where it lies, in pieces, without being copied. */
enum rc rdb_out_open(struct rdb_out *out, size_t cap, rdb_flush_fn *flush, void *arg);
void rdb_out_close(struct rdb_out *out); /* flushes nothing */

/* ---- a file: header, own AUX fields, (select, entries)..., end ---- */

struct rdb_facts {
    int64_t now_s;
    uint64_t used_bytes;
    bool aof_base;
    bool fields; /* of some hash expire: it takes the version that knows such hashes */
};
enum rc rdb_out_header(struct rdb_out *out, const struct rdb_facts *facts);
enum rc rdb_out_aux(struct rdb_out *out, const char *name, struct bytes value);
enum rc rdb_out_aux_integer(struct rdb_out *out, const char *name, int64_t value);
/* Before the entries of a database; the sizes are a hint for the reader. */
enum rc rdb_out_select(struct rdb_out *out, uint32_t db, uint64_t keys, uint64_t expires);
/* Key and value, with its expiry, and by the policy its idle time or frequency. RC_NOTYPE (which is not
 * remembered): a type that cannot be written. */
enum rc rdb_out_entry(struct rdb_out *out, const struct shm_entry *e, const struct shm_config *cfg,
                      int64_t now_ms);
/* A library of functions, by its source: in a file, or in a payload of FUNCTION DUMP. */
enum rc rdb_out_function(struct rdb_out *out, struct bytes code);
/* The end mark and the checksum (0 without checksum), and the last flush. */
enum rc rdb_out_end(struct rdb_out *out);

/* ---- a DUMP payload: an empty growing buffer becomes buf, len ---- */

enum rc rdb_out_dump(struct rdb_out *out, const struct shm_entry *e);
/* What stands behind any payload: version and checksum. */
enum rc rdb_out_footer(struct rdb_out *out);

/* ---- pieces, for types' own writers ---- */

enum rc rdb_out_bytes(struct rdb_out *out, const void *p, size_t n);
enum rc rdb_out_length(struct rdb_out *out, uint64_t n);
/* As an integer if it looks like one, compressed if that gains 4 bytes, else as it is. */
enum rc rdb_out_string(struct rdb_out *out, struct bytes s);
enum rc rdb_out_integer(struct rdb_out *out, int64_t v);

/* The enum rdb_type that the entry's value is written as, -1: it cannot be. */
int rdb_out_type(const struct shm_entry *e);
/* The value of a list, set, hash or sorted set. */
enum rc rdb_out_collection(struct rdb_out *out, const struct shm_entry *e);

#endif
