/* The clients' sockets in the master's keeping, and the unix sockets to the children over which they travel.
 */
#include "master/supervise.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shm/base/log.h"

/* ---- messages ---- */

void child_disconnect(struct master *m, struct child *c)
{
    if (c->control.fd < 0)
        return;
    ev_io_stop(m->loop, &c->in);
    ev_io_stop(m->loop, &c->out);
    channel_close(&c->control);
}

static void flush(struct master *m, struct child *c)
{
    channel_flush(&c->control);
    if (!channel_waits(&c->control))
        ev_io_stop(m->loop, &c->out);
}

/* The tick, too, tries: see channel_flush. */
void children_flush(struct master *m)
{
    for (uint32_t i = 0; i < m->nslots; i++)
        if (m->child[i].control.fd >= 0 && channel_waits(&m->child[i].control))
            flush(m, &m->child[i]);
}

void child_tell(struct master *m, struct child *c, const struct control_msg *msg, int passed)
{
    if (c->control.fd < 0)
        return;
    channel_send(&c->control, msg, passed);
    if (channel_waits(&c->control))
        ev_io_start(m->loop, &c->out);
}

/* ---- sessions ---- */

void custody_open(struct master *m)
{
    m->client_fd = malloc(m->root->nsessions * sizeof(*m->client_fd));
    m->homeless = malloc(m->root->nsessions * sizeof(*m->homeless));
    CHECK(m->client_fd && m->homeless);
    memset(m->client_fd, 0xff, m->root->nsessions * sizeof(*m->client_fd));
}

static void keep(struct master *m, uint32_t x, int fd)
{
    if (m->client_fd[x] >= 0)
        close(m->client_fd[x]);
    m->client_fd[x] = fd;
    session_at(x)->master_fd = fd;
}

/* The last step: from here on any worker may claim the session. */
static void set_free(struct master *m, uint32_t x)
{
    keep(m, x, -1);
    __atomic_store_n(&session_at(x)->state, SESSION_FREE, __ATOMIC_RELEASE);
}

struct child *least_loaded(struct master *m)
{
    struct child *best = NULL;
    for (uint32_t i = 0; i < m->nslots; i++) {
        struct child *c = &m->child[i];
        if (c->phase == CHILD_RUNNING && c->role == ROLE_WORKER && (!best || c->sessions < best->sessions))
            best = c;
    }
    return best;
}

/* After a crash whose replacement starts at once the sessions wait the few milliseconds for it, or all of them
 * would crowd on the others and stay there. */
static bool successor_is_due(struct master *m, const struct child *from)
{
    struct post *p = from ? post_find(m, from->role, from->index) : NULL;
    return p && p->slot == (int)from->slot && from->phase == CHILD_REPAIRING && !m->ending &&
           !restart_waits(p, from);
}

static void give(struct master *m, uint32_t x, struct child *to)
{
    struct control_msg msg = {.kind = CTL_TAKE, .x = x, .y = session_at(x)->id};
    __atomic_store_n(&session_at(x)->owner, to->slot, __ATOMIC_RELEASE);
    to->sessions++;
    child_tell(m, to, &msg, m->client_fd[x]);
}

/* The worker in this slot, if it is to stay. */
static struct child *staying(struct master *m, uint32_t slot)
{
    struct child *c = slot < m->nslots ? &m->child[slot] : NULL;
    return c && c->phase == CHILD_RUNNING && c->role == ROLE_WORKER ? c : NULL;
}

/* A session on its way: where it wants to go, else to its old owner's successor, else to whoever has least. */
static void find_home(struct master *m, uint32_t x, struct child *from, struct child *wish)
{
    struct child *to = wish;
    if (from && !to) {
        struct post *p = post_find(m, from->role, from->index);
        int next = p ? (p->next >= 0 ? p->next : p->slot) : -1;
        if (next >= 0 && m->child[next].phase == CHILD_RUNNING)
            to = &m->child[next];
    }
    if (!to && !successor_is_due(m, from))
        to = least_loaded(m);
    if (!to) {
        m->homeless[m->nhomeless++] = x;
        return;
    }
    give(m, x, to);
}

void sessions_house(struct master *m)
{
    uint32_t n = m->nhomeless;
    if (!n || !least_loaded(m))
        return;
    for (uint32_t i = 0; i < m->nslots; i++)
        if (m->child[i].phase == CHILD_STARTING && m->child[i].role == ROLE_WORKER)
            return; /* it is for its sake that they wait */
    m->nhomeless = 0;
    for (uint32_t i = 0; i < n; i++)
        find_home(m, m->homeless[i], NULL, NULL);
}

/* Only pages that exist are looked at: a table that was never full costs no memory by being searched. */
static bool page_exists(uintptr_t page)
{
    unsigned char there = 0;
    return mincore((void *)(page * 4096), 4096, &there) || (there & 1);
}

bool sessions_next(uint32_t slot, uint32_t *x)
{
    uintptr_t known = 0;
    bool exists = true;
    for (; *x < arena_root()->nsessions; ++*x) {
        struct shm_session *s = session_at(*x);
        if ((uintptr_t)s / 4096 != known) {
            known = (uintptr_t)s / 4096;
            exists = page_exists(known);
        }
        /* The state is a session's first word: where its page is missing it never was anything but free. */
        if (exists && __atomic_load_n(&s->state, __ATOMIC_ACQUIRE) != SESSION_FREE && s->owner == slot)
            return true;
    }
    return false;
}

/* A session that waits still names its dead owner's slot, and is met again when the slot's next process dies too:
 * it is decided anew, and must not be handed on a second time from the list. */
static void leave_homeless(struct master *m, uint32_t x)
{
    for (uint32_t i = 0; i < m->nhomeless; i++)
        if (m->homeless[i] == x) {
            m->homeless[i] = m->homeless[--m->nhomeless];
            return;
        }
}

unsigned sessions_settle(struct master *m, struct child *c)
{
    unsigned kept = 0;
    for (uint32_t x = 0; sessions_next(c->slot, &x); x++) {
        struct shm_session *s = session_at(x);
        leave_homeless(m, x);
        bool quiet = s->state == SESSION_IDLE || s->state == SESSION_MOVING;
        if (quiet && m->client_fd[x] >= 0 && !s->kill) {
            kept++;
            find_home(m, x, c, NULL);
            continue;
        }
        /* Others may hold the description open for a while yet: the client is to know at once. */
        if (m->client_fd[x] >= 0)
            shutdown(m->client_fd[x], SHUT_RDWR);
        set_free(m, x);
    }
    c->sessions = 0;
    return kept;
}

/* ---- what children say ---- */

static bool is_its(struct master *m, const struct child *c, uint64_t x)
{
    return x < m->root->nsessions && session_at((uint32_t)x)->owner == c->slot &&
           session_at((uint32_t)x)->state != SESSION_FREE;
}

static void on_adopt(struct master *m, struct child *c, const struct control_msg *msg, int *passed)
{
    if (!is_its(m, c, msg->x))
        return;
    if (*passed < 0) {
        if (!m->warned_no_fds)
            log_warning(
                "The master could not take a client's socket (too many open files?): such clients are "
                "closed when their worker dies");
        m->warned_no_fds = true;
        return;
    }
    if (m->client_fd[msg->x] < 0)
        c->sessions++;
    keep(m, (uint32_t)msg->x, *passed);
    *passed = -1;
}

static void on_closed(struct master *m, struct child *c, const struct control_msg *msg)
{
    struct control_msg answer = {.kind = CTL_DROPPED, .x = msg->x, .y = msg->y};
    if (is_its(m, c, msg->x) && session_at((uint32_t)msg->x)->state == SESSION_CLOSING &&
        session_at((uint32_t)msg->x)->id == msg->y) {
        if (m->client_fd[msg->x] >= 0 && c->sessions)
            c->sessions--;
        set_free(m, (uint32_t)msg->x);
    }
    child_tell(m, c, &answer, -1);
}

static void on_move(struct master *m, struct child *c, const struct control_msg *msg, int *passed)
{
    uint32_t x = (uint32_t)msg->x;
    if (!is_its(m, c, msg->x) || session_at(x)->state != SESSION_MOVING)
        return;
    if (m->client_fd[x] < 0) {
        keep(m, x, *passed);
        *passed = -1;
    } else if (c->sessions) {
        c->sessions--;
    }
    if (m->client_fd[x] < 0)
        return; /* no socket to hand on: it is closed when the child has left */
    m->root->handovers++;
    find_home(m, x, c, msg->options ? staying(m, msg->options - 1u) : NULL);
}

static void handle(struct master *m, struct child *c, const struct control_msg *msg, int *passed)
{
    switch ((enum control_kind)msg->kind) {
    case CTL_READY:
        child_ready(m, c);
        break;
    case CTL_ADOPT:
        on_adopt(m, c, msg, passed);
        break;
    case CTL_CLOSED:
        on_closed(m, c, msg);
        break;
    case CTL_MOVE:
        on_move(m, c, msg, passed);
        break;
    case CTL_LEFT:
        c->left = true;
        break;
    case CTL_ASK:
        ask_handle(m, msg);
        break;
    case CTL_LOG_REOPEN:
        kill(m->pid, SIGUSR1);
        break;
    default:
        log_warning("%s %u said something that the master does not know (%u)", role_names[c->role], c->index,
                    msg->kind);
    }
}

void child_hear(struct master *m, struct child *c)
{
    struct control_msg msg;
    int passed;
    bool closed = false;
    while (c->control.fd >= 0 && channel_receive(&c->control, &msg, &passed, &closed)) {
        handle(m, c, &msg, &passed);
        if (passed >= 0)
            close(passed);
    }
    if (closed)
        ev_io_stop(m->loop, &c->in); /* its death is on the way */
}

/* ---- the watchers ---- */

static void on_readable(struct ev_loop *loop, ev_io *w, int events)
{
    struct child *c = (struct child *)((char *)w - offsetof(struct child, in));
    (void)loop, (void)events;
    child_hear(w->data, c);
}

static void on_writable(struct ev_loop *loop, ev_io *w, int events)
{
    struct child *c = (struct child *)((char *)w - offsetof(struct child, out));
    (void)loop, (void)events;
    flush(w->data, c);
}

void child_connect(struct master *m, struct child *c, int fd)
{
    channel_open(&c->control, fd);
    ev_io_init(&c->in, on_readable, fd, EV_READ);
    ev_io_init(&c->out, on_writable, fd, EV_WRITE);
    c->in.data = c->out.data = m;
    ev_io_start(m->loop, &c->in);
}
