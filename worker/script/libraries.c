#include "worker/script/libraries.h"

#include <stdio.h>
#include <stdlib.h>

const struct library_copy *libraries_here(struct call *c)
{
    static struct library_copy copy = {.all = {"", 0}};
    if (LIKELY(copy.epoch == libraries_epoch(c->ctx->root)))
        return &copy;
    enum rc rc = libraries_read(c->ctx, &copy);
    if (!rc)
        return &copy;
    copy.epoch = 0; /* half of it may have been copied: no change has this number */
    copy.all = (struct bytes){"", 0};
    call_fail(c, rc);
    return NULL;
}

enum load_patience libraries_patience(const struct call *c)
{
    return c->loading ? LOAD_TO_END : c->in_lane ? LOAD_AT_LEAST : LOAD_BRIEFLY;
}

/* ---- for loaders ---- */

static enum rc change(struct shm_ctx *ctx, const struct library_change *ch, char error[LIBRARY_ERROR])
{
    struct library_pack to = {0};
    struct library_clash clash;
    enum rc rc = libraries_change(ctx, NULL, ch, NULL, 0, &to, &clash);
    if (rc == RC_EXISTS) {
        snprintf(error, LIBRARY_ERROR, "%s '%.*s' already exists", clash.function ? "Function" : "Library",
                 (int)(clash.name.n < 128 ? clash.name.n : 128), clash.name.p);
        rc = RC_INVALID;
    }
    free(to.p);
    return rc;
}

enum rc libraries_load(struct shm_ctx *ctx, struct bytes code, bool merge, char error[LIBRARY_ERROR])
{
    struct library_pack fresh = {0};
    struct library_source s;
    enum rc rc = library_source_open(&s, code, error);
    if (!rc)
        rc = library_make(&s, LOAD_TO_END, &fresh, error);
    struct library_change ch = {.fresh = {fresh.p, fresh.n},
                                .policy = merge ? LIBRARY_REPLACE : LIBRARY_APPEND};
    if (!rc)
        rc = change(ctx, &ch, error);
    library_source_close(&s);
    free(fresh.p);
    return rc;
}
