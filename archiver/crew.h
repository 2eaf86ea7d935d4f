/* SPDX-License-Identifier: MIT */
/*
 * crew - a number of threads that do one job together.
 *
 * Backup, restore and verification share their work alike: each thread
 * takes the next piece until none is left, the first error is that of the
 * job and stops everybody, and so does somebody who cancels it. This is
 * the part that does not depend on what a piece is.
 *
 * Calling sequence: crew_init(), crew_run() once for each step of the job,
 * crew_release(). After a failure every further crew_run() ends at once.
 */
#ifndef ARCHIVER_CREW_H
#define ARCHIVER_CREW_H

#include "common/base.h"

#include <pthread.h>
#include <stdatomic.h>

#include "common/err.h"

struct crew {
	int		 threads;
	bool		(*cancelled)(void *arg);	/* may be NULL */
	void		*arg;
	/* Guards `failure`; the job may guard what its threads share. */
	pthread_mutex_t	 lock;
	struct err	 failure;	/* the first */
	atomic_bool	 stop;
};

/* threads is 1 or more; cancelled(arg) is asked by all of them. */
void	crew_init(struct crew *c, int threads, bool (*cancelled)(void *arg),
	    void *arg);
void	crew_release(struct crew *c);

/*
 * Calls work() once in each thread, each with its own member of an array of
 * `threads` objects of `size` bytes, and waits for all of them. Returns 0,
 * or the crew's first failure: what work() returned, what crew_fail() was
 * told, ERR_CANCELLED, err_sys()'s for a thread that cannot be started.
 */
int	crew_run(struct crew *c, int (*work)(void *member, struct err *e),
	    void *members, size_t size, struct err *e) MUST_CHECK;

/* Ends the job with an error, unless there is one already. Any thread. */
void	crew_fail(struct crew *c, const struct err *e);

/*
 * Whether the job is to end, because it failed or is cancelled: to be asked
 * before each piece. Any thread.
 */
bool	crew_is_stopped(struct crew *c);

#endif /* ARCHIVER_CREW_H */
