#include "worker/dispatch/notify.h"
#include "worker/net/pubsub.h"

#include <stdio.h>

static void post(struct worker *w, struct bytes channel, struct bytes text)
{
    struct message m = {
        .kind = TOPIC_CHANNEL, .hash = key_hash(w->ctx.root, channel), .channel = channel, .text = text};
    post_message(w, &m);
}

void notify_event(struct worker *w, int class, const char *event, struct bytes key, uint32_t db)
{
    int flags = w->cfg->notify_flags;
    if (!(flags & class))
        return;
    struct bytes name = {event, strlen(event)};
    char head[48];
    if (flags & NOTIFY_KEYSPACE) {
        struct reply channel = {0};
        int n = snprintf(head, sizeof(head), "__keyspace@%u__:", db);
        reply_raw(&channel, head, (size_t)n);
        reply_raw(&channel, key.p, key.n);
        post(w, (struct bytes){channel.buf, channel.len}, name);
        reply_free(&channel);
    }
    if (flags & NOTIFY_KEYEVENT) {
        int n = snprintf(head, sizeof(head), "__keyevent@%u__:%s", db, event);
        post(w, (struct bytes){head, (size_t)n}, key);
    }
}

void notify_born(struct call *c, struct key_ref *k)
{
    if (k->born && !c->loading)
        notify_event(c->w, NOTIFY_NEW, "new", k->key, k->db);
    k->born = false;
}

void notify_first(struct call *c, int class, const char *event, struct key_ref *k)
{
    struct net *net = c->w->net;
    size_t mark = net ? net->reply_mark : 0;
    if (net)
        net->reply_mark = SIZE_MAX;
    notify_key(c, class, event, k);
    if (net)
        net->reply_mark = mark;
}

void notify_key(struct call *c, int class, const char *event, struct key_ref *k)
{
    notify_born(c, k);
    notify_event(c->w, class, event, k->key, k->db);
}
