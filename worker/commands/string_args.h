/* worker/commands/string_args.h - what the handlers of string commands share.
 * Owner     the process that runs the command.
 * Locks     none.
 * Crash     nothing is changed.
 * Survives  nothing to survive.
 * Fails     false: the error has been written, the handler returns.
 * Tests     tests/regress */
#ifndef SKEP_STRING_ARGS_H
#define SKEP_STRING_ARGS_H

#include "shm/evict.h"
#include "worker/commands/args.h"

/* Copying more than this takes longer than a worker's other clients should wait (some 100 us a megabyte). */
#define LONG_BYTES (1u << 20)

/* Commands of more keys than this go to the slow lane: some 5 ms. */
#define MANY_KEYS 4096u

static inline bool keys_defer(struct call *c)
{
    return UNLIKELY(c->nkeys > MANY_KEYS) && call_defer(c);
}

/* Would the change copy a long value, since the snapshot keeps the one that is there? */
static inline bool clone_defers(struct call *c, const struct key_ref *k)
{
    return UNLIKELY(key_pending(k)) && key_entry(k)->flags & ENTRY_BIG &&
           entry_big(key_entry(k))->len > LONG_BYTES && call_defer(c);
}

/* Would writing from..total (beyond the len bytes that are there) copy, or fill with zeros, more than a worker should? */
bool change_defers(struct call *c, const struct key_ref *k, size_t len, uint64_t from, uint64_t total);

enum ttl_kind {
    TTL_NONE,
    TTL_EX,
    TTL_PX,
    TTL_EXAT,
    TTL_PXAT,
    TTL_KEEP, /* from here on without an argument */
    TTL_PERSIST,
};

struct set_options {
    bool nx, xx, get;
    bool counts; /* answers 1 or 0 */
    enum ttl_kind ttl;
    int ttl_arg; /* where the number stands, 0: there is none */
};

/* Is the entry (NULL: none) a string? If not, the error is written. */
bool string_fits(struct call *c, const struct shm_entry *e);

/* The LRU or LFU bits of a new value: those of the value it replaces stay where they tell how often the key
 * was used. */
static inline uint32_t call_clock(const struct call *c, const struct key_ref *k)
{
    if (LIKELY(!evict_is_lfu(c->cfg->maxmemory_policy)) || !k->entry)
        return c->clock;
    return key_entry(k)->meta & 0xffffff;
}

#endif
