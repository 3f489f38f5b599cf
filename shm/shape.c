#include "shm/shape.h"
#include "shm/persist.h"
#include "shm/scripting.h"
#include "shm/table.h"
#include "shm/waiters.h"

uint64_t shape_persist_bytes(void)
{
    return sizeof(struct shm_persist);
}

uint64_t shape_waiters_bytes(void)
{
    return sizeof(struct shm_waiters);
}

uint64_t shape_scripting_bytes(void)
{
    return sizeof(struct shm_scripting);
}

uint64_t arena_shape(void)
{
    const uint64_t sizes[] = {
        sizeof(struct shm_root),
        sizeof(struct shm_unit),
        sizeof(struct shm_slot),
        sizeof(struct shm_lane),
        sizeof(struct shm_nest),
        sizeof(struct shm_mag),
        sizeof(struct shm_table),
        sizeof(struct shm_bucket),
        sizeof(struct shm_entry),
        sizeof(struct shm_big),
        SLOT_STRIDE,
        SHM_CLASSES,
        shape_session_bytes(),
        shape_mail_bytes(16),
        TAG_BITS,
        SEG_MAX,
        sizeof(struct shm_retire),
        SHM_CONFIG_BYTES,
        STAT_COMMANDS,
        NODE_BITS,
        shape_slowlog_bytes(),
        shape_persist_bytes(),
        shape_watch_bytes(),
        shape_pubsub_bytes(),
        sizeof(struct shm_snap_ring),
        sizeof(struct shm_waiter),
        sizeof(struct shm_fields),
        shape_waiters_bytes(),
        shape_scripting_bytes(),
    };
    uint64_t h = 14695981039346656037ull;
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++)
        h = (h ^ sizes[i]) * 1099511628211ull;
    return h;
}
