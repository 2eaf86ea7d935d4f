/* SPDX-License-Identifier: MIT */
/*
 * ahead - uploads WAL before PostgreSQL asks for it.
 *
 * PostgreSQL asks for one segment after the other, each when the last one is
 * done; but it says long before, in pg_wal/archive_status/<name>.ready, which
 * are waiting. A watcher reads that directory and threads push these files in
 * parallel; archive-push then finds its segment done. Invariant: "done" is
 * said only of the very file (device, inode, size, mtime) that was pushed.
 *
 * Calling sequence: ahead_start(), ahead_claim()/ahead_release() for each
 * archive-push, ahead_stop().
 */
#ifndef ARCHIVER_AHEAD_H
#define ARCHIVER_AHEAD_H

#include "common/base.h"

struct ahead;
struct err;

/*
 * Pushes the file `path` (absolute, named `name`). Called by several
 * threads. `cancelled` becomes true when the pusher is being stopped.
 */
typedef int ahead_push(void *arg, const char *path,
	    bool (*cancelled)(void *), void *cancelled_arg, struct err *e);

/* Watches <pgdata>/pg_wal/archive_status with `threads` pushers. */
int	ahead_start(struct ahead **out, const char *pgdata, int threads,
	    ahead_push *push, void *arg, struct err *e) MUST_CHECK;

/*
 * For archive-push of the open file fd: waits while a thread is pushing it,
 * until timeout_us or until cancelled. True: it is done. False: the caller
 * pushes it, and nobody else does until ahead_release().
 */
bool	ahead_claim(struct ahead *, const char *name, int fd,
	    int64_t timeout_us, bool (*cancelled)(void *), void *arg);
void	ahead_release(struct ahead *, const char *name);

/* Cancels what is under way and waits for the threads. NULL is legal. */
void	ahead_stop(struct ahead *);

#endif /* ARCHIVER_AHEAD_H */
