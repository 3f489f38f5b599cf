/* include/control.h - what passes over the unix socket between the master and each child.
 * Owner     the sender; a message is one datagram (SOCK_SEQPACKET), descriptors ride along (SCM_RIGHTS).
 * Locks     none.
 * Crash     the other end sees EOF; sessions in shared memory say what was under way.
 * Survives  no.
 * Fails     EAGAIN: the sender queues and goes on.
 * Tests     tests/crash */
#ifndef SKEP_CONTROL_H
#define SKEP_CONTROL_H

#include <stdint.h>

enum control_kind {
    /* worker to master */
    CTL_READY = 1, /* the child serves */
    CTL_ADOPT,     /* session x is new, its socket rides along: keep a duplicate */
    CTL_CLOSED,    /* session x is SESSION_CLOSING: close the duplicate, set it FREE, answer CTL_DROPPED */
    CTL_MOVE, /* session x is SESSION_MOVING with its parcel: choose a worker for it; options: a slot + 1, which
                    * is to have it if it still serves */
    CTL_LEFT, /* all sessions are handed over: the child ends now */
    CTL_ASK, /* session x with id y asks (enum control_ask, options): answer CTL_TOLD, now or later. Asked again by the same
              * session it is still one question. Or the child asks for itself: x has ASK_OF_SLOT, y numbers its questions */
    CTL_LOG_REOPEN, /* the logfile's name changed; from the master: write to the descriptor that rides along */
    /* master to worker */
    CTL_TAKE,       /* session x is yours (owner has been stored); its socket rides along */
    CTL_DROPPED,    /* the duplicate of session x is closed: close yours; y as in CTL_CLOSED */
    CTL_STOP,       /* y=1: hand all sessions over (CTL_MOVE), then leave; y=0: finish what runs and end */
    CTL_ACCEPT_FOR, /* y: a slot whose worker is in back-off; its listener rides along: accept for it too.
                     * Without a descriptor: it serves again, let go of what was lent */
    CTL_TOLD, /* x and y as in the question; text is the answer, a line as RESP has it ("+OK", "-ERR ...") */
};

#define ASK_OF_SLOT (1ull << 32) /* and the child's slot */

/* What clients ask of the master, or a child for them. */
enum control_ask {
    ASK_SAVE = 1,
    ASK_BGSAVE, /* options: 1 SCHEDULE */
    ASK_REWRITE,
    ASK_SHUTDOWN, /* options: SHUTDOWN_* */
    ASK_LOG, /* may appendonly be set to yes? "+OK": the log works; it stays only if the configuration says so */
    ASK_NOTICE,  /* the configuration was changed: act upon it before the client has its reply */
    ASK_RELOAD,  /* DEBUG RELOAD; options: RELOAD_* */
    ASK_LOADAOF, /* DEBUG LOADAOF */
    ASK_CONFIG,  /* CONFIG REWRITE */
    ASK_LISTEN,  /* port and bind stand changed in the configuration, not committed: listen there */
};
#define ANSWER_NOTICED "+noticed" /* to ASK_NOTICE */
#define RELOAD_MERGE   1u
#define RELOAD_NOFLUSH 2u
#define RELOAD_NOSAVE  4u

#define SHUTDOWN_NOSAVE 1u
#define SHUTDOWN_SAVE   2u
#define SHUTDOWN_NOW    4u
#define SHUTDOWN_FORCE  8u
#define SHUTDOWN_ABORT  16u

#define CONTROL_TEXT 232
struct control_msg {
    uint32_t kind;
    uint16_t ask, options; /* CTL_ASK */
    uint64_t x, y;
    char text[CONTROL_TEXT];
};
_Static_assert(sizeof(struct control_msg) == 256, "one small datagram");

#endif
