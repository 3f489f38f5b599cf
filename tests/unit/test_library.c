/* tests/unit/test_library.c - libraries packed into one value: walking, finding, merging, and what is shared of them. */
#include "shm/library.h"
#include "shm/repair.h"
#include "shm/scripting.h"

#include <stdio.h>
#include <stdlib.h>

static struct shm_ctx ctx;

static struct bytes str(const char *s)
{
    return (struct bytes){s, strlen(s)};
}

static struct bytes packed(const struct library_pack *p)
{
    return (struct bytes){p->p, p->n};
}

/* "name f1 f2 ...": a library whose code is its name. */
static void add(struct library_pack *to, const char *words)
{
    char text[256];
    struct library_pack functions = {0};
    struct library lib = {0};
    snprintf(text, sizeof(text), "%s", words);
    lib.name = lib.code = str(strtok(text, " "));
    for (char *w; (w = strtok(NULL, " ")); lib.nfunctions++) {
        struct library_function f = {.name = str(w), .flags = lib.nfunctions};
        f.described = lib.nfunctions & 1;
        f.brief = f.described ? str("what it does") : str("");
        library_pack_function(&functions, &f);
    }
    lib.functions = packed(&functions);
    library_pack(to, &lib);
    free(functions.p);
}

/* The names of libraries and functions, as add takes them, with "; " between libraries. */
static const char *told(struct bytes all)
{
    static char text[512];
    struct library lib;
    struct library_function f;
    size_t n = 0;
    text[0] = '\0';
    while (library_next(&all, &lib)) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.*s", n ? "; " : "", (int)lib.name.n,
                              lib.name.p);
        CHECK(bytes_equal(lib.name, lib.code));
        uint32_t i = 0;
        for (struct bytes rest = lib.functions; library_function_next(&rest, &f); i++) {
            n += (size_t)snprintf(text + n, sizeof(text) - n, " %.*s", (int)f.name.n, f.name.p);
            CHECK(f.flags == i && f.described == (i & 1));
            CHECK(bytes_equal(f.brief, str(i & 1 ? "what it does" : "")));
        }
        CHECK(i == lib.nfunctions);
    }
    return text;
}

static void walking(void)
{
    struct library_pack p = {0};
    struct library lib;
    struct library_function f;
    CHECK(!strcmp(told(packed(&p)), ""));
    add(&p, "one a b c");
    add(&p, "two d");
    add(&p, "none");
    CHECKF(!strcmp(told(packed(&p)), "one a b c; two d; none"), "%s", told(packed(&p)));
    CHECK(library_find(packed(&p), str("two"), &lib) && lib.nfunctions == 1);
    CHECK(!library_find(packed(&p), str("Two"), &lib) && !library_find(packed(&p), str("tw"), &lib));
    CHECK(library_find_function(packed(&p), str("D"), &lib, &f) && bytes_equal(lib.name, str("two")));
    CHECK(!library_find_function(packed(&p), str("e"), &lib, &f));
    free(p.p);
}

static void merged(const char *what, const struct library_change *change, enum rc wanted, const char *result)
{
    struct library_pack all = {0}, to = {0};
    struct library_clash clash = {0};
    add(&all, "one a b c");
    add(&all, "two d");
    enum rc rc = library_merge(&to, packed(&all), change, 7, &clash);
    CHECKF(rc == wanted, "%s: %d", what, rc);
    if (rc == RC_EXISTS)
        CHECKF(bytes_equal(clash.name, str(result + 2)) && clash.function == (result[0] == 'f'), "%s: %.*s",
               what, (int)clash.name.n, clash.name.p);
    else if (!rc)
        CHECKF(!strcmp(told(packed(&to)), result), "%s: %s", what, told(packed(&to)));
    free(all.p);
    free(to.p);
}

static void merging(void)
{
    struct library_pack x = {0}, y = {0}, z = {0};
    add(&x, "three e f");
    add(&y, "two A2 e");
    add(&z, "three B");
#define CHANGE(...) &(struct library_change){__VA_ARGS__}
    merged("append", CHANGE(.fresh = packed(&x)), RC_OK, "one a b c; two d; three e f");
    merged("library clashes", CHANGE(.fresh = packed(&y)), RC_EXISTS, "l two");
    merged("replace", CHANGE(.fresh = packed(&y), .policy = LIBRARY_REPLACE), RC_OK, "one a b c; two A2 e");
    merged("function clashes", CHANGE(.fresh = packed(&z), .policy = LIBRARY_REPLACE), RC_EXISTS, "f B");
    merged("flush", CHANGE(.fresh = packed(&z), .policy = LIBRARY_FLUSH), RC_OK, "three B");
    merged("flush to nothing", CHANGE(.policy = LIBRARY_FLUSH), RC_OK, "");
    merged("drop", CHANGE(.drop = str("one")), RC_OK, "two d");
    merged("drop what is not there", CHANGE(.drop = str("ONE")), RC_MISSING, "");
    library_pack(&x, &(struct library){.name = str("four"), .code = str("four"), .functions = {NULL, 0}});
    merged("two at once", CHANGE(.fresh = packed(&x)), RC_OK, "one a b c; two d; three e f; four");
    free(x.p);
    free(y.p);
    free(z.p);
}

static void names(void)
{
    CHECK(library_name_is_valid(str("aZ_09")) && !library_name_is_valid(str("")) &&
          !library_name_is_valid(str("a-b")));
    CHECK(!library_name_is_valid(BYTES_LIT("a\0b")) && !library_name_is_valid(str("\xe4")));
    CHECK(!library_name_is_valid(str("a@")) && !library_name_is_valid(str("[")) &&
          !library_name_is_valid(str("`")));
}

/* Another process than the one that changes them. */
static void seen(const char *result)
{
    static struct library_copy copy;
    CHECK(!libraries_read(&ctx, &copy) && copy.epoch == libraries_epoch(ctx.root));
    CHECKF(!strcmp(told(copy.all), result), "%s", told(copy.all));
}

static enum rc changed(const struct library_change *change)
{
    static struct library_pack to;
    struct library_clash clash;
    uint64_t epoch = libraries_epoch(ctx.root);
    enum rc rc = libraries_change(&ctx, NULL, change, NULL, 0, &to, &clash);
    CHECK(rc ? libraries_epoch(ctx.root) == epoch : libraries_epoch(ctx.root) > epoch);
    return rc;
}

static void shared(void)
{
    struct library_pack x = {0};
    char why[200];
    seen("");
    CHECK(changed(CHANGE(.drop = str("x"))) == RC_MISSING);
    add(&x, "x f");
    CHECK(!changed(CHANGE(.fresh = packed(&x))));
    seen("x f");
    CHECK(changed(CHANGE(.fresh = packed(&x))) == RC_EXISTS);
    x.n = 0;
    add(&x, "y g");
    CHECK(!changed(CHANGE(.fresh = packed(&x))));
    seen("x f; y g");
    CHECK(!changed(CHANGE(.drop = str("x"))));
    seen("y g");
    CHECK(!changed(CHANGE(.policy = LIBRARY_FLUSH)));
    seen("");
    free(x.p);
    CHECKF(!arena_check(why, sizeof(why)), "%s", why);
}

/* A value of many pages. */
static void large(void)
{
    static char code[300000];
    struct library_copy copy = {0};
    struct library_pack x = {0};
    struct library lib = {.name = str("large"), .code = {code, sizeof(code)}, .functions = {"", 0}};
    memset(code, 'x', sizeof(code));
    library_pack(&x, &lib);
    CHECK(!changed(CHANGE(.fresh = packed(&x))));
    CHECK(!libraries_read(&ctx, &copy) && library_find(copy.all, str("large"), &lib));
    CHECK(bytes_equal(lib.code, (struct bytes){code, sizeof(code)}) && lib.born == libraries_epoch(ctx.root));
    CHECK(!changed(CHANGE(.policy = LIBRARY_FLUSH)));
    free(x.p);
    free(copy.p);
}

int main(void)
{
    struct arena_sizes sizes = {.arena_bytes = 64ull << 20, .nslots = 3, .ndbs = 1, .nsessions = 4};
    int fd;
    walking();
    merging();
    names();
    CHECK(!arena_create(&sizes, &fd));
    slot_adopt(&ctx, 1, ROLE_WORKER, 0);
    CHECK(batch_enter(&ctx));
    shared();
    large();
    return 0;
}
