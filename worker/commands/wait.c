/* worker/commands/wait.c - WAIT and WAITAOF: a client waits until what it wrote is kept by replicas, of which there are
 * none, or on this disk. It waits for the log's last position as it asks, which no record of its own is behind. */
#include "shm/base/clock.h"
#include "shm/base/number.h"
#include "shm/config.h"
#include "shm/wal.h"
#include "worker/dispatch/call.h"

#define ERR_NO_LOG "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."

command_fn cmd_wait, cmd_waitaof;

struct wanted {
    bool aof; /* its reply counts this disk, too */
    bool local;
    int64_t replicas;
    int64_t until; /* on the monotonic clock */
};

static bool timeout_arg(struct call *c, int i, int64_t *until)
{
    int64_t ms, now = mono_ms();
    if (!number_to_int64(c->argv[i], &ms)) {
        reply_error(c->reply, "ERR timeout is not an integer or out of range");
        return false;
    }
    if (ms < 0) {
        reply_error(c->reply, "ERR timeout is negative");
        return false;
    }
    *until = !ms || ms > INT64_MAX - now ? INT64_MAX : now + ms;
    return true;
}

static void put_counts(struct call *c, const struct wanted *want, bool local)
{
    if (want->aof) {
        reply_array(c->reply, 2);
        reply_int(c->reply, local);
    }
    reply_int(c->reply, 0);
}

/* It is run again when the log has come so far, its time is over, or somebody has unblocked it. */
static void wait_on(struct call *c, const struct wanted *want, uint64_t lsn, bool local)
{
    struct shm_session *s = c->session;
    if (!s->ack_lsn) {
        s->unblock = 0;
        s->block_until = want->until;
        __atomic_store_n(&s->ack_lsn, lsn + 1, __ATOMIC_RELEASE);
    }
    c->block_until = s->block_until;
    c->block_lsn = !want->local ? 0 : local ? BLOCK_LSN_NEVER : lsn + 1;
}

static void wait_for(struct call *c, const struct wanted *want)
{
    struct shm_session *s = c->session;
    const struct shm_root *root = c->ctx->root;
    bool waits = s->ack_lsn;
    uint64_t lsn = waits ? s->ack_lsn - 1 : wal_lsn(root);
    uint32_t unblock = waits ? __atomic_load_n(&s->unblock, __ATOMIC_ACQUIRE) : 0;
    bool local = c->cfg->appendonly && wal_on_disk(root, lsn);
    bool done = want->replicas <= 0 && local >= want->local;
    if (want->local && !c->cfg->appendonly) {
        reply_error(c->reply, ERR_NO_LOG);
    } else if (!done && unblock == 2) {
        reply_error(c->reply, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    } else if (done || !c->client || c->in_exec || unblock || (waits && mono_ms() >= s->block_until)) {
        put_counts(c, want, local);
    } else {
        wait_on(c, want, lsn, local);
        return;
    }
    s->ack_lsn = 0;
}

void cmd_wait(struct call *c)
{
    struct wanted want = {0};
    if (!number_to_int64(c->argv[1], &want.replicas))
        reply_error(c->reply, ERR_NOT_INT);
    else if (timeout_arg(c, 2, &want.until))
        wait_for(c, &want);
}

void cmd_waitaof(struct call *c)
{
    struct wanted want = {.aof = true};
    int64_t local;
    if (!number_to_int64(c->argv[1], &local)) {
        reply_error(c->reply, ERR_NOT_INT);
    } else if (local < 0 || local > 1) {
        reply_error(c->reply, "ERR value is out of range, value must between 0 and 1");
    } else if (!number_to_int64(c->argv[2], &want.replicas) || want.replicas < 0) {
        reply_error(c->reply, "ERR value is out of range, must be positive");
    } else if (timeout_arg(c, 3, &want.until)) {
        want.local = local;
        wait_for(c, &want);
    }
}
