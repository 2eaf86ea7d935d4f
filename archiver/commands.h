/* SPDX-License-Identifier: MIT */
/*
 * commands - what the verbs about backups share.
 *
 * Each verb goes from settings to result: it calls the module that knows how
 * (backup.h, restore.h, ...) and says what came of it. backup and expire are
 * in command_backup.c, restore in command_restore.c, the others in
 * commands.c; engine.h declares them.
 *
 * Which repositories: --repo=N, else a backup goes where `backup-repos` says,
 * and all other verbs mean all of them.
 */
#ifndef ARCHIVER_COMMANDS_H
#define ARCHIVER_COMMANDS_H

#include "common/base.h"

#include "archiver/catalog.h"
#include "archiver/settings.h"
#include "common/pgquery.h"

struct err;
struct lock;
struct verb_call;

/* Where the stanza is in each of a call's repositories; all is borrowed. */
struct places {
	struct catalog	c[SETTINGS_REPO_MAX];
	size_t		count;
};

void	command_places(struct places *p, const struct verb_call *v);

/* Prints a result, as it is: with its newlines. */
void	command_say(const struct verb_call *v, const char *fmt, ...)
	    PRINTF_LIKE(2, 3);

/* Takes a lock of the stanza; lock_take()'s errors. */
int	command_lock(struct lock *l, const struct verb_call *v,
	    const char *kind, const char *who, struct err *e) MUST_CHECK;

/* ERR_CONFIG with a hint if pg1-path is not set. */
int	command_need_pgdata(const struct settings *s, struct err *e)
	    MUST_CHECK;

/* How to reach the cluster; borrowed from the settings. */
struct pgquery_target command_server(const struct settings *s);

/* A cancelled() whose argument is the verb_call. */
bool	command_is_cancelled(void *arg);

/* Microseconds since 1970. */
int64_t	command_now(void);

#endif /* ARCHIVER_COMMANDS_H */
