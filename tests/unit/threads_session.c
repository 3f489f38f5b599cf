/* Two workers that claim sessions at the same time: while there are free ones neither is refused. */
#include "shm/session.h"
#include "shm/slot.h"

#include <pthread.h>

#define EACH   4000u
#define ROUNDS 20u

static pthread_barrier_t together;

static void *claim(void *arg)
{
    static struct shm_session *mine[2][EACH];
    struct shm_ctx ctx;
    uint32_t hint = 0;
    unsigned me = (unsigned)(uintptr_t)arg;
    slot_ctx(&ctx, me + 1);
    for (unsigned r = 0; r < ROUNDS; r++) {
        unsigned n = r + 1 == ROUNDS ? EACH : EACH / ROUNDS * (r + 1);
        pthread_barrier_wait(&together);
        for (unsigned i = 0; i < n; i++)
            CHECK(!session_claim(&ctx, &hint, &mine[me][i]));
        pthread_barrier_wait(&together);
        for (unsigned i = 0; i < n; i++)
            __atomic_store_n(&mine[me][i]->state, SESSION_FREE, __ATOMIC_RELEASE);
    }
    return NULL;
}

int main(void)
{
    struct arena_sizes sizes = {.arena_bytes = 64ull << 20, .nslots = 4, .ndbs = 1, .nsessions = 2 * EACH};
    pthread_t thread[2];
    int fd;
    CHECK(!arena_create(&sizes, &fd));
    pthread_barrier_init(&together, NULL, 2);
    for (uintptr_t i = 0; i < 2; i++)
        CHECK(!pthread_create(&thread[i], NULL, claim, (void *)i));
    for (unsigned i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    return 0;
}
