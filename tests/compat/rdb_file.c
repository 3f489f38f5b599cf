/* The two sides of tests/compat/rdb_files.py that are ours.
 *
 *   rdb_file write PATH [nocompress] [nochecksum] [lru|lfu]    entries from lines DB KEY VALUE EXPIRY of stdin
 *   rdb_file read PATH                                         a line for each item, then "end BYTES"
 *
 * Bytes are in hexadecimal, "-" is none; the times are milliseconds. Written entries were idle for 100 s, or
 * have a frequency of 77. */
#include "shm/config.h"
#include "shm/evict.h"
#include "shm/format/rdb_in.h"
#include "shm/format/rdb_out.h"
#include "shm/repair.h"
#include "shm/types/string.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DBS 16u

static struct shm_ctx ctx;
static struct shm_config cfg;
static int64_t now_ms;

static unsigned digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static struct bytes unhex(const char *s)
{
    size_t n = *s == '-' ? 0 : strlen(s) / 2;
    char *p = malloc(n + 1);
    CHECK(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(digit(s[2 * i]) << 4 | digit(s[2 * i + 1]));
    return (struct bytes){p, n};
}

static void put_hex(struct bytes b)
{
    printf(b.n ? " " : " -");
    for (size_t i = 0; i < b.n; i++)
        printf("%02x", (unsigned char)b.p[i]);
}

/* ---- writing ---- */

static const struct shm_entry *entry_put(uint32_t db, struct bytes key, struct bytes value, int64_t expiry_ms)
{
    struct tx tx;
    struct key_ref k = {.key = key, .db = db};
    uint32_t clock = evict_clock_told(cfg.maxmemory_policy, now_ms, 100, 77);
    CHECK(!db_table_make(&ctx, db, &k.table));
    k.hash = key_hash(ctx.root, key);
    key_locate(&k);
    tx_begin(&tx, &ctx);
    CHECK(!key_latch(&tx, &k) && !string_set(&tx, &k, value, expiry_ms, clock));
    struct shm_entry *e = key_entry(&k);
    tx_commit(&tx);
    if (k.overflowed)
        table_adjust(&ctx, k.table, k.hash);
    batch_leave(&ctx);
    CHECK(batch_enter(&ctx));
    retire_reclaim(&ctx);
    return e;
}

static void arena_make(void)
{
    struct arena_sizes sizes = {.arena_bytes = 1ull << 30, .nslots = 4, .ndbs = DBS, .nsessions = 16};
    int fd;
    CHECK(!arena_create(&sizes, &fd));
    slot_adopt(&ctx, 1, ROLE_WORKER, 0);
    CHECK(batch_enter(&ctx));
}

static enum rc to_file(void *arg, const char *p, size_t n)
{
    return fwrite(p, 1, n, arg) == n ? RC_OK : RC_IO;
}

/* Lines are in the order of their databases; the sizes are only a hint, and here a wrong one. */
static int write_file(FILE *f, bool compress, bool checksum)
{
    struct rdb_out out;
    char *line = NULL;
    size_t cap = 0;
    uint32_t last = UINT32_MAX;
    arena_make();
    CHECK(!rdb_out_open(&out, 65536, to_file, f));
    out.compress = compress;
    out.checksum = checksum;
    rdb_out_header(&out, &(struct rdb_facts){.now_s = now_ms / 1000, .used_bytes = 1 << 20});
    rdb_out_aux(&out, "skep-note", BYTES_LIT("readers skip what they do not know"));
    for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0;) {
        char *word[4], *save;
        for (int i = 0; i < 4; i++)
            CHECK(word[i] = strtok_r(i ? NULL : line, " \n", &save));
        uint32_t db = (uint32_t)atoi(word[0]);
        if (db != last)
            rdb_out_select(&out, last = db, 1, 0);
        struct bytes key = unhex(word[1]), value = unhex(word[2]);
        rdb_out_entry(&out, entry_put(db, key, value, atoll(word[3])), &cfg, now_ms);
        free((char *)key.p);
        free((char *)value.p);
    }
    free(line);
    enum rc rc = rdb_out_end(&out);
    rdb_out_close(&out);
    return rc || fclose(f) ? 1 : 0;
}

/* ---- reading ---- */

static char *load(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    CHECKF(f && !fseek(f, 0, SEEK_END), "%s", path);
    *n = (size_t)ftell(f);
    char *p = malloc(*n + 1);
    rewind(f);
    CHECK(p && fread(p, 1, *n, f) == *n);
    fclose(f);
    return p;
}

static enum rc show_key(struct rdb_in *in, const struct rdb_item *item)
{
    struct rdb_string s;
    char digits[STRING_DIGITS];
    printf("key %d %s", (int)item->db, rdb_type_name(item->type));
    put_hex(item->key);
    printf(" %lld %lld %d", (long long)item->expiry_ms, (long long)item->idle_s, item->freq);
    enum rc rc = item->type == RDB_STRING ? rdb_string_value(in, &s) : rdb_skip_value(in, item->type);
    if (!rc && item->type == RDB_STRING) {
        if (s.is_integer)
            s.bytes = (struct bytes){digits, (size_t)sprintf(digits, "%lld", (long long)s.integer)};
        put_hex(s.bytes);
    }
    printf("\n");
    return rc;
}

static int read_file(const char *path)
{
    struct rdb_in in;
    struct rdb_item item = {.kind = RDB_ITEM_AUX};
    size_t n;
    char *p = load(path, &n);
    enum rc rc = rdb_in_open(&in, (struct bytes){p, n}, true);
    while (!rc && item.kind != RDB_ITEM_END) {
        rc = rdb_next(&in, &item);
        if (!rc && item.kind == RDB_ITEM_KEY)
            rc = show_key(&in, &item);
        if (!rc && (item.kind == RDB_ITEM_AUX || item.kind == RDB_ITEM_FUNCTION)) {
            printf(item.kind == RDB_ITEM_AUX ? "aux" : "function");
            put_hex(item.key);
            put_hex(item.text);
            printf("\n");
        }
    }
    if (rc)
        printf("error at %zu: %s\n", in.error_at, in.error);
    else
        printf("end %zu\n", in.pos);
    rdb_in_close(&in);
    free(p);
    return rc ? 1 : 0;
}

int main(int argc, char **argv)
{
    bool compress = true, checksum = true;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    now_ms = t.tv_sec * 1000 + t.tv_nsec / 1000000;
    CHECK(argc > 2);
    config_defaults(&cfg);
    for (int i = 3; i < argc; i++) {
        compress = compress && strcmp(argv[i], "nocompress");
        checksum = checksum && strcmp(argv[i], "nochecksum");
        if (!strcmp(argv[i], "lru"))
            cfg.maxmemory_policy = EVICT_ALLKEYS_LRU;
        if (!strcmp(argv[i], "lfu"))
            cfg.maxmemory_policy = EVICT_ALLKEYS_LFU;
    }
    if (!strcmp(argv[1], "read"))
        return read_file(argv[2]);
    FILE *f = fopen(argv[2], "wb");
    CHECKF(f, "%s", argv[2]);
    return write_file(f, compress, checksum);
}
