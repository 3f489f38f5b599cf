/* Clients that wait for the master. A question is told by its session, so that it survives the worker's replacement:
 * the next worker asks again, and is answered in the place of the first. The slow lane, which no client waits at, asks
 * for itself. */
#include "master/conf_file.h"
#include "master/supervise.h"
#include "shm/base/log.h"

#include <stdio.h>
#include <stdlib.h>

/* The slot of who is to be told; none, if the client has gone. */
static uint64_t slot_of(uint64_t asker, uint64_t id)
{
    if (asker & ASK_OF_SLOT)
        return asker & ~ASK_OF_SLOT;
    const struct shm_session *s = session_at((uint32_t)asker);
    uint32_t owner = __atomic_load_n(&s->owner, __ATOMIC_ACQUIRE);
    return s->id == id ? owner : UINT64_MAX;
}

static void tell(struct master *m, uint64_t asker, uint64_t id, const char *text)
{
    uint64_t slot = slot_of(asker, id);
    struct control_msg msg = {.kind = CTL_TOLD, .x = asker, .y = id};
    if (slot >= m->nslots)
        return;
    snprintf(msg.text, sizeof(msg.text), "%s", text);
    child_tell(m, &m->child[slot], &msg, -1);
}

void ask_reply(struct master *m, const struct control_msg *msg, const char *text)
{
    tell(m, msg->x, msg->y, text);
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

static void rewrite_config(struct master *m, const struct control_msg *msg)
{
    char text[CONFIG_ERR_MAX] = "-";
    if (conf_rewrite(m->request->path, m->cfg, text + 1, sizeof(text) - 1)) {
        ask_reply(m, msg, text);
        return;
    }
    log_notice("CONFIG REWRITE executed with success.");
    ask_reply(m, msg, "+OK");
}

static void listen_there(struct master *m, const struct control_msg *msg)
{
    char why[512];
    ask_reply(m, msg, config_listen(m, why, sizeof(why)) ? "-ERR" : "+OK");
}

void ask_handle(struct master *m, const struct control_msg *msg)
{
    if (!(msg->x & ASK_OF_SLOT) && msg->x >= m->root->nsessions)
        return;
    if (msg->ask != ASK_LISTEN) /* whose change is not committed */
        config_notice(m);       /* what the same client has changed a moment ago counts */
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
    case ASK_CONFIG:
        rewrite_config(m, msg);
        break;
    case ASK_LISTEN:
        listen_there(m, msg);
        break;
    case ASK_RELOAD:
    case ASK_LOADAOF:
        loading_again(m, msg);
        break;
    }
}
