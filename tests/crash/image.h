/* tests/crash/image.h - keeps what the arena holds, so that a test can begin again from there.
 * Owner     the test.
 * Locks     none: nothing runs in the arena meanwhile.
 * Crash     nothing to lose.
 * Survives  no.
 * Fails     ends the test.
 * Tests     crash_points.c  single_step.c */
#ifndef SKEP_TEST_IMAGE_H
#define SKEP_TEST_IMAGE_H

#include "shm/arena.h"

#include <stdlib.h>

struct image {
    char *copy;
    uint64_t bytes, room;
};

/* Units above the last one in use hold nothing, and need not be kept. */
static inline uint64_t image_extent(void)
{
    const struct shm_root *r = arena_root();
    const uint64_t *used = shm_at(r->unit_used);
    uint64_t last = r->first_unit;
    for (uint64_t u = 0; u < r->nunits; u++)
        if (used[u / 64] >> u % 64 & 1)
            last = u + 1;
    return last * UNIT_BYTES;
}
static inline void image_save(struct image *im)
{
    im->bytes = image_extent();
    if (im->room < im->bytes) {
        im->room = im->bytes + im->bytes / 2;
        im->copy = realloc(im->copy, im->room);
        CHECK(im->copy);
    }
    memcpy(im->copy, shm_base, im->bytes);
}
static inline void image_restore(const struct image *im)
{
    memcpy(shm_base, im->copy, im->bytes);
}

#endif
