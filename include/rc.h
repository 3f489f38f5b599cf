/* include/rc.h - what a function may come back with, and the two kinds of assertion.
 * Owner     everybody.
 * Locks     none.
 * Crash     CHECK ends the process at once; its worker slot is then repaired.
 * Survives  nothing to survive.
 * Fails     never.
 * Tests     every test. */
#ifndef SKEP_RC_H
#define SKEP_RC_H

/* RC_* speak of the world; our own bugs are CHECKs. */
enum rc {
    RC_OK = 0,
    RC_NOMEM,   /* the arena, the machine or maxmemory has no room */
    RC_BUSY,    /* a lock is held by another; try later */
    RC_NOTYPE,  /* the key holds another type */
    RC_INVALID, /* the caller's bytes are not what they should be */
    RC_RANGE,   /* a number is out of range, or a result would be */
    RC_MISSING, /* no such thing */
    RC_EXISTS,  /* there is one already */
    RC_IO,      /* a system call failed; errno says how */
    RC_DEFER,   /* not here: the slow lane must run it */
    RC_AWAIT,   /* the master was asked: when it has answered, the command is run again */
    RC_ENDING,  /* the server shuts down, and does not wait for this */
};

__attribute__((noreturn, cold, format(printf, 4, 5))) void
check_failed(const char *file, int line, const char *expr, const char *fmt, ...);

/* CHECK stays on in release builds: one worker's abort is repaired, silent corruption is not. */
#define CHECK(e) (__builtin_expect(!!(e), 1) ? (void)0 : check_failed(__FILE__, __LINE__, #e, "%s", ""))
#define CHECKF(e, ...)                                                                                       \
    (__builtin_expect(!!(e), 1) ? (void)0 : check_failed(__FILE__, __LINE__, #e, __VA_ARGS__))

/* DCHECK is for what is costly; it is compiled in test builds (-DSKEP_DEBUG). */
#ifdef SKEP_DEBUG
#define DCHECK(e) CHECK(e)
#else
#define DCHECK(e) ((void)0)
#endif

/* A function that reads what others may be changing, and finds out afterwards: not for ThreadSanitizer. */
#if defined(__SANITIZE_THREAD__)
#define READS_RACILY __attribute__((no_sanitize("thread"), noinline))
#else
#define READS_RACILY
#endif

#define LIKELY(e)    __builtin_expect(!!(e), 1)
#define UNLIKELY(e)  __builtin_expect(!!(e), 0)
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
