/* worker/net/client.h - a connection: its socket, the bytes not yet understood, the bytes not yet sent.
 * Owner     the worker that serves it.
 * Locks     none.
 * Crash     gone with the worker; its session and the master's duplicate of the socket tell what is kept.
 * Survives  a handover: its bytes and modes travel as a parcel (net/handover.c).
 * Fails     a client that breaks a limit is closed; the others notice nothing.
 * Tests     tests/regress  tests/compat  tests/crash */
#ifndef SKEP_CLIENT_H
#define SKEP_CLIENT_H

#include <ev.h>

#include "include/control.h"
#include "shm/base/give_way.h"
#include "worker/net/buffer.h"
#include "worker/proto/parse.h"
#include "worker/worker.h"

#define NET_BATCH      32u         /* commands parsed, and their memory fetched, before the first runs */
#define NET_READ_BYTES (64u << 10) /* one read */
#define NET_PARTINGS   400u /* clients closed or handed over in a turn: some 4 ms. The others come next */
/* A command of a key and of more bytes than this goes to the slow lane, which has the time to copy them. */
#define NET_LONG_REQUEST (2u << 20)
#define NET_LONG_ARGS    8192 /* likewise of so many arguments: to plan and latch 100,000 keys takes 60 ms */

/* Why a client's next command is not being run. */
enum client_wait {
    WAIT_NONE = 0,
    WAIT_PARKED, /* a lock or the gate was closed: soon again */
    WAIT_PAUSED, /* CLIENT PAUSE */
    WAIT_ASLEEP, /* DEBUG SLEEP: its reply comes at wake_ms */
    WAIT_LANE,   /* the slow lane works for it */
    WAIT_DISK,   /* its reply tells of something that is not on disk yet */
    WAIT_BLOCKED, /* a key is to have something for it: then, or when its time is over, the command is run again */
    WAIT_ARRIVAL, /* it subscribes, and its old worker is to say what was sent to it meanwhile */
    WAIT_MASTER,  /* the master was asked: with its answer the command is run again */
};

struct subscriptions;
struct pubsub;
struct track;
struct prefix;
struct tracked_keys;

struct client {
    struct ev_io rd, wr;
    struct worker *w;
    struct shm_session *session;
    int fd;
    struct parser parser;
    char *in; /* bytes of commands that are not complete, or must wait; NULL: none */
    size_t in_len, in_cap;
    char *out;                       /* bytes that the socket did not take */
    size_t out_at, out_len, out_cap; /* [at, len) is unsent */
    size_t out_peak;                 /* the most that was kept there since the client was measured last */
    size_t seg_at, seg_len;          /* this turn's reply in the worker's shared buffer */
    struct client *next_flush;       /* the turn's list of those who have one */
    bool in_flush_list;
    uint8_t wait;
    uint8_t close_after_reply;
    bool reply_off, reply_skip, reply_skip_next;
    bool monitor;
    struct multi *multi;        /* MULTI was said, or a key is watched; else NULL */
    struct subscriptions *subs; /* NULL: it has none */
    struct ghost *ghost;        /* net/pubsub_move.c: it has left, and this is a shell */
    struct arrival *arrival;    /* it has come, and waits for what it missed */
    struct track *track;        /* CLIENT TRACKING ON; else NULL */
    bool reading, writing, closed;
    uint32_t commands_seen, share; /* of its session's; how many there were in the last second */
    int64_t out_soft_since_ms;     /* when the output went over the soft limit; 0: it is below */
    int64_t wake_ms;               /* WAIT_ASLEEP: on the monotonic clock */
    uint64_t lane_serial;          /* WAIT_LANE: of the request */
    uint32_t lane_slot, lane_generation;
    uint32_t lane_owed;          /* chunks to acknowledge when the output has shrunk */
    bool lane_begun, lane_lost;  /* a part of the reply is here; the lane has gone */
    bool lane_exec, lane_script; /* it is EXEC, whose queue is kept; it may come back */
    bool lane_again;             /* the command has been sent before, and came to nothing */
    uint64_t
        need_lsn;   /* its output from hold_at on waits until the log is on disk so far; 0: nothing waits */
    size_t hold_at; /* counted from the first unsent byte */
    size_t held_replies; /* behind hold_at */
    bool held_pieces;    /* among them is a part of a reply of the lane */
    size_t batch_mark;   /* where the replies of the present batch begin in the shared buffer */
    struct client *next_held;
    struct blocked *blocked;    /* while it waits for keys */
    uint32_t told_by, tellings; /* slot that has last said that a key has something, how often in a row */
    int64_t told_ms;            /* since when */
    char *told;        /* the master's answer, for the command that asked and is run again; NULL: none */
    struct reply late; /* what was pushed to it while the slow lane works for it: behind that reply */
    bool lane_hurry;   /* its reply is fetched though it does not read */
    /* WAIT_LANE: the request stands at the beginning of in, so that it can be run again. A long one goes to the lane in
     * pieces, and is dropped when the lane has taken it. */
    size_t feed_at, feed_len; /* so much of it was sent in pieces; 0: it is not there */
    bool feed_starved;        /* the arena had no room for a piece of it */
    bool in_feed_list;
    struct client *next_feeding;
    struct client *prev, *next; /* all clients of the worker */
    struct client *next_waiting;
    bool in_waiting_list;
};

struct net {
    struct client *clients; /* all */
    struct client *flush;   /* those with a reply of this turn */
    struct client **flush_tail;
    struct client *parked;           /* tried again after the turn, unless a ring is being emptied */
    int64_t tried_ms;                /* when that was */
    struct client *resting;          /* paused or asleep: tried when it is time */
    bool anybody_paused, paused_all; /* of those who rest; paused_all: by a pause of all commands */
    int64_t wake_ms;                 /* no sleeper wakes before */
    struct client *blocked;          /* those who wait for keys, or for their time to be over */
    struct client *syncing;          /* those who wait for the log to be on disk (WAITAOF) */
    struct client *follower;         /* was told so often by one other worker that it is to move there */
    uint64_t blocked_epoch;          /* of the queues, as far as it was followed */
    struct client *held;             /* need_lsn is set */
    uint64_t progress;               /* hold_linger: changes whenever something has happened */
    int64_t linger_until_us;
    struct give_way way;
    struct client **by_session; /* by session index */
    struct ev_io listen[64];
    struct ev_io control_out; /* active while messages to the master wait for room */
    unsigned nlisten, nown;   /* those behind nown are lent: their worker is in back-off */
    struct ev_prepare prepare;
    struct ev_check check;
    struct ev_timer tick, retry, slice;
    struct ev_io wake, control;
    char *rbuf; /* shared by all reads */
    int epoll_fd;
    uint32_t session_hint;
    uint64_t lane_serial;
    int64_t measured_ms;        /* when the clients were last measured */
    bool stopping, moving;      /* CTL_STOP: end, or hand everybody over first */
    int64_t stopping_ms;        /* since when */
    struct reply monitor_lines; /* of this turn */
    struct reply *monitor_owed; /* by slot: what could not be sent yet */
    bool monitor_behind;        /* there is some */
    bool monitor_calm;          /* see monitor_calm; mark is of that moment */
    uint64_t monitor_mark;
    struct moves *moves;              /* subscribers who change their worker */
    struct pubsub *pubsub;            /* who of our clients subscribes to what */
    struct client *running;           /* its batch is on: what is pushed to it goes between the replies */
    size_t reply_mark;                /* where its present command's reply begins in the shared buffer */
    struct reply *behind_reply;       /* what it causes itself behind that reply; NULL: not now */
    struct reply own;                 /* what was pushed to it during a command: it comes behind that reply */
    struct tracked_keys *tracked;     /* which clients have read which keys; NULL: nobody has */
    struct prefix *prefixes;          /* of those who want to hear of all changes */
    bool prefixes_new, prefixes_pend; /* others are to learn of them; keys of them have changed */
    uint64_t track_epoch;             /* of shm/track.h, as far as it was followed */
    struct request *rq;               /* one for each command of a batch */
    struct ahead *ahead;
    size_t *start;       /* where each began in the buffer */
    struct client *dead; /* closed: freed when the turn is over */
    unsigned closed;     /* in this turn */
    uint32_t kills;      /* of the slot's, as far as they were followed */
    struct lane_cancel {
        uint32_t slot;
        uint64_t serial;
    } * cancels;
    struct client *feeding; /* those whose request goes to the lane in pieces */
    struct scrap scrap;
    size_t ncancels, cancels_cap; /* requests whose client has gone, not told to the lane yet */
};

/* client.c */
struct client *client_create(struct worker *w, int fd, struct shm_session *s);
void client_close(struct client *cl);      /* at once */
void client_close_soon(struct client *cl); /* when its replies are written */
void client_readable(struct client *cl);
/* Runs what stands in [buf, buf + len); what is left is kept in cl->in. buf may be cl->in itself. */
void client_process(struct client *cl, char *buf, size_t len);
void client_input_drop(struct client *cl, size_t n); /* the first n bytes of in are done with */
size_t client_memory(const struct client *cl);
void client_measure(struct client *cl); /* tells its session what it takes: for CLIENT LIST, now and then */
void client_settle(struct client *cl);  /* says in the session what a death of the worker would mean now */
void client_detach(struct client *cl);  /* out of the loop and the lists; the socket stays open */
void clients_limit_memory(struct worker *w); /* client_evict.c: ten times a second */
void clients_bury(struct worker *w);         /* after the turn */
void client_read_start(struct client *cl);
void client_read_stop(struct client *cl);

/* waiting.c */
void client_wait(struct client *cl, enum client_wait why);
void client_sleep(struct client *cl, int64_t ms); /* +OK, and what stands behind the command, come later */
void client_resume(struct client *cl);            /* it has waited; go on with its bytes */
void client_leave_waiting(struct client *cl);
void clients_retry(struct worker *w); /* after the turn */
/* The master's answer for a session of ours: whoever waits for it goes on. */
void client_told(struct worker *w, const struct control_msg *m);
/* The reply to the command that has waited, if the client wants one. */
void client_reply_late(struct client *cl, const char *text, size_t n);

/* output.c: a reply is begun in the worker's shared buffer and belongs to the client when it is ended. */
size_t output_begin(struct client *cl);
void output_end(struct client *cl, size_t mark);
void output_append(struct client *cl, const void *p, size_t n); /* outside of a command */
/* Between replies, whatever the client is in the middle of. */
void output_push(struct client *cl, const void *p, size_t n);
void output_push_late(struct client *cl); /* the slow lane's reply is complete */
void output_flush_turn(struct worker *w);
/* Before clients are freed: mail that is read behind the turn's replies may have put some of them on the list anew. */
void output_forget_closed(struct net *net);
size_t output_pending(const struct client *cl);
void output_cut(struct client *cl, size_t at); /* forgets what is unsent behind so many bytes */
void output_again(struct client *cl);          /* something that was held back may go */
void output_writable(struct client *cl);

/* blocked.c; see dispatch/block.h, too */
void blocked_follow(struct worker *w);        /* lets everybody look again who should */
void blocked_follow_teller(struct worker *w); /* after the turn: whoever is to move there does */
void blocked_readable(struct client *cl);
void blocked_synced(struct worker *w); /* lets those look again whose changes are on disk, or never will be */
uint64_t blocked_lowest(const struct worker *w); /* the first position that any of them waits for; 0: none */

/* hold.c: replies that wait for the disk */
void hold_reply(struct client *cl, uint64_t need,
                size_t mark);                      /* of a command, from mark on in the shared buffer */
void hold_piece(struct client *cl, uint64_t need); /* of the lane's, before it is appended */
size_t hold_sendable(const struct client *cl);
void hold_forget(struct client *cl);
void hold_release(struct worker *w);  /* before the turn's replies are written */
bool hold_linger(struct worker *w);   /* after it: something for us may come at once; do not sleep yet */
void hold_announce(struct worker *w); /* or else: the writer learns what is waited for */

/* accept.c */
void accept_start(struct worker *w, const int *fds, unsigned n);
void accept_stop(struct worker *w);
void accept_return(struct worker *w); /* gives up what was lent */
void accept_drain(struct worker *w);  /* takes what the queues hold; before a listener closes */

/* handover.c */
bool handover_some(struct worker *w);                /* true: there are more who can be moved at once */
bool handover_one(struct client *cl, uint32_t wish); /* wish: a slot + 1 that it wants to go to, 0: any */
void handover_take(struct worker *w, uint32_t session, int fd);

/* balance.c: once a second, behind client_measure of all */
void balance_look(struct worker *w);

/* lane_client.c: the worker's side of the slow lane */
enum rc lane_send(struct client *cl, const struct bytes *argv, int argc);
enum rc lane_send_queue(struct client *cl); /* EXEC, with all that is queued */
void lane_finished(struct client *cl);      /* the reply is complete; on with what came behind */
void lane_wait(struct client *cl, uint32_t lane, uint64_t serial);
/* Long requests: lane_feed.c. */
void lane_feed_begin(struct client *cl, uint32_t lane); /* how long it is, client_process says */
void lane_feed_end(struct client *cl);                  /* drops what is left of it, if one goes */
void lane_feed_forget(struct client *cl);               /* the client goes */
bool lane_feed_all(struct worker *w);                   /* once a turn; true: there is more to send */
void lane_mail(struct worker *w, uint32_t from, const struct mail *m);
void lane_acknowledge(struct client *cl);
void lane_cancel(struct client *cl);
void lane_flush_cancels(struct worker *w);

/* lane_choice.c. lane_choose: false, and ctx.held_by tells which, if all lanes run scripts that have taken too long. */
#define LANE_OUTPUT_ENOUGH (256u << 10) /* a client has so much to read that the next piece can wait */
bool lane_choose(struct worker *w, uint32_t *slot);
void lane_run_again(struct client *cl); /* from its first byte, or by another worker if we are to end */
/* Is there anything that a lane has not taken, or with which it has gone? lane_lost looks, lane_check has it run elsewhere,
 * or ends it; between the two the mail is read, since a lane that is gone may have said all there was to say. */
bool lane_lost(struct worker *w);
void lane_check(struct worker *w);

#endif
