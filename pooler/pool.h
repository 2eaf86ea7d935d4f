/* SPDX-License-Identifier: MIT */
/*
 * pool - who gets which server.
 *
 * A pool is one (database, user) pair and one logical thing across all
 * workers: its limits and its queue are global. Each worker holds a *share*
 * of it: the idle servers it owns and its clients that wait. One short mutex
 * guards both, so that "look for an idle server, else queue" is one critical
 * section and no wake-up is lost. Here are only decisions, on plain structs;
 * the worker carries them out (server.c, client.c), so that a test needs
 * neither loop nor socket.
 *
 * The rules:
 *  - A client takes an idle server of its own worker; else it queues, and a
 *    worker that has an idle one is asked to hand it over; else a new server
 *    is opened if the limits leave room.
 *  - A server that becomes free goes to the oldest waiter of its own worker,
 *    unless another worker's oldest has waited longer by more than the skew;
 *    with no waiter of its own it goes to the oldest of all. So nobody waits
 *    more than the skew and one transaction longer than somebody younger.
 *  - A place is reserved (pool, database, user) before a server is opened,
 *    and given back when it is closed.
 *  - While the credentials have never worked, or the last attempt failed,
 *    one connection is attempted at a time; afterwards as many as clients
 *    wait for.
 *
 * Calling sequence: pool_init(), pool_wait()/pool_unwait() for clients,
 * pool_offer()/pool_take() for servers, pool_release() when nobody refers to
 * it. All functions lock; settings change only while all workers stand still.
 */
#ifndef POOLER_POOL_H
#define POOLER_POOL_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base.h"
#include "common/list.h"

#define POOL_NO_WORKER	UINT32_MAX

/* A bound on servers that several pools share: a database's, a user's. */
struct pool_limit {
	atomic_int	used;
	int		max;		/* 0 = none */
	atomic_int	starved;	/* pools that were refused a place */
};

/* Embedded in a client. */
struct pool_waiter {
	struct list_node node;		/* in the share's queue */
	uint64_t	 since;		/* microseconds */
	uint32_t	 worker;
};

/* Embedded in a server. */
struct pool_idler {
	struct list_node node;		/* in the share's idle list */
	uint64_t	 since;
};

struct pool_share {
	struct list	 idle;		/* the one to use next comes first */
	struct list	 waiting;	/* oldest first */
	size_t		 asked;		/* requests to hand over under way */
};

/* What the configuration says; settled values. */
struct pool_settings {
	int		 size;		/* 0 = no limit */
	int		 min_size;
	int		 reserve_size;
	uint64_t	 reserve_timeout; /* 0: the reserve is off */
	uint64_t	 login_retry;
	uint64_t	 skew;
	bool		 round_robin;
};

struct pool {
	pthread_mutex_t	 lock;
	struct pool_settings set;
	struct pool_limit *db_limit, *user_limit;
	uint32_t	 n_shares;
	struct pool_share *share;
	atomic_bool	 held;		/* paused: nobody is served */
	atomic_uint	 epoch;		/* servers of an older one are closed
					 * when they are released */

	/* Guarded by the lock. */
	int		 servers;	/* reserved, connecting, connected */
	int		 connecting;
	int		 current;	/* connected, of this epoch */
	size_t		 waiting;	/* in all shares */
	bool		 proven;	/* the last login succeeded */
	bool		 starved;	/* counted in a limit */
	uint64_t	 retry_at;	/* no attempt before; 0 = any time */
	char		*last_error;	/* of the failed login, or NULL */
	char		 last_sqlstate[6];
	uint64_t	 reserve_used;	/* times the reserve was taken from */
};

/* What to do; every field may be unset. */
struct pool_order {
	struct pool_waiter *waiter;	/* serve this client (of this worker) */
	struct pool_idler *idler;	/* with, or take, this server */
	bool		 connect;	/* open a server; a place is reserved */
	bool		 from_reserve;	/* ... out of the reserve */
	uint32_t	 worker;	/* hand over to, ask, or connect there */
	bool		 close;		/* close the offered server: its place
					 * is wanted by another pool */
	bool		 starved;	/* a shared limit has just said no:
					 * another pool must give a place up */
};

/* The shares are allocated; returns 0 or ERR_NOMEM. */
int	pool_init(struct pool *, uint32_t workers, struct pool_limit *db,
	    struct pool_limit *user) MUST_CHECK;

/* No server, no waiter (asserted). */
void	pool_release(struct pool *);

/*
 * A client wants a server. Either order->idler is taken for it, or it was
 * queued; then order->connect says to open a server here, or order->worker
 * (if not POOL_NO_WORKER) to ask that worker for an idle one: pool_asked().
 */
void	pool_wait(struct pool *, struct pool_waiter *, uint32_t worker,
	    uint64_t now, struct pool_order *);

/* Takes a waiting client out of the queue. */
void	pool_unwait(struct pool *, struct pool_waiter *);

/*
 * A connected server of `worker` is free. Exactly one of: order->waiter is
 * to be served with it (was taken from the queue); order->worker is to be
 * handed the server; order->close; or none, and it is idle now.
 */
void	pool_offer(struct pool *, struct pool_idler *, uint32_t worker,
	    uint64_t now, struct pool_order *);

/*
 * This worker was asked for an idle server. If it still has one and somebody
 * elsewhere waits, order->idler goes to order->worker. If it has none (a
 * client of its own was quicker), order->worker alone names another one to
 * ask, or, if a connection may be opened, order->connect is for order->worker.
 */
void	pool_asked(struct pool *, uint32_t worker, uint64_t now,
	    struct pool_order *);

/* Takes an idle server out, to close it. False if it was not idle. */
bool	pool_take(struct pool *, struct pool_idler *, uint32_t worker)
	    MUST_CHECK;

/* Takes the server that has been idle for longest in this share, or NULL. */
struct pool_idler *pool_take_oldest(struct pool *, uint32_t worker)
	    MUST_CHECK;

/* When the longest idle server of all shares became idle, and whose it is;
 * UINT64_MAX if there is none. */
uint64_t pool_oldest_idle(struct pool *, uint32_t *worker);

/*
 * May a server be opened for those who wait (or, with `fill`, to reach
 * min_size)? If so a place is reserved and order->connect set, for
 * order->worker, who has the oldest waiter (`fill`: the caller chooses).
 */
void	pool_maintain(struct pool *, bool fill, uint64_t now,
	    struct pool_order *);

/* A reserved place came to nothing: the connection could not be made. The
 * text (copied; NULL keeps the last) is told to clients that fail fast.
 * sqlstate is "" where the server itself said nothing. */
void	pool_connect_failed(struct pool *, uint64_t now, const char *sqlstate,
	    const char *text);
/* A new server has logged in, for which a place was reserved in `epoch`. */
void	pool_connected(struct pool *, unsigned epoch);
/* A server that had been connected was closed: its place is free. */
void	pool_server_closed(struct pool *, unsigned epoch);

/* Begins another epoch: all servers that there are are to be replaced. */
void	pool_renew(struct pool *);
unsigned pool_epoch(struct pool *);

/* True if a client should fail at once: the last login failed and there is
 * no server. Copies the text of the error, cut to `size`. Unless `any`, only
 * where a server refused the login, not where none could be reached. */
bool	pool_failing(struct pool *, uint64_t now, char *text, size_t size,
	    bool any);

/* Servers that are past their login; all, with those that connect. */
int	pool_usable_servers(struct pool *);
/* Those past their login that are not to be replaced. */
int	pool_current_servers(struct pool *);
int	pool_all_servers(struct pool *);

/* Lets the next attempt be made at once, as after a reload. */
void	pool_forget_failure(struct pool *);

/* Waiting clients, and since when the oldest waits (UINT64_MAX: none). */
size_t	pool_waiting(struct pool *, uint64_t *oldest);

#endif /* POOLER_POOL_H */
