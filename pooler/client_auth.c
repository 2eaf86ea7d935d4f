/* SPDX-License-Identifier: MIT */
/*
 * Who a client is: its secret comes from the auth file or from auth_query,
 * the exchange is auth.h's.
 */
#include "common/base.h"
#include "pooler/client_login.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/wire.h"
#include "pooler/authcache.h"
#include "pooler/server.h"
#include "pooler/worker.h"

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
		login_free(l);
		return;
	}
	client_enter(c, CLIENT_AUTH);
	auth_step(c, client_auth_worked(&l->auth, l->work_result, &reply, &e),
	    &reply, &e);
	if (c->login != NULL)
		login_continue(c, NULL);
}

/* Does what the state machine of auth.h says. */
static void
auth_step(struct client *c, enum auth_result r, struct buf *reply,
    struct err *e)
{
	struct login *l = c->login;

	login_send(c, reply);
	switch (r) {
	case AUTH_MORE:
		if (c->state != CLIENT_AUTH)
			client_enter(c, CLIENT_AUTH);
		stream_recv_start(&c->stream);
		return;
	case AUTH_OK:
		authcache_keep(c->worker->shared->auth_cache,
		    l->startup.user, &l->auth);
		login_authenticated(c);
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
void
login_begin_auth(struct client *c)
{
	struct shared	     *p = c->worker->shared;
	const struct options *o = worker_options(c->worker);
	struct login	     *l = c->login;
	const struct authfile_secret *s;
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
	if (random_pool_fill(&c->worker->randomness, &params.random,
	    sizeof(params.random)) != 0) {
		client_fail(c, "bouncer resources exhaustion");
		return;
	}
	l->auth_begun = true;
	auth_step(c, client_auth_begin(&l->auth, &params, &reply, &e), &reply,
	    &e);
}

void
login_password(struct client *c)
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
	struct shared	     *p = c->worker->shared;
	const struct options *o = worker_options(c->worker);
	const char	     *name;
	struct database	     *db;
	struct user	     *u;
	struct dbpool	     *pool;
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
	dbpool_follow_secret(pool, p->config);
	return pool;
}

/* Returns true if the query was begun (or the client failed). */
bool
login_begin_auth_query(struct client *c)
{
	struct shared	     *p = c->worker->shared;
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
	login_begin_auth(c);
}
