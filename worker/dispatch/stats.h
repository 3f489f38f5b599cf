/* worker/dispatch/stats.h - what is counted of every command: calls, times, errors, and the slow ones.
 * Owner     the slot of the process that ran the command.
 * Locks     none: one writer a slot, readers sum.
 * Crash     a counter may miss the command that was running.
 * Survives  worker death: yes, counters are absolute and the slot is adopted.
 * Fails     never.
 * Tests     tests/regress/server_info  server_slowlog  server_latency */
#ifndef SKEP_STATS_H
#define SKEP_STATS_H

#include "shm/slowlog.h"
#include "worker/dispatch/call.h"

void stats_clear(struct shm_ctx *ctx);

/* CONFIG RESETSTAT asks every process to clear its own counters: to be called as a batch begins, so that no
 * command of the batch is lost. */
static inline void stats_sync(struct shm_ctx *ctx)
{
    if (UNLIKELY(ctx->slot->seen_stats_epoch != ctx->root->stats_epoch))
        stats_clear(ctx);
}
/* For readers: a slot that has not yet obeyed a reset counts as zero. */
static inline bool stats_count(const struct shm_slot *s)
{
    return s->seen_stats_epoch == arena_root()->stats_epoch;
}

/* After a command has run. */
void stats_command(struct call *c, uint64_t usec, bool failed);
/* An error reply was written, whether a command ran or was refused; line begins with its '-'. */
void stats_error(struct shm_ctx *ctx, const char *line, size_t n);

/* From so many microseconds on SLOWLOG or LATENCY is to hear of a command. */
uint64_t stats_slow_us(const struct shm_config *cfg);
/* What SLOWLOG is to say of it; false: nothing. */
bool stats_slow_entry(const struct call *c, uint64_t usec, struct slow_entry *e);
/* LATENCY hears of it if it has taken long enough. */
void stats_latency(const struct call *c, bool fast, uint64_t usec);

/* What a try has counted of keys, to be taken back when it comes to nothing. */
struct keyspace_counts {
    uint64_t hits, misses, expired, expired_fields, dirty;
};
static inline struct keyspace_counts stats_mark(const struct shm_ctx *ctx)
{
    const struct shm_stats *s = &ctx->slot->stats;
    return (struct keyspace_counts){s->hits, s->misses, s->expired, s->expired_fields, s->dirty};
}
static inline void stats_cut(struct shm_ctx *ctx, struct keyspace_counts mark)
{
    struct shm_stats *s = &ctx->slot->stats;
    s->hits = mark.hits;
    s->misses = mark.misses;
    s->expired = mark.expired;
    s->expired_fields = mark.expired_fields;
    s->dirty = mark.dirty;
}

/* The histogram's bucket of a time; bucket i holds times up to stats_bucket_ns(i). */
static inline unsigned stats_bucket(uint64_t usec)
{
    unsigned b = usec <= 1 ? 0 : 64u - (unsigned)__builtin_clzll(usec - 1);
    return b < LATENCY_BUCKETS ? b : LATENCY_BUCKETS - 1;
}
/* As clients of Redis know the buckets: 1024 ns doubled, plus the width of that histogram's own steps. */
static inline uint64_t stats_bucket_ns(unsigned bucket)
{
    return (1032ull << bucket) - 1;
}

/* Whether argument i is a password, which neither MONITOR nor SLOWLOG may show. */
bool argument_is_secret(const struct command *cmd, const struct bytes *argv, int argc, int i);

#endif
