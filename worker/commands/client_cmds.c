/* worker/commands/client_cmds.c - CLIENT: sessions lie in shared memory, so any worker can tell of all. */
#include "worker/dispatch/block.h"
#include "worker/commands/client_cmds.h"

#include <stdio.h>
#include <stdlib.h>

#include "shm/base/number.h"
#include "shm/config.h"
#include "worker/commands/server_cmds.h"
#include "worker/net/client.h"

command_fn cmd_client_getname, cmd_client_id, cmd_client_info, cmd_client_kill, cmd_client_list,
    cmd_client_no_evict, cmd_client_no_touch, cmd_client_pause, cmd_client_reply, cmd_client_setinfo,
    cmd_client_setname, cmd_client_unblock, cmd_client_unpause;

/* A line of CLIENT LIST takes some 2 us: with more clients than this the slow lane writes it. */
#define LIST_IN_WORKER 500

void session_mark(struct shm_session *s, uint32_t flag, bool on)
{
    if (on)
        __atomic_or_fetch(&s->flags, flag, __ATOMIC_RELAXED);
    else
        __atomic_and_fetch(&s->flags, ~flag, __ATOMIC_RELAXED);
}

static bool session_open(const struct shm_session *s)
{
    uint32_t state = __atomic_load_n(&s->state, __ATOMIC_ACQUIRE);
    return state != SESSION_FREE && state != SESSION_CLOSING;
}

/* ---- names ---- */

static bool is_plain(struct bytes b)
{
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] < '!' || b.p[i] > '~')
            return false;
    return true;
}

bool client_name_check(struct call *c, struct bytes name)
{
    if (!is_plain(name)) {
        reply_error(c->reply, "ERR Client names cannot contain spaces, newlines or special characters.");
        return false;
    }
    if (name.n > SESSION_NAME_MAX) {
        reply_errorf(c->reply, "ERR Client names cannot be longer than %u bytes.", SESSION_NAME_MAX);
        return false;
    }
    return true;
}

/* Readers in other processes may look at any time: whatever they see ends in a zero byte. */
static void store_text(char *to, size_t room, struct bytes text)
{
    size_t n = text.n < room - 1 ? text.n : room - 1;
    to[room - 1] = 0;
    memcpy(to, text.p, n);
    memset(to + n, 0, room - n);
}

void client_name_set(struct shm_session *s, struct bytes name)
{
    store_text(s->name, sizeof(s->name), name);
}

void cmd_client_setname(struct call *c)
{
    if (!client_name_check(c, c->argv[2]))
        return;
    client_name_set(c->session, c->argv[2]);
    reply_ok(c->reply);
}

void cmd_client_getname(struct call *c)
{
    if (c->session->name[0])
        reply_bulk_str(c->reply, c->session->name);
    else
        reply_null(c->reply);
}

void cmd_client_id(struct call *c)
{
    reply_int(c->reply, (long long)c->session->id);
}

void cmd_client_setinfo(struct call *c)
{
    struct bytes option = c->argv[2], value = c->argv[3];
    bool name = bytes_is(option, "lib-name");
    size_t room = name ? sizeof(c->session->lib_name) : sizeof(c->session->lib_ver);
    const char *what = name ? "lib-name" : "lib-ver";
    if (!name && !bytes_is(option, "lib-ver")) {
        reply_errorf(c->reply, "ERR Unrecognized option '%.*s'", (int)option.n, option.p);
        return;
    }
    if (!is_plain(value)) {
        reply_errorf(c->reply, "ERR %s cannot contain spaces, newlines or special characters.", what);
        return;
    }
    if (value.n >= room) {
        reply_errorf(c->reply, "ERR %s cannot be longer than %zu bytes.", what, room - 1);
        return;
    }
    store_text(name ? c->session->lib_name : c->session->lib_ver, room, value);
    reply_ok(c->reply);
}

/* ---- INFO and LIST ---- */

static void flag_letters(const struct shm_session *s, char out[16])
{
    uint32_t f = __atomic_load_n(&s->flags, __ATOMIC_RELAXED);
    size_t n = 0;
    if (f & SESSION_F_MONITOR)
        out[n++] = 'O';
    if (f & SESSION_F_PUBSUB)
        out[n++] = 'P';
    if (s->multi)
        out[n++] = 'x';
    if (f & (SESSION_F_BLOCKED | SESSION_F_PAUSED))
        out[n++] = 'b';
    if (f & SESSION_F_TRACKING)
        out[n++] = 't';
    if (f & SESSION_F_REDIR_LOST)
        out[n++] = 'R';
    if (f & SESSION_F_BCAST)
        out[n++] = 'B';
    if (f & SESSION_F_CLOSE_ASAP || s->kill)
        out[n++] = 'A';
    if (f & SESSION_F_UNIX)
        out[n++] = 'U';
    if (f & SESSION_F_NO_EVICT)
        out[n++] = 'e';
    if (f & SESSION_F_NO_TOUCH)
        out[n++] = 'T';
    if (!n)
        out[n++] = 'N';
    out[n] = 0;
}

/* The caller's own last command is the one that asks. */
static const char *last_command(const struct call *c, const struct shm_session *s)
{
    uint32_t row = s->last_cmd;
    if (s == c->session)
        return command_fullname(c->cmd);
    return row && row <= command_rows_n ? command_fullname(&command_rows[row - 1]) : "NULL";
}

static void put_session(const struct call *c, const struct shm_session *s, struct reply *out)
{
    char line[1024], letters[16];
    flag_letters(s, letters);
    int64_t age = c->now_ms - s->created_ms, idle = c->now_ms - s->last_ms;
    if (s == c->session)
        idle = 0;
    int n = snprintf(
        line, sizeof(line),
        "id=%llu addr=%.64s laddr=%.64s fd=%d name=%.200s age=%lld idle=%lld flags=%s db=%u sub=%u psub=%u "
        "ssub=%u "
        "multi=%d qbuf=%u qbuf-free=%u argv-mem=%u multi-mem=%llu rbs=%llu rbp=%llu obl=%u oll=%u omem=%llu "
        "tot-mem=%llu events=%s cmd=%s user=default redir=%lld resp=%u lib-name=%.62s lib-ver=%.31s\n",
        (unsigned long long)s->id, s->addr, s->laddr, s->fd, s->name, (long long)(age > 0 ? age / 1000 : 0),
        (long long)(idle > 0 ? idle / 1000 : 0), letters, s->db, s->subs[0], s->subs[2], s->subs[1],
        (int)s->multi - 1, s->qbuf, s->qbuf_free, s->argv_mem, (unsigned long long)s->multi_mem,
        (unsigned long long)s->rbs, (unsigned long long)s->rbp, s->obl, s->oll, (unsigned long long)s->omem,
        (unsigned long long)s->tot_mem, s->omem ? "rw" : "r", last_command(c, s),
        s->flags & SESSION_F_TRACKING ? (long long)s->redirect : -1LL, s->resp == 3 ? 3 : 2, s->lib_name,
        s->lib_ver);
    reply_raw(out, line, n < (int)sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

static void reply_text(struct call *c, struct reply *text)
{
    reply_verbatim(c->reply, "txt", (struct bytes){text->buf, text->len});
    reply_free(text);
}

void cmd_client_info(struct call *c)
{
    struct reply text = {0};
    if (c->client)
        client_measure(c->client);
    put_session(c, c->session, &text);
    reply_text(c, &text);
}

enum client_type { TYPE_ANY, TYPE_NORMAL, TYPE_PUBSUB, TYPE_NOBODY, TYPE_BAD };

/* There are no replicas and masters: these types are known, and nobody is one. */
static enum client_type client_type_of(struct call *c, struct bytes word)
{
    if (bytes_is(word, "normal"))
        return TYPE_NORMAL;
    if (bytes_is(word, "pubsub"))
        return TYPE_PUBSUB;
    if (bytes_is(word, "slave") || bytes_is(word, "replica") || bytes_is(word, "master"))
        return TYPE_NOBODY;
    reply_errorf(c->reply, "ERR Unknown client type '%.*s'", (int)word.n, word.p);
    return TYPE_BAD;
}

static bool type_is(enum client_type type, const struct shm_session *s)
{
    uint32_t flags = __atomic_load_n(&s->flags, __ATOMIC_RELAXED);
    return type == TYPE_ANY || (type == TYPE_PUBSUB && flags & SESSION_F_PUBSUB) ||
           (type == TYPE_NORMAL && !(flags & SESSION_F_PUBSUB));
}

static uint64_t count_clients(void)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < arena_root()->nslots; i++)
        n += slot_lives(slot_at(i)) ? slot_at(i)->clients : 0;
    return n;
}

static void list_all(struct call *c, enum client_type type)
{
    struct reply text = {0};
    if (count_clients() > LIST_IN_WORKER && call_defer(c))
        return;
    for (uint32_t i = 0; i < sessions_end(); i++)
        if (session_open(session_at(i)) && type_is(type, session_at(i)))
            put_session(c, session_at(i), &text);
    reply_text(c, &text);
}

static void list_ids(struct call *c)
{
    struct reply text = {0};
    for (int i = 3; i < c->argc; i++) {
        int64_t id;
        if (!number_to_int64(c->argv[i], &id)) {
            reply_free(&text);
            reply_error(c->reply, "ERR Invalid client ID");
            return;
        }
        const struct shm_session *s = id > 0 ? session_by_id((uint64_t)id) : NULL;
        if (s)
            put_session(c, s, &text);
    }
    reply_text(c, &text);
}

void cmd_client_list(struct call *c)
{
    struct reply none = {0};
    if (c->client)
        client_measure(c->client);
    if (c->argc == 4 && bytes_is(c->argv[2], "type")) {
        enum client_type type = client_type_of(c, c->argv[3]);
        if (type == TYPE_NOBODY)
            reply_text(c, &none);
        else if (type != TYPE_BAD)
            list_all(c, type);
    } else if (c->argc > 3 && bytes_is(c->argv[2], "id")) {
        list_ids(c);
    } else if (c->argc > 2) {
        reply_error(c->reply, ERR_SYNTAX);
    } else {
        list_all(c, TYPE_ANY);
    }
}

/* ---- KILL ---- */

struct kill_filter {
    uint64_t id; /* 0: any */
    const struct bytes *addr, *laddr;
    enum client_type type;
    int64_t max_age_s; /* 0: any age */
    bool skip_me;
};

static bool same_text(const struct bytes *want, const char *have)
{
    return !want || (want->n == strlen(have) && memcmp(want->p, have, want->n) == 0);
}

static bool kill_matches(const struct call *c, const struct kill_filter *f, const struct shm_session *s)
{
    if (!session_open(s) || s->kill || (f->skip_me && s == c->session))
        return false;
    if ((f->id && s->id != f->id) || !type_is(f->type, s))
        return false;
    if (f->max_age_s && (c->now_ms - s->created_ms) / 1000 < f->max_age_s)
        return false;
    return same_text(f->addr, s->addr) && same_text(f->laddr, s->laddr);
}

/* Our own client gets its reply before it is closed; others are closed by their worker as soon as it looks.
 */
static unsigned kill_matching(struct call *c, const struct kill_filter *f)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < sessions_end(); i++) {
        struct shm_session *s = session_at(i);
        if (!kill_matches(c, f, s))
            continue;
        n++;
        if (s == c->session) {
            client_close_soon(c->client);
            continue;
        }
        session_kill(s);
        worker_wake(c->w, s->owner);
    }
    return n;
}

static bool parse_number(struct call *c, struct bytes word, const char *what, int64_t *v)
{
    if (number_to_int64(word, v) && *v > 0)
        return true;
    reply_errorf(c->reply, "ERR %s should be greater than 0", what);
    return false;
}

/* One pair of CLIENT KILL's arguments; false: the error has been replied. */
static bool parse_filter(struct call *c, struct kill_filter *f, struct bytes name, const struct bytes *value)
{
    int64_t v;
    if (bytes_is(name, "id")) {
        if (!parse_number(c, *value, "client-id", &v))
            return false;
        f->id = (uint64_t)v;
    } else if (bytes_is(name, "maxage")) {
        if (!parse_number(c, *value, "maxage", &f->max_age_s))
            return false;
    } else if (bytes_is(name, "type")) {
        f->type = client_type_of(c, *value);
        return f->type != TYPE_BAD;
    } else if (bytes_is(name, "addr")) {
        f->addr = value;
    } else if (bytes_is(name, "laddr")) {
        f->laddr = value;
    } else if (bytes_is(name, "user")) {
        if (bytes_equal(*value, BYTES_LIT("default")))
            return true;
        reply_errorf(c->reply, "ERR No such user '%.*s'", (int)value->n, value->p);
        return false;
    } else if (bytes_is(name, "skipme") && (bytes_is(*value, "yes") || bytes_is(*value, "no"))) {
        f->skip_me = bytes_is(*value, "yes");
    } else {
        reply_error(c->reply, ERR_SYNTAX);
        return false;
    }
    return true;
}

static void kill_by_address(struct call *c)
{
    struct kill_filter f = {.addr = &c->argv[2]};
    if (kill_matching(c, &f))
        reply_ok(c->reply);
    else
        reply_error(c->reply, "ERR No such client");
}

void cmd_client_kill(struct call *c)
{
    struct kill_filter f = {.skip_me = true};
    if (c->argc == 3) {
        kill_by_address(c);
        return;
    }
    for (int i = 2; i + 1 < c->argc; i += 2)
        if (!parse_filter(c, &f, c->argv[i], &c->argv[i + 1]))
            return;
    if (c->argc % 2) { /* a name alone at the end; those before it count first */
        reply_error(c->reply, ERR_SYNTAX);
        return;
    }
    reply_int(c->reply, kill_matching(c, &f));
}

/* ---- marks ---- */

static bool parse_on_off(struct call *c, bool *on)
{
    *on = bytes_is(c->argv[2], "on");
    if (*on || bytes_is(c->argv[2], "off"))
        return true;
    reply_error(c->reply, ERR_SYNTAX);
    return false;
}

static void mark_on_off(struct call *c, uint32_t flag)
{
    bool on;
    if (!parse_on_off(c, &on))
        return;
    session_mark(c->session, flag, on);
    reply_ok(c->reply);
}

void cmd_client_no_evict(struct call *c)
{
    mark_on_off(c, SESSION_F_NO_EVICT);
}

void cmd_client_no_touch(struct call *c)
{
    mark_on_off(c, SESSION_F_NO_TOUCH);
}

void cmd_client_reply(struct call *c)
{
    struct client *cl = c->client;
    if (bytes_is(c->argv[2], "on")) {
        cl->reply_off = cl->reply_skip = false;
        session_mark(c->session, SESSION_F_REPLY_OFF | SESSION_F_REPLY_SKIP, false);
        reply_ok(c->reply);
    } else if (bytes_is(c->argv[2], "off")) {
        cl->reply_off = true;
        session_mark(c->session, SESSION_F_REPLY_OFF, true);
    } else if (bytes_is(c->argv[2], "skip")) {
        if (!cl->reply_off)
            cl->reply_skip_next = true;
    } else {
        reply_error(c->reply, ERR_SYNTAX);
    }
}

/* ---- PAUSE ---- */

static void wake_workers(struct call *c)
{
    for (uint32_t i = 0; i < c->ctx->root->nslots; i++)
        if (slot_at(i)->role == ROLE_WORKER && slot_at(i)->state == SLOT_RUNNING)
            worker_wake(c->w, i);
}

/* A pause is never shortened nor weakened by another one, only by UNPAUSE. */
static void pause_clients(struct call *c, uint32_t mode, int64_t until_ms)
{
    struct shm_root *r = c->ctx->root;
    if (r->pause_mode && r->pause_until_ms > c->now_ms) {
        if (r->pause_mode > mode)
            mode = r->pause_mode;
        if (r->pause_until_ms > until_ms)
            until_ms = r->pause_until_ms;
    }
    __atomic_store_n(&r->pause_until_ms, until_ms, __ATOMIC_RELEASE);
    __atomic_store_n(&r->pause_mode, mode, __ATOMIC_RELEASE);
}

void cmd_client_pause(struct call *c)
{
    uint32_t mode = 2;
    int64_t ms;
    if (c->argc > 4) {
        reply_subcommand_syntax(c);
        return;
    }
    if (c->argc == 4) {
        if (bytes_is(c->argv[3], "write")) {
            mode = 1;
        } else if (!bytes_is(c->argv[3], "all")) {
            reply_error(c->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
            return;
        }
    }
    if (!number_to_int64(c->argv[2], &ms)) {
        reply_error(c->reply, "ERR timeout is not an integer or out of range");
        return;
    }
    if (ms < 0) {
        reply_error(c->reply, "ERR timeout is negative");
        return;
    }
    if (ms > INT64_MAX - c->now_ms) {
        reply_error(c->reply, "ERR timeout is out of range");
        return;
    }
    pause_clients(c, mode, c->now_ms + ms);
    reply_ok(c->reply);
}

void cmd_client_unpause(struct call *c)
{
    __atomic_store_n(&c->ctx->root->pause_mode, 0, __ATOMIC_RELEASE);
    wake_workers(c);
    reply_ok(c->reply);
}

/* No command of this version waits, so there is never anybody to wake. */
void cmd_client_unblock(struct call *c)
{
    int64_t id;
    if (c->argc > 4) {
        reply_subcommand_syntax(c);
        return;
    }
    if (c->argc == 4 && !bytes_is(c->argv[3], "timeout") && !bytes_is(c->argv[3], "error")) {
        reply_error(c->reply, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
        return;
    }
    if (!number_to_int64(c->argv[2], &id)) {
        reply_error(c->reply, ERR_NOT_INT);
        return;
    }
    struct shm_session *s = id > 0 ? session_by_id((uint64_t)id) : NULL;
    bool waits = s && (s->waiters || __atomic_load_n(&s->ack_lsn, __ATOMIC_ACQUIRE));
    if (waits) {
        __atomic_store_n(&s->unblock, c->argc == 4 && bytes_is(c->argv[3], "error") ? 2 : 1,
                         __ATOMIC_RELEASE);
        block_tell(c->w, session_index(s), (uint64_t)id);
    }
    reply_int(c->reply, waits);
}
