#include "worker/dispatch/busy.h"
#include "shm/config.h"
#include "worker/worker.h"

#include <time.h>

static uint64_t mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t since(const struct shm_slot *s)
{
    return s->role == ROLE_LANE && slot_lives(s) ? __atomic_load_n(&s->script_since_ms, __ATOMIC_ACQUIRE) : 0;
}

/* With several at once, those that may be ended are; what is said is said of the others only if there is none. */
void busy_kill(struct call *c, bool eval)
{
    const char *why = "NOTBUSY No scripts in execution right now.";
    bool any = false;
    for (uint32_t i = 0; i < c->ctx->root->nslots; i++) {
        struct shm_slot *s = slot_at(i);
        uint32_t kind = __atomic_load_n(&s->script_kind, __ATOMIC_ACQUIRE);
        if (!since(s))
            continue;
        if (kind & SCRIPT_HAS_WRITTEN) {
            why = "UNKILLABLE Sorry the script already executed write commands against the dataset. You can "
                  "either "
                  "wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE "
                  "command.";
        } else if (!(kind & (eval ? SCRIPT_IS_EVAL : SCRIPT_IS_FUNCTION))) {
            why = eval ? ERR_BUSY_FUNCTION : ERR_BUSY_SCRIPT;
        } else {
            __atomic_store_n(&s->script_kill, 1, __ATOMIC_RELEASE);
            any = true;
        }
    }
    if (any)
        reply_ok(c->reply);
    else
        reply_error(c->reply, why);
}

const char *busy_words(const struct shm_ctx *ctx, const struct shm_config *cfg)
{
    uint32_t slot = ctx->held_by;
    if (!slot || slot > ctx->root->nslots || !cfg->busy_reply_threshold)
        return NULL;
    const struct shm_slot *s = slot_at(slot - 1);
    uint64_t from = since(s);
    if (LIKELY(!from) || mono_ms() - from < (uint64_t)cfg->busy_reply_threshold)
        return NULL;
    return s->script_kind & SCRIPT_IS_EVAL ? ERR_BUSY_SCRIPT : ERR_BUSY_FUNCTION;
}
