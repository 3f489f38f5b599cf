#include "shm/watch.h"
#include "shm/shape.h"

uint64_t shape_watch_bytes(void)
{
    return sizeof(struct shm_watch);
}

static uint64_t changes_of(const struct shm_root *root, uint32_t db)
{
    return ((struct shm_db *)shm_at(root->dbs))[db].changes;
}

void watch_begin(const struct shm_root *root, struct key_ref *k, bool exists, struct watch_mark *out)
{
    if (!watch_of(root)->used)
        __atomic_store_n(&watch_of(root)->used, 1, __ATOMIC_RELEASE);
    k->bucket->interest |= INTEREST_WATCHED;
    *out = (struct watch_mark){
        .count = __atomic_load_n(watch_counter(root, k->db, k->hash), __ATOMIC_RELAXED),
        .changes = changes_of(root, k->db),
        .existed = exists,
    };
}

bool watch_changed(const struct shm_root *root, const struct key_ref *k, bool exists,
                   const struct watch_mark *mark)
{
    if (__atomic_load_n(watch_counter(root, k->db, k->hash), __ATOMIC_RELAXED) != mark->count)
        return true;
    if (changes_of(root, k->db) != mark->changes)
        return mark->existed || exists;
    return mark->existed && !exists;
}

void watch_again(const struct shm_root *root, const struct key_ref *k, struct watch_mark *mark)
{
    mark->count = __atomic_load_n(watch_counter(root, k->db, k->hash), __ATOMIC_RELAXED);
}
