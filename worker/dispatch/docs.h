/* worker/dispatch/docs.h - the arguments of a command as a tree, read from the syntax text of its row.
 * Owner     each process parses a row when it is first asked for it, and keeps the tree.
 * Locks     none.
 * Crash     private memory.
 * Survives  no; it is made again from the rows.
 * Fails     never: a row with a bad syntax text is our own bug (CHECK).
 * Tests     tests/unit/test_command.c
 *
 * The syntax text is written for people, and is the only place that tells the arguments of a command:
 *
 *   key value condition=[NX | XX]@2.6.12 [EX seconds | PX milliseconds]
 *
 *   word        an argument. Its type follows from the word where docs.c lists it (key, seconds, count, ...),
 * is written behind it where it is not listed (version:integer), and is string otherwise. WORD        a
 * token; with an argument or a parenthesis behind it, the token that announces this argument. [ ... ]     may
 * be left out. ( ... )     a group. In both brackets | separates alternatives (oneof); several items in a
 * row, or a single one in parentheses, are a block. name=       before a bracket or an item names it. A group
 * without a name is called by its members' names, joined with _.
 *   +           behind an item: may be repeated. Behind a bracket that begins with a token the token is
 * repeated, too.
 *   @6.2.0      behind an item: since this version.      ~2.8.12   deprecated since this version.
 *
 * The n-th argument of type key belongs to the row's n-th key specification; those beyond the last, to the
 * last. */
#ifndef SKEP_DOCS_H
#define SKEP_DOCS_H

#include "worker/dispatch/command.h"

enum arg_type {
    ARG_STRING,
    ARG_INTEGER,
    ARG_DOUBLE,
    ARG_KEY,
    ARG_PATTERN,
    ARG_UNIX_TIME,
    ARG_PURE_TOKEN,
    ARG_ONEOF,
    ARG_BLOCK,
};

enum {
    ARG_OPTIONAL = 1u << 0,
    ARG_MULTIPLE = 1u << 1,
    ARG_MULTIPLE_TOKEN = 1u << 2,
};

struct command_arg {
    const char *name;
    const char *token;                    /* NULL: none */
    const char *since, *deprecated_since; /* NULL: as the command */
    enum arg_type type;
    uint8_t flags;   /* ARG_OPTIONAL ... */
    int8_t key_spec; /* -1: no key */
    unsigned nsub;   /* members of a oneof or a block */
    struct command_arg *sub;
};

/* The arguments of a command, *n of them; the tree stays valid. */
const struct command_arg *docs_args(const struct command *cmd, unsigned *n);

const char *docs_type_name(enum arg_type type);

/* Writes the arguments as HELP shows them ("<key> [SAMPLES <count>]"), cut if they do not fit. */
void docs_usage(const struct command *cmd, char *buf, size_t cap);

#endif
