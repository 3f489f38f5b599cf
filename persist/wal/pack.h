/* persist/wal/pack.h - a closed segment is packed: written aside, synced, renamed over the original.
 * Owner     the writer's helper.
 * Locks     none: nobody else changes closed segments.
 * Crash     either file under the segment's name is complete; what lies aside is removed at the next start.
 * Survives  writer's death: what was begun is lost, and begun again.
 * Fails     the segment stays as it is.
 * Tests     tests/crash/wal_writer.c */
#ifndef SKEP_PERSIST_PACK_H
#define SKEP_PERSIST_PACK_H

#include "shm/format/wal_file.h"

struct packing {
    bool active;
    uint64_t number;
    uint64_t outcome; /* at the end: the segment's bytes now */
    uint64_t bytes;   /* as it was */
    int dirfd, fd;
    void *map;
    struct wal_cursor cursor;
    bool have; /* the cursor stands at a frame that was not taken */
    uint64_t at;
    char *raw, *out;
    uint32_t raw_bytes, out_room;
    struct wal_frame frame; /* of what is in raw */
};

/* False: there is nothing to gain. */
bool packing_begin(struct packing *p, int dirfd, uint64_t number, uint64_t bytes);
/* About one frame. False: it is done, see outcome. */
bool packing_step(struct packing *p);
void packing_drop(struct packing *p);

#endif
