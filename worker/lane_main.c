/* The slow lane: a process without clients that runs what would take long, for the workers. Its replies go
 * back in pieces, each client's as fast as that client takes them. */
#include "shm/base/clock.h"
#include "worker/dispatch/lane.h"
#include "shm/config.h"
#include "shm/types/tree.h"
#include "shm/types/string.h"
#include "worker/control.h"
#include "worker/dispatch/busy.h"
#include "worker/dispatch/execute.h"
#include "worker/dispatch/multi.h"
#include "worker/dispatch/stats.h"
#include "worker/lane_intake.h"
#include "worker/net/pubsub.h"
#include "worker/net/tracking.h"
#include "worker/proto/parse.h"
#include "worker/publish.h"
#include "include/child.h"
#include "shm/pages.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

command_fn cmd_exec;

#define TRIM_EVERY_MS     250  /* what was idle at two looks goes back */
#define TRIM_UNITS        256u /* at a look: 64 MB a second at most, some 10 us each */
#define FOLD_LATE_US      1500 /* copying 2 MB takes a third of it */
#define PUBLISH_EVERY_MS  100
#define SOON_MS           5    /* while replies are on their way, or the keyspace grows */
#define BURY_ENTRIES      200u /* in a batch: 0.1 ms */
#define BURY_BATCHES      10u
#define BURY_LEAVES       500u
#define TRIES             4000u /* of a command that does not get its keys or the gate */
#define NAP_NS            300000
#define LONG_NAP_NS       10000000 /* a try to close the gate holds everybody up for a millisecond */
#define STARVED_MS        1000     /* memory that others free meanwhile will do */
#define LINGER_MS         50
#define LEAVE_PATIENCE_MS 10000 /* for readers that do not read: half of what the master gives */

struct job { /* a reply on its way */
    uint64_t serial, session_id;
    uint32_t session, slot, generation;
    struct reply reply;
    uint64_t need; /* the log's position that the reply tells of */
    size_t at;
    unsigned on_way;
    bool again;         /* there is none: another lane is to run the request. reply: multi_pack_outcomes */
    int64_t starved_ms; /* since when there is no memory for the next piece; 0: there is */
    struct job *next;
};

struct lane {
    struct worker w;
    struct job *jobs;
    struct intake *intakes; /* long requests that have come in part */
    uint64_t *idle_units;   /* what pages_trim saw last time */
    uint64_t units_seen;    /* what pages_ahead saw last time */
    uint64_t chunks_seen;   /* how far pages_fold has come */
    int64_t folds_ms;       /* it does not before */
    int64_t trimmed_ms, published_ms;
    int64_t stopping_ms;  /* since when it is to end; 0: it is not */
    uint64_t track_epoch; /* of shm/track.h, when others were last woken for it */
    bool gate_failed, growing;
};

/* ---- running a command ---- */

/* Outside of the gate and of a batch, in small transactions: nobody waits for it but the client, and other commands
 * for this lane. */
static void free_graveyard(struct shm_ctx *ctx)
{
    while (graveyard_step(ctx, BURY_ENTRIES))
        ctx->slot->heartbeat_ms = (uint64_t)mono_ms();
}

/* Another lane has what is wanted. It will be done, or its script is killed. */
static bool held_by_lane(const struct call *c)
{
    uint32_t by = c->ctx->held_by;
    return by && by <= c->ctx->root->nslots && slot_at(by - 1)->role == ROLE_LANE;
}

/* Whether to try again, after a while. A script that is in the way is waited for until it counts as too long; where this
 * lane is to end meanwhile, another one waits. */
static bool goes_on(struct call *c, bool gate, unsigned *tries, enum rc *rc)
{
    enum lane_load in_the_way = busy_holder(c->ctx, c->cfg);
    bool lasts = in_the_way == LANE_SCRIPTS || (gate && held_by_lane(c));
    struct timespec nap = {0, lasts ? LONG_NAP_NS : NAP_NS};
    if (in_the_way == LANE_OVER || *tries == TRIES)
        return false;
    if (in_the_way != LANE_SCRIPTS)
        *tries += !held_by_lane(c);
    else if (c->ctx->slot->state == SLOT_STOPPING)
        *rc = RC_AWAIT;
    c->ctx->held_by = 0;
    nanosleep(&nap, NULL);
    c->ctx->slot->heartbeat_ms = (uint64_t)mono_ms();
    return *rc == RC_BUSY;
}

/* The gate opens again after a millisecond when somebody stays inside, so this may take several tries. */
static enum rc run_gated(struct call *c)
{
    enum rc rc = RC_BUSY;
    unsigned tries = 0;
    do {
        if (!gate_close(c->ctx, 1000))
            continue;
        c->w->gated = true;
        rc = call_run(c);
        c->w->gated = false;
        gate_open(c->ctx);
        if (!rc && c->free_first)
            free_graveyard(c->ctx);
    } while (rc == RC_BUSY && goes_on(c, true, &tries, &rc));
    return rc;
}

/* Whoever has closed the gate is waited for like one who has a latch. */
static bool enter(struct shm_ctx *ctx)
{
    if (LIKELY(batch_enter(ctx)))
        return true;
    ctx->held_by = (uint32_t)__atomic_load_n(&ctx->root->gate, __ATOMIC_RELAXED);
    return false;
}

static enum rc run_patiently(struct call *c)
{
    enum rc rc = RC_BUSY;
    unsigned tries = 0;
    do {
        if (!enter(c->ctx))
            continue;
        rc = call_run(c);
        batch_leave(c->ctx);
        retire_reclaim(c->ctx);
    } while (rc == RC_BUSY && !c->w->wants_gate && goes_on(c, false, &tries, &rc));
    return rc;
}

/* The longest argument of a command that stores what it is given is copied to the arena before a latch is taken. If
 * there is no room, the command finds out itself. */
static void build_ahead(const struct call *c)
{
    struct bytes longest = {NULL, 0};
    for (int i = 1; c->cmd->flags & F_STORES && i < c->argc; i++)
        if (c->argv[i].n > longest.n)
            longest = c->argv[i];
    if (longest.n >= STRING_BUILD_LEAST)
        (void)string_build(c->ctx, longest);
}

/* What goes back to the worker takes along what has been done once and for all. */
static void exec_over(struct call *c, bool again)
{
    struct multi *m = c->w->lane_exec;
    if (!m)
        return;
    if (again)
        multi_pack_outcomes(m, c->reply, LANE_CHUNK);
    multi_free(m);
    c->w->lane_exec = NULL;
}

/* RC_AWAIT: nothing was done, since this lane is to end; another one runs it. Of what came in pieces its worker has kept
 * scripts only. */
static enum rc run_call(struct lane *l, struct call *c, bool pieces)
{
    stats_sync(c->ctx);
    uint64_t from = tick_now();
    size_t mark = c->reply->len;
    c->cmd = command_find(c->argv[0]);
    c->cmd = c->cmd ? command_row(c->cmd, c->argv, c->argc) : NULL;
    CHECK(c->cmd && c->cmd->run); /* the worker has looked it up before */
    build_ahead(c);
    bool gate = c->cmd->flags & F_GATE || (c->cmd->run == cmd_exec && multi_packed_gate(c->argv[1]));
    l->w.wants_gate = false;
    c->ctx->held_by = 0;
    enum rc rc = gate ? run_gated(c) : run_patiently(c);
    if (rc == RC_BUSY && l->w.wants_gate)
        rc = run_gated(c);
    bool again = rc == RC_AWAIT && (!pieces || c->cmd->flags & F_SCRIPT);
    exec_over(c, again);
    string_build_end(c->ctx);
    if (again)
        return rc;
    if (rc == RC_NOMEM)
        reply_error(c->reply, ERR_OOM);
    else if (rc == RC_BUSY && busy_words(c->ctx, c->cfg))
        reply_errorf(c->reply, "%s%s", c->cmd->run == cmd_exec ? ERR_EXEC_FOR : "",
                     busy_words(c->ctx, c->cfg));
    else if (rc == RC_BUSY || rc == RC_AWAIT)
        reply_error(c->reply, "ERR the keys stayed locked for too long, nothing was done");
    else
        CHECK(rc == RC_OK);
    bool failed = c->reply->len > mark && c->reply->buf[mark] == '-';
    stats_command(c, ticks_to_us(tick_now() - from), failed);
    if (failed)
        stats_error(c->ctx, c->reply->buf + mark, c->reply->len - mark);
    return RC_OK;
}

/* FLUSHALL and the like: who caches hears of it now, not at his next tick. */
static void wake_trackers(struct lane *l)
{
    const struct shm_root *root = l->w.ctx.root;
    uint64_t epoch = track_epoch(root);
    if (LIKELY(epoch == l->track_epoch))
        return;
    l->track_epoch = epoch;
    for (uint32_t i = 0; i < root->nslots; i++)
        if (slot_at(i)->tracking_clients && slot_lives(slot_at(i)))
            worker_wake(&l->w, i);
}

static void run_args(struct lane *l, uint32_t from, const struct lane_request *rq, struct bytes *argv,
                     int argc)
{
    struct shm_session *s = session_at(rq->session);
    if (!lane_take(s, rq, l->w.ctx.slot->generation))
        return; /* its client has gone, or is served by another lane */
    struct job *j = calloc(1, sizeof(*j));
    CHECK(j);
    *j = (struct job){.serial = rq->serial,
                      .session_id = rq->session_id,
                      .session = rq->session,
                      .slot = from,
                      .generation = slot_at(from)->generation};
    j->reply.resp = s->resp;
    l->w.now_ms = wall_ms();
    worker_clock(&l->w);
    struct call c = worker_call(&l->w, s, argv, argc);
    c.reply = &j->reply;
    c.in_lane = true;
    l->w.serving = rq->serial;
    l->w.ctx.slot->busy_since_ms =
        (uint64_t)mono_ms(); /* the watchdog does not count it: long work is what it is for */
    j->again = run_call(l, &c, !rq->argc) == RC_AWAIT;
    l->w.ctx.slot->busy_since_ms = 0;
    wake_trackers(l);
    post_send(&l->w); /* before the reply: who has it may rely on the messages */
    j->need = c.need;
    log_kick(&l->w);
    j->next = l->jobs;
    l->jobs = j;
}

static void run_request(struct lane *l, uint32_t from, const struct lane_request *rq)
{
    const uint64_t *lens = (const uint64_t *)(rq + 1);
    struct bytes *argv = malloc(rq->argc * sizeof(*argv));
    CHECK(argv);
    const char *p = (const char *)(lens + rq->argc);
    for (uint32_t i = 0; i < rq->argc; p += lens[i], i++)
        argv[i] = (struct bytes){p, lens[i]};
    run_args(l, from, rq, argv, (int)rq->argc);
    free(argv);
}

/* The worker has parsed these very bytes, so they are one whole command. */
static void run_long(struct lane *l, struct intake *in)
{
    struct parser parser = {0};
    struct request rq = {0};
    size_t used;
    const char *error;
    enum parse_result r = parse_request(&parser, in->buf, in->len, &used, &rq, &PARSE_LIMITS_ANY, &error);
    CHECK(r == PARSE_DONE && used == in->len);
    run_args(l, in->slot, &in->head, rq.argv, rq.argc);
    request_free(&rq);
    parser_reset(&parser);
    intake_free(in);
}

/* ---- replies on their way ---- */

static void acknowledged(struct lane *l, uint32_t from, const struct mail *m)
{
    if (!m->arg)
        intake_cancel(&l->intakes, from, m->x);
    for (struct job *j = l->jobs; j; j = j->next) {
        if (j->serial != m->x || j->slot != from)
            continue;
        j->on_way -= m->arg < j->on_way ? m->arg : j->on_way;
        if (!m->arg)
            j->at = j->reply.len + 1; /* nobody wants the rest */
    }
}

/* A piece of what is left; a small one where the arena has no room for a large one. */
static enum rc send_piece(struct lane *l, struct job *j)
{
    size_t left = j->reply.len - j->at;
    bool wake = false;
    enum rc rc = RC_NOMEM;
    for (size_t most = LANE_CHUNK; rc == RC_NOMEM && most >= 256; most /= 16) {
        size_t n = left < most ? left : most;
        struct mail m = {.kind = MAIL_CHUNK, .arg = n == left, .bytes = n, .x = j->serial};
        m.y = j->session_id;
        m.spare = j->session;
        m.lsn = j->need;
        rc = mail_send(&l->w.ctx, j->slot, &m, j->reply.buf + j->at, &wake);
        if (!rc)
            j->at += n + (n == left);
    }
    if (wake)
        worker_wake(&l->w, j->slot);
    return rc;
}

/* True: the worker was told that there will be no more, and why. */
static bool say_last(struct lane *l, struct job *j, uint32_t why)
{
    struct mail m = {.kind = MAIL_CHUNK, .arg = why, .x = j->serial, .y = j->session_id};
    bool wake = false;
    m.spare = j->session;
    m.bytes = j->again ? j->reply.len : 0;
    enum rc rc = mail_send(&l->w.ctx, j->slot, &m, m.bytes ? j->reply.buf : NULL, &wake);
    if (rc == RC_NOMEM && m.bytes) { /* better twice than never */
        m.bytes = 0;
        rc = mail_send(&l->w.ctx, j->slot, &m, NULL, &wake);
    }
    if (rc)
        return false;
    if (wake)
        worker_wake(&l->w, j->slot);
    return true;
}

static bool starve(struct lane *l, struct job *j)
{
    int64_t now = mono_ms();
    if (!j->starved_ms)
        j->starved_ms = now;
    return now - j->starved_ms >= STARVED_MS && say_last(l, j, LANE_STARVED);
}

/* True: the job is done. */
static bool pump(struct lane *l, struct job *j)
{
    if (slot_at(j->slot)->generation != j->generation)
        return true; /* the worker has died, and its client with it */
    if (j->again)
        return say_last(l, j, LANE_AGAIN);
    while (j->at <= j->reply.len && j->on_way < LANE_WINDOW) {
        enum rc rc = send_piece(l, j);
        if (rc)
            return rc == RC_NOMEM && starve(l, j);
        j->starved_ms = 0;
        j->on_way++;
    }
    return j->at > j->reply.len;
}

static void pump_all(struct lane *l)
{
    for (struct job **at = &l->jobs; *at;) {
        struct job *j = *at;
        if (!pump(l, j)) {
            at = &j->next;
            continue;
        }
        *at = j->next;
        reply_free(&j->reply);
        free(j);
    }
}

/* ---- the loop ---- */

static void drain_mail(struct lane *l)
{
    struct mail m;
    uint32_t from;
    while (mail_next(&l->w.ctx, &from, &m)) {
        void *request = NULL;
        struct intake *in = NULL;
        if (m.kind == MAIL_PIECE) {
            in = intake_copy(l->intakes, from, &m);
        } else if (m.kind == MAIL_LONG) {
            intake_cancel(&l->intakes, from, m.x); /* it is seen again when it could not leave the ring */
            intake_begin(&l->intakes, from, &m);
        } else if (m.kind == MAIL_RUN) {
            request = malloc(m.bytes);
            CHECK(request);
            memcpy(request, shm_at(m.block), m.bytes);
        } else if (m.kind == MAIL_ACK) {
            acknowledged(l, from, &m);
        }
        /* Out of the ring before it runs: a command that kills its lane must not be met by the next one. */
        if (mail_done(&l->w.ctx, from)) {
            free(request);
            break;
        }
        if (in)
            in->len += m.bytes;
        if (in && intake_take(&l->intakes, in))
            run_long(l, in);
        if (request)
            run_request(l, from, request);
        free(request);
        pump_all(l);
    }
}

/* A hundredth of the time. Where the system has to find the memory first, others would wait for milliseconds: it is left
 * to a ten-thousandth. */
static int64_t fold_rest_ms(int64_t took_us)
{
    return took_us > FOLD_LATE_US ? took_us * 10 : took_us / 10;
}

static void fold_now_and_then(struct lane *l, int64_t now)
{
    if (now < l->folds_ms)
        return;
    int64_t began = clock_us(CLOCK_THREAD_CPUTIME_ID);
    if (pages_fold(&l->w.ctx, &l->chunks_seen))
        l->folds_ms = now + fold_rest_ms(clock_us(CLOCK_THREAD_CPUTIME_ID) - began);
}

/* Work that is nobody's: cut-off tables are freed piece by piece, units are fetched before workers need them, and
 * empty ones go back to the system. */
static bool housekeeping(struct lane *l)
{
    int64_t now = mono_ms();
    bool more = true;
    stats_sync(&l->w.ctx); /* what is freed now belongs to after a CONFIG RESETSTAT */
    /* In short batches: who closes the gate to look at all blocks finds them at rest, and needs not wait for long. */
    for (unsigned i = 0; more && i < BURY_BATCHES && batch_enter(&l->w.ctx); i++) {
        more = graveyard_step(&l->w.ctx, BURY_ENTRIES);
        batch_leave(&l->w.ctx);
    }
    more |= trees_step(&l->w.ctx, BURY_LEAVES);
    l->growing = pages_ahead(&l->w.ctx, &l->units_seen);
    fold_now_and_then(l, now);
    if (now - l->trimmed_ms >= TRIM_EVERY_MS) {
        l->trimmed_ms = now;
        pages_trim(&l->w.ctx, l->idle_units, TRIM_UNITS);
        retire_reclaim(&l->w.ctx);
    }
    return more;
}

static void publish_now_and_then(struct lane *l)
{
    int64_t now = mono_ms();
    if (now - l->published_ms < PUBLISH_EVERY_MS)
        return;
    l->published_ms = now;
    slot_publish(&l->w.ctx);
}

static void drain_control(struct lane *l)
{
    struct control_msg m;
    int passed;
    bool closed;
    while (control_receive(&l->w, &m, &passed, &closed)) {
        if (m.kind == CTL_STOP)
            l->w.stop_asked = true;
        if (passed >= 0 && m.kind == CTL_LOG_REOPEN)
            log_use_fd(passed);
        else if (passed >= 0)
            close(passed);
    }
    if (closed)
        l->w.stop_asked = true;
}

/* Asked to end: the workers see the state and send no more, but one may have looked just before. */
static bool may_leave(struct lane *l)
{
    int64_t now = mono_ms();
    if (!l->w.stop_asked)
        return false;
    if (!l->stopping_ms) {
        l->stopping_ms = now;
        l->w.ctx.slot->state = SLOT_STOPPING;
    }
    int64_t waited = now - l->stopping_ms;
    return l->jobs || l->intakes ? waited > LEAVE_PATIENCE_MS : waited >= LINGER_MS;
}

static void lane_loop(struct lane *l, int wakefd)
{
    bool more = false;
    while (!may_leave(l)) {
        struct pollfd p[2] = {{.fd = wakefd, .events = POLLIN}, {.fd = control_fd(&l->w), .events = POLLIN}};
        bool soon = l->jobs || l->w.stop_asked || l->growing;
        poll(p, 2, more || control_heard(&l->w) ? 0 : soon ? SOON_MS : 200);
        l->w.ctx.slot->heartbeat_ms = (uint64_t)mono_ms();
        if (p[0].revents) {
            uint64_t n;
            ssize_t got = read(wakefd, &n, sizeof(n));
            (void)got;
            __atomic_store_n(&l->w.ctx.slot->wake, 0, __ATOMIC_SEQ_CST); /* in this order: see on_wake */
        }
        if (p[1].revents || control_heard(&l->w))
            drain_control(l);
        control_flush(&l->w);
        drain_mail(l);
        pump_all(l);
        post_send(&l->w); /* what could not be sent at once */
        intake_forget_dead(&l->intakes);
        more = housekeeping(l);
        publish_now_and_then(l);
    }
    if (!post_send(&l->w))
        track_stir(l->w.ctx.root); /* changes that nobody will be told of */
}

void lane_main(const struct child_start *start)
{
    static struct lane lane;
    struct worker *w = self_worker = &lane.w;
    signal(SIGTERM, SIG_IGN); /* a signal to the whole group is for the master, who then tells us */
    signal(SIGPIPE, SIG_IGN);
    w->is_lane = true;
    slot_adopt(&w->ctx, start->slot, ROLE_LANE, start->index);
    w->cfg = shm_at(w->ctx.root->config);
    w->wakefd = start->wakefd;
    command_table_init();
    tick_calibrate();
    control_open(w, start->control);
    publish_start(&w->ctx);
    w->ctx.slot->script_since_ms = 0;
    lane.idle_units = calloc((w->ctx.root->nunits + 63) / 64, 8);
    CHECK(lane.idle_units);
    w->ctx.slot->heartbeat_ms = (uint64_t)mono_ms();
    __atomic_store_n(&w->ctx.slot->state, SLOT_RUNNING, __ATOMIC_RELEASE);
    struct control_msg ready = {.kind = CTL_READY};
    control_send(w, &ready, -1);
    lane_loop(&lane, w->wakefd[start->slot]);
    mags_drain(&w->ctx);
    struct control_msg left = {.kind = CTL_LEFT};
    control_send(w, &left, -1);
    control_flush(w);
    _exit(0);
}
