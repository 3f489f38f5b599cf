/* Configurations, mutated: nothing may crash; what loads must be writable, and load again as the same.
 * fuzz_config [--seconds N] [--seed S]; the same seed gives the same inputs. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "master/conf_file.h"
#include "shm/base/words.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX 4096

/* The input under test, for the handler of a crash. */
static struct {
    char text[INPUT_MAX];
    size_t n;
    char name[64];
} now;

static const char *const values[] = {
    "yes",
    "no",
    "0",
    "1",
    "-1",
    "10",
    "512mb",
    "5%",
    "18446744073709551615",
    "\"\"",
    "''",
    "\"a\\x00b\"",
    "'a\\'b'",
    "notice",
    "always",
    "allkeys-lru",
    "no one",
    "3600 1",
    "\"1 2 3 4\"",
    "normal 0 0 0",
    "replica 1gb 1kb 60",
    "KEA",
    "127.0.0.1 -::1",
    "50 99.9",
    "save now",
    "777",
    "\"unbalanced",
    "\"\\x7f\\n\\\\\"",
    "9223372036854775808",
    "x.y",
    "/tmp",
    ".",
    "no",
    "local",
    "{port}",
};

static void add(const char *s)
{
    size_t n = strlen(s);
    if (now.n + n > INPUT_MAX)
        n = INPUT_MAX - now.n;
    memcpy(now.text + now.n, s, n);
    now.n += n;
}

static void build(void)
{
    now.n = 0;
    for (uint64_t lines = chance(chance(4) ? 4 : 12); lines > 0; lines--) {
        int id = (int)chance(CONFIG_COUNT);
        add(config_alias(id) && chance(2) ? config_alias(id) : config_name(id));
        for (uint64_t words = 1 + chance(8) / 6; words > 0; words--) {
            add(" ");
            add(values[chance(ARRAY_LEN(values))]);
        }
        add(chance(20) ? "\n" : "\r\n#x\n\n");
    }
    for (uint64_t hits = chance(3) ? 0 : chance(8); hits > 0 && now.n > 0; hits--) {
        size_t at = chance(now.n), len = chance(now.n - at);
        switch (chance(3)) {
        case 0:
            now.text[at] = (char)chance(256);
            break;
        case 1:
            now.text[at] = "\"' \\x\n#"[chance(7)];
            break;
        default:
            memmove(now.text + at, now.text + at + len, now.n - at - len);
            now.n -= len;
        }
    }
}

/* Other files must not be read: what they hold would be part of the input. */
static bool includes(void)
{
    for (size_t i = 0; i + 7 <= now.n; i++)
        if (strncasecmp(now.text + i, "include", 7) == 0)
            return true;
    return false;
}

static void values_fit(const struct shm_config *cfg)
{
    for (int id = 0; id < CONFIG_COUNT; id++) {
        char value[CONFIG_VALUE_MAX];
        CHECKF(config_get(cfg, id, value, sizeof(value)) < sizeof(value), "%s", config_name(id));
    }
}

static void comes_back(const struct shm_config *cfg, const char *path)
{
    static struct shm_config again;
    struct conf_request req = {.start_dir = "/"};
    struct conf_report report;
    struct config_changes changed;
    char err[CONFIG_ERR_MAX];
    CHECKF(conf_rewrite(path, cfg, err, sizeof(err)) == RC_OK, "%s", err);
    snprintf(req.path, sizeof(req.path), "%s", path);
    CHECKF(conf_load(&req, &again, &report) == RC_OK, "%s", report.error);
    conf_report_free(&report);
    config_compare(cfg, &again, &changed);
    for (int id = 0; id < CONFIG_COUNT; id++)
        CHECKF(!config_changed(&changed, id), "%s", config_name(id));
}

static void words_come_back(void)
{
    char quoted[4 * INPUT_MAX + 3];
    struct words w;
    CHECK(words_quote((struct bytes){now.text, now.n}, quoted, sizeof(quoted)) > 0);
    CHECK(words_split((struct bytes){quoted, strlen(quoted)}, &w) == RC_OK && w.n == 1);
    CHECK(bytes_equal(w.v[0], (struct bytes){now.text, now.n}));
    words_free(&w);
}

/* CONFIG SET with the same words: all or nothing. */
static void set_some(struct shm_config *cfg)
{
    static struct shm_config before;
    struct config_pair pairs[4];
    struct config_changes changed;
    char err[CONFIG_ERR_MAX];
    int n = 1 + (int)chance(4);
    for (int i = 0; i < n; i++) {
        const char *name = config_name((int)chance(CONFIG_COUNT)), *value = values[chance(ARRAY_LEN(values))];
        pairs[i] = (struct config_pair){{name, strlen(name)}, {value, strlen(value)}};
    }
    before = *cfg;
    if (config_set_many(cfg, pairs, n, true, &changed, err, sizeof(err)) != RC_OK)
        CHECK(memcmp(&before, cfg, sizeof(before)) == 0 && strncmp(err, "ERR ", 4) == 0);
    else
        CHECK(cfg->generation == before.generation + 1);
    values_fit(cfg);
}

static void on_crash(int sig)
{
    FILE *f = fopen(now.name, "w"); /* not safe in a handler, and the best that a dying fuzzer can do */
    if (f) {
        fwrite(now.text, 1, now.n, f);
        fclose(f);
        printf("the input is in %s\n", now.name);
        fflush(stdout);
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

static void one(const char *path)
{
    static struct shm_config cfg;
    struct conf_request req = {.start_dir = "/", .input = now.text, .input_len = now.n};
    struct conf_report report;
    enum rc rc = conf_load(&req, &cfg, &report);
    CHECK((rc == RC_OK) == (report.error == NULL));
    conf_report_free(&report);
    values_fit(&cfg);
    words_come_back();
    if (rc == RC_OK && chance(8) == 0) {
        set_some(&cfg);
        unlink(path);
        comes_back(&cfg, path);
    }
}

int main(int argc, char **argv)
{
    char path[] = "/tmp/fuzz_config.XXXXXX";
    fuzz_begin(argc, argv, "fuzz_config");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    signal(SIGSEGV, on_crash);
    signal(SIGABRT, on_crash);
    signal(SIGBUS, on_crash);
    for (uint64_t turn = 0; fuzz_goes_on(turn); turn++) {
        snprintf(now.name, sizeof(now.name), "fuzz_config-%llu-%llu.input", (unsigned long long)fuzz.seed,
                 (unsigned long long)turn);
        build();
        if (!includes())
            one(path);
    }
    unlink(path);
    return 0;
}
