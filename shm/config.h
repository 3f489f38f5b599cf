/* shm/config.h - the server's configuration: one plain structure, made from include/directives.def.
 * Owner     the master fills it before the first fork; afterwards whoever runs CONFIG SET.
 * Locks     none inside: writers, the master too, take turns by root->config_latch; readers look at single members.
 * Crash     a change is built on a copy and then stored over the original, generation last. A death in between
 *           leaves each member old or new; config_set_many run again with the same pairs completes it.
 * Survives  worker death and upgrade (config_layout() tells whether a new binary may map it). Restart: no.
 * Fails     config_set and config_set_many say why in words, and have then changed nothing.
 * Tests     tests/unit/test_config.c  tests/fuzz/fuzz_config.c */
#ifndef SKEP_SHM_CONFIG_H
#define SKEP_SHM_CONFIG_H

#include <limits.h>
#include <syslog.h>

#include "include/bytes.h"
#include "include/rc.h"
#include "shm/base/log.h"

/* The longest value: a bind list or a password of 1024, or 64 save points of at most 42 bytes. */
#define CONFIG_VALUE_MAX 4096
/* In a file each byte of a text of 1024 may stand as \xhh, with a second backslash before it. */
#define CONFIG_FILE_VALUE_MAX (5 * 1024 + 64)
#define CONFIG_ERR_MAX        512
#define CONFIG_SAVES_MAX      64
#define CONFIG_BINDS_MAX      16
#define CONFIG_QUANTS_MAX     32

enum crash_policy { CRASH_REPAIR, CRASH_REBUILD };
enum supervised { SUPERVISED_NO, SUPERVISED_AUTO, SUPERVISED_SYSTEMD, SUPERVISED_UPSTART };
enum evict_policy {
    EVICT_VOLATILE_LRU,
    EVICT_VOLATILE_LFU,
    EVICT_VOLATILE_RANDOM,
    EVICT_VOLATILE_TTL,
    EVICT_ALLKEYS_LRU,
    EVICT_ALLKEYS_LFU,
    EVICT_ALLKEYS_RANDOM,
    EVICT_NOEVICTION,
};
enum protected_action { PROTECTED_NO, PROTECTED_YES, PROTECTED_LOCAL };
enum fsync_policy { FSYNC_NO, FSYNC_ALWAYS, FSYNC_EVERYSEC };
enum oom_mode { OOM_NO, OOM_RELATIVE, OOM_ABSOLUTE };

/* shutdown-on-sigint and shutdown-on-sigterm: 0 is default, otherwise a sum of these. */
enum { SHUTDOWN_WORD_SAVE = 1, SHUTDOWN_WORD_NOSAVE = 2, SHUTDOWN_WORD_NOW = 4, SHUTDOWN_WORD_FORCE = 8 };

/* notify-keyspace-events */
enum {
    NOTIFY_KEYSPACE = 1 << 0,  /* K */
    NOTIFY_KEYEVENT = 1 << 1,  /* E */
    NOTIFY_GENERIC = 1 << 2,   /* g */
    NOTIFY_STRING = 1 << 3,    /* $ */
    NOTIFY_LIST = 1 << 4,      /* l */
    NOTIFY_SET = 1 << 5,       /* s */
    NOTIFY_HASH = 1 << 6,      /* h */
    NOTIFY_ZSET = 1 << 7,      /* z */
    NOTIFY_EXPIRED = 1 << 8,   /* x */
    NOTIFY_EVICTED = 1 << 9,   /* e */
    NOTIFY_STREAM = 1 << 10,   /* t */
    NOTIFY_KEY_MISS = 1 << 11, /* m, not part of A */
    NOTIFY_MODULE = 1 << 12,   /* d */
    NOTIFY_NEW = 1 << 13,      /* n, not part of A */
    NOTIFY_ALL = NOTIFY_GENERIC | NOTIFY_STRING | NOTIFY_LIST | NOTIFY_SET | NOTIFY_HASH | NOTIFY_ZSET |
                 NOTIFY_EXPIRED | NOTIFY_EVICTED | NOTIFY_STREAM | NOTIFY_MODULE,
};

/* The classes of client-output-buffer-limit. */
enum { OUTPUT_NORMAL, OUTPUT_REPLICA, OUTPUT_PUBSUB, OUTPUT_CLASSES };

struct output_limit {
    uint64_t hard_bytes, soft_bytes;
    int64_t soft_seconds;
};

struct save_point {
    int64_t seconds;
    int64_t changes;
};

/* bind_value:        addresses separated by single spaces, "" for none; each may begin with '-' (optional).
 * dir_value:         always absolute.
 * replicaof_value:   "host port", "" for none.
 * save_given:        a save directive of a file has been seen: the built-in points are gone. */
struct shm_config {
    uint64_t generation; /* grows with each change: processes compare it to notice one */
#define DIR_BOOL(id, ...)                     bool id;
#define DIR_INT(id, ...)                      int64_t id;
#define DIR_UINT(id, ...)                     uint64_t id;
#define DIR_ENUM(id, ...)                     int id;
#define DIR_TEXT(id, name, alias, bytes, ...) char id[bytes];
#include "include/directives.def"
    char bind_value[1024];
    char dir_value[1024];
    char replicaof_value[320];
    struct output_limit output_limits[OUTPUT_CLASSES];
    int oom_values[3];
    int notify_flags;
    double percentiles[CONFIG_QUANTS_MAX];
    int npercentiles;
    int nsaves;
    struct save_point saves[CONFIG_SAVES_MAX];
    bool save_given;
};
_Static_assert(sizeof(struct shm_config) <= 64 * 1024, "a copy of it must fit a stack");

/* The number of each directive: D_port, D_save, ... */
enum directive_id {
#define DIR_BOOL(id, ...) D_##id,
#define DIR_INT(id, ...)  D_##id,
#define DIR_UINT(id, ...) D_##id,
#define DIR_ENUM(id, ...) D_##id,
#define DIR_TEXT(id, ...) D_##id,
#define DIR_OWN(id, ...)  D_##id,
#include "include/directives.def"
    CONFIG_COUNT
};

enum {
    DIR_IMM = 1u << 0,
    DIR_PROT = 1u << 1,
    DIR_HID = 1u << 2,
    DIR_SENS = 1u << 3,
    DIR_MULTI = 1u << 4,
    DIR_MEM = 1u << 5,
    DIR_PCT = 1u << 6,
    DIR_OCT = 1u << 7,
    DIR_NUL = 1u << 8,
};
enum directive_status { DIR_WORKS, DIR_LATER, DIR_STOPS };

/* Where a value comes from. A file's save lines add up, CONFIG SET's replace; a file may set what is
 * immutable. */
enum config_from { CONFIG_FROM_FILE, CONFIG_FROM_CLIENT };

struct config_changes {
    uint64_t bits[(CONFIG_COUNT + 63) / 64];
};
static inline bool config_changed(const struct config_changes *c, enum directive_id id)
{
    return c->bits[id / 64] >> (id % 64) & 1;
}

struct config_pair {
    struct bytes name, value;
};

/* One line of CONFIG GET's reply: an exact name is echoed as the client wrote it. */
struct config_hit {
    struct bytes name;
    int id;
};
#define CONFIG_HITS_MAX (2 * CONFIG_COUNT)

void config_defaults(struct shm_config *cfg);

/* The directive of that name or alias in any case, or -1. */
int config_find(struct bytes name);
const char *config_name(int id);
const char *config_alias(int id); /* NULL: none */
unsigned config_flags(int id);
enum directive_status config_status(int id);
const char *config_lacks(int id);

/* Sets one directive from its words. RC_MISSING: no such directive; RC_INVALID: err says why. */
enum rc config_set(struct shm_config *cfg, struct bytes name, const struct bytes *words, int nwords,
                   enum config_from from, char *err, size_t errlen);

/* CONFIG SET: all pairs or none. On failure err is the whole error reply without the leading '-'.
 * may_protected: enable-protected-configs lets this client change dir and dbfilename. */
enum rc config_set_many(struct shm_config *cfg, const struct config_pair *pairs, int npairs,
                        bool may_protected, struct config_changes *changed, char *err, size_t errlen);

/* The value as CONFIG GET shows it; answers its length, the buffer is always terminated. */
size_t config_get(const struct shm_config *cfg, int id, char *buf, size_t cap);

/* The value as it stands in a file (units, quotes), for save and the output limits one line per call: line
 * counts from 0, and RC_MISSING means that there are no more. */
enum rc config_file_value(const struct shm_config *cfg, int id, int line, char *buf, size_t cap);

/* What CONFIG GET with these patterns answers; hits has room for CONFIG_HITS_MAX plus npatterns. */
int config_select(const struct bytes *patterns, int npatterns, struct config_hit *hits);

/* Whether the value asks for the feature behind the directive (no, 0 and "" do not, nor does a default that
 * is off). */
bool config_asks(const struct shm_config *cfg, int id);
bool config_is_default(const struct shm_config *cfg, int id);
void config_compare(const struct shm_config *a, const struct shm_config *b, struct config_changes *changed);

/* A hash over names, offsets and sizes: two binaries with the same one understand each other's struct
 * shm_config. */
uint64_t config_layout(void);

#endif
