/* tests/unit/test_command.c - the command table: names, keys, and every fact that redis-server tells of its
 * commands. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "worker/commands/help.h"
#include "worker/dispatch/call.h"
#include "worker/dispatch/command.h"
#include "worker/dispatch/docs.h"
#include "worker/proto/reply.h"

static struct bytes str(const char *s)
{
    return (struct bytes){s, strlen(s)};
}

/* ---- names ---- */

static const struct command *find_row(const struct command *row, struct bytes name)
{
    return row->parent ? command_find_sub(command_find(str(row->parent)), name) : command_find(name);
}

static void test_every_name(void)
{
    for (unsigned i = 0; i < command_rows_n; i++) {
        const struct command *row = &command_rows[i];
        char name[64];
        size_t n = strlen(row->name);
        memcpy(name, row->name, n + 1);
        CHECK(row->id == i && find_row(row, str(name)) == row);
        for (size_t k = 0; k < n; k++) {
            name[k] = (char)toupper((unsigned char)name[k]);
            CHECKF(find_row(row, str(name)) == row, "%s", name);
        }
        for (size_t k = 0; k < n; k++) { /* a flipped case bit is another name unless the byte is a letter */
            name[k] ^= 0x20;
            CHECKF(isalpha((unsigned char)row->name[k]) ? find_row(row, str(name)) == row
                                                        : find_row(row, str(name)) != row,
                   "%s", name);
            name[k] ^= 0x20 | 0x80;
            CHECKF(find_row(row, str(name)) == NULL, "%s", name);
            name[k] ^= 0x80;
        }
        CHECK(find_row(row, (struct bytes){row->name, n + 1}) == NULL); /* with its zero byte */
    }
}

static void test_unknown_names(void)
{
    static const char *const names[] = {"",
                                        "g",
                                        "gett",
                                        "et",
                                        "getname",
                                        "client|getname",
                                        "sset",
                                        "@et",
                                        "[et",
                                        "incrbyfloatincrbyfloat",
                                        "incrbyfloatincrbyfloatincrbyfloat"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        CHECKF(!command_find(str(names[i])), "%s", names[i]);
    CHECK(!command_find_sub(command_find(str("client")), str("get")));
    CHECK(!command_find_sub(command_find(str("get")), str("getname")));
    CHECK(!command_find_sub(command_find(str("config")), str("getname")));
    CHECK(!strcmp(command_fullname(command_find_sub(command_find(str("client")), str("NO-Evict"))),
                  "client|no-evict"));
    CHECK(!command_find_sub(command_find(str("client")), str("no_evict")));
}

/* ---- keys ---- */

/* Splits at blanks, in place. */
static int split(char *text, struct bytes *argv)
{
    int argc = 0;
    for (char *w = strtok(text, " "); w; w = strtok(NULL, " "))
        argv[argc++] = str(w);
    return argc;
}

static const struct command *resolve(const struct bytes *argv, int argc)
{
    const struct command *cmd = command_find(argv[0]);
    const struct command *sub = cmd && argc > 1 ? command_find_sub(cmd, argv[1]) : NULL;
    return sub ? sub : cmd;
}

static void check_keys(const char *line, int want, const int *index, unsigned flags)
{
    char text[256];
    struct bytes argv[32];
    struct key_pos out[4];
    snprintf(text, sizeof text, "%s", line);
    int argc = split(text, argv);
    int n = command_keys(resolve(argv, argc), argv, argc, out, ARRAY_LEN(out));
    CHECKF(n == want, "%s: %d keys", line, n);
    for (int i = 0; i < n && i < (int)ARRAY_LEN(out); i++)
        CHECKF(out[i].index == index[i], "%s: key %d at %d", line, i, out[i].index);
    if (n > 0)
        CHECKF(out[n - 1 < 3 ? n - 1 : 3].flags == flags, "%s: flags", line);
}

static void test_keys(void)
{
    check_keys("get a", 1, (int[]){1}, K_RO | K_ACCESS);
    check_keys("set a b", 1, (int[]){1}, K_OW | K_UPDATE);
    check_keys("set get b", 1, (int[]){1}, K_OW | K_UPDATE);
    check_keys("set a b nx GET", 1, (int[]){1}, K_RW | K_ACCESS | K_UPDATE);
    check_keys("mset a 1 b 2 c 3", 3, (int[]){1, 3, 5}, K_OW | K_UPDATE);
    check_keys("del a b c d e f", 6, (int[]){1, 2, 3, 4}, K_RM | K_DELETE);
    check_keys("rename a b", 2, (int[]){1, 2}, K_OW | K_UPDATE);
    check_keys("lcs a b idx", 2, (int[]){1, 2}, K_RO | K_ACCESS);
    check_keys("object encoding a", 1, (int[]){2}, K_RO);
    check_keys("memory usage a samples 3", 1, (int[]){2}, K_RO);
    check_keys("ping a", 0, NULL, 0);
    check_keys("client list", 0, NULL, 0);
    check_keys("del", -1, NULL, 0);
    check_keys("rename a", -1, NULL, 0);
}

/* ---- facts, compared with redis-server's ---- */

/* Commands that Redis has in these groups, and that need what we do not have yet. */
static const char *const later[] = {
    "acl",   "bgrewriteaof", "bgsave",    "failover", "lastsave", "migrate", "module",
    "psync", "replconf",     "replicaof", "save",     "slaveof",  "sync",
};

/* Rows in which we follow Redis 7.2, or 7.4 where fields of hashes expire, so 7.0.15 does not know them or knows them otherwise. */
static const char *const newer[] = {
    "client|list",     /* history: lib-name and lib-ver */
    "client|no-touch", /* new */
    "client|setinfo",  /* new */
    "command|getkeys", /* its arguments were not documented */
    "command|getkeysandflags",
    "hexpire", /* new, and those that follow */
    "hexpireat",
    "hexpiretime",
    "hpersist",
    "hpexpire",
    "hpexpireat",
    "hpexpiretime",
    "hpttl",
    "hscan",   /* NOVALUES */
    "httl",    /* new */
    "quit",    /* deprecated */
    "waitaof", /* new */
    "zrank",   /* WITHSCORE */
    "zrevrank",
};

static bool among(const char *const *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(list[i]);
        if (!strncmp(list[i], name, len) && (name[len] == 0 || name[len] == '|'))
            return true;
    }
    return false;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void put_bits(FILE *f, uint32_t bits, const char *(*name)(unsigned bit), const char *prefix)
{
    const char *names[32];
    size_t n = 0;
    for (unsigned bit = 0; bit < 32; bit++)
        if (bits >> bit & 1)
            names[n++] = name(bit);
    qsort(names, n, sizeof *names, by_text);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%s%s%s", i ? "," : "", prefix, names[i]);
}

static void put_args(FILE *f, const struct command_arg *args, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const struct command_arg *a = &args[i];
        fprintf(f, "%s%s:%s", i ? " " : "", a->name, docs_type_name(a->type));
        fprintf(f, "%s%s", a->token ? "=" : "", a->token ? a->token : "");
        fprintf(f, "%s%s", a->since ? "@" : "", a->since ? a->since : "");
        fprintf(f, "%s%s", a->deprecated_since ? "~" : "", a->deprecated_since ? a->deprecated_since : "");
        fprintf(f, "%s%s%s", a->flags & ARG_OPTIONAL ? "?" : "", a->flags & ARG_MULTIPLE ? "+" : "",
                a->flags & ARG_MULTIPLE_TOKEN ? "*" : "");
        if (a->key_spec >= 0)
            fprintf(f, "#%d", a->key_spec);
        if (a->nsub) {
            fprintf(f, "{");
            put_args(f, a->sub, a->nsub);
            fprintf(f, "}");
        }
    }
}

/* "2.6.12:Text.;6.0.0:Text." to "2.6.12,6.0.0" */
static void put_versions(FILE *f, const char *history)
{
    for (const char *h = history; h; h = strchr(h, ';')) {
        h += *h == ';';
        fprintf(f, "%s%.*s", h == history ? "" : ",", (int)strcspn(h, ":"), h);
    }
}

static void put_keys(FILE *f, const struct command *c)
{
    for (size_t i = 0; i < ARRAY_LEN(c->keys) && c->keys[i].first; i++) {
        const struct key_spec *k = &c->keys[i];
        fputs(i ? ";" : "", f);
        if (k->last == KEYS_UNKNOWN)
            fprintf(f, "unknown:");
        else if (k->keyword)
            fprintf(f, "%s@%d:", k->keyword, k->first);
        else if (k->last == KEYS_COUNTED)
            fprintf(f, "%d,counted:", k->first);
        else
            fprintf(f, "%d,%d,%d:", k->first, k->last, k->step);
        put_bits(f, k->flags, command_key_flag_name, "");
    }
}

/* A row as command_info.py writes it; the first, last and step of the second form are checked by
 * test_replies. */
static char *line_of(const struct command *c)
{
    char *text;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    CHECK(f);
    fprintf(f, "%s\t%s\t%d\t", command_fullname(c), command_group_name(c->group), c->arity);
    put_bits(f, c->flags & F_SHOWN_MASK, command_flag_name, "");
    fprintf(f, "\t");
    put_bits(f, command_acl(c), command_acl_name, "@");
    fprintf(f, "\t");
    for (const char *t = c->tips; t && *t; t++)
        fputc(*t == ' ' ? ',' : *t, f);
    fprintf(f, "\t");
    put_keys(f, c);
    fprintf(f, "\t%s\t%s\t%s\t", c->since,
            c->deprecated_since   ? "deprecated"
            : c->flags & F_SYSCMD ? "syscmd"
                                  : "",
            c->deprecated_since ? c->deprecated_since : "");
    put_versions(f, c->history);
    fprintf(f, "\t");
    unsigned n;
    const struct command_arg *args = docs_args(c, &n);
    put_args(f, args, n);
    fclose(f);
    return text;
}

/* Cuts the fifth field (first,last,step) out of a line of the dump; returns it. */
static char *cut_range(char *line)
{
    char *p = line;
    for (int i = 0; i < 4; i++)
        p = strchr(p, '\t') + 1;
    char *end = strchr(p, '\t'), *range = strndup(p, (size_t)(end - p));
    memmove(p, end + 1, strlen(end + 1) + 1);
    return range;
}

/* The bytes that a handler replies with. */
static struct reply run(const char *line, int resp)
{
    char text[256];
    struct bytes argv[32];
    struct reply r = {.resp = (uint8_t)resp};
    snprintf(text, sizeof text, "%s", line);
    int argc = split(text, argv);
    struct call c = {.argv = argv, .argc = argc, .reply = &r};
    c.cmd = resolve(argv, argc);
    CHECKF(c.cmd && c.cmd->run, "%s", line);
    c.cmd->run(&c);
    reply_raw(&r, "", 1);
    r.len--;
    return r;
}

static void check_range(const char *name, const char *range)
{
    char line[128], want[64];
    int first, last, step;
    CHECK(sscanf(range, "%d,%d,%d", &first, &last, &step) == 3);
    snprintf(want, sizeof want, "\r\n:%d\r\n:%d\r\n:%d\r\n", first, last, step);
    snprintf(line, sizeof line, "command info %s", name);
    struct reply r = run(line, 2);
    CHECKF(strstr(r.buf, want), "%s: range %s", name, range);
    reply_free(&r);
}

static const struct command *find_full(char *name)
{
    char *bar = strchr(name, '|');
    if (!bar)
        return command_find(str(name));
    *bar = 0;
    const struct command *box = command_find(str(name));
    *bar = '|';
    return box ? command_find_sub(box, str(bar + 1)) : NULL;
}

static void test_facts(void)
{
    char path[1024], *line = NULL;
    size_t cap = 0;
    snprintf(path, sizeof path, "%.*sdata/command_info.txt", (int)(strrchr(__FILE__, '/') + 1 - __FILE__),
             __FILE__);
    FILE *f = fopen(path, "r");
    CHECKF(f, "%s", path);
    bool *seen = calloc(command_rows_n, sizeof *seen);
    int wrong = 0;
    for (ssize_t n; (n = getline(&line, &cap, f)) > 0;) {
        line[strcspn(line, "\n")] = 0;
        char *range = cut_range(line), *name = strndup(line, strcspn(line, "\t"));
        const struct command *c = find_full(name);
        if (!c) {
            CHECKF(among(later, ARRAY_LEN(later), name), "no row for %s", name);
        } else {
            seen[c->id] = true;
            check_range(name, range);
            char *ours = line_of(c);
            if (strcmp(ours, line) && !among(newer, ARRAY_LEN(newer), name))
                fprintf(stderr, "redis: %s\nours:  %s\n", line, ours), wrong++;
            free(ours);
        }
        free(range);
        free(name);
    }
    fclose(f);
    free(line);
    CHECKF(wrong == 0, "%d rows differ", wrong);
    for (unsigned i = 0; i < command_rows_n; i++)
        CHECKF(seen[i] || among(newer, ARRAY_LEN(newer), command_fullname(&command_rows[i])),
               "%s is in no dump", command_fullname(&command_rows[i]));
    free(seen);
}

/* Every row says what a person wants to know, and its syntax text can be read. */
static void test_texts(void)
{
    for (unsigned i = 0; i < command_rows_n; i++) {
        const struct command *c = &command_rows[i];
        char usage[512];
        docs_usage(c, usage, sizeof usage);
        CHECKF(c->brief && c->since && strlen(usage) < 200, "%s", command_fullname(c));
        CHECKF(c->brief[strlen(c->brief) - 1] == '.', "%s", command_fullname(c));
        CHECKF(c->run || c->nsubs, "%s does nothing", command_fullname(c));
        CHECKF((c->keys[0].flags & K_VARIABLE) == 0 || c->key_flags || c->keys[0].notes, "%s",
               command_fullname(c));
    }
    char usage[512];
    docs_usage(command_find(str("set")), usage, sizeof usage);
    CHECKF(
        !strcmp(usage,
                "<key> <value> [NX|XX] [GET] [EX <seconds>|PX <milliseconds>|EXAT <unix-time-seconds>|PXAT "
                "<unix-time-milliseconds>|KEEPTTL]"),
        "%s", usage);
    docs_usage(command_find(str("mset")), usage, sizeof usage);
    CHECKF(!strcmp(usage, "<key> <value> [<key> <value> ...]"), "%s", usage);
}

/* ---- replies ---- */

static void check_reply(const char *line, int resp, const char *want)
{
    struct reply r = run(line, resp);
    CHECKF(!strcmp(r.buf, want), "%s: %s", line, r.buf);
    reply_free(&r);
}

/* What redis-server 7.0.15 answers, with our texts in DOCS and HELP, and 7.2's display_text. */
static void test_replies(void)
{
    check_reply(
        "command info ping nosuch", 2,
        "*2\r\n*10\r\n$4\r\nping\r\n:-1\r\n*1\r\n+fast\r\n:0\r\n:0\r\n:0\r\n*2\r\n+@fast\r\n+@connection\r\n"
        "*2\r\n$25\r\nrequest_policy:all_shards\r\n$29\r\nresponse_policy:all_succeeded\r\n*0\r\n*0\r\n$-"
        "1\r\n");
    check_reply("command info CLIENT|GETNAME client|x client|", 3,
                "*3\r\n*10\r\n$14\r\nclient|getname\r\n:2\r\n~3\r\n+noscript\r\n+loading\r\n+stale\r\n:0\r\n:"
                "0\r\n:0\r\n"
                "~2\r\n+@slow\r\n+@connection\r\n~0\r\n~0\r\n~0\r\n_\r\n_\r\n");
    check_reply("command info echo", 3,
                "*1\r\n*10\r\n$4\r\necho\r\n:2\r\n~3\r\n+loading\r\n+stale\r\n+fast\r\n:0\r\n:0\r\n:0\r\n~"
                "2\r\n+@fast\r\n"
                "+@connection\r\n~0\r\n~0\r\n~0\r\n");
    check_reply("command docs ECHO", 2,
                "*2\r\n$4\r\necho\r\n*10\r\n$7\r\nsummary\r\n$21\r\nReturns its "
                "argument.\r\n$5\r\nsince\r\n$5\r\n1.0.0"
                "\r\n$5\r\ngroup\r\n$10\r\nconnection\r\n$10\r\ncomplexity\r\n$4\r\nO(1)\r\n$"
                "9\r\narguments\r\n*1\r\n*6"
                "\r\n$4\r\nname\r\n$7\r\nmessage\r\n$12\r\ndisplay_text\r\n$7\r\nmessage\r\n$4\r\ntype\r\n$"
                "6\r\nstring"
                "\r\n");
    check_reply("command docs nosuch client|pause", 3,
                "%1\r\n$12\r\nclient|pause\r\n%6\r\n$7\r\nsummary\r\n$83\r\nHolds the commands of all "
                "clients, or only "
                "those that write, for some "
                "milliseconds.\r\n$5\r\nsince\r\n$6\r\n2.9.50\r\n$5\r\ngroup\r\n$10\r\nconnection"
                "\r\n$10\r\ncomplexity\r\n$4\r\nO(1)\r\n$7\r\nhistory\r\n~1\r\n*2\r\n$5\r\n6.2.0\r\n$"
                "15\r\nThe mode WRITE."
                "\r\n$9\r\narguments\r\n*2\r\n%3\r\n$4\r\nname\r\n$7\r\ntimeout\r\n$12\r\ndisplay_text\r\n$"
                "7\r\ntimeout\r\n"
                "$4\r\ntype\r\n$7\r\ninteger\r\n%5\r\n$4\r\nname\r\n$4\r\nmode\r\n$4\r\ntype\r\n$"
                "5\r\noneof\r\n$5\r\nsince\r\n"
                "$5\r\n6.2.0\r\n$5\r\nflags\r\n~1\r\n+optional\r\n$9\r\narguments\r\n*2\r\n%4\r\n$"
                "4\r\nname\r\n$5\r\nwrite\r\n"
                "$12\r\ndisplay_text\r\n$5\r\nwrite\r\n$4\r\ntype\r\n$10\r\npure-token\r\n$5\r\ntoken\r\n$"
                "5\r\nWRITE\r\n%4\r\n"
                "$4\r\nname\r\n$3\r\nall\r\n$12\r\ndisplay_text\r\n$3\r\nall\r\n$4\r\ntype\r\n$10\r\npure-"
                "token\r\n$5\r\ntoken"
                "\r\n$3\r\nALL\r\n");
    check_reply("command docs nosuch", 2, "*0\r\n");
    check_reply("command docs nosuch client|nosuch", 3, "%0\r\n");
    check_reply("command list filterby pattern GETR*", 3, "*1\r\n$8\r\ngetrange\r\n");
    check_reply("command list filterby module x", 2, "*0\r\n");
    check_reply("command list filterby aclcat nope", 2, "*0\r\n");
    check_reply("command list x", 2, "-ERR syntax error\r\n");
    check_reply("command list filterby pattern a b", 2, "-ERR syntax error\r\n");
    check_reply("command getkeys mset a b c d", 2, "*2\r\n$1\r\na\r\n$1\r\nc\r\n");
    check_reply("command getkeysandflags set a b get", 2,
                "*1\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+update\r\n");
    check_reply("command getkeysandflags get a", 3, "*1\r\n*2\r\n$1\r\na\r\n~2\r\n+RO\r\n+access\r\n");
    check_reply("command getkeys foo bar", 2, "-ERR Invalid command specified\r\n");
    check_reply("command getkeys object k x", 2, "-ERR Invalid command specified\r\n");
    check_reply("command getkeys object encoding", 2,
                "-ERR Invalid number of arguments specified for command\r\n");
    check_reply("command getkeys ping a", 2, "-ERR The command has no key arguments\r\n");
    check_reply(
        "memory help", 2,
        "*13\r\n+MEMORY <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n+DOCTOR\r\n"
        "+    Explains in words what is odd about the memory in use.\r\n+MALLOC-STATS\r\n"
        "+    Returns what the memory allocator says of itself.\r\n+PURGE\r\n"
        "+    Asks the allocator to give unused memory back.\r\n+STATS\r\n"
        "+    Returns what memory is used for.\r\n+USAGE <key> [SAMPLES <count>]\r\n"
        "+    Returns the bytes that a key and its value take.\r\n+HELP\r\n+    Prints this help.\r\n");
}

int main(void)
{
    command_table_init();
    command_table_init();
    test_every_name();
    test_unknown_names();
    test_keys();
    test_facts();
    test_texts();
    test_replies();
    return 0;
}
