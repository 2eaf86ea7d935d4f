/* SPDX-License-Identifier: MIT */
/*
 * config - everything the pooler's files say, as one snapshot.
 *
 * config_load() reads the ini file, what it includes, and the auth file,
 * checks all of it, and returns a struct config that never changes again;
 * or it returns an error and nothing. A reload loads a second one beside
 * the first, asks config_diff() what changed, and swaps them: there is no
 * half-applied state. A snapshot has no lock and needs none; it must
 * outlive whoever points into it, so the pooler frees the old one when its
 * last user has moved on.
 *
 * Where an entry of [databases] or [users] leaves something out, its option
 * is unset. The settled values, with user before database before global,
 * come from config_pool_mode() and those that follow it.
 */
#ifndef POOLER_CONFIG_H
#define POOLER_CONFIG_H

#include "common/base.h"

#include "common/buf.h"
#include "common/strmap.h"
#include "pooler/authfile.h"
#include "pooler/options.h"

struct err;

/* Usable bytes of a name, PgBouncer's limit; see also authfile.h. */
#define CONFIG_DB_NAME_MAX	63
#define CONFIG_ADMIN_DB		"pgbouncer"
#define CONFIG_DEFAULT_PORT	5432

/* One line of [databases]. */
struct config_db {
	char		 *name;		/* "*" only in config.fallback */
	struct db_options opt;		/* see db_options.def for "unset" */
	char		**hosts;	/* opt.host split at commas */
	size_t		  n_hosts;	/* 0: the Unix socket directory */
};

/* One line of [users]. */
struct config_user {
	char		   *name;
	struct user_options opt;
};

struct config {
	struct options	     opt;
	/* Sorted by name in byte order; names are unique. */
	struct config_db    *dbs;
	size_t		     n_dbs;
	struct config_user  *users;
	size_t		     n_users;
	struct authfile_secret *secrets;
	size_t		     n_secrets;
	struct config_db    *fallback;	/* the entry "*", or NULL */
	/* Lines ending in '\n' for the log. */
	struct buf	     warnings;	/* what was accepted with doubts */
	struct buf	     changes;	/* options that a reload changed */
	struct strmap	     db_index, user_index, secret_index;
};

/* What beside the file decides. */
struct config_source {
	const char	*path;		/* of the ini file */
	const char	*user;		/* -u; wins over the key; NULL: none */
	int		 verbose;	/* how many -v; added to the key */
	/* At a reload: the present snapshot, whose fixed options stay. */
	const struct config *running;
};

/*
 * Reads and checks. Returns 0 and a new snapshot in *out (config_free()),
 * or a code with *out untouched:
 *
 *	ERR_CONFIG	a line is wrong; the message holds PgBouncer's text
 *			for it and ` in configuration (file:line)`
 *	ERR_NOT_YET	an auth_type (or the like) that is known and refused
 *	ERR_NOT_FOUND, ERR_ACCESS, ERR_SYS	a file cannot be read
 *	ERR_NOMEM
 *
 * The file must have a section [pgbouncer]. Keys without effect (not done
 * yet) and dubious values become warnings. opt.conffile is the path. With
 * `running` set, options that cannot change at run time keep its values,
 * each difference giving a warning. No secret is in any message.
 */
int	config_load(const struct config_source *, struct config **out,
	    struct err *e) MUST_CHECK;

/*
 * SET auth_file: reads that file ("": none) into a snapshot that holds its
 * users and the warnings about them, and the default of everything else.
 * Errors as above. The other exchanges the users of two snapshots.
 */
int	config_load_secrets(const char *path, struct config **out,
	    struct err *e) MUST_CHECK;
void	config_swap_secrets(struct config *, struct config *);

/* Frees a snapshot, secrets after overwriting them. NULL is legal. */
void	config_free(struct config *);

/*
 * By name, in constant time; NULL if the files have no such line. A name
 * that only "*" covers gives NULL here: see config.fallback, whose
 * opt.dbname is unset unless given, and then is the requested name.
 */
const struct config_db *config_find_db(const struct config *,
	    const char *name);
const struct config_user *config_find_user(const struct config *,
	    const char *name);
const struct authfile_secret *config_find_secret(const struct config *,
	    const char *user);

/* What became of a database between two snapshots. */
enum config_change {
	CONFIG_ADDED,
	CONFIG_REMOVED,
	CONFIG_RECONNECT,	/* its servers are to be replaced */
	CONFIG_SETTINGS		/* limits, modes, times or password only */
};

typedef void	config_diff_fn(void *arg, enum config_change,
		    const char *name, const struct config_db *before,
		    const struct config_db *after);

/*
 * Calls fn for each entry that differs, by name in byte order; for "*"
 * last, as "*". before or after is NULL where there is none. RECONNECT is a
 * change of dbname, host, port, user, connect_query, auth_user, auth_query,
 * auth_dbname, load_balance_hosts or of a startup parameter.
 */
void	config_diff(const struct config *before, const struct config *after,
	    config_diff_fn *fn, void *arg);

/*
 * The settled value of what sections share. db and user may be NULL (none);
 * for an automatic database pass config.fallback. Times are microseconds.
 */
enum pool_mode config_pool_mode(const struct config *,
	    const struct config_db *, const struct config_user *);
int	config_pool_size(const struct config *, const struct config_db *,
	    const struct config_user *);
int	config_min_pool_size(const struct config *, const struct config_db *);
int	config_reserve_pool_size(const struct config *,
	    const struct config_db *, const struct config_user *);
int	config_max_db_connections(const struct config *,
	    const struct config_db *);
int	config_max_db_client_connections(const struct config *,
	    const struct config_db *);
int	config_max_user_connections(const struct config *,
	    const struct config_user *);
int	config_max_user_client_connections(const struct config *,
	    const struct config_user *);
int64_t	config_server_lifetime(const struct config *,
	    const struct config_db *);
int64_t	config_query_wait_timeout(const struct config *,
	    const struct config_db *, const struct config_user *);
int64_t	config_query_timeout(const struct config *,
	    const struct config_user *);
int64_t	config_transaction_timeout(const struct config *,
	    const struct config_user *);
int64_t	config_idle_transaction_timeout(const struct config *,
	    const struct config_user *);
int64_t	config_client_idle_timeout(const struct config *,
	    const struct config_user *);

/*
 * -t: loads the file as a start would, writes to out what an administrator
 * wants to read (warnings, then a line with counts), and throws it away.
 */
int	config_test(const char *path, struct buf *out, struct err *e)
	    MUST_CHECK;

/*
 * -T: writes the effective configuration as an ini file: every option, also
 * those at their default, with secrets as "****" and the auth file as a
 * comment that counts its users.
 */
void	config_dump(const struct config *, struct buf *out);

#endif /* POOLER_CONFIG_H */
