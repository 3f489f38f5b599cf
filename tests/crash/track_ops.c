#include "tests/crash/track_ops.h"
#include "shm/track.h"

static void set(struct shm_ctx *ctx, const char *packed, size_t n, uint32_t count)
{
    CHECK(!track_prefixes(ctx, (struct bytes){packed, n}, count));
}

void prefixes_ready(struct shm_ctx *ctx)
{
    set(ctx, "\2\0\0\0ab", 6, 1);
}
void prefixes_change(struct shm_ctx *ctx)
{
    set(ctx, "\2\0\0\0ab\1\0\0\0x", 11, 2);
}
void prefixes_end(struct shm_ctx *ctx)
{
    set(ctx, NULL, 0, 0);
}
