/* SPDX-License-Identifier: MIT */
/*
 * pooler - the process: what all threads share, and the control thread.
 *
 * The main thread is the control thread. It accepts connections and deals
 * them out, handles signals, runs the commands of the admin console, reloads
 * the configuration, and three times a second looks after pools. Clients and
 * servers belong to the workers.
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

struct admin;
struct authcache;
struct err;
struct listeners;
struct tls_context;

enum shutdown_mode {
	SHUTDOWN_NONE,
	SHUTDOWN_WAIT_FOR_CLIENTS,
	SHUTDOWN_WAIT_FOR_SERVERS,
	SHUTDOWN_IMMEDIATE
};

struct pooler {
	struct config	*config;
	struct config_source source;
	struct registry	 registry;
	struct params_names *names;
	struct worker	*workers;
	uint32_t	 n_workers;
	struct tls_context *client_tls, *server_tls;	/* NULL: off */
	struct listeners *listeners;
	struct admin	*admin;
	struct authcache *auth_cache;
	struct loop	 loop;		/* the control thread's */

	pthread_mutex_t	 slab_lock;
	struct slab	 servers_slab;	/* servers move between workers */

	atomic_uint_fast64_t next_id;	/* clients and servers together */
	atomic_int	 client_count;	/* towards max_client_conn */
	atomic_int	 login_count;	/* connections not logged in yet */
	atomic_int	 server_count;
	atomic_bool	 paused;	/* PAUSE without a database */
	atomic_bool	 holding;	/* HOLD */
	atomic_int	 shutdown;	/* enum shutdown_mode */
	uint64_t	 prepared_seed;
	unsigned char	 mock_key[32];	/* for salts of unknown users */
	uint16_t	 port;

	pthread_mutex_t	 stop_lock;	/* see workers_stop() */
	pthread_cond_t	 stop_cond;
	uint32_t	 stopped;
	bool		 stop;
};

/*
 * Takes over the configuration. Opens sockets, switches user, writes the
 * pidfile, as `daemonize` asks. Returns 0 or a code with everything undone.
 */
int	pooler_new(struct config *, const struct config_source *,
	    struct pooler **out, struct err *e) MUST_CHECK;

/* Starts the threads and serves until shut down. Returns the exit status. */
int	pooler_run(struct pooler *);
void	pooler_free(struct pooler *);

/* The next number of SHOW's `id` column. Any thread. */
uint64_t pooler_next_id(struct pooler *);

/* The wall clock in microseconds. */
uint64_t pooler_wall_clock(void);

/* Something happened that those who wait in the control thread (PAUSE,
 * SHUTDOWN) want to know, or places became free. Any thread; cheap. */
void	pooler_kick(struct pooler *);

/* From the control thread. */
int	pooler_reload(struct pooler *, struct err *e) MUST_CHECK;
void	pooler_shutdown(struct pooler *, enum shutdown_mode);

#endif /* POOLER_POOLER_H */
