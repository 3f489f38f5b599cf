/* shm/base/channel.h - one end of the socket between the master and a child: messages with descriptors, both ways.
 * Owner     the process that holds the end.
 * Locks     none.
 * Crash     private memory, gone with the process; the other end sees EOF.
 * Survives  no.
 * Fails     a full socket: messages wait here and go out as it drains. A broken one swallows them.
 * Tests     tests/crash */
#ifndef SKEP_CHANNEL_H
#define SKEP_CHANNEL_H

#include <stdbool.h>

#include "include/control.h"

struct channel_waiting;
struct channel {
    int fd; /* -1: closed */
    struct channel_waiting *first, **last;
};

void channel_open(struct channel *ch, int fd);
void channel_close(struct channel *ch); /* what waits is forgotten */
/* passed: a descriptor that rides along, -1 none; of one that must wait a duplicate is kept. */
void channel_send(struct channel *ch, const struct control_msg *m, int passed);
/* Sends what waits. Being told of room is not enough to be sure that there is some: see channel.c. */
void channel_flush(struct channel *ch);
static inline bool channel_waits(const struct channel *ch)
{
    return ch->first;
}
/* The next message; *passed gets the descriptor that came with it or -1. False: none. *closed: nor will there be. */
bool channel_receive(struct channel *ch, struct control_msg *m, int *passed, bool *closed);

#endif
