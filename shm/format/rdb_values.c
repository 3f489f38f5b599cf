/* What a collection's types of value have in common: elements in a row, each of some strings, or one blob of them, or (a
 * quicklist) a row of blobs. */
#include "shm/format/rdb_values.h"
#include "shm/base/number.h"
#include "shm/entry.h"
#include "shm/format/rdb_parts.h"
#include "shm/types/node.h"

#include <math.h>
#include <stdlib.h>

struct rdb_shape {
    int type; /* of value */
    enum { NONE, ROW, BLOB, BLOBS, BLOBS_2 } how;
    enum rdb_packed_form form; /* of blobs */
};

static const struct rdb_shape shapes[RDB_TYPE_LIMIT] = {
    [RDB_LIST] = {TYPE_LIST, ROW, 0},
    [RDB_SET] = {TYPE_SET, ROW, 0},
    [RDB_ZSET] = {TYPE_ZSET, ROW, 0},
    [RDB_ZSET_2] = {TYPE_ZSET, ROW, 0},
    [RDB_HASH] = {TYPE_HASH, ROW, 0},
    [RDB_HASH_ZIPMAP] = {TYPE_HASH, BLOB, PACKED_ZIPMAP},
    [RDB_LIST_ZIPLIST] = {TYPE_LIST, BLOB, PACKED_ZIPLIST},
    [RDB_SET_INTSET] = {TYPE_SET, BLOB, PACKED_INTSET},
    [RDB_ZSET_ZIPLIST] = {TYPE_ZSET, BLOB, PACKED_ZIPLIST},
    [RDB_HASH_ZIPLIST] = {TYPE_HASH, BLOB, PACKED_ZIPLIST},
    [RDB_LIST_QUICKLIST] = {TYPE_LIST, BLOBS, PACKED_ZIPLIST},
    [RDB_LIST_QUICKLIST_2] = {TYPE_LIST, BLOBS_2, PACKED_LISTPACK},
    [RDB_HASH_LISTPACK] = {TYPE_HASH, BLOB, PACKED_LISTPACK},
    [RDB_ZSET_LISTPACK] = {TYPE_ZSET, BLOB, PACKED_LISTPACK},
    [RDB_HASH_EXPIRING_RC] = {TYPE_HASH, ROW, 0},
    [RDB_HASH_LISTPACK_EXPIRING_RC] = {TYPE_HASH, BLOB, PACKED_LISTPACK},
    [RDB_HASH_EXPIRING] = {TYPE_HASH, ROW, 0},
    [RDB_HASH_LISTPACK_EXPIRING] = {TYPE_HASH, BLOB, PACKED_LISTPACK},
    [RDB_SET_LISTPACK] = {TYPE_SET, BLOB, PACKED_LISTPACK},
};

#define NODE_PLAIN  1u /* containers of a quicklist's node: one item as it is, or a listpack of them */
#define NODE_PACKED 2u

int rdb_collection_type(enum rdb_type type)
{
    return shapes[type].how == NONE ? -1 : shapes[type].type;
}

/* Fields of a packed hash have their expiry behind their value. */
static bool in_threes(const struct rdb_values *v)
{
    return v->type == RDB_HASH_LISTPACK_EXPIRING || v->type == RDB_HASH_LISTPACK_EXPIRING_RC;
}

uint64_t rdb_values_told(const struct rdb_values *v)
{
    if (v->shape->how == ROW)
        return v->to_come;
    if (v->shape->how != BLOB || v->packed.told == UINT64_MAX)
        return 0;
    bool pairs = v->shape->type == TYPE_HASH || v->shape->type == TYPE_ZSET;
    if (in_threes(v))
        return v->packed.told / 3;
    return pairs ? v->packed.told / 2 : v->packed.told;
}

static enum rc fail_node(struct rdb_values *v)
{
    return rdb_fail(v->in, v->node_at, "a packed %s is damaged", rdb_type_name(v->type));
}

static enum rc open_node(struct rdb_values *v)
{
    struct bytes blob;
    v->node_at = v->in->pos;
    RDB_TRY(rdb_take_text(v->in, &v->in->text, v->digits[0], &blob));
    if (rdb_packed_open(&v->packed, v->shape->form, blob))
        return fail_node(v);
    v->in_node = true;
    return RC_OK;
}

static enum rc fail_until(struct rdb_values *v, size_t at)
{
    return rdb_fail(v->in, at, "the expiry of a hash's field is none");
}

static enum rc take_first(struct rdb_values *v)
{
    const uint8_t *p;
    size_t at = v->in->pos;
    RDB_TRY(rdb_take(v->in, sizeof(v->first_ms), &p));
    memcpy(&v->first_ms, p, sizeof(v->first_ms));
    return v->first_ms < 0 || v->first_ms > UNTIL_MAX ? fail_until(v, at) : RC_OK;
}

/* 0: there is none; else, of a hash that tells the soonest, 1 more than how much later it is. The year 1970 began with a
 * moment that stands for none here, and is over as well one later. */
static enum rc take_until(struct rdb_values *v, int64_t *until_ms)
{
    uint64_t n;
    size_t at = v->in->pos;
    RDB_TRY(rdb_take_length(v->in, &n));
    *until_ms = 0;
    if (!n)
        return RC_OK;
    uint64_t from = v->type == RDB_HASH_EXPIRING ? (uint64_t)v->first_ms - 1 : 0;
    if (n > UNTIL_MAX || n + from > UNTIL_MAX)
        return fail_until(v, at);
    *until_ms = n + from ? (int64_t)(n + from) : 1;
    return RC_OK;
}

enum rc rdb_values_open(struct rdb_values *v, struct rdb_in *in, enum rdb_type type)
{
    *v = (struct rdb_values){.in = in, .type = type, .shape = &shapes[type]};
    if (v->shape->how == NONE)
        return RC_NOTYPE;
    if (type == RDB_HASH_EXPIRING || type == RDB_HASH_LISTPACK_EXPIRING)
        RDB_TRY(take_first(v));
    return v->shape->how == BLOB ? open_node(v) : rdb_take_count(in, &v->to_come);
}

/* Those in the data themselves do, and those in the one blob that holds all. */
bool rdb_values_keep(const struct rdb_values *v, struct bytes s)
{
    const uint8_t *p = (const uint8_t *)s.p;
    if (v->shape->how == BLOB && p >= v->packed.p && p < v->packed.p + v->packed.n)
        return true;
    return rdb_in_has(v->in, s);
}

void rdb_values_close(struct rdb_values *v)
{
    free(v->more.p);
    v->more = (struct rdb_scratch){0};
}

/* ---- scores ---- */

static enum rc fail_score(struct rdb_values *v, size_t at)
{
    return rdb_fail(v->in, at, "a score is no number");
}

static enum rc take_score_text(struct rdb_values *v, double *score)
{
    const uint8_t *p, *text;
    size_t at = v->in->pos;
    RDB_TRY(rdb_take(v->in, 1, &p));
    if (*p >= 254) {
        *score = *p == 254 ? INFINITY : -INFINITY;
        return RC_OK;
    }
    if (*p == 253)
        return fail_score(v, at);
    RDB_TRY(rdb_take(v->in, *p, &text));
    return number_to_double((struct bytes){(const char *)text, *p}, score) ? RC_OK : fail_score(v, at);
}

static enum rc take_score(struct rdb_values *v, double *score)
{
    const uint8_t *p;
    size_t at = v->in->pos;
    RDB_TRY(rdb_take(v->in, 8, &p));
    memcpy(score, p, 8);
    return isnan(*score) ? fail_score(v, at) : RC_OK;
}

/* ---- elements ---- */

static enum rc next_of_row(struct rdb_values *v, struct rdb_element *out)
{
    if (!v->to_come)
        return RC_MISSING;
    v->to_come--;
    if (v->type == RDB_HASH_EXPIRING || v->type == RDB_HASH_EXPIRING_RC)
        RDB_TRY(take_until(v, &out->until_ms));
    RDB_TRY(rdb_take_text(v->in, &v->in->text, v->digits[0], &out->item));
    if (v->shape->type == TYPE_HASH)
        return rdb_take_text(v->in, &v->more, v->digits[1], &out->value);
    if (v->type == RDB_ZSET)
        return take_score_text(v, &out->score);
    return v->type == RDB_ZSET_2 ? take_score(v, &out->score) : RC_OK;
}

static enum rc until_of_blob(struct rdb_values *v, int64_t *until_ms)
{
    char digits[24];
    struct bytes third;
    if (rdb_packed_next(&v->packed, digits, &third))
        return fail_node(v);
    bool fits = number_to_int64(third, until_ms) && *until_ms >= 0 && *until_ms <= UNTIL_MAX;
    return fits ? RC_OK : fail_until(v, v->node_at);
}

/* RC_MISSING: the blob has come to its end. */
static enum rc next_of_blob(struct rdb_values *v, struct rdb_element *out)
{
    struct bytes second;
    enum rc rc = rdb_packed_next(&v->packed, v->digits[0], &out->item);
    if (rc == RC_MISSING)
        return rc;
    if (!rc && v->shape->type >= TYPE_ZSET) {
        bool score = v->shape->type == TYPE_ZSET;
        rc = rdb_packed_next(&v->packed, score ? NULL : v->digits[1], &second);
        if (!score)
            out->value = second;
        else if (v->packed.is_number)
            out->score = (double)v->packed.number;
        else if (!rc && !number_to_double(second, &out->score))
            return fail_score(v, v->node_at);
    }
    if (rc)
        return fail_node(v);
    return in_threes(v) ? until_of_blob(v, &out->until_ms) : RC_OK;
}

/* A plain node is an item; else its items come next. */
static enum rc next_node(struct rdb_values *v, struct rdb_element *out, bool *plain)
{
    uint64_t container = NODE_PACKED;
    size_t at = v->in->pos;
    v->to_come--;
    if (v->shape->how == BLOBS_2)
        RDB_TRY(rdb_take_length(v->in, &container));
    if (container != NODE_PLAIN && container != NODE_PACKED)
        return rdb_fail(v->in, at, "a list's node is of the unknown kind %llu",
                        (unsigned long long)container);
    *plain = container == NODE_PLAIN;
    return *plain ? rdb_take_text(v->in, &v->in->text, v->digits[0], &out->item) : open_node(v);
}

enum rc rdb_values_next(struct rdb_values *v, struct rdb_element *out)
{
    bool plain = false;
    *out = (struct rdb_element){.item = {"", 0}, .value = {"", 0}};
    if (v->shape->how == ROW)
        return next_of_row(v, out);
    for (;;) {
        enum rc rc = v->in_node ? next_of_blob(v, out) : RC_MISSING;
        if (rc != RC_MISSING)
            return rc;
        v->in_node = false;
        if (!v->to_come)
            return RC_MISSING;
        rc = next_node(v, out, &plain);
        if (rc || plain)
            return rc;
    }
}
