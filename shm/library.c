/* A packed value, whose numbers stand at any address:
 *
 *   library:   born 8 | all its bytes 4 | functions 4 | name 4 | packed functions 4 | code 4 | name, functions, code
 *   function:  flags 4 | name 4 | brief + 1, 0 for none 4 | name, brief
 *
 * The value never leaves the arena, so it has no version. */
#include "shm/library.h"
#include "shm/scripting.h"
#include "shm/types/string.h"
#include "shm/wal.h"

#include <stdlib.h>

#define LIBRARY_HEAD  28u
#define FUNCTION_HEAD 12u
#define READ_TRIES    1000u /* some 20 us, if the latch is held throughout */

static uint32_t get32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

/* ---- reading what is packed ---- */

bool library_next(struct bytes *rest, struct library *out)
{
    if (!rest->n)
        return false;
    const char *p = rest->p;
    uint32_t bytes = get32(p + 8), name = get32(p + 16), functions = get32(p + 20), code = get32(p + 24);
    memcpy(&out->born, p, 8);
    out->nfunctions = get32(p + 12);
    p += LIBRARY_HEAD;
    out->name = (struct bytes){p, name};
    out->functions = (struct bytes){p + name, functions};
    out->code = (struct bytes){p + name + functions, code};
    *rest = (struct bytes){rest->p + bytes, rest->n - bytes};
    return true;
}

bool library_function_next(struct bytes *rest, struct library_function *out)
{
    if (!rest->n)
        return false;
    const char *p = rest->p;
    uint32_t name = get32(p + 4), brief = get32(p + 8);
    out->flags = get32(p);
    out->described = brief;
    out->name = (struct bytes){p + FUNCTION_HEAD, name};
    out->brief = (struct bytes){p + FUNCTION_HEAD + name, brief ? brief - 1 : 0};
    size_t bytes = FUNCTION_HEAD + name + out->brief.n;
    *rest = (struct bytes){p + bytes, rest->n - bytes};
    return true;
}

bool library_find(struct bytes all, struct bytes name, struct library *out)
{
    while (library_next(&all, out))
        if (bytes_equal(out->name, name))
            return true;
    return false;
}

static bool same_name(struct bytes a, struct bytes b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        unsigned char x = (unsigned char)a.p[i], y = (unsigned char)b.p[i];
        x += (unsigned)(x - 'A') < 26 ? 32 : 0;
        y += (unsigned)(y - 'A') < 26 ? 32 : 0;
        if (x != y)
            return false;
    }
    return true;
}

bool library_find_function(struct bytes all, struct bytes name, struct library *lib,
                           struct library_function *out)
{
    while (library_next(&all, lib))
        for (struct bytes rest = lib->functions; library_function_next(&rest, out);)
            if (same_name(out->name, name))
                return true;
    return false;
}

bool library_name_is_valid(struct bytes name)
{
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (!((unsigned)(c - '0') < 10 || (unsigned)((c | 32) - 'a') < 26 || c == '_'))
            return false;
    }
    return name.n;
}

/* ---- packing ---- */

static char *room(struct library_pack *to, size_t n)
{
    if (to->n + n > to->cap) {
        to->cap = 2 * to->cap + n;
        to->p = realloc(to->p, to->cap);
        CHECK(to->p);
    }
    char *at = to->p + to->n;
    to->n += n;
    return at;
}

static char *put32(char *p, size_t v)
{
    uint32_t v32 = (uint32_t)v;
    CHECK(v == v32);
    memcpy(p, &v32, 4);
    return p + 4;
}

static char *put_bytes(char *p, struct bytes b)
{
    bytes_copy(p, b.p, b.n);
    return p + b.n;
}

void library_pack(struct library_pack *to, const struct library *lib)
{
    size_t bytes = LIBRARY_HEAD + lib->name.n + lib->functions.n + lib->code.n;
    char *p = room(to, bytes);
    memcpy(p, &lib->born, 8);
    p = put32(p + 8, bytes);
    p = put32(p, lib->nfunctions);
    p = put32(p, lib->name.n);
    p = put32(p, lib->functions.n);
    p = put32(p, lib->code.n);
    put_bytes(put_bytes(put_bytes(p, lib->name), lib->functions), lib->code);
}

void library_pack_function(struct library_pack *to, const struct library_function *f)
{
    char *p = room(to, FUNCTION_HEAD + f->name.n + f->brief.n);
    p = put32(p, f->flags);
    p = put32(p, f->name.n);
    p = put32(p, f->described ? f->brief.n + 1 : 0);
    put_bytes(put_bytes(p, f->name), f->brief);
}

/* ---- changes ---- */

static void pack_born(struct library_pack *to, struct library lib, uint64_t born)
{
    lib.born = born;
    library_pack(to, &lib);
}

static int by_name(const void *a, const void *b)
{
    const struct bytes *x = a, *y = b;
    int c = strncasecmp(x->p, y->p, x->n < y->n ? x->n : y->n);
    if (c || x->n != y->n)
        return c ? c : x->n < y->n ? -1 : 1;
    return x->p < y->p ? -1 : x->p > y->p; /* what came later stands later */
}

/* Names are checked before they get here, and hold no zero byte. */
static enum rc functions_differ(struct bytes all, struct library_clash *clash)
{
    struct library lib;
    struct library_function f;
    size_t n = 0, i = 0;
    for (struct bytes rest = all; library_next(&rest, &lib);)
        n += lib.nfunctions;
    struct bytes *name = malloc((n + 1) * sizeof(*name));
    CHECK(name);
    for (struct bytes rest = all; library_next(&rest, &lib);)
        for (struct bytes more = lib.functions; library_function_next(&more, &f); i++)
            name[i] = f.name;
    CHECK(i == n);
    qsort(name, n, sizeof(*name), by_name);
    enum rc rc = RC_OK;
    for (i = 1; i < n && !rc; i++)
        if (same_name(name[i - 1], name[i])) {
            *clash = (struct library_clash){.function = true, .name = name[i]};
            rc = RC_EXISTS;
        }
    free(name);
    return rc;
}

/* Which of those that there are stay. */
static enum rc pack_old(struct library_pack *to, struct bytes all, const struct library_change *change,
                        struct library_clash *clash)
{
    struct library lib, other;
    bool dropped = !change->drop.p;
    while (change->policy != LIBRARY_FLUSH && library_next(&all, &lib)) {
        if (change->drop.p && bytes_equal(lib.name, change->drop)) {
            dropped = true;
        } else if (!library_find(change->fresh, lib.name, &other)) {
            library_pack(to, &lib);
        } else if (change->policy == LIBRARY_APPEND) {
            *clash = (struct library_clash){.name = other.name};
            return RC_EXISTS;
        }
    }
    return dropped ? RC_OK : RC_MISSING;
}

enum rc library_merge(struct library_pack *to, struct bytes all, const struct library_change *change,
                      uint64_t born, struct library_clash *clash)
{
    struct library lib;
    to->n = 0;
    enum rc rc = pack_old(to, all, change, clash);
    for (struct bytes rest = change->fresh; !rc && library_next(&rest, &lib);)
        pack_born(to, lib, born);
    return rc || !change->fresh.n ? rc : functions_differ((struct bytes){to->p, to->n}, clash);
}

/* ---- what is shared ---- */

static struct key_ref the_key(const struct shm_root *root)
{
    struct key_ref k = {.key = BYTES_LIT("libraries"), .db = functions_db(root)};
    k.hash = key_hash(root, k.key);
    k.table = db_table(root, k.db);
    return k;
}

static struct bytes value_of(const struct key_ref *k)
{
    return k->entry ? entry_bytes(key_entry(k)) : (struct bytes){"", 0};
}

/* In its own transaction the bucket is latched. Behind the closed gate it need not be, and what the transaction has
 * done before stands in memory (tx_expose). */
static enum rc open_value(struct tx *tx, struct key_ref *k, bool alone)
{
    *k = the_key(tx->ctx->root);
    enum rc rc = k->table || !alone ? RC_OK : db_make_in(tx, k->db, &k->table);
    if (rc)
        return rc;
    key_locate(k);
    if (!alone)
        return key_latch(tx, k);
    key_find(k);
    return RC_OK;
}

static enum rc put_value(struct tx *tx, struct key_ref *k, struct bytes all, uint64_t number)
{
    enum rc rc = RC_OK;
    if (all.n)
        rc = string_set_bytes(tx, k, all, -1, 0);
    else if (k->entry)
        rc = key_del(tx, k, false);
    tx_effect_key(tx, k->hash);
    /* After the value: who sees the new epoch finds what it tells of. */
    return rc ? rc : tx_set_word(tx, &scripting(tx->ctx->root)->functions_epoch, number, 0);
}

static enum rc change_in(struct tx *tx, bool alone, const struct library_change *change,
                         struct library_pack *to, struct library_clash *clash)
{
    struct key_ref k;
    /* A number of its own, since a process may keep what it has seen of a change that is taken back (EXEC). */
    uint64_t number = __atomic_add_fetch(&scripting(tx->ctx->root)->functions_drawn, 1, __ATOMIC_RELAXED);
    enum rc rc = open_value(tx, &k, alone);
    if (!rc)
        rc = library_merge(to, value_of(&k), change, number, clash);
    if (!rc)
        rc = put_value(tx, &k, (struct bytes){to->p, to->n}, number);
    return rc || !alone ? rc : tx_expose(tx);
}

enum rc libraries_change(struct shm_ctx *ctx, struct tx *tx, const struct library_change *change,
                         const struct bytes *effect, unsigned argc, struct library_pack *to,
                         struct library_clash *clash)
{
    struct tx own;
    struct shm_table *t = db_table(ctx->root, functions_db(ctx->root));
    bool alone = tx;
    enum rc rc = t || alone ? RC_OK : db_table_make(ctx, functions_db(ctx->root), &t);
    if (rc)
        return rc;
    if (!alone)
        tx_begin(tx = &own, ctx);
    rc = change_in(tx, alone, change, to, clash);
    if (!rc && argc)
        rc = tx_effect(tx, 0, effect, argc);
    if (!alone && rc)
        tx_abort(tx);
    else if (!alone)
        tx_commit(tx);
    return rc;
}

uint64_t libraries_epoch(const struct shm_root *root)
{
    return __atomic_load_n(&scripting(root)->functions_epoch, __ATOMIC_ACQUIRE);
}

/* ---- reading without a latch ---- */

static void copy_room(struct library_copy *copy, size_t n)
{
    if (n <= copy->cap)
        return;
    free(copy->p);
    copy->cap = n;
    copy->p = malloc(n);
    CHECK(copy->p);
}

static enum rc read_once(struct key_ref *k, struct library_copy *copy)
{
    struct read_view view = {.value = {"", 0}};
    uint32_t version;
    enum rc rc = key_read_begin(k, &version);
    if (rc == RC_MISSING)
        key_locate(k);
    if (!rc && k->entry)
        rc = key_read_view(k, version, &view);
    if (rc)
        return rc;
    copy_room(copy, view.value.n);
    bytes_copy(copy->p, view.value.p, view.value.n);
    copy->all = (struct bytes){copy->p, view.value.n};
    return key_read_valid(k, version) ? RC_OK : RC_BUSY;
}

enum rc libraries_read(struct shm_ctx *ctx, struct library_copy *copy)
{
    copy->epoch = libraries_epoch(ctx->root); /* first: what is copied then is at least as new */
    copy->all = (struct bytes){"", 0};
    struct key_ref k = the_key(ctx->root);
    if (!k.table)
        return RC_OK;
    key_locate(&k);
    enum rc rc = RC_BUSY;
    for (unsigned i = 0; rc && i < READ_TRIES; i++) {
        rc = read_once(&k, copy);
        if (rc)
            cpu_relax();
    }
    return rc ? RC_BUSY : RC_OK;
}
