/* Mail: order, full rings, blocks that go with messages, wake-ups, and what a repair tells of. */
#include "shm/mail.h"
#include "tests/unit/arena.h"

#include <stdio.h>

static struct shm_ctx a, b, c;

static void send(struct shm_ctx *from, uint32_t to, uint64_t x, uint64_t bytes)
{
    char text[500];
    bool wake;
    memset(text, (int)(x & 127), sizeof(text));
    CHECK(!mail_send(from, to, &(struct mail){.kind = MAIL_RUN, .x = x, .bytes = bytes}, text, &wake));
}

static void expect(struct shm_ctx *to, uint32_t from, uint64_t x, uint64_t bytes)
{
    uint32_t who;
    struct mail m;
    CHECK(mail_next(to, &who, &m) && who == from && m.x == x && m.bytes == bytes && !m.block == !bytes);
    for (uint64_t i = 0; i < bytes; i++)
        CHECK(((char *)shm_at(m.block))[i] == (char)(x & 127));
    CHECK(!mail_done(to, from));
}

static void in_order(void)
{
    uint32_t from;
    struct mail m;
    CHECK(!mail_next(&b, &from, &m));
    for (uint64_t i = 0; i < 20; i++)
        send(&a, 2, i, i * 20);
    arena_sound();
    for (uint64_t i = 0; i < 20; i++)
        expect(&b, 1, i, i * 20);
    CHECK(!mail_next(&b, &from, &m));
    CHECK(slots_used_bytes() == 0);
    arena_sound();
}

static void full_ring(void)
{
    bool wake;
    struct mail m = {.kind = MAIL_RUN, .bytes = 10};
    for (uint64_t i = 0; i < MAIL_RING; i++)
        send(&a, 2, i, 10);
    int64_t used = slots_used_bytes();
    CHECK(mail_send(&a, 2, &m, "0123456789", &wake) == RC_BUSY);
    CHECK(slots_used_bytes() == used);
    send(&c, 2, 99, 0); /* another sender has a ring of its own */
    expect(&b, 1, 0, 10);
    send(&a, 2, MAIL_RING, 10);
    for (uint64_t i = 1; i <= MAIL_RING; i++)
        expect(&b, 1, i, 10);
    expect(&b, 3, 99, 0);
    arena_sound();
}

/* A message stays until mail_done: looking twice gives the same one. */
static void look_twice(void)
{
    uint32_t from;
    struct mail m;
    send(&a, 2, 7, 0);
    CHECK(mail_next(&b, &from, &m) && m.x == 7);
    CHECK(mail_next(&b, &from, &m) && m.x == 7);
    expect(&b, 1, 7, 0);
}

static void wake_once(void)
{
    bool wake;
    struct mail m = {.kind = MAIL_POKE};
    b.slot->wake = 0;
    CHECK(!mail_send(&a, 2, &m, NULL, &wake) && wake);
    CHECK(!mail_send(&a, 2, &m, NULL, &wake) && !wake); /* it was told already */
    b.slot->wake = 0;
    CHECK(slot_wake(2) && !slot_wake(2));
    expect(&b, 1, 0, 0);
    expect(&b, 1, 0, 0);
}

/* The sender died before it told, or the receiver after it had cleared the sign. */
static void told_by_repair(void)
{
    uint32_t from;
    struct mail m;
    struct shm_mail *all = shm_at(arena_root()->mail);
    send(&a, 2, 1, 5);
    send(&c, 2, 2, 5);
    memset(all->from[2], 0, sizeof(all->from[2]));
    CHECK(!mail_next(&b, &from, &m));
    slot_repair(1);
    expect(&b, 1, 1, 5);
    CHECK(!mail_next(&b, &from, &m));
    slot_repair(2);
    expect(&b, 3, 2, 5);
    arena_sound();
}

int main(void)
{
    struct arena_sizes sizes = {.arena_bytes = 32ull << 20, .nslots = 5, .ndbs = 1, .nsessions = 1};
    int fd;
    CHECK(!arena_create(&sizes, &fd));
    slot_ctx(&a, 1);
    slot_ctx(&b, 2);
    slot_ctx(&c, 3);
    in_order();
    full_ring();
    look_twice();
    wake_once();
    told_by_repair();
    return 0;
}
