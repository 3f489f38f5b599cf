#include "tests/crash/pubsub_ops.h"
#include "shm/base/hash.h"
#include "shm/pubsub.h"
#include "shm/table.h"

#include <stdio.h>

#define NOBODY  0u  /* a slot in which no process works */
#define WAITING 70u /* letters: more than one transaction takes */

/* All in one chain, whatever their names are: the middle of it is what matters. */
static uint64_t hash_of(enum topic_kind kind)
{
    return 5 * REGISTRY_BUCKETS - kind;
}

static shm_ref add(struct shm_ctx *ctx, enum topic_kind kind, unsigned i)
{
    struct name n = name_of("topic", i);
    shm_ref r;
    ok(registry_add(ctx, kind, NAME_BYTES(n), hash_of(kind), 1, 0, &r));
    return r;
}

/* The own topic with this name. */
static shm_ref find(const struct shm_ctx *ctx, enum topic_kind kind, unsigned i)
{
    struct name n = name_of("topic", i);
    const struct shm_topic *t = registry_chain(ctx->root, kind, hash_of(kind));
    while (t && !(t->slot == ctx->id && topic_is(t, kind, NAME_BYTES(n), hash_of(kind))))
        t = topic_next(t);
    CHECK(t);
    return shm_ref_of(t);
}

static void send(struct shm_ctx *ctx, unsigned i, uint32_t a, uint32_t b)
{
    struct name text = name_of("letter", i);
    struct letter l[2] = {{a, text.s, text.n}, {b, text.s, text.n}};
    uint64_t full[SLOT_WORDS] = {0};
    ok(letters_send(ctx, l, a == b ? 1 : 2, full));
}

void pubsub_ready(struct shm_ctx *ctx)
{
    struct shm_ctx partner;
    (void)ctx; /* who adopts the victim's slot clears what is its own */
    slot_ctx(&partner, PARTNER);
    for (unsigned i = 2; i < 6; i++)
        add(&partner, TOPIC_CHANNEL, i);
    add(&partner, TOPIC_PATTERN, 0);
    send(&partner, 0, NOBODY, PARTNER);
}

static void come(struct shm_ctx *ctx)
{
    for (unsigned i = 0; i < 4; i++) /* two of them the partner has, too */
        add(ctx, TOPIC_CHANNEL, i);
    add(ctx, TOPIC_SHARD, 2);
    add(ctx, TOPIC_PATTERN, 0);
    add(ctx, TOPIC_PATTERN, 1);
}

void pubsub_registers(struct shm_ctx *ctx)
{
    come(ctx);
    ok(registry_remove(ctx, find(ctx, TOPIC_CHANNEL, 1)));
    ok(registry_remove(ctx, find(ctx, TOPIC_CHANNEL, 3)));
    ok(registry_remove(ctx, find(ctx, TOPIC_CHANNEL, 0)));
    ok(registry_remove(ctx, find(ctx, TOPIC_PATTERN, 0)));
    ok(registry_remove(ctx, find(ctx, TOPIC_PATTERN, 1)));
}

void pubsub_sends(struct shm_ctx *ctx)
{
    send(ctx, 100, PARTNER, PARTNER);
    between();
    send(ctx, 101, NOBODY, PARTNER);
    between();
    send(ctx, 102, NOBODY, NOBODY);
    between();
    send(ctx, 103, VICTIM, PARTNER);
}

static unsigned taken;

static void take(void *arg, const char *p, uint64_t n)
{
    struct name want = name_of("letter", taken++);
    (void)arg;
    CHECK(n == want.n && !memcmp(p, want.s, n));
}

void pubsub_takes(struct shm_ctx *ctx)
{
    taken = 0;
    for (unsigned i = 0; i < WAITING; i++)
        send(ctx, i, VICTIM, VICTIM);
    while (inbox_waits(ctx))
        ok(inbox_take(ctx, take, NULL));
    CHECK(taken == WAITING);
    send(ctx, 200, VICTIM, VICTIM);
    ok(inbox_take(ctx, NULL, NULL));
}

void pubsub_adopts(struct shm_ctx *ctx)
{
    come(ctx);
    send(ctx, 0, VICTIM, VICTIM);
    batch_leave(ctx); /* it enters batches of its own */
    pubsub_adopt(ctx);
    while (!batch_enter(ctx)) {
    }
    CHECK(!ctx->slot->registered && !inbox_waits(ctx));
}

static void change(struct work *w, struct shm_ctx *ctx, unsigned key)
{
    struct name k = name_of("k", key);
    CHECK(ks_open(w, ctx, k, k)->entry);
    ok(key_del(&w->tx, w->k, false));
    ok(keys_publish(&w->tx, w->k, w->n));
}

static enum rc tell(struct work *w, unsigned i, uint32_t a, uint32_t b, bool patient)
{
    struct name text = name_of("letter", i);
    struct letter l[2] = {{a, text.s, text.n}, {b, text.s, text.n}};
    uint64_t full[SLOT_WORDS] = {0};
    return letters_put(&w->tx, l, a == b ? 1 : 2, patient, full);
}

void pubsub_tells(struct shm_ctx *ctx)
{
    struct work w;
    change(&w, ctx, 20);
    ok(tell(&w, 100, NOBODY, PARTNER, false));
    tx_commit(&w.tx);
    between();
    change(&w, ctx, 21);
    ok(tell(&w, 101, VICTIM, PARTNER, true));
    tx_commit(&w.tx);
    between();
    change(&w, ctx, 22);
    ok(tell(&w, 102, PARTNER, PARTNER, false));
    tx_abort(&w.tx);
}

/* ---- what there is ---- */

static uint64_t mixed(uint64_t h, const void *p, size_t n)
{
    const unsigned char *b = p;
    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * 0x100000001b3ull;
    return h;
}

static uint64_t topics(const struct shm_root *root, enum topic_kind kind)
{
    uint64_t sum = 0, names = 0;
    for (const struct shm_topic *t = registry_chain(root, kind, hash_of(kind)); t; t = topic_next(t)) {
        uint64_t h = mixed(t->slot + 1, t->name, t->len);
        bool first = t->kind == (uint32_t)kind;
        for (const struct shm_topic *e = topic_next(t); e && first; e = topic_next(e))
            first = !topic_is(e, kind, topic_name(t), t->hash);
        names += first;
        if (t->slot != VICTIM)
            sum += mixed(h, &t->kind, sizeof(t->kind));
    }
    CHECKF(names == registry_names(root, kind), "%llu names are counted, %llu there are",
           (unsigned long long)registry_names(root, kind), (unsigned long long)names);
    return sum;
}

uint64_t pubsub_digest(void)
{
    const struct shm_root *root = arena_root();
    uint64_t sum = 0;
    for (unsigned kind = 0; kind < TOPIC_KINDS; kind++)
        sum = sum * 31 + topics(root, (enum topic_kind)kind);
    for (uint32_t i = 0; i < root->nslots; i++) {
        uint64_t h = i;
        for (shm_ref r = i == VICTIM ? 0 : pubsub_root(root)->inbox[i].first; r;) {
            const struct shm_letter *l = shm_at(r);
            h = mixed(h, l + 1, l->bytes - sizeof(*l));
            r = l->next;
        }
        sum = sum * 31 + h;
    }
    return sum;
}
