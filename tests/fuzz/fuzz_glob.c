/* Patterns against an oracle: short ones must agree with a plain recursive matcher, long ones must come back
 * in time. fuzz_glob [--seconds N] [--seed S]; the same seed gives the same inputs. */
#include <stdio.h>
#include <time.h>

#include "shm/base/glob.h"
#include "tests/fuzz/fuzz.h"

static unsigned char low(char c, bool nocase)
{
    unsigned char u = (unsigned char)c;
    return nocase && u >= 'A' && u <= 'Z' ? (unsigned char)(u | 32) : u;
}

/* The class after its '[': reads it from the left with its own small reader. */
static bool class_holds(const char **p, const char *end, char ch, bool nocase)
{
    const char *q = *p + 1;
    bool negated = q < end && *q == '^', hit = false;
    unsigned char c = low(ch, nocase);
    q += negated;
    for (; q < end && *q != ']'; q++) {
        if (*q == '\\' && end - q >= 2) {
            q++;
            hit = hit || low(*q, nocase) == c;
        } else if (end - q >= 3 && q[1] == '-') {
            unsigned char a = (unsigned char)q[0], b = (unsigned char)q[2];
            unsigned char from = low((char)(a < b ? a : b), nocase), to = low((char)(a < b ? b : a), nocase);
            hit = hit || (from <= c && c <= to);
            q += 2;
        } else {
            hit = hit || low(*q, nocase) == c;
        }
    }
    *p = q < end ? q + 1 : q;
    return hit != negated;
}

static bool oracle(const char *p, const char *pe, const char *t, const char *te, bool nocase)
{
    if (p == pe)
        return t == te;
    if (*p == '*')
        return oracle(p + 1, pe, t, te, nocase) || (t < te && oracle(p, pe, t + 1, te, nocase));
    if (t == te)
        return false;
    if (*p == '[')
        return class_holds(&p, pe, *t, nocase) && oracle(p, pe, t + 1, te, nocase);
    if (*p == '\\' && pe - p >= 2)
        p++;
    else if (*p == '?')
        return oracle(p + 1, pe, t + 1, te, nocase);
    return low(*p, nocase) == low(*t, nocase) && oracle(p + 1, pe, t + 1, te, nocase);
}

static bool expected(struct bytes p, struct bytes t, bool nocase)
{
    if (t.n == 0) /* Redis's rule, which no matcher would guess */
        return p.n == 0 || (p.n == 1 && p.p[0] == '*');
    return oracle(p.p, p.p + p.n, t.p, t.p + t.n, nocase);
}

static size_t fill(char *out, size_t max, const char *from)
{
    size_t n = chance(max + 1), letters = strlen(from);
    for (size_t i = 0; i < n; i++)
        out[i] = chance(40) ? from[chance(letters)] : (char)chance(256);
    return n;
}

static int give_up(uint64_t turn, struct bytes p, struct bytes t, const char *why)
{
    char name[64];
    snprintf(name, sizeof(name), "fuzz_glob-%llu-%llu.input", (unsigned long long)fuzz.seed,
             (unsigned long long)turn);
    FILE *f = fopen(name, "w");
    if (f) {
        fwrite(p.p, 1, p.n, f);
        fputc('\n', f);
        fwrite(t.p, 1, t.n, f);
        fclose(f);
    }
    printf("%s; the pattern and the text are in %s\n", why, name);
    return 1;
}

static int run_long(uint64_t turn)
{
    static char p[2000], t[20000];
    struct bytes pattern = {p, fill(p, sizeof(p), "**a?b[a-b]")}, text = {t, fill(t, sizeof(t), "aaaab")};
    clock_t start = clock();
    glob_match(pattern, text, turn & 1);
    /* 4e7 steps at worst, each at most a class of the pattern's length; an exponential matcher takes years.
     */
    return clock() - start < 20 * CLOCKS_PER_SEC ? 0 : give_up(turn, pattern, text, "took too long");
}

int main(int argc, char **argv)
{
    fuzz_begin(argc, argv, "fuzz_glob");
    for (uint64_t turn = 0; fuzz_goes_on(turn); turn++) {
        char p[10], t[10];
        struct bytes pattern = {p, fill(p, sizeof(p), "**?[]^-\\abcAB")},
                     text = {t, fill(t, sizeof(t), "abcABC]^-\\")};
        bool nocase = chance(2);
        if (glob_match(pattern, text, nocase) != expected(pattern, text, nocase))
            return give_up(turn, pattern, text, "disagrees with the oracle");
        if (turn % 4096 == 0 && run_long(turn))
            return 1;
    }
    return 0;
}
