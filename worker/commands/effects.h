/* worker/commands/effects.h - what handlers tell the log where the command itself would not do.
 * Owner     the process that runs the command.
 * Locks     none: the caller's transaction is open.
 * Crash     part of the transaction.
 * Survives  nothing to survive.
 * Fails     RC_BUSY, RC_NOMEM: the handler fails with it.
 * Tests     tests/compat/log_effects.py */
#ifndef SKEP_EFFECTS_H
#define SKEP_EFFECTS_H

#include "worker/dispatch/call.h"

enum rc effect_del(struct call *c, struct bytes key);
enum rc effect_persist(struct call *c, struct bytes key);
enum rc effect_pexpireat(struct call *c, struct bytes key, int64_t expiry_ms);
/* Fields of a hash expire then. */
enum rc effect_hpexpireat(struct call *c, struct bytes key, int64_t until_ms, const struct bytes *field,
                          unsigned n);
/* Fields of a hash go. */
enum rc effect_hdel(struct call *c, struct bytes key, const struct bytes *field, unsigned n);
/* expiry_ms: -1 none. */
enum rc effect_set(struct call *c, struct bytes key, struct bytes value, int64_t expiry_ms);
/* The value changes, the key's expiry stays. */
enum rc effect_set_keepttl(struct call *c, struct bytes key, struct bytes value);
/* A payload takes the place of whatever the key held. expiry_ms: -1 none. */
enum rc effect_restore(struct call *c, struct bytes key, struct bytes payload, int64_t expiry_ms);

#endif
