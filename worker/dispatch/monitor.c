#include "worker/dispatch/monitor.h"
#include "worker/dispatch/multi.h"
#include "worker/dispatch/stats.h"

#include <stdio.h>

#define OWED_MOST        (16u << 20)  /* for a worker that has stood still for long */
#define LINES_KEEP_BYTES (256u << 10) /* one huge argument must not hold four times its size for ever */

static void quote(struct reply *r, struct bytes s)
{
    static const char hex[] = "0123456789abcdef", from[] = "\n\r\t\a\b\\\"", to[] = "nrtab\\\"";
    REPLY_LIT(r, " \"");
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];
        const char *plain = ch ? strchr(from, ch) : NULL;
        if (plain) {
            char two[2] = {'\\', to[plain - from]};
            reply_raw(r, two, 2);
            continue;
        }
        if (ch < 0x20 || ch >= 0x7f) {
            char four[4] = {'\\', 'x', hex[ch >> 4], hex[ch & 15]};
            reply_raw(r, four, 4);
        } else {
            reply_raw(r, &ch, 1);
        }
    }
    REPLY_LIT(r, "\"");
}

void monitor_line(struct reply *r, int64_t now_ms, uint32_t db, const char *who, const struct command *cmd,
                  const struct bytes *argv, int argc)
{
    char head[128];
    int n = snprintf(head, sizeof(head), "+%lld.%06lld [%u %s]", (long long)(now_ms / 1000),
                     (long long)(now_ms % 1000 * 1000), db, who);
    reply_raw(r, head, (size_t)n);
    for (int i = 0; i < argc; i++)
        quote(r, argument_is_secret(cmd, argv, argc, i) ? BYTES_LIT("(redacted)") : argv[i]);
    REPLY_LIT(r, "\r\n");
}

static void feed(struct client *cl, uint32_t db, const struct command *cmd, const struct bytes *argv,
                 int argc)
{
    monitor_line(&cl->w->net->monitor_lines, cl->w->now_ms, db, cl->session->addr, cmd, argv, argc);
}

void monitor_feed(struct client *cl, const struct command *cmd, const struct request *rq)
{
    feed(cl, cl->session->db, cmd, rq->argv, rq->argc);
}

void monitor_feed_queue(struct client *cl)
{
    const struct multi *m = cl->multi;
    for (unsigned i = 0; UNLIKELY(cl->w->ctx.root->monitors) && i < m->n; i++) {
        const struct queued *q = &m->q[i];
        if (!(q->cmd->flags & (F_SKIP_MONITOR | F_ADMIN)))
            feed(cl, q->db, q->cmd, q->argv, q->argc);
    }
}

void monitor_deliver(struct worker *w, const void *p, size_t n)
{
    for (struct client *cl = w->net->clients, *next; cl; cl = next) {
        next = cl->next;
        if (cl->monitor)
            output_append(cl, p, n);
    }
}

/* ---- to the other workers ---- */

/* Its watchers would miss lines. They are disconnected, which they notice, unlike a gap. */
static void sever(struct worker *w, uint32_t slot)
{
    sessions_kill(slot, SESSION_F_MONITOR);
    worker_wake(w, slot);
}

static bool watches(const struct worker *w, uint32_t slot)
{
    const struct shm_slot *s = slot_at(slot);
    return slot != w->ctx.id && s->role == ROLE_WORKER && s->watchers && slot_lives(s);
}

static enum rc send_lines(struct worker *w, uint32_t slot, const struct reply *lines)
{
    struct mail m = {.kind = MAIL_MONITOR, .bytes = lines->len};
    bool wake = false;
    enum rc rc = mail_send(&w->ctx, slot, &m, lines->buf, &wake);
    if (!rc && wake)
        worker_wake(w, slot);
    return rc;
}

/* What its ring, or the arena, has no room for is owed, and goes first next time. */
static void tell(struct worker *w, uint32_t slot, const struct reply *lines)
{
    struct reply *owed = &w->net->monitor_owed[slot];
    if (!watches(w, slot)) {
        reply_free(owed);
        return;
    }
    if (!owed->len && lines->len && !send_lines(w, slot, lines))
        return;
    if (lines->len)
        reply_raw(owed, lines->buf, lines->len);
    if (owed->len && !send_lines(w, slot, owed)) {
        reply_free(owed);
    } else if (owed->len > OWED_MOST) {
        reply_free(owed);
        sever(w, slot);
    }
}

void monitor_from_lane(struct worker *w, const struct reply *lines)
{
    struct shm_slot *own = w->ctx.slot;
    own->monitor_begun++;
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* as in monitor_flush */
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++)
        if (watches(w, i) && send_lines(w, i, lines))
            sever(w, i);
    __atomic_store_n(&own->monitor_ended, own->monitor_begun, __ATOMIC_RELEASE);
}

bool monitor_owes(const struct worker *w)
{
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++)
        if (w->net->monitor_owed[i].len)
            return true;
    return false;
}

void monitor_give_up(struct worker *w)
{
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++)
        if (w->net->monitor_owed[i].len && watches(w, i))
            sever(w, i);
    __atomic_store_n(&w->ctx.slot->monitor_ended, w->ctx.slot->monitor_begun, __ATOMIC_RELEASE);
}

void monitor_flush(struct worker *w)
{
    struct reply *r = &w->net->monitor_lines;
    struct shm_slot *own = w->ctx.slot;
    if (!r->len && LIKELY(!w->net->monitor_behind))
        return;
    own->monitor_begun += r->len > 0;
    __atomic_thread_fence(
        __ATOMIC_SEQ_CST); /* who begins to watch either is seen here, or sees that we have begun */
    monitor_deliver(w, r->buf, r->len);
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++)
        tell(w, i, r);
    w->net->monitor_behind = monitor_owes(w);
    if (!w->net->monitor_behind) /* what is owed is not sent: whom it is owed to must not go */
        __atomic_store_n(&own->monitor_ended, own->monitor_begun, __ATOMIC_RELEASE);
    if (r->cap > LINES_KEEP_BYTES)
        reply_free(r);
    r->len = 0;
}

/* ---- a watcher changes its worker ---- */

static uint64_t begun_everywhere(const struct worker *w)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++)
        n += __atomic_load_n(&slot_at(i)->monitor_begun, __ATOMIC_ACQUIRE);
    return n;
}

bool monitor_calm(struct worker *w, uint64_t *mark)
{
    uint64_t ended = 0;
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++)
        ended += __atomic_load_n(&slot_at(i)->monitor_ended, __ATOMIC_ACQUIRE);
    *mark = begun_everywhere(w);
    return *mark == ended;
}

void monitor_depart(struct client *cl)
{
    cl->monitor = false;
    cl->w->ctx.slot->watchers--; /* the root's count stays: the lines must be made, or nobody knew of a gap */
}

bool monitor_arrive(struct client *cl, uint64_t mark)
{
    cl->monitor = true;
    cl->w->ctx.slot->watchers++;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return begun_everywhere(cl->w) == mark;
}
