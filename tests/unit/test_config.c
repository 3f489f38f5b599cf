/* The configuration. Error texts and values are redis-server's answers to the same CONFIG SET, CONFIG GET,
 * file or command line; what is ours alone (missing features, places) is reasoned. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/conf_file.h"
#include "shm/base/words.h"

static char dir[] = "/tmp/test_config.XXXXXX";

static struct bytes bytes_of(const char *s)
{
    return (struct bytes){s, strlen(s)};
}

/* Answers "OK" or the error, as CONFIG SET would. */
static const char *set(struct shm_config *cfg, const char *name, const char *value)
{
    static char err[CONFIG_ERR_MAX];
    struct config_pair pair = {bytes_of(name), bytes_of(value)};
    struct config_changes changed;
    return config_set_many(cfg, &pair, 1, false, &changed, err, sizeof(err)) == RC_OK ? "OK" : err;
}

static const char *get(const struct shm_config *cfg, const char *name)
{
    static char value[CONFIG_VALUE_MAX];
    int id = config_find(bytes_of(name));
    CHECKF(id >= 0, "%s", name);
    CHECK(config_get(cfg, id, value, sizeof(value)) == strlen(value));
    return value;
}

#define PREFIX "ERR CONFIG SET failed (possibly related to argument '"

static const struct {
    const char *name, *value, *answer, *then;
} sets[] = {
    {"maxmemory", "1kb", "OK", "1024"},
    {"maxmemory", "1K", "OK", "1000"},
    {"maxmemory", "18446744073709551615", "OK", "18446744073709551615"},
    {"maxmemory", "-1", PREFIX "maxmemory') - argument must be a memory value", "18446744073709551615"},
    {"maxmemory", "5%", PREFIX "maxmemory') - argument must be a memory value", "18446744073709551615"},
    {"maxmemory-clients", "5%", "OK", "5%"},
    {"maxmemory-clients", "101%",
     PREFIX "maxmemory-clients') - percentage argument must be less or equal to 100", "5%"},
    {"maxmemory-clients", "x", PREFIX "maxmemory-clients') - argument must be a memory or percent value",
     "5%"},
    {"tcp-keepalive", "-1", PREFIX "tcp-keepalive') - argument must be between 0 and 2147483647 inclusive",
     "300"},
    {"tcp-keepalive", "03", PREFIX "tcp-keepalive') - argument couldn't be parsed into an integer", "300"},
    {"maxclients", "0", PREFIX "maxclients') - argument must be between 1 and 4294967295 inclusive", "10000"},
    {"auto-aof-rewrite-min-size", "9223372036854775808",
     PREFIX "auto-aof-rewrite-min-size') - argument must be between 0 and 9223372036854775807 inclusive",
     "67108864"},
    {"hz", "0", "OK", "1"},
    {"hz", "9999", "OK", "500"},
    {"repl-backlog-size", "1", "OK", "16384"},
    {"activerehashing", "No", "OK", "no"},
    {"activerehashing", "maybe", PREFIX "activerehashing') - argument must be 'yes' or 'no'", "no"},
    {"maxmemory-policy", "ALLKEYS-LRU", "OK", "allkeys-lru"},
    {"appendfsync", "x",
     PREFIX "appendfsync') - argument(s) must be one of the following: everysec, always, no", "everysec"},
    {"oom-score-adj", "relative", "OK", "yes"},
    {"shutdown-on-sigint", "force now save", "OK", "save now force"},
    {"shutdown-on-sigint", "save nosave",
     PREFIX "shutdown-on-sigint') - shutdown options SAVE and NOSAVE can't be used simultaneously",
     "save now force"},
    {"shutdown-on-sigint", "",
     PREFIX
     "shutdown-on-sigint') - argument(s) must be one of the following: default, save, nosave, now, force",
     "save now force"},
    {"save", "3600 1 300 100", "OK", "3600 1 300 100"},
    {"save", "1 2 3", PREFIX "save') - Invalid save parameters", "3600 1 300 100"},
    {"save", "0 1", PREFIX "save') - Invalid save parameters", "3600 1 300 100"},
    {"save", "1 ", "OK", "1 0"},
    {"save", "", "OK", ""},
    {"client-output-buffer-limit", "replica 1mb 2kb 3", "OK",
     "normal 0 0 0 slave 1048576 2048 3 pubsub 33554432 8388608 60"},
    {"client-output-buffer-limit", "normal 1 2",
     PREFIX "client-output-buffer-limit') - Wrong number of arguments in buffer limit configuration.",
     "normal 0 0 0 slave 1048576 2048 3 pubsub 33554432 8388608 60"},
    {"client-output-buffer-limit", "foo 1 2 3",
     PREFIX "client-output-buffer-limit') - Invalid client class specified in buffer limit configuration.",
     "normal 0 0 0 slave 1048576 2048 3 pubsub 33554432 8388608 60"},
    {"client-output-buffer-limit", "NORMAL 1 2 -3",
     PREFIX "client-output-buffer-limit') - Error in hard, soft or soft_seconds setting in buffer limit "
            "configuration.",
     "normal 0 0 0 slave 1048576 2048 3 pubsub 33554432 8388608 60"},
    {"oom-score-adj-values", "1 2", PREFIX "oom-score-adj-values') - wrong number of arguments", "0 200 800"},
    {"oom-score-adj-values", "1 2 3000",
     PREFIX "oom-score-adj-values') - Invalid oom-score-adj-values, elements must be between -2000 and 2000.",
     "0 200 800"},
    {"notify-keyspace-events", "KEA", "OK", "AKE"},
    {"notify-keyspace-events", "mndtexzhsl$gEK", "OK", "AKEm"},
    {"notify-keyspace-events", "mnK", "OK", "nKm"},
    {"notify-keyspace-events", "Q",
     PREFIX "notify-keyspace-events') - Invalid event class character. Use 'Ag$lshzxeKEtmdn'.", "nKm"},
    {"latency-tracking-info-percentiles", "0.1 50 33.333", "OK", "0.1 50 33.333"},
    {"latency-tracking-info-percentiles", "101",
     PREFIX
     "latency-tracking-info-percentiles') - latency-tracking-info-percentiles parameters should sit between "
     "[0.0,100.0]",
     "0.1 50 33.333"},
    {"proc-title-template", "{title} ",
     PREFIX "proc-title-template') - template format is invalid or contains unknown variables",
     "{title} {listen-addr} {server-mode}"},
    {"bind", "127.0.0.1 -::1", "OK", "127.0.0.1 -::1"},
    {"bind", "", "OK", ""},
    {"bind", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17",
     PREFIX "bind') - Too many bind addresses specified.", ""},
    {"daemonize", "yes", PREFIX "daemonize') - can't set immutable config", "no"},
    {"dbfilename", "x", PREFIX "dbfilename') - can't set protected config", "dump.rdb"},
    {"slave-priority", "x", PREFIX "slave-priority') - argument couldn't be parsed into an integer", "100"},
    {"cluster-announce-hostname", "a_b",
     PREFIX
     "cluster-announce-hostname') - Hostnames may only contain alphanumeric characters, hyphens or dots",
     ""},
    {"appendonly", "no", "OK", "no"},
    {"min-replicas-to-write", "1", PREFIX "min-replicas-to-write') - this version has no replication", "0"},
};

static void setting(struct shm_config *cfg)
{
    config_defaults(cfg);
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        const char *answer = set(cfg, sets[i].name, sets[i].value);
        CHECKF(strcmp(answer, sets[i].answer) == 0, "%s '%s': %s", sets[i].name, sets[i].value, answer);
        CHECKF(strcmp(get(cfg, sets[i].name), sets[i].then) == 0, "%s '%s'", sets[i].name, sets[i].value);
    }
    char big[1100];
    memset(big, 'a', sizeof(big));
    big[1023] = '\0';
    CHECK(strcmp(set(cfg, "requirepass", big), "OK") == 0 && strlen(cfg->requirepass) == 1023);
    big[1023] = 'a';
    big[1024] = '\0';
    CHECK(strncmp(set(cfg, "requirepass", big), "ERR", 3) == 0);
}

/* All or none, and the first objection wins. */
static void setting_many(struct shm_config *cfg)
{
    static const struct {
        const char *words[6];
        const char *answer;
    } cases[] = {
        {{"timeout", "5", "tcp-keepalive", "y"},
         PREFIX "tcp-keepalive') - argument couldn't be parsed into an integer"},
        {{"timeout", "1", "TIMEOUT", "2"}, PREFIX "TIMEOUT') - duplicate parameter"},
        {{"foo", "1", "daemonize", "yes"},
         "ERR Unknown option or number of arguments for CONFIG SET - 'foo'"},
        {{"daemonize", "yes", "foo", "1"}, PREFIX "daemonize') - can't set immutable config"},
        {{"TIMEOUT", "X"}, PREFIX "timeout') - argument couldn't be parsed into an integer"},
        {{"lua-time-limit", "1", "busy-reply-threshold", "2", "timeout", "3"}, "OK"},
    };
    config_defaults(cfg);
    struct shm_config before = *cfg;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config_pair pairs[3];
        struct config_changes changed;
        char err[CONFIG_ERR_MAX] = "OK";
        int n = 0;
        for (; n < 3 && cases[i].words[2 * n]; n++)
            pairs[n] =
                (struct config_pair){bytes_of(cases[i].words[2 * n]), bytes_of(cases[i].words[2 * n + 1])};
        enum rc rc = config_set_many(cfg, pairs, n, false, &changed, err, sizeof(err));
        CHECKF(strcmp(err, cases[i].answer) == 0, "%s", err);
        if (rc != RC_OK)
            CHECK(memcmp(&before, cfg, sizeof(before)) == 0);
        else
            CHECK(config_changed(&changed, D_timeout) && config_changed(&changed, D_busy_reply_threshold) &&
                  !config_changed(&changed, D_hz) && cfg->generation == before.generation + 1);
    }
    CHECK(cfg->timeout == 3 && cfg->busy_reply_threshold == 2);
}

static int count(const char *a, const char *b)
{
    static struct config_hit hits[CONFIG_HITS_MAX + 2];
    struct bytes patterns[2] = {bytes_of(a), bytes_of(b ? b : "")};
    return config_select(patterns, b ? 2 : 1, hits);
}

static void selecting(void)
{
    struct config_hit hits[CONFIG_HITS_MAX + 1];
    struct bytes exact = BYTES_LIT("PORT");
    CHECK(config_select(&exact, 1, hits) == 1 && bytes_equal(hits[0].name, exact) && hits[0].id == D_port);
    CHECK(count("nothing", NULL) == 0 && count("por\\t", NULL) == 0 && count("p[o]rt", NULL) == 1);
    CHECK(count("port", "P?RT") == 1);
    CHECK(count("lua-time*", "busy*") == 2);
    CHECK(count("watchdog-per*", NULL) == 0 && count("watchdog-period", NULL) == 1);
}

/* Every directive: found by its names, its value goes to a file and comes back the same. */
static void every_row(struct shm_config *cfg)
{
    struct shm_config *copy = malloc(sizeof(*copy));
    CHECK(copy);
    config_defaults(cfg);
    config_defaults(copy);
    for (int id = 0; id < CONFIG_COUNT; id++) {
        char value[CONFIG_FILE_VALUE_MAX], err[CONFIG_ERR_MAX];
        const char *name = config_name(id), *alias = config_alias(id);
        CHECKF(config_find(bytes_of(name)) == id && (!alias || config_find(bytes_of(alias)) == id), "%s",
               name);
        CHECKF(config_is_default(cfg, id), "%s", name);
        CHECKF(config_status(id) == DIR_WORKS ? !config_lacks(id)[0] : config_lacks(id)[0] != '\0', "%s",
               name);
        CHECKF(config_status(id) != DIR_STOPS || !config_asks(cfg, id), "%s stops by default", name);
        for (int line = 0; config_file_value(cfg, id, line, value, sizeof(value)) == RC_OK; line++) {
            struct words w;
            CHECKF(words_split(bytes_of(value), &w) == RC_OK, "%s", value);
            enum rc rc = config_set(copy, bytes_of(name), w.v, w.n, CONFIG_FROM_FILE, err, sizeof(err));
            CHECKF(rc == RC_OK, "%s %s: %s", name, value, err);
            words_free(&w);
        }
        CHECKF(config_is_default(copy, id), "%s came back as %s", name, get(copy, name));
    }
    CHECK(config_layout() == config_layout() && config_layout() != 0);
    free(copy);
}

static const char *in_dir(const char *name)
{
    static char path[4][PATH_MAX];
    static int turn;
    char *p = path[turn++ % 4];
    snprintf(p, PATH_MAX, "%s/%s", dir, name);
    return p;
}

static const char *write_file(const char *name, const char *text)
{
    const char *path = in_dir(name);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
    return path;
}

/* Loads argv; the error comes back as a copy that lives until the next call, "" when there is none. */
static const char *load(struct shm_config *cfg, struct conf_report *report, int argc, char **argv)
{
    static char error[4096];
    struct conf_request req;
    CHECKF(conf_read_args(argc, argv, &req, error, sizeof(error)) == RC_OK, "%s", error);
    enum rc rc = conf_load(&req, cfg, report);
    CHECK((rc == RC_OK) == (report->error == NULL));
    snprintf(error, sizeof(error), "%s", report->error ? report->error : "");
    conf_request_free(&req);
    return error;
}

#define LOAD(cfg, report, ...)                                                                               \
    load(cfg, report, (int)ARRAY_LEN(((char *[]){"skep", __VA_ARGS__})), (char *[]){"skep", __VA_ARGS__})

static void loading(struct shm_config *cfg)
{
    struct conf_report r;
    write_file("more.inc", "maxmemory-samples 33\n");
    char text[2048];
    snprintf(text, sizeof(text),
             "# comment\n\n  port 7000 \nPORT 7001\nrequirepass \"a b\\x01\"\npidfile 'it\\'s'\nsave 3600 "
             "1\nsave 300 100\n"
             "dir %s\ninclude *.inc\ninclude no-such-*.conf\ncluster-enabled no\ntls-port 0\nappendonly no\n"
             "client-output-buffer-limit \"normal 1mb 2mb 3\"\nslave-priority 7\nuser default on nopass ~* "
             "&* +@all\n",
             dir);
    char *conf = (char *)write_file("a.conf", text);
    CHECKF(LOAD(cfg, &r, conf, "--timeout", "9", "--tcp-keepalive 11", "--masteruser", "--dashes")[0] == '\0',
           "%s", r.error);
    CHECK(cfg->port == 7001 && cfg->maxmemory_samples == 33 && cfg->timeout == 9 && cfg->tcp_keepalive == 11);
    CHECK(!strcmp(cfg->requirepass, "a b\x01") && !strcmp(cfg->pidfile, "it's") &&
          !strcmp(cfg->masteruser, "--dashes"));
    CHECK(!strcmp(get(cfg, "save"), "3600 1 300 100") && !strcmp(get(cfg, "dir"), dir));
    CHECK(!strncmp(get(cfg, "client-output-buffer-limit"), "normal 1048576 2097152 3 ", 25));
    bool warned = false;
    for (int i = 0; i < r.nwarnings; i++)
        warned |= !strcmp(r.warnings[i].file, conf) && r.warnings[i].line == 16 &&
                  strstr(r.warnings[i].text, "'replica-priority'");
    CHECK(warned && r.nwarnings == 2); /* masteruser, replica-priority */
    conf_report_free(&r);
    CHECK(LOAD(cfg, &r, "--save", "--port", "1")[0] == '\0' && cfg->nsaves == 0 && cfg->port == 1 &&
          r.nwarnings == 0);
    conf_report_free(&r);
    CHECK(LOAD(cfg, &r, "--appendonly", "yes", "--appendonly", "no")[0] == '\0');
    conf_report_free(&r);
}

static void refusals(struct shm_config *cfg)
{
    static const struct {
        const char *text, *line, *reason;
        int at;
    } cases[] = {
        {"foo bar\n", "foo bar", "Bad directive or wrong number of arguments", 1},
        {"# c\n\nport\n", "port", "wrong number of arguments", 3},
        {"port 1 2\n", "port 1 2", "wrong number of arguments", 1},
        {"timeout x", "timeout x", "argument couldn't be parsed into an integer", 1},
        {"dir \"/tmp\n", "dir \"/tmp", "Unbalanced quotes in configuration line", 1},
        {"loglevel \"x\"y\n", "loglevel \"x\"y", "Unbalanced quotes in configuration line", 1},
        {"save 1\n", "save 1", "Invalid save parameters", 1},
        {"include\n", "include", "Bad directive or wrong number of arguments", 1},
        {"include /no/such\n", "include /no/such",
         "can't open config file '/no/such': No such file or directory", 1},
        {"unixsocketperm 9\n", "unixsocketperm 9", "argument couldn't be parsed as an octal number", 1},
        {"unixsocketperm 1777\n", "unixsocketperm 1777", "argument must be between 0 and 777 inclusive", 1},
        {"appendfilename \"\"\n", "appendfilename \"\"", "appendfilename can't be empty", 1},
        {"dir /no/such\n", "dir /no/such", "No such file or directory", 1},
        {"replicaof a\n", "replicaof a", "wrong number of arguments", 1},
        {"sentinel x\n", "sentinel x", "sentinel directive while not in sentinel mode", 1},
        {"port 1\ntls-port 6380\n", "tls-port 6380", "this version has no TLS", 2},
        {"cluster-enabled yes\n", "cluster-enabled yes", "this version has no cluster", 1},
        {"slaveof h 6379\n", "slaveof h 6379", "this version has no replication", 1},
        {"user joe on >pw\n", "user joe on >pw", "this version has no ACL users", 1},
        {"loadmodule /x.so\n", "loadmodule /x.so", "this version has no modules", 1},
        {"requirepass se cret\n", "requirepass", "wrong number of arguments", 1}, /* secrets are not shown */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct conf_report r;
        char want[2048], *conf = (char *)write_file("b.conf", cases[i].text);
        snprintf(want, sizeof(want),
                 "*** FATAL CONFIG FILE ERROR (Skep " SKEP_VERSION ") ***\n"
                 "Reading the configuration file, at line %d of %s\n>>> '%s'\n%s",
                 cases[i].at, conf, cases[i].line, cases[i].reason);
        const char *got = LOAD(cfg, &r, conf);
        CHECKF(strcmp(got, want) == 0, "%s", got);
        conf_report_free(&r);
    }
    struct conf_report r;
    CHECK(strstr(LOAD(cfg, &r, "--port", "1", "--foo", "bar"),
                 "at line 2 of the command line\n>>> 'foo \"bar\"'"));
    conf_report_free(&r);
    CHECK(strstr(LOAD(cfg, &r, "--cluster-enabled", "yes"), "this version has no cluster"));
    conf_report_free(&r);
    char *self = (char *)write_file("self.conf", "include self.conf\n");
    CHECK(chdir(dir) == 0 && strstr(LOAD(cfg, &r, self), "deep"));
    conf_report_free(&r);
    CHECK(strstr(LOAD(cfg, &r, "/no/such"), "Fatal error, can't open config file '/no/such': No such file"));
    conf_report_free(&r);
}

static void modes(void)
{
    struct conf_request req;
    char err[CONFIG_ERR_MAX];
    CHECK(conf_read_args(2, (char *[]){"skep", "-v"}, &req, err, sizeof(err)) == RC_OK &&
          req.mode == CONF_VERSION);
    CHECK(conf_read_args(2, (char *[]){"skep", "--help"}, &req, err, sizeof(err)) == RC_OK &&
          req.mode == CONF_HELP);
    CHECK(conf_read_args(3, (char *[]){"skep", "--test-memory", "5"}, &req, err, sizeof(err)) == RC_OK &&
          req.mode == CONF_TEST_MEMORY && req.test_megabytes == 5);
    CHECK(conf_read_args(2, (char *[]){"skep", "--test-memory"}, &req, err, sizeof(err)) == RC_INVALID);
    CHECK(conf_read_args(2, (char *[]){"skep", "x.conf"}, &req, err, sizeof(err)) == RC_OK &&
          req.path[0] == '/' && req.mode == CONF_RUN);
    conf_request_free(&req);
}

/* Lines keep their places, a value that went away leaves its line, the new goes to the end, and it loads
 * again. */
static void rewriting(struct shm_config *cfg)
{
    static const char before[] =
        "# top\n\n\n\nport 7000\nsave 3600 1\nsave 300 100\nslave-priority 50\nmaxmemory 3gb\n"
        "list-max-ziplist-entries 3\ntimeout 0\nsave 60 1\nlogfile \"\"\nunixsocket /x\n"
        "include *.none\n";
    struct conf_report r;
    char err[CONFIG_ERR_MAX], want[2048], got[2048];
    char *conf = (char *)write_file("rw.conf", before);
    CHECK(chmod(conf, 0640) == 0 && chdir(dir) == 0);
    CHECKF(LOAD(cfg, &r, conf, "--timeout", "5")[0] == '\0', "%s", r.error);
    conf_report_free(&r);
    CHECK(!strcmp(set(cfg, "save", "900 1"), "OK") && !strcmp(set(cfg, "maxmemory", "2500kb"), "OK") &&
          !strcmp(set(cfg, "masterauth", "x\"y"), "OK"));
    for (int turn = 0; turn < 2; turn++) { /* the second time changes nothing */
        CHECKF(conf_rewrite(conf, cfg, err, sizeof(err)) == RC_OK, "%s", err);
        snprintf(
            want, sizeof(want),
            "# top\n\nport 7000\nsave 900 1\n\nreplica-priority 50\nmaxmemory 2500kb\n"
            "# ??? list-max-ziplist-entries 3\ntimeout 5\n%slogfile \"\"\nunixsocket \"/x\"\ninclude *.none\n"
            "# Generated by CONFIG REWRITE\ndir \"%s\"\nmasterauth \"x\\\"y\"\n",
            "\n", dir);
        FILE *f = fopen(conf, "r");
        CHECK(f);
        got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
        fclose(f);
        CHECKF(strcmp(got, want) == 0, "%s", got);
    }
    struct stat st;
    CHECK(stat(conf, &st) == 0 && (st.st_mode & 07777) == 0640);
    struct shm_config *again = malloc(sizeof(*again));
    struct config_changes changed;
    CHECK(again && LOAD(again, &r, conf)[0] == '\0');
    config_compare(cfg, again, &changed);
    for (int id = 0; id < CONFIG_COUNT; id++)
        CHECKF(!config_changed(&changed, id), "%s", config_name(id));
    conf_report_free(&r);
    free(again);
    CHECK(conf_rewrite("", cfg, err, sizeof(err)) == RC_INVALID &&
          !strcmp(err, "ERR The server is running without a config file"));
    CHECK(conf_rewrite("/no/such/file", cfg, err, sizeof(err)) == RC_IO &&
          !strcmp(err, "ERR Rewriting config file: No such file or directory"));
}

/* A word of bind may hold a quote, which on a bare line would open a string that never ends. */
static void rewriting_quotes(struct shm_config *cfg)
{
    static const struct {
        const char *line, *value, *file;
    } cases[] = {
        {"bind \"a'b\" 127.0.0.1\n", "a'b 127.0.0.1", "\"a'b\" 127.0.0.1"},
        {"bind '\"a\\\"b\"'\n", "a\"b", "\"\\\"a\\\\\\\"b\\\"\""},
        {"bind \"a\\tb\" -::1\n", "a\tb -::1", "\"a\\tb\" -::1"},
        {"bind \"\"\n", "", "\"\""},
        {"bind 127.0.0.1 -::1\n", "127.0.0.1 -::1", "127.0.0.1 -::1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct conf_report r;
        char err[CONFIG_ERR_MAX], value[CONFIG_FILE_VALUE_MAX];
        char *conf = (char *)write_file("rw.conf", cases[i].line);
        CHECKF(LOAD(cfg, &r, conf)[0] == '\0', "%s", r.error);
        conf_report_free(&r);
        CHECKF(!strcmp(get(cfg, "bind"), cases[i].value), "%s", get(cfg, "bind"));
        CHECK(config_file_value(cfg, D_bind, 0, value, sizeof(value)) == RC_OK);
        CHECKF(!strcmp(value, cases[i].file), "%s", value);
        CHECKF(conf_rewrite(conf, cfg, err, sizeof(err)) == RC_OK, "%s", err);
        CHECKF(LOAD(cfg, &r, conf)[0] == '\0', "%s", r.error);
        conf_report_free(&r);
        CHECKF(!strcmp(get(cfg, "bind"), cases[i].value), "%s", get(cfg, "bind"));
    }
    /* The longest that a file may need. */
    char worst[1023], value[CONFIG_FILE_VALUE_MAX];
    memset(worst, '\v', sizeof(worst));
    worst[sizeof(worst) - 1] = '\0';
    CHECK(!strcmp(set(cfg, "bind", worst), "OK"));
    CHECK(config_file_value(cfg, D_bind, 0, value, sizeof(value)) == RC_OK);
    CHECKF(strlen(value) == 5 * 1022 + 6, "%zu", strlen(value));
}

int main(void)
{
    CHECK(mkdtemp(dir));
    struct shm_config *cfg = malloc(sizeof(*cfg));
    CHECK(cfg);
    setting(cfg);
    setting_many(cfg);
    selecting();
    every_row(cfg);
    loading(cfg);
    refusals(cfg);
    modes();
    rewriting(cfg);
    rewriting_quotes(cfg);
    free(cfg);
    static const char *const files[] = {"more.inc", "a.conf", "b.conf", "self.conf", "rw.conf"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        unlink(in_dir(files[i]));
    CHECK(rmdir(dir) == 0);
    return 0;
}
