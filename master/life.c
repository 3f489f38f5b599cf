/* Each process holds its slot's life lock, a robust futex: the kernel marks it and wakes one waiter as the
 * process dies, before it takes the memory apart, so we know up to 100 ms earlier than by SIGCHLD. This
 * thread is the waiter. It calls nothing but the kernel, so a fork by the main thread at any moment finds no
 * lock taken. */
#include "master/supervise.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

enum { WATCH_NO, WATCH_YES, WATCH_OVER };

/* Shared by the two threads; every member is one atomic word. */
static struct {
    uint32_t kick; /* grows when the list has changed */
    uint32_t watch[SHM_SLOTS_MAX];
    uint32_t up; /* the thread runs our code */
    int tell;
    bool works;
} life;

static uint32_t *life_word(uint32_t slot)
{
    return &slot_at(slot)->life;
}

/* Notes the waiter in the word, without which the kernel would not wake us. False: the lock is free. */
static bool mark_waiting(uint32_t slot, uint32_t *seen)
{
    uint32_t v = __atomic_load_n(life_word(slot), __ATOMIC_ACQUIRE);
    for (;;) {
        if (v & FUTEX_OWNER_DIED)
            return false;
        *seen = v | FUTEX_WAITERS;
        if (v == *seen || __atomic_compare_exchange_n(life_word(slot), &v, *seen, false, __ATOMIC_ACQ_REL,
                                                      __ATOMIC_ACQUIRE))
            return true;
    }
}

static void tell(uint32_t slot)
{
    uint32_t was = WATCH_YES;
    uint64_t one = 1;
    if (__atomic_compare_exchange_n(&life.watch[slot], &was, WATCH_OVER, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_RELAXED) &&
        write(life.tell, &one, sizeof(one)) < 0)
        return; /* SIGCHLD will say it */
}

static void *wait_for_deaths(void *arg)
{
    struct futex_waitv v[FUTEX_WAITV_MAX];
    (void)arg;
    __atomic_store_n(&life.up, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &life.up, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    for (;;) {
        unsigned n = 1;
        uint32_t kick = __atomic_load_n(&life.kick, __ATOMIC_ACQUIRE), seen;
        memset(v, 0, sizeof(v));
        v[0] = (struct futex_waitv){
            .val = kick, .uaddr = (uintptr_t)&life.kick, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG};
        /* More than 127 processes: those beyond are noticed by SIGCHLD. */
        for (uint32_t i = 0; i < arena_root()->nslots && n < FUTEX_WAITV_MAX; i++) {
            if (__atomic_load_n(&life.watch[i], __ATOMIC_ACQUIRE) != WATCH_YES)
                continue;
            if (!mark_waiting(i, &seen))
                tell(i);
            else
                v[n++] =
                    (struct futex_waitv){.val = seen, .uaddr = (uintptr_t)life_word(i), .flags = FUTEX_32};
        }
        if (syscall(SYS_futex_waitv, v, n, 0, NULL, CLOCK_MONOTONIC) < 0 && errno != EAGAIN && errno != EINTR)
            return NULL;
    }
}

static void kick(void)
{
    __atomic_add_fetch(&life.kick, 1, __ATOMIC_RELEASE);
    syscall(SYS_futex, &life.kick, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

bool life_open(int *out)
{
    pthread_attr_t attr;
    pthread_t thread;
    life.tell = *out = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (life.tell < 0)
        return false;
    if (syscall(SYS_futex_waitv, NULL, 0, 0, NULL, CLOCK_MONOTONIC) < 0 && errno == ENOSYS)
        return true; /* an old kernel: SIGCHLD it is */
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 65536);
    life.works = !pthread_create(&thread, &attr, wait_for_deaths, NULL);
    pthread_attr_destroy(&attr);
    /* A thread that is only being made may hold locks of the C library or of a sanitizer's allocator; a child
     * forked at that moment would inherit them, held for ever. */
    while (life.works && !__atomic_load_n(&life.up, __ATOMIC_ACQUIRE))
        syscall(SYS_futex, &life.up, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return true;
}

void life_watch(uint32_t slot)
{
    __atomic_store_n(&life.watch[slot], WATCH_YES, __ATOMIC_RELEASE);
    if (life.works)
        kick();
}

void life_forget(uint32_t slot)
{
    __atomic_store_n(&life.watch[slot], WATCH_NO, __ATOMIC_RELEASE);
    if (life.works)
        kick(); /* it must not sleep on a word that the next process will use */
}

bool life_over(uint32_t slot)
{
    uint32_t was = WATCH_OVER;
    return __atomic_compare_exchange_n(&life.watch[slot], &was, WATCH_NO, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}
