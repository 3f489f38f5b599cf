#include "shm/crashpoint.h"
#include "shm/slot.h"

#include <signal.h>
#include <unistd.h>

uint64_t crash_points_seen;

static const char *const names[CP_COUNT] = {"none",
#define X(name) #name,
                                            CRASH_POINTS(X)
#undef X
};

const char *crash_point_name(enum crash_point p)
{
    return p < CP_COUNT ? names[p] : "?";
}

enum crash_point crash_point_find(const char *name)
{
    for (unsigned i = 1; i < CP_COUNT; i++)
        if (strcasecmp(names[i], name) == 0)
            return (enum crash_point)i;
    return CP_NONE;
}

void crash_point_hit(struct shm_ctx *ctx, enum crash_point p)
{
    struct shm_root *r = ctx->root;
    if (r->crash_slot && r->crash_slot != ctx->id + 1)
        return;
    if (__atomic_sub_fetch(&r->crash_count, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    (void)p;
    __atomic_store_n(&r->crash_point, CP_NONE, __ATOMIC_RELEASE);
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}
