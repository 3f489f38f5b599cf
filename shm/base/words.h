/* shm/base/words.h - a configuration line taken apart into words, and words written to stand in one.
 * Owner     the caller of words_split, until words_free.
 * Locks     none.
 * Crash     private memory, gone with the process.
 * Survives  no.
 * Fails     RC_INVALID for unbalanced quotes, RC_NOMEM.
 * Tests     tests/unit/test_config.c  tests/unit/test_parse.c  tests/fuzz/fuzz_config.c */
#ifndef SKEP_WORDS_H
#define SKEP_WORDS_H

#include "include/bytes.h"
#include "include/rc.h"

struct words {
    struct bytes *v; /* each is followed by an end mark, which its length does not count */
    int n;
    char *text;
};

/* Words stand between spaces. In "..." \n \r \t \b \a and \xhh have their C meaning and a backslash takes any
 * other byte literally; in '...' only \' does. A closing quote ends the word: something else behind it is an
 * error. */
enum rc words_split(struct bytes line, struct words *out);
void words_free(struct words *w);

/* Takes what stands between quotes, p being behind the opening one, and writes it to *out, which moves along: it becomes
 * shorter at most. Answers the place behind the closing quote, or NULL: there is none. */
const char *words_unquote(const char *p, const char *end, char quote, char **out);

/* Writes the word in double quotes so that words_split gives it back; answers the length, or 0 when cap is
 * too small. */
size_t words_quote(struct bytes word, char *out, size_t cap);

/* The same, with quotes only where the word cannot stand without. */
size_t words_write(struct bytes word, char *out, size_t cap);

#endif
