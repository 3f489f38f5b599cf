/* Looking ahead: in large collections every way comes to its end, in others none is begun, and while others change and free what is
 * looked at, nothing that is stale is followed. */
#include "shm/repair.h"
#include "shm/types/set.h"
#include "shm/types/string.h"
#include "shm/types/warm.h"
#include "shm/types/zset.h"

#include <pthread.h>
#include <stdio.h>

#define MEMBERS 20000u

static struct bytes member(char *to, unsigned i)
{
    return (struct bytes){to, (size_t)sprintf(to, "member:%u", i)};
}

static struct key_ref ref(struct shm_ctx *ctx, const char *name)
{
    struct key_ref k = {.key = {name, strlen(name)}, .table = db_table(ctx->root, 0)};
    if (!k.table)
        CHECK(!db_table_make(ctx, 0, &k.table));
    k.hash = key_hash(ctx->root, k.key);
    key_locate(&k);
    return k;
}

static void begin(struct shm_ctx *ctx, struct tx *tx, struct key_ref *k)
{
    enum rc rc;
    do {
        tx_begin(tx, ctx);
        rc = key_latch(tx, k);
        if (rc)
            tx_abort(tx);
    } while (rc == RC_BUSY);
    CHECK(!rc);
}

/* Members [from, to), each in a transaction of its own. */
static void fill(struct shm_ctx *ctx, const char *name, bool sorted, unsigned from, unsigned to)
{
    static const struct set_limits few = {512, 128, 64};
    static const struct zset_limits zfew = {128, 64, 1};
    struct key_ref k = ref(ctx, name);
    char text[32];
    for (unsigned i = from; i < to; i++) {
        struct tx tx;
        struct dict d;
        bool added;
        begin(ctx, &tx, &k);
        struct zset_add a = {.member = member(text, i), .score = i * 7919 % 10007};
        enum rc rc = sorted ? zset_add(&tx, &k, &zfew, &a) : set_open(&d, &tx, &k, 1, &few, a.member, 1);
        if (!rc && !sorted)
            rc = set_add(&d, &few, a.member, &added);
        if (!rc && !sorted)
            rc = dict_end(&d);
        CHECK(!rc);
        tx_commit(&tx);
    }
}

static void drop(struct shm_ctx *ctx, const char *name)
{
    struct key_ref k = ref(ctx, name);
    struct tx tx;
    begin(ctx, &tx, &k);
    CHECK(!key_del(&tx, &k, false));
    tx_commit(&tx);
}

static unsigned look(struct shm_ctx *ctx, const char *name, unsigned from)
{
    struct key_ref k = ref(ctx, name);
    struct warm w[WARM_MOST];
    static _Thread_local char text[WARM_MOST][32];
    for (unsigned i = 0; i < WARM_MOST; i++)
        w[i] = (struct warm){&k, member(text[i], from + i), BYTES_LIT("4711.5")};
    return warm_members(ctx, w, WARM_MOST);
}

/* The member comes, or goes; is what the set says of it true? */
static void turn(struct shm_ctx *ctx, struct key_ref *k, unsigned i, bool *there)
{
    static const struct set_limits few = {512, 128, 64};
    char text[32];
    struct tx tx;
    struct dict d;
    bool did;
    begin(ctx, &tx, k);
    CHECK(!set_open(&d, &tx, k, 1, &few, member(text, i), 1));
    CHECK(!(there[i] ? set_del(&d, member(text, i), &did) : set_add(&d, &few, member(text, i), &did)));
    CHECKF(did, "member %u", i);
    CHECK(!dict_end(&d));
    tx_commit(&tx);
    there[i] = !there[i];
}

/* Ways that were found are gone when leaves have been split and joined, and others have the same members. */
static void ways_are_stale(struct shm_ctx *ctx)
{
    static bool there[MEMBERS];
    uint64_t seed = 1;
    fill(ctx, "turning", false, 0, MEMBERS / 2);
    memset(there, true, sizeof(there) / 2);
    struct key_ref k = ref(ctx, "turning");
    for (unsigned round = 0; round < 1200; round++) {
        unsigned from = round * 7919 % (MEMBERS - WARM_MOST);
        look(ctx, "turning", from); /* perhaps it is too small for that */
        if (round % 4 == 3)
            CHECK(look(ctx, "set", from) == WARM_MOST);
        for (unsigned i = 0; i < 200; i++) {
            seed = seed * 6364136223846793005ull + 1442695040888963407ull;
            unsigned n = (unsigned)(seed >> 33) % MEMBERS;
            if (there[n] == (round / 200 % 2)) /* it grows, then it shrinks */
                turn(ctx, &k, n, there);
        }
        for (unsigned i = 0; i < WARM_MOST; i++)
            turn(ctx, &k, from + i, there);
    }
    drop(ctx, "turning");
}

static bool stop;

/* Keys come and go, so that nodes are freed and used again for others. */
static void *change(void *arg)
{
    struct shm_ctx ctx;
    slot_adopt(&ctx, 2, ROLE_WORKER, 0);
    for (unsigned round = 0; round < 6; round++) {
        bool sorted = round & 1;
        CHECK(batch_enter(&ctx));
        fill(&ctx, "changing", sorted, 0, 4000);
        drop(&ctx, "changing");
        batch_leave(&ctx);
        while (trees_step(&ctx, 100))
            ;
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    return arg;
}

int main(void)
{
    struct arena_sizes sizes = {.arena_bytes = 64ull << 20, .nslots = 3, .ndbs = 1, .nsessions = 4};
    struct shm_ctx ctx;
    pthread_t thread;
    int fd;
    char text[400];
    CHECK(!arena_create(&sizes, &fd));
    slot_adopt(&ctx, 1, ROLE_WORKER, 0);
    CHECK(batch_enter(&ctx));
    fill(&ctx, "set", false, 0, MEMBERS);
    fill(&ctx, "zset", true, 0, MEMBERS);
    fill(&ctx, "small", false, 0, 300);
    fill(&ctx, "packed", true, 0, 3);
    for (unsigned i = 0; i < MEMBERS + 100; i += WARM_MOST) /* the last ones are missing */
        CHECK(look(&ctx, "set", i) == WARM_MOST && look(&ctx, "zset", i) == WARM_MOST);
    CHECK(!look(&ctx, "small", 0) && !look(&ctx, "packed", 0) && !look(&ctx, "none", 0));
    ways_are_stale(&ctx);
    struct key_ref k = ref(&ctx, "set");
    struct tx tx;
    begin(&ctx, &tx, &k);
    CHECK(!look(&ctx, "set", 0)); /* somebody changes it */
    CHECK(!keys_lock(&tx, &k, 1));
    CHECK(!look(&ctx, "set", 0) && look(&ctx, "zset", 0) == WARM_MOST); /* and does not hold the latch */
    tx_abort(&tx);
    CHECK(look(&ctx, "set", 0) == WARM_MOST);
    batch_leave(&ctx);
    CHECK(!pthread_create(&thread, NULL, change, NULL));
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        CHECK(batch_enter(&ctx));
        CHECK(look(&ctx, "changing", 17) <= WARM_MOST);
        batch_leave(&ctx);
    }
    CHECK(!pthread_join(thread, NULL));
    CHECK(batch_enter(&ctx));
    CHECK(look(&ctx, "set", 0) == WARM_MOST);
    batch_leave(&ctx);
    CHECKF(!arena_check(text, sizeof(text)), "%s", text);
    return 0;
}
