/* SPDX-License-Identifier: MIT */
/*
 * The packets of a client's login, in the order in which they may come.
 */
#include "common/base.h"
#include "pooler/client_login.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/peer.h"
#include "common/wire.h"
#include "pooler/worker.h"

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
	atomic_fetch_add(&c->worker->shared->login_count, 1);
}

void
login_free(struct login *l)
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
	atomic_fetch_sub(&c->worker->shared->login_count, 1);
	/* A pool thread may be at work on it: work_done() frees it then. */
	if (l->work.request != NULL)
		l->client = NULL;
	else
		login_free(l);
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

void
login_send(struct client *c, struct buf *b)
{
	client_send(c, b);
	buf_release_secret(b);
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
	login_send(c, &b);
	login_console(c, true);
	return true;
}

/*
 * As PgBouncer: every connection counts, also the console's and those that
 * have not said a word, but only who asks for another database is refused.
 */
static bool
is_one_too_many(const struct client *c)
{
	int max = worker_options(c->worker)->max_client_conn;

	return workers_clients(c->worker->peers) > (unsigned)MAX(max, 0) &&
	    strcmp(c->login->startup.database, CONFIG_ADMIN_DB) != 0;
}

static void
start_up(struct client *c, const struct wire_first *first, const char *body)
{
	const struct options *o = worker_options(c->worker);
	struct shared	     *p = c->worker->shared;
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
	/* A driver that already sent its password, or its first query, is not
	 * waited for: what follows is read when it is its turn. */
	buf_consume(&c->login->in, WIRE_FIRST_LEN + first->body);
	if (is_one_too_many(c)) {
		client_fail(c, "no more connections allowed (max_client_conn)");
		return;
	}
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
	login_send(c, &b);
	if (trusted_console(c))
		return;
	stream_tls_info(&c->stream, tls, sizeof(tls));
	if (o->log_connections)
		client_log(c, LV_LOG, "login attempt: db=%s user=%s tls=%s "
		    "replication=no", s->database, s->user,
		    tls[0] != '\0' ? tls : "no");
	if (!login_begin_auth_query(c))
		login_begin_auth(c);
}

static void
start_tls(struct client *c, struct lent *l, const char *bytes, size_t n)
{
	client_enter(c, CLIENT_TLS);
	if (stream_start_tls(&c->stream, c->worker->shared->client_tls, true,
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
	yes = ssl && c->worker->shared->client_tls != NULL &&
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
	struct workers *peers = c->worker->peers;
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
	client_post_cancel(peers, value, fd);
}

static void
bad_packet(struct client *c)
{
	const struct buf *in = &c->login->in;
	char	hex[2 * WIRE_FIRST_LEN + 1], text[64];
	size_t	i;

	for (i = 0; i < MIN(buf_len(in), (size_t)WIRE_FIRST_LEN); i++)
		snprintf(hex + 2 * i, 3, "%02x",
		    (unsigned char)buf_bytes(in)[i]);
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
	    !c->stream.tls_ready && c->worker->shared->client_tls != NULL &&
	    c->addr.family != AF_UNIX) {
		struct buf early = l->in;

		buf_init(&l->in, LOGIN_MAX);
		l->direct_tls = true;
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
		start_up(c, &first, body);
		return;
	}
}

void
login_continue(struct client *c, struct lent *lent)
{
	enum client_state before;
	size_t		  n;

	do {
		before = c->state;
		n = buf_len(&c->login->in);
		if (c->state == CLIENT_FIRST)
			first_packet(c, lent);
		else if (c->state == CLIENT_AUTH)
			login_password(c);
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
	login_continue(c, lent);
}

void
client_login_tls_ready(struct client *c)
{
	if (c->state != CLIENT_TLS)
		return;
	/*
	 * With an SSLRequest the peer has shown that it speaks PostgreSQL.
	 * Without one only ALPN says so: a browser that was sent here with
	 * another protocol's bytes must get no further (as in PostgreSQL).
	 */
	if (c->login->direct_tls && !stream_tls_has_alpn(&c->stream)) {
		client_close(c, "direct TLS without ALPN protocol "
		    "\"postgresql\"");
		return;
	}
	client_enter(c, CLIENT_FIRST);
}
