/* Patterns as 5.1 matches them: find, match, gmatch (gfind), gsub. */
#include <ctype.h>
#include <string.h>

#include "worker/script/lua_lib.h"

#define CAPTURES_MAX 32
#define DEPTH_MAX    200 /* calls of match in match */
#define SPECIALS     "^$*+?.([%-"
#define OPEN         (-1)
#define PLACE        (-2)

struct matcher {
    lua_State *L;
    const char *from, *to; /* the subject */
    const char *end;       /* of the pattern */
    int level, depth;
    struct {
        const char *at;
        ptrdiff_t len;
    } capture[CAPTURES_MAX];
};

static const char *match(struct matcher *m, const char *s, const char *p);

static int check_capture(struct matcher *m, int c)
{
    int i = c - '1';
    if (i < 0 || i >= m->level || m->capture[i].len == OPEN)
        return luaL_error(m->L, "invalid capture index");
    return i;
}

static int open_capture(struct matcher *m)
{
    for (int i = m->level - 1; i >= 0; i--)
        if (m->capture[i].len == OPEN)
            return i;
    return luaL_error(m->L, "invalid pattern capture");
}

/* Behind the single-character class at p. */
static const char *class_end(struct matcher *m, const char *p)
{
    char c = *p++;
    if (c == '%') {
        if (p == m->end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    if (c != '[')
        return p;
    if (p < m->end && *p == '^')
        p++;
    do { /* the first ] is a member */
        if (p == m->end)
            luaL_error(m->L, "malformed pattern (missing ']')");
        if (*p++ == '%' && p < m->end)
            p++;
    } while (p == m->end || *p != ']');
    return p + 1;
}

static bool in_class(int c, int class)
{
    bool in;
    switch (tolower(class)) {
    case 'a':
        in = isalpha(c);
        break;
    case 'c':
        in = iscntrl(c);
        break;
    case 'd':
        in = isdigit(c);
        break;
    case 'l':
        in = islower(c);
        break;
    case 'p':
        in = ispunct(c);
        break;
    case 's':
        in = isspace(c);
        break;
    case 'u':
        in = isupper(c);
        break;
    case 'w':
        in = isalnum(c);
        break;
    case 'x':
        in = isxdigit(c);
        break;
    case 'z':
        in = c == 0;
        break;
    default:
        return class == c;
    }
    return islower(class) ? in : !in;
}

/* p at the '[', last at the ']'. */
static bool in_set(int c, const char *p, const char *last)
{
    bool found = true;
    if (p[1] == '^') {
        found = false;
        p++;
    }
    while (++p < last) {
        if (*p == '%') {
            p++;
            if (in_class(c, (unsigned char)*p))
                return found;
        } else if (p[1] == '-' && p + 2 < last) {
            p += 2;
            if ((unsigned char)p[-2] <= c && c <= (unsigned char)*p)
                return found;
        } else if ((unsigned char)*p == c) {
            return found;
        }
    }
    return !found;
}

static bool single(struct matcher *m, const char *s, const char *p, const char *end)
{
    int c;
    if (s >= m->to)
        return false;
    lib_work(m->L, (size_t)(end - p));
    c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return in_class(c, (unsigned char)p[1]);
    case '[':
        return in_set(c, p, end - 1);
    default:
        return (unsigned char)*p == c;
    }
}

static const char *match_balance(struct matcher *m, const char *s, const char *p)
{
    if (m->end - p < 2)
        luaL_error(m->L, "unbalanced pattern");
    if (s >= m->to || *s != *p)
        return NULL;
    char open = *p, close = p[1];
    int nested = 1;
    while (++s < m->to) {
        lib_work(m->L, 1);
        if (*s == close) {
            if (--nested == 0)
                return s + 1;
        } else if (*s == open) {
            nested++;
        }
    }
    return NULL;
}

static const char *match_most(struct matcher *m, const char *s, const char *p, const char *end)
{
    ptrdiff_t i = 0;
    while (single(m, s + i, p, end))
        i++;
    for (; i >= 0; i--) {
        const char *e = match(m, s + i, end + 1);
        if (e)
            return e;
    }
    return NULL;
}

static const char *match_least(struct matcher *m, const char *s, const char *p, const char *end)
{
    for (;; s++) {
        const char *e = match(m, s, end + 1);
        if (e || !single(m, s, p, end))
            return e;
    }
}

static const char *capture_begins(struct matcher *m, const char *s, const char *p, ptrdiff_t what)
{
    if (m->level >= CAPTURES_MAX)
        luaL_error(m->L, "too many captures");
    m->capture[m->level].at = s;
    m->capture[m->level].len = what;
    m->level++;
    const char *e = match(m, s, p);
    if (!e)
        m->level--;
    return e;
}

static const char *capture_ends(struct matcher *m, const char *s, const char *p)
{
    int i = open_capture(m);
    m->capture[i].len = s - m->capture[i].at;
    const char *e = match(m, s, p);
    if (!e)
        m->capture[i].len = OPEN;
    return e;
}

/* A place has no bytes, so nothing is as long as it: 5.1 takes its length for a huge one. */
static const char *match_again(struct matcher *m, const char *s, int c)
{
    int i = check_capture(m, c);
    size_t len = (size_t)m->capture[i].len;
    lib_work(m->L, (size_t)(m->to - s) >= len ? len : 1);
    if ((size_t)(m->to - s) >= len && memcmp(m->capture[i].at, s, len) == 0)
        return s + len;
    return NULL;
}

static bool frontier(struct matcher *m, const char *s, const char *p, const char **end)
{
    if (p >= m->end || *p != '[')
        luaL_error(m->L, "missing '[' after '%%f' in pattern");
    *end = class_end(m, p);
    int before = s == m->from ? 0 : (unsigned char)s[-1];
    return !in_set(before, p, *end - 1) && in_set((unsigned char)*s, p, *end - 1);
}

/* One item and what repeats it. True: go on at *s and *p; false: *e is the result. */
static bool step(struct matcher *m, const char **s, const char **p, const char **e)
{
    const char *end = class_end(m, *p);
    bool hit = single(m, *s, *p, end);
    switch (end < m->end ? *end : 0) {
    case '?':
        if (hit && (*e = match(m, *s + 1, end + 1)))
            return false;
        *p = end + 1;
        return true;
    case '*':
        *e = match_most(m, *s, *p, end);
        return false;
    case '+':
        *e = hit ? match_most(m, *s + 1, *p, end) : NULL;
        return false;
    case '-':
        *e = match_least(m, *s, *p, end);
        return false;
    default:
        *e = NULL;
        *s += 1;
        *p = end;
        return hit;
    }
}

/* The items with % that are no class. True: go on. */
static bool escape(struct matcher *m, const char **s, const char **p, const char **e)
{
    const char *end = NULL;
    char c = (*p)[1];
    *e = NULL;
    if (c == 'b') {
        *s = match_balance(m, *s, *p + 2);
        *p += 4;
        return *s;
    }
    if (c == 'f') {
        bool at = frontier(m, *s, *p + 2, &end);
        *p = end;
        return at;
    }
    *s = match_again(m, *s, c);
    *p += 2;
    return *s;
}

static const char *match_here(struct matcher *m, const char *s, const char *p)
{
    const char *e = NULL;
    for (bool on = true; on;) {
        lib_work(m->L, 1);
        if (p == m->end)
            return s;
        if (*p == '(')
            return p + 1 < m->end && p[1] == ')' ? capture_begins(m, s, p + 2, PLACE)
                                                 : capture_begins(m, s, p + 1, OPEN);
        if (*p == ')')
            return capture_ends(m, s, p + 1);
        if (*p == '$' && p + 1 == m->end)
            return s == m->to ? s : NULL;
        if (*p == '%' && p + 1 < m->end && (p[1] == 'b' || p[1] == 'f' || isdigit((unsigned char)p[1])))
            on = escape(m, &s, &p, &e);
        else
            on = step(m, &s, &p, &e);
    }
    return e;
}

static const char *match(struct matcher *m, const char *s, const char *p)
{
    if (++m->depth > DEPTH_MAX)
        luaL_error(m->L, "pattern too complex");
    const char *e = match_here(m, s, p);
    m->depth--;
    return e;
}

static void push_capture(struct matcher *m, int i, const char *s, const char *e)
{
    if (i >= m->level) {
        if (i != 0)
            luaL_error(m->L, "invalid capture index");
        lua_pushlstring(m->L, s, (size_t)(e - s));
    } else if (m->capture[i].len == OPEN) {
        luaL_error(m->L, "unfinished capture");
    } else if (m->capture[i].len == PLACE) {
        lua_pushnumber(m->L, (double)(m->capture[i].at - m->from + 1));
    } else {
        lua_pushlstring(m->L, m->capture[i].at, (size_t)m->capture[i].len);
    }
}

/* All of them, or the whole match where there are none and it is asked for. */
static int push_captures(struct matcher *m, const char *s, const char *e)
{
    int n = m->level == 0 && s ? 1 : m->level;
    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        push_capture(m, i, s, e);
    return n;
}

/* At the place `at`, with nothing captured yet. */
static const char *match_from(struct matcher *m, const char *at, const char *p)
{
    m->level = 0;
    m->depth = 0;
    return match(m, at, p);
}

static int find_plain(lua_State *L, const char *s, size_t n, size_t at, const char *p, size_t len)
{
    const char *hit = len ? memmem(s + at, n - at, p, len) : s + at;
    if (!hit) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushnumber(L, (double)(hit - s + 1));
    lua_pushnumber(L, (double)(hit - s) + (double)len);
    return 2;
}

static int find(lua_State *L, bool places)
{
    size_t n, len;
    const char *s = luaL_checklstring(L, 1, &n), *p = luaL_checklstring(L, 2, &len);
    lua_Integer at = lib_opt_integer(L, 3, 1);
    at = at < 0 ? at + (lua_Integer)n : at - 1;
    at = at < 0 ? 0 : at > (lua_Integer)n ? (lua_Integer)n : at;
    if (places && (lua_toboolean(L, 4) || !strpbrk(p, SPECIALS)))
        return find_plain(L, s, n, (size_t)at, p, len);
    struct matcher m = {.L = L, .from = s, .to = s + n, .end = p + strlen(p)};
    bool anchored = *p == '^';
    const char *from = s + at, *e;
    do {
        if ((e = match_from(&m, from, p + anchored))) {
            if (!places)
                return push_captures(&m, from, e);
            lua_pushnumber(L, (double)(from - s + 1));
            lua_pushnumber(L, (double)(e - s));
            return push_captures(&m, NULL, NULL) + 2;
        }
    } while (from++ < m.to && !anchored);
    lua_pushnil(L);
    return 1;
}

static int s_find(lua_State *L)
{
    return find(L, true);
}

static int s_match(lua_State *L)
{
    return find(L, false);
}

static int gmatch_step(lua_State *L)
{
    size_t n;
    const char *s = lua_tolstring(L, lua_upvalueindex(1), &n), *p = lua_tostring(L, lua_upvalueindex(2));
    struct matcher m = {.L = L, .from = s, .to = s + n, .end = p + strlen(p)};
    for (size_t at = (size_t)lua_tonumber(L, lua_upvalueindex(3)); at <= n; at++) {
        const char *e = match_from(&m, s + at, p);
        if (!e)
            continue;
        lua_pushnumber(L, (double)(e - s) + (e == s + at));
        lua_replace(L, lua_upvalueindex(3));
        return push_captures(&m, s + at, e);
    }
    return 0;
}

static int s_gmatch(lua_State *L)
{
    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    lua_settop(L, 2);
    lua_pushnumber(L, 0);
    lua_pushcclosure(L, gmatch_step, 3);
    return 1;
}

static void add_text(struct matcher *m, luaL_Buffer *b, const char *s, const char *e)
{
    size_t n;
    const char *text = lua_tolstring(m->L, 3, &n);
    for (size_t i = 0; i < n; i++) {
        if (text[i] != '%') {
            luaL_addchar(b, text[i]);
            continue;
        }
        i++;
        if (!isdigit((unsigned char)text[i])) {
            luaL_addchar(b, text[i]);
        } else if (text[i] == '0') {
            luaL_addlstring(b, s, (size_t)(e - s));
        } else {
            push_capture(m, text[i] - '1', s, e);
            luaL_addvalue(b);
        }
    }
}

/* What stands for s to e. */
static void add_replacement(struct matcher *m, luaL_Buffer *b, const char *s, const char *e)
{
    lua_State *L = m->L;
    int type = lua_type(L, 3);
    if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        add_text(m, b, s, e);
        return;
    }
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, s, e), 1);
    } else {
        push_capture(m, 0, s, e);
        lua_gettable(L, 3);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        lua_pushlstring(L, s, (size_t)(e - s));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(b);
}

static int s_gsub(lua_State *L)
{
    size_t n;
    const char *s = luaL_checklstring(L, 1, &n), *p = luaL_checkstring(L, 2);
    int type = lua_type(L, 3), most = lib_opt_int(L, 4, (int)(n + 1)), done = 0;
    bool anchored = *p == '^';
    struct matcher m = {.L = L, .from = s, .to = s + n, .end = p + strlen(p)};
    luaL_Buffer b;
    luaL_argcheck(L,
                  type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE,
                  3, "string/function/table expected");
    lua_tostring(L, 3); /* a number becomes its text, once */
    luaL_buffinit(L, &b);
    while (done < most) {
        const char *e = match_from(&m, s, p + anchored);
        if (e) {
            done++;
            add_replacement(&m, &b, s, e);
        }
        if (e && e > s)
            s = e;
        else if (s < m.to)
            luaL_addchar(&b, *s++);
        else
            break;
        if (anchored)
            break;
    }
    luaL_addlstring(&b, s, (size_t)(m.to - s));
    luaL_pushresult(&b);
    lua_pushnumber(L, done);
    return 2;
}

void add_patterns(lua_State *L)
{
    static const luaL_Reg functions[] = {{"find", s_find},    {"match", s_match}, {"gmatch", s_gmatch},
                                         {"gfind", s_gmatch}, {"gsub", s_gsub},   {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
