#include "worker/dispatch/busy.h"
#include "shm/config.h"
#include "worker/worker.h"

#include <stdio.h>
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

static bool over(const struct shm_config *cfg, uint64_t from)
{
    return cfg->busy_reply_threshold && mono_ms() - from >= (uint64_t)cfg->busy_reply_threshold;
}

enum lane_load busy_lane(const struct shm_slot *s, const struct shm_config *cfg)
{
    uint64_t from = since(s);
    if (from)
        return over(cfg, from) ? LANE_OVER : LANE_SCRIPTS;
    return __atomic_load_n(&s->busy_since_ms, __ATOMIC_RELAXED) ? LANE_WORKS : LANE_RESTS;
}

enum lane_load busy_holder(const struct shm_ctx *ctx, const struct shm_config *cfg)
{
    bool known = ctx->held_by && ctx->held_by <= ctx->root->nslots;
    return known ? busy_lane(slot_at(ctx->held_by - 1), cfg) : LANE_RESTS;
}

/* ---- SCRIPT KILL ---- */

/* Why the script may not be ended; NULL: it may. */
static const char *spared(const struct shm_slot *s, bool eval)
{
    uint32_t kind = __atomic_load_n(&s->script_kind, __ATOMIC_ACQUIRE);
    if (kind & SCRIPT_HAS_WRITTEN)
        return "UNKILLABLE Sorry the script already executed write commands against the dataset. You can "
               "either "
               "wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE "
               "command.";
    if (!(kind & (eval ? SCRIPT_IS_EVAL : SCRIPT_IS_FUNCTION)))
        return eval ? ERR_BUSY_FUNCTION : ERR_BUSY_SCRIPT;
    return NULL;
}

/* The one that has run for longest is meant. Redis, which has but one, lets it run for the threshold before it hears of
 * the order: so all that have run for so long are meant as well, and others, which may have just begun, are not. What is
 * said of those that may not be ended is said only if there is no other. */
void busy_kill(struct call *c, bool eval)
{
    const char *why = "NOTBUSY No scripts in execution right now.";
    struct shm_slot *oldest = NULL;
    uint64_t oldest_from = UINT64_MAX;
    for (uint32_t i = 0; i < c->ctx->root->nslots; i++) {
        struct shm_slot *s = slot_at(i);
        uint64_t from = since(s);
        const char *not = from ? spared(s, eval) : NULL;
        if (not )
            why = not ;
        if (!from || not )
            continue;
        if (over(c->cfg, from))
            __atomic_store_n(&s->script_kill, busy_mark(from), __ATOMIC_RELEASE);
        if (from < oldest_from) {
            oldest = s;
            oldest_from = from;
        }
    }
    if (!oldest) {
        reply_error(c->reply, why);
        return;
    }
    __atomic_store_n(&oldest->script_kill, busy_mark(oldest_from), __ATOMIC_RELEASE);
    reply_ok(c->reply);
}

/* ---- what FUNCTION STATS says ---- */

/* A row of strings, each with its length in two bytes before it; a length of 0xffff ends it. Readers take a copy and
 * believe no length in it, since the next script may have begun to note itself. */
#define TOLD_END     0xffffu
#define TOLD_ARG_MAX 128u /* of one argument */

static bool told_room(const char *at, const struct shm_slot *s, size_t n)
{
    return (size_t)(s->script_told + SCRIPT_TOLD - at) >= 2 * sizeof(uint16_t) + n;
}

static char *put_told(char *at, const char *p, size_t n)
{
    uint16_t n16 = (uint16_t)n;
    memcpy(at, &n16, sizeof(n16));
    memcpy(at + sizeof(n16), p, n);
    return at + sizeof(n16) + n;
}

void busy_note(struct shm_slot *s, const char *name, const struct bytes *argv, int argc)
{
    uint16_t end = TOLD_END;
    size_t n = strlen(name);
    char *at = put_told(s->script_told, name, n < TOLD_ARG_MAX ? n : TOLD_ARG_MAX);
    for (int i = 0; i < argc; i++) {
        char cut[64];
        size_t shown = argv[i].n < TOLD_ARG_MAX ? argv[i].n : TOLD_ARG_MAX;
        if (i + 1 < argc && !told_room(at, s, shown + sizeof(cut))) {
            int more = snprintf(cut, sizeof(cut), "... (%d more arguments)", argc - i);
            at = put_told(at, cut, (size_t)more);
            break;
        }
        if (told_room(at, s, shown))
            at = put_told(at, argv[i].p, shown);
    }
    memcpy(at, &end, sizeof(end));
}

static bool take_told(const char *told, size_t *at, struct bytes *out)
{
    uint16_t n;
    if (SCRIPT_TOLD - *at < sizeof(n))
        return false;
    memcpy(&n, told + *at, sizeof(n));
    *at += sizeof(n);
    if (n == TOLD_END || n > SCRIPT_TOLD - *at)
        return false;
    *out = (struct bytes){told + *at, n};
    *at += n;
    return true;
}

static void write_told(struct call *c, const char *told, uint64_t ran_ms)
{
    struct bytes b = {"", 0};
    size_t at = 0, n = 0;
    reply_map(c->reply, 3);
    reply_bulk_str(c->reply, "name");
    take_told(told, &at, &b);
    reply_bulk(c->reply, b.p, b.n);
    reply_bulk_str(c->reply, "command");
    size_t mark = reply_defer(c->reply);
    for (; take_told(told, &at, &b); n++)
        reply_bulk(c->reply, b.p, b.n);
    reply_defer_array(c->reply, mark, n);
    reply_bulk_str(c->reply, "duration_ms");
    reply_int(c->reply, (long long)ran_ms);
}

void busy_tell(struct call *c)
{
    uint64_t first = 0;
    char told[SCRIPT_TOLD];
    for (uint32_t i = 0; i < c->ctx->root->nslots; i++) {
        const struct shm_slot *s = slot_at(i);
        uint64_t from = since(s);
        if (!from || (first && from >= first) || !(s->script_kind & SCRIPT_IS_FUNCTION))
            continue;
        memcpy(told, s->script_told, sizeof(told));
        if (since(s) == from)
            first = from;
    }
    uint64_t now = mono_ms();
    if (first)
        write_told(c, told, now > first ? now - first : 0);
    else
        reply_null(c->reply);
}

const char *busy_words(const struct shm_ctx *ctx, const struct shm_config *cfg)
{
    if (LIKELY(busy_holder(ctx, cfg) != LANE_OVER))
        return NULL;
    return slot_at(ctx->held_by - 1)->script_kind & SCRIPT_IS_EVAL ? ERR_BUSY_SCRIPT : ERR_BUSY_FUNCTION;
}
