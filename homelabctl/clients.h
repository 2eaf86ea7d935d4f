/* SPDX-License-Identifier: MIT */
/*
 * clients - the pooler's clients, held while the server is away.
 *
 * HOLD on the pooler's console makes clients wait, and the pooler fails
 * those who wait once nothing was heard for its hold_timeout. So while they
 * are held a thread of ours, the keeper, repeats HOLD each second, on a new
 * session if the old one has ended. A pooler that was restarted meanwhile is
 * held again by that. The thread dies with the process: only a homelabctl
 * that is dead, or stopped, fails the clients.
 *
 * Calling sequence: clients_hold(), then clients_release() or nothing, at
 * last clients_close(), which leaves them held. One thread calls these.
 */
#ifndef HOMELABCTL_CLIENTS_H
#define HOMELABCTL_CLIENTS_H

#include "common/base.h"

#include <pthread.h>
#include <stdatomic.h>

struct cli;
struct err;
struct pgquery;

/* Zero it and set cli. */
struct clients {
	const struct cli *cli;
	bool		 held;		/* by us, as far as is known */

	struct pgquery	*console;	/* the keeper's while there is one */
	bool		 kept;		/* there is a keeper */
	pthread_t	 keeper;
	pthread_mutex_t	 lock;
	pthread_cond_t	 wake;
	atomic_bool	 stop;		/* the keeper ends */
};

/*
 * Holds: returns when no transaction is under way, after hold_deadline at
 * the latest. On failure some may be held: `held` says so.
 */
int	clients_hold(struct clients *, struct err *e) MUST_CHECK;

/*
 * Lets them go on; 0 also if none are held, be it because the pooler was
 * restarted. ERR_DB_CONNECT if the pooler does not answer: it holds nobody
 * when it starts again.
 */
int	clients_release(struct clients *, struct err *e) MUST_CHECK;

/* Ends the session and the keeper. */
void	clients_close(struct clients *);

#endif /* HOMELABCTL_CLIENTS_H */
