/* shm/latency.h - what took long and when, an event at a time, for LATENCY.
 * Owner     the slot's process writes its samples; readers merge those of all slots.
 * Locks     none: a sample is one word.
 * Crash     a sample is there or not.
 * Survives  worker death: yes.
 * Fails     never.
 * Tests     tests/regress/server_latency */
#ifndef SKEP_LATENCY_H
#define SKEP_LATENCY_H

#include "shm/slot.h"

const char *latency_event_name(enum latency_event e);
int latency_event_find(struct bytes name); /* -1: no such event */

/* Notes that the event took so long; the caller has compared with latency-monitor-threshold. */
void latency_add(struct shm_ctx *ctx, enum latency_event e, int64_t now_s, uint64_t ms);

/* All slots' samples of an event by age, at most the last 160; *max_ms is the worst since the reset. */
unsigned latency_samples(enum latency_event e, uint64_t out[LATENCY_SAMPLES], uint64_t *max_ms);
static inline uint32_t latency_time_s(uint64_t sample)
{
    return (uint32_t)(sample >> 32);
}
static inline uint32_t latency_ms(uint64_t sample)
{
    return (uint32_t)sample;
}
/* Forgets the event; true if there was something to forget. */
bool latency_reset(enum latency_event e);

#endif
