/* worker/commands/connection.c - AUTH HELLO ECHO PING QUIT RESET SELECT. */
#include "shm/base/number.h"
#include "shm/config.h"
#include "worker/commands/client_cmds.h"
#include "worker/commands/server_cmds.h"
#include "worker/dispatch/multi.h"
#include "worker/net/client.h"
#include "worker/net/pubsub.h"
#include "worker/net/tracking.h"

command_fn cmd_auth, cmd_echo, cmd_hello, cmd_ping, cmd_quit, cmd_reset, cmd_select;

#define ERR_WRONGPASS "WRONGPASS invalid username-password pair or user is disabled."
#define ERR_NO_PASSWORD                                                                                      \
    "ERR AUTH <password> called without any password configured for the default user. Are you sure your "    \
    "configuration is correct?"
#define ERR_HELLO_NOAUTH                                                                                     \
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> "    \
    "<pass> option can be used to authenticate the client and select the RESP protocol version at the same " \
    "time"

/* Compares without telling by its duration how much of the password was right. */
static bool same_secret(struct bytes given, const char *secret, size_t n)
{
    unsigned char differs = given.n != n;
    for (size_t i = 0; i < n && given.n; i++)
        differs |= (unsigned char)(secret[i] ^ given.p[i % given.n]);
    return !differs;
}

/* There is one user, "default"; without requirepass any password is right. */
static bool log_in(struct call *c, struct bytes user, struct bytes password)
{
    const char *secret = c->cfg->requirepass;
    size_t n = strnlen(secret, sizeof(c->cfg->requirepass));
    bool known = bytes_equal(user, BYTES_LIT("default"));
    if (!known || (n && !same_secret(password, secret, n))) {
        c->ctx->slot->stats.auth_denied++;
        reply_error(c->reply, ERR_WRONGPASS);
        return false;
    }
    c->session->authenticated = 1;
    return true;
}

void cmd_auth(struct call *c)
{
    struct bytes user = BYTES_LIT("default");
    if (c->argc > 3) {
        reply_error(c->reply, ERR_SYNTAX);
        return;
    }
    if (c->argc == 2 && !c->cfg->requirepass[0]) {
        reply_error(c->reply, ERR_NO_PASSWORD);
        return;
    }
    if (c->argc == 3)
        user = c->argv[1];
    if (log_in(c, user, c->argv[c->argc - 1]))
        reply_ok(c->reply);
}

/* ---- HELLO ---- */

struct hello {
    int64_t version; /* 0: as it is */
    const struct bytes *user, *password, *name;
};

static bool parse_hello(struct call *c, struct hello *h)
{
    if (c->argc > 1 && !number_to_int64(c->argv[1], &h->version)) {
        reply_error(c->reply, "ERR Protocol version is not an integer or out of range");
        return false;
    }
    if (c->argc > 1 && h->version != 2 && h->version != 3) {
        reply_error(c->reply, "NOPROTO unsupported protocol version");
        return false;
    }
    for (int i = 2; i < c->argc; i++) {
        struct bytes word = c->argv[i];
        int more = c->argc - 1 - i;
        if (bytes_is(word, "auth") && more >= 2) {
            h->user = &c->argv[i + 1];
            h->password = &c->argv[i + 2];
            i += 2;
        } else if (bytes_is(word, "setname") && more >= 1) {
            h->name = &c->argv[++i];
            if (!client_name_check(c, *h->name))
                return false;
        } else {
            reply_errorf(c->reply, "ERR Syntax error in HELLO option '%.*s'", (int)word.n, word.p);
            return false;
        }
    }
    return true;
}

static void put_hello(struct call *c)
{
    struct reply *r = c->reply;
    reply_map(r, 7);
    reply_bulk_str(r, "server");
    reply_bulk_str(r, "redis"); /* what client libraries compare with */
    reply_bulk_str(r, "version");
    reply_bulk_str(r, REDIS_VERSION);
    reply_bulk_str(r, "proto");
    reply_int(r, r->resp);
    reply_bulk_str(r, "id");
    reply_int(r, (long long)c->session->id);
    reply_bulk_str(r, "mode");
    reply_bulk_str(r, "standalone");
    reply_bulk_str(r, "role");
    reply_bulk_str(r, "master");
    reply_bulk_str(r, "modules");
    reply_array(r, 0);
}

static void set_resp(struct call *c, uint8_t resp)
{
    c->session->resp = resp;
    c->reply->resp = resp;
}

void cmd_hello(struct call *c)
{
    struct hello h = {0};
    if (!parse_hello(c, &h))
        return;
    if (h.user && !log_in(c, *h.user, *h.password))
        return;
    if (!c->session->authenticated) {
        reply_error(c->reply, ERR_HELLO_NOAUTH);
        return;
    }
    if (h.name)
        client_name_set(c->session, *h.name);
    if (h.version)
        set_resp(c, (uint8_t)h.version);
    put_hello(c);
}

/* ---- the small ones ---- */

void cmd_echo(struct call *c)
{
    reply_bulk(c->reply, c->argv[1].p, c->argv[1].n);
}

/* To a subscriber everything comes in arrays. */
static void pong_as_message(struct call *c)
{
    struct bytes text = c->argc == 2 ? c->argv[1] : BYTES_LIT("");
    reply_array(c->reply, 2);
    reply_bulk_str(c->reply, "pong");
    reply_bulk(c->reply, text.p, text.n);
}

void cmd_ping(struct call *c)
{
    if (c->argc > 2)
        reply_error(c->reply, "ERR wrong number of arguments for 'ping' command");
    else if (c->client && c->client->subs && c->session->resp != 3)
        pong_as_message(c);
    else if (c->argc == 2)
        reply_bulk(c->reply, c->argv[1].p, c->argv[1].n);
    else
        REPLY_LIT(c->reply, "+PONG\r\n");
}

void cmd_quit(struct call *c)
{
    reply_ok(c->reply);
    client_close_soon(c->client);
}

void cmd_reset(struct call *c)
{
    struct client *cl = c->client;
    struct shm_session *s = c->session;
    if (cl->monitor)
        monitor_stop(cl);
    multi_drop(cl);
    pubsub_forget(cl);
    tracking_stop(cl);
    cl->reply_off = cl->reply_skip = cl->reply_skip_next = false;
    session_mark(s, SESSION_F_REPLY_OFF | SESSION_F_REPLY_SKIP | SESSION_F_NO_EVICT | SESSION_F_NO_TOUCH,
                 false);
    client_name_set(s, BYTES_LIT(""));
    s->db = 0;
    s->authenticated = !c->cfg->requirepass[0];
    set_resp(c, 2);
    REPLY_LIT(c->reply, "+RESET\r\n");
}

void cmd_select(struct call *c)
{
    int64_t db;
    if (!number_to_int64(c->argv[1], &db) || db != (int32_t)db) {
        reply_error(c->reply, ERR_NOT_INT);
        return;
    }
    if (db < 0 || db >= c->ctx->root->ndbs) {
        reply_error(c->reply, "ERR DB index is out of range");
        return;
    }
    c->session->db = (uint32_t)db;
    reply_ok(c->reply);
}
