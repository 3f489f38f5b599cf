/* shm/pubsub.h - who has subscribers of what, and the messages on their way to them.
 * Owner     a registration belongs to the slot that it names; an inbox to its slot, and anybody adds to it.
 * Locks     a bucket of the registry for one change of its chain, alone; inboxes, in the order of slots, for one letter each,
 *           behind all other latches. Readers of the registry take none, they are inside a batch.
 * Crash     every change is a transaction; a count is one store. What a dead process had registered is not believed.
 * Survives  worker death: yes; the slot's next process clears what was the last one's.
 * Fails     RC_NOMEM, RC_BUSY: before anything has changed.
 * Tests     tests/crash/pubsub.py  tests/crash/events.py  tests/isolation/specs/pubsub_*.spec */
#ifndef SKEP_SHM_PUBSUB_H
#define SKEP_SHM_PUBSUB_H

#include "shm/tx.h"

#define REGISTRY_BUCKETS 16384u
#define INBOX_MOST       (64ull << 20) /* more than this waits for nobody who is well */

enum topic_kind { TOPIC_CHANNEL, TOPIC_SHARD, TOPIC_PATTERN, TOPIC_KINDS };

/* One channel or pattern of which one slot has subscribers. Chains are doubly linked, so that it can go without a
 * walk. Nothing but its count, next and prev ever changes, and its block is retired: readers may stand on it. */
struct shm_topic {
    shm_ref next, prev; /* prev 0: it is the first */
    uint64_t hash;
    uint32_t slot, generation; /* of the process that has registered it */
    uint32_t count, kind;      /* subscribers; stored by the owner alone */
    uint32_t quiet, spare;     /* subscribers who are on their way to it and counted elsewhere; likewise */
    uint64_t len;
    char name[];
};

struct registry_bucket {
    struct shm_latch latch;
    uint32_t spare;
    shm_ref first;
};

/* What one process has sent to another in one go: a length, and so many bytes, which only worker/ understands. */
struct shm_letter {
    shm_ref next;
    uint64_t bytes;
};

struct shm_inbox {
    _Alignas(64) struct shm_latch latch;
    uint32_t spare;
    shm_ref first, last;
    uint64_t bytes;
};

struct shm_pubsub {
    struct shm_inbox inbox[SHM_SLOTS_MAX];
    struct registry_bucket patterns; /* all of them, since each is tried on each message */
    struct registry_bucket bucket[REGISTRY_BUCKETS];
};

static inline struct shm_pubsub *pubsub_root(const struct shm_root *r)
{
    return shm_at(r->pubsub);
}

/* ---- the registry ---- */

/* Registers for the own slot; *out is the registration, for registry_count and registry_remove. */
enum rc registry_add(struct shm_ctx *ctx, enum topic_kind kind, struct bytes name, uint64_t hash,
                     uint32_t count, uint32_t quiet, shm_ref *out);
enum rc registry_remove(struct shm_ctx *ctx, shm_ref topic);
/* In an order in which it never looks as if nobody were there. */
static inline void registry_count(shm_ref topic, uint32_t count, uint32_t quiet)
{
    struct shm_topic *t = shm_at(topic);
    if (count)
        __atomic_store_n(&t->count, count, __ATOMIC_RELEASE);
    __atomic_store_n(&t->quiet, quiet, __ATOMIC_RELEASE);
    __atomic_store_n(&t->count, count, __ATOMIC_RELEASE);
}

static inline struct bytes topic_name(const struct shm_topic *t)
{
    return (struct bytes){t->name, t->len};
}
static inline const struct shm_topic *topic_next(const struct shm_topic *t)
{
    shm_ref r = __atomic_load_n(&t->next, __ATOMIC_ACQUIRE);
    return r ? shm_at(r) : NULL;
}
/* Somebody subscribes to it: its process lives, and its last subscriber has not gone. */
bool topic_counts(const struct shm_topic *t);
bool topic_wants(const struct shm_topic *t); /* or somebody is on his way to it: messages go there */
bool topic_is(const struct shm_topic *t, enum topic_kind kind, struct bytes name, uint64_t hash);
/* The first of the chain in which a name stands; patterns have one chain. */
const struct shm_topic *registry_chain(const struct shm_root *r, enum topic_kind kind, uint64_t hash);
uint64_t registry_names(const struct shm_root *r, enum topic_kind kind); /* each counted once */
/* Whether an earlier topic of its chain, which counts, has the same name: for counting names once. */
bool topic_repeats(const struct shm_root *r, const struct shm_topic *t);

/* ---- inboxes ---- */

struct letter {
    uint32_t to;
    const char *p; /* its bytes; NULL: none goes to that slot */
    uint64_t n;
};
/* Adds all letters in one transaction, so that any two receivers who get two messages get them in one order. They stand
 * in the order of slots. One that would overfill its inbox is left out, and told by full. */
enum rc letters_send(struct shm_ctx *ctx, const struct letter *letters, unsigned n,
                     uint64_t full[SLOT_WORDS]);
/* The same as the last step of a transaction that changes something else, whose latches are held: the letters arrive when
 * that is committed, so those of two changes of one key stand in the order of the changes. RC_BUSY: an inbox's latch was
 * not had; patient, it is waited for. RC_NOMEM. After either the transaction is as before, and may go on without letters. */
enum rc letters_put(struct tx *tx, const struct letter *letters, unsigned n, bool patient,
                    uint64_t full[SLOT_WORDS]);
static inline bool inbox_waits(const struct shm_ctx *ctx)
{
    return __atomic_load_n(&pubsub_root(ctx->root)->inbox[ctx->id].first, __ATOMIC_ACQUIRE);
}
/* Takes the oldest letters out of the own inbox, for each of them take(arg) is called. */
enum rc inbox_take(struct shm_ctx *ctx, void (*take)(void *arg, const char *p, uint64_t n), void *arg);

/* Clears what the slot's last process has left; waits for latches, whose holders are repaired. */
void pubsub_adopt(struct shm_ctx *ctx);

#endif
