/* SPDX-License-Identifier: MIT */
/* Asking a snapshot: names, settled values, differences. */
#include "common/base.h"
#include "pooler/config.h"

#include <string.h>

const struct config_db *
config_find_db(const struct config *c, const char *name)
{
	return strmap_get(&c->db_index, name);
}

const struct config_user *
config_find_user(const struct config *c, const char *name)
{
	return strmap_get(&c->user_index, name);
}

const struct authfile_secret *
config_find_secret(const struct config *c, const char *user)
{
	return strmap_get(&c->secret_index, user);
}

/* Settled values ------------------------------------------------------ */

/* The first of the three that is set; the last one always is. */
static int
settle(int user, int db, int global)
{
	if (user != OPT_UNSET)
		return user;
	return db != OPT_UNSET ? db : global;
}

static int64_t
settle64(int64_t user, int64_t db, int64_t global)
{
	if (user != OPT_UNSET64)
		return user;
	return db != OPT_UNSET64 ? db : global;
}

#define DB(member)	(db == NULL ? OPT_UNSET : db->opt.member)
#define USER(member)	(user == NULL ? OPT_UNSET : user->opt.member)
#define DB64(member)	(db == NULL ? OPT_UNSET64 : db->opt.member)
#define USER64(member)	(user == NULL ? OPT_UNSET64 : user->opt.member)

enum pool_mode
config_pool_mode(const struct config *c, const struct config_db *db,
    const struct config_user *user)
{
	return (enum pool_mode)settle(USER(pool_mode), DB(pool_mode),
	    c->opt.pool_mode);
}

int
config_pool_size(const struct config *c, const struct config_db *db,
    const struct config_user *user)
{
	return settle(USER(pool_size), DB(pool_size),
	    c->opt.default_pool_size);
}

int
config_min_pool_size(const struct config *c, const struct config_db *db)
{
	return settle(OPT_UNSET, DB(min_pool_size), c->opt.min_pool_size);
}

int
config_reserve_pool_size(const struct config *c, const struct config_db *db,
    const struct config_user *user)
{
	return settle(USER(reserve_pool_size), DB(reserve_pool_size),
	    c->opt.reserve_pool_size);
}

int
config_max_db_connections(const struct config *c, const struct config_db *db)
{
	return settle(OPT_UNSET, DB(max_db_connections),
	    c->opt.max_db_connections);
}

int
config_max_db_client_connections(const struct config *c,
    const struct config_db *db)
{
	return settle(OPT_UNSET, DB(max_db_client_connections),
	    c->opt.max_db_client_connections);
}

int
config_max_user_connections(const struct config *c,
    const struct config_user *user)
{
	return settle(USER(max_user_connections), OPT_UNSET,
	    c->opt.max_user_connections);
}

int
config_max_user_client_connections(const struct config *c,
    const struct config_user *user)
{
	return settle(USER(max_user_client_connections), OPT_UNSET,
	    c->opt.max_user_client_connections);
}

int64_t
config_server_lifetime(const struct config *c, const struct config_db *db)
{
	return settle64(OPT_UNSET64, DB64(server_lifetime),
	    c->opt.server_lifetime);
}

int64_t
config_query_wait_timeout(const struct config *c, const struct config_db *db,
    const struct config_user *user)
{
	return settle64(USER64(query_wait_timeout), DB64(query_wait_timeout),
	    c->opt.query_wait_timeout);
}

int64_t
config_query_timeout(const struct config *c, const struct config_user *user)
{
	return settle64(USER64(query_timeout), OPT_UNSET64,
	    c->opt.query_timeout);
}

int64_t
config_transaction_timeout(const struct config *c,
    const struct config_user *user)
{
	return settle64(USER64(transaction_timeout), OPT_UNSET64,
	    c->opt.transaction_timeout);
}

int64_t
config_idle_transaction_timeout(const struct config *c,
    const struct config_user *user)
{
	return settle64(USER64(idle_transaction_timeout), OPT_UNSET64,
	    c->opt.idle_transaction_timeout);
}

int64_t
config_client_idle_timeout(const struct config *c,
    const struct config_user *user)
{
	return settle64(USER64(client_idle_timeout), OPT_UNSET64,
	    c->opt.client_idle_timeout);
}

/* Differences --------------------------------------------------------- */

/* The options that decide whom a server connection is to, and how. */
static const char *const connection_options[] = {
	"dbname", "host", "port", "user", "connect_query", "auth_user",
	"auth_query", "auth_dbname", "load_balance_hosts", "client_encoding",
	"datestyle", "timezone", "application_name"
};

static bool
is_connection_option(const struct opt *o)
{
	size_t	i;

	for (i = 0; i < ARRAY_LEN(connection_options); i++) {
		if (strcmp(o->name, connection_options[i]) == 0)
			return true;
	}
	return false;
}

/* Reports how two entries of one name differ, if they do. */
static void
diff_entry(const struct config_db *before, const struct config_db *after,
    config_diff_fn *fn, void *arg)
{
	const struct opt *o;
	bool		  settings = false, connection = false;

	OPT_FOREACH(o, &pooler_db_table) {
		if (opt_equal(o, &before->opt, &after->opt))
			continue;
		if (is_connection_option(o))
			connection = true;
		else
			settings = true;
	}
	if (connection || settings)
		fn(arg, connection ? CONFIG_RECONNECT : CONFIG_SETTINGS,
		    after->name, before, after);
}

static void
diff_pair(const struct config_db *before, const struct config_db *after,
    config_diff_fn *fn, void *arg)
{
	if (before == NULL && after != NULL)
		fn(arg, CONFIG_ADDED, after->name, NULL, after);
	else if (before != NULL && after == NULL)
		fn(arg, CONFIG_REMOVED, before->name, before, NULL);
	else if (before != NULL)
		diff_entry(before, after, fn, arg);
}

void
config_diff(const struct config *before, const struct config *after,
    config_diff_fn *fn, void *arg)
{
	const struct config_db	*a = before->dbs, *b = after->dbs;
	const struct config_db	*a_end = a + before->n_dbs;
	const struct config_db	*b_end = b + after->n_dbs;

	/* Both are sorted: walk them like a zip. */
	while (a < a_end || b < b_end) {
		int order = a == a_end ? 1 : b == b_end ? -1 :
		    strcmp(a->name, b->name);

		diff_pair(order <= 0 ? a : NULL, order >= 0 ? b : NULL, fn,
		    arg);
		a += order <= 0;
		b += order >= 0;
	}
	diff_pair(before->fallback, after->fallback, fn, arg);
}
