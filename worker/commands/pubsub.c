/* worker/commands/pubsub.c - SUBSCRIBE and its kin, PUBLISH, PUBSUB. */
#include "shm/base/glob.h"
#include "worker/commands/server_cmds.h"
#include "worker/net/pubsub.h"

command_fn cmd_psubscribe, cmd_publish, cmd_pubsub_channels, cmd_pubsub_numpat, cmd_pubsub_numsub,
    cmd_pubsub_shardchannels, cmd_pubsub_shardnumsub, cmd_punsubscribe, cmd_spublish, cmd_ssubscribe,
    cmd_subscribe, cmd_sunsubscribe, cmd_unsubscribe;

#define CHANNELS_IN_WORKER 5000 /* with more of them than this the slow lane lists them */

/* ---- subscriptions ---- */

/* What was sent before must not reach who subscribes now, and must reach who leaves now. */
static void settle_post(struct call *c)
{
    post_send(c->w);
    post_receive(c->w);
}

/* Confirmations are pushed: they come even to a client that wants no replies. */
static void confirm(struct call *c, const char *word, const struct bytes *name, enum topic_kind kind)
{
    reply_push(c->reply, 3);
    reply_bulk_str(c->reply, word);
    if (name)
        reply_bulk(c->reply, name->p, name->n);
    else
        reply_null(c->reply);
    reply_int(c->reply, pubsub_count(c->client, kind));
    if (!c->in_exec)
        c->w->pushed = c->reply->len;
}

static void subscribe(struct call *c, enum topic_kind kind)
{
    settle_post(c);
    for (int i = 1; i < c->argc; i++) {
        pubsub_subscribe(c->client, kind, c->argv[i]);
        confirm(c, c->cmd->name, &c->argv[i], kind);
    }
}

static void unsubscribe_all(struct call *c, enum topic_kind kind)
{
    struct bytes name;
    if (!pubsub_any(c->client, kind, &name)) {
        confirm(c, c->cmd->name, NULL, kind);
        return;
    }
    do {
        pubsub_unsubscribe(c->client, kind, name);
        confirm(c, c->cmd->name, &name, kind); /* names stay until the registry has been told */
    } while (pubsub_any(c->client, kind, &name));
}

static void unsubscribe(struct call *c, enum topic_kind kind)
{
    settle_post(c);
    if (c->argc == 1)
        unsubscribe_all(c, kind);
    for (int i = 1; i < c->argc; i++) {
        pubsub_unsubscribe(c->client, kind, c->argv[i]);
        confirm(c, c->cmd->name, &c->argv[i], kind);
    }
}

void cmd_subscribe(struct call *c)
{
    subscribe(c, TOPIC_CHANNEL);
}
void cmd_psubscribe(struct call *c)
{
    subscribe(c, TOPIC_PATTERN);
}
void cmd_ssubscribe(struct call *c)
{
    subscribe(c, TOPIC_SHARD);
}
void cmd_unsubscribe(struct call *c)
{
    unsubscribe(c, TOPIC_CHANNEL);
}
void cmd_punsubscribe(struct call *c)
{
    unsubscribe(c, TOPIC_PATTERN);
}
void cmd_sunsubscribe(struct call *c)
{
    unsubscribe(c, TOPIC_SHARD);
}

/* ---- messages ---- */

static void publish(struct call *c, enum topic_kind kind)
{
    struct message m = {
        .kind = kind, .hash = key_hash(c->ctx->root, c->argv[1]), .channel = c->argv[1], .text = c->argv[2]};
    reply_int(c->reply, (long long)post_message(c->w, &m));
}

void cmd_publish(struct call *c)
{
    publish(c, TOPIC_CHANNEL);
}
void cmd_spublish(struct call *c)
{
    publish(c, TOPIC_SHARD);
}

/* ---- PUBSUB ---- */

/* The registry may not know yet what this very client has asked for in the same turn. */
static void settle_registry(struct call *c)
{
    if (c->client)
        pubsub_sync(c->w);
}

static void list_channels(struct call *c, enum topic_kind kind)
{
    if (c->argc > 3) {
        reply_subcommand_syntax(c);
        return;
    }
    if (registry_names(c->ctx->root, kind) > CHANNELS_IN_WORKER && call_defer(c))
        return;
    settle_registry(c);
    const struct shm_root *root = c->ctx->root;
    size_t mark = reply_defer(c->reply), n = 0;
    for (uint64_t i = 0; i < REGISTRY_BUCKETS && registry_names(root, kind); i++) {
        for (const struct shm_topic *t = registry_chain(root, kind, i - (uint64_t)kind); t;
             t = topic_next(t)) {
            struct bytes name = topic_name(t);
            if (t->kind != (uint32_t)kind || !topic_counts(t) || topic_repeats(root, t) ||
                (c->argc == 3 && !glob_match(c->argv[2], name, false)))
                continue;
            reply_bulk(c->reply, name.p, name.n);
            n++;
        }
        if (i % 64 == 63)
            call_breathe(c);
    }
    reply_defer_array(c->reply, mark, n);
}

void cmd_pubsub_channels(struct call *c)
{
    list_channels(c, TOPIC_CHANNEL);
}
void cmd_pubsub_shardchannels(struct call *c)
{
    list_channels(c, TOPIC_SHARD);
}

static uint64_t count_subscribers(struct call *c, enum topic_kind kind, struct bytes name)
{
    uint64_t n = 0, hash = key_hash(c->ctx->root, name);
    for (const struct shm_topic *t = registry_chain(c->ctx->root, kind, hash); t; t = topic_next(t))
        if (topic_is(t, kind, name, hash) && topic_counts(t))
            n += t->count;
    return n;
}

static void number_of_subscribers(struct call *c, enum topic_kind kind)
{
    settle_registry(c);
    reply_array(c->reply, 2 * (size_t)(c->argc - 2));
    for (int i = 2; i < c->argc; i++) {
        reply_bulk(c->reply, c->argv[i].p, c->argv[i].n);
        reply_int(c->reply, (long long)count_subscribers(c, kind, c->argv[i]));
    }
}

void cmd_pubsub_numsub(struct call *c)
{
    number_of_subscribers(c, TOPIC_CHANNEL);
}
void cmd_pubsub_shardnumsub(struct call *c)
{
    number_of_subscribers(c, TOPIC_SHARD);
}
void cmd_pubsub_numpat(struct call *c)
{
    settle_registry(c);
    reply_int(c->reply, (long long)registry_names(c->ctx->root, TOPIC_PATTERN));
}
