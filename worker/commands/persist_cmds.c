/* worker/commands/persist_cmds.c - SAVE BGSAVE LASTSAVE BGREWRITEAOF, and how a command asks the master: workers
 * open no files, and only the master knows what is under way. */
#include <stdlib.h>

#include "shm/persist.h"
#include "worker/commands/server_cmds.h"
#include "worker/control.h"
#include "worker/net/client.h"

command_fn cmd_bgrewriteaof, cmd_bgsave, cmd_lastsave, cmd_save;

bool ask_master(struct call *c, enum control_ask ask, unsigned options, char answer[CONTROL_TEXT])
{
    struct client *cl = c->client;
    struct control_msg m = {.kind = CTL_ASK,
                            .ask = (uint16_t)ask,
                            .options = (uint16_t)options,
                            .x = session_index(c->session),
                            .y = c->session->id};
    CHECK(cl);
    if (cl->told) {
        take_answer(c, answer);
        return true;
    }
    control_send(c->w, &m, -1);
    call_fail(c, RC_AWAIT);
    return false;
}

bool ask_in_lane(struct call *c, enum control_ask ask, char answer[CONTROL_TEXT])
{
    lane_step_out(c);
    bool answered = control_ask(c->w, ask, answer);
    lane_step_in(c);
    return answered;
}

bool take_answer(struct call *c, char answer[CONTROL_TEXT])
{
    struct client *cl = c->client;
    if (!cl || !cl->told)
        return false;
    strncpy(answer, cl->told, CONTROL_TEXT - 1);
    answer[CONTROL_TEXT - 1] = '\0';
    free(cl->told);
    cl->told = NULL;
    return true;
}

void reply_told(struct call *c, const char *answer)
{
    if (answer[0] == '-')
        reply_error(c->reply, answer + 1);
    else
        reply_status(c->reply, answer + 1);
}

static void ask_and_reply(struct call *c, enum control_ask ask, unsigned options)
{
    char answer[CONTROL_TEXT];
    if (ask_master(c, ask, options, answer))
        reply_told(c, answer);
}

void cmd_save(struct call *c)
{
    ask_and_reply(c, ASK_SAVE, 0);
}

void cmd_bgsave(struct call *c)
{
    bool schedule = c->argc == 2 && bytes_is(c->argv[1], "schedule");
    if (c->argc > 1 && !schedule)
        reply_error(c->reply, ERR_SYNTAX);
    else
        ask_and_reply(c, ASK_BGSAVE, (schedule ? SAVE_SCHEDULE : 0) | (c->in_exec ? SAVE_IN_EXEC : 0));
}

void cmd_bgrewriteaof(struct call *c)
{
    ask_and_reply(c, ASK_REWRITE, c->in_exec ? SAVE_IN_EXEC : 0);
}

void cmd_lastsave(struct call *c)
{
    reply_int(c->reply, persist(c->ctx->root)->snap.last_save_s);
}
