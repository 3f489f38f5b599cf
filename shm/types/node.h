/* shm/types/node.h - the nodes that collections are made of, and the items in them.
 * Owner     the tree that refers to the node, or what refers to the item's block.
 * Locks     the key's latch.
 * Crash     a node is built aside; in place it changes only where tx_log has saved it, or behind its end.
 * Survives  worker death: yes.
 * Fails     RC_NOMEM, RC_BUSY before the commit.
 * Tests     tests/unit/test_tree.c */
#ifndef SKEP_NODE_H
#define SKEP_NODE_H

#include "shm/tx.h"

#define NODE_MAX 4096u /* no node is larger: snapshots, copies and undo never meet a huge block */
#define ITEM_MAX 1024u /* a longer item gets a block of its own, and the node refers to it */

/*  0        4      6       7      8       10     12      14      16
 *  +--------+------+-------+------+-------+------+-------+-------+----------------------------------+
 *  | birth  | n    | level | form | start | end  | room  | spare | items, or children (24 each)     |
 *  +--------+------+-------+------+-------+------+-------+-------+----------------------------------+
 * Items stand in [start, end), counted from the node's front; bytes outside are nobody's. room: of the block. */
struct shm_node {
    uint32_t birth; /* number of the snapshot that was the last to begin when it was made */
    uint16_t n;     /* items or children */
    uint8_t level;  /* 0: a leaf */
    uint8_t form;
    uint16_t start, end, room, spare;
};
_Static_assert(sizeof(struct shm_node) == 16, "the head that is logged as a whole");

/* An item: its length in one byte up to 250, else 251 and two bytes; 252: 16 bytes follow, place and length of a
 * block that holds it. A hash's field may have 253 before it, and six bytes that say when it expires. */
#define ITEM_TWO    251u
#define ITEM_FAR    252u
#define ITEM_UNTIL  253u
#define UNTIL_BYTES 7u
#define UNTIL_MAX   ((1ll << 48) - 1)

static inline size_t item_bytes(size_t n) /* that it takes in a node */
{
    return n < ITEM_TWO ? 1 + n : n <= ITEM_MAX ? 3 + n : 17;
}
/* The item at p; *next is where the one behind it begins. */
static inline struct bytes item_get(const char *p, const char **next)
{
    uint8_t c = (uint8_t)*p++;
    struct bytes b = {p, c};
    if (UNLIKELY(c >= ITEM_TWO)) {
        if (c == ITEM_FAR) {
            uint64_t far[2];
            memcpy(far, p, sizeof(far));
            *next = p + sizeof(far);
            return (struct bytes){shm_at(far[0]), far[1]};
        }
        uint16_t n;
        memcpy(&n, p, sizeof(n));
        b = (struct bytes){p + 2, n};
    }
    *next = b.p + b.n;
    return b;
}
static inline bool item_is_far(const char *p)
{
    return (uint8_t)*p == ITEM_FAR;
}
static inline shm_ref item_far(const char *p)
{
    shm_ref r;
    memcpy(&r, p + 1, sizeof(r));
    return r;
}

/* A field: *until_ms: when it expires, 0: never. Returns the item that is its name. */
static inline const char *item_until(const char *p, int64_t *until_ms)
{
    *until_ms = 0;
    if (LIKELY((uint8_t)*p != ITEM_UNTIL))
        return p;
    memcpy(until_ms, p + 1, UNTIL_BYTES - 1); /* little endian */
    return p + UNTIL_BYTES;
}
static inline const char *item_name(const char *p)
{
    return (uint8_t)*p == ITEM_UNTIL ? p + UNTIL_BYTES : p;
}
/* Writes what stands before the name, if anything does. */
static inline char *until_put(char *to, int64_t until_ms)
{
    if (LIKELY(!until_ms))
        return to;
    *to = (char)ITEM_UNTIL;
    memcpy(to + 1, &until_ms, UNTIL_BYTES - 1);
    return to + UNTIL_BYTES;
}
static inline size_t until_bytes(int64_t until_ms)
{
    return until_ms ? UNTIL_BYTES : 0;
}

/* For all items of a leaf that is being built: may write to them. */
typedef enum rc item_fn(void *arg, char *item);

/* Calls fn for the item's block, if it has one. */
static inline void item_block(const char *item, void (*fn)(void *arg, shm_ref r, uint64_t bytes), void *arg)
{
    const char *next;
    if (item_is_far(item))
        fn(arg, item_far(item), item_get(item, &next).n);
}

#endif
