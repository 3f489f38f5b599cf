/* worker/commands/object.c - OBJECT: how a value is kept. */
#include "shm/evict.h"
#include "worker/commands/args.h"
#include "worker/commands/server_cmds.h"

/* Redis shares its integers below this, unless a policy needs to know when each was used. */
#define SHARED_INTEGERS 10000

static const struct shm_entry *entry_or_null(struct call *c)
{
    const struct shm_entry *e = key_entry(call_key(c, 0));
    if (!e)
        reply_null(c->reply);
    return e;
}

void cmd_object_encoding(struct call *c)
{
    const struct shm_entry *e = entry_or_null(c);
    if (e)
        reply_bulk_str(c->reply, entry_enc_name(e));
}

/* We share nothing, but clients that look for the mark of a shared integer find it. */
void cmd_object_refcount(struct call *c)
{
    const struct shm_entry *e = entry_or_null(c);
    if (!e)
        return;
    int policy = c->cfg->maxmemory_policy;
    bool may_share = !c->cfg->maxmemory || !(evict_is_lfu(policy) || evict_is_lru(policy));
    bool small = entry_enc(e) == ENC_INT && entry_int(e) >= 0 && entry_int(e) < SHARED_INTEGERS;
    reply_int(c->reply, may_share && small ? INT_MAX : 1);
}

void cmd_object_freq(struct call *c)
{
    const struct shm_entry *e = entry_or_null(c);
    if (!e)
        return;
    if (!evict_is_lfu(c->cfg->maxmemory_policy)) {
        reply_error(c->reply,
                    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
                    "that when switching between policies at runtime LRU and LFU data will take some "
                    "time to adjust.");
        return;
    }
    reply_int(c->reply, evict_frequency(e->meta & 0xffffff, c->cfg, c->now_ms));
}

void cmd_object_idletime(struct call *c)
{
    const struct shm_entry *e = entry_or_null(c);
    if (!e)
        return;
    if (evict_is_lfu(c->cfg->maxmemory_policy)) {
        reply_error(c->reply,
                    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
                    "switching between policies at runtime LRU and LFU data will take some time to "
                    "adjust.");
        return;
    }
    reply_int(c->reply, evict_idle_seconds(e->meta & 0xffffff, c->now_ms));
}
