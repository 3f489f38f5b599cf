/* shm/mail.h - messages between processes: one ring for every pair, so that each has a single producer.
 * Owner     the sender until the tail is stored, then the receiver.
 * Locks     none.
 * Crash     sending and receiving are transactions: a block belongs to the sender, the ring or the receiver.
 * Survives  worker death: yes; the replacement reads what was sent to its slot.
 * Fails     mail_send: RC_BUSY when the ring is full, RC_NOMEM.
 * Tests     tests/unit/test_mail.c  tests/crash/crash_points.c */
#ifndef SKEP_MAIL_H
#define SKEP_MAIL_H

#include "shm/tx.h"

#define MAIL_RING 32u

enum mail_kind {
    MAIL_NONE = 0,
    MAIL_RUN,     /* to the slow lane: a command to run */
    MAIL_LONG,    /* to it: a command that will come in pieces */
    MAIL_PIECE,   /* to it: the next piece of that */
    MAIL_CHUNK,   /* from it: a piece of the reply */
    MAIL_ACK,     /* to it: the piece was taken; arg 1: nobody wants the rest */
    MAIL_MONITOR, /* lines for those who watch */
    MAIL_SESSION, /* a session now belongs to the receiver */
    MAIL_POKE,    /* look at your flags */
    MAIL_READY,   /* a client (session x, id y) that waits for keys may have something now */
};

struct mail {
    uint32_t kind, arg;
    shm_ref block; /* goes with the message; 0: none */
    uint64_t bytes;
    uint64_t x, y;
    uint64_t spare;
    uint64_t lsn; /* what the message tells may be told when the log is on disk so far */
};

struct shm_ring {
    _Alignas(64) uint64_t head;
    _Alignas(64) uint64_t tail;
    _Alignas(64) struct mail mail[MAIL_RING];
};

/* The rings follow the senders' bitmaps: for each receiver, who has sent. */
struct shm_mail {
    uint64_t from[SHM_SLOTS_MAX][4];
};

struct shm_ring *mail_ring(uint32_t from, uint32_t to);
/* Sends; *fill (if not NULL) is copied into a block that goes with it. wake: the receiver's eventfd is to
 * be written (it was not awake already). */
enum rc mail_send(struct shm_ctx *ctx, uint32_t to, const struct mail *m, const void *fill, bool *wake);
/* The next message for this slot; it stays in the ring until mail_done. False: none. */
bool mail_next(struct shm_ctx *ctx, uint32_t *from, struct mail *m);
/* Frees the message's block and takes it from the ring. */
enum rc mail_done(struct shm_ctx *ctx, uint32_t from);
/* After a death: the bits say again where mail waits. The master then writes every eventfd, since the dead
 * one may have set a wake word and not written the eventfd. */
void mail_repair(uint32_t slot);
bool mail_waits(uint32_t from, uint32_t to); /* the bit (checker) */
/* Sets the receiver's wake word; true: its eventfd must be written. */
bool slot_wake(uint32_t slot);

#endif
