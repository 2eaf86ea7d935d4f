/* SPDX-License-Identifier: MIT */
/*
 * lock - one at a time per stanza, on this host: archive, backup, restore.
 *
 * A lock is a file in lock-path, locked with flock(2): it ends with its
 * holder, however that ends, and holds a line that names the holder.
 * `archive` is the daemon's; backup and expire share `backup`. Pushing and
 * fetching WAL take no lock and wait for none.
 */
#ifndef ARCHIVER_LOCK_H
#define ARCHIVER_LOCK_H

#include "common/base.h"

struct err;

struct lock {
	int	fd;		/* -1 = not held */
};

/*
 * Takes the lock `kind` of a stanza for `who` ("backup", "serve"). Does not
 * wait: ERR_LOCKED, and the message names the holder. err_sys()'s errors.
 */
int	lock_take(struct lock *, const char *dir, const char *stanza,
	    const char *kind, const char *who, struct err *e) MUST_CHECK;

/*
 * Whether somebody holds it: 1, and the line that names the holder in `who`
 * (size bytes), 0, or err_sys()'s errors. Changes nothing; a lock_take() at
 * the very same moment waits that moment out.
 */
int	lock_look(const char *dir, const char *stanza, const char *kind,
	    char *who, size_t size, struct err *e) MUST_CHECK;

/* A lock that is not held is legal. */
void	lock_release(struct lock *);

#endif /* ARCHIVER_LOCK_H */
