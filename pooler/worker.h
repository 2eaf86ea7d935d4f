/* SPDX-License-Identifier: MIT */
/*
 * worker - one event loop and the connections that belong to it.
 *
 * Workers share nothing but pools (pool.h) and what is in shared.h. They talk
 * by posting tasks to each other's loops. The control thread (control.h)
 * never touches a worker's objects: it has a function run in the worker's own
 * thread, and waits (workers_call()), or makes all of them stand still
 * between two turns (workers_stop()). What the connections are a worker does
 * not know: it is told in struct worker_hooks.
 * Calling sequence: workers_init(), workers_start(), ..., workers_end() from
 * the control thread, workers_release().
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
#include "pooler/addr.h"
#include "pooler/prepared.h"
#include "pooler/shared.h"

struct dbpool;
struct err;
struct options;
struct worker;

/* What a worker has to know of its connections; see pooler.c. */
struct worker_hooks {
	size_t	client_size, cancel_size;
	/* Sends off the servers in `leaving`, at the end of a turn. */
	void	(*leave)(struct worker *);
	/* Closes all connections: the worker is `ending`. */
	void	(*close_all)(struct worker *);
};

/* All of them. */
struct workers {
	struct worker	*all;
	uint32_t	 n;
	uint32_t	 started;	/* of their threads */
	enum poller_io	 io;		/* the back end of their loops */
	struct shared	*shared;
	const struct worker_hooks *hooks;
	pthread_mutex_t	 stop_lock;	/* see workers_stop() */
	pthread_cond_t	 stop_cond;
	uint32_t	 stopped;
	bool		 stop;
};

struct worker {
	struct loop	 loop;
	struct shared	*shared;
	struct workers	*peers;		/* itself among them */
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

/*
 * Makes n workers, whose loops have the back end `io`. Release is due
 * whatever comes back; `shared` and `hooks` are borrowed until then.
 */
int	workers_init(struct workers *, uint32_t n, enum poller_io io,
	    struct shared *, const struct worker_hooks *, struct err *e)
	    MUST_CHECK;
int	workers_start(struct workers *, struct err *e) MUST_CHECK;
/* Ends the threads after closing every connection, and waits for them. */
void	workers_end(struct workers *);
void	workers_release(struct workers *);

/* Client connections of all workers, console and logins included: what
 * max_client_conn bounds. Any thread. */
unsigned workers_clients(const struct workers *);

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
void	workers_call(struct workers *, void (*fn)(struct worker *, void *arg),
	    void *arg);

/* All workers stand still, between two turns, until workers_go(). */
void	workers_stop(struct workers *);
void	workers_go(struct workers *);

/* A message about a pool, or about a socket. What is not said is zero, fd -1. */
struct worker_message {
	struct loop_task task;
	struct worker	*to;
	struct dbpool	*pool;		/* counted, or NULL */
	int		 fd;
	uint64_t	 key;
	struct addr	 addr;
	char		 sqlstate[6];
	char		*text;		/* freed with the message, or NULL */
	const char	*reason;	/* static */
};

/* fn is called in the thread of `to`, and frees the message. NULL without
 * memory (logged). */
struct worker_message *worker_message_new(struct worker *to, struct dbpool *,
	    void (*fn)(struct loop_task *)) MUST_CHECK;
/* From any thread. */
void	worker_message_post(struct worker_message *);
void	worker_message_free(struct worker_message *);

#endif /* POOLER_WORKER_H */
