/* How fast RDB files are read and written: bench_rdb FILE, say one that redis-server has saved with 3 million
 * strings. The file is in memory; nothing is done with what is read, and what is written goes nowhere. */
#include "shm/base/crc64.h"
#include "shm/format/rdb_in.h"
#include "shm/format/rdb_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void scan(struct bytes file, bool decode, bool verify)
{
    struct rdb_in in;
    struct rdb_item item;
    struct rdb_string s;
    uint64_t keys = 0;
    double start = now_s();
    enum rc rc = rdb_in_open(&in, file, verify);
    while (!rc && !(rc = rdb_next(&in, &item)) && item.kind != RDB_ITEM_END) {
        if (item.kind != RDB_ITEM_KEY)
            continue;
        keys++;
        rc = decode && item.type == RDB_STRING ? rdb_string_value(&in, &s) : rdb_skip_value(&in, item.type);
    }
    CHECKF(!rc, "%s at %zu", in.error, in.error_at);
    double took = now_s() - start;
    printf("%-8s %-12s %.3f s, %.1f ns a key\n", decode ? "decoded" : "skipped", verify ? "and summed" : "",
           took, took * 1e9 / (double)(keys ? keys : 1));
    rdb_in_close(&in);
}

static enum rc nowhere(void *arg, const char *p, size_t n)
{
    (void)p;
    *(uint64_t *)arg += n;
    return RC_OK;
}

/* The file's strings once more; reading them takes part of the time. */
static void rewrite(struct bytes file, bool compress)
{
    struct rdb_in in;
    struct rdb_item item;
    struct rdb_string s;
    struct rdb_out out;
    uint64_t keys = 0, bytes = 0;
    double start = now_s();
    CHECK(!rdb_in_open(&in, file, false) && !rdb_out_open(&out, 1 << 20, nowhere, &bytes));
    out.compress = compress;
    while (!rdb_next(&in, &item) && item.kind != RDB_ITEM_END) {
        if (item.kind != RDB_ITEM_KEY)
            continue;
        CHECK(item.type == RDB_STRING && !rdb_string_value(&in, &s));
        rdb_out_string(&out, item.key);
        if (s.is_integer)
            rdb_out_integer(&out, s.integer);
        else
            rdb_out_string(&out, s.bytes);
        keys++;
    }
    CHECK(!rdb_out_end(&out));
    double took = now_s() - start;
    printf("written, %-11s %.3f s, %.1f ns a key, %llu bytes\n", compress ? "compressed" : "as it is", took,
           took * 1e9 / (double)(keys ? keys : 1), (unsigned long long)bytes);
    rdb_in_close(&in);
    rdb_out_close(&out);
}

int main(int argc, char **argv)
{
    struct stat st;
    int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
    CHECKF(fd >= 0 && !fstat(fd, &st), "bench_rdb FILE");
    size_t n = (size_t)st.st_size;
    char *p = mmap(NULL, n, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    CHECK(p != MAP_FAILED);
    struct bytes file = {p, n};
    for (int i = 0; i < 4; i++)
        scan(file, i & 1, i & 2);
    for (int i = 0; i < 2; i++)
        rewrite(file, i);
    double start = now_s();
    volatile uint64_t sum = crc64(0, p, n);
    (void)sum;
    printf("%zu bytes, the checksum: %.2f GB/s\n", n, (double)n / (now_s() - start) / 1e9);
    return 0;
}
