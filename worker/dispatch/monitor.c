#include "worker/dispatch/monitor.h"
#include "worker/dispatch/stats.h"

#include <stdio.h>

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

void monitor_feed(struct client *cl, const struct command *cmd, const struct request *rq)
{
    struct worker *w = cl->w;
    struct reply *r = &w->net->monitor_lines;
    char head[128];
    int n = snprintf(head, sizeof(head), "+%lld.%06lld [%u %s]", (long long)(w->now_ms / 1000),
                     (long long)(w->now_ms % 1000 * 1000), cl->session->db, cl->session->addr);
    reply_raw(r, head, (size_t)n);
    for (int i = 0; i < rq->argc; i++)
        quote(r, argument_is_secret(cmd, rq->argv, rq->argc, i) ? BYTES_LIT("(redacted)") : rq->argv[i]);
    REPLY_LIT(r, "\r\n");
}

void monitor_deliver(struct worker *w, const void *p, size_t n)
{
    for (struct client *cl = w->net->clients, *next; cl; cl = next) {
        next = cl->next;
        if (cl->monitor)
            output_append(cl, p, n);
    }
}

void monitor_flush(struct worker *w)
{
    struct reply *r = &w->net->monitor_lines;
    if (!r->len)
        return;
    monitor_deliver(w, r->buf, r->len);
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++) {
        struct shm_slot *s = slot_at(i);
        bool wake = false;
        if (i == w->ctx.id || s->role != ROLE_WORKER || s->state != SLOT_RUNNING || !s->watchers)
            continue;
        struct mail m = {.kind = MAIL_MONITOR, .bytes = r->len};
        if (!mail_send(&w->ctx, i, &m, r->buf, &wake) && wake)
            worker_wake(w, i);
    }
    if (r->cap > LINES_KEEP_BYTES)
        reply_free(r);
    r->len = 0;
}
