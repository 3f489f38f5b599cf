/* worker/commands/tracking_cmds.c - CLIENT TRACKING and its kin: arguments and replies. */
#include <stdlib.h>

#include "shm/base/number.h"
#include "worker/commands/server_cmds.h"
#include "worker/net/tracking.h"

command_fn cmd_client_caching, cmd_client_getredir, cmd_client_tracking, cmd_client_trackinginfo;

struct wanted {
    uint32_t flags;
    int64_t redirect;
    struct bytes *prefix;
    unsigned n;
};

/* ---- arguments ---- */

static bool take_redirect(struct call *c, struct wanted *want, struct bytes id)
{
    if (want->redirect) {
        reply_error(c->reply, "ERR A client can only redirect to a single other client");
        return false;
    }
    if (!number_to_int64(id, &want->redirect)) {
        reply_error(c->reply, ERR_NOT_INT);
        return false;
    }
    if (!session_by_id((uint64_t)want->redirect)) {
        reply_error(c->reply, "ERR The client ID you want redirect to does not exist");
        return false;
    }
    return true;
}

static bool parse(struct call *c, struct wanted *want)
{
    for (int i = 3; i < c->argc; i++) {
        struct bytes word = c->argv[i];
        bool more = i + 1 < c->argc;
        if (bytes_is(word, "redirect") && more) {
            if (!take_redirect(c, want, c->argv[++i]))
                return false;
        } else if (bytes_is(word, "bcast")) {
            want->flags |= TRACK_BCAST;
        } else if (bytes_is(word, "optin")) {
            want->flags |= TRACK_OPTIN;
        } else if (bytes_is(word, "optout")) {
            want->flags |= TRACK_OPTOUT;
        } else if (bytes_is(word, "noloop")) {
            want->flags |= TRACK_NOLOOP;
        } else if (bytes_is(word, "prefix") && more) {
            want->prefix[want->n++] = c->argv[++i];
        } else {
            reply_error(c->reply, ERR_SYNTAX);
            return false;
        }
    }
    return true;
}

/* ---- what fits ---- */

static const char *misfit(const struct wanted *want, const struct track *now)
{
    uint32_t f = want->flags, had = now ? now->flags : 0;
    if (!(f & TRACK_BCAST) && want->n)
        return "ERR PREFIX option requires BCAST mode to be enabled";
    if (now && (had ^ f) & TRACK_BCAST)
        return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then "
               "re-enabling it with a different mode.";
    if (f & TRACK_BCAST && f & (TRACK_OPTIN | TRACK_OPTOUT))
        return "ERR OPTIN and OPTOUT are not compatible with BCAST";
    if (f & TRACK_OPTIN && f & TRACK_OPTOUT)
        return "ERR You can't specify both OPTIN mode and OPTOUT mode";
    if ((f & TRACK_OPTIN && had & TRACK_OPTOUT) || (f & TRACK_OPTOUT && had & TRACK_OPTIN))
        return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then "
               "re-enabling it with a different mode.";
    return NULL;
}

static bool overlap(struct bytes a, struct bytes b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    return !n || memcmp(a.p, b.p, n) == 0;
}

static void reply_overlap(struct call *c, struct bytes prefix, const char *with, struct bytes other)
{
    reply_errorf(c->reply,
                 "ERR Prefix '%.*s' overlaps with %s prefix '%.*s'. Prefixes for a single client must not "
                 "overlap.",
                 (int)prefix.n, prefix.p, with, (int)other.n, other.p);
}

/* True: none does. redis-server 7.0 notices some of those among the new ones, says so, and takes them all the same, with
 * a second reply. */
static bool check_overlap(struct call *c, const struct wanted *want, const struct track *now)
{
    for (unsigned i = 0; i < want->n; i++) {
        for (unsigned k = 0; now && k < now->nprefixes; k++)
            if (overlap(prefix_name(now->prefix[k]), want->prefix[i])) {
                reply_overlap(c, want->prefix[i], "an existing", prefix_name(now->prefix[k]));
                return false;
            }
        for (unsigned k = i + 1; k < want->n; k++)
            if (overlap(want->prefix[i], want->prefix[k])) {
                reply_overlap(c, want->prefix[i], "another provided", want->prefix[k]);
                return false;
            }
    }
    return true;
}

/* ---- CLIENT TRACKING ---- */

static void start(struct call *c, const struct wanted *want)
{
    const struct track *now = c->client->track;
    const char *why = misfit(want, now);
    if (why) {
        reply_error(c->reply, why);
        return;
    }
    if (!check_overlap(c, want, now))
        return;
    uint32_t caching = now ? now->flags & TRACK_CACHING : 0;
    enum rc rc =
        tracking_start(c->client, want->flags | caching, (uint64_t)want->redirect, want->prefix, want->n);
    if (rc)
        call_fail(c, rc);
    else
        reply_ok(c->reply);
}

void cmd_client_tracking(struct call *c)
{
    struct wanted want = {.prefix = calloc((size_t)c->argc, sizeof(struct bytes))};
    CHECK(want.prefix);
    if (!parse(c, &want)) {
        free(want.prefix);
        return;
    }
    if (bytes_is(c->argv[2], "on")) {
        start(c, &want);
    } else if (bytes_is(c->argv[2], "off")) {
        tracking_stop(c->client);
        tracking_sync(c->w); /* or at the end of the turn */
        reply_ok(c->reply);
    } else {
        reply_error(c->reply, ERR_SYNTAX);
    }
    free(want.prefix);
}

/* ---- CLIENT CACHING, GETREDIR, TRACKINGINFO ---- */

void cmd_client_caching(struct call *c)
{
    struct track *t = c->client->track;
    bool yes = bytes_is(c->argv[2], "yes");
    if (!t)
        reply_error(c->reply,
                    "ERR CLIENT CACHING can be called only when the client is in tracking mode with "
                    "OPTIN or OPTOUT mode enabled");
    else if (!yes && !bytes_is(c->argv[2], "no"))
        reply_error(c->reply, ERR_SYNTAX);
    else if (yes && !(t->flags & TRACK_OPTIN))
        reply_error(c->reply, "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
    else if (!yes && !(t->flags & TRACK_OPTOUT))
        reply_error(c->reply, "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
    else {
        t->flags |= TRACK_CACHING;
        reply_ok(c->reply);
    }
}

static void put_redirect(struct call *c)
{
    const struct track *t = c->client->track;
    reply_int(c->reply, t ? (long long)t->redirect : -1);
}

void cmd_client_getredir(struct call *c)
{
    put_redirect(c);
}

static void put_flags(struct call *c)
{
    static const struct {
        uint32_t flags;
        const char *name;
    } word[] = {
        {TRACK_BCAST, "bcast"},
        {TRACK_OPTIN, "optin"},
        {TRACK_OPTIN | TRACK_CACHING, "caching-yes"},
        {TRACK_OPTOUT, "optout"},
        {TRACK_OPTOUT | TRACK_CACHING, "caching-no"},
        {TRACK_NOLOOP, "noloop"},
        {TRACK_LOST, "broken_redirect"},
    };
    const struct track *t = c->client->track;
    size_t mark = reply_defer(c->reply), n = 1;
    reply_bulk_str(c->reply, t ? "on" : "off");
    for (unsigned i = 0; t && i < ARRAY_LEN(word); i++)
        if ((t->flags & word[i].flags) == word[i].flags) {
            reply_bulk_str(c->reply, word[i].name);
            n++;
        }
    reply_defer_set(c->reply, mark, n);
}

void cmd_client_trackinginfo(struct call *c)
{
    const struct track *t = c->client->track;
    reply_map(c->reply, 3);
    reply_bulk_str(c->reply, "flags");
    put_flags(c);
    reply_bulk_str(c->reply, "redirect");
    put_redirect(c);
    reply_bulk_str(c->reply, "prefixes");
    reply_array(c->reply, t ? t->nprefixes : 0);
    for (unsigned i = 0; t && i < t->nprefixes; i++) {
        struct bytes name = prefix_name(t->prefix[i]);
        reply_bulk(c->reply, name.p, name.n);
    }
}
