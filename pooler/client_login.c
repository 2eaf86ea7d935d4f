/* SPDX-License-Identifier: MIT */
/*
 * A client's login: start-up packet, TLS, authentication, welcome. The order
 * of checks is the contract's (section 8.2): who may not log in learns
 * nothing about databases. Nothing of the registry is held while the client
 * is not authenticated.
 */
#include "common/base.h"
#include "pooler/client.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/peer.h"
#include "common/random.h"
#include "common/wire.h"
#include "pooler/admin.h"
#include "pooler/auth.h"
#include "pooler/authcache.h"
#include "pooler/pooler.h"
#include "pooler/server.h"
#include "pooler/startup.h"

/* A start-up packet or a password message, with some room. */
#define LOGIN_MAX	(128 * 1024)

struct login {
	struct buf	 in;		/* received, not yet understood */
	uint64_t	 since;
	struct startup	 startup;
	struct client_auth auth;
	bool		 auth_begun;
	struct loop_work work;
	int		 work_result;
	struct client	*client;	/* NULL: it closed during the work */
	/* auth_query */
	char		*found_secret;	/* NULL: none found */
	bool		 found_user;
	bool		 query_failed;
	bool		 queried;
};

static void continue_login(struct client *, struct lent *);
static void begin_auth(struct client *);

void
client_login_begin(struct client *c)
{
	struct login *l = calloc(1, sizeof(*l));

	client_relay_init(c);
	if (l == NULL) {
		client_close(c, "out of memory");
		return;
	}
	l->since = loop_now(&c->worker->loop);
	l->client = c;
	buf_init(&l->in, LOGIN_MAX);
	c->login = l;
	atomic_fetch_add(&c->worker->pooler->login_count, 1);
}

static void
free_login(struct login *l)
{
	if (l->auth_begun)
		client_auth_release(&l->auth);
	if (l->found_secret != NULL) {
		explicit_bzero(l->found_secret, strlen(l->found_secret));
		free(l->found_secret);
	}
	startup_release(&l->startup);
	buf_release_secret(&l->in);
	free(l);
}

void
client_login_free(struct client *c)
{
	struct login *l = c->login;

	if (l == NULL)
		return;
	c->login = NULL;
	atomic_fetch_sub(&c->worker->pooler->login_count, 1);
	/* A pool thread may be at work on it: work_done() frees it then. */
	if (l->work.request != NULL)
		l->client = NULL;
	else
		free_login(l);
}

uint64_t
client_login_since(const struct client *c)
{
	return c->login != NULL ? c->login->since : c->state_since;
}

void
client_login_put_off(struct client *c, uint64_t by)
{
	if (c->login != NULL)
		c->login->since += by;
}

const char *
client_login_db(const struct client *c)
{
	return c->login != NULL && c->login->startup.database != NULL ?
	    c->login->startup.database : "(nodb)";
}

const char *
client_login_user(const struct client *c)
{
	return c->login != NULL && c->login->startup.user != NULL ?
	    c->login->startup.user : "(nouser)";
}

static void
send_and_release(struct client *c, struct buf *b)
{
	client_send(c, b);
	buf_release_secret(b);
}

/* ---- the end: console or pool ---- */

static void
count_login(struct client *c)
{
	stats_add(&c->pool->stats[c->worker->id].client_login_count, 1);
	c->logged_in = true;
	client_login_free(c);
}

/* Counts the client in its database and user. False: a limit said no. */
static bool
enter_registry(struct client *c, struct database *db, const char *user)
{
	struct pooler *p = c->worker->pooler;
	bool	exempt = db->admin;

	c->user = registry_user(&p->registry, user);
	if (c->user == NULL) {
		client_fail(c, "bouncer resources exhaustion");
		return false;
	}
	c->db = db;
	if (atomic_fetch_add(&c->user->clients, 1) >= c->user->max_clients &&
	    c->user->max_clients > 0 && !exempt) {
		atomic_fetch_add(&db->clients, 1);
		client_fail(c, "client connections exceeded "
		    "(max_user_client_connections)");
		return false;
	}
	if (atomic_fetch_add(&db->clients, 1) >= db->max_clients &&
	    db->max_clients > 0 && !exempt) {
		client_fail(c, "client connections exceeded "
		    "(max_db_client_connections)");
		return false;
	}
	return true;
}

static bool
listed(const struct opt_list *l, const char *name)
{
	return opt_list_has(l, name);
}

static void
login_console(struct client *c, bool trusted)
{
	struct pooler	     *p = c->worker->pooler;
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
	admin_console_welcome(&b);
	for (i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(c->cancel_key >> (56 - 8 * i));
	pid = (uint32_t)(c->cancel_key >> 32);
	key = (struct wire_key){ pid, (const char *)bytes + 4, 4 };
	wire_put_backend_key(&b, &key);
	wire_put_ready(&b, WIRE_TX_IDLE);
	count_login(c);
	client_enter(c, CLIENT_CONSOLE);
	send_and_release(c, &b);
	stream_recv_start(&c->stream);
}

/* What the pool may show to its servers for this client's sake. */
static void
give_credentials(struct client *c, bool forced)
{
	struct dbpool *p = c->pool;
	const struct config *conf = c->worker->pooler->config;
	const struct config_secret *s;
	const char *secret = NULL;

	pthread_mutex_lock(&p->lock);
	if (forced) {
		s = config_find_secret(conf, p->user->name);
		if (p->db->conf->opt.password != NULL)
			secret = p->db->conf->opt.password;
		else if (s != NULL)
			secret = s->secret;
		p->have_creds = secret != NULL &&
		    auth_credentials_set(&p->creds, secret) == 0;
	} else if (c->login->auth_begun &&
	    client_auth_take_credentials(&c->login->auth, &p->creds) == 0) {
		p->have_creds = true;
	}
	pthread_mutex_unlock(&p->lock);
}

static void
login_pool(struct client *c, struct database *db)
{
	struct pooler	 *p = c->worker->pooler;
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
	client_enter(c, CLIENT_WELCOME);
	client_wait_in_pool(c);
}

/* The client is who it says it is. */
static void
authenticated(struct client *c)
{
	struct pooler	*p = c->worker->pooler;
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
	struct params_names *names = c->worker->pooler->names;
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
	count_login(c);
	client_enter(c, CLIENT_IDLE);
	send_and_release(c, &b);
	stream_recv_start(&c->stream);
}

/* ---- authentication ---- */

static void
login_failed(struct client *c, const char *reason, const char *sqlstate,
    const struct err *e)
{
	if (e->msg[0] != '\0')
		client_log(c, LV_ERROR, "%s", e->msg);
	client_log(c, LV_LOG, "login failed: db=%s user=%s",
	    c->login->startup.database, c->login->startup.user);
	client_fail_code(c, sqlstate, reason);
}

static void
in_pool(struct loop_work *w)
{
	struct login *l = container_of(w, struct login, work);

	l->work_result = scram_work_run(&l->auth.work);
}

static void auth_step(struct client *, enum auth_result, struct buf *,
    struct err *);

static void
work_done(struct loop_work *w)
{
	struct login  *l = container_of(w, struct login, work);
	struct client *c = l->client;
	struct buf     reply = { 0 };
	struct err     e = { 0 };

	if (c == NULL) {
		free_login(l);
		return;
	}
	client_enter(c, CLIENT_AUTH);
	auth_step(c, client_auth_worked(&l->auth, l->work_result, &reply, &e),
	    &reply, &e);
	if (c->login != NULL)
		continue_login(c, NULL);
}

/* Does what the state machine of auth.h says. */
static void
auth_step(struct client *c, enum auth_result r, struct buf *reply,
    struct err *e)
{
	struct login *l = c->login;

	send_and_release(c, reply);
	switch (r) {
	case AUTH_MORE:
		if (c->state != CLIENT_AUTH)
			client_enter(c, CLIENT_AUTH);
		stream_recv_start(&c->stream);
		return;
	case AUTH_OK:
		authcache_keep(c->worker->pooler->auth_cache,
		    l->startup.user, &l->auth);
		authenticated(c);
		return;
	case AUTH_FAIL:
		login_failed(c, l->auth.reason, l->auth.sqlstate, e);
		return;
	case AUTH_WORK:
		stream_recv_stop(&c->stream);
		client_enter(c, CLIENT_WORK);
		l->work.work = in_pool;
		l->work.done = work_done;
		if (loop_work(&c->worker->loop, &l->work) != 0)
			client_fail(c, "out of memory");
		return;
	}
}

static enum auth_method
method_of(int auth_type)
{
	switch (auth_type) {
	case AUTH_TYPE_ANY:
		return AUTH_METHOD_ANY;
	case AUTH_TYPE_TRUST:
		return AUTH_METHOD_TRUST;
	case AUTH_TYPE_PLAIN:
		return AUTH_METHOD_PLAIN;
	case AUTH_TYPE_SCRAM:
		return AUTH_METHOD_SCRAM;
	default:
		return AUTH_METHOD_MD5;
	}
}

/* The secret of the auth file, or of auth_query. */
static void
begin_auth(struct client *c)
{
	struct pooler	     *p = c->worker->pooler;
	const struct options *o = worker_options(c->worker);
	struct login	     *l = c->login;
	const struct config_secret *s;
	struct client_auth_params params = { .user = l->startup.user };
	struct scram_secret   cached;
	struct buf	      reply = { 0 };
	struct err	      e = { 0 };

	s = config_find_secret(p->config, l->startup.user);
	params.method = method_of(o->auth_type);
	params.known = s != NULL || l->found_user;
	params.secret = s != NULL ? s->secret : l->found_secret;
	params.iterations = (uint32_t)o->scram_iterations;
	params.mock_scram = p->registry.mostly_scram;
	params.mock_key = p->mock_key;
	if (params.secret != NULL && authcache_find(p->auth_cache,
	    l->startup.user, params.secret, params.iterations, &cached))
		params.cached = &cached;
	if (random_fill(&params.random, sizeof(params.random)) != 0) {
		client_fail(c, "bouncer resources exhaustion");
		return;
	}
	l->auth_begun = true;
	auth_step(c, client_auth_begin(&l->auth, &params, &reply, &e), &reply,
	    &e);
}

static void
password_message(struct client *c)
{
	struct login	  *l = c->login;
	struct wire_header h;
	struct buf	   reply = { 0 };
	struct err	   e = { 0 };
	enum auth_result   r;
	size_t		   n = buf_len(&l->in);
	int		   rc;

	if (n == 0)
		return;
	if (buf_bytes(&l->in)[0] != WIRE_FE_PASSWORD) {
		if (buf_bytes(&l->in)[0] == WIRE_FE_TERMINATE)
			client_close(c, "client close request");
		else if (buf_bytes(&l->in)[0] == 0)
			client_fail(c, "client re-sent startup pkt");
		else
			client_fail(c, "unknown pkt");
		return;
	}
	rc = wire_header_get(buf_bytes(&l->in), n, LOGIN_MAX - 16, &h);
	if (rc == WIRE_MORE)
		return;
	if (rc != 0) {
		client_fail(c, "bad packet header");
		return;
	}
	if (n < WIRE_HEADER_LEN + h.body)
		return;
	r = client_auth_message(&l->auth, buf_bytes(&l->in) + WIRE_HEADER_LEN,
	    h.body, &reply, &e);
	buf_consume(&l->in, WIRE_HEADER_LEN + h.body);
	auth_step(c, r, &reply, &e);
}

/* ---- auth_query ---- */

static const char *
first_of(const char *a, const char *b)
{
	return a != NULL && a[0] != '\0' ? a : b;
}

/*
 * Where auth_query runs: the pool of auth_user in auth_dbname or in the
 * database the client wants. NULL without one (the client has failed then).
 */
static struct dbpool *
auth_pool(struct client *c, const struct config_db *conf, const char *auth_user)
{
	struct pooler	     *p = c->worker->pooler;
	const struct options *o = worker_options(c->worker);
	const char	     *name;
	struct database	     *db;
	struct user	     *u;
	struct dbpool	     *pool;
	const struct config_secret *s;
	char		      text[256];

	name = first_of(conf != NULL ? conf->opt.auth_dbname : NULL,
	    o->auth_dbname);
	db = registry_database(&p->registry, first_of(name,
	    c->login->startup.database));
	if (db == NULL || db->admin) {
		client_log(c, LV_ERROR, "authentication database \"%s\" is "
		    "not configured.", first_of(name,
		    c->login->startup.database));
		client_fail(c, "bouncer config error");
		return NULL;
	}
	if (atomic_load(&db->disabled)) {
		snprintf(text, sizeof(text),
		    "authentication database \"%s\" is disabled", db->name);
		client_fail(c, text);
		return NULL;
	}
	u = registry_user(&p->registry, auth_user);
	pool = u == NULL ? NULL : registry_pool(&p->registry, db, u);
	if (pool == NULL) {
		client_fail(c, "no memory for authentication pool");
		return NULL;
	}
	s = config_find_secret(p->config, auth_user);
	pthread_mutex_lock(&pool->lock);
	if (!pool->have_creds && s != NULL)
		pool->have_creds =
		    auth_credentials_set(&pool->creds, s->secret) == 0;
	pthread_mutex_unlock(&pool->lock);
	return pool;
}

/* Returns true if the query was begun (or the client failed). */
static bool
begin_auth_query(struct client *c)
{
	struct pooler	     *p = c->worker->pooler;
	const struct options *o = worker_options(c->worker);
	struct login	     *l = c->login;
	const struct config_db *conf;
	struct database	     *db;
	const char	     *auth_user;

	if (o->auth_type == AUTH_TYPE_ANY || l->queried ||
	    config_find_secret(p->config, l->startup.user) != NULL)
		return false;
	db = registry_find_database(&p->registry, l->startup.database);
	conf = db != NULL ? db->conf : p->config->fallback;
	auth_user = first_of(conf != NULL ? conf->opt.auth_user : NULL,
	    o->auth_user);
	if (auth_user == NULL || auth_user[0] == '\0')
		return false;
	if (conf == NULL && first_of(NULL, o->auth_dbname) == NULL)
		return false;
	c->pool = auth_pool(c, conf, auth_user);
	if (c->pool == NULL)
		return true;
	l->queried = true;
	client_enter(c, CLIENT_AUTH_QUERY);
	stream_recv_stop(&c->stream);
	client_wait_in_pool(c);
	return true;
}

static int
push_auth(struct server *s, uint8_t type)
{
	struct request r = { .kind = REQUEST_SKIP, .type = type,
	    .why = WHY_AUTH, .internal = true };

	return requests_push(&s->requests, &r);
}

void
client_login_server(struct client *c, struct server *s)
{
	const struct options *o = worker_options(c->worker);
	struct login	     *l = c->login;
	const struct config_db *conf = c->pool->db->conf;
	const char	     *query, *param = l->startup.user;
	struct buf	      b = { 0 };

	c->waiter.since = 0;
	query = first_of(conf != NULL ? conf->opt.auth_query : NULL,
	    o->auth_query);
	wire_put_parse(&b, "", query, NULL, 0);
	wire_put_bind(&b, "", "", &param, 1);
	wire_put_target(&b, WIRE_FE_DESCRIBE, 'P', "");
	wire_put_execute(&b, "", 0);
	wire_put_empty(&b, WIRE_FE_SYNC);
	s->unnamed_state = UNNAMED_UNKNOWN;
	if (push_auth(s, WIRE_FE_PARSE) != 0 ||
	    push_auth(s, WIRE_FE_BIND) != 0 ||
	    push_auth(s, WIRE_FE_DESCRIBE) != 0 ||
	    push_auth(s, WIRE_FE_EXECUTE) != 0 ||
	    push_auth(s, WIRE_FE_SYNC) != 0 || buf_failed(&b) ||
	    stream_send_copy(&s->stream, buf_bytes(&b), buf_len(&b)) != 0)
		server_close(s, "unable to send auth_query");
	buf_release(&b);
}

/* One row of the answer: user and secret. */
static void
take_row(struct client *c, const char *body, size_t n)
{
	struct login  *l = c->login;
	struct wire_in in;
	const char    *name, *secret;
	size_t	       name_len, secret_len;
	uint16_t       columns;

	if (wire_row_begin(body, n, &in, &columns) != 0 || columns != 2 ||
	    wire_row_next(&in, &name, &name_len) != 0 ||
	    wire_row_next(&in, &secret, &secret_len) != 0 ||
	    !wire_in_done(&in)) {
		client_log(c, LV_ERROR, "unexpected response from auth_query");
		l->query_failed = true;
		return;
	}
	/* A null user is no row; a null secret never matches. */
	if (name == NULL || l->found_user)
		return;
	l->found_user = true;
	if (secret != NULL && secret_len <= AUTH_PASSWORD_MAX) {
		l->found_secret = malloc(secret_len + 1);
		if (l->found_secret == NULL) {
			l->query_failed = true;
			return;
		}
		memcpy(l->found_secret, secret, secret_len);
		l->found_secret[secret_len] = '\0';
	}
}

void
client_login_reply(struct client *c, uint8_t type, const char *body, size_t n)
{
	struct wire_error e;
	uint16_t columns;

	switch (type) {
	case WIRE_BE_ERROR:
		if (wire_parse_error(body, n, &e) == 0)
			client_log(c, LV_ERROR, "S: error in auth_query: "
			    "%s: %s", e.severity, e.message);
		c->login->query_failed = true;
		return;
	case WIRE_BE_ROW_DESCRIPTION:
		if (wire_parse_row_description(body, n, &columns) != 0 ||
		    columns != 2) {
			client_log(c, LV_ERROR, "expected 2 columns from "
			    "auth_query");
			c->login->query_failed = true;
		}
		return;
	case WIRE_BE_DATA_ROW:
		take_row(c, body, n);
		return;
	default:
		return;
	}
}

void
client_login_query_done(struct client *c)
{
	struct login *l = c->login;

	dbpool_unref(c->pool);
	c->pool = NULL;
	if (l->query_failed) {
		client_fail(c, "bouncer config error");
		return;
	}
	if (!l->found_user) {
		client_log(c, LV_LOG, "no such user: %s", l->startup.user);
		/* A mock exchange follows: it learns nothing. */
	}
	begin_auth(c);
}

/* ---- the start-up packet ---- */

/* May the Unix socket's peer command the pooler (design, section 4)? */
static bool
peer_may_command(const struct client *c)
{
	const char *group = worker_options(c->worker)->admin_group;
	struct peer peer;

	return c->addr.family == AF_UNIX &&
	    peer_of_socket(c->stream.fd, &peer) == 0 &&
	    peer_is_administrator(&peer, group);
}

/* Console without a password: contract, section 6.4. */
static bool
trusted_console(struct client *c)
{
	struct startup *s = &c->login->startup;
	struct buf	b = { 0 };

	if (strcmp(s->database, CONFIG_ADMIN_DB) != 0 ||
	    strcmp(s->user, CONFIG_ADMIN_DB) != 0 || !peer_may_command(c))
		return false;
	client_log(c, LV_LOG, "pgbouncer access from unix socket");
	wire_put_auth(&b, WIRE_AUTH_OK, NULL, 0);
	send_and_release(c, &b);
	login_console(c, true);
	return true;
}

static bool
count_client(struct client *c)
{
	struct pooler *p = c->worker->pooler;
	int max = worker_options(c->worker)->max_client_conn;

	if (strcmp(c->login->startup.database, CONFIG_ADMIN_DB) == 0)
		return true;
	c->counted = true;
	if (atomic_fetch_add(&p->client_count, 1) < max)
		return true;
	client_fail(c, "no more connections allowed (max_client_conn)");
	return false;
}

static void
start_up(struct client *c, const struct wire_first *first, const char *body)
{
	const struct options *o = worker_options(c->worker);
	struct pooler	     *p = c->worker->pooler;
	struct startup	     *s = &c->login->startup;
	struct buf	      b = { 0 };
	struct err	      e = { 0 };
	char		      tls[64];

	if (o->client_tls_sslmode >= SSLMODE_REQUIRE &&
	    c->addr.family != AF_UNIX && !c->stream.tls_ready) {
		client_fail(c, "SSL required");
		return;
	}
	if (startup_parse(s, first, body, o, p->names, &e) != 0) {
		if (e.hint[0] != '\0')
			client_log(c, LV_WARNING, "%s", e.hint);
		client_fail(c, e.msg);
		return;
	}
	if (!count_client(c))
		return;
	if (o->application_name_add_host) {
		char ip[ADDR_TEXT_MAX], at[ADDR_TEXT_MAX + 16];

		snprintf(at, sizeof(at), "%s:%u",
		    addr_ip(&c->addr, ip, sizeof(ip)), c->addr.port);
		if (startup_add_host(s, p->names, at) != 0) {
			client_fail(c, "out of memory");
			return;
		}
	}
	startup_negotiate(s, first, &b);
	send_and_release(c, &b);
	if (trusted_console(c))
		return;
	stream_tls_info(&c->stream, tls, sizeof(tls));
	if (o->log_connections)
		client_log(c, LV_LOG, "login attempt: db=%s user=%s tls=%s "
		    "replication=no", s->database, s->user,
		    tls[0] != '\0' ? tls : "no");
	if (!begin_auth_query(c))
		begin_auth(c);
}

static void
start_tls(struct client *c, struct lent *l, const char *bytes, size_t n)
{
	client_enter(c, CLIENT_TLS);
	if (stream_start_tls(&c->stream, c->worker->pooler->client_tls, true,
	    NULL) != 0) {
		client_close(c, "failed to accept SSL");
		return;
	}
	if (n > 0)
		stream_feed_tls(&c->stream, l, bytes, n);
}

/* SSLRequest or GSSENCRequest. */
static void
encryption_request(struct client *c, enum wire_first_kind kind)
{
	struct login *l = c->login;
	bool	ssl = kind == WIRE_FIRST_SSL;
	bool	yes;

	if (ssl && c->stream.tls_ready) {
		client_close(c, "SSL req inside SSL");
		return;
	}
	/* Bytes behind it were not encrypted: somebody may have put them
	 * there. */
	if (buf_len(&l->in) > WIRE_FIRST_LEN) {
		client_fail(c, ssl ? "received unencrypted data after SSL "
		    "request" : "received unencrypted data after GSSAPI "
		    "encryption request");
		return;
	}
	buf_clear(&l->in);
	yes = ssl && c->worker->pooler->client_tls != NULL &&
	    c->addr.family != AF_UNIX;
	if (stream_send_copy(&c->stream, yes ? "S" : "N", 1) != 0) {
		client_close(c, "failed to ack SSL");
		return;
	}
	if (yes)
		start_tls(c, NULL, NULL, 0);
}

static void
cancel_request_packet(struct client *c, const char *body, size_t n)
{
	struct pooler  *p = c->worker->pooler;
	struct wire_key key;
	uint64_t	value = 0;
	size_t		i;
	int		fd;

	if (wire_parse_key(body, n, &key) != 0 || key.len != 4) {
		client_close(c, "bad cancel request");
		return;
	}
	for (i = 0; i < 4; i++)
		value = value << 8 | (unsigned char)key.key[i];
	value |= (uint64_t)key.pid << 32;
	fd = stream_take_fd(&c->stream);
	client_close(c, NULL);
	worker_post_cancel(p, value, fd);
}

static void
bad_packet(struct client *c)
{
	char	hex[2 * WIRE_FIRST_LEN + 1], text[64];
	size_t	i;

	for (i = 0; i < WIRE_FIRST_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x",
		    (unsigned char)buf_bytes(&c->login->in)[i]);
	snprintf(text, sizeof(text), "bad packet header: '%s'", hex);
	client_fail(c, text);
}

static void
first_packet(struct client *c, struct lent *lent)
{
	struct login	 *l = c->login;
	struct wire_first first;
	const char	 *body;
	int		  r;

	if (buf_len(&l->in) == 0)
		return;
	if (buf_bytes(&l->in)[0] == WIRE_TLS_FIRST_BYTE &&
	    !c->stream.tls_ready && c->worker->pooler->client_tls != NULL &&
	    c->addr.family != AF_UNIX) {
		struct buf early = l->in;

		buf_init(&l->in, LOGIN_MAX);
		start_tls(c, lent, buf_bytes(&early), buf_len(&early));
		buf_release(&early);
		return;
	}
	r = wire_first_get(buf_bytes(&l->in), buf_len(&l->in),
	    LOGIN_MAX - 16, &first);
	if (r == WIRE_MORE)
		return;
	if (r != 0) {
		bad_packet(c);
		return;
	}
	if (buf_len(&l->in) < WIRE_FIRST_LEN + first.body)
		return;
	body = buf_bytes(&l->in) + WIRE_FIRST_LEN;
	switch (first.kind) {
	case WIRE_FIRST_SSL:
	case WIRE_FIRST_GSSENC:
		encryption_request(c, first.kind);
		return;
	case WIRE_FIRST_CANCEL:
		cancel_request_packet(c, body, first.body);
		return;
	case WIRE_FIRST_STARTUP_V2:
		client_fail(c, "old V2 protocol not supported");
		return;
	case WIRE_FIRST_UNKNOWN:
		bad_packet(c);
		return;
	case WIRE_FIRST_STARTUP:
		/* A driver that already sent its password is not waited for:
		 * what follows is read when it is asked for. */
		start_up(c, &first, body);
		if (c->login != NULL && c->state != CLIENT_CLOSED)
			buf_consume(&l->in, WIRE_FIRST_LEN + first.body);
		return;
	}
}

static void
continue_login(struct client *c, struct lent *lent)
{
	enum client_state before;
	size_t		  n;

	do {
		before = c->state;
		n = buf_len(&c->login->in);
		if (c->state == CLIENT_FIRST)
			first_packet(c, lent);
		else if (c->state == CLIENT_AUTH)
			password_message(c);
	} while (c->state != CLIENT_CLOSED && c->login != NULL &&
	    buf_len(&c->login->in) > 0 &&
	    (c->state != before || buf_len(&c->login->in) != n));
}

void
client_login_data(struct client *c, struct lent *lent, const char *bytes,
    size_t n)
{
	struct login *l = c->login;

	buf_append(&l->in, bytes, n);
	if (buf_failed(&l->in)) {
		client_fail(c, "bad packet header");
		return;
	}
	continue_login(c, lent);
}

void
client_login_tls_ready(struct client *c)
{
	if (c->state != CLIENT_TLS)
		return;
	client_enter(c, CLIENT_FIRST);
}
