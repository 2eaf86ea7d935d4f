/* SPDX-License-Identifier: MIT */
/*
 * shared - what all threads of the process share.
 *
 * Clients and servers see this much of the process and no more: the present
 * snapshot of the configuration, the registry, TLS contexts, counters and
 * switches. The control thread owns it (control.h) and knows all the rest.
 * Invariants: `config`, the TLS contexts and what the registry says of its
 * own members change only while the workers stand still; counters and
 * switches are atomic and may be read anywhere.
 */
#ifndef POOLER_SHARED_H
#define POOLER_SHARED_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base.h"
#include "common/slab.h"
#include "pooler/config.h"
#include "pooler/console.h"
#include "pooler/registry.h"

struct authcache;
struct params_names;
struct tls_context;

enum shutdown_mode {
	SHUTDOWN_NONE,
	SHUTDOWN_WAIT_FOR_CLIENTS,
	SHUTDOWN_WAIT_FOR_SERVERS,
	SHUTDOWN_IMMEDIATE
};

struct shared {
	struct config	*config;
	struct registry	 registry;
	struct params_names *names;
	struct tls_context *client_tls, *server_tls;	/* NULL: off */
	struct authcache *auth_cache;
	struct console	 console;	/* where its commands go */
	void	       (*kick)(void *arg);	/* see shared_kick() */
	void		*kick_arg;

	pthread_mutex_t	 slab_lock;
	struct slab	 servers_slab;	/* servers move between workers */

	atomic_uint_fast64_t next_id;	/* clients and servers together */
	atomic_int	 login_count;	/* connections not logged in yet */
	atomic_int	 server_count;
	atomic_int	 moving;	/* of them: between two workers */
	atomic_bool	 paused;	/* PAUSE without a database */
	atomic_bool	 holding;	/* HOLD */
	atomic_int	 shutdown;	/* enum shutdown_mode */
	uint64_t	 prepared_seed;
	unsigned char	 mock_key[32];	/* for salts of unknown users */
	uint16_t	 port;
};

/* The next number of SHOW's `id` column. Any thread. */
uint64_t shared_next_id(struct shared *);

/* Something happened that those who wait in the control thread (PAUSE,
 * SHUTDOWN) want to know, or places became free. Any thread; cheap. */
void	shared_kick(struct shared *);

#endif /* POOLER_SHARED_H */
