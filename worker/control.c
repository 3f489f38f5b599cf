#include "worker/control.h"
#include "shm/base/channel.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASK_TRIES   100
#define ASK_LOOK_MS 100

/* What came while an answer was awaited. */
struct heard {
    struct control_msg msg;
    int passed;
    struct heard *next;
};

struct control_queue {
    struct channel channel;
    struct heard *first, **last;
    uint64_t asked; /* the last question's number: a late answer is not taken for that to the next */
};

void control_open(struct worker *w, int fd)
{
    w->control = calloc(1, sizeof(*w->control));
    CHECK(w->control);
    channel_open(&w->control->channel, fd);
    w->control->last = &w->control->first;
}

int control_fd(const struct worker *w)
{
    return w->control->channel.fd;
}

bool control_queued(const struct worker *w)
{
    return channel_waits(&w->control->channel);
}

void control_flush(struct worker *w)
{
    channel_flush(&w->control->channel);
}

void control_send(struct worker *w, const struct control_msg *m, int passed)
{
    channel_send(&w->control->channel, m, passed);
}

bool control_heard(const struct worker *w)
{
    return w->control->first;
}

static void put_aside(struct control_queue *q, const struct control_msg *m, int passed)
{
    struct heard *e = malloc(sizeof(*e));
    CHECK(e);
    *e = (struct heard){*m, passed, NULL};
    *q->last = e;
    q->last = &e->next;
}

bool control_receive(struct worker *w, struct control_msg *m, int *passed, bool *closed)
{
    struct control_queue *q = w->control;
    struct heard *e = q->first;
    if (!e)
        return channel_receive(&q->channel, m, passed, closed);
    *m = e->msg;
    *passed = e->passed;
    *closed = false;
    q->first = e->next;
    if (!q->first)
        q->last = &q->first;
    free(e);
    return true;
}

/* Another message than the answer is for the lane's loop, whose turn comes when the command has ended. */
bool control_ask(struct worker *w, enum control_ask ask, char answer[CONTROL_TEXT])
{
    CHECK(w->is_lane);
    struct control_queue *q = w->control;
    struct control_msg m = {
        .kind = CTL_ASK, .ask = (uint16_t)ask, .x = ASK_OF_SLOT | w->ctx.id, .y = ++q->asked};
    control_send(w, &m, -1);
    for (unsigned tries = 0; tries < ASK_TRIES; tries++) {
        struct pollfd p = {.fd = q->channel.fd, .events = POLLIN};
        struct control_msg got;
        int passed;
        bool closed = false;
        control_flush(w);
        poll(&p, 1, ASK_LOOK_MS);
        while (channel_receive(&q->channel, &got, &passed, &closed)) {
            if (got.kind != CTL_TOLD) {
                put_aside(q, &got, passed);
            } else if (got.y == q->asked) {
                memcpy(answer, got.text, CONTROL_TEXT);
                answer[CONTROL_TEXT - 1] = '\0';
                return true;
            }
        }
        if (closed)
            return false;
    }
    return false;
}
