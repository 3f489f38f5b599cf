/* Everyday use of hiredis (Debian's libhiredis-dev): single commands, binary arguments, deep pipelines,
 * errors. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static redisContext *ctx;

#define MUST(e)                                                                                              \
    do {                                                                                                     \
        if (!(e)) {                                                                                          \
            fprintf(stderr, "client_hiredis.c:%d: %s (connection: %s)\n", __LINE__, #e, ctx->errstr);        \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

static void connect_server(void)
{
    const char *port = getenv("SKEP_PORT");
    struct timeval limit = {20, 0};
    ctx = redisConnectWithTimeout("127.0.0.1", port ? atoi(port) : 6379, limit);
    if (!ctx || ctx->err) {
        fprintf(stderr, "client_hiredis: %s\n", ctx ? ctx->errstr : "no memory");
        exit(1);
    }
    redisSetTimeout(ctx, limit);
}

static void expect(int type, const char *text, redisReply *r)
{
    MUST(r);
    if (r->type != type || (text && strcmp(r->str, text) != 0)) {
        fprintf(stderr, "client_hiredis: type %d text %s, wanted %d %s\n", r->type, r->str ? r->str : "-",
                type, text ? text : "-");
        exit(1);
    }
    freeReplyObject(r);
}

static void expect_int(long long n, redisReply *r)
{
    MUST(r && r->type == REDIS_REPLY_INTEGER && r->integer == n);
    freeReplyObject(r);
}

static void single_commands(void)
{
    expect(REDIS_REPLY_STATUS, "PONG", redisCommand(ctx, "PING"));
    expect(REDIS_REPLY_STATUS, "OK", redisCommand(ctx, "SET %s %s", "key", "a value"));
    expect(REDIS_REPLY_STRING, "a value", redisCommand(ctx, "GET %s", "key"));
    expect(REDIS_REPLY_NIL, NULL, redisCommand(ctx, "GET nosuch"));
    expect_int(1, redisCommand(ctx, "INCR n"));
    expect_int(41, redisCommand(ctx, "INCRBY n %d", 40));
    expect(REDIS_REPLY_ERROR, "ERR value is not an integer or out of range", redisCommand(ctx, "INCR key"));
    expect(REDIS_REPLY_ERROR, "ERR wrong number of arguments for 'get' command", redisCommand(ctx, "GET"));
    expect_int(2, redisCommand(ctx, "DEL key n"));
}

static void binary(void)
{
    char data[256];
    for (int i = 0; i < 256; i++)
        data[i] = (char)i;
    expect(REDIS_REPLY_STATUS, "OK", redisCommand(ctx, "SET %b %b", data, sizeof(data), data, sizeof(data)));
    redisReply *r = redisCommand(ctx, "GET %b", data, sizeof(data));
    MUST(r && r->type == REDIS_REPLY_STRING && r->len == sizeof(data) && memcmp(r->str, data, r->len) == 0);
    freeReplyObject(r);
}

static void arrays(void)
{
    expect(REDIS_REPLY_STATUS, "OK", redisCommand(ctx, "MSET a 1 b 2 c 3"));
    redisReply *r = redisCommand(ctx, "MGET a nosuch c");
    MUST(r && r->type == REDIS_REPLY_ARRAY && r->elements == 3);
    MUST(strcmp(r->element[0]->str, "1") == 0 && r->element[1]->type == REDIS_REPLY_NIL);
    MUST(strcmp(r->element[2]->str, "3") == 0);
    freeReplyObject(r);
    r = redisCommand(ctx, "SCAN 0 COUNT 1000");
    MUST(r && r->type == REDIS_REPLY_ARRAY && r->elements == 2 && r->element[1]->type == REDIS_REPLY_ARRAY);
    freeReplyObject(r);
}

static void pipeline(int depth)
{
    redisReply *r;
    for (int i = 0; i < depth; i++)
        redisAppendCommand(ctx, "INCR deep");
    for (int i = 0; i < depth; i++) {
        MUST(redisGetReply(ctx, (void **)&r) == REDIS_OK);
        expect_int(i + 1, r);
    }
}

int main(void)
{
    connect_server();
    single_commands();
    binary();
    arrays();
    pipeline(20000);
    expect(REDIS_REPLY_STATUS, "OK", redisCommand(ctx, "QUIT"));
    redisFree(ctx);
    printf("hiredis %d.%d.%d ok\n", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
    return 0;
}
