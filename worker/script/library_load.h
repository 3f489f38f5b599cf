/* worker/script/library_load.h - a library's source: its first line, and what it registers when it is run.
 * Owner     the process that loads it.
 * Locks     none.
 * Crash     private memory, gone with the process.
 * Survives  no.
 * Fails     RC_INVALID with a sentence in error, RC_DEFER when it takes too long for a worker, RC_NOMEM.
 * Tests     tests/regress/sql/function_load.cmd  tests/regress/sql/function_register.cmd */
#ifndef SKEP_LIBRARY_LOAD_H
#define SKEP_LIBRARY_LOAD_H

#include "shm/base/words.h"
#include "shm/library.h"

#define LIBRARY_ERROR 512
#define LIBRARY_NAME_RULE                                                                                    \
    "Library names can only contain letters, numbers, or underscores(_) and must be at least one character " \
    "long"

struct library_source {
    struct bytes code; /* as it came */
    struct bytes name; /* in words */
    struct bytes
        body; /* what Lua compiles: from the first line's end on, so that lines are counted rightly */
    struct words words;
};
/* To be closed whatever it says. */
enum rc library_source_open(struct library_source *s, struct bytes code, char error[LIBRARY_ERROR]);
void library_source_close(struct library_source *s);

enum load_patience {
    LOAD_BRIEFLY,  /* in a worker: RC_DEFER after a millisecond */
    LOAD_AT_LEAST, /* in a lane: an error after half a second */
    LOAD_TO_END,   /* from a file: it has been loaded before */
};
/* Runs the source in a state of its own, and appends it as a packed library. */
enum rc library_make(const struct library_source *s, enum load_patience patience, struct library_pack *to,
                     char error[LIBRARY_ERROR]);

#endif
