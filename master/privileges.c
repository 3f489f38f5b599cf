#include "master/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum rc privileges_find(const char *run_as, struct privileges *p, char *why, size_t why_bytes)
{
    const char *colon = strchr(run_as, ':');
    *p = (struct privileges){0};
    if (!run_as[0])
        return RC_OK;
    snprintf(p->name, sizeof(p->name), "%.*s", (int)(colon ? colon - run_as : (long)strlen(run_as)), run_as);
    const struct passwd *user = getpwnam(p->name);
    const struct group *group = colon ? getgrnam(colon + 1) : NULL;
    if (!user || (colon && !group)) {
        snprintf(why, why_bytes, "run-as %s: there is no such %s", run_as, user ? "group" : "user");
        return RC_INVALID;
    }
    p->user = user->pw_uid;
    p->group = group ? group->gr_gid : user->pw_gid;
    if (geteuid() != 0 && geteuid() != p->user) {
        snprintf(why, why_bytes, "run-as %s: only root can become another user", run_as);
        return RC_INVALID;
    }
    return RC_OK;
}

enum rc privileges_drop(const struct privileges *p, char *why, size_t why_bytes)
{
    if (!p->name[0] || geteuid() == p->user)
        return RC_OK;
    /* The groups first: without root they could not be given up any more. */
    if (initgroups(p->name, p->group) || setgid(p->group) || setuid(p->user)) {
        snprintf(why, why_bytes, "becoming user %s failed: %s", p->name, strerror(errno));
        return RC_IO;
    }
    /* The change of user took our own /proc entries away from us, where children set their oom_score_adj. */
    prctl(PR_SET_DUMPABLE, 1);
    return RC_OK;
}
