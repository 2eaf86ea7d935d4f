/* SPDX-License-Identifier: MIT */
/*
 * await - waits until a WAL segment has reached a repository.
 *
 * PostgreSQL archives on its own, tells nobody why its archive_command
 * fails, and after three failures tries again only when a minute is over or
 * another segment ends. So whoever waits also asks how often the command has
 * failed since, and whether the repository has room, and does not sit out a
 * wait that cannot end well.
 * Calling sequence: await_begin(), then the segment is ended, then
 * await_segment() for each repository.
 */
#ifndef ARCHIVER_AWAIT_H
#define ARCHIVER_AWAIT_H

#include "common/base.h"

struct catalog;
struct err;
struct pgserver;

struct await {
	struct pgserver	*server;	/* who archives */
	int64_t		 timeout;	/* microseconds, per segment */
	/* To the end of the time-out even if archive_command fails: where
	   giving up would cost more than the wait. */
	bool		 patient;
	bool		(*cancelled)(void *arg);	/* may be NULL */
	void		*arg;
	int64_t		 failures;	/* before; await_begin() sets it */
};

/* Notes how often archive_command has failed so far. */
void	await_begin(struct await *a);

/*
 * Waits for a segment of the server's cluster (its 24 digits). ERR_TIMEOUT;
 * ERR_ARCHIVE: archive_command failed and will not be tried again in time;
 * ERR_NOSPACE: the repository is full; ERR_CANCELLED, and the store's errors.
 */
int	await_segment(const struct await *a, const struct catalog *c,
	    const char *segment, struct err *e) MUST_CHECK;

#endif /* ARCHIVER_AWAIT_H */
