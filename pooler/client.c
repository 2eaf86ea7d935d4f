/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/client.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "common/wire.h"
#include "pooler/server.h"
#include "pooler/states.h"
#include "pooler/worker.h"

/* From each state the states that may follow; CLOSED follows any. */
#define TO(state)	(1u << CLIENT_##state)
static const unsigned client_moves[CLIENT_STATES_] = {
	[CLIENT_FIRST] = TO(TLS) | TO(AUTH) | TO(WORK) | TO(AUTH_QUERY) |
	    TO(WELCOME) | TO(IDLE) | TO(CONSOLE),
	[CLIENT_TLS] = TO(FIRST),
	[CLIENT_AUTH] = TO(WORK) | TO(WELCOME) | TO(IDLE) | TO(CONSOLE),
	[CLIENT_WORK] = TO(AUTH) | TO(WELCOME) | TO(IDLE) | TO(CONSOLE),
	[CLIENT_AUTH_QUERY] = TO(AUTH) | TO(WORK) | TO(WELCOME) | TO(IDLE) |
	    TO(CONSOLE),
	[CLIENT_WELCOME] = TO(IDLE) | TO(LINKING) | TO(ACTIVE),
	[CLIENT_IDLE] = TO(WAITING) | TO(LINKING) | TO(ACTIVE),
	[CLIENT_WAITING] = TO(LINKING) | TO(ACTIVE) | TO(REFUSED),
	[CLIENT_LINKING] = TO(ACTIVE) | TO(WAITING) | TO(IDLE) | TO(REFUSED),
	[CLIENT_ACTIVE] = TO(IDLE),
	[CLIENT_REFUSED] = TO(IDLE),
	[CLIENT_CONSOLE] = TO(COMMAND),
	[CLIENT_COMMAND] = TO(CONSOLE),
	[CLIENT_CLOSED] = 0,
};
#undef TO

static const struct state_text client_texts[] = { CLIENT_STATES(STATE_TEXT) };
static const struct states client_states = STATES(client_texts, client_moves);

static void on_stream(struct stream *, enum stream_event, struct lent *,
    const char *, size_t);

const char *
client_state_show(enum client_state state)
{
	return client_texts[state].show;
}

char *
client_prefix(const struct client *c, char *out, size_t size)
{
	char	at[ADDR_TEXT_MAX];

	snprintf(out, size, "C-%p: %s/%s@%s ", (const void *)c,
	    c->db != NULL ? c->db->name : client_login_db(c),
	    c->user != NULL ? c->user->name : client_login_user(c),
	    addr_print(&c->addr, at, sizeof(at)));
	return out;
}

void
client_log(const struct client *c, int level, const char *fmt, ...)
{
	char	prefix[CLIENT_PREFIX_MAX];
	char	text[1024];
	va_list	ap;

	if (!log_wants((enum log_level)level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_line((enum log_level)level, "%s%s",
	    client_prefix(c, prefix, sizeof(prefix)), text);
}

void
client_enter(struct client *c, enum client_state state)
{
	char	text[STATES_TELL_MAX];

	assert(states_may_move(&client_states, c->state, state));
	if (log_wants(LV_NOISE))
		client_log(c, LV_NOISE, "%s",
		    states_tell(&client_states, c->state, state, text));
	c->state = state;
	c->state_since = loop_now(&c->worker->loop);
	client_arm(c);
}

/* ---- birth ---- */

/* A random key whose first byte is the worker's number. */
static int
make_key(struct client *c)
{
	struct worker *w = c->worker;
	uint64_t key;

	do {
		if (random_pool_fill(&w->randomness, &key,
		    sizeof(key)) != 0)
			return ERR_SYS;
		key = (key & ~(UINT64_C(0xff) << 56)) | (uint64_t)w->id << 56;
	} while (client_find_key(w, key) != NULL);
	c->cancel_key = key;
	return hash_add(&w->cancel_keys, &c->key_node, key);
}

void
client_accept(struct worker *w, int fd, const struct addr *remote)
{
	struct client *c = slab_take(&w->clients_slab);

	if (c == NULL) {
		log_warning("cannot allocate client struct");
		close(fd);
		return;
	}
	c->worker = w;
	c->addr = *remote;
	c->id = shared_next_id(w->shared);
	c->connect_time = loop_wall_clock();
	c->deadline.fn = client_on_deadline;
	if (make_key(c) != 0) {
		slab_give(&w->clients_slab, c);
		close(fd);
		return;
	}
	if (stream_open(&c->stream, w->loop.poller, fd, on_stream) != 0) {
		hash_remove(&w->cancel_keys, &c->key_node);
		slab_give(&w->clients_slab, c);
		close(fd);
		return;
	}
	list_append(&w->clients, &c->node);
	atomic_fetch_add(&w->n_clients, 1);
	c->state = CLIENT_FIRST;
	c->state_since = loop_now(&w->loop);
	client_login_begin(c);
	if (c->state == CLIENT_CLOSED)
		return;
	client_arm(c);
	stream_recv_start(&c->stream);
}

/* ---- death ---- */

static void
free_client(struct loop_corpse *corpse)
{
	struct client *c = container_of(corpse, struct client, corpse);

	slab_give(&c->worker->clients_slab, c);
}

static void
drop_kept(struct client *c)
{
	if (c->kept != NULL)
		lent_unref(c->kept);
	c->kept = NULL;
	c->kept_n = 0;
}

/* Leaves queue and server; what it had asked for is cleaned up by the server. */
static void
leave_pool(struct client *c)
{
	struct server *s = c->server;
	bool	partial = relay_in_message(&c->relay);

	/* What it asked for before this message is in the queue already. */
	if (s != NULL && relay_sync(&c->relay) != 0)
		partial = true;
	if (c->pool != NULL)
		pool_unwait(&c->pool->core, &c->waiter);
	c->server = NULL;
	if (s != NULL) {
		s->client = NULL;
		server_abandon(s, partial);
	}
}

void
client_close(struct client *c, const char *reason)
{
	struct worker *w = c->worker;

	if (c->state == CLIENT_CLOSED)
		return;
	if (reason != NULL && worker_options(w)->log_disconnections)
		client_log(c, LV_LOG, "closing because: %s (age=%llus)",
		    reason, (unsigned long long)
		    ((loop_wall_clock() - c->connect_time) / 1000000));
	if (c->state == CLIENT_COMMAND)
		client_console_gone(c);
	client_enter(c, CLIENT_CLOSED);
	stream_close(&c->stream);
	leave_pool(c);
	client_login_free(c);
	drop_kept(c);
	relay_release(&c->relay);
	ps_map_release(&c->statements);
	ps_unref(c->unnamed);
	c->unnamed = NULL;
	params_release(w->shared->names, &c->params);
	if (c->console != NULL) {
		buf_release(c->console);
		free(c->console);
		c->console = NULL;
	}
	if (c->db != NULL)
		atomic_fetch_sub(&c->db->clients, 1);
	if (c->user != NULL)
		atomic_fetch_sub(&c->user->clients, 1);
	if (c->pool != NULL)
		dbpool_unref(c->pool);
	hash_remove(&w->cancel_keys, &c->key_node);
	list_remove(&w->clients, &c->node);
	atomic_fetch_sub(&w->n_clients, 1);
	deadline_remove(&w->loop.deadlines, &c->deadline);
	c->corpse.fn = free_client;
	loop_free_later(&w->loop, &c->corpse);
	if (atomic_load(&w->shared->shutdown) != SHUTDOWN_NONE)
		shared_kick(w->shared);
}

void
client_send(struct client *c, const struct buf *b)
{
	if (buf_failed(b) || (buf_len(b) > 0 && stream_send_copy(&c->stream,
	    buf_bytes(b), buf_len(b)) != 0))
		/* What the client now misses it would wait for in vain; a
		 * socket that nothing can be read from ends that. */
		(void)shutdown(c->stream.fd, SHUT_RDWR);
}

void
client_fail_code(struct client *c, const char *sqlstate, const char *text)
{
	struct wire_error e = { .severity = "FATAL", .sqlstate = sqlstate,
	    .message = text };
	struct buf b = { 0 };

	if (c->state == CLIENT_CLOSED)
		return;
	if (worker_options(c->worker)->log_pooler_errors)
		client_log(c, LV_WARNING, "pooler error: %s", text);
	/* Not into the middle of a server's message. */
	if (c->server == NULL || !relay_in_message(&c->server->relay)) {
		wire_put_error(&b, WIRE_BE_ERROR, &e);
		client_send(c, &b);
		buf_release(&b);
	}
	client_close(c, text);
}

void
client_fail(struct client *c, const char *text)
{
	client_fail_code(c, "08P01", text);
}

/* ---- its server ---- */

static void
count_wait(struct client *c)
{
	uint64_t now = loop_now(&c->worker->loop);

	if (c->waiter.since != 0 && now > c->waiter.since)
		stats_add(&c->pool->stats[c->worker->id].wait_time,
		    now - c->waiter.since);
	c->waiter.since = 0;
	c->notified = false;
}

static void
keep(struct client *c, struct lent *l, const char *bytes, size_t n)
{
	if (n == 0)
		return;
	assert(c->kept == NULL);
	lent_ref(l);
	c->kept = l;
	c->kept_bytes = bytes;
	c->kept_n = n;
}

/* Passes on what was received; the client may be closed after. */
static void
feed(struct client *c, struct lent *l, const char *bytes, size_t n)
{
	enum relay_result res;
	size_t	used = 0;

	c->feeding = true;
	res = relay_feed(&c->relay, l, bytes, n, &used);
	c->feeding = false;
	switch (res) {
	case RELAY_CLOSED:
		return;
	case RELAY_BAD:
		if (c->state != CLIENT_CLOSED)
			client_fail(c, "bad packet header");
		return;
	case RELAY_LATER:
		keep(c, l, bytes + used, n - used);
		stream_recv_stop(&c->stream);
		return;
	case RELAY_OK:
		break;
	}
	if (c->server != NULL && c->state == CLIENT_ACTIVE)
		server_check_release(c->server);
}

static void on_data(struct client *, struct lent *, const char *, size_t);

/* Feeds what had to wait; then the stream goes on. */
static void
resume(struct client *c)
{
	struct lent *l = c->kept;
	size_t	     n = c->kept_n;

	/* Its relay waits in client_want_server() and goes on by itself. */
	if (c->feeding)
		return;
	c->kept = NULL;
	c->kept_n = 0;
	if (l != NULL || c->relay.held_need > 0) {
		feed(c, l, l != NULL ? c->kept_bytes : "", n);
		if (l != NULL)
			lent_unref(l);
	}
	client_receive(c);
}

void
client_logged_in(struct client *c, const char *early, size_t n)
{
	struct lent *l;

	if (c->state == CLIENT_CONSOLE) {
		if (n > 0)
			on_data(c, NULL, early, n);
		if (c->state == CLIENT_CONSOLE)
			stream_recv_start(&c->stream);
		return;
	}
	if (n == 0) {
		client_receive(c);
		return;
	}
	l = n <= LENT_SIZE ? lent_get(c->worker->loop.poller) : NULL;
	if (l == NULL) {
		client_fail(c, n <= LENT_SIZE ? "out of memory" :
		    "too much data behind the login");
		return;
	}
	memcpy(l->data, early, n);
	l->used = LENT_SIZE;	/* nothing else is put into it */
	stats_add(&c->pool->stats[c->worker->id].received, n);
	keep(c, l, l->data, n);
	lent_unref(l);
	resume(c);
}

void
client_receive(struct client *c)
{
	if ((c->state == CLIENT_ACTIVE || c->state == CLIENT_IDLE ||
	    c->state == CLIENT_REFUSED) && c->kept == NULL && !c->settling &&
	    !stream_blocked(&c->stream) &&
	    (c->server == NULL || !stream_blocked(&c->server->stream)))
		stream_recv_start(&c->stream);
}

void
client_settled(struct client *c)
{
	if (!c->settling || client_unsettled(c))
		return;
	c->settling = false;
	resume(c);
}

void
client_wait_in_pool(struct client *c)
{
	struct worker	 *w = c->worker;
	struct pool_order o;

	pool_wait(&c->pool->core, &c->waiter, w->id, loop_now(&w->loop), &o);
	if (o.idler != NULL) {
		server_give(container_of(o.idler, struct server, idler), c);
		return;
	}
	/* The time-outs count from the place in the queue. */
	client_arm(c);
	server_order(w, c->pool, &o);
}

void
client_want_server(struct client *c)
{
	struct worker	 *w = c->worker;
	char		  text[512];

	if (pool_failing(&c->pool->core, loop_now(&w->loop), text,
	    sizeof(text), true)) {
		char why[640];

		snprintf(why, sizeof(why), "server login has been failing, "
		    "cached error: %s (server_login_retry)", text);
		client_fail(c, why);
		return;
	}
	client_enter(c, CLIENT_WAITING);
	client_wait_in_pool(c);
}

void
client_take_server(struct client *c, struct server *s)
{
	if (c->state == CLIENT_AUTH_QUERY) {
		client_login_server(c, s);
		return;
	}
	count_wait(c);
	client_enter(c, CLIENT_ACTIVE);
	c->params_sure = true;
	/* It may still be behind with what its last server sent: BLOCKED was
	 * told then, and will not be told again. */
	if (stream_blocked(&c->stream))
		stream_recv_stop(&s->stream);
	resume(c);
}

void
client_pool_known(struct client *c)
{
	count_wait(c);
	client_welcome(c);
}

void
client_unlink(struct client *c)
{
	c->server = NULL;
	if (c->state == CLIENT_AUTH_QUERY) {
		client_login_query_done(c);
		return;
	}
	client_enter(c, CLIENT_IDLE);
	/* Its input may have been stopped for the server's sake. */
	client_receive(c);
}

void
client_server_lost(struct client *c, const char *text)
{
	c->server = NULL;
	if (c->state == CLIENT_LINKING) {
		/* Nothing of the client's was sent: it tries another one. */
		client_want_server(c);
	} else if (c->state == CLIENT_AUTH_QUERY ||
	    c->state == CLIENT_WELCOME) {
		client_wait_in_pool(c);
	} else if (text == NULL) {
		client_close(c, "server connection closed");
	} else {
		client_fail(c, text);
	}
}

void
client_pool_failed(struct client *c, const char *sqlstate, const char *text)
{
	if (c->state == CLIENT_WAITING || c->state == CLIENT_WELCOME ||
	    (c->state == CLIENT_AUTH_QUERY && c->server == NULL))
		client_fail_code(c, sqlstate, text);
}

void
client_refuse(struct client *c)
{
	struct wire_error e = { .severity = "ERROR", .sqlstate = "57014",
	    .message = "canceling statement due to user request" };
	struct buf b = { 0 };

	/* Nothing was sent yet; the request is answered and passed over. A
	 * server that is tested for it goes on with that, for another one. */
	leave_pool(c);
	count_wait(c);
	wire_put_error(&b, WIRE_BE_ERROR, &e);
	client_send(c, &b);
	buf_release(&b);
	client_enter(c, CLIENT_REFUSED);
	c->query_start = c->xact_start = 0;
	resume(c);
}

/* ---- events ---- */

static void
on_data(struct client *c, struct lent *l, const char *bytes, size_t n)
{
	/* The console's own bytes are not counted. */
	if (c->pool != NULL && c->logged_in && c->state != CLIENT_CONSOLE)
		stats_add(&c->pool->stats[c->worker->id].received, n);
	switch (c->state) {
	case CLIENT_FIRST:
	case CLIENT_AUTH:
		client_login_data(c, l, bytes, n);
		return;
	case CLIENT_IDLE:
	case CLIENT_ACTIVE:
	case CLIENT_REFUSED:
		feed(c, l, bytes, n);
		return;
	case CLIENT_CONSOLE:
		client_console_data(c, bytes, n);
		return;
	case CLIENT_TLS:
	case CLIENT_WORK:
	case CLIENT_AUTH_QUERY:
	case CLIENT_WELCOME:
	case CLIENT_WAITING:
	case CLIENT_LINKING:
	case CLIENT_COMMAND:
		/* We do not receive in these states. */
		client_close(c, "bad packet");
		return;
	case CLIENT_CLOSED:
	case CLIENT_STATES_:
		return;
	}
}

static void
on_hangup(struct client *c)
{
	/*
	 * It is gone, and waits for something that would be done in vain. A
	 * client that is only held back by a slow server is read on later.
	 */
	if (c->state != CLIENT_ACTIVE)
		client_close(c, "client unexpected eof");
	else if (c->server != NULL && !stream_blocked(&c->server->stream))
		client_close(c, "client unexpected eof");
}

static void
on_eof(struct client *c)
{
	if (c->state == CLIENT_FIRST && c->login != NULL &&
	    relay_at_boundary(&c->relay))
		client_close(c, NULL);
	else
		client_close(c, "client unexpected eof");
}

static void
on_stream(struct stream *stream, enum stream_event ev, struct lent *l,
    const char *bytes, size_t n)
{
	struct client *c = container_of(stream, struct client, stream);

	if (c->state == CLIENT_CLOSED)
		return;
	switch (ev) {
	case SE_DATA:
		on_data(c, l, bytes, n);
		return;
	case SE_BLOCKED:
		if (c->server != NULL)
			stream_recv_stop(&c->server->stream);
		/* What we answer ourselves must not pile up, either. */
		if (c->state == CLIENT_ACTIVE || c->state == CLIENT_IDLE ||
		    c->state == CLIENT_REFUSED || c->state == CLIENT_CONSOLE)
			stream_recv_stop(&c->stream);
		return;
	case SE_DRAINED:
		if (c->server != NULL)
			stream_recv_start(&c->server->stream);
		if (c->state == CLIENT_CONSOLE)
			client_console_go_on(c);
		else
			client_receive(c);
		return;
	case SE_TLS_READY:
		client_login_tls_ready(c);
		return;
	case SE_HANGUP:
		on_hangup(c);
		return;
	case SE_EOF:
		on_eof(c);
		return;
	case SE_DEAF:
		/* As PostgreSQL: what it still asks for is not done. */
	case SE_ERROR:
		if (c->state == CLIENT_TLS)
			client_log(c, LV_WARNING, "TLS handshake error: %s",
			    stream_error(stream));
		client_close(c, "client unexpected eof");
		return;
	case SE_CONNECTED:
		return;
	}
}
