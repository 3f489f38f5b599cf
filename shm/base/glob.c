/* Matching with one memory: when something after a '*' fails, only the last star needs to take one byte more.
 * An earlier star that took more could not help, since what lies between the two has already found its
 * leftmost place. So no recursion, and no pattern that takes exponential time. */
#include "shm/base/glob.h"

static unsigned char fold(char c, bool nocase)
{
    unsigned char u = (unsigned char)c;
    return nocase && u >= 'A' && u <= 'Z' ? (unsigned char)(u + 32) : u;
}

/* Tells whether c is in the class whose '[' is at p->p[i], and sets *end to the first byte behind the class.
 */
static bool in_class(struct bytes p, size_t i, unsigned char c, bool nocase, size_t *end)
{
    bool hit = false;
    bool negated = ++i < p.n && p.p[i] == '^';
    if (negated)
        i++;
    while (i < p.n && p.p[i] != ']') {
        if (p.p[i] == '\\' && i + 1 < p.n) {
            hit |= fold(p.p[++i], nocase) == c;
        } else if (i + 2 < p.n && p.p[i + 1] == '-') {
            unsigned char lo = (unsigned char)p.p[i], hi = (unsigned char)p.p[i + 2];
            if (lo > hi) {
                unsigned char swap = lo;
                lo = hi;
                hi = swap;
            }
            hit |= c >= fold((char)lo, nocase) && c <= fold((char)hi, nocase);
            i += 2;
        } else {
            hit |= fold(p.p[i], nocase) == c;
        }
        i++;
    }
    *end = i < p.n ? i + 1 : i; /* an open class ends with the pattern */
    return hit != negated;
}

/* Matches the one element at p->p[i] (not a star) with c; *end is where the next element begins. */
static bool match_one(struct bytes p, size_t i, char ch, bool nocase, size_t *end)
{
    unsigned char c = fold(ch, nocase);
    switch (p.p[i]) {
    case '?':
        *end = i + 1;
        return true;
    case '[':
        return in_class(p, i, c, nocase, end);
    case '\\':
        if (i + 1 < p.n)
            i++;
        break;
    }
    *end = i + 1;
    return fold(p.p[i], nocase) == c;
}

bool glob_match(struct bytes p, struct bytes t, bool nocase)
{
    const size_t none = (size_t)-1;
    size_t i = 0, j = 0, star = none, taken = 0;

    if (t.n == 0) /* Redis: of all patterns, only "" and a lone star match an empty text; "**" does not */
        return p.n == 0 || (p.n == 1 && p.p[0] == '*');
    while (j < t.n) {
        size_t end;
        if (i < p.n && p.p[i] == '*') {
            while (i < p.n && p.p[i] == '*')
                i++;
            if (i == p.n)
                return true;
            star = i;
            taken = j;
        } else if (i < p.n && match_one(p, i, t.p[j], nocase, &end)) {
            i = end;
            j++;
        } else if (star != none) {
            i = star;
            j = ++taken;
        } else {
            return false;
        }
    }
    while (i < p.n && p.p[i] == '*')
        i++;
    return i == p.n;
}
