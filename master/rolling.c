/* Replacing the processes one by one, and reading the configuration again. For each post: the successor
 * starts beside the old process, with the same listening sockets; when it is ready the old one hands over all
 * that it has and leaves. Nothing is closed that a client could notice. */
#include "master/supervise.h"
#include "shm/base/clock.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "master/process.h"
#include "shm/base/log.h"

#define READY_MAX_S 20.0
#define LEAVE_MAX_S 20.0

void roll_begin(struct master *m)
{
    if (m->ending)
        return;
    if (m->roll != ROLL_NONE) {
        m->roll_again = true; /* those that were replaced already are replaced again */
        return;
    }
    log_notice("Replacing %u workers and %u slow lanes, one by one", m->nworkers, m->nlanes);
    notify_systemd("RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)mono_us());
    m->roll = ROLL_START;
    m->roll_post = 0;
    m->roll_tries = 0;
    m->roll_began = now_s();
    roll_step(m);
}

static void roll_end(struct master *m, bool complete)
{
    m->roll = ROLL_NONE;
    /* After an upgrade to fewer workers some stand on no post. */
    for (uint32_t i = 0; i < m->nslots; i++)
        if (m->child[i].phase == CHILD_RUNNING && serves(m->child[i].role) &&
            !post_find(m, m->child[i].role, m->child[i].index))
            child_stop(m, &m->child[i], true);
    listen_close_unwanted(&m->listen);
    if (complete)
        log_notice("All processes were replaced in %.3f seconds", now_s() - m->roll_began);
    notify_systemd("READY=1\nSTATUS=Ready to accept connections");
    if (m->roll_again) {
        m->roll_again = false;
        roll_begin(m);
    }
}

static void give_up(struct master *m, struct post *p, const char *why)
{
    log_warning("%s %u is not replaced: %s. The replacement ends here; those that serve go on serving",
                role_names[p->role], p->index, why);
    if (p->next >= 0 && m->child[p->next].pid)
        kill(m->child[p->next].pid, SIGKILL);
    m->roll_again = false;
    roll_end(m, false);
}

/* Each answers whether there is more to do at once. A post is done when its process is younger than the roll,
 * however that came about: by us, by a crash, or by a restart that was due. */
static bool at_start(struct master *m, struct post *p)
{
    struct child *c = post_child(m, p);
    if (!c || c->started_at > m->roll_began) {
        m->roll_post++;
        m->roll_tries = 0;
        return true;
    }
    if (c->phase != CHILD_RUNNING)
        return false;
    if (p->role == ROLE_WAL) { /* there is one at a time: the next one begins where this one ends */
        child_stop(m, c, false);
        return false;
    }
    if (m->roll_tries++) {
        give_up(m, p, "its successor died while starting");
        return false;
    }
    int old = p->last_slot;
    p->last_slot = -1; /* beside the old one: in another slot */
    p->next = spawn_child(m, p);
    if (p->next < 0) {
        p->last_slot = old;
        give_up(m, p, "no successor could be started");
        return false;
    }
    m->roll = ROLL_READY;
    m->roll_deadline = now_s() + READY_MAX_S;
    return true;
}

static bool at_ready(struct master *m, struct post *p)
{
    if (p->next < 0) { /* it died, or the old one did and it has the post */
        m->roll = ROLL_START;
        return true;
    }
    if (m->child[p->next].phase == CHILD_RUNNING) {
        if (p->slot >= 0)
            child_stop(m, &m->child[p->slot], true);
        m->roll = ROLL_LEAVE;
        m->roll_deadline = now_s() + LEAVE_MAX_S;
        return true;
    }
    if (now_s() > m->roll_deadline)
        give_up(m, p, "its successor did not get ready");
    return false;
}

static bool at_leave(struct master *m, struct post *p)
{
    if (p->next < 0) {
        m->roll = ROLL_START;
        return true;
    }
    if (now_s() > m->roll_deadline && p->slot >= 0 && m->child[p->slot].pid) {
        log_warning("%s %u did not leave in time; killing it", role_names[p->role], p->index);
        kill(m->child[p->slot].pid, SIGKILL);
        m->roll_deadline = now_s() + LEAVE_MAX_S;
    }
    return false;
}

static bool advance(struct master *m)
{
    struct post *p = &m->post[m->roll_post];
    if (m->roll_post == m->nposts) {
        roll_end(m, true);
        return false;
    }
    return m->roll == ROLL_START ? at_start(m, p) : m->roll == ROLL_READY ? at_ready(m, p) : at_leave(m, p);
}

void roll_step(struct master *m)
{
    while (!m->ending && m->roll != ROLL_NONE && advance(m)) {
    }
}

/* ---- configuration ---- */

/* One pair for each directive whose value has changed and may change. */
static int changed_pairs(struct master *m, const struct shm_config *fresh, struct config_pair *pairs, int max)
{
    struct config_changes diff;
    char *text = malloc(CONFIG_VALUE_MAX);
    int n = 0;
    CHECK(text);
    config_compare(m->cfg, fresh, &diff);
    for (int id = 0; id < CONFIG_COUNT && n < max; id++) {
        if (!config_changed(&diff, (enum directive_id)id))
            continue;
        if (config_flags(id) & DIR_IMM) {
            log_warning("'%s' has changed in the configuration, but is fixed while the server runs",
                        config_name(id));
            continue;
        }
        size_t len = config_get(fresh, id, text, CONFIG_VALUE_MAX);
        char *copy = strndup(text, len);
        CHECK(copy);
        pairs[n++] = (struct config_pair){{config_name(id), strlen(config_name(id))}, {copy, len}};
    }
    free(text);
    return n;
}

/* The text's end is never touched, so whoever reads meanwhile finds one. */
void refusal_note(struct master *m, const char *fmt, ...)
{
    struct shm_root *r = m->root;
    char text[sizeof(r->refusal)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_warning("%s", text);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ')
            *p = ' ';
    memcpy(r->refusal, text, strlen(text) + 1);
    __atomic_fetch_add(&r->refusals, 1, __ATOMIC_RELEASE);
}

static void apply(struct master *m, const struct shm_config *fresh)
{
    struct config_pair pairs[CONFIG_COUNT];
    struct config_changes done;
    char err[CONFIG_ERR_MAX];
    int n = changed_pairs(m, fresh, pairs, CONFIG_COUNT);
    if (n && config_set_many(m->cfg, pairs, n, true, &done, err, sizeof(err)))
        refusal_note(m, "The configuration stays as it was: %s", err);
    for (int i = 0; i < n; i++)
        free((void *)(uintptr_t)pairs[i].value.p);
}

/* A new address needs workers that accept on it, and an old one must not be closed under those that do: so a
 * change replaces the workers. */
enum rc config_listen(struct master *m, char *why, size_t why_bytes)
{
    if (m->listen.port == (int)m->cfg->port && !strcmp(m->listen.bind_value, m->cfg->bind_value))
        return RC_OK;
    enum rc rc = listen_open(&m->listen, m->cfg, m->nworkers, why, why_bytes);
    if (rc) {
        refusal_note(m, "The addresses stay as they were: %s", why);
        return rc;
    }
    log_notice("Listening on port %d from now on", m->listen.port);
    roll_begin(m);
    return RC_OK;
}

/* The configuration tells where we do listen. */
static void keep_addresses(struct master *m)
{
    m->cfg->port = m->listen.port;
    memcpy(m->cfg->bind_value, m->listen.bind_value, sizeof(m->cfg->bind_value));
    __atomic_fetch_add(&m->cfg->generation, 1, __ATOMIC_RELEASE);
}

/* Its holder may be waiting for our answer (ASK_LISTEN), or be dead and not repaired: we cannot wait for it. */
void config_reload(struct master *m)
{
    struct shm_latch *latch = &m->root->config_latch;
    struct conf_report report = {0};
    char why[512];
    struct shm_config *fresh = malloc(sizeof(*fresh));
    CHECK(fresh);
    m->reload_due = !latch_spin(latch, LATCH_MASTER);
    if (m->reload_due) {
        free(fresh);
        return; /* the tick tries again */
    }
    log_notice("Reading the configuration again");
    if (conf_load(m->request, fresh, &report)) {
        refusal_note(m, "The configuration stays as it was: %s",
                     report.error ? report.error : "out of memory");
    } else {
        conf_log_warnings(&report);
        apply(m, fresh);
        if (config_listen(m, why, sizeof(why)))
            keep_addresses(m);
    }
    latch_release(latch);
    conf_report_free(&report);
    free(fresh);
    config_notice(m);
}

/* Snapshots go to the new place; the log stays where it is as long as it is on. */
static void follow_dir(struct master *m)
{
    char here[PATH_MAX];
    if (!m->cfg->dir_value[0] || (getcwd(here, sizeof(here)) && !strcmp(here, m->cfg->dir_value)))
        return;
    if (chdir(m->cfg->dir_value))
        log_warning("Can't chdir to '%s': %s", m->cfg->dir_value, strerror(errno));
}

void config_notice(struct master *m)
{
    uint64_t now = __atomic_load_n(&m->cfg->generation, __ATOMIC_ACQUIRE);
    char why[512];
    if (now == m->seen_generation || m->ending)
        return;
    m->seen_generation = now;
    follow_dir(m);
    log_follow(m);
    log_set_level((enum log_level)m->cfg->loglevel);
    config_listen(m, why, sizeof(why));
}
