/* worker/commands/command.c - COMMAND: the command table, told to clients. */
#include <stdlib.h>

#include "shm/base/glob.h"
#include "worker/dispatch/call.h"
#include "worker/dispatch/command.h"
#include "worker/dispatch/docs.h"
#include "worker/proto/reply.h"

command_fn cmd_command, cmd_command_count, cmd_command_docs, cmd_command_getkeys, cmd_command_getkeysandflags,
    cmd_command_info, cmd_command_list;

/* "get", "client|getname": the names that COMMAND itself answers with. */
static const struct command *find_full(struct bytes name)
{
    const char *bar = memchr(name.p, '|', name.n);
    if (!bar)
        return command_find(name);
    size_t n = (size_t)(bar - name.p);
    const struct command *parent = command_find((struct bytes){name.p, n});
    return parent ? command_find_sub(parent, (struct bytes){bar + 1, name.n - n - 1}) : NULL;
}

static unsigned count_commands(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < command_rows_n; i++)
        n += !command_rows[i].parent;
    return n;
}

/* A bit set as a RESP set of its names, each behind a prefix. */
static void put_names(struct reply *r, uint32_t bits, const char *(*name)(unsigned bit), const char *prefix)
{
    reply_set(r, (size_t)__builtin_popcount(bits));
    for (unsigned bit = 0; bit < 32; bit++) {
        if (!(bits >> bit & 1))
            continue;
        const char *text = name(bit);
        CHECKF(text, "bit %u has no name", bit);
        REPLY_LIT(r, "+");
        reply_raw(r, prefix, strlen(prefix));
        reply_raw(r, text, strlen(text));
        REPLY_LIT(r, "\r\n");
    }
}

/* The pieces of a text between signs, one call each; false after the last. */
static bool next_piece(const char **text, char sign, struct bytes *piece)
{
    if (!*text || !**text)
        return false;
    size_t n = (size_t)(strchrnul(*text, sign) - *text);
    *piece = (struct bytes){*text, n};
    *text += n + ((*text)[n] == sign);
    return true;
}

static size_t count_pieces(const char *text, char sign)
{
    struct bytes piece;
    size_t n = 0;
    while (next_piece(&text, sign, &piece))
        n++;
    return n;
}

/* ---- COMMAND INFO ---- */

static unsigned count_specs(const struct command *cmd)
{
    unsigned n = 0;
    while (n < ARRAY_LEN(cmd->keys) && cmd->keys[n].first)
        n++;
    return n;
}

/* First key, last key and step as clients have read them since before there were key specifications: specs
 * that lie side by side are told as one range. */
static void put_key_range(struct reply *r, const struct command *cmd)
{
    int first = cmd->keys[0].last == KEYS_COUNTED ? 0 : cmd->keys[0].first, last = 0, step = 0;
    for (unsigned i = 0, n = count_specs(cmd); i < n; i++) {
        const struct key_spec *k = &cmd->keys[i];
        if (k->last == KEYS_COUNTED || k->last == KEYS_UNKNOWN || k->keyword)
            break;
        if (i > 0 && (last < 0 || k->first != last + 1))
            break;
        last = k->last >= 0 ? k->first + k->last : k->last;
        step = k->step;
    }
    reply_int(r, first);
    reply_int(r, last);
    reply_int(r, step);
}

/* Named integers, as a map. */
static void put_numbers(struct reply *r, const char *const *names, const int *values, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        reply_bulk_str(r, names[i]);
        reply_int(r, values[i]);
    }
}

static void put_kind(struct reply *r, const char *what, const char *kind, unsigned fields)
{
    reply_bulk_str(r, what);
    reply_map(r, 2);
    reply_bulk_str(r, "type");
    reply_bulk_str(r, kind);
    reply_bulk_str(r, "spec");
    reply_map(r, fields);
}

static void put_key_spec(struct reply *r, const struct key_spec *k)
{
    reply_map(r, k->notes ? 4 : 3);
    if (k->notes) {
        reply_bulk_str(r, "notes");
        reply_bulk_str(r, k->notes);
    }
    reply_bulk_str(r, "flags");
    put_names(r, k->flags, command_key_flag_name, "");

    if (k->last == KEYS_UNKNOWN) {
        put_kind(r, "begin_search", "unknown", 0);
        put_kind(r, "find_keys", "unknown", 0);
        return;
    }
    put_kind(r, "begin_search", k->keyword ? "keyword" : "index", k->keyword ? 2 : 1);
    if (k->keyword) {
        reply_bulk_str(r, "keyword");
        reply_bulk_str(r, k->keyword);
    }
    put_numbers(r, (const char *const[]){k->keyword ? "startfrom" : "index"}, (int[]){k->first}, 1);

    put_kind(r, "find_keys", k->last == KEYS_COUNTED ? "keynum" : "range", 3);
    if (k->last == KEYS_COUNTED)
        put_numbers(r, (const char *const[]){"keynumidx", "firstkey", "keystep"}, (int[]){0, 1, k->step}, 3);
    else
        put_numbers(r, (const char *const[]){"lastkey", "keystep", "limit"}, (int[]){k->last, k->step, 0}, 3);
}

static void put_tips(struct reply *r, const struct command *cmd)
{
    const char *tips = cmd->tips;
    struct bytes tip;
    reply_set(r, count_pieces(tips, ' '));
    while (next_piece(&tips, ' ', &tip))
        reply_bulk(r, tip.p, tip.n);
}

static void put_info(struct reply *r, const struct command *cmd)
{
    if (!cmd) {
        reply_null(r);
        return;
    }
    reply_array(r, 10);
    reply_bulk_str(r, command_fullname(cmd));
    reply_int(r, cmd->arity);
    put_names(r, cmd->flags & F_SHOWN_MASK, command_flag_name, "");
    put_key_range(r, cmd);
    put_names(r, command_acl(cmd), command_acl_name, "@");
    put_tips(r, cmd);
    unsigned specs = count_specs(cmd);
    reply_set(r, specs);
    for (unsigned i = 0; i < specs; i++)
        put_key_spec(r, &cmd->keys[i]);
    if (!cmd->nsubs) {
        reply_set(r, 0);
        return;
    }
    reply_array(r, cmd->nsubs);
    for (unsigned i = 0; i < cmd->nsubs; i++)
        put_info(r, &command_rows[cmd->first_sub + i]);
}

void cmd_command(struct call *c)
{
    reply_array(c->reply, count_commands());
    for (unsigned i = 0; i < command_rows_n; i++)
        if (!command_rows[i].parent)
            put_info(c->reply, &command_rows[i]);
}

void cmd_command_info(struct call *c)
{
    if (c->argc == 2) {
        cmd_command(c);
        return;
    }
    reply_array(c->reply, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++)
        put_info(c->reply, find_full(c->argv[i]));
}

void cmd_command_count(struct call *c)
{
    reply_int(c->reply, count_commands());
}

/* ---- COMMAND DOCS ---- */

/* A field that is left out when it is empty; the number of fields written. */
static size_t put_field(struct reply *r, const char *name, const char *value)
{
    if (!value)
        return 0;
    reply_bulk_str(r, name);
    reply_bulk_str(r, value);
    return 1;
}

static size_t put_arg_flags(struct reply *r, const struct command_arg *arg)
{
    if (!arg->flags)
        return 0;
    reply_bulk_str(r, "flags");
    reply_set(r, (size_t)__builtin_popcount(arg->flags));
    if (arg->flags & ARG_OPTIONAL)
        REPLY_LIT(r, "+optional\r\n");
    if (arg->flags & ARG_MULTIPLE)
        REPLY_LIT(r, "+multiple\r\n");
    if (arg->flags & ARG_MULTIPLE_TOKEN)
        REPLY_LIT(r, "+multiple_token\r\n");
    return 1;
}

static size_t put_args(struct reply *r, const struct command_arg *args, unsigned n)
{
    if (!n)
        return 0;
    reply_bulk_str(r, "arguments");
    reply_array(r, n);
    for (unsigned i = 0; i < n; i++) {
        const struct command_arg *arg = &args[i];
        bool leaf = arg->type != ARG_ONEOF && arg->type != ARG_BLOCK;
        size_t mark = reply_defer(r);
        size_t fields = put_field(r, "name", arg->name);
        fields += put_field(r, "display_text", leaf ? arg->name : NULL);
        fields += put_field(r, "type", docs_type_name(arg->type));
        if (arg->key_spec >= 0) {
            reply_bulk_str(r, "key_spec_index");
            reply_int(r, arg->key_spec);
            fields++;
        }
        fields += put_field(r, "token", arg->token);
        fields += put_field(r, "since", arg->since);
        fields += put_field(r, "deprecated_since", arg->deprecated_since);
        fields += put_arg_flags(r, arg);
        fields += put_args(r, arg->sub, arg->nsub);
        reply_defer_map(r, mark, fields);
    }
    return 1;
}

static size_t put_doc_flags(struct reply *r, const struct command *cmd)
{
    bool deprecated = cmd->deprecated_since, syscmd = cmd->flags & F_SYSCMD;
    if (!deprecated && !syscmd)
        return 0;
    reply_bulk_str(r, "doc_flags");
    reply_set(r, (size_t)deprecated + syscmd);
    if (deprecated)
        REPLY_LIT(r, "+deprecated\r\n");
    if (syscmd)
        REPLY_LIT(r, "+syscmd\r\n");
    return 1;
}

/* "6.0.0:What came.;6.2.0:What else." as a set of pairs. */
static size_t put_history(struct reply *r, const char *history)
{
    if (!history)
        return 0;
    reply_bulk_str(r, "history");
    reply_set(r, count_pieces(history, ';'));
    struct bytes event;
    while (next_piece(&history, ';', &event)) {
        const char *colon = memchr(event.p, ':', event.n);
        CHECK(colon);
        size_t n = (size_t)(colon - event.p);
        reply_array(r, 2);
        reply_bulk(r, event.p, n);
        reply_bulk(r, colon + 1, event.n - n - 1);
    }
    return 1;
}

static void put_docs(struct reply *r, const struct command *cmd)
{
    unsigned nargs;
    const struct command_arg *args = docs_args(cmd, &nargs);
    reply_bulk_str(r, command_fullname(cmd));
    size_t mark = reply_defer(r);
    size_t fields = put_field(r, "summary", cmd->brief);
    fields += put_field(r, "since", cmd->since);
    fields += put_field(r, "group", command_group_name(cmd->group));
    fields += put_field(r, "complexity", cmd->cost);
    fields += put_doc_flags(r, cmd);
    fields += put_field(r, "deprecated_since", cmd->deprecated_since);
    fields += put_field(r, "replaced_by", cmd->replaced_by);
    fields += put_history(r, cmd->history);
    fields += put_args(r, args, nargs);
    if (cmd->nsubs) {
        reply_bulk_str(r, "subcommands");
        reply_map(r, cmd->nsubs);
        for (unsigned i = 0; i < cmd->nsubs; i++)
            put_docs(r, &command_rows[cmd->first_sub + i]);
        fields++;
    }
    reply_defer_map(r, mark, fields);
}

void cmd_command_docs(struct call *c)
{
    size_t mark = reply_defer(c->reply), found = 0;
    for (unsigned i = 0; c->argc == 2 && i < command_rows_n; i++) {
        if (command_rows[i].parent)
            continue;
        put_docs(c->reply, &command_rows[i]);
        found++;
    }
    for (int i = 2; i < c->argc; i++) {
        const struct command *cmd = find_full(c->argv[i]);
        if (!cmd)
            continue; /* unlike COMMAND INFO, DOCS leaves out what it does not know */
        put_docs(c->reply, cmd);
        found++;
    }
    reply_defer_map(c->reply, mark, found);
}

/* ---- COMMAND LIST ---- */

enum filter_kind { FILTER_NONE, FILTER_MODULE, FILTER_ACLCAT, FILTER_PATTERN };

struct filter {
    enum filter_kind kind;
    struct bytes text;
    uint32_t acl; /* the bit of FILTER_ACLCAT, 0 for an unknown category */
};

static bool parse_filter(const struct call *c, struct filter *f)
{
    *f = (struct filter){.kind = FILTER_NONE};
    if (c->argc == 2)
        return true;
    if (c->argc != 5 || !bytes_is(c->argv[2], "filterby"))
        return false;
    f->text = c->argv[4];
    if (bytes_is(c->argv[3], "module")) {
        f->kind = FILTER_MODULE;
    } else if (bytes_is(c->argv[3], "pattern")) {
        f->kind = FILTER_PATTERN;
    } else if (bytes_is(c->argv[3], "aclcat")) {
        f->kind = FILTER_ACLCAT;
        for (unsigned bit = 0; command_acl_name(bit); bit++)
            if (bytes_is(f->text, command_acl_name(bit)))
                f->acl = 1u << bit;
    }
    return f->kind != FILTER_NONE;
}

static bool passes(const struct filter *f, const struct command *cmd)
{
    const char *name = command_fullname(cmd);
    switch (f->kind) {
    case FILTER_NONE:
        return true;
    case FILTER_MODULE: /* no module brings commands */
        return false;
    case FILTER_ACLCAT:
        return command_acl(cmd) & f->acl;
    case FILTER_PATTERN:
        return glob_match(f->text, (struct bytes){name, strlen(name)}, true);
    }
    return false;
}

void cmd_command_list(struct call *c)
{
    struct filter f;
    if (!parse_filter(c, &f)) {
        reply_error(c->reply, ERR_SYNTAX);
        return;
    }
    size_t mark = reply_defer(c->reply), found = 0;
    for (unsigned i = 0; i < command_rows_n; i++) {
        if (!passes(&f, &command_rows[i]))
            continue;
        reply_bulk_str(c->reply, command_fullname(&command_rows[i]));
        found++;
    }
    reply_defer_array(c->reply, mark, found);
}

/* ---- COMMAND GETKEYS ---- */

/* The command that an argument vector means, its subcommand resolved; NULL after an error reply. */
static const struct command *find_whole(struct call *c, const struct bytes *argv, int argc)
{
    const struct command *cmd = command_find(argv[0]);
    if (cmd)
        cmd = command_row(cmd, argv, argc);
    const char *wrong = NULL;
    if (!cmd)
        wrong = "ERR Invalid command specified";
    else if (!cmd->keys[0].first)
        wrong = "ERR The command has no key arguments";
    else if (cmd->arity > 0 ? cmd->arity != argc : argc < -cmd->arity)
        wrong = "ERR Invalid number of arguments specified for command";
    if (wrong)
        reply_error(c->reply, wrong);
    return wrong ? NULL : cmd;
}

static void get_keys(struct call *c, bool with_flags)
{
    const struct bytes *argv = c->argv + 2;
    int argc = c->argc - 2;
    const struct command *cmd = find_whole(c, argv, argc);
    if (!cmd)
        return;
    struct key_pos few[16], *keys = few;
    int n = command_keys(cmd, argv, argc, few, ARRAY_LEN(few));
    if (n < 0 && cmd->flags & F_NO_MANDATORY_KEYS) {
        reply_array(c->reply, 0);
        return;
    }
    if (n < 0) {
        reply_error(c->reply, "ERR Invalid arguments specified for command");
        return;
    }
    if (n > (int)ARRAY_LEN(few)) {
        keys = malloc((size_t)n * sizeof *keys);
        CHECK(keys);
        command_keys(cmd, argv, argc, keys, n);
    }
    reply_array(c->reply, (size_t)n);
    for (int i = 0; i < n; i++) {
        struct bytes key = argv[keys[i].index];
        if (with_flags)
            reply_array(c->reply, 2);
        reply_bulk(c->reply, key.p, key.n);
        if (with_flags)
            put_names(c->reply, keys[i].flags, command_key_flag_name, "");
    }
    if (keys != few)
        free(keys);
}

void cmd_command_getkeys(struct call *c)
{
    get_keys(c, false);
}

void cmd_command_getkeysandflags(struct call *c)
{
    get_keys(c, true);
}
