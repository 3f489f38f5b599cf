/* The slow commands of a script. A try that comes to nothing has run none, so they are kept aside until it is done. */
#include "worker/dispatch/script.h"
#include "worker/dispatch/stats.h"
#include "worker/script/engine.h"
#include "worker/worker.h"

static struct slow_entry *entry_at(const struct slow *s, uint64_t at)
{
    return (struct slow_entry *)(s->entries.buf + (at - s->begin));
}

/* More than the log's ring holds nobody can read. Not each time, since what is kept is moved. */
static void drop_oldest(struct slow *s)
{
    uint64_t at = s->begin, end = s->begin + s->entries.len;
    if (s->entries.len < 2 * SLOWLOG_RING)
        return;
    while (end - at > SLOWLOG_RING)
        at += entry_at(s, at)->bytes;
    memmove(s->entries.buf, entry_at(s, at), end - at);
    s->entries.len = end - at;
    s->begin = at;
}

__attribute__((noinline, cold)) void slow_keep(struct slow *s, const struct call *c, uint64_t usec)
{
    _Alignas(8) char record[SLOWLOG_RECORD_MAX];
    struct slow_entry *e = (struct slow_entry *)record;
    uint64_t *max = &s->max_us[c->cmd->flags & F_FAST ? 1 : 0];
    *max = usec > *max ? usec : *max;
    if (!stats_slow_entry(c, usec, e))
        return;
    drop_oldest(s);
    reply_raw(&s->entries, record, e->bytes);
}

void slow_forget(struct slow *s)
{
    reply_free(&s->entries);
    s->begin = s->told = s->max_us[0] = s->max_us[1] = 0;
}

uint64_t script_slow_mark(const struct worker *w)
{
    const struct slow *s = w->engines ? &w->engines->slow : NULL;
    return s ? s->begin + s->entries.len : 0;
}

void script_tell_slow(struct call *c, uint64_t upto)
{
    struct slow *s = c->w->engines ? &c->w->engines->slow : NULL;
    uint64_t end = script_slow_mark(c->w);
    if (LIKELY(!s || !s->entries.len))
        return;
    end = end < upto ? end : upto;
    s->told = s->told < s->begin ? s->begin : s->told;
    while (s->told < end) {
        struct slow_entry *e = entry_at(s, s->told);
        s->told += e->bytes;
        slowlog_note(c->ctx, e);
    }
}
