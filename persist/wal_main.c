/* The log's writer: takes what transactions did from the ring and writes it to segments. See persist/README.md. */
#include "persist/wal/writer.h"
#include "shm/base/clock.h"
#include "shm/repair.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STUCK_US                                                                                             \
    20 /* a transaction under way, or a latch, stands before what could be written; doubled each time */
#define STUCK_MS   1   /* up to this: then its process was preempted, or has died */
#define QUIET_US   5   /* no record has come for so long: no more are coming */
#define GATHER_US  50  /* but no longer than this */
#define BUSY_MS    20  /* between looks while there is something to write, unless somebody waits for it */
#define IDLE_MS    320 /* when nothing happens */
#define PUBLISH_MS 1000
#define DRAIN_MS   10000 /* for transactions that hold back the ring's end */
#define FAULT_MS   2500  /* twice it is tried again */
#define ALIVE_MS   10000 /* for workers whose master has gone to be gone, too */

static int64_t published_ms;

static void publish_now_and_then(struct writer *w)
{
    int64_t now = mono_ms();
    struct rusage u;
    w->ctx.slot->heartbeat_ms = (uint64_t)now;
    if (now - published_ms < PUBLISH_MS || getrusage(RUSAGE_SELF, &u))
        return;
    published_ms = now;
    w->ctx.slot->cpu_user_us = (uint64_t)u.ru_utime.tv_sec * 1000000 + (uint64_t)u.ru_utime.tv_usec;
    w->ctx.slot->cpu_sys_us = (uint64_t)u.ru_stime.tv_sec * 1000000 + (uint64_t)u.ru_stime.tv_usec;
}

static void drain_control(struct writer *w)
{
    struct control_msg m;
    int passed;
    bool closed = false;
    while (channel_receive(&w->control, &m, &passed, &closed)) {
        if (m.kind == CTL_STOP)
            w->stop_asked = true;
        if (passed >= 0 && m.kind == CTL_LOG_REOPEN)
            log_use_fd(passed);
        else if (passed >= 0)
            close(passed);
    }
    if (closed)
        w->orphan = true;
}

/* ---- sleeping ---- */

/* Says that it sleeps, then looks once more: who makes a record does it the other way round. */
static bool ring_has_more(struct writer *w)
{
    bool waited_for = writer_sync_wanted(w);
    __atomic_store_n(&w->wal->asleep, 1, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++) {
        const struct shm_wal_ring *ring = &slot_at(i)->wal;
        uint64_t n = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE) - ring->head;
        if (n && (waited_for || n >= WAL_RING_BYTES / 4))
            return true;
    }
    return false;
}

static void wake_up(struct writer *w, int wakefd)
{
    uint64_t n;
    ssize_t got = read(wakefd, &n, sizeof(n));
    (void)got;
    (void)w;
    __atomic_store_n(&w->ctx.slot->wake, 0,
                     __ATOMIC_SEQ_CST); /* in this order: who comes next writes again */
}

/* What there is cannot be written now, and nobody will say when it can. Most often a worker is between drawing its
 * number and its commit, a microsecond: clients who wait for the disk must not wait a millisecond for that. */
static unsigned held_us(struct writer *w)
{
    if (!writer_sync_wanted(w) || w->wal->fault)
        return BUSY_MS * 1000;
    w->stuck_us = !w->stuck_us ? STUCK_US : w->stuck_us < STUCK_MS * 500 ? w->stuck_us * 2 : STUCK_MS * 1000;
    return w->stuck_us;
}

static void rest(struct writer *w, bool any, bool held)
{
    int wakefd = w->wakefd[w->ctx.id];
    struct pollfd p[2] = {{.fd = wakefd, .events = POLLIN}, {.fd = w->control.fd, .events = POLLIN}};
    w->rest_ms = any ? BUSY_MS : w->rest_ms < IDLE_MS ? w->rest_ms * 2 : IDLE_MS;
    unsigned us = held ? held_us(w) : w->rest_ms * 1000;
    struct timespec nap = {us / 1000000, us % 1000000 * 1000};
    if (!held)
        w->stuck_us = 0;
    if (held || !ring_has_more(w))
        ppoll(p, w->orphan ? 1 : 2, &nap, NULL);
    __atomic_store_n(&w->wal->asleep, 0, __ATOMIC_RELEASE);
    if (p[0].revents)
        wake_up(w, wakefd);
    if (p[1].revents)
        drain_control(w);
}

/* ---- gathering ---- */

static uint64_t shown(const struct writer *w)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++)
        n += __atomic_load_n(&slot_at(i)->wal.tail, __ATOMIC_ACQUIRE);
    return n;
}

/* Whose reply a sync has let go sends the next command at once, and what comes a moment too late waits for a whole sync
 * more. So where many wait, the next one begins when no more records come; who waits alone has nobody to wait for. */
static void gather(struct writer *w)
{
    if (w->records < 2 || !writer_sync_wanted(w))
        return;
    int64_t now = mono_us(), until = now + GATHER_US, quiet = now + QUIET_US;
    for (uint64_t seen = shown(w); now < quiet && now < until && may_give_way(&w->way, now);) {
        uint64_t n = shown(w);
        if (n != seen)
            quiet = now + QUIET_US;
        seen = n;
        give_way(&w->way);
        now = mono_us();
    }
}

/* ---- the end ---- */

/* What was shown is written; what is under way gets a while to be shown, and a disk that fails to work again. */
static void drain(struct writer *w)
{
    int64_t until = mono_ms() + (w->wal->fault ? FAULT_MS : DRAIN_MS);
    bool stuck, any;
    do {
        stuck = true;
        any = false;
        if (w->wal->fault)
            writer_heal(w);
        if (!w->wal->fault)
            any = writer_turn(w, &stuck);
        struct timespec nap = {0, STUCK_MS * 1000000};
        if (!any && stuck)
            nanosleep(&nap, NULL);
    } while ((any || stuck) && mono_ms() < until);
}

static bool process_gone(const struct shm_slot *s)
{
    return __atomic_load_n(&s->life, __ATOMIC_ACQUIRE) & FUTEX_OWNER_DIED ||
           (kill(s->pid, 0) && errno == ESRCH);
}

static bool repairable(const struct writer *w, uint32_t i)
{
    return i != w->ctx.id && slot_at(i)->state != SLOT_FREE && process_gone(slot_at(i));
}

/* Without master and workers: their last transactions are completed or taken back here, since nobody else will. */
static void repair_all(struct writer *w)
{
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++)
        if (repairable(w, i))
            slot_repair_nested(i);
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++)
        if (repairable(w, i))
            slot_repair(i);
}

/* Workers, lanes and the others get their death signal at once; whoever holds the pipe's other end still lives. */
static bool wait_for_workers(struct writer *w)
{
    struct pollfd p = {.fd = w->alive, .events = POLLIN};
    int64_t until = mono_ms() + ALIVE_MS;
    while (w->alive >= 0 && mono_ms() < until) {
        bool stuck;
        if (poll(&p, 1, BUSY_MS) > 0 && p.revents & (POLLHUP | POLLERR))
            return true;
        if (!w->wal->fault)
            writer_turn(w, &stuck);
    }
    return w->alive < 0;
}

static void end_helper(struct writer *w)
{
    pthread_mutex_lock(&w->list);
    w->ending = true;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->list);
    pthread_join(w->helper, NULL);
}

__attribute__((noreturn)) static void leave(struct writer *w)
{
    bool gone = !w->orphan || wait_for_workers(w);
    w->ctx.slot->state = SLOT_STOPPING;
    if (w->orphan && gone)
        repair_all(w);
    end_helper(w);
    drain(w);
    if (w->wal->pending_from && !wal_has_base(w->wal))
        writer_forget_pending(w);
    else
        writer_close(w);
    __atomic_store_n(&w->wal->writer, 0, __ATOMIC_SEQ_CST);
    bool good = !w->wal->fault;
    if (w->orphan)
        log_warning("All others have ended. The log is %s up to record %llu.",
                    good ? "complete" : "incomplete", (unsigned long long)w->wal->durable);
    mags_drain(&w->ctx);
    struct control_msg left = {.kind = CTL_LEFT};
    channel_send(&w->control, &left, -1);
    _exit(good ? 0 : 1);
}

/* ---- the beginning ---- */

static void ignore_signals(void)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2, SIGXFSZ};
    for (unsigned i = 0; i < ARRAY_LEN(ignored); i++)
        signal(ignored[i], SIG_IGN);
}

static void open_locks(struct writer *w)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&w->file, NULL);
    pthread_mutex_init(&w->list, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->work, &attr);
}

static void open_writer(struct writer *w, const struct child_start *start)
{
    slot_adopt(&w->ctx, start->slot, ROLE_WAL, start->index);
    w->wal = &persist(w->ctx.root)->wal;
    w->snap = &persist(w->ctx.root)->snap;
    w->cfg = shm_at(w->ctx.root->config);
    w->wakefd = start->wakefd;
    w->alive = start->alive;
    w->segment.fd = w->next.fd = -1;
    w->rest_ms = BUSY_MS;
    w->base = w->wal->base_lsn;
    prctl(PR_SET_TIMERSLACK, STUCK_US * 1000 / 4); /* 50 us otherwise */
    open_locks(w);
    channel_open(&w->control, start->control);
    frame_open(&w->frame);
    wal_reader_open(&w->reader, w->ctx.root);
    w->ctx.slot->heartbeat_ms = (uint64_t)mono_ms();
    if (writer_open(w))
        _exit(1);
    CHECK(pthread_create(&w->helper, NULL, writer_helper, w) == 0);
    __atomic_store_n(&w->wal->writer, w->ctx.id + 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&w->ctx.slot->state, SLOT_RUNNING, __ATOMIC_RELEASE);
    struct control_msg ready = {.kind = CTL_READY};
    channel_send(&w->control, &ready, -1);
}

void wal_main(const struct child_start *start)
{
    static struct writer writer;
    struct writer *w = &writer;
    ignore_signals();
    open_writer(w, start);
    while (!w->stop_asked && !w->orphan) {
        bool stuck = false, any = false;
        if (w->wal->fault) {
            writer_heal(w);
        } else {
            gather(w);
            any = writer_turn(w, &stuck);
        }
        publish_now_and_then(w);
        rest(w, any, stuck || w->wal->fault);
    }
    leave(w);
}
