/* The memory of a request. It grows with the bytes that have arrived, never with what a header claims. */
#include "worker/proto/parse_private.h"

#include <stdlib.h>

/* A request is one of a batch, and a worker has hundreds: 256 arguments are 4 KB, as much as we leave lying
 * in each. */
enum { KEEP_ARGS = 256, KEEP_SCRATCH = 4096 };

void request_room(struct request *rq, size_t args)
{
    if ((size_t)rq->cap >= args)
        return;
    size_t cap = rq->cap ? (size_t)rq->cap : 8;
    while (cap < args)
        cap *= 2;
    rq->argv = realloc(rq->argv, cap * sizeof(*rq->argv));
    CHECK(rq->argv);
    rq->cap = (int)cap;
}

void request_scratch_room(struct request *rq, size_t more)
{
    if (rq->scratch_cap - rq->scratch_len >= more)
        return;
    size_t need = rq->scratch_len + more, cap = rq->scratch_cap ? rq->scratch_cap : 64;
    while (cap < need)
        cap *= 2;
    rq->scratch = realloc(rq->scratch, cap);
    CHECK(rq->scratch);
    rq->scratch_cap = cap;
}

void request_trim(struct request *rq)
{
    if (rq->cap > KEEP_ARGS) {
        free(rq->argv);
        rq->argv = NULL;
        rq->cap = 0;
    }
    if (rq->scratch_cap > KEEP_SCRATCH) {
        free(rq->scratch);
        rq->scratch = NULL;
        rq->scratch_cap = 0;
    }
}

void request_free(struct request *rq)
{
    free(rq->argv);
    free(rq->scratch);
    *rq = (struct request){0};
}

void parser_reset(struct parser *p)
{
    if (p->saved) {
        request_free(p->saved);
        free(p->saved);
    }
    *p = (struct parser){0};
}

size_t parser_memory(const struct parser *p)
{
    if (!p->saved)
        return 0;
    return sizeof(*p->saved) + (size_t)p->saved->cap * sizeof(struct bytes) + p->saved->scratch_cap;
}
