#include "shm/types/set.h"
#include "shm/base/number.h"

static const struct bytes nothing = {NULL, 0};

static bool is_integer(struct bytes b)
{
    int64_t v;
    return b.n < NUMBER_INT_MAX && number_to_int64(b, &v);
}

/* An encoding that a set of so many members would leave at once is not begun with. */
enum rc set_open(struct dict *d, struct tx *tx, struct key_ref *k, uint32_t clock, const struct set_limits *l,
                 struct bytes first, uint64_t more)
{
    unsigned enc = !k->entry && is_integer(first) && more <= l->intset ? ENC_INTSET : ENC_LISTPACK;
    dict_open(d, tx, k, &(struct coll_shape){.type = TYPE_SET, .enc = enc, .clock = clock});
    enc = d->shape.enc;
    bool many = (enc == ENC_INTSET && more > l->intset) || (enc == ENC_LISTPACK && more > l->entries);
    return many ? dict_convert(d, ENC_HASHTABLE) : RC_OK;
}

/* May an intset become a listpack with this member? */
static bool listpack_fits(const struct dict *d, const struct set_limits *l, struct bytes member)
{
    struct dict_walk w;
    struct hmap_item it;
    bool fits = member.n <= l->value && dict_count(d) < l->entries;
    if (!fits)
        return false;
    for (dict_walk(d, &w); fits && dict_next(&w, &it);)
        fits = it.key.n <= l->value;
    dict_walk_end(&w);
    return fits;
}

/* The encoding that a set needs which gets another member. */
static unsigned enc_with(const struct dict *d, const struct set_limits *l, struct bytes member)
{
    unsigned enc = d->shape.enc;
    if (enc == ENC_INTSET && is_integer(member))
        return dict_count(d) < l->intset ? ENC_INTSET : ENC_HASHTABLE;
    if (enc == ENC_INTSET)
        return listpack_fits(d, l, member) ? ENC_LISTPACK : ENC_HASHTABLE;
    if (enc == ENC_LISTPACK && (member.n > l->value || dict_count(d) >= l->entries))
        return ENC_HASHTABLE;
    return enc;
}

enum rc set_add(struct dict *d, const struct set_limits *l, struct bytes member, bool *added)
{
    struct dict_place at;
    *added = !dict_find(d, member, &at);
    if (!*added)
        return RC_OK;
    unsigned enc = enc_with(d, l, member);
    if (enc != d->shape.enc) {
        enum rc rc = dict_convert(d, enc);
        if (rc)
            return rc;
        dict_find(d, member, &at);
    }
    return dict_put(d, &at, member, nothing);
}

enum rc set_del(struct dict *d, struct bytes member, bool *removed)
{
    struct dict_place at;
    *removed = dict_find(d, member, &at);
    return *removed ? dict_del(d, &at) : RC_OK;
}

static void tell_member(const void *arg, uint64_t i, struct hmap_item *item)
{
    const struct bytes *v = arg;
    *item = (struct hmap_item){.key = v[i], .value = nothing};
}

unsigned set_enc(const struct set_limits *l, hmap_tell *tell, const void *arg, uint64_t n, uint64_t told)
{
    uint64_t integers = 0; /* before any other */
    size_t longest = 0;
    if (n > l->intset && n > l->entries) /* whatever they are */
        return ENC_HASHTABLE;
    for (uint64_t i = 0; i < n; i++) {
        struct hmap_item it;
        tell(arg, i, &it);
        integers += integers == i && told <= l->intset && is_integer(it.key);
        longest = it.key.n > longest ? it.key.n : longest;
    }
    if (integers > l->intset)
        return ENC_HASHTABLE;
    if (integers == n)
        return ENC_INTSET;
    return n > l->entries || longest > l->value ? ENC_HASHTABLE : ENC_LISTPACK;
}

enum rc set_store(struct tx *tx, struct key_ref *k, uint32_t clock, const struct set_limits *l,
                  const struct bytes *v, uint64_t n)
{
    struct coll_shape shape = {.type = TYPE_SET, .enc = set_enc(l, tell_member, v, n, 1), .clock = clock};
    return dict_build(tx, k, &shape, tell_member, v, n);
}
