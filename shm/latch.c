#include "shm/latch.h"

bool latch_spin(struct shm_latch *l, uint32_t id)
{
    for (unsigned i = 0; i < 600; i++) {
        if (latch_try(l, id))
            return true;
        if (latch_owner(latch_load(l)) == LATCH_RETIRED)
            return false;
        cpu_relax();
    }
    return false;
}
