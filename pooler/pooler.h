/* SPDX-License-Identifier: MIT */
/*
 * pooler - the process: what all threads share, and the control thread.
 *
 * The main thread is the control thread. It handles signals, runs the
 * commands of the admin console, reloads the configuration, and three times a
 * second looks after pools. Clients and servers belong to the workers, of
 * which the first one accepts connections and deals them out.
 * Invariants: `config` changes only while the workers stand still; flags are
 * atomic and may be read anywhere.
 * Calling sequence: pooler_new() with a loaded configuration, pooler_run(),
 * pooler_free().
 */
#ifndef POOLER_POOLER_H
#define POOLER_POOLER_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base.h"
#include "common/list.h"
#include "common/loop.h"
#include "common/slab.h"
#include "pooler/config.h"
#include "pooler/registry.h"
#include "pooler/worker.h"

struct addr;
struct admin;
struct authcache;
struct err;
struct listeners;
struct maintain;
struct signals;
struct tls_context;

enum shutdown_mode {
	SHUTDOWN_NONE,
	SHUTDOWN_WAIT_FOR_CLIENTS,
	SHUTDOWN_WAIT_FOR_SERVERS,
	SHUTDOWN_IMMEDIATE
};

/* HOLD: see pause.h. Times are loop_clock()'s. */
struct hold {
	uint64_t	 since;
	uint64_t	 end_xacts_at;	/* transactions are ended; 0 = done */
	uint64_t	 fail_at;	/* waiting clients are failed; 0 = never */
	bool		 failing;	/* since then */
};

struct pooler {
	struct config	*config;
	struct config_source source;	/* its strings belong to main() */
	struct registry	 registry;
	bool		 registry_ready;
	struct dbpool	*console_pool;	/* a reference: it always exists */
	bool		 log_stderr;	/* set by main(): neither -q nor -d */
	struct params_names *names;
	struct worker	*workers;
	uint32_t	 n_workers;
	enum poller_io	 io;		/* the workers' back end */
	uint32_t	 started;	/* of their threads */
	atomic_uint	*dealt;		/* clients lately, see deal.h */
	struct tls_context *client_tls, *server_tls;	/* NULL: off */
	struct listeners *listeners;
	struct admin	*admin;
	struct authcache *auth_cache;
	struct loop	 loop;		/* the control thread's */
	struct maintain	*maintain;
	struct signals	*signals;

	pthread_mutex_t	 slab_lock;
	struct slab	 servers_slab;	/* servers move between workers */

	atomic_uint_fast64_t next_id;	/* clients and servers together */
	atomic_int	 login_count;	/* connections not logged in yet */
	atomic_int	 server_count;
	atomic_int	 moving;	/* of them: between two workers */
	atomic_bool	 paused;	/* PAUSE without a database */
	atomic_bool	 holding;	/* HOLD */
	atomic_int	 shutdown;	/* enum shutdown_mode */
	struct hold	 hold;		/* the control thread's */
	uint64_t	 prepared_seed;
	unsigned char	 mock_key[32];	/* for salts of unknown users */
	uint16_t	 port;

	pthread_mutex_t	 stop_lock;	/* see workers_stop() */
	pthread_cond_t	 stop_cond;
	uint32_t	 stopped;
	bool		 stop;
};

/*
 * Makes the process out of a configuration, which it owns from then on, also
 * on failure: registry, workers (not started), sockets to listen on. The
 * strings of `source` must outlive it. Returns 0 or a code with everything
 * undone; texts are those of the contract, section 16.6.
 */
int	pooler_new(struct config *, const struct config_source *source,
	    struct pooler **out, struct err *e) MUST_CHECK;

/* Starts the threads and serves until shut down. Returns the exit status. */
int	pooler_run(struct pooler *);
/* After pooler_run() or instead of it. NULL is legal. */
void	pooler_free(struct pooler *);

/* The next number of SHOW's `id` column. Any thread. */
uint64_t pooler_next_id(struct pooler *);

/* Client connections of all workers, console and logins included: what
 * max_client_conn bounds. Any thread. */
unsigned pooler_clients(struct pooler *);

/* The wall clock in microseconds. */
uint64_t pooler_wall_clock(void);

/* Something happened that those who wait in the control thread (PAUSE,
 * SHUTDOWN) want to know, or places became free. Any thread; cheap. */
void	pooler_kick(struct pooler *);

/* A connection was accepted: gives it to a worker. Owns the socket. From the
 * first worker's thread. */
void	pooler_deal(struct pooler *, int fd, const struct addr *remote);

/*
 * From the control thread.
 */

/* Clients dealt lately are in the measured load by now: see deal.h. */
void	pooler_forget_dealt(struct pooler *);

/* Begins to end, or ends at once. Asked again, a later mode replaces an
 * earlier one only if it is stricter. */
void	pooler_shutdown(struct pooler *, enum shutdown_mode);


#endif /* POOLER_POOLER_H */
