/* worker/commands/list_args.h - what the handlers of list commands share.
 * Owner     the process that runs the command.
 * Locks     none.
 * Crash     nothing is changed.
 * Survives  nothing to survive.
 * Fails     false: the error has been written, or the command goes to the slow lane; the handler returns.
 * Tests     tests/regress */
#ifndef SKEP_LIST_ARGS_H
#define SKEP_LIST_ARGS_H

#include "shm/config.h"
#include "shm/types/list.h"
#include "worker/commands/string_args.h"

/* Is the entry (NULL: none) a list? If not, the error is written. */
bool list_fits(struct call *c, const struct shm_entry *e);

static inline struct list_how list_how_of(const struct call *c, const struct key_ref *k)
{
    return (struct list_how){.fill = c->cfg->list_max_listpack_size,
                             .depth = c->cfg->list_compress_depth,
                             .clock = call_clock(c, k)};
}

/* LEFT or RIGHT. */
bool list_end_arg(struct call *c, int i, bool *front);
/* What LMPOP is told. */
struct list_mpop {
    int64_t keys, count;
    bool front;
};
bool list_mpop_arguments(struct call *c, int first, struct list_mpop *o);
void list_mpop_from(struct call *c, unsigned i, const struct list_mpop *o);
/* n items from pos on, as an array. */
bool list_reply(struct call *c, const struct shm_entry *e, uint64_t pos, uint64_t n, bool back);
/* The n items at an end go. */
enum rc list_pop(struct call *c, struct key_ref *k, uint64_t n, bool front);
void list_tell_pop(struct call *c, struct key_ref *k, bool front); /* as a keyspace event */
/* An item of the first key, which is a list, goes to the second key, and is the reply. */
void list_move(struct call *c, bool front, bool to_front);

#endif
