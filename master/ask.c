/* Clients that wait for the master. A question is told by its session, so that it survives the worker's replacement:
 * the next worker asks again, and is answered in the place of the first. */
#include "master/supervise.h"

#include <stdio.h>
#include <stdlib.h>

static void tell(struct master *m, uint32_t session, uint64_t id, const char *text)
{
    struct shm_session *s = session_at(session);
    uint32_t owner = __atomic_load_n(&s->owner, __ATOMIC_ACQUIRE);
    struct control_msg msg = {.kind = CTL_TOLD, .x = session, .y = id};
    if (s->id != id || owner >= m->nslots)
        return; /* it has gone */
    snprintf(msg.text, sizeof(msg.text), "%s", text);
    child_tell(m, &m->child[owner], &msg, -1);
}

void ask_reply(struct master *m, const struct control_msg *msg, const char *text)
{
    tell(m, (uint32_t)msg->x, msg->y, text);
}

void ask_note(struct master *m, const struct control_msg *msg)
{
    struct durable *d = &m->durable;
    for (uint32_t i = 0; i < d->naskers; i++)
        if (d->askers[i].session == msg->x && d->askers[i].id == msg->y && d->askers[i].ask == msg->ask)
            return;
    if (d->naskers == d->room) {
        d->room = d->room ? 2 * d->room : 16;
        d->askers = realloc(d->askers, d->room * sizeof(*d->askers));
        CHECK(d->askers);
    }
    d->askers[d->naskers++] = (struct asker){msg->ask, (uint32_t)msg->x, msg->y, false};
}

void ask_begin(struct master *m, uint32_t ask)
{
    for (uint32_t i = 0; i < m->durable.naskers; i++)
        m->durable.askers[i].begun |= m->durable.askers[i].ask == ask;
}

bool ask_waits(const struct master *m, uint32_t ask)
{
    for (uint32_t i = 0; i < m->durable.naskers; i++)
        if (m->durable.askers[i].ask == ask)
            return true;
    return false;
}

void ask_answer(struct master *m, uint32_t ask, const char *text)
{
    struct durable *d = &m->durable;
    uint32_t left = 0;
    for (uint32_t i = 0; i < d->naskers; i++) {
        const struct asker a = d->askers[i];
        if (a.ask == ask && a.begun)
            tell(m, a.session, a.id, text);
        else
            d->askers[left++] = a;
    }
    d->naskers = left;
}

void ask_handle(struct master *m, const struct control_msg *msg)
{
    if (msg->x >= m->root->nsessions)
        return;
    config_notice(m); /* what the same client has changed a moment ago counts */
    switch ((enum control_ask)msg->ask) {
    case ASK_SAVE:
        save_ask(m, msg);
        break;
    case ASK_BGSAVE:
        bgsave_ask(m, msg);
        break;
    case ASK_REWRITE:
        rewrite_ask(m, msg);
        break;
    case ASK_SHUTDOWN:
        ending_ask(m, msg);
        break;
    case ASK_LOG:
        log_ask(m, msg);
        break;
    case ASK_NOTICE:
        ask_reply(m, msg, ANSWER_NOTICED);
        break;
    case ASK_RELOAD:
    case ASK_LOADAOF:
        loading_again(m, msg);
        break;
    }
}
