/* SPDX-License-Identifier: MIT */
/*
 * registry - the databases, users and pools that exist at run time.
 *
 * A snapshot of the configuration (config.h) says what may be; the registry
 * holds what is: a database with its counters and switches, a user with
 * his, and the pools between them, made when first needed. Objects point
 * into the present snapshot. They are found and made under the registry's
 * lock by any worker; what the snapshot decides (conf, settings, maxima) is
 * changed, and objects are freed, only by registry_apply() and
 * registry_sweep(), while all workers stand still. So a worker may keep
 * pointers for as long as it is counted in them (clients, refs).
 */
#ifndef POOLER_REGISTRY_H
#define POOLER_REGISTRY_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/base.h"
#include "common/buf.h"
#include "common/digest.h"
#include "common/hash.h"
#include "common/list.h"
#include "pooler/auth.h"
#include "pooler/config.h"
#include "pooler/params.h"
#include "pooler/pool.h"
#include "pooler/stats.h"

struct err;

struct database {
	struct hash_node node;
	struct list_node list_node;	/* registry.databases */
	char		*name;
	const struct config_db *conf;	/* NULL: no longer configured, or
					 * the admin console */
	bool		 automatic;	/* made from the entry "*" */
	bool		 admin;		/* the console, "pgbouncer" */
	atomic_bool	 paused;	/* PAUSE db, KILL db */
	atomic_bool	 disabled;	/* DISABLE db */
	struct pool_limit servers;	/* max_db_connections */
	atomic_int	 clients;
	int		 max_clients;	/* 0 = no limit */
	atomic_uint	 next_host;	/* of the list, round robin */
	struct list	 pools;		/* registry's lock */
	uint64_t	 unused_since;	/* automatic ones; 0 = in use */
	struct stats_sum retired;	/* of pools that were freed: totals
					 * never run backwards */
	struct stats_sum newer, older;	/* readings one and two stats_periods
					 * old; the control thread's */
};

struct user {
	struct hash_node node;
	struct list_node list_node;	/* registry.users */
	char		*name;
	const struct config_user *conf;	/* NULL: no line in [users] */
	struct pool_limit servers;	/* max_user_connections */
	atomic_int	 clients;
	int		 max_clients;
};

/* Times are microseconds, 0 = off. */
struct pool_times {
	uint64_t	 server_lifetime;
	uint64_t	 query_wait;
	uint64_t	 query;
	uint64_t	 transaction;
	uint64_t	 idle_transaction;
	uint64_t	 client_idle;
};

/* What the servers of a pool reported when they logged in. */
struct welcome {
	atomic_bool	 known;
	struct buf	 parameters;	/* ParameterStatus messages, whole */
	struct params	 params;	/* the tracked ones among them */
};

/* One (database, user). `core` says who gets which server. */
struct dbpool {
	struct pool	 core;
	struct list_node list_node;	/* registry.pools */
	struct list_node db_node;	/* database.pools */
	struct database	*db;
	struct user	*user;		/* as whom the server is used */
	enum pool_mode	 mode;
	struct pool_times times;
	atomic_int	 refs;		/* clients, servers, tasks under way */
	uint64_t	 unused_since;	/* seen by the sweep; 0 = in use */
	struct pool_stats *stats;	/* one for each worker */
	pthread_mutex_t	 lock;		/* guards what follows */
	struct welcome	 welcome;
	struct auth_credentials creds;	/* to log in to the server with */
	bool		 have_creds;
	bool		 has_said;
	struct digest	 said;		/* has_said: of the secret that the
					 * configuration had for it last */
};

struct registry {
	pthread_mutex_t	 lock;
	uint32_t	 workers;
	const struct config *config;
	struct params_names *names;
	struct hash	 db_index, user_index;
	struct list	 databases, users, pools;
	struct database	*admin;
	bool		 mostly_scram;	/* most secrets of the auth file are */
	atomic_bool	 held;		/* new pools are held, see pause.h */
};

int	registry_init(struct registry *, uint32_t workers,
	    struct params_names *, struct err *e) MUST_CHECK;

/* Nobody may refer to anything any more. */
void	registry_release(struct registry *);

/*
 * Makes everything follow a snapshot: entries that are new, changed or gone,
 * settings of existing pools. Databases whose servers must be replaced get
 * a new epoch; `gone` ones keep their object until swept, with conf NULL.
 * Workers must stand still. Returns 0 or ERR_NOMEM, and then nothing but
 * some new unused objects was changed.
 */
int	registry_apply(struct registry *, const struct config *,
	    struct err *e) MUST_CHECK;

/*
 * The database by name, made from "*" if need be; NULL if there is none or
 * no memory. The console is "pgbouncer". Any thread.
 */
struct database *registry_database(struct registry *, const char *name);

/* As above, but never makes one. */
struct database *registry_find_database(struct registry *, const char *name);

/* The user by name, made if need be; NULL without memory. Any thread. */
struct user *registry_user(struct registry *, const char *name);

/* As above, but never made. */
struct user *registry_find_user(struct registry *, const char *name);

/*
 * The pool, made if need be; NULL without memory. The caller owns one
 * reference. Any thread.
 */
struct dbpool *registry_pool(struct registry *, struct database *,
	    struct user *) MUST_CHECK;
void	dbpool_ref(struct dbpool *);
/*
 * Takes the secret that the configuration has for the pool's servers, if it is
 * another one than the last time. Between two such changes a client's login
 * may have put something better there. registry_apply() does it for all
 * pools: a password that was changed holds for clients that are logged in.
 */
void	dbpool_follow_secret(struct dbpool *, const struct config *);
void	dbpool_unref(struct dbpool *);

/*
 * Frees what nobody uses: gone and long unused automatic databases, pools
 * of gone databases, and pools unused for longer than pool_idle_timeout.
 * Workers must stand still. registry_has_garbage() says if it is worth it
 * and may be asked at any time.
 */
void	registry_sweep(struct registry *, uint64_t now);
bool	registry_has_garbage(struct registry *, uint64_t now);

#endif /* POOLER_REGISTRY_H */
