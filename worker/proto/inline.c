/* Inline commands: what a person types into a raw connection. */
#include "shm/base/words.h"
#include "worker/proto/parse_private.h"

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The word in quotes at s into *out; the place behind it, or NULL. */
static const char *quoted(const char *s, const char *end, char **out)
{
    s = words_unquote(s + 1, end, *s, out);
    return !s || s == end || is_blank(*s) ? s : NULL; /* "a"b is one word too many */
}

bool inline_split(struct request *rq, struct bytes line)
{
    const char *s = line.p, *end = line.p + line.n;
    rq->argc = 0;
    rq->scratch_len = 0;
    request_scratch_room(rq, line.n); /* unescaping only shortens, so the arguments will not move */
    char *o = rq->scratch;
    for (;;) {
        while (s < end && is_blank(*s))
            s++;
        if (s == end)
            return true;
        char *word = o;
        while (s && s < end && !is_blank(*s)) {
            if (*s == '"' || *s == '\'')
                s = quoted(s, end, &o);
            else
                *o++ = *s++;
        }
        if (!s)
            return false;
        request_room(rq, (size_t)rq->argc + 1);
        rq->argv[rq->argc++] = (struct bytes){word, (size_t)(o - word)};
    }
}
