/* worker/dispatch/table.c - the rows of the command table, found by name. */
#include "worker/dispatch/command.h"
#include "shm/base/number.h"

#include <ctype.h>

/* Every handler has one form, so the rows declare them. */
#define CMD(id, fn, ...) command_fn fn;
#define BOX(id, ...)
#define SUB(box, id, fn, ...) command_fn fn;
#include "worker/commands/all.def"
#undef CMD
#undef BOX
#undef SUB

script_ahead_fn eval_ahead, evalsha_ahead; /* worker/script/eval.c */
script_ahead_fn fcall_ahead;               /* worker/script/fcall.c */
key_wants_fn copy_wants, move_wants;       /* worker/commands/generic.c */
key_wants_fn georadius_wants;              /* worker/commands/geo.c */

/* SET overwrites without looking, unless it is asked for what was there. */
static uint16_t keyflags_set(const struct bytes *argv, int argc)
{
    for (int i = 3; i < argc; i++)
        if (bytes_is(argv[i], "get"))
            return K_RW | K_ACCESS | K_UPDATE;
    return K_OW | K_UPDATE;
}

/* BITFIELD only reads if all its operations are GET. */
static uint16_t keyflags_bitfield(const struct bytes *argv, int argc)
{
    for (int i = 2; i < argc;) {
        if (bytes_is(argv[i], "get") && argc - i > 2)
            i += 3;
        else if (bytes_is(argv[i], "overflow") && argc - i > 1)
            i += 2;
        else
            return K_RW | K_ACCESS | K_UPDATE;
    }
    return K_RO | K_ACCESS;
}

#define CMD(id, fn, ...)      {.name = #id, .run = fn, __VA_ARGS__},
#define BOX(id, ...)          {.name = #id, __VA_ARGS__},
#define SUB(box, id, fn, ...) {.name = #id, .parent = #box, .run = fn, __VA_ARGS__},
struct command command_rows[] = {
#include "worker/commands/all.def"
};
#undef CMD
#undef BOX
#undef SUB

#define ROWS      ARRAY_LEN(command_rows)
#define NAME_MAX_ 24 /* three words; the longest name of Redis has 21 bytes (count-failure-reports) */

const unsigned command_rows_n = ROWS;

/* The lower-cased names and the full names of the rows. */
static char names[ROWS][NAME_MAX_ + 1];
static char fullnames[ROWS][2 * NAME_MAX_ + 2];

/* ---- lookup ----
 * Names of up to 24 bytes are compared as three words, lower-cased eight bytes at a time. Words may overlap
 * when the length is no multiple of eight: the length is compared too, so equal words still mean equal names.
 */
struct name_key {
    uint64_t w[3];
};

/* A slot is half a cache line, so a lookup costs one miss at the worst. One table serves commands and
 * subcommands: the parent's id + 1 is part of the key, 0 for commands. At most half of the slots are taken,
 * so that linear probing ends soon. */
struct slot {
    struct name_key key;
    uint16_t len, parent;
    uint16_t row; /* index + 1; 0: free */
    uint16_t unused;
};
_Static_assert(sizeof(struct slot) == 32, "two slots a cache line");

#define SLOTS 1024u
_Static_assert(ROWS * 2 <= SLOTS && (SLOTS & (SLOTS - 1)) == 0, "the lookup table is at most half full");

static struct slot slots[SLOTS] __attribute__((aligned(64)));

static inline uint64_t load_u64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static inline uint64_t load_u32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

/* Sets the 0x20 bit of the bytes 'A' to 'Z' and of no others. Adding to seven bits never carries into the
 * next byte: the top bit of a sum says "at least 'A'" or "beyond 'Z'". */
static inline uint64_t lower_u64(uint64_t v)
{
    const uint64_t ones = 0x0101010101010101ull, tops = 0x80 * ones;
    uint64_t seven = v & ~tops;
    uint64_t from_a = seven + (0x80 - 'A') * ones, beyond_z = seven + (0x7f - 'Z') * ones;
    uint64_t upper = (from_a ^ beyond_z) & ~v & tops;
    return v | (upper >> 2);
}

static inline struct name_key name_key(const char *p, size_t n)
{
    struct name_key k = {{0, 0, 0}};
    if (n >= 8) {
        k.w[0] = lower_u64(load_u64(p));
        k.w[1] = lower_u64(load_u64(p + n - 8));
        if (n > 16)
            k.w[2] = lower_u64(load_u64(p + 8));
    } else if (n >= 4) {
        k.w[0] = lower_u64(load_u32(p) | load_u32(p + n - 4) << 32);
    } else if (n > 0) {
        uint64_t bytes3 =
            (uint8_t)p[0] | (uint64_t)(uint8_t)p[n / 2] << 8 | (uint64_t)(uint8_t)p[n - 1] << 16;
        k.w[0] = lower_u64(bytes3);
    }
    return k;
}

/* Multiplications push what differs towards the top bits, which choose the slot. */
static inline unsigned slot_of(const struct name_key *k, size_t n, unsigned parent)
{
    uint64_t h = (k->w[0] ^ (uint64_t)parent << 56 ^ n) * 0x9e3779b97f4a7c15ull;
    h = (h ^ h >> 32 ^ k->w[1] ^ k->w[2]) * 0xd6e8feb86659fd93ull;
    return (unsigned)(h >> 54) & (SLOTS - 1); /* 64 - 54 = 10 bits: 1024 slots */
}
_Static_assert(SLOTS == 1u << (64 - 54), "slot_of() yields as many bits as there are slots");

static inline const struct command *lookup(struct bytes name, unsigned parent)
{
    if (UNLIKELY(name.n == 0 || name.n > NAME_MAX_))
        return NULL;
    struct name_key k = name_key(name.p, name.n);
    for (unsigned i = slot_of(&k, name.n, parent);; i = (i + 1) & (SLOTS - 1)) {
        const struct slot *s = &slots[i];
        if (s->row == 0)
            return NULL;
        if (LIKELY(s->key.w[0] == k.w[0] && s->key.w[1] == k.w[1] && s->key.w[2] == k.w[2] &&
                   s->len == name.n && s->parent == parent))
            return &command_rows[s->row - 1];
    }
}

const struct command *command_find(struct bytes name)
{
    return lookup(name, 0);
}

const struct command *command_find_sub(const struct command *parent, struct bytes name)
{
    return parent->nsubs ? lookup(name, parent->id + 1u) : NULL;
}

/* ---- filling in ---- */

static void insert(unsigned row, unsigned parent)
{
    struct bytes name = {names[row], strlen(names[row])};
    CHECKF(lookup(name, parent) == NULL, "two rows for %s", fullnames[row]);
    struct name_key k = name_key(name.p, name.n);
    unsigned i = slot_of(&k, name.n, parent);
    while (slots[i].row)
        i = (i + 1) & (SLOTS - 1);
    slots[i] = (struct slot){.key = k, .len = name.n, .parent = parent, .row = row + 1};
}

static void name_row(unsigned row)
{
    struct command *c = &command_rows[row];
    size_t n = strlen(c->name);
    CHECKF(n <= NAME_MAX_, "name too long: %s", c->name);
    for (size_t i = 0; i < n; i++)
        names[row][i] = c->parent && c->name[i] == '_' ? '-' : (char)tolower((unsigned char)c->name[i]);
    c->name = names[row];
    char *to = fullnames[row];
    if (c->parent) {
        to = stpcpy(to, c->parent);
        *to++ = '|';
    }
    strcpy(to, c->name);
}

void command_table_init(void)
{
    if (command_rows[0].name == names[0])
        return;
    unsigned box = 0;
    for (unsigned row = 0; row < ROWS; row++) {
        struct command *c = &command_rows[row];
        name_row(row);
        c->id = row;
        if (!c->parent) {
            box = row;
            insert(row, 0);
            continue;
        }
        struct command *parent = &command_rows[box];
        CHECKF(strcmp(parent->name, c->parent) == 0, "%s is not among the rows of its parent",
               fullnames[row]);
        if (parent->nsubs++ == 0)
            parent->first_sub = row;
        insert(row, box + 1);
    }
}

const char *command_fullname(const struct command *cmd)
{
    return fullnames[cmd->id];
}

/* ---- keys ---- */

/* The key behind the last STORE of SORT, which may be the argument of another option as well: BY store. */
static void spec_stored(const struct key_spec *spec, const struct bytes *argv, int argc, int *first,
                        int *last)
{
    *last = 0;
    for (int i = spec->first; spec->keyword && i < argc - 1; i++) {
        if (bytes_is(argv[i], spec->keyword))
            *first = *last = ++i;
        else if (bytes_is(argv[i], "by") || bytes_is(argv[i], "get"))
            i++;
        else if (bytes_is(argv[i], "limit"))
            i += 2;
    }
}

/* Where the spec's keys begin and end; false: the arguments do not fit. *first > *last: there are none. */
static bool spec_range(const struct key_spec *spec, const struct bytes *argv, int argc, int *first, int *last)
{
    int64_t n;
    *first = spec->first;
    if (UNLIKELY(spec->last == KEYS_COUNTED)) {
        if (*first >= argc || !number_to_int64(argv[*first], &n) || n < 1 || n > argc - *first - 1)
            return false;
        *last = (*first)++ + (int)n;
        return true;
    }
    if (UNLIKELY(spec->last == KEYS_UNKNOWN)) {
        spec_stored(spec, argv, argc, first, last);
        return true;
    }
    if (UNLIKELY(spec->keyword)) {
        while (*first < argc - 1 && !bytes_is(argv[*first], spec->keyword))
            ++*first;
        *last = *first < argc - 1 ? ++*first : 0;
        return true;
    }
    *last = spec->last >= 0 ? *first + spec->last : argc + spec->last;
    /* Those up to the last argument may be none, if another key stands before them. */
    return *last < argc && *last >= *first - (*first > 1);
}

int command_keys(const struct command *cmd, const struct bytes *argv, int argc, struct key_pos *out, int max)
{
    int found = 0;
    for (size_t s = 0; s < ARRAY_LEN(cmd->keys) && cmd->keys[s].first; s++) {
        const struct key_spec *spec = &cmd->keys[s];
        int first, last;
        if (!spec_range(spec, argv, argc, &first, &last))
            return -1;
        uint16_t flags = spec->flags;
        if (UNLIKELY(flags & K_VARIABLE) && cmd->key_flags)
            flags = cmd->key_flags(argv, argc);
        for (int i = first; i <= last; i += spec->step) {
            if (found < max)
                out[found] = (struct key_pos){.index = i, .flags = flags};
            found++;
        }
    }
    return found;
}

/* ---- categories and the names of bits ---- */

uint32_t command_acl(const struct command *cmd)
{
    static const uint32_t by_group[] = {
        [G_STRING] = A_STRING,
        [G_LIST] = A_LIST,
        [G_SET] = A_SET,
        [G_SORTEDSET] = A_SORTEDSET,
        [G_HASH] = A_HASH,
        [G_TRANSACTIONS] = A_TRANSACTION,
        [G_SCRIPTING] = A_SCRIPTING,
        [G_HYPERLOGLOG] = A_HYPERLOGLOG,
        [G_GEO] = A_GEO,
        [G_STREAM] = A_STREAM,
        [G_BITMAP] = A_BITMAP,
    };
    uint32_t flags = cmd->flags;
    uint32_t acl = cmd->acl | (cmd->run ? by_group[cmd->group] : 0) | (flags & F_FAST ? A_FAST : A_SLOW);
    acl |= flags & F_WRITE ? A_WRITE : 0;
    acl |= flags & F_READONLY && cmd->group != G_SCRIPTING ? A_READ : 0;
    acl |= flags & F_ADMIN ? A_ADMIN | A_DANGEROUS : 0;
    acl |= flags & F_PUBSUB ? A_PUBSUB : 0;
    acl |= flags & F_BLOCKING ? A_BLOCKING : 0;
    return acl;
}

const char *command_flag_name(unsigned bit)
{
    static const char *const flag[] = {
        "write",    "readonly",     "denyoom",      "admin",
        "pubsub",   "noscript",     "blocking",     "loading",
        "stale",    "skip_monitor", "skip_slowlog", "asking",
        "fast",     "no_auth",      NULL,           "no_async_loading",
        "no_multi", "movablekeys",  "allow_busy",   "no_mandatory_keys",
    };
    _Static_assert(ARRAY_LEN(flag) == F_SHOWN, "a name for each flag that is shown");
    return bit < ARRAY_LEN(flag) ? flag[bit] : NULL;
}

const char *command_acl_name(unsigned bit)
{
    static const char *const acl[] = {
        "keyspace", "read",   "write",       "set",       "sortedset",  "list",        "hash",
        "string",   "bitmap", "hyperloglog", "geo",       "stream",     "pubsub",      "admin",
        "fast",     "slow",   "blocking",    "dangerous", "connection", "transaction", "scripting",
    };
    return bit < ARRAY_LEN(acl) ? acl[bit] : NULL;
}

const char *command_key_flag_name(unsigned bit)
{
    static const char *const key[] = {
        "RO",     "RW",     "OW",      "RM",         "access",         "update",
        "insert", "delete", "not_key", "incomplete", "variable_flags",
    };
    return bit < ARRAY_LEN(key) ? key[bit] : NULL;
}

/* Redis writes "sorted-set" and the like with a hyphen. */
const char *command_group_name(enum group group)
{
    static const char *const name[] = {
        "generic", "string",       "list",       "set",    "sorted-set", "hash",
        "pubsub",  "transactions", "connection", "server", "scripting",  "hyperloglog",
        "cluster", "sentinel",     "geo",        "stream", "bitmap",
    };
    return name[group];
}
