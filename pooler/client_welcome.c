/* SPDX-License-Identifier: MIT */
/*
 * The end of a login: the admin console, or the client's pool and what the
 * pool's servers have said about themselves.
 */
#include "common/base.h"
#include "pooler/client_login.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/wire.h"
#include "pooler/server.h"
#include "pooler/worker.h"

#define WELCOME_ROOM	1024

/* ---- the end: console or pool ---- */

/* Into its first state, with the welcome `b`; what it sent meanwhile counts. */
static void
enter(struct client *c, enum client_state state, struct buf *b)
{
	struct buf early = c->login->in;

	buf_init(&c->login->in, LOGIN_MAX);
	stats_add(&c->pool->stats[c->worker->id].client_login_count, 1);
	c->logged_in = true;
	client_login_free(c);
	client_enter(c, state);
	login_send(c, b);
	if (c->state == state)
		client_logged_in(c, buf_bytes(&early), buf_len(&early));
	buf_release_secret(&early);
}

static bool
passes(int before, int max)
{
	return max <= 0 || before < max;
}

/*
 * Counts the client in its database and user. False: a limit said no; to an
 * administrator on the console none does.
 */
static bool
enter_registry(struct client *c, struct database *db, const char *user)
{
	struct shared *p = c->worker->shared;
	bool	exempt = db->admin && c->admin;
	int	of_db, of_user;

	c->user = registry_user(&p->registry, user);
	if (c->user == NULL) {
		client_fail(c, "bouncer resources exhaustion");
		return false;
	}
	c->db = db;
	of_db = atomic_fetch_add(&db->clients, 1);
	of_user = atomic_fetch_add(&c->user->clients, 1);
	if (exempt)
		return true;
	if (!passes(of_db, db->max_clients)) {
		client_fail(c, "client connections exceeded "
		    "(max_db_client_connections)");
		return false;
	}
	if (!passes(of_user, c->user->max_clients)) {
		client_fail(c, "client connections exceeded "
		    "(max_user_client_connections)");
		return false;
	}
	return true;
}

static bool
listed(const struct opt_list *l, const char *name)
{
	return opt_list_has(l, name);
}

void
login_console(struct client *c, bool trusted)
{
	struct shared	     *p = c->worker->shared;
	const struct options *o = worker_options(c->worker);
	struct login	     *l = c->login;
	const char	     *user = l->startup.user;
	struct user	     *u;
	struct buf	      b = { 0 };
	uint32_t	      pid;
	struct wire_key	      key;
	unsigned char	      bytes[8];
	int		      i;

	c->admin = trusted || listed(&o->admin_users, user);
	if (!c->admin && !listed(&o->stats_users, user) &&
	    o->auth_type != AUTH_TYPE_ANY) {
		client_fail(c, "not allowed");
		return;
	}
	if (!enter_registry(c, p->registry.admin, user))
		return;
	/* All console clients share one pool, as in PgBouncer. */
	u = registry_user(&p->registry, CONFIG_ADMIN_DB);
	c->pool = u == NULL ? NULL : registry_pool(&p->registry, c->db, u);
	if (c->pool == NULL) {
		client_fail(c, "no memory for pool");
		return;
	}
	client_console_welcome(&b);
	for (i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(c->cancel_key >> (56 - 8 * i));
	pid = (uint32_t)(c->cancel_key >> 32);
	key = (struct wire_key){ pid, (const char *)bytes + 4, 4 };
	wire_put_backend_key(&b, &key);
	wire_put_ready(&b, WIRE_TX_IDLE);
	enter(c, CLIENT_CONSOLE, &b);
}

/* What the pool may show to its servers for this client's sake. */
static void
give_credentials(struct client *c, bool forced)
{
	struct dbpool *p = c->pool;

	dbpool_follow_secret(p, c->worker->shared->config);
	if (forced || !c->login->auth_begun)
		return;
	pthread_mutex_lock(&p->lock);
	if (client_auth_take_credentials(&c->login->auth, &p->creds) == 0)
		p->have_creds = true;
	pthread_mutex_unlock(&p->lock);
}

static void
login_pool(struct client *c, struct database *db)
{
	struct shared	 *p = c->worker->shared;
	struct login	 *l = c->login;
	const char	 *forced = db->conf->opt.user;
	struct user	 *u;
	char		  text[512], why[640];

	if (forced == NULL && worker_options(c->worker)->auth_type ==
	    AUTH_TYPE_ANY) {
		client_log(c, LV_ERROR, "auth_type=any requires forced user");
		client_fail(c, "bouncer config error");
		return;
	}
	if (!enter_registry(c, db, l->startup.user))
		return;
	u = forced != NULL ? registry_user(&p->registry, forced) : c->user;
	c->pool = u == NULL ? NULL : registry_pool(&p->registry, db, u);
	if (c->pool == NULL) {
		client_fail(c, "no memory for pool");
		return;
	}
	give_credentials(c, forced != NULL);
	c->params = l->startup.params;
	memset(&l->startup.params, 0, sizeof(l->startup.params));
	if (pool_failing(&c->pool->core, loop_now(&c->worker->loop), text,
	    sizeof(text), false) && !c->pool->welcome.known) {
		snprintf(why, sizeof(why), "server login has been failing, "
		    "cached error: %s (server_login_retry)", text);
		client_fail(c, why);
		return;
	}
	if (c->pool->welcome.known) {
		client_welcome(c);
		return;
	}
	stream_recv_stop(&c->stream);
	client_enter(c, CLIENT_WELCOME);
	client_wait_in_pool(c);
}

/* The client is who it says it is. */
void
login_authenticated(struct client *c)
{
	struct shared	*p = c->worker->shared;
	struct login	*l = c->login;
	struct database *db;
	char		 text[256];

	db = registry_database(&p->registry, l->startup.database);
	if (db != NULL && db->admin) {
		login_console(c, false);
		return;
	}
	if (atomic_load(&p->shutdown) != SHUTDOWN_NONE) {
		client_fail(c, "pooler is shutting down");
	} else if (db == NULL) {
		client_log(c, LV_LOG, "login failed: db=%s user=%s",
		    l->startup.database, l->startup.user);
		snprintf(text, sizeof(text), "no such database: %s",
		    l->startup.database);
		client_fail(c, text);
	} else if (atomic_load(&db->disabled)) {
		snprintf(text, sizeof(text), "database \"%s\" is disabled",
		    db->name);
		client_fail(c, text);
	} else {
		login_pool(c, db);
	}
}

/* The tracked parameters: the client's value where it has one, else the
 * server's, which is then what the client relies on. */
static int
put_tracked(struct client *c, struct buf *b)
{
	struct params_names *names = c->worker->shared->names;
	struct welcome *w = &c->pool->welcome;
	size_t	i;

	for (i = 0; i < params_count(names); i++) {
		if (c->params.value[i] == NULL) {
			if (w->params.value[i] == NULL)
				continue;
			if (params_set(names, &c->params, i,
			    w->params.value[i]) != 0)
				return ERR_NOMEM;
		}
		wire_put_parameter_status(b, params_name(names, i),
		    c->params.value[i]);
	}
	return 0;
}

void
client_welcome(struct client *c)
{
	const struct options *o = worker_options(c->worker);
	struct buf	b = { 0 };
	char		text[16];
	unsigned char	bytes[8];
	struct wire_key key;
	int		i, r;

	pool_unwait(&c->pool->core, &c->waiter);
	c->waiter.since = 0;
	/* All of a common one, so that it does not grow by doubling. */
	(void)!buf_reserve(&b, WELCOME_ROOM);
	pthread_mutex_lock(&c->pool->lock);
	buf_append(&b, buf_bytes(&c->pool->welcome.parameters),
	    buf_len(&c->pool->welcome.parameters));
	r = put_tracked(c, &b);
	pthread_mutex_unlock(&c->pool->lock);
	wire_put_parameter_status(&b, "pgbouncer.version", PGBOUNCER_COMPAT);
	wire_put_parameter_status(&b, "pgbouncer.pool_mode",
	    options_pool_mode_name(c->pool->mode));
	snprintf(text, sizeof(text), "%d", o->max_prepared_statements);
	wire_put_parameter_status(&b, "pgbouncer.max_prepared_statements",
	    text);
	for (i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(c->cancel_key >> (56 - 8 * i));
	key = (struct wire_key){ (uint32_t)(c->cancel_key >> 32),
	    (const char *)bytes + 4, 4 };
	wire_put_backend_key(&b, &key);
	if (o->login_notify_message != NULL &&
	    o->login_notify_message[0] != '\0') {
		struct wire_error e = { .severity = "NOTICE",
		    .sqlstate = "00000", .message = o->login_notify_message };

		wire_put_error(&b, WIRE_BE_NOTICE, &e);
	}
	wire_put_ready(&b, WIRE_TX_IDLE);
	if (r != 0 || buf_failed(&b)) {
		buf_release(&b);
		client_fail(c, "failed to prepare welcome message");
		return;
	}
	enter(c, CLIENT_IDLE, &b);
}
