/* Sessions: all can be claimed, each once, with owner and a new id; a freed one is found again. */
#include "shm/session.h"

#define N 100u

int main(void)
{
    struct arena_sizes sizes = {.arena_bytes = 32ull << 20, .nslots = 4, .ndbs = 1, .nsessions = N};
    struct shm_session *s[N], *more;
    struct shm_ctx ctx[2];
    uint32_t hint[2] = {0, 50};
    int fd;
    CHECK(!arena_create(&sizes, &fd));
    slot_ctx(&ctx[0], 1);
    slot_ctx(&ctx[1], 2);
    CHECK(!session_by_id(1));
    for (unsigned i = 0; i < N; i++) {
        CHECK(!session_claim(&ctx[i % 2], &hint[i % 2], &s[i]));
        CHECK(s[i]->state == SESSION_OPENING && s[i]->owner == 1 + i % 2 && s[i]->master_fd == -1);
        CHECK(session_at(session_index(s[i])) == s[i]);
        for (unsigned j = 0; j < i; j++)
            CHECK(s[j] != s[i] && s[j]->id < s[i]->id);
        CHECK(session_by_id(s[i]->id) == s[i]);
    }
    CHECK(session_claim(&ctx[0], &hint[0], &more) == RC_MISSING);
    uint64_t old = s[70]->id;
    s[70]->flags = SESSION_F_UNIX;
    s[70]->name[0] = 'x';
    s[70]->state = SESSION_FREE;
    CHECK(!session_by_id(old));
    CHECK(!session_claim(&ctx[1], &hint[1], &more) && more == s[70]);
    CHECK(more->id > s[N - 1]->id && !more->flags && !more->name[0] && more->owner == 2);
    more->state = SESSION_CLOSING;
    CHECK(!session_by_id(more->id));
    CHECK(session_claim(&ctx[0], &hint[0], &more) == RC_MISSING);
    return 0;
}
