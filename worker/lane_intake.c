#include "worker/lane_intake.h"
#include "worker/net/buffer.h"

#include <stdlib.h>

#define FIRST_BYTES BUFFER_PAGES_BYTES

void intake_begin(struct intake **list, uint32_t from, const struct mail *m)
{
    const struct lane_long *l = shm_at(m->block);
    struct intake *in = calloc(1, sizeof(*in));
    CHECK(in);
    *in = (struct intake){
        .head = l->head,
        .slot = from,
        .generation = slot_at(from)->generation,
        .total = l->bytes,
        .next = *list,
    };
    *list = in;
}

static struct intake *find(struct intake *list, uint32_t from, uint64_t serial)
{
    while (list && (list->slot != from || list->head.serial != serial))
        list = list->next;
    return list;
}

struct intake *intake_copy(struct intake *list, uint32_t from, const struct mail *m)
{
    struct intake *in = find(list, from, m->x);
    if (!in)
        return NULL;
    CHECK(m->bytes <= in->total - in->len);
    if (in->len + m->bytes > in->cap)
        in->buf = buffer_grow(in->buf, &in->cap, in->cap ? in->cap * 2 : FIRST_BYTES);
    memcpy(in->buf + in->len, shm_at(m->block), m->bytes);
    return in;
}

static void unlink_intake(struct intake **list, const struct intake *in)
{
    while (*list != in)
        list = &(*list)->next;
    *list = in->next;
}

bool intake_take(struct intake **list, struct intake *in)
{
    if (in->len < in->total)
        return false;
    unlink_intake(list, in);
    return true;
}

void intake_free(struct intake *in)
{
    struct scrap scrap = {0};
    buffer_free(&scrap, in->buf, in->cap);
    while (scrap.n)
        scrap_step(&scrap);
    free(scrap.piece);
    free(in);
}

void intake_cancel(struct intake **list, uint32_t from, uint64_t serial)
{
    struct intake *in = find(*list, from, serial);
    if (!in)
        return;
    unlink_intake(list, in);
    intake_free(in);
}

void intake_forget_dead(struct intake **list)
{
    for (struct intake **at = list; *at;) {
        struct intake *in = *at;
        if (slot_at(in->slot)->generation == in->generation) {
            at = &in->next;
            continue;
        }
        *at = in->next;
        intake_free(in);
    }
}
