/* worker/dispatch/keyplan.h - the keys of a transaction whose commands may name further ones while it runs (scripts).
 * Owner     whoever runs the transaction: exec.c, script.c; lives as long as its tries.
 * Locks     what is planned is latched at once, in order; what comes late is tried on the spot, or not had.
 * Crash     private memory; the latches are noted in the lane.
 * Survives  no.
 * Fails     RC_BUSY: a latch was not had. keyplan_again begins anew with all keys that were asked for.
 * Tests     tests/isolation/specs/script_*.spec  tests/crash/scripts.py */
#ifndef SKEP_KEYPLAN_H
#define SKEP_KEYPLAN_H

#include "shm/table.h"

struct keyplan_name {
    char *key;
    size_t n;
    uint64_t hash;
    uint32_t db;
};

struct keyplan {
    struct shm_ctx *ctx;
    struct key_ref *keys; /* planned ones, sorted when they are latched; behind them late ones */
    uint32_t *index;      /* where the i-th planned key is now */
    unsigned n, cap;
    struct keyplan_name *grown; /* every key that came late, in this try or before: planned by the next */
    unsigned ngrown, grown_cap;
    bool refused;   /* a late key was not had: with another try it is planned */
    bool shared;    /* several keys may have one bucket: each looks at all redos */
    uint32_t *find; /* number of a key + 1 by its hash: open addressing, for plans of many keys */
    unsigned find_cap, found;
};

/* Another try: nothing is planned but for what grew. */
void keyplan_again(struct keyplan *p);
void keyplan_free(struct keyplan *p);
/* The i-th planned key is the i-th that is added; after the caller's own come those that grew (keyplan_add_grown). */
void keyplan_add(struct keyplan *p, struct bytes key, uint64_t hash, uint32_t db);
void keyplan_add_grown(struct keyplan *p);
/* Makes the tables that are missing: before tx_begin. */
enum rc keyplan_tables(struct keyplan *p);
enum rc keyplan_latch(struct keyplan *p, struct tx *tx, bool lasts); /* lasts: they are locked */
/* After FLUSHALL and its like within tx: other tables, whose latches need not be taken, since the gate is closed. */
enum rc keyplan_find_again(struct keyplan *p, struct tx *tx);
/* The key as the transaction sees it, or NULL: it is not in the plan. */
const struct key_ref *keyplan_look(struct keyplan *p, struct bytes key, uint64_t hash, uint32_t db);
/* The key's number in the plan; a key that is not in it is latched on the spot. RC_BUSY: it could not be. */
enum rc keyplan_key(struct keyplan *p, struct tx *tx, struct bytes key, uint32_t db, unsigned *at);

#endif
