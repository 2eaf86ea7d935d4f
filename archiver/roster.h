/* SPDX-License-Identifier: MIT */
/*
 * roster - the stanzas that a daemon serves, and their exchange at a reload.
 *
 * A reload is all or nothing: the whole file is read, every stanza that is
 * new or has changed is made anew beside the old one, and only then, and
 * without failing any more, do they change places. What is under way goes on
 * with the stanza it began with, which ends when the last of it is done; a
 * stanza whose settings are the same stays as it is, with its memory and
 * what it fetched ahead.
 *
 * Calling sequence: roster_open(); roster_find() and served_release() for
 * each request, roster_reload() now and then (one at a time), all from any
 * thread; roster_close() at the end.
 */
#ifndef ARCHIVER_ROSTER_H
#define ARCHIVER_ROSTER_H

#include "common/base.h"

struct buf;
struct err;
struct roster;
struct served;

#define ROSTER_MAX	32	/* stanzas */

/*
 * Opens every stanza of a file. ERR_CONFIG: the file is wrong or has none;
 * ERR_LOCKED: another daemon serves one of them; what served_prepare() says.
 */
int	roster_open(struct roster **out, const char *config, struct err *e)
	    MUST_CHECK;

/*
 * The stanza of a name, or NULL (also for the name NULL). It is kept until
 * the caller gives it back by served_release().
 */
struct served *roster_find(struct roster *, const char *name);

/*
 * Reads the file again. `changes` gets a line for each change, and for each
 * option that changed and has to wait for a restart. On failure, as
 * roster_open(), everything is as it was.
 */
int	roster_reload(struct roster *, struct buf *changes, struct err *e)
	    MUST_CHECK;

/* NULL is legal. Everything that was found must have been given back. */
void	roster_close(struct roster *);

#endif /* ARCHIVER_ROSTER_H */
