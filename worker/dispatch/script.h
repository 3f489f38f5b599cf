/* worker/dispatch/script.h - a command that runs a script, as one transaction (worker/README.md, "Scripts").
 * Owner     the process that runs it.
 * Locks     its declared keys at once; others as the script names them (keyplan.h).
 * Crash     one commit: all of what its commands did, or nothing.
 * Survives  no.
 * Fails     RC_BUSY: again later; RC_DEFER: in the slow lane; RC_NOMEM: refuse it. Nothing has happened then.
 * Tests     tests/regress/sql/eval_*.cmd  tests/isolation/specs/script_*.spec  tests/crash/scripts.py */
#ifndef SKEP_SCRIPT_H
#define SKEP_SCRIPT_H

#include "worker/dispatch/call.h"
#include "worker/dispatch/keyplan.h"

/* call_run of a row with F_SCRIPT. */
enum rc script_call(struct call *c);

/* ---- for EXEC, whose transaction holds several commands ---- */

/* Before the transaction: what other workers must know of the script. */
enum rc script_share(struct call *c);
/* In the transaction tx of c, whose keys are in the plan. */
enum rc script_step(struct call *c, struct keyplan *plan, bool *stale);
/* After a try that came to rc: true: try again at once, with the keys that were asked for; *rc is 0 then. */
bool script_again(struct call *c, struct keyplan *plan, unsigned tries, enum rc *rc);

/* ---- for both: worker/script/engine.c ---- */

/* A try begins: what was to be counted of the one before, and shown to watchers of MONITOR, never happened. */
void script_forget(struct worker *w);
/* In this order in MONITOR's stream: what the client said, then what its script did. */
void script_show(struct call *c);
/* The transaction is done: now it has happened. */
void script_count(struct call *c);
/* Its slow commands go to the log then. In EXEC each script's go before the script: those that were there at its mark. */
uint64_t script_slow_mark(const struct worker *w);
void script_tell_slow(struct call *c, uint64_t upto);
/* Whether the script that was found, or its command, reads only: its transaction is not committed. */
bool script_reads(const struct call *c, const struct program *p);
/* The row's flags as the first line of the script that c names changes them. */
uint32_t script_row_flags(struct call *c);

#endif
