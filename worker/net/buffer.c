#include "worker/net/buffer.h"
#include "include/rc.h"

#include <stdlib.h>
#include <sys/mman.h>

#define PAGE_BYTES  4096u
#define SCRAP_BYTES (2u << 20) /* at a turn: 0.1 ms */

static bool is_pages(size_t cap)
{
    return cap >= BUFFER_PAGES_BYTES;
}

static char *pages_new(size_t bytes)
{
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

char *buffer_grow(char *p, size_t *cap, size_t bytes)
{
    size_t was = *cap;
    if (bytes <= was)
        return p;
    if (bytes < BUFFER_PAGES_BYTES) {
        p = realloc(p, bytes);
        CHECK(p);
        *cap = bytes;
        return p;
    }
    *cap = (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    if (is_pages(was)) {
        p = mremap(p, was, *cap, MREMAP_MAYMOVE);
        CHECK(p != MAP_FAILED);
        return p;
    }
    char *fresh = pages_new(*cap);
    if (was)
        memcpy(fresh, p, was);
    free(p);
    return fresh;
}

void buffer_free(struct scrap *scrap, char *p, size_t cap)
{
    if (!is_pages(cap)) {
        free(p);
        return;
    }
    if (scrap->n == scrap->cap) {
        scrap->cap = scrap->cap * 2 + 8;
        scrap->piece = realloc(scrap->piece, scrap->cap * sizeof(*scrap->piece));
        CHECK(scrap->piece);
    }
    scrap->piece[scrap->n++] = (struct scrap_piece){p, cap};
}

bool scrap_step(struct scrap *scrap)
{
    struct scrap_piece *s = &scrap->piece[scrap->n - 1];
    size_t n = s->bytes < SCRAP_BYTES ? s->bytes : SCRAP_BYTES;
    s->bytes -= n;
    munmap(s->at + s->bytes, n);
    scrap->n -= !s->bytes;
    return scrap->n;
}
