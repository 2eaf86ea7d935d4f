/* SPDX-License-Identifier: MIT */
/*
 * worker - one event loop and the connections that belong to it.
 *
 * Workers share nothing but pools (pool.h), the registry and the snapshot of
 * the configuration. They talk by posting tasks to each other's loops. The
 * control thread (pooler.h) never touches a worker's objects: it has a
 * function run in the worker's own thread, and waits (workers_call()), or
 * makes all of them stand still between two turns (workers_stop()).
 * Calling sequence: worker_init(), worker_start(), ..., worker_stop() from
 * the control thread, worker_release().
 */
#ifndef POOLER_WORKER_H
#define POOLER_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base.h"
#include "common/hash.h"
#include "common/list.h"
#include "common/loop.h"
#include "common/random.h"
#include "common/slab.h"
#include "pooler/pool.h"
#include "pooler/prepared.h"

struct addr;
struct config;
struct dbpool;
struct err;
struct options;
struct pooler;

struct worker {
	struct loop	 loop;
	struct pooler	*pooler;
	uint32_t	 id;
	pthread_t	 thread;
	struct slab	 clients_slab;
	struct slab	 cancels_slab;
	struct list	 clients;
	struct list	 servers;
	struct list	 cancels;	/* cancel connections to servers */
	struct hash	 cancel_keys;	/* clients by their key */
	struct random_pool randomness;
	struct ps_table	 statements;
	struct list	 freed;		/* servers to be offered next */
	struct list	 leaving;	/* servers for other workers */
	bool		 offering;
	struct loop_task stop_task;
	bool		 ending;
	atomic_uint	 n_clients;
	atomic_uint	 busy_permille;	/* of the last tenth of a second */
	_Atomic uint64_t sample_at;	/* loop_clock() when it was taken */
	uint64_t	 sample_busy;
};

int	worker_init(struct worker *, struct pooler *, uint32_t id,
	    struct err *e) MUST_CHECK;
int	worker_start(struct worker *, struct err *e) MUST_CHECK;
/* Ends the thread after closing every connection, and waits for it. */
void	worker_stop(struct worker *);
void	worker_release(struct worker *);

/* A new connection for this worker. From the first worker's thread. The socket
 * is the worker's from now on. */
void	worker_accept(struct worker *, int fd, const struct addr *remote);

/* Carries out what a pool decided, except for waiter and idler. */
void	worker_order(struct worker *, struct dbpool *,
	    const struct pool_order *);

/* Tells worker `to` to open a server for the pool; the place is reserved. */
void	worker_post_connect(struct pooler *, uint32_t to, struct dbpool *);
/* Has worker `to` close its longest idle server of the pool; `reason` is
 * static. */
void	worker_post_evict(struct pooler *, uint32_t to, struct dbpool *,
	    const char *reason);
/* Tells all workers that the pool's login failed, or succeeded for the first
 * time (text NULL): their waiting clients hear it. */
void	worker_post_login(struct pooler *, struct dbpool *,
	    const char *sqlstate, const char *text);
/* Delivers a cancel request to the worker that owns the key. `fd`, the
 * requester's socket, is closed when the cancel is over. */
void	worker_post_cancel(struct pooler *, uint64_t key, int fd);

/* The client with this cancel key, or NULL. */
struct client *worker_find_key(struct worker *, uint64_t key);

/* Has every worker serve those who wait in the pool: after RESUME. */
void	worker_post_serve(struct pooler *, struct dbpool *);

/* Busy share of its thread lately, 0..1000; 0 when it has been asleep. From
 * any thread. */
unsigned worker_load(const struct worker *, uint64_t clock);

/* Options of the present snapshot. */
const struct options *worker_options(const struct worker *);

/*
 * From the control thread: runs fn(worker, arg) in the thread of this worker,
 * or of each one in turn, and waits for it.
 */
void	worker_call(struct worker *, void (*fn)(struct worker *, void *arg),
	    void *arg);
void	workers_call(struct pooler *, void (*fn)(struct worker *, void *arg),
	    void *arg);

/* All workers stand still, between two turns, until workers_go(). */
void	workers_stop(struct pooler *);
void	workers_go(struct pooler *);

#endif /* POOLER_WORKER_H */
