/* A command of many keys where the arena has no room for the lists of one transaction: run with some of its keys
 * after the others, so that what frees memory works when there is none. */
#include "worker/dispatch/call.h"
#include "shm/base/number.h"
#include "worker/worker.h"

#include <time.h>

/* A key needs a latch, three words and two freed blocks at most: so many fit the lists that a lane always has. */
#define PIECE_KEYS 32
#define BUSY_TRIES 50000 /* of some 20 us each: whoever holds the latch is done, or repaired */

static enum rc run_piece(struct call *c, struct bytes *argv, int argc, int64_t *sum)
{
    struct call piece = *c;
    size_t mark = c->reply->len;
    enum rc rc = RC_BUSY;
    piece.argv = argv;
    piece.argc = argc;
    /* What has been done cannot be taken back, so a latch that is held is waited for, and a lock, which says no at once. */
    for (unsigned tries = 0; tries < BUSY_TRIES && rc == RC_BUSY; tries++) {
        if (tries)
            nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
        rc = call_run(&piece);
    }
    if (!rc) {
        int64_t n = 0; /* the reply is :N\r\n */
        CHECK(number_to_int64((struct bytes){c->reply->buf + mark + 1, c->reply->len - mark - 3}, &n));
        *sum += n;
    }
    c->reply->len = mark;
    return rc;
}

enum rc call_run_pieces(struct call *c)
{
    struct bytes argv[PIECE_KEYS + 1] = {c->argv[0]};
    int64_t sum = 0;
    for (int at = 1; at < c->argc; at += PIECE_KEYS) {
        int n = c->argc - at < PIECE_KEYS ? c->argc - at : PIECE_KEYS;
        memcpy(argv + 1, c->argv + at, (size_t)n * sizeof(*argv));
        enum rc rc = run_piece(c, argv, n + 1, &sum);
        if (rc)
            return rc;
        if (c->w->is_lane) /* a worker's batch is not over: commands behind this one are located already */
            call_breathe(c);
    }
    reply_int(c->reply, sum);
    return RC_OK;
}

bool call_has_pieces(const struct call *c)
{
    return c->cmd->flags & F_SUMS && c->argc - 1 > PIECE_KEYS;
}
