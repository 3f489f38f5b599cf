/* Patterns. The expectations are redis-server's answers to KEYS and CONFIG GET, and for the long ones
 * arithmetic. */
#include <stdlib.h>
#include <time.h>

#include "shm/base/glob.h"
#include "include/rc.h"

static const struct {
    const char *pattern, *text;
    bool nocase, match;
} cases[] = {
    {"", "", false, true},
    {"", "a", false, false},
    {"*", "", false, true},
    {"**", "", false, false}, /* Redis: only the lone star meets an empty text */
    {"?", "", false, false},
    {"*", "anything", false, true},
    {"h?llo", "hello", false, true},
    {"h?llo", "hllo", false, false},
    {"h*llo", "hllo", false, true},
    {"h*llo", "heeeello", false, true},
    {"h[ae]llo", "hallo", false, true},
    {"h[ae]llo", "hillo", false, false},
    {"h[^e]llo", "hallo", false, true},
    {"h[^e]llo", "hello", false, false},
    {"h[a-c]llo", "hbllo", false, true},
    {"h[c-a]llo", "hbllo", false, true}, /* a range is turned the right way round */
    {"h[a-c]llo", "hdllo", false, false},
    {"[^z-a]ort", "port", false, false},
    {"por[t", "port", false, true}, /* an open class ends with the pattern */
    {"por[", "port", false, false},
    {"por[^x", "port", false, true},
    {"p*[x", "portx", false, true},
    {"port[x", "port", false, false},
    {"[]a", "a", false, false}, /* an empty class meets nothing */
    {"[^]a", "xa", false, true},
    {"[\\]]", "]", false, true},
    {"[\\p-p]ort", "port", false, true},
    {"\\*", "*", false, true},
    {"\\*", "a", false, false},
    {"a\\", "a\\", false, true}, /* a backslash at the end stands for itself */
    {"a*b*c", "aXbYc", false, true},
    {"a*b*c", "aXbYcZ", false, false},
    {"*a*", "bab", false, true},
    {"ab*", "ab", false, true},
    {"ab***", "ab", false, true},
    {"PORT", "port", false, false},
    {"PORT", "port", true, true},
    {"por[T-T]", "PORT", true, true},
    {"*LAVE*", "replica-slave", true, true},
};

static struct bytes bytes_of(const char *s)
{
    return (struct bytes){s, strlen(s)};
}

/* Thirty stars and no match: a recursive matcher would take 2^30 steps and more. */
static void many_stars(void)
{
    static char pattern[61], text[50000];
    for (int i = 0; i < 60; i += 2) {
        pattern[i] = '*';
        pattern[i + 1] = 'a';
    }
    pattern[60] = 'b';
    memset(text, 'a', sizeof(text));
    clock_t start = clock();
    CHECK(!glob_match((struct bytes){pattern, 61}, (struct bytes){text, sizeof(text)}, false));
    CHECK(clock() - start < 5 * CLOCKS_PER_SEC);
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        CHECKF(glob_match(bytes_of(cases[i].pattern), bytes_of(cases[i].text), cases[i].nocase) ==
                   cases[i].match,
               "'%s' on '%s'", cases[i].pattern, cases[i].text);
    CHECK(glob_match((struct bytes){"a?c", 3}, (struct bytes){"a\0c", 3}, false));
    many_stars();
    return 0;
}
