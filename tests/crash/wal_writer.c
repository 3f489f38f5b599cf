/* The log's writer as a process by itself: producers make records as workers do, the writer is killed, its disk
 * fails, its master goes. In the end the files hold what was committed, in order, and nothing else.
 * wal_writer SCENARIO [--seed N] [--shim FILE]: the scenarios stand at the end. */
#include "include/child.h"
#include "persist/wal/segment.h"
#include "shm/base/channel.h"
#include "shm/config.h"
#include "shm/format/wal_dir.h"
#include "shm/format/wal_file.h"
#include "shm/mail.h"
#include "shm/repair.h"
#include "shm/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PRODUCERS   4u
#define SLOTS       8u
#define WRITER_SLOT 6u
#define LONG_RECORD (3u << 20)

/* A record says who made it and as which of its own. Before a transaction its number is written to want, and where
 * its ring ended to tail; afterwards the number to is. A death leaves the two different: then the ring tells whether
 * the transaction was committed. */
struct ledger {
    uint64_t want, is, tail, acked, busy, random;
    uint32_t pause, paused;
    uint64_t first; /* the files must hold them from this one on */
};

static struct ledger *ledgers;
static struct shm_root *root;
static struct shm_wal *wal;
static struct shm_config *cfg;
static char dir[200], control_file[240];
static int wakefd[SLOTS], dirfd_wal = -1;
static int control = -1, alive[2] = {-1, -1};
static pid_t producer[PRODUCERS + 1], writer;
static uint64_t seed = 1;

static uint64_t xorshift(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static void nap_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* Waits for what must come; a machine may be slow, so only the test's own limit ends it. */
#define AWAIT(e)                                                                                             \
    while (!(e))                                                                                             \
    nap_ms(2)

/* ---- producers ---- */

static size_t length_of(uint64_t n)
{
    return n % 4099 == 17 ? LONG_RECORD : n % 257 == 3 ? 40000 : n % 61 == 5 ? 9000 : 8 + n % 90;
}

/* Half of it is the same again and again, so that there is something to pack. */
static size_t value_of(char *to, unsigned id, uint64_t n)
{
    size_t head = (size_t)sprintf(to, "%u:%llu:", id, (unsigned long long)n), bytes = head + length_of(n);
    for (size_t i = head; i < bytes; i++)
        to[i] = (char)(i % 16 < 8 ? 'x' : 'a' + (n * 7 + i * (n % 13)) % 26);
    return bytes;
}

static enum rc make_record(struct shm_ctx *ctx, unsigned id, uint64_t n, char *value)
{
    char key[24];
    struct bytes argv[3] = {BYTES_LIT("SET"), {key, (size_t)sprintf(key, "p%u", id)}, {value, 0}};
    struct tx tx;
    argv[2].n = value_of(value, id, n);
    tx_begin(&tx, ctx);
    tx_effect_key(&tx, id * 0x9e3779b97f4a7c15ull);
    enum rc rc = tx_effect(&tx, id % 3, argv, 3);
    tx_end(&tx, rc);
    return rc;
}

static void kick(void)
{
    uint64_t one = 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&wal->asleep, __ATOMIC_RELAXED) && wal->writer && slot_wake(wal->writer - 1))
        CHECK(write(wakefd[wal->writer - 1], &one, 8) == 8);
}

/* As a worker does under appendfsync always. False: there is a fault. */
static bool wait_durable(struct shm_ctx *ctx, uint64_t lsn)
{
    struct pollfd p = {.fd = wakefd[ctx->id], .events = POLLIN};
    uint64_t n;
    kick();
    for (;;) {
        __atomic_store_n(&ctx->slot->wal_waits, lsn, __ATOMIC_SEQ_CST);
        bool there = __atomic_load_n(&wal->durable, __ATOMIC_SEQ_CST) >= lsn;
        if (there || wal->fault) {
            __atomic_store_n(&ctx->slot->wal_waits, 0, __ATOMIC_SEQ_CST);
            return there;
        }
        poll(&p, 1, -1); /* only the writer wakes us: a wake-up that is lost ends in the test's limit */
        CHECK(read(p.fd, &n, 8) == 8);
        __atomic_store_n(&ctx->slot->wake, 0, __ATOMIC_SEQ_CST);
    }
}

static void pause_if_asked(struct ledger *l)
{
    while (__atomic_load_n(&l->pause, __ATOMIC_SEQ_CST)) {
        __atomic_store_n(&l->paused, 1, __ATOMIC_SEQ_CST);
        nap_ms(1);
    }
    __atomic_store_n(&l->paused, 0, __ATOMIC_SEQ_CST);
}

__attribute__((noreturn)) static void produce(unsigned id)
{
    struct ledger *l = &ledgers[id];
    struct shm_ctx ctx;
    char *value = malloc(LONG_RECORD + 100);
    CHECK(value);
    slot_adopt(&ctx, id, ROLE_WORKER, id);
    ctx.slot->state = SLOT_RUNNING;
    for (;;) {
        pause_if_asked(l);
        if (wal->fault) { /* -MISCONF */
            nap_ms(1);
            continue;
        }
        __atomic_store_n(&l->tail, ctx.slot->wal.tail, __ATOMIC_SEQ_CST);
        __atomic_store_n(&l->want, l->is + 1, __ATOMIC_SEQ_CST);
        if (make_record(&ctx, id, l->want, value)) {
            __atomic_store_n(&l->want, l->is, __ATOMIC_SEQ_CST);
            l->busy++;
            kick();
            nap_ms(1);
            continue;
        }
        __atomic_store_n(&l->is, l->want, __ATOMIC_SEQ_CST);
        if (wal->waits && xorshift(&l->random) % 4 == 0 &&
            wait_durable(&ctx, wal_seen(root, id * 0x9e3779b97f4a7c15ull)))
            __atomic_store_n(&l->acked, l->is, __ATOMIC_SEQ_CST);
        if (xorshift(&l->random) % 64 == 0)
            nap_ms(1);
    }
}

static void start_producer(unsigned id)
{
    producer[id] = fork();
    CHECK(producer[id] >= 0);
    if (producer[id] == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (alive[0] >= 0)
            close(alive[0]);
        produce(id);
    }
}

static void kill_and_wait(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, &status, 0) == pid);
}

static void settle(unsigned id)
{
    struct ledger *l = &ledgers[id];
    l->is = slot_at(id)->wal.tail != l->tail ? l->want : l->is;
    l->want = l->is;
}

/* What the master does: nested actions of all the dead first; in the end everybody is woken, since the dead may have
 * been about to. */
static void repair(const bool *dead)
{
    uint64_t one = 1;
    for (unsigned i = 1; i < SLOTS; i++)
        if (dead[i])
            slot_repair_nested(i);
    for (unsigned i = 1; i < SLOTS; i++)
        if (dead[i])
            slot_repair(i);
    for (unsigned i = 1; i <= PRODUCERS; i++)
        if (dead[i])
            settle(i);
    for (unsigned i = 1; i < SLOTS; i++) {
        slot_wake(i);
        CHECK(write(wakefd[i], &one, 8) == 8);
    }
}

/* ---- the writer ---- */

static void start_writer(void)
{
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    writer = fork();
    CHECK(writer >= 0);
    if (writer == 0) {
        struct child_start start = {
            .slot = WRITER_SLOT, .control = pair[1], .wakefd = wakefd, .alive = alive[0]};
        close(pair[0]);
        if (control >= 0)
            close(control);
        if (alive[1] >= 0)
            close(alive[1]);
        wal_main(&start);
    }
    close(pair[1]);
    if (control >= 0)
        close(control);
    control = pair[0];
}

static void await_ready(void)
{
    struct control_msg m;
    CHECK(recv(control, &m, sizeof(m), 0) == (ssize_t)sizeof(m) && m.kind == CTL_READY);
}

static void stop_writer(void)
{
    struct control_msg m = {.kind = CTL_STOP};
    int status;
    CHECK(send(control, &m, sizeof(m), 0) == (ssize_t)sizeof(m));
    CHECK(waitpid(writer, &status, 0) == writer);
    CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the writer ended with %x", (unsigned)status);
}

static void kill_writer(void)
{
    bool dead[SLOTS] = {[WRITER_SLOT] = true};
    kill_and_wait(writer);
    repair(dead);
    start_writer();
}

static void ask_to_pause(void)
{
    for (unsigned i = 1; i <= PRODUCERS; i++)
        __atomic_store_n(&ledgers[i].pause, 1, __ATOMIC_SEQ_CST);
}

static void pause_producers(void)
{
    ask_to_pause();
    for (unsigned i = 1; i <= PRODUCERS; i++)
        AWAIT(__atomic_load_n(&ledgers[i].paused, __ATOMIC_SEQ_CST));
}

static void unpause_producers(void)
{
    for (unsigned i = 1; i <= PRODUCERS; i++)
        __atomic_store_n(&ledgers[i].pause, 0, __ATOMIC_SEQ_CST);
}

static void kill_producers(void)
{
    bool dead[SLOTS] = {false};
    for (unsigned i = 1; i <= PRODUCERS; i++) {
        kill_and_wait(producer[i]);
        dead[i] = true;
    }
    repair(dead);
}

static uint64_t made(void)
{
    uint64_t n = 0;
    for (unsigned i = 1; i <= PRODUCERS; i++)
        n += __atomic_load_n(&ledgers[i].is, __ATOMIC_SEQ_CST);
    return n;
}

static void await_records(uint64_t more)
{
    uint64_t from = made();
    AWAIT(made() >= from + more);
}

/* ---- what the files hold ---- */

struct reading {
    uint64_t lsn, n[PRODUCERS + 1], records;
    unsigned packed; /* segments */
};

static void expect_record(struct reading *r, const struct wal_entry *e)
{
    static char value[LONG_RECORD + 100], want[LONG_RECORD + 200];
    unsigned id;
    unsigned long long n;
    CHECKF(e->lsn > r->lsn, "record %llu comes after %llu", (unsigned long long)e->lsn,
           (unsigned long long)r->lsn);
    r->lsn = e->lsn;
    const char *p = memmem(e->effect.p, e->effect.n < 80 ? e->effect.n : 80, "\r\n$2\r\np", 7);
    CHECK(p && sscanf(p + 7, "%u\r\n$%*u\r\n%*u:%llu:", &id, &n) == 2 && id >= 1 && id <= PRODUCERS);
    size_t v = value_of(value, id, n);
    size_t head = (size_t)sprintf(want, "*3\r\n$3\r\nSET\r\n$2\r\np%u\r\n$%zu\r\n", id, v);
    memcpy(want + head, value, v);
    memcpy(want + head + v, "\r\n", 2);
    CHECK(e->db == id % 3 && bytes_equal(e->effect, (struct bytes){want, head + v + 2}));
    if (n < ledgers[id].first)
        return; /* of before the base */
    CHECKF(n == r->n[id] + 1, "of producer %u record %llu follows %llu", id, n, (unsigned long long)r->n[id]);
    r->n[id] = n;
    r->records++;
}

static void read_segment(struct reading *r, uint64_t number, bool first, bool last)
{
    char name[WAL_NAME_MAX];
    struct wal_cursor c;
    struct wal_entry e;
    struct stat st;
    wal_segment_name(name, number);
    int fd = openat(dirfd_wal, name, O_RDONLY);
    CHECKF(fd >= 0 && fstat(fd, &st) == 0, "%s is not there", name);
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    CHECKF(wal_cursor_open(&c, map, (uint64_t)st.st_size, last), "%s: %s", name, c.why);
    CHECKF(first || c.head.before == r->lsn || c.head.before <= wal->base_lsn,
           "%s begins behind %llu, not %llu", name, (unsigned long long)c.head.before,
           (unsigned long long)r->lsn);
    bool packed = false;
    while (wal_cursor_frame(&c)) {
        packed |= c.frame.stored < c.frame.raw;
        CHECK(c.frame.synced < c.frame.first);
        while (wal_cursor_record(&c, &e))
            expect_record(r, &e);
    }
    r->packed += packed;
    CHECKF(c.end == WAL_CLEAN || (wal->base_lsn && c.lsn <= wal->base_lsn), "%s at %llu: %s", name,
           (unsigned long long)c.end_at, c.why);
    CHECKF(last || c.end_at == (uint64_t)st.st_size, "%s was not cut", name);
    wal_cursor_close(&c);
    munmap(map, (size_t)st.st_size);
    close(fd);
}

static void read_log(struct reading *r)
{
    struct wal_dir d;
    *r = (struct reading){0};
    CHECK(!wal_dir_list(&d, dirfd_wal));
    for (unsigned i = 1; i <= PRODUCERS; i++)
        r->n[i] = ledgers[i].first ? ledgers[i].first - 1 : 0;
    for (unsigned i = 0; i < d.nsegments; i++) {
        CHECKF(!i || d.segment[i] == d.segment[i - 1] + 1, "there is a gap in the segments' numbers");
        read_segment(r, d.segment[i], i == 0, i + 1 == d.nsegments);
    }
    CHECKF(d.ntmp == 0, "%u unfinished files were left", d.ntmp);
    wal_dir_free(&d);
}

/* Everything that was committed is there, and nothing else. */
static void verify(void)
{
    struct reading r;
    read_log(&r);
    for (unsigned i = 1; i <= PRODUCERS; i++)
        CHECKF(r.n[i] == ledgers[i].is, "producer %u committed %llu, the log has %llu", i,
               (unsigned long long)ledgers[i].is, (unsigned long long)r.n[i]);
    CHECK(wal_ring_used(root) == 0);
    char why[2000];
    unsigned faults = arena_check(why, sizeof(why));
    CHECKF(!faults, "%u faults:\n%s", faults, why);
    printf("%llu records, %u packed segments, %llu syncs\n", (unsigned long long)r.records, r.packed,
           (unsigned long long)wal->syncs);
}

/* ---- scenarios ---- */

static void set_up(void)
{
    struct arena_sizes sizes = {.arena_bytes = 1ull << 30, .nslots = SLOTS, .ndbs = 4, .nsessions = 8};
    int fd;
    ledgers = mmap(NULL, (PRODUCERS + 1) * sizeof(*ledgers), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(ledgers != MAP_FAILED && !arena_create(&sizes, &fd));
    root = arena_root();
    wal = &persist(root)->wal;
    cfg = shm_at(root->config);
    config_defaults(cfg);
    snprintf(cfg->dir_value, sizeof(cfg->dir_value), "%s", dir);
    wal->on = 1;
    wal->state = WAL_ON;
    for (unsigned i = 0; i < SLOTS; i++)
        CHECK((wakefd[i] = eventfd(0, EFD_CLOEXEC)) >= 0);
    for (unsigned i = 1; i <= PRODUCERS; i++)
        ledgers[i].random = (seed + i) * 0x9e3779b97f4a7c15ull | 1;
}

static void set_policy(int policy)
{
    cfg->appendfsync = policy;
    wal->waits = policy == FSYNC_ALWAYS;
}

static void begin(int policy)
{
    char path[300];
    set_policy(policy);
    start_writer();
    await_ready();
    snprintf(path, sizeof(path), "%s/%s", dir, WAL_DIR_NAME);
    CHECK((dirfd_wal = open(path, O_RDONLY | O_DIRECTORY)) >= 0);
    for (unsigned i = 1; i <= PRODUCERS; i++)
        start_producer(i);
}

static void end(void)
{
    pause_producers();
    kill_producers();
    stop_writer();
    verify();
}

/* Every policy, changed while records come; a clean end, and a second life. */
static void plain(void)
{
    static const int policies[] = {FSYNC_EVERYSEC, FSYNC_ALWAYS, FSYNC_NO, FSYNC_ALWAYS};
    begin(FSYNC_NO);
    for (unsigned i = 0; i < ARRAY_LEN(policies); i++) {
        set_policy(policies[i]);
        await_records(3000);
    }
    end();
    CHECK(wal->durable == wal->lsn);
    start_writer();
    await_ready();
    for (unsigned i = 1; i <= PRODUCERS; i++)
        start_producer(i);
    unpause_producers();
    await_records(1000);
    end();
}

static void kills(void)
{
    uint64_t r = seed * 0x9e3779b97f4a7c15ull | 1;
    begin(FSYNC_ALWAYS);
    for (unsigned i = 0; i < 40; i++) {
        set_policy(i % 8 < 5 ? FSYNC_ALWAYS : i % 8 < 7 ? FSYNC_EVERYSEC : FSYNC_NO);
        nap_ms((unsigned)(xorshift(&r) % 40));
        if (xorshift(&r) % 3 ==
            0) { /* a producer as well: what it left open is in the way until it is repaired */
            unsigned id = 1 + (unsigned)(xorshift(&r) % PRODUCERS);
            bool dead[SLOTS] = {false};
            dead[id] = dead[WRITER_SLOT] = true;
            kill_and_wait(producer[id]);
            kill_and_wait(writer);
            repair(dead);
            start_writer();
            start_producer(id);
            continue;
        }
        kill_writer();
    }
    end();
}

static off_t open_segment_bytes(void)
{
    char name[WAL_NAME_MAX];
    struct stat st;
    wal_segment_name(name, wal->next_segment - 1);
    CHECK(fstatat(dirfd_wal, name, &st, 0) == 0);
    return st.st_size;
}

/* Segments with zeros: each writer begins with a small one, and dies while the next one's are being written. How it begins is
 * looked at while nothing comes. */
static void grows(void)
{
    ask_to_pause();
    begin(FSYNC_ALWAYS);
    for (unsigned i = 0; i < 2; i++) {
        CHECK(open_segment_bytes() == (off_t)SEGMENT_FIRST);
        uint64_t next = wal->next_segment;
        unpause_producers();
        AWAIT(wal->next_segment != next);
        CHECK(open_segment_bytes() > (off_t)SEGMENT_FIRST);
        kill_writer();
        await_ready();
        pause_producers();
        AWAIT(wal->durable == wal->lsn);
        kill_writer();
        await_ready();
    }
    unpause_producers();
    await_records(100);
    end();
}

/* The master goes: the workers are killed by the kernel, in the middle of what they do, and nobody repairs. */
static void orphan(void)
{
    int status;
    CHECK(pipe2(alive, O_CLOEXEC) == 0);
    begin(FSYNC_EVERYSEC);
    close(alive[0]);
    close(alive[1]); /* the producers hold it */
    await_records(2000);
    close(control);
    nap_ms(20);
    for (unsigned i = 1; i <= PRODUCERS; i++)
        kill_and_wait(producer[i]);
    CHECK(waitpid(writer, &status, 0) == writer);
    CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the writer ended with %x", (unsigned)status);
    for (unsigned i = 1; i <= PRODUCERS; i++)
        settle(i);
    verify();
}

static void fail(const char *rules)
{
    char aside[260];
    snprintf(aside, sizeof(aside), "%s.new", control_file);
    FILE *f = fopen(aside, "w");
    CHECK(f && fputs(rules, f) >= 0 && fclose(f) == 0 && rename(aside, control_file) == 0);
}

static void works_again(void)
{
    CHECK(unlink(control_file) == 0);
}

/* A full disk, in each of the calls that meet it first. Nothing is lost, so room alone heals it. */
static void full(void)
{
    static const char *const rules[] = {"write- .wal ENOSPC 3\n", "write .wal EIO\n",
                                        "allocate,open .tmp ENOSPC\nwrite .wal ENOSPC 20\n",
                                        "rename .wal EACCES\nwrite- .wal EDQUOT 2\n"};
    begin(FSYNC_ALWAYS);
    for (unsigned i = 0; i < ARRAY_LEN(rules) * 2; i++) {
        set_policy(i % 2 ? FSYNC_EVERYSEC : FSYNC_ALWAYS);
        await_records(200);
        fail(rules[i / 2]);
        AWAIT(wal->fault);
        nap_ms(30);
        CHECK(wal->fault && wal->error[0]);
        works_again();
        AWAIT(!wal->fault);
        await_records(200);
        if (i == 3)
            kill_writer();
    }
    end();
}

/* A file of 3 MB at most. */
static void limited(void)
{
    struct sigaction ignored = {.sa_handler = SIG_DFL};
    sigaction(SIGXFSZ, &ignored, NULL);
    fail("allocate .tmp EFBIG\nwrite .wal EFBIG 400\n");
    set_policy(FSYNC_EVERYSEC);
    start_writer();
    await_ready();
    AWAIT(wal->fault == EFBIG);
    works_again();
    AWAIT(!wal->fault);
    stop_writer();
    begin(FSYNC_EVERYSEC);
    await_records(500);
    end();
}

/* What the snapshotter does when everything so far is in the base. */
static void make_base_alone(void)
{
    char name[WAL_NAME_MAX];
    for (unsigned i = 1; i <= PRODUCERS; i++)
        ledgers[i].first = ledgers[i].is + 1;
    wal_base_name(name, wal->lsn);
    int fd = openat(dirfd_wal, name, O_WRONLY | O_CREAT, 0644);
    CHECK(fd >= 0);
    close(fd);
    __atomic_store_n(&wal->base_lsn, wal->lsn, __ATOMIC_SEQ_CST);
}

/* The producers stand between two records meanwhile. */
static void make_base(void)
{
    pause_producers();
    make_base_alone();
    unpause_producers();
}

/* A failed sync is never tried again on that file: only a base heals, and one that was cut before does not. */
static void sync_fails(void)
{
    begin(FSYNC_ALWAYS);
    for (unsigned i = 0; i < 4; i++) {
        set_policy(i % 2 ? FSYNC_EVERYSEC : FSYNC_ALWAYS);
        await_records(300);
        uint64_t old_base = wal->lsn;
        AWAIT(__atomic_load_n(&wal->written, __ATOMIC_SEQ_CST) >
              old_base); /* or it would hold all that is lost */
        fail("fsync .wal EIO\n");
        AWAIT(wal->fault == EIO);
        works_again();
        nap_ms(30);
        uint64_t syncs = wal->syncs, was = wal->base_lsn;
        wal->base_lsn = old_base;
        __atomic_store_n(&wal->heal, 1, __ATOMIC_SEQ_CST);
        AWAIT(!__atomic_load_n(&wal->heal, __ATOMIC_SEQ_CST));
        nap_ms(30);
        CHECK(wal->fault == EIO && wal->syncs == syncs);
        wal->base_lsn = was;
        if (i == 2)
            kill_writer();
        make_base();
        __atomic_store_n(&wal->heal, 1, __ATOMIC_SEQ_CST);
        AWAIT(!wal->fault);
        await_records(300);
    }
    end();
}

static unsigned count_files(enum wal_name kind)
{
    struct wal_dir d;
    CHECK(!wal_dir_list(&d, dirfd_wal));
    unsigned n = kind == WAL_NAME_SEGMENT ? d.nsegments : kind == WAL_NAME_BASE ? d.nbases : d.ntmp;
    wal_dir_free(&d);
    return n;
}

/* Closed segments are packed, and read the same; a base makes them superfluous. */
static void closed(void)
{
    struct reading r;
    cfg->wal_compression = 0; /* until it is known how long they are as they are */
    begin(FSYNC_NO);
    AWAIT(wal->segments >= 4);
    pause_producers();
    uint64_t before = wal->bytes;
    cfg->wal_compression = 1;
    AWAIT(wal->bytes < before * 9 / 10);
    kill_producers();
    kill_writer();
    await_ready();
    stop_writer();
    read_log(&r);
    CHECK(r.packed >= 1);
    verify();
    start_writer();
    await_ready();
    make_base_alone();
    AWAIT(count_files(WAL_NAME_SEGMENT) == 1);
    make_base_alone();
    AWAIT(count_files(WAL_NAME_BASE) == 1);
    stop_writer();
}

/* Until the base is complete, a crash must find no trace of the new log. */
static void begins(void)
{
    wal->state = WAL_BEGINS;
    begin(FSYNC_ALWAYS);
    await_records(500);
    kill_writer();
    await_records(500);
    CHECK(count_files(WAL_NAME_SEGMENT) == 0 && count_files(WAL_NAME_TMP) >= 2);
    make_base();
    __atomic_store_n(&wal->state, WAL_ON, __ATOMIC_SEQ_CST);
    AWAIT(!wal->pending_from);
    CHECK(count_files(WAL_NAME_SEGMENT) >= 1);
    kill_writer();
    await_records(500);
    end();
    /* Off, and on again. What is there counts until the new base is complete; numbers go on behind it. */
    uint64_t last = wal->lsn;
    unsigned segments = count_files(WAL_NAME_SEGMENT);
    wal->lsn = wal->written = wal->durable = wal->base_lsn = wal->next_segment = wal->begun_ms = 0;
    wal->state = WAL_BEGINS;
    start_writer();
    await_ready();
    CHECK(wal->lsn >= last && count_files(WAL_NAME_SEGMENT) == segments && wal->pending_from);
    wal->state = WAL_OFF;
    stop_writer();
    CHECK(count_files(WAL_NAME_SEGMENT) == segments && count_files(WAL_NAME_TMP) == 0);
}

/* One writer at a time. */
static void locked(void)
{
    int fd, again, status;
    begin(FSYNC_EVERYSEC);
    CHECK(wal_dir_lock(dirfd_wal, 50, &fd) == RC_BUSY);
    await_records(100);
    end();
    CHECK(wal_dir_lock(dirfd_wal, 50, &fd) == RC_OK);
    CHECK(wal_dir_lock(dirfd_wal, 50, &again) == RC_BUSY);
    start_writer();
    CHECK(waitpid(writer, &status, 0) == writer && WIFEXITED(status) && WEXITSTATUS(status) == 1);
    close(fd);
}

static const struct {
    const char *name;
    void (*run)(void);
} scenarios[] = {{"plain", plain},   {"kills", kills},     {"grows", grows},     {"orphan", orphan},
                 {"full", full},     {"limited", limited}, {"sync", sync_fails}, {"closed", closed},
                 {"begins", begins}, {"locked", locked}};

/* The processes of the test end with it, however it ends. */
static void end_children(void)
{
    for (unsigned i = 1; i <= PRODUCERS; i++)
        if (producer[i] > 0)
            kill(producer[i], SIGKILL);
    if (writer > 0)
        kill(writer, SIGKILL);
}

static void run(void (*scenario)(void))
{
    pid_t pid = fork();
    int status;
    CHECK(pid >= 0);
    if (pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        set_up();
        scenario();
        end_children();
        exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    kill(-pid, SIGKILL);
    CHECKF(!status, "the scenario ended with %x", (unsigned)status);
}

static void remove_all(void)
{
    char command[300];
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    CHECK(system(command) == 0);
}

int main(int argc, char **argv)
{
    const char *shim = NULL;
    for (int i = 2; i + 1 < argc; i += 2)
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--shim") == 0)
            shim = argv[i + 1];
    const char *tmp = getenv("TMPDIR");
    if (shim && !getenv("FAULTY_DISK")) {
        snprintf(dir, sizeof(dir), "%s/wal_writer.XXXXXX", tmp ? tmp : "/tmp");
        CHECK(mkdtemp(dir));
        snprintf(control_file, sizeof(control_file), "%s/faults", dir);
        setenv("FAULTY_DISK", control_file, 1);
        setenv("LD_PRELOAD", shim, 1);
        execv(argv[0], argv);
        CHECK(false);
    }
    CHECK(argc > 1 && getenv("FAULTY_DISK"));
    snprintf(control_file, sizeof(control_file), "%s", getenv("FAULTY_DISK"));
    snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(control_file, '/') - control_file), control_file);
    for (unsigned i = 0; i < ARRAY_LEN(scenarios); i++)
        if (strcmp(argv[1], scenarios[i].name) == 0) {
            run(scenarios[i].run);
            remove_all();
            return 0;
        }
    printf("no such scenario\n");
    return 1;
}
