/* The command line. Every --directive becomes a line of a configuration that is read after the file, so that
 * one reader with one set of rules sees all of it. */
#include "master/conf_file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/base/words.h"

enum rc conf_slurp(int fd, char **out, size_t *len)
{
    size_t cap = 4096, n = 0;
    char *buf = malloc(cap);
    while (buf) {
        ssize_t got = read(fd, buf + n, cap - n - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            free(buf);
            return RC_IO;
        }
        n += (size_t)got;
        if (got == 0) {
            buf[n] = '\0';
            *out = buf;
            *len = n;
            return RC_OK;
        }
        if (n + 1 < cap)
            continue;
        char *more = realloc(buf, cap *= 2);
        if (!more)
            free(buf);
        buf = more;
    }
    return RC_NOMEM;
}

/* One word alone on the command line is a question rather than a configuration. */
static bool read_mode(int argc, char **argv, struct conf_request *req, char *err, size_t errlen)
{
    const char *first = argc > 1 ? argv[1] : "";
    if (argc == 2 && (!strcmp(first, "-v") || !strcmp(first, "--version")))
        req->mode = CONF_VERSION;
    else if (argc == 2 && (!strcmp(first, "-h") || !strcmp(first, "--help")))
        req->mode = CONF_HELP;
    else if (argc <= 3 && !strcmp(first, "--test-memory"))
        req->mode = CONF_TEST_MEMORY;
    if (req->mode == CONF_TEST_MEMORY) {
        req->test_megabytes = argc == 3 ? atol(argv[2]) : 0;
        if (req->test_megabytes <= 0) {
            snprintf(err, errlen, "Please say how many megabytes to test: --test-memory <megabytes>");
            return false;
        }
    }
    return true;
}

static bool set_path(struct conf_request *req, const char *arg)
{
    bool relative = arg[0] != '/';
    int n = snprintf(req->path, sizeof(req->path), "%s%s%s", relative ? req->start_dir : "",
                     relative ? "/" : "", arg);
    return n > 0 && (size_t)n < sizeof(req->path);
}

/* True when "--name value" stand together in one argument. */
static bool holds_value(const char *arg)
{
    struct words w;
    if (words_split((struct bytes){arg, strlen(arg)}, &w) != RC_OK)
        return true; /* the reader will complain about the quotes */
    bool several = w.n != 1;
    words_free(&w);
    return several;
}

/* Writes the lines; the room is known to be enough. A word is an option's name only when the one before has
 * its value, so that "--requirepass --secret" can be said; "--save" alone means save "", as older scripts
 * rely on. */
static void write_options(int argc, char **argv, int first, struct conf_request *req, size_t room,
                          bool *from_input)
{
    size_t n = 0;
    bool complete = true;
    for (int i = first; i < argc; i++) {
        bool last = i == argc - 1;
        if (!strcmp(argv[i], "-") && (i == 1 || last)) {
            *from_input = true;
        } else if (complete && !strncmp(argv[i], "--", 2)) {
            bool bare = !strcasecmp(argv[i], "--save") && (last || !strncmp(argv[i + 1], "--", 2));
            n += (size_t)snprintf(req->options + n, room - n, "%s%s %s", n ? "\n" : "", argv[i] + 2,
                                  bare ? "\"\"" : "");
            complete = bare || holds_value(argv[i]);
        } else {
            n += words_quote((struct bytes){argv[i], strlen(argv[i])}, req->options + n, room - n);
            n += (size_t)snprintf(req->options + n, room - n, " ");
            complete = true;
        }
    }
}

enum rc conf_read_args(int argc, char **argv, struct conf_request *req, char *err, size_t errlen)
{
    memset(req, 0, sizeof(*req));
    if (!getcwd(req->start_dir, sizeof(req->start_dir)))
        strcpy(req->start_dir, "/");
    if (!read_mode(argc, argv, req, err, errlen))
        return RC_INVALID;
    if (req->mode != CONF_RUN)
        return RC_OK;

    int first = 1;
    if (argc > 1 && argv[1][0] != '-') {
        if (!set_path(req, argv[1])) {
            snprintf(err, errlen, "Fatal error, can't open config file '%s': %s", argv[1],
                     strerror(ENAMETOOLONG));
            return RC_IO;
        }
        first = 2;
    }
    size_t room = 1;
    for (int i = first; i < argc; i++)
        room += 4 * strlen(argv[i]) + 16; /* each byte may become \xhh */
    req->options = calloc(1, room);
    bool from_input = false;
    if (req->options)
        write_options(argc, argv, first, req, room, &from_input);

    enum rc rc = req->options ? RC_OK : RC_NOMEM;
    if (rc == RC_OK && from_input)
        rc = conf_slurp(STDIN_FILENO, &req->input, &req->input_len);
    if (rc != RC_OK) {
        snprintf(err, errlen, "Fatal error, can't read the configuration: %s",
                 strerror(rc == RC_IO ? errno : ENOMEM));
        conf_request_free(req);
    }
    return rc;
}

void conf_request_free(struct conf_request *req)
{
    free(req->input);
    free(req->options);
    req->input = req->options = NULL;
}
