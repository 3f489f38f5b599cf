/* worker/dispatch/command.h - the one command table: a row for every command and subcommand.
 * Owner     the program text; counters of the rows lie in the worker's slot. The master fills in ids and the
 *           lookup table once, before it forks.
 * Locks     none here; a row says which locks dispatch takes (its key specs).
 * Crash     read-only after command_table_init().
 * Survives  yes, it is code.
 * Fails     a lookup answers NULL.
 * Tests     tests/unit/test_command.c  tests/regress/command.cmd */
#ifndef SKEP_COMMAND_H
#define SKEP_COMMAND_H

#include "include/bytes.h"
#include "include/rc.h"

struct call;
typedef void command_fn(struct call *c);

/* Flags in the order and with the names in which COMMAND INFO shows them, then our own. */
enum {
    F_WRITE = 1u << 0,
    F_READONLY = 1u << 1,
    F_DENYOOM = 1u << 2,
    F_ADMIN = 1u << 3,
    F_PUBSUB = 1u << 4,
    F_NOSCRIPT = 1u << 5,
    F_BLOCKING = 1u << 6,
    F_LOADING = 1u << 7,
    F_STALE = 1u << 8,
    F_SKIP_MONITOR = 1u << 9,
    F_SKIP_SLOWLOG = 1u << 10,
    F_ASKING = 1u << 11,
    F_FAST = 1u << 12,
    F_NO_AUTH = 1u << 13,
    F_MAY_REPLICATE = 1u << 14,
    F_NO_ASYNC_LOADING = 1u << 15,
    F_NO_MULTI = 1u << 16,
    F_MOVABLEKEYS = 1u << 17,
    F_ALLOW_BUSY = 1u << 18,
    F_NO_MANDATORY_KEYS = 1u << 19,
    /* ours: always runs in the slow lane */
    F_SLOW = 1u << 20,
    /* ours: the gate is closed while it runs (whole-keyspace writes such as SWAPDB) */
    F_GATE = 1u << 21,
    /* ours: the keys are read only for their metadata: no LRU touch, expired keys are still hidden */
    F_NOTOUCH = 1u << 22,
    /* ours: not for users; COMMAND DOCS shows "syscmd" */
    F_SYSCMD = 1u << 23,
    /* ours: asks whether all is well, so that it is refused like a write while the disk refuses writes */
    F_HEALTH = 1u << 24,
    /* ours: it puts an argument under a key as it is: a long one is copied before the key's latch is taken. */
    F_STORES = 1u << 25,
    /* ours: its reply is its argument: a long one goes to the slow lane, as those of commands with keys do */
    F_ECHOES = 1u << 26,
    /* ours: it leaves a mark where its keys are, or would be: their databases get tables, and it runs in the worker */
    F_WATCHES = 1u << 28,
    /* ours: all its arguments are keys, and its reply is the sum of what it does with each. */
    F_SUMS = 1u << 27,
    /* ours: it reads, and may keep in the key what it found out (PFCOUNT): its transaction is committed */
    F_CACHES = 1u << 29,
    /* ours: subscribers may run it whose protocol has no pushes */
    F_SUBSCRIBED = 1u << 30,
    /* ours: it runs a script, which names keys as it goes (script.h); the row says how to find it (.ahead) */
    F_SCRIPT = 1u << 31,
};

/* How many of the flags above, from the first on, COMMAND INFO shows. */
#define F_SHOWN 20
/* That a command may tell replicas something is no flag that clients see. */
#define F_SHOWN_MASK (((1u << F_SHOWN) - 1) & ~(unsigned)F_MAY_REPLICATE)

/* Key specification flags, as COMMAND INFO shows them. */
enum {
    K_RO = 1u << 0,
    K_RW = 1u << 1,
    K_OW = 1u << 2,
    K_RM = 1u << 3,
    K_ACCESS = 1u << 4,
    K_UPDATE = 1u << 5,
    K_INSERT = 1u << 6,
    K_DELETE = 1u << 7,
    K_NOT_KEY = 1u << 8,
    K_INCOMPLETE = 1u << 9,
    K_VARIABLE = 1u << 10,
};

enum group {
    G_GENERIC,
    G_STRING,
    G_LIST,
    G_SET,
    G_SORTEDSET,
    G_HASH,
    G_PUBSUB,
    G_TRANSACTIONS,
    G_CONNECTION,
    G_SERVER,
    G_SCRIPTING,
    G_HYPERLOGLOG,
    G_CLUSTER,
    G_SENTINEL,
    G_GEO,
    G_STREAM,
    G_BITMAP,
};

/* ACL categories, in the order in which COMMAND INFO shows them. A row's .acl names only what does not follow
 * from its flags and its group; command_acl() gives all. */
enum {
    A_KEYSPACE = 1u << 0,
    A_READ = 1u << 1,
    A_WRITE = 1u << 2,
    A_SET = 1u << 3,
    A_SORTEDSET = 1u << 4,
    A_LIST = 1u << 5,
    A_HASH = 1u << 6,
    A_STRING = 1u << 7,
    A_BITMAP = 1u << 8,
    A_HYPERLOGLOG = 1u << 9,
    A_GEO = 1u << 10,
    A_STREAM = 1u << 11,
    A_PUBSUB = 1u << 12,
    A_ADMIN = 1u << 13,
    A_FAST = 1u << 14,
    A_SLOW = 1u << 15,
    A_BLOCKING = 1u << 16,
    A_DANGEROUS = 1u << 17,
    A_CONNECTION = 1u << 18,
    A_TRANSACTION = 1u << 19,
    A_SCRIPTING = 1u << 20,
};

/* One key spec. Where a number says how many keys follow it, .last is KEYS_COUNTED and .first is the number's index;
 * where a word announces the key, .first is where the search for it begins. */
#define KEYS_COUNTED INT16_MIN
/* Keys that only the command's run makes out, from what other keys hold: COMMAND INFO says "unknown", and nothing is planned for
 * them. With .keyword there is one all the same: the argument behind the last such word (the STORE of SORT). */
#define KEYS_UNKNOWN (INT16_MIN + 1)
struct key_spec {
    int16_t first; /* index of the first key; 0: this spec is unused */
    int16_t last;  /* relative to first as COMMAND INFO counts it: 0 one key, -1 to the last argument */
    int16_t step;
    uint16_t flags; /* K_* */
    const char *notes, *keyword;
};

#define KEY_COUNTED(pos, f)                                                                                  \
    {                                                                                                        \
        .first = (pos), .last = KEYS_COUNTED, .step = 1, .flags = (f)                                        \
    }
#define KEY_UNKNOWN(word, f, text)                                                                           \
    {                                                                                                        \
        .first = 2, .last = KEYS_UNKNOWN, .step = 1, .flags = (f), .notes = (text), .keyword = (word)        \
    }
#define KEY_BEHIND(word, from, f)                                                                            \
    {                                                                                                        \
        .first = (from), .last = 0, .step = 1, .flags = (f), .keyword = (word)                               \
    }
#define KEY_AT(pos, f)                                                                                       \
    {                                                                                                        \
        .first = (pos), .last = 0, .step = 1, .flags = (f)                                                   \
    }
#define KEY_NOTED(pos, f, text)                                                                              \
    {                                                                                                        \
        .first = (pos), .last = 0, .step = 1, .flags = (f), .notes = (text)                                  \
    }
#define KEY_RANGE(pos, end, st, f)                                                                           \
    {                                                                                                        \
        .first = (pos), .last = (end), .step = (st), .flags = (f)                                            \
    }

/* A row with K_VARIABLE says by this which K_* its arguments really ask for (SET reads only with GET). */
typedef uint16_t key_flags_fn(const struct bytes *argv, int argc);

/* A key that a command wants: its argument, and the database it lies in. */
struct key_want {
    int arg;
    uint32_t db;
};
/* For commands whose keys are not all in the client's database (COPY, MOVE): all keys, in order, at most max
 * stored; the number is returned. -1: the arguments are wrong, and the handler will say so (nkeys is 0). */
struct call;
typedef int key_wants_fn(const struct call *c, struct key_want *out, int max);

/* With F_SCRIPT, before the transaction: finds the script, and tells other workers of it. RC_MISSING: it has replied. */
typedef enum rc script_ahead_fn(struct call *c);

struct command_arg; /* COMMAND DOCS' argument tree: dispatch/docs.h */

struct command {
    const char *name;   /* lower case, made so by table.c; a subcommand's own word ("getname") */
    const char *parent; /* "client" for CLIENT GETNAME; NULL for a command */
    command_fn *run;    /* NULL: a container whose subcommands do the work */
    int16_t arity;      /* as Redis counts: the name included, negative means at least */
    uint32_t flags;     /* F_* */
    uint32_t acl;       /* A_* that neither flags nor group imply */
    enum group group;
    struct key_spec keys[3];
    uint8_t member; /* argument that names a member of the one key's collection, so that its memory is fetched
                      * ahead; 0: none. scored: a score stands before it, or, before that, options */
    bool scored;
    script_ahead_fn *ahead;  /* only with F_SCRIPT */
    key_wants_fn *wants;     /* only where keys lie in several databases */
    key_flags_fn *key_flags; /* only where a key has K_VARIABLE */
    const char *since;
    const char *cost;    /* the complexity, in our words */
    const char *syntax;  /* "key value [NX | XX]", in the language told in docs.h; COMMAND DOCS and HELP
                           * are made from it */
    const char *brief;   /* one sentence */
    const char *tips;    /* space separated: "nondeterministic_output request_policy:all_shards" */
    const char *history; /* "6.2.0:Added the GET option.;7.0.0:..." or NULL */
    const char *replaced_by, *deprecated_since; /* deprecated commands */
    uint16_t id;               /* the row's number, which its counters go by; filled by table.c */
    uint16_t first_sub, nsubs; /* rows of the subcommands; filled by table.c */
};

/* The rows are in worker/commands/, a .def file a group, listed by all.def. There are three kinds:
 *   CMD(GET, cmd_get, .field = ...)                        a command
 *   BOX(CLIENT, .field = ...)                              a command that is nothing without its subcommands
 *   SUB(client, NO_EVICT, cmd_client_no_evict, ...)        a subcommand; _ in its name stands for -
 * The subcommands follow the row of their parent at once. */
extern struct command command_rows[];
extern const unsigned command_rows_n;

void command_table_init(void); /* again is harmless */
/* The command of this name, any case; NULL if there is none. Containers are found too. */
const struct command *command_find(struct bytes name);
const struct command *command_find_sub(const struct command *parent, struct bytes name);
/* The row that runs argv: cmd, or the one of its subcommands that argv[1] names. NULL: it has no such. */
static inline const struct command *command_row(const struct command *cmd, const struct bytes *argv, int argc)
{
    return LIKELY(!cmd->nsubs) || argc < 2 ? cmd : command_find_sub(cmd, argv[1]);
}

/* Whether it works on keys: what only looks like one for a cluster's sake (SPUBLISH) is none. */
static inline bool command_has_keys(const struct command *cmd)
{
    return cmd->keys[0].first && !(cmd->keys[0].flags & K_NOT_KEY);
}

/* The name as users see it: "get", "client|getname". */
const char *command_fullname(const struct command *cmd);

uint32_t command_acl(const struct command *cmd); /* all A_* of the command */
/* What COMMAND INFO calls the bit of this number; NULL beyond the last. */
const char *command_flag_name(unsigned bit);
const char *command_acl_name(unsigned bit);
const char *command_key_flag_name(unsigned bit);
const char *command_group_name(enum group group);

/* Key positions of an argument vector: at most max are stored, the number found is returned;
 * -1 when the arguments do not fit the command. */
struct key_pos {
    int index;
    uint16_t flags;
};
int command_keys(const struct command *cmd, const struct bytes *argv, int argc, struct key_pos *out, int max);

#endif
