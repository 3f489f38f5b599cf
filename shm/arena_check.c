/* The arena checker. It believes nothing: whatever refers to a block marks it, and in the end every block of
 * every run and every span must have been marked just once. */
#include "shm/mail.h"
#include "shm/track.h"
#include "shm/repair.h"
#include "shm/session.h"
#include "shm/snapshot.h"
#include "shm/types/dict.h"
#include "shm/waiters.h"
#include "shm/wal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct inspection {
    struct shm_root *root;
    uint8_t **seen; /* per unit: one byte for each 16-byte step, allocated when first needed */
    unsigned faults;
    char *why;
    size_t left;
    int64_t bytes;                 /* of blocks that are in use */
    int64_t keys, expires, fields; /* of the table being walked */
    uint64_t snap_from;            /* of that table */
};

__attribute__((format(printf, 2, 3))) static void fault(struct inspection *c, const char *fmt, ...)
{
    va_list ap;
    c->faults++;
    va_start(ap, fmt);
    int n = vsnprintf(c->why, c->left, fmt, ap);
    va_end(ap);
    if (n > 0 && (size_t)n + 1 < c->left) {
        c->why += n;
        c->left -= (size_t)n;
        if (c->left > 1) {
            *c->why++ = '\n';
            *c->why = 0;
            c->left--;
        }
    }
}

/* Blocks are at least 16 bytes apart but lie at multiples of 8: 8 bytes a step. */
static bool mark(struct inspection *c, shm_ref r, const char *what)
{
    uint64_t unit = r / UNIT_BYTES;
    if (unit < c->root->first_unit || unit >= c->root->nunits || r % 8) {
        fault(c, "%s refers to %llx, which is no block", what, (unsigned long long)r);
        return false;
    }
    struct shm_unit *units = arena_units();
    uint64_t head = units[unit].state == UNIT_RUN_TAIL ? units[unit].head : unit;
    struct shm_unit *u = &units[head];
    uint64_t in = r - head * UNIT_BYTES;
    bool block = u->state == UNIT_SPAN ? in == 0
                                       : u->state == UNIT_RUN && in >= u->first_offset &&
                                             (in - u->first_offset) % class_bytes(u->cls) == 0 &&
                                             (in - u->first_offset) / class_bytes(u->cls) < u->blocks;
    if (!block) {
        fault(c, "%s refers to %llx, which begins no block", what, (unsigned long long)r);
        return false;
    }
    if (!c->seen[unit])
        c->seen[unit] = calloc(1, UNIT_BYTES / 8);
    uint8_t *m = &c->seen[unit][r % UNIT_BYTES / 8];
    if (*m) {
        fault(c, "block %llx is referred to twice, now by %s", (unsigned long long)r, what);
        return false;
    }
    *m = 1;
    return true;
}

static bool mark_used(struct inspection *c, shm_ref r, uint64_t bytes, const char *what)
{
    if (!mark(c, r, what))
        return false;
    if (slab_block_bytes(r) != block_bytes(bytes))
        fault(c, "%s at %llx takes a block of %llu bytes for %llu", what, (unsigned long long)r,
              (unsigned long long)slab_block_bytes(r), (unsigned long long)bytes);
    c->bytes += (int64_t)block_bytes(bytes);
    return true;
}

/* ---- what lies free ---- */

static void check_run(struct inspection *c, struct shm_unit *u, uint32_t unit)
{
    uint32_t free_blocks = 0;
    uint64_t *map = run_bitmap(u, unit);
    for (uint32_t b = 0; b < u->blocks; b++)
        if (map[b / 64] >> b % 64 & 1) {
            free_blocks++;
            mark(c, unit * UNIT_BYTES + u->first_offset + b * class_bytes(u->cls), "a run's bitmap");
        }
    if (free_blocks != u->nfree)
        fault(c, "run %u says %u free blocks and has %u", unit, u->nfree, free_blocks);
}

static void check_lists(struct inspection *c)
{
    for (uint32_t cls = 0; cls < SHM_CLASSES; cls++) {
        uint32_t prev = 0, seen = 0;
        struct shm_class *k = &c->root->classes[cls];
        if (latch_owner(k->latch.word))
            fault(c, "the latch of class %u is held", cls);
        for (uint32_t n = k->partial; n; prev = n, n = arena_units()[n].next) {
            struct shm_unit *u = &arena_units()[n];
            if (u->state != UNIT_RUN || u->cls != cls || !u->nfree || u->prev != prev ||
                seen++ > c->root->nunits) {
                fault(c, "the list of class %u is broken at unit %u", cls, n);
                break;
            }
        }
    }
}

static void check_units(struct inspection *c)
{
    struct shm_unit *units = arena_units();
    const uint64_t *used = shm_at(c->root->unit_used);
    for (uint64_t u = c->root->first_unit; u < c->root->nunits;) {
        bool taken = used[u / 64] >> u % 64 & 1;
        uint64_t n = 1;
        if (!taken && !used[u / 64] && u % 64 == 0) {
            u += 64; /* states of free units mean nothing */
            continue;
        }
        if (taken && units[u].state == UNIT_RUN) {
            n = units[u].nunits;
            check_run(c, &units[u], (uint32_t)u);
        } else if (taken && units[u].state == UNIT_SPAN) {
            n = units[u].span_units;
        } else if (taken) {
            fault(c, "unit %llu is taken by nothing", (unsigned long long)u);
        }
        u += n ? n : 1;
    }
}

static void check_block(void *arg, shm_ref r, uint64_t bytes)
{
    mark_used(arg, r, bytes, "a collection");
}

static void check_coll(struct inspection *c, const struct shm_entry *e)
{
    coll_blocks(e, check_block, c);
}

static void check_trees(struct inspection *c)
{
    uint64_t n = 0;
    for (shm_ref r = c->root->dead_trees; r && !c->faults; n++) {
        const struct shm_dead_tree *d = shm_at(r);
        if (!mark_used(c, r, sizeof(*d), "a tree to be freed"))
            return;
        tree_blocks(d->root, check_block, c);
        r = d->next;
    }
    if (!c->faults && n != c->root->ndead_trees)
        fault(c, "%llu trees are to be freed and %llu are counted", (unsigned long long)n,
              (unsigned long long)c->root->ndead_trees);
}

static void check_logged(void *arg, shm_ref r, uint64_t bytes)
{
    mark_used(arg, r, bytes, "a record of the log");
}

/* Their bytes are counted by nobody: the slot that handed them over has counted them as gone. */
static void check_handed(void *arg, shm_ref r, bool entry)
{
    struct inspection *c = arg;
    const struct shm_entry *e = shm_at(r);
    if (!mark(c, r, "a ring of the snapshot") || !entry)
        return;
    if (e->flags & ENTRY_TREE)
        check_coll(c, e);
    if (slab_block_bytes(r) != block_bytes(entry_bytes_total(e)))
        fault(c, "the entry at %llx, handed over, does not fill its block", (unsigned long long)r);
    if (e->flags & ENTRY_FRESH)
        fault(c, "the entry at %llx was handed over, and the snapshot does not want it",
              (unsigned long long)r);
    if (e->flags & ENTRY_BIG)
        mark(c, *entry_word_at((struct shm_entry *)shm_at(r)), "a long value handed over");
}

/* The records that are the first of their key. */
static uint64_t waiters_keys(const struct shm_wait_chain *chain)
{
    const struct shm_waiter *r, *first;
    uint64_t n = 0;
    for (shm_ref at = chain->head; at; at = r->next) {
        r = shm_at(at);
        first = shm_at(chain->head);
        while (first->hash != r->hash || first->db != r->db)
            first = shm_at(first->next);
        n += first == r;
    }
    return n;
}

static void check_waiters(struct inspection *c)
{
    const struct shm_waiters *w = waiters_of(c->root);
    uint64_t keys = 0;
    if (latch_owner(w->latch.word))
        fault(c, "the waiters' latch is held");
    for (unsigned i = 0; i < WAIT_CHAINS; i++) {
        shm_ref prev = 0;
        for (shm_ref at = w->chain[i].head; at && !c->faults; at = ((struct shm_waiter *)shm_at(at))->next) {
            const struct shm_waiter *r = shm_at(at);
            if (!mark_used(c, at, sizeof(*r), "who waits for a key"))
                return;
            if (r->prev != prev || r->hash % WAIT_CHAINS != i)
                fault(c, "the waiter at %llx stands in the wrong place", (unsigned long long)at);
            prev = at;
        }
        if (w->chain[i].tail != prev)
            fault(c, "the waiters of chain %u have another end", i);
        keys += waiters_keys(&w->chain[i]);
    }
    if (!c->faults && keys != w->keys)
        fault(c, "clients wait for %llu keys, and %llu are counted", (unsigned long long)keys,
              (unsigned long long)w->keys);
}

static void check_snap_ring(struct inspection *c, uint32_t i)
{
    const struct shm_slot *s = slot_at(i);
    for (unsigned k = 0; k < ARRAY_LEN(s->snap.data); k++)
        if (s->snap.data[k])
            mark(c, s->snap.data[k], "a ring of the snapshot");
    if (s->snap.head != s->snap.tail && persist(c->root)->snap.state < SNAP_WALKING)
        fault(c, "slot %u has entries for a snapshot, and there is none", i);
    else
        snapshot_ring_entries(s, check_handed, c);
    if (s->snap.head == s->snap.tail && s->snap.bytes_in != s->snap.bytes_out)
        fault(c, "slot %u has nothing for the snapshot, and counts %lld bytes", i,
              (long long)(s->snap.bytes_in - s->snap.bytes_out));
}

static void check_slot(struct inspection *c, uint32_t i)
{
    struct shm_slot *s = slot_at(i);
    if (s->lane.commit != LANE_IDLE || s->nest.open)
        fault(c, "slot %u has an unfinished transaction", i);
    for (uint32_t cls = 0; cls < SHM_CLASSES; cls++)
        for (uint64_t b = 0; b < s->mag[cls].count; b++)
            if (mark(c, s->mag[cls].block[b], "a magazine") &&
                slab_block_bytes(s->mag[cls].block[b]) != class_bytes(cls))
                fault(c, "slot %u: a block of another class in magazine %u", i, cls);
    for (uint64_t r = s->retire.head; r != s->retire.tail; r++)
        mark(c, BLOCK_REF(s->retire.ring[r % RETIRE_RING].block), "a retire ring");
    for (unsigned k = 0; k < ARRAY_LEN(s->lane.store); k++)
        if (s->lane.store[k])
            mark(c, s->lane.store[k], "a lane's store");
    if (s->wal.floor)
        fault(c, "slot %u holds up the log", i);
    if (s->wal.data && mark(c, s->wal.data, "a ring of the log"))
        wal_ring_blocks(s, check_logged, c);
    check_snap_ring(c, i);
    if (s->lane.built)
        mark(c, s->lane.built, "a value built ahead");
    if (s->keylocks.set)
        mark(c, s->keylocks.set, "a set of locked keys");
    if (s->keylocks.n || c->root->keylocked[i / 64] >> i % 64 & 1)
        fault(c, "slot %u has locked keys", i);
}

/* ---- what is in use ---- */

/* The soonest expiry is what the fields say; a tree's two parts name the same fields. */
static void check_fields(struct inspection *c, const struct shm_entry *e)
{
    const char *wrong = c->faults ? NULL : dict_fields_wrong(e);
    struct bytes key = entry_key(e);
    c->fields += !!(e->flags & ENTRY_FIELDS);
    if (wrong)
        fault(c, "the fields that expire of '%.*s': %s", (int)(key.n < 40 ? key.n : 40), key.p, wrong);
}

static void check_entry(struct inspection *c, shm_ref r, uint64_t tag, unsigned base)
{
    struct shm_entry *e = shm_at(r);
    if (!mark(c, r, "a table's slot"))
        return;
    struct bytes key = entry_key(e);
    if (slab_block_bytes(r) != block_bytes(entry_bytes_total(e)))
        fault(c, "the entry at %llx does not fill its block", (unsigned long long)r);
    c->bytes += (int64_t)slab_block_bytes(r);
    if (e->flags & ENTRY_BIG)
        mark_used(c, *entry_word_at(e), sizeof(struct shm_big) + entry_big(e)->room, "a long value");
    if (e->flags & ENTRY_TREE)
        check_coll(c, e);
    uint64_t hash = key_hash(c->root, key);
    if (hash << base >> (64 - TAG_BITS) != tag)
        fault(c, "the entry of '%.*s' carries another key's tag", (int)(key.n < 40 ? key.n : 40), key.p);
    if (e->flags & ENTRY_FRESH && (!c->snap_from || hash < c->snap_from - 1))
        fault(c, "the entry of '%.*s' is marked for a snapshot that has passed it or is none",
              (int)(key.n < 40 ? key.n : 40), key.p);
    c->keys++;
    c->expires += e->flags & ENTRY_EXPIRES;
    if (entry_type(e) == TYPE_HASH)
        check_fields(c, e);
}

static void check_bucket(struct inspection *c, struct shm_bucket *b, unsigned idx, uint64_t dir)
{
    unsigned base = dir_base(dir), valid = TAG_BITS - (dir_depth(dir) - base);
    uint64_t *slot = b->slot;
    if (latch_owner(b->latch.word))
        fault(c, "a bucket's latch is held by slot %u", latch_owner(b->latch.word) - 1);
    for (unsigned n = BUCKET_SLOTS; slot; n = CELL_SLOTS) {
        uint64_t *next = NULL;
        for (unsigned i = 0; i < n; i++) {
            uint64_t tag = SLOT_TAG(slot[i]);
            if (slot[i] & SLOT_LINK) {
                if (i != n - 1)
                    fault(c, "a link in the middle of a bucket");
                if (mark_used(c, SLOT_REF(slot[i]), sizeof(struct shm_cell), "a link"))
                    next = shm_at(SLOT_REF(slot[i]));
            } else if (slot[i]) {
                check_entry(c, SLOT_REF(slot[i]), tag, base);
                if ((tag & ((1ull << valid) - 1)) * dir_buckets(dir) >> valid != idx)
                    fault(c, "an entry stands in bucket %u, where its hash does not lead", idx);
            }
        }
        slot = next;
    }
}

struct dir_walk {
    uint64_t dead_pos; /* what lies before has been freed */
    bool entries;      /* false: only the nodes remain */
};

static void check_dir(struct inspection *c, uint64_t w, uint64_t pos, unsigned bits, const struct dir_walk *d)
{
    if (dir_kind(w) == DIR_NODE) {
        uint64_t *node = shm_at(dir_ref(w)), last = 0;
        if (!mark_used(c, dir_ref(w), NODE_WORDS * 8, "a directory word"))
            return;
        for (uint64_t i = 0; i < NODE_WORDS; i++)
            if (node[i] != last) {
                last = node[i];
                check_dir(c, last, pos | i << (64 - bits - NODE_BITS), bits + NODE_BITS, d);
            }
        return;
    }
    if (dir_kind(w) != DIR_SEGMENT || !d->entries)
        return;
    unsigned depth = dir_depth(w), n = dir_buckets(w), valid = TAG_BITS - (depth - dir_base(w));
    unsigned skip = 0;
    uint64_t bucket_pos = pos;
    while (skip < n && bucket_pos < d->dead_pos) {
        uint64_t v = (((uint64_t)++skip << valid) + n - 1) / n;
        bucket_pos = pos + (skip == n && !depth ? UINT64_MAX : v << (64 - depth - valid));
        if (skip == n)
            return;
    }
    if (!mark_used(c, dir_ref(w), n * sizeof(struct shm_bucket), "a directory word"))
        return;
    struct shm_bucket *b = shm_at(dir_ref(w));
    for (unsigned i = skip; i < n; i++)
        check_bucket(c, &b[i], i, w);
}

static bool snap_lists(const struct shm_root *root, const struct shm_table *t)
{
    const struct shm_snap *snap = &persist(root)->snap;
    return snap->tables && t->snap_db < dbs_all(root) &&
           ((const uint64_t *)shm_at(snap->tables))[t->snap_db] == shm_ref_of(t);
}

static void check_snapshot(struct inspection *c)
{
    const struct shm_snap *snap = &persist(c->root)->snap;
    if (snap->tables)
        mark_used(c, snap->tables, dbs_all(c->root) * 8ull, "the list of a snapshot's tables");
    if (snap->tables ? snap->state < SNAP_WALKING : snap->state == SNAP_WALKING)
        fault(c, "a snapshot in state %llu has %s list of tables", (unsigned long long)snap->state,
              snap->tables ? "a" : "no");
}

static void check_table(struct inspection *c, struct shm_table *t, bool dead)
{
    struct dir_walk d = {dead ? t->dead_pos : 0, !dead || t->dead_pos != BURIED};
    size_t bytes = sizeof(*t) + c->root->nslots * sizeof(struct shm_table_count);
    c->keys = c->expires = c->fields = 0;
    c->snap_from = t->snap_from;
    if (t->snap_from && !snap_lists(c->root, t))
        fault(c, "a table waits for a snapshot that does not know it");
    if (t->snap_from && t->dead_pos)
        fault(c, "a table is being buried before the snapshot has walked it");
    if (!mark_used(c, shm_ref_of(t), bytes, "a database"))
        return;
    check_dir(c, t->dir, 0, 0, &d);
    if (!dead && (c->keys != table_keys(t) || c->expires != table_expires(t)))
        fault(c, "a table counts %lld keys, %lld with expiry, and has %lld, %lld", (long long)table_keys(t),
              (long long)table_expires(t), (long long)c->keys, (long long)c->expires);
    if (!dead && c->fields != table_fields(t))
        fault(c, "a table counts %lld hashes with fields that expire, and has %lld",
              (long long)table_fields(t), (long long)c->fields);
}

static void check_graveyard(struct inspection *c)
{
    int64_t keys = 0;
    for (shm_ref t = c->root->graveyard; t && !c->faults; t = ((struct shm_table *)shm_at(t))->next_dead) {
        check_table(c, shm_at(t), true);
        keys += c->keys;
    }
    if (!c->faults && keys != (int64_t)c->root->graveyard_keys)
        fault(c, "the graveyard counts %lld keys, and has %lld", (long long)c->root->graveyard_keys,
              (long long)keys);
}

/* Blocks on their way: in the rings between two slots, and with sessions that change their owner. */
static void check_mail(struct inspection *c)
{
    for (uint32_t to = 0; to < c->root->nslots; to++)
        for (uint32_t from = 0; from < c->root->nslots; from++) {
            const struct shm_ring *r = mail_ring(from, to);
            if (r->tail - r->head > MAIL_RING)
                fault(c, "the ring from slot %u to %u holds %llu messages", from, to,
                      (unsigned long long)(r->tail - r->head));
            if (r->tail != r->head && !mail_waits(from, to))
                fault(c, "slot %u is not told of mail from slot %u", to, from);
            for (uint64_t i = r->head; i != r->tail && i - r->head < MAIL_RING; i++)
                if (r->mail[i % MAIL_RING].block)
                    mark_used(c, r->mail[i % MAIL_RING].block, r->mail[i % MAIL_RING].bytes, "a message");
        }
}

static void check_chain(struct inspection *c, const struct registry_bucket *b, uint64_t *registered)
{
    shm_ref prev = 0;
    if (latch_owner(b->latch.word))
        fault(c, "a latch of the registry is held");
    for (shm_ref r = b->first; r && !c->faults;) {
        const struct shm_topic *t = shm_at(r);
        if (!mark_used(c, r, sizeof(*t) + t->len, "a topic"))
            return;
        if (t->prev != prev || t->slot >= c->root->nslots)
            fault(c, "the topic at %llx is badly linked", (unsigned long long)r);
        else
            registered[t->slot]++;
        prev = r;
        r = t->next;
    }
}

static void check_inbox(struct inspection *c, uint32_t slot)
{
    const struct shm_inbox *box = &pubsub_root(c->root)->inbox[slot];
    uint64_t bytes = 0;
    shm_ref last = 0;
    for (shm_ref r = box->first; r && !c->faults; r = ((const struct shm_letter *)shm_at(r))->next) {
        const struct shm_letter *l = shm_at(r);
        if (!mark_used(c, r, l->bytes, "a letter"))
            return;
        bytes += l->bytes;
        last = r;
    }
    if (latch_owner(box->latch.word) || bytes != box->bytes || last != box->last)
        fault(c, "the inbox of slot %u is not sound", slot);
}

static void check_pubsub(struct inspection *c)
{
    const struct shm_pubsub *p = pubsub_root(c->root);
    uint64_t registered[SHM_SLOTS_MAX] = {0};
    check_chain(c, &p->patterns, registered);
    for (unsigned i = 0; i < REGISTRY_BUCKETS; i++)
        check_chain(c, &p->bucket[i], registered);
    for (uint32_t i = 0; i < c->root->nslots && !c->faults; i++) {
        check_inbox(c, i);
        if (registered[i] != slot_at(i)->registered)
            fault(c, "slot %u counts %llu topics and has %llu", i, (unsigned long long)slot_at(i)->registered,
                  (unsigned long long)registered[i]);
    }
}

static void check_prefixes(struct inspection *c)
{
    for (uint32_t i = 0; i < c->root->nslots && !c->faults; i++) {
        const struct shm_prefixes *p = track_prefixes_of(i);
        bool told = track_of(c->root)->bcast[i / 64] >> i % 64 & 1;
        if (p && !mark_used(c, shm_ref_of(p), p->bytes, "a list of prefixes"))
            return;
        if (p && !told)
            fault(c, "slot %u has prefixes that nobody looks at", i);
    }
}

static void check_sessions(struct inspection *c)
{
    for (uint32_t i = 0; i < c->root->sessions_high; i++)
        if (session_at(i)->state != SESSION_FREE && session_at(i)->parcel)
            mark_used(c, session_at(i)->parcel, session_at(i)->parcel_bytes, "a session's parcel");
}

/* ---- the sum ---- */

static void check_all_marked(struct inspection *c)
{
    struct shm_unit *units = arena_units();
    const uint64_t *used = shm_at(c->root->unit_used);
    for (uint64_t u = c->root->first_unit; u < c->root->nunits; u++) {
        if (!(used[u / 64] >> u % 64 & 1)) {
            if (!used[u / 64] && u % 64 == 0)
                u += 63;
            continue;
        }
        uint64_t size = 0, n = 1, first = 0;
        if (units[u].state == UNIT_RUN) {
            size = class_bytes(units[u].cls), n = units[u].blocks, first = units[u].first_offset;
        } else if (units[u].state == UNIT_SPAN && !c->seen[u]) {
            fault(c, "the span at unit %llu is lost", (unsigned long long)u);
            continue;
        }
        for (uint64_t b = 0; size && b < n; b++) {
            shm_ref r = u * UNIT_BYTES + first + b * size;
            const uint8_t *m = c->seen[r / UNIT_BYTES];
            if (!m || !m[r % UNIT_BYTES / 8])
                fault(c, "block %llx of %llu bytes is lost", (unsigned long long)r, (unsigned long long)size);
        }
        if (units[u].state == UNIT_SPAN)
            u += units[u].span_units - 1;
    }
}

unsigned arena_check(char *why, size_t why_bytes)
{
    struct shm_root *root = arena_root();
    struct inspection c = {.root = root, .why = why, .left = why_bytes};
    if (why_bytes)
        *why = 0;
    c.seen = calloc(root->nunits, sizeof(*c.seen));
    check_units(&c);
    check_lists(&c);
    if (latch_owner(root->trim_latch.word) || latch_owner(root->arena_latch.word) ||
        latch_owner(root->db_latch.word) || latch_owner(root->config_latch.word))
        fault(&c, "a latch of the root is held");
    if (root->gate && slot_at(root->gate - 1)->pid != getpid()) /* DEBUG ARENA CHECK closes it itself */
        fault(&c, "the gate is held by slot %llu", (unsigned long long)root->gate - 1);
    for (uint32_t i = 0; i < root->nslots; i++)
        check_slot(&c, i);
    check_mail(&c);
    check_waiters(&c);
    check_sessions(&c);
    check_pubsub(&c);
    check_prefixes(&c);
    check_snapshot(&c);
    check_trees(&c);
    for (uint32_t i = 0; i < dbs_all(root); i++)
        if (db_table(root, i))
            check_table(&c, db_table(root, i), false);
    check_graveyard(&c);
    check_all_marked(&c);
    if (c.bytes != slots_used_bytes())
        fault(&c, "%lld bytes are in use and the slots count %lld", (long long)c.bytes,
              (long long)slots_used_bytes());
    for (uint64_t u = 0; u < root->nunits; u++)
        free(c.seen[u]);
    free(c.seen);
    return c.faults;
}
