/* SPDX-License-Identifier: MIT */
/*
 * A server connection's beginning: address, connect, TLS, authentication,
 * parameters, connect_query. Contract, sections 6.2, 7 and 9.4.
 */
#include "common/base.h"
#include "pooler/server.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/random.h"
#include "common/tls.h"
#include "common/wire.h"
#include "pooler/auth.h"
#include "pooler/authcache.h"
#include "pooler/client.h"
#include "pooler/worker.h"

#define LOGIN_MAX	(256 * 1024)

struct server_login {
	struct server	*server;	/* NULL: closed during the work */
	struct resolver	 resolver;
	bool		 resolving;
	struct buf	 in;
	struct buf	 parameters;	/* ParameterStatus, not tracked */
	struct auth_credentials creds;
	struct server_auth auth;
	bool		 auth_begun;
	bool		 authenticated;
	struct loop_work work;
	int		 work_result;
	struct tls_context *tls;	/* with which it was asked for TLS */
};

static void
free_login(struct server_login *l)
{
	if (l->auth_begun)
		server_auth_release(&l->auth);
	auth_credentials_release(&l->creds);
	buf_release_secret(&l->in);
	buf_release(&l->parameters);
	tls_context_unref(l->tls);
	free(l);
}

void
server_login_free(struct server *s)
{
	struct server_login *l = s->login;

	s->login = NULL;
	if (l == NULL)
		return;
	l->server = NULL;
	/* A thread may be at work on it; whoever hears of its end frees it. */
	if (l->work.request == NULL && !l->resolving)
		free_login(l);
}

struct resolver *
server_login_resolver(struct server *s)
{
	return &s->login->resolver;
}

struct server *
server_login_of_resolver(struct resolver *r)
{
	struct server_login *l = container_of(r, struct server_login, resolver);

	l->resolving = false;
	if (l->server == NULL)
		free_login(l);
	return l->server;
}

/* Remembers for the waiting clients why it failed, then closes. */
static void
fail(struct server *s, const char *sqlstate, const char *text,
    const char *reason)
{
	free(s->login_error);
	s->login_error = text != NULL ? strdup(text) : NULL;
	snprintf(s->sqlstate, sizeof(s->sqlstate), "%s", sqlstate);
	server_close(s, reason);
}

void
server_login_begin(struct server *s, resolver_fn *done)
{
	struct server_login *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		server_close(s, "out of memory");
		return;
	}
	l->server = s;
	buf_init(&l->in, LOGIN_MAX);
	buf_init(&l->parameters, LOGIN_MAX);
	s->login = l;
	pthread_mutex_lock(&s->pool->lock);
	/* Without memory it tries with none, and the server says no. */
	if (!s->pool->have_creds ||
	    auth_credentials_copy(&l->creds, &s->pool->creds) != 0)
		memset(&l->creds, 0, sizeof(l->creds));
	pthread_mutex_unlock(&s->pool->lock);
	l->resolving = true;
	if (resolver_start(&l->resolver, &s->worker->loop, s->pool->db,
	    worker_options(s->worker), done) != 0) {
		l->resolving = false;
		server_close(s, "server DNS lookup failed");
	}
}

static int
send_login(struct server *s, struct buf *b)
{
	int r = server_send(s, b);

	buf_release_secret(b);
	if (r != 0)
		server_close(s, "startup pkt failed");
	return r;
}

static void
put_param(struct buf *b, const char *name, const char *value)
{
	if (value != NULL)
		wire_startup_param(b, name, value);
}

static void
send_startup(struct server *s)
{
	const struct config_db *conf = s->pool->db->conf;
	struct buf b = { 0 };
	size_t	at;

	if (conf == NULL) {
		server_close(s, "database removed");
		return;
	}
	server_enter(s, SERVER_LOGIN);
	at = wire_startup_begin(&b, WIRE_VERSION(3, 0));
	wire_startup_param(&b, "user", s->pool->user->name);
	wire_startup_param(&b, "database", conf->opt.dbname != NULL ?
	    conf->opt.dbname : s->pool->db->name);
	put_param(&b, "client_encoding", conf->opt.client_encoding);
	put_param(&b, "datestyle", conf->opt.datestyle);
	put_param(&b, "timezone", conf->opt.timezone);
	put_param(&b, "application_name", conf->opt.application_name);
	wire_startup_end(&b, at);
	(void)send_login(s, &b);
}

void
server_login_connected(struct server *s)
{
	const struct options *o = worker_options(s->worker);
	struct sockaddr_storage ss;
	socklen_t	len = sizeof(ss);
	struct buf	b = { 0 };

	if (getsockname(s->stream.fd, (struct sockaddr *)&ss, &len) == 0)
		addr_from_sockaddr(&s->local, (struct sockaddr *)&ss, 0);
	if (o->log_connections) {
		char at[ADDR_TEXT_MAX];

		if (s->addr.family == AF_UNIX)
			server_log(s, LV_LOG, "new connection to server");
		else
			server_log(s, LV_LOG, "new connection to server "
			    "(from %s)", addr_print(&s->local, at, sizeof(at)));
	}
	stream_recv_start(&s->stream);
	if (o->server_tls_sslmode == SSLMODE_DISABLE ||
	    s->addr.family == AF_UNIX || s->worker->shared->server_tls == NULL) {
		send_startup(s);
		return;
	}
	/* A RELOAD may come before the answer does. */
	s->login->tls = tls_context_ref(s->worker->shared->server_tls);
	server_enter(s, SERVER_TLS_ASK);
	wire_put_ssl_request(&b);
	(void)send_login(s, &b);
}

static void
tls_answer(struct server *s, const char *bytes, size_t n)
{
	const struct options *o = worker_options(s->worker);

	/* Somebody may have put there what the server did not say. */
	if (n > 1) {
		server_close(s, "received unencrypted data after SSL response");
		return;
	}
	if (bytes[0] == 'N') {
		if (o->server_tls_sslmode >= SSLMODE_REQUIRE) {
			fail(s, "08P01", "server login failed: server refused "
			    "SSL", "server refused SSL");
			return;
		}
		send_startup(s);
		return;
	}
	if (bytes[0] != 'S') {
		server_close(s, "bad sslreq answer");
		return;
	}
	server_enter(s, SERVER_TLS);
	if (stream_start_tls(&s->stream, s->login->tls, false,
	    s->target.host) != 0)
		server_close(s, "sslreq processing failed");
}

void
server_login_tls_ready(struct server *s)
{
	char	info[64];

	stream_tls_info(&s->stream, info, sizeof(info));
	server_log(s, LV_LOG, "SSL established: %s", info);
	send_startup(s);
}

/* ---- authentication ---- */

static void auth_step(struct server *, enum auth_result, struct buf *,
    struct err *);

static void
in_pool(struct loop_work *w)
{
	struct server_login *l = container_of(w, struct server_login, work);

	l->work_result = scram_work_run(&l->auth.work);
}

static void
worked(struct server *s)
{
	struct server_login *l = s->login;
	struct buf b = { 0 };
	struct err e = { 0 };

	auth_step(s, server_auth_worked(&l->auth, l->work_result, &b, &e), &b,
	    &e);
}

static void
work_done(struct loop_work *w)
{
	struct server_login *l = container_of(w, struct server_login, work);
	struct server	    *s = l->server;

	if (s == NULL) {
		free_login(l);
		return;
	}
	if (l->work_result == 0)
		authcache_keep_keys(s->worker->shared->auth_cache,
		    s->pool->user->name, &l->creds, &l->auth.work);
	server_enter(s, SERVER_LOGIN);
	stream_recv_start(&s->stream);
	worked(s);
}

static void
begin_work(struct server *s)
{
	struct server_login *l = s->login;

	if (authcache_find_keys(s->worker->shared->auth_cache,
	    s->pool->user->name, &l->creds, &l->auth.work)) {
		l->work_result = 0;
		worked(s);
		return;
	}
	stream_recv_stop(&s->stream);
	server_enter(s, SERVER_WORK);
	l->work.work = in_pool;
	l->work.done = work_done;
	if (loop_work(&s->worker->loop, &l->work) != 0)
		server_close(s, "out of memory");
}

static void
auth_step(struct server *s, enum auth_result r, struct buf *b, struct err *e)
{
	if (buf_len(b) > 0 && send_login(s, b) != 0)
		return;
	buf_release(b);
	switch (r) {
	case AUTH_MORE:
		return;
	case AUTH_OK:
		s->login->authenticated = true;
		return;
	case AUTH_FAIL:
		if (e->msg[0] != '\0')
			server_log(s, LV_ERROR, "%s", e->msg);
		fail(s, "08P01", strncmp(s->login->auth.reason,
		    "server login failed: ", 21) == 0 ?
		    s->login->auth.reason : "server login failed",
		    SERVER_AUTH_CLOSING);
		return;
	case AUTH_WORK:
		begin_work(s);
		return;
	}
}

static void
on_auth(struct server *s, const char *body, size_t n)
{
	struct server_login *l = s->login;
	unsigned char nonce[SCRAM_NONCE_LEN];
	struct buf b = { 0 };
	struct err e = { 0 };

	if (!l->auth_begun) {
		if (random_fill(nonce, sizeof(nonce)) != 0) {
			server_close(s, "failed to answer authreq");
			return;
		}
		server_auth_init(&l->auth, s->pool->user->name, &l->creds,
		    nonce);
		l->auth_begun = true;
	}
	auth_step(s, server_auth_message(&l->auth, body, n, &b, &e), &b, &e);
}

/* ---- what follows AuthenticationOk ---- */

static void
on_parameter(struct server *s, const char *body, size_t n)
{
	struct params_names *names = s->worker->shared->names;
	const char *name, *value;
	int	i;

	if (wire_parse_parameter_status(body, n, &name, &value) != 0) {
		server_close(s, "broken ParameterStatus packet");
		return;
	}
	i = params_index(names, name);
	if (i < 0)
		wire_put_parameter_status(&s->login->parameters, name, value);
	if (buf_failed(&s->login->parameters) || (i >= 0 &&
	    params_set(names, &s->params, (size_t)i, value) != 0))
		server_close(s, "failed to store ParameterStatus");
}

static void
on_key(struct server *s, const char *body, size_t n)
{
	struct wire_key key;

	if (wire_parse_key(body, n, &key) != 0 || key.len > SERVER_KEY_MAX) {
		server_close(s, "bad cancel key");
		return;
	}
	s->pid = key.pid;
	s->key_len = (uint32_t)key.len;
	memcpy(s->key, key.key, key.len);
}

/*
 * Errors that another attempt cannot cure tell the waiting clients at once,
 * unless there is a server that they can have; a server that is only starting
 * up does not.
 */
static void
on_error(struct server *s, const char *body, size_t n)
{
	struct wire_error e;
	char	reason[512];

	if (wire_parse_error(body, n, &e) != 0) {
		server_close(s, "login failed");
		return;
	}
	server_log(s, LV_WARNING, "server login failed: %s %s", e.severity,
	    e.message);
	snprintf(reason, sizeof(reason), "%s", e.message);
	if (strcmp(e.sqlstate, "57P03") == 0 ||
	    pool_current_servers(&s->pool->core) > 0)
		server_close(s, reason);
	else
		fail(s, e.sqlstate, reason, reason);
}

static void
keep_welcome(struct server *s)
{
	struct params_names *names = s->worker->shared->names;
	struct welcome *w = &s->pool->welcome;
	struct buf old;

	pthread_mutex_lock(&s->pool->lock);
	if (!w->known) {
		old = w->parameters;
		w->parameters = s->login->parameters;
		s->login->parameters = old;
		params_copy(names, &w->params, &s->params);
		w->known = true;
	}
	pthread_mutex_unlock(&s->pool->lock);
}

static void
on_ready(struct server *s)
{
	const struct config_db *conf = s->pool->db->conf;

	if (!s->login->authenticated) {
		server_close(s, "unknown pkt from server");
		return;
	}
	keep_welcome(s);
	s->quiet_since = loop_now(&s->worker->loop);
	if (conf != NULL && conf->opt.connect_query != NULL &&
	    conf->opt.connect_query[0] != '\0') {
		server_enter(s, SERVER_SETUP);
		if (!server_query(s, conf->opt.connect_query, WHY_CONNECT))
			server_close(s, "exec_on_connect query failed");
		return;
	}
	server_logged_in(s);
}

void
server_logged_in(struct server *s)
{
	pool_connected(&s->pool->core, s->epoch);
	server_enter(s, SERVER_IDLE);
	server_login_free(s);
	client_post_login(s->worker->peers, s->pool, NULL, NULL);
	if (s->epoch != pool_epoch(&s->pool->core))
		server_close(s, "connect string changed");
	else
		server_offer(s);
}

/*
 * What came behind it in the same piece belongs to the server's life between
 * clients, as if it had come alone. The login is over then, and gone.
 */
static void
on_ready_and_rest(struct server *s)
{
	struct buf rest = s->login->in;

	buf_init(&s->login->in, LOGIN_MAX);
	on_ready(s);
	if (s->state != SERVER_CLOSED && buf_len(&rest) > 0)
		server_feed(s, NULL, buf_bytes(&rest), buf_len(&rest));
	buf_release_secret(&rest);
}

static void
on_message(struct server *s, uint8_t type, const char *body, size_t n)
{
	switch (type) {
	case WIRE_BE_AUTH:
		on_auth(s, body, n);
		return;
	case WIRE_BE_PARAMETER_STATUS:
		on_parameter(s, body, n);
		return;
	case WIRE_BE_BACKEND_KEY:
		on_key(s, body, n);
		return;
	case WIRE_BE_ERROR:
		on_error(s, body, n);
		return;
	case WIRE_BE_READY:
		on_ready_and_rest(s);
		return;
	case WIRE_BE_NOTICE:
	case WIRE_BE_NEGOTIATE:
		return;
	default:
		server_log(s, LV_ERROR, "unknown pkt from server: '%c'", type);
		server_close(s, "unknown pkt from server");
		return;
	}
}

static bool
in_login(const struct server *s)
{
	return s->state == SERVER_LOGIN && s->login != NULL;
}

void
server_login_data(struct server *s, const char *bytes, size_t n)
{
	struct buf	  *in = &s->login->in;
	struct wire_header h;
	const char	  *body;
	int		   r;

	if (s->state == SERVER_TLS_ASK) {
		tls_answer(s, bytes, n);
		return;
	}
	buf_append(in, bytes, n);
	while (in_login(s) && !buf_failed(in)) {
		r = wire_header_get(buf_bytes(in), buf_len(in), LOGIN_MAX - 16,
		    &h);
		if (r == WIRE_MORE ||
		    (r == 0 && buf_len(in) < WIRE_HEADER_LEN + h.body))
			return;
		if (r != 0)
			break;
		/* Consumed first, as what it does may end the login; the
		 * bytes stay where they are until the next append. */
		body = buf_bytes(in) + WIRE_HEADER_LEN;
		buf_consume(in, WIRE_HEADER_LEN + h.body);
		on_message(s, h.type, body, h.body);
	}
	if (in_login(s))
		server_close(s, "bad pkt header");
}
