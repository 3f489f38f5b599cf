/* worker/proto/parse_private.h - what the files of the parser share among themselves.
 * Owner     worker/proto.
 * Locks     none.
 * Crash     private memory.
 * Survives  no.
 * Fails     as parse.h says.
 * Tests     tests/unit/test_parse.c */
#ifndef SKEP_PARSE_PRIVATE_H
#define SKEP_PARSE_PRIVATE_H

#include "worker/proto/parse.h"

#define PROTOCOL_ERROR(s) "ERR Protocol error: " s

/* Room for so many arguments, and for more bytes behind the scratch's present end. */
void request_room(struct request *rq, size_t args);
void request_scratch_room(struct request *rq, size_t more);
/* Gives back what an unusually large command has left behind. */
void request_trim(struct request *rq);

/* Splits an inline command at its blanks, minding quotes; false if the quotes do not match. argc may be 0. */
bool inline_split(struct request *rq, struct bytes line);

#endif
