/* Messages from this process to the subscribers of all. They are noted, and go out together, a letter for each worker: with the
 * transaction that tells of its changes, or before any reply of the turn. Who has been told that a message was sent may rely on it. */
#include "worker/net/post.h"
#include "worker/net/pubsub_move.h"
#include "worker/net/tracking.h"
#include "shm/base/glob.h"
#include "shm/base/log.h"

#include <sched.h>
#include <stdlib.h>

#define OWED_MOST       (16u << 20) /* while the arena has no room, or an inbox's latch is held by a dead one */
#define POST_KEEP_BYTES (256u << 10) /* one huge message must not hold its size for ever */
#define GATE_TRIES      2000u        /* whoever has closed it is done within milliseconds */
#define SEND_TRIES      100u         /* of some 20 us */
#define ROUNDS          8u /* of telling what telling has brought; the rest goes with the next turn */

struct post {
    struct reply noted; /* struct note, the channel, the text; one behind the other */
    uint64_t to[SLOT_WORDS];
    uint64_t went[SLOT_WORDS], full[SLOT_WORDS]; /* with transactions: who is to be woken, who has no room */
};

/* The kinds beside those of a message (enum topic_kind). */
#define NOTE_CHANGE 100u /* the key, and struct author */
#define NOTE_RELAY  101u /* the number and the id of a session, and what it is to be given */

struct note {
    uint64_t to[SLOT_WORDS];
    uint64_t hash, channel_n, text_n;
    uint32_t kind;
    uint32_t late; /* the sender's slot + 1, where its running client has a reply already: see push_around */
};
struct author {
    uint64_t id, expired;
};

static bool has_slot(const uint64_t *set, uint32_t slot)
{
    return set[slot / 64] >> slot % 64 & 1;
}
static bool any_slot(const uint64_t *set)
{
    uint64_t any = 0;
    for (unsigned i = 0; i < SLOT_WORDS; i++)
        any |= set[i];
    return any;
}
static void add_slot(uint64_t *set, uint32_t slot)
{
    set[slot / 64] |= 1ull << slot % 64;
}

/* ---- noting ---- */

static uint64_t count_topic(const struct worker *w, const struct shm_topic *t, uint64_t *to)
{
    if (t->slot == w->ctx.id || !topic_wants(t))
        return 0;
    add_slot(to, t->slot);
    return __atomic_load_n(&t->count, __ATOMIC_RELAXED);
}

/* What the others have registered; our own clients we know better. */
static uint64_t count_remote(const struct worker *w, const struct message *m, uint64_t *to)
{
    const struct shm_root *r = w->ctx.root;
    uint64_t n = 0;
    for (const struct shm_topic *t = registry_chain(r, m->kind, m->hash); t; t = topic_next(t))
        if (topic_is(t, m->kind, m->channel, m->hash))
            n += count_topic(w, t, to);
    if (m->kind != TOPIC_CHANNEL)
        return n;
    for (const struct shm_topic *t = registry_chain(r, TOPIC_PATTERN, 0); t; t = topic_next(t))
        if (t->slot != w->ctx.id && glob_match(topic_name(t), m->channel, false))
            n += count_topic(w, t, to);
    return n;
}

static void turn_begin(struct worker *w)
{
    uint64_t *turn = &w->ctx.slot->post_turn;
    if (*turn & 1)
        return;
    __atomic_store_n(turn, *turn + 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* who registers is seen by us, or sees that we have begun */
}

static void turn_end(struct worker *w)
{
    uint64_t *turn = &w->ctx.slot->post_turn;
    if (*turn & 1 && !post_mark(w))
        __atomic_store_n(turn, *turn + 1, __ATOMIC_RELEASE);
}

static struct post *post_of(struct worker *w)
{
    if (!w->post)
        w->post = calloc(1, sizeof(*w->post));
    CHECK(w->post);
    return w->post;
}

static void note_write(struct post *post, const struct note *note, const struct message *m)
{
    for (unsigned i = 0; i < SLOT_WORDS; i++)
        post->to[i] |= note->to[i];
    reply_raw(&post->noted, note, sizeof(*note));
    reply_raw(&post->noted, m->channel.p, m->channel.n);
    reply_raw(&post->noted, m->text.p, m->text.n);
}

uint64_t post_message(struct worker *w, const struct message *m)
{
    bool local;
    turn_begin(w);
    struct note note = {.hash = m->hash, .channel_n = m->channel.n, .text_n = m->text.n, .kind = m->kind};
    uint64_t n = pubsub_local(w, m, &local) + count_remote(w, m, note.to);
    if (local)
        add_slot(note.to, w->ctx.id);
    if (local && w->net->running && w->out.len > w->net->reply_mark)
        note.late = w->ctx.id + 1;
    if (any_slot(note.to))
        note_write(post_of(w), &note, m);
    turn_end(w);
    return n;
}

void post_told(struct worker *w, const struct message *m, const uint32_t *to, unsigned n)
{
    struct note note = {.hash = m->hash, .channel_n = m->channel.n, .text_n = m->text.n, .kind = m->kind};
    for (unsigned i = 0; i < n; i++)
        add_slot(note.to, to[i]);
    turn_begin(w);
    note_write(post_of(w), &note, m);
}

static void note_bytes(struct worker *w, const struct note *note, struct bytes channel, struct bytes text)
{
    struct message m = {.channel = channel, .text = text};
    turn_begin(w);
    note_write(post_of(w), note, &m);
}

void post_change(struct worker *w, const uint64_t to[SLOT_WORDS], const struct change *c)
{
    struct author a = {c->author, c->expired};
    struct note note = {.hash = c->hash, .channel_n = c->key.n, .text_n = sizeof(a), .kind = NOTE_CHANGE};
    memcpy(note.to, to, sizeof(note.to));
    if (any_slot(note.to))
        note_bytes(w, &note, c->key, (struct bytes){(const char *)&a, sizeof(a)});
}

/* While the client changes its worker nobody can give it anything: again in the next round. */
void post_relay(struct worker *w, uint32_t session, uint64_t id, struct bytes payload)
{
    const struct shm_session *s = session_at(session);
    if (!session_is(s, id))
        return;
    if (s->state == SESSION_MOVING || !slot_lives(slot_at(s->owner))) {
        change_relay(w, session, id, payload);
        return;
    }
    uint64_t who[2] = {session, id};
    struct note note = {.channel_n = sizeof(who), .text_n = payload.n, .kind = NOTE_RELAY};
    add_slot(note.to, s->owner);
    note_bytes(w, &note, (struct bytes){(const char *)who, sizeof(who)}, payload);
}

size_t post_mark(const struct worker *w)
{
    return w->post ? w->post->noted.len : 0;
}

void post_cut(struct worker *w, size_t mark)
{
    if (w->post)
        w->post->noted.len = mark;
    turn_end(w);
}

/* ---- reading notes ---- */

/* The note at p and its message; answers where the next one begins. */
static const char *note_read(const struct worker *w, const char *p, struct note *note, struct message *m)
{
    memcpy(note, p, sizeof(*note));
    p += sizeof(*note);
    *m = (struct message){.kind = (enum topic_kind)note->kind,
                          .hash = note->hash,
                          .late = note->late == w->ctx.id + 1,
                          .channel = {p, note->channel_n},
                          .text = {p + note->channel_n, note->text_n}};
    return m->text.p + m->text.n;
}

static void deliver(struct worker *w, const struct note *note, const struct message *m)
{
    struct author a;
    if (!has_slot(note->to, w->ctx.id))
        return;
    if (note->kind == NOTE_RELAY) {
        tracking_relay(w, m->channel, m->text);
    } else {
        memcpy(&a, m->text.p, sizeof(a));
        tracking_changed(w, &(struct change){m->channel, note->hash, a.id, a.expired});
        tracked_settle(w, note->hash);
    }
}

static void deliver_notes(struct worker *w, const char *p, size_t n)
{
    struct note note;
    struct message m;
    for (const char *end = p + n; p < end;) {
        p = note_read(w, p, &note, &m);
        if (note.kind >= NOTE_CHANGE)
            deliver(w, &note, &m);
        else if (note.kind >= TOPIC_KINDS)
            moves_note(w, &m);
        else if (has_slot(note.to, w->ctx.id))
            pubsub_deliver(w, &m);
    }
}

/* ---- sending ---- */

static void notes_forget(struct worker *w)
{
    struct post *post = w->post;
    if (post->noted.cap > POST_KEEP_BYTES)
        reply_free(&post->noted);
    post->noted.len = 0;
    memset(post->to, 0, sizeof(post->to));
    turn_end(w);
}

/* The notes for one slot, one behind the other. */
static struct bytes notes_for(const struct worker *w, const struct post *post, uint32_t slot)
{
    struct reply some = {0};
    struct note note;
    struct message m;
    for (const char *p = post->noted.buf, *end = p + post->noted.len; p < end;) {
        const char *from = p;
        p = note_read(w, p, &note, &m);
        if (has_slot(note.to, slot))
            reply_raw(&some, from, (size_t)(p - from));
    }
    return (struct bytes){some.buf, some.len};
}

/* They would miss messages: they are disconnected, which they notice, unlike a gap. */
static void sever(struct worker *w, uint32_t slot)
{
    log_warning("Subscribers of slot %u are disconnected: messages for them cannot be kept any longer", slot);
    sessions_kill(slot, SESSION_F_PUBSUB);
    track_stir(w->ctx.root); /* what has changed must not be kept, and nobody knows what that was */
    worker_wake(w, slot);
}

static unsigned letters_make(const struct worker *w, const struct post *post, struct letter *letters)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++) {
        if (!has_slot(post->to, i) || !slot_lives(slot_at(i)))
            continue;
        struct bytes notes = notes_for(w, post, i);
        if (notes.n) /* or all for it were taken back */
            letters[n++] = (struct letter){.to = i, .p = notes.p, .n = notes.n};
    }
    return n;
}

static enum rc letters_out(struct worker *w, const struct letter *letters, unsigned n)
{
    uint64_t full[SLOT_WORDS] = {0};
    enum rc rc = RC_BUSY;
    for (unsigned i = 0; rc == RC_BUSY && i < SEND_TRIES; i++) {
        rc = letters_send(&w->ctx, letters, n, full);
        if (rc == RC_BUSY)
            sched_yield();
    }
    for (unsigned i = 0; i < n && !rc; i++) {
        if (has_slot(full, letters[i].to))
            sever(w, letters[i].to);
        else if (letters[i].to != w->ctx.id && slot_wake(letters[i].to))
            worker_wake(w, letters[i].to);
    }
    return rc;
}

/* The letters are in the inboxes when the transaction is committed; the latches of those are held from here on, so nobody
 * who finds our turn over can send anything before them. */
enum rc post_with(struct worker *w, struct tx *tx, size_t since)
{
    struct post *post = w->post;
    struct letter letters[SHM_SLOTS_MAX];
    if (LIKELY(post_mark(w) == since))
        return RC_OK;
    unsigned n = letters_make(w, post, letters);
    enum rc rc = letters_put(tx, letters, n, w->is_lane, post->full);
    for (unsigned i = 0; i < n; i++) {
        if (!rc)
            add_slot(post->went, letters[i].to);
        free((char *)letters[i].p);
    }
    if (!rc)
        notes_forget(w);
    w->ctx.held_by = 0;                /* whoever has an inbox is done with it at once */
    return rc == RC_BUSY ? rc : RC_OK; /* without memory they go later */
}

/* Who is not woken by us, since we die, looks by himself at his next tick. */
static void wake_those(struct worker *w)
{
    struct post *post = w->post;
    for (uint32_t i = 0; i < w->ctx.root->nslots; i++) {
        if (has_slot(post->full, i))
            sever(w, i);
        else if (has_slot(post->went, i) && i != w->ctx.id && slot_wake(i))
            worker_wake(w, i);
    }
    memset(post->went, 0, sizeof(post->went));
    memset(post->full, 0, sizeof(post->full));
}

static bool only_to_us(const struct worker *w, const struct post *post)
{
    uint64_t us[SLOT_WORDS] = {0};
    add_slot(us, w->ctx.id);
    return memcmp(us, post->to, sizeof(us)) == 0;
}

static bool send_letters(struct worker *w)
{
    struct post *post = w->post;
    struct letter letters[SHM_SLOTS_MAX];
    unsigned n = letters_make(w, post, letters);
    enum rc rc = n ? letters_out(w, letters, n) : RC_OK;
    for (unsigned i = 0; i < n; i++) {
        if (rc && post->noted.len > OWED_MOST)
            sever(w, letters[i].to);
        free((char *)letters[i].p);
    }
    if (rc && post->noted.len <= OWED_MOST)
        return false;
    notes_forget(w);
    return true;
}

/* Transactions belong into a batch: who closes the gate finds the arena at rest. In a handler we are in one already. */
static bool step_in(struct worker *w, bool *entered)
{
    *entered = false;
    if (w->ctx.slot->inside)
        return true;
    for (unsigned i = 0; !*entered && i < GATE_TRIES; i++) {
        *entered = batch_enter(&w->ctx);
        if (!*entered)
            sched_yield();
    }
    return *entered;
}

static void step_out(struct worker *w, bool entered)
{
    if (entered)
        batch_leave(&w->ctx);
}

/* ---- receiving ---- */

static void take_letter(void *arg, const char *p, uint64_t n)
{
    reply_raw(arg, p, n);
}

/* Private memory first: clients may be closed by what they are given, which is no business for a transaction. */
static void receive(struct worker *w)
{
    struct reply notes = {0};
    while (inbox_waits(&w->ctx) && !inbox_take(&w->ctx, take_letter, &notes)) {
        deliver_notes(w, notes.buf, notes.len);
        notes.len = 0;
    }
    reply_free(&notes);
}

static bool send_noted(struct worker *w)
{
    struct post *post = w->post;
    if (!only_to_us(w, post))
        return send_letters(w);
    receive(w); /* what others have sent before stands before it */
    deliver_notes(w, post->noted.buf, post->noted.len);
    notes_forget(w);
    return true;
}

bool post_waits(const struct worker *w)
{
    return w->post && (w->post->noted.len || any_slot(w->post->went));
}

static bool nothing_noted(const struct worker *w)
{
    return !w->changes.len && !post_waits(w);
}

bool post_send(struct worker *w)
{
    bool entered, all;
    if (LIKELY(nothing_noted(w)))
        return true;
    if (w->post && any_slot(w->post->went))
        wake_those(w);
    if (!step_in(w, &entered))
        return false;
    changes_settle(w);
    all = !post_mark(w) || send_noted(w);
    if (w->net)
        receive(w);
    step_out(w, entered);
    return all;
}

void post_receive(struct worker *w)
{
    bool entered;
    if (LIKELY(!inbox_waits(&w->ctx)) || !step_in(w, &entered))
        return;
    receive(w);
    step_out(w, entered);
}

/* What the inbox brings may have to be told to others. */
bool post_all(struct worker *w)
{
    unsigned rounds = 0;
    bool entered;
    if (!pubsub_waits(w) && !tracking_waits(w) && nothing_noted(w))
        return true;
    if (!step_in(w, &entered))
        return false;
    bool all = pubsub_sync(w) & tracking_sync(w);
    do {
        changes_settle(w);
        tracking_turn(w);
        all &= post_send(w);
    } while (all && (!nothing_noted(w) || tracking_waits(w)) && rounds++ < ROUNDS);
    step_out(w, entered);
    return all && nothing_noted(w);
}
