#include "worker/dispatch/multi.h"
#include "worker/net/client.h"

#include <stdlib.h>

command_fn cmd_discard, cmd_exec, cmd_multi, cmd_quit, cmd_reset, cmd_watch;

/* ---- the queue ---- */

static struct multi *multi_get(struct client *cl)
{
    if (!cl->multi) {
        cl->multi = calloc(1, sizeof(*cl->multi));
        CHECK(cl->multi);
    }
    return cl->multi;
}

/* What CLIENT LIST says of it on any worker. */
static void tell_session(struct client *cl)
{
    const struct multi *m = cl->multi;
    cl->session->multi = m && m->open ? m->n + 1 : 0;
    cl->session->multi_mem = m ? multi_memory(m) : 0;
}

bool multi_queues(const struct client *cl, const struct command *cmd)
{
    return cl->multi->open && cmd->run != cmd_exec && cmd->run != cmd_discard && cmd->run != cmd_multi &&
           cmd->run != cmd_watch && cmd->run != cmd_quit && cmd->run != cmd_reset;
}

static struct bytes *copy_args(const struct bytes *argv, int argc, size_t *bytes)
{
    *bytes = (size_t)argc * sizeof(*argv);
    for (int i = 0; i < argc; i++)
        *bytes += argv[i].n;
    struct bytes *copy = malloc(*bytes);
    CHECK(copy);
    char *p = (char *)(copy + argc);
    for (int i = 0; i < argc; i++) {
        bytes_copy(p, argv[i].p, argv[i].n);
        copy[i] = (struct bytes){p, argv[i].n};
        p += argv[i].n;
    }
    return copy;
}

static struct queued *queue_add(struct multi *m, const struct command *cmd, const struct bytes *argv,
                                int argc)
{
    size_t bytes;
    if (m->n == m->cap) {
        m->cap = m->cap * 2 + 8;
        m->q = realloc(m->q, m->cap * sizeof(*m->q));
        CHECK(m->q);
    }
    struct queued *q = &m->q[m->n++];
    *q = (struct queued){.cmd = cmd, .argc = argc, .argv = copy_args(argv, argc, &bytes)};
    m->bytes += bytes;
    m->flags |= cmd->flags;
    m->lacks |= ~cmd->flags;
    return q;
}

void multi_queue(struct client *cl, const struct command *cmd, const struct request *rq)
{
    queue_add(cl->multi, cmd, rq->argv, rq->argc);
    tell_session(cl);
    REPLY_LIT(&cl->w->out, "+QUEUED\r\n");
}

uint32_t multi_flags(const struct client *cl, const struct command *cmd)
{
    const struct multi *m = cl->multi;
    if (cmd->run != cmd_exec || !m->open)
        return cmd->flags;
    uint32_t also = m->flags & (F_WRITE | F_DENYOOM | F_MAY_REPLICATE | F_HEALTH);
    return (cmd->flags | also) & ~(m->lacks & F_LOADING);
}

void multi_refused(struct client *cl, const struct command *cmd, size_t mark)
{
    struct reply *r = &cl->w->out;
    if (!cmd || cmd->run != cmd_exec) {
        if (cl->multi)
            cl->multi->dirty |= cl->multi->open;
        return;
    }
    /* The words of the refusal, without their minus and line's end; the general code is left out. */
    size_t from = mark + 1, n = r->len - from - 2;
    if (n > 4 && !memcmp(r->buf + from, "ERR ", 4))
        from += 4, n -= 4;
    char *why = strndup(r->buf + from, n);
    CHECK(why);
    r->len = mark;
    reply_errorf(r, "EXECABORT Transaction discarded because of: %s", why);
    free(why);
    multi_drop(cl);
}

void multi_begin(struct client *cl)
{
    multi_get(cl)->open = true;
    tell_session(cl);
}

/* ---- watched keys ---- */

static int by_key(const void *a, const void *b)
{
    const struct watched *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    if (x->db != y->db)
        return x->db < y->db ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static bool same_key(const struct watched *x, const struct watched *y)
{
    return x->hash == y->hash && x->db == y->db && bytes_equal(x->key, y->key);
}

static void forget_key(struct multi *m, const struct watched *w)
{
    m->watched_bytes -= w->key.n + 1;
    free((void *)(uintptr_t)w->key.p);
}

/* Where the array is full keys that were watched again go first, so that it grows with the keys alone. */
static void make_room(struct multi *m)
{
    unsigned kept = 0;
    if (m->nwatched) /* of nothing there is no array */
        qsort(m->watched, m->nwatched, sizeof(*m->watched), by_key);
    for (unsigned i = 0; i < m->nwatched; i++)
        if (kept && same_key(&m->watched[kept - 1], &m->watched[i]))
            forget_key(m, &m->watched[i]);
        else
            m->watched[kept++] = m->watched[i];
    m->nwatched = kept;
    if (kept <= m->watched_cap / 2 && m->watched_cap)
        return;
    m->watched_cap = m->watched_cap * 2 + 4;
    m->watched = realloc(m->watched, m->watched_cap * sizeof(*m->watched));
    CHECK(m->watched);
}

void multi_watch(struct client *cl, struct key_ref *k, bool exists)
{
    struct multi *m = multi_get(cl);
    if (m->nwatched == m->watched_cap)
        make_room(m);
    char *copy = malloc(k->key.n + 1);
    CHECK(copy);
    bytes_copy(copy, k->key.p, k->key.n);
    m->watched_bytes += k->key.n + 1;
    struct watched *w = &m->watched[m->nwatched++];
    *w = (struct watched){.key = {copy, k->key.n}, .hash = k->hash, .db = k->db, .order = m->next_order++};
    watch_begin(cl->w->ctx.root, k, exists, &w->mark);
    tell_session(cl);
}

static void forget_watched(struct multi *m)
{
    for (unsigned i = 0; i < m->nwatched; i++)
        forget_key(m, &m->watched[i]);
    m->nwatched = 0;
}

void multi_unwatch(struct client *cl)
{
    if (!cl->multi)
        return;
    if (!cl->multi->open)
        multi_drop(cl);
    else
        forget_watched(cl->multi);
}

/* ---- the end ---- */

void multi_free(struct multi *m)
{
    forget_watched(m);
    for (unsigned i = 0; i < m->n; i++) {
        free(m->q[i].argv);
        free(m->q[i].reply);
    }
    free(m->watched);
    free(m->q);
    free(m);
}

void multi_drop(struct client *cl)
{
    if (!cl->multi)
        return;
    multi_free(cl->multi);
    cl->multi = NULL;
    tell_session(cl);
}

void multi_abort(struct client *cl)
{
    const struct multi *m = cl->multi;
    if (m && m->ready) {
        cl->session->db = m->db;
        cl->session->resp = m->resp;
    }
    multi_drop(cl);
}

size_t multi_memory(const struct multi *m)
{
    return sizeof(*m) + m->cap * sizeof(*m->q) + m->watched_cap * sizeof(*m->watched) + m->bytes +
           m->watched_bytes;
}

/* ---- as bytes ---- */

struct packed {
    uint32_t n, nwatched, ready, db;
    uint8_t open, dirty, for_lane, resp, gate, spare[7];
};
struct packed_command {
    uint64_t reply_len; /* UINT64_MAX: none */
    uint32_t argc, db, resp, spare;
};
struct packed_key {
    uint64_t len, hash;
    struct watch_mark mark;
    uint32_t db, spare;
};

void multi_pack(const struct multi *m, struct reply *out)
{
    struct packed head = {.n = m->n,
                          .nwatched = m->nwatched,
                          .ready = m->ready,
                          .db = m->db,
                          .open = m->open,
                          .dirty = m->dirty,
                          .for_lane = m->for_lane,
                          .resp = m->resp,
                          .gate = exec_wants_gate(m)};
    reply_raw(out, &head, sizeof(head));
    for (unsigned i = 0; i < m->n; i++) {
        const struct queued *q = &m->q[i];
        struct packed_command p = {q->reply ? q->reply_len : UINT64_MAX, (uint32_t)q->argc, q->db, q->resp,
                                   0};
        reply_raw(out, &p, sizeof(p));
        for (int a = 0; a < q->argc; a++) {
            reply_raw(out, &(uint64_t){q->argv[a].n}, 8);
            reply_raw(out, q->argv[a].p, q->argv[a].n);
        }
        if (q->reply)
            reply_raw(out, q->reply, q->reply_len);
    }
    for (unsigned i = 0; i < m->nwatched; i++) {
        const struct watched *w = &m->watched[i];
        struct packed_key p = {w->key.n, w->hash, w->mark, w->db, 0};
        reply_raw(out, &p, sizeof(p));
        reply_raw(out, w->key.p, w->key.n);
    }
}

static const char *take(const char **from, size_t n)
{
    const char *p = *from;
    *from += n;
    return p;
}

/* The row is found by its name: a binary that takes over counts its rows in its own way, and may even lack one. */
static void unpack_command(struct multi *m, const char **from)
{
    struct packed_command p;
    memcpy(&p, take(from, sizeof(p)), sizeof(p));
    struct bytes *argv = malloc(p.argc * sizeof(*argv));
    CHECK(argv);
    for (uint32_t a = 0; a < p.argc; a++) {
        uint64_t n;
        memcpy(&n, take(from, 8), 8);
        argv[a] = (struct bytes){take(from, n), n};
    }
    const struct command *cmd = command_find(argv[0]);
    cmd = cmd ? command_row(cmd, argv, (int)p.argc) : NULL;
    if (cmd) {
        struct queued *q = queue_add(m, cmd, argv, (int)p.argc);
        q->db = p.db;
        q->resp = (uint8_t)p.resp;
        q->reply_len = p.reply_len;
        if (p.reply_len != UINT64_MAX) {
            q->reply = malloc(p.reply_len + 1);
            CHECK(q->reply);
            memcpy(q->reply, take(from, p.reply_len), p.reply_len);
        }
    } else {
        m->dirty = true;
        take(from, p.reply_len != UINT64_MAX ? p.reply_len : 0);
    }
    free(argv);
}

static void unpack_watched(struct multi *m, unsigned n, const char **from)
{
    m->watched = calloc(n ? n : 1, sizeof(*m->watched));
    CHECK(m->watched);
    m->watched_cap = m->nwatched = m->next_order = n;
    for (unsigned i = 0; i < n; i++) {
        struct packed_key p;
        memcpy(&p, take(from, sizeof(p)), sizeof(p));
        char *copy = malloc(p.len + 1);
        CHECK(copy);
        memcpy(copy, take(from, p.len), p.len);
        m->watched[i] = (struct watched){{copy, p.len}, p.hash, p.db, i, p.mark};
        m->watched_bytes += p.len + 1;
    }
}

bool multi_packed_gate(struct bytes packed)
{
    struct packed head;
    memcpy(&head, packed.p, sizeof(head));
    return head.gate;
}

struct multi *multi_unpack(struct bytes packed)
{
    const char *at = packed.p;
    struct packed head;
    struct multi *m = calloc(1, sizeof(*m));
    CHECK(m);
    memcpy(&head, take(&at, sizeof(head)), sizeof(head));
    m->open = head.open;
    m->dirty = head.dirty;
    m->for_lane = head.for_lane;
    m->ready = head.ready;
    m->db = head.db;
    m->resp = head.resp;
    for (uint32_t i = 0; i < head.n; i++)
        unpack_command(m, &at);
    unpack_watched(m, head.nwatched, &at);
    CHECK(at == packed.p + packed.n);
    return m;
}

/* They stand at the end. */
void multi_packed_again(const struct multi *m, struct bytes packed)
{
    char *at = (char *)packed.p + packed.n;
    for (unsigned i = m->nwatched; i-- > 0;) {
        const struct watched *w = &m->watched[i];
        at -= sizeof(struct packed_key) + w->key.n;
        memcpy(at + offsetof(struct packed_key, mark), &w->mark, sizeof(w->mark));
    }
}
