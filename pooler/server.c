/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/server.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/wire.h"
#include "pooler/client.h"
#include "pooler/server_cancel.h"
#include "pooler/states.h"
#include "pooler/worker.h"

#define TO(state)	(1u << SERVER_##state)
static const unsigned server_moves[SERVER_STATES_] = {
	[SERVER_RESOLVE] = TO(CONNECT),
	[SERVER_CONNECT] = TO(TLS_ASK) | TO(LOGIN),
	[SERVER_TLS_ASK] = TO(TLS) | TO(LOGIN) | TO(CONNECT),
	[SERVER_TLS] = TO(LOGIN),
	[SERVER_LOGIN] = TO(WORK) | TO(SETUP) | TO(IDLE),
	[SERVER_WORK] = TO(LOGIN),
	[SERVER_SETUP] = TO(IDLE),
	[SERVER_IDLE] = TO(ACTIVE) | TO(TESTED) | TO(MOVING),
	[SERVER_ACTIVE] = TO(IDLE) | TO(TESTED) | TO(CANCELLED) | TO(DRAINING),
	[SERVER_TESTED] = TO(IDLE) | TO(ACTIVE) | TO(TESTED),
	[SERVER_CANCELLED] = TO(IDLE) | TO(TESTED),
	[SERVER_DRAINING] = TO(IDLE) | TO(TESTED) | TO(CANCELLED),
	[SERVER_MOVING] = TO(IDLE),
	[SERVER_CLOSED] = 0,
};
#undef TO

static const struct state_text server_texts[] = { SERVER_STATES(STATE_TEXT) };
static const struct states server_states = STATES(server_texts, server_moves);

static void on_stream(struct stream *, enum stream_event, struct lent *,
    const char *, size_t);
static void on_deadline(struct deadline *);
static void on_resolved(struct resolver *);

const char *
server_state_show(const struct server *s, uint64_t now)
{
	const struct options *o = worker_options(s->worker);

	if (s->state == SERVER_IDLE && o->server_check_delay > 0 &&
	    now - s->state_since > (uint64_t)o->server_check_delay)
		return "used";
	return server_texts[s->state].show;
}

void
server_log(const struct server *s, int level, const char *fmt, ...)
{
	char	text[1024], at[ADDR_TEXT_MAX];
	va_list	ap;

	if (!log_wants((enum log_level)level))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_line((enum log_level)level, "S-%p: %s/%s@%s %s", (const void *)s,
	    s->pool->db->name, s->pool->user->name,
	    addr_print(&s->addr, at, sizeof(at)), text);
}

void
server_enter(struct server *s, enum server_state state)
{
	char	text[STATES_TELL_MAX];

	assert(states_may_move(&server_states, s->state, state));
	if (log_wants(LV_NOISE))
		server_log(s, LV_NOISE, "%s",
		    states_tell(&server_states, s->state, state, text));
	s->state = state;
	s->state_since = loop_now(&s->worker->loop);
	server_arm(s);
}

static bool
is_login(enum server_state state)
{
	return state == SERVER_RESOLVE || state == SERVER_CONNECT ||
	    state == SERVER_TLS_ASK || state == SERVER_TLS ||
	    state == SERVER_LOGIN || state == SERVER_WORK ||
	    state == SERVER_SETUP;
}

/* ---- birth ---- */

static struct server *
take_struct(struct shared *p)
{
	struct server *s;

	pthread_mutex_lock(&p->slab_lock);
	s = slab_take(&p->servers_slab);
	pthread_mutex_unlock(&p->slab_lock);
	return s;
}

static void
give_struct(struct shared *p, struct server *s)
{
	pthread_mutex_lock(&p->slab_lock);
	slab_give(&p->servers_slab, s);
	pthread_mutex_unlock(&p->slab_lock);
}

void
server_launch(struct worker *w, struct dbpool *pool)
{
	struct server *s = w->ending ? NULL : take_struct(w->shared);

	if (s == NULL || pool->db->conf == NULL) {
		if (s != NULL)
			give_struct(w->shared, s);
		pool_connect_failed(&pool->core, loop_now(&w->loop), "53200",
		    "out of memory");
		return;
	}
	dbpool_ref(pool);
	s->worker = w;
	s->pool = pool;
	s->id = shared_next_id(w->shared);
	s->epoch = pool_epoch(&pool->core);
	s->born = loop_now(&w->loop);
	s->connect_time = loop_wall_clock();
	s->tx = WIRE_TX_IDLE;
	s->deadline.fn = on_deadline;
	s->moving.fn = server_arrive;
	s->stream.fd = -1;
	requests_init(&s->requests);
	ps_set_init(&s->known);
	server_relay_init(s);
	list_append(&w->servers, &s->node);
	atomic_fetch_add(&w->shared->server_count, 1);
	s->state = SERVER_RESOLVE;
	s->state_since = s->born;
	server_arm(s);
	server_login_begin(s, on_resolved);
}

static int
connect_next(struct server *s)
{
	struct resolver *r = server_login_resolver(s);
	int	rc = ERR_CONNECT;

	while (s->next_address < r->n) {
		s->target = r->addresses[s->next_address++];
		addr_from_sockaddr(&s->addr,
		    (struct sockaddr *)&s->target.sa, r->port);
		rc = stream_connect(&s->stream, s->worker->loop.poller,
		    (struct sockaddr *)&s->target.sa, s->target.len, on_stream);
		if (rc == 0)
			return 0;
	}
	return rc;
}

static void
connect_failed(struct server *s, const char *why)
{
	char	at[ADDR_TEXT_MAX];

	server_log(s, LV_WARNING, "sbuf_connect failed to connect to %s: %s",
	    addr_print(&s->addr, at, sizeof(at)), why);
	resolver_failed(s->pool->db);
	server_close(s, "connect failed");
}

static void
on_resolved(struct resolver *r)
{
	struct server *s = server_login_of_resolver(r);
	int	rc;

	if (s == NULL)
		return;
	if (r->result != 0) {
		server_log(s, LV_WARNING, "DNS lookup failed: %s: result=%d",
		    r->error, r->result);
		/* The next attempt is the next host's. */
		resolver_failed(s->pool->db);
		server_close(s, "server DNS lookup failed");
		return;
	}
	s->next_address = 0;
	server_enter(s, SERVER_CONNECT);
	rc = connect_next(s);
	if (rc != 0)
		connect_failed(s, err_text(rc));
}

/* ---- death ---- */

static void
free_server(struct loop_corpse *corpse)
{
	struct server *s = container_of(corpse, struct server, corpse);

	give_struct(s->worker->shared, s);
}

static void
drop_requests(struct server *s)
{
	struct request r;

	while (requests_pop_newest(&s->requests, &r))
		server_forget_request(&r);
}

/* Its place is free: for its own pool's waiters, or for another pool's. */
static void
after_close(struct worker *w, struct dbpool *pool)
{
	struct pool_order o;

	if (!w->ending) {
		pool_maintain(&pool->core, false, loop_now(&w->loop), &o);
		server_order(w, pool, &o);
	}
	shared_kick(w->shared);
}

/* Tells a linked client; what it has asked for is undone first. */
static void
part_from_client(struct server *s, const char *text)
{
	struct client *c = s->client;

	/* Nothing can be said in the middle of a message. */
	if (s->fatal_relayed ||
	    (relay_in_message(&s->relay) && !s->relay.dropping))
		text = NULL;
	s->client = NULL;
	if (c != NULL)
		client_server_lost(c, text);
}

void
server_close(struct server *s, const char *reason)
{
	struct worker *w = s->worker;
	struct dbpool *pool = s->pool;
	bool	login = is_login(s->state);
	bool	was_idle = s->state == SERVER_IDLE;
	bool	was_moving = s->state == SERVER_MOVING;
	struct buf b = { 0 };

	if (s->state == SERVER_CLOSED)
		return;
	if (reason != NULL && worker_options(w)->log_disconnections)
		server_log(s, LV_LOG, "closing because: %s (age=%llus)",
		    reason, (unsigned long long)
		    ((loop_now(&w->loop) - s->born) / 1000000));
	if (was_idle) {
		/* It may have been taken out already, to be closed. */
		if (!pool_take(&pool->core, &s->idler, w->id))
			server_log(s, LV_NOISE, "was taken out before");
		wire_put_empty(&b, WIRE_FE_TERMINATE);
		if (server_send(s, &b) != 0)
			server_log(s, LV_NOISE, "closed without Terminate");
		buf_release(&b);
	}
	server_enter(s, SERVER_CLOSED);
	cancel_forget_server(s);
	drop_requests(s);
	stream_close(&s->stream);
	server_login_free(s);
	relay_release(&s->relay);
	requests_release(&s->requests);
	ps_set_release(&s->known);
	params_release(w->shared->names, &s->params);
	if (list_linked(&s->freed_node))
		list_remove(was_moving ? &w->leaving : &w->freed,
		    &s->freed_node);
	list_remove(&w->servers, &s->node);
	deadline_remove(&w->loop.deadlines, &s->deadline);
	atomic_fetch_sub(&w->shared->server_count, 1);
	if (login)
		pool_connect_failed(&pool->core, loop_now(&w->loop),
		    s->sqlstate, s->login_error != NULL ? s->login_error :
		    reason);
	else
		pool_server_closed(&pool->core, s->epoch);
	part_from_client(s, reason != NULL ? reason : "server shutting down");
	if (login && s->login_error != NULL)
		client_post_login(w->peers, pool, s->sqlstate,
		    s->login_error);
	free(s->login_error);
	s->login_error = NULL;
	after_close(w, pool);
	dbpool_unref(pool);
	s->corpse.fn = free_server;
	loop_free_later(&w->loop, &s->corpse);
}

int
server_send(struct server *s, const struct buf *b)
{
	if (buf_failed(b))
		return ERR_NOMEM;
	return stream_send_copy(&s->stream, buf_bytes(b), buf_len(b));
}

bool
server_query(struct server *s, const char *sql, enum request_why why)
{
	struct request r = { .kind = REQUEST_SKIP, .type = WIRE_FE_QUERY,
	    .why = (uint8_t)why, .internal = true };
	struct buf b = { 0 };
	bool	ok;

	wire_put_string(&b, WIRE_FE_QUERY, sql);
	ok = requests_push(&s->requests, &r) == 0 && server_send(s, &b) == 0;
	buf_release(&b);
	s->unnamed_state = UNNAMED_NONE;
	return ok;
}

/* ---- events ---- */

static void
on_error(struct server *s, struct stream *stream)
{
	if (s->state == SERVER_CONNECT) {
		struct resolver *r = server_login_resolver(s);
		char	why[256];

		snprintf(why, sizeof(why), "%s", stream_error(stream));
		if (s->next_address < r->n) {
			stream_abort(stream);
			if (connect_next(s) == 0)
				return;
		}
		connect_failed(s, why);
	} else if (s->state == SERVER_TLS) {
		server_log(s, LV_WARNING, "TLS handshake error: %s",
		    stream_error(stream));
		server_close(s, "TLS startup failed");
	} else {
		server_close(s, "server conn crashed?");
	}
}

static void
on_stream(struct stream *stream, enum stream_event ev, struct lent *l,
    const char *bytes, size_t n)
{
	struct server *s = container_of(stream, struct server, stream);

	if (s->state == SERVER_CLOSED)
		return;
	switch (ev) {
	case SE_CONNECTED:
		server_login_connected(s);
		return;
	case SE_TLS_READY:
		server_login_tls_ready(s);
		return;
	case SE_DATA:
		if (is_login(s->state) && s->state != SERVER_SETUP)
			server_login_data(s, bytes, n);
		else
			server_feed(s, l, bytes, n);
		return;
	case SE_BLOCKED:
		if (s->client != NULL)
			stream_recv_stop(&s->client->stream);
		return;
	case SE_DRAINED:
		if (s->client != NULL)
			client_receive(s->client);
		return;
	case SE_HANGUP:
		/* Seen while its client is slow; it is read to the end later. */
		return;
	case SE_DEAF:
		/* It has said why, or does not say; its end comes. */
		return;
	case SE_EOF:
		server_close(s, s->client != NULL || is_login(s->state) ?
		    "server conn crashed?" : "server connection closed");
		return;
	case SE_ERROR:
		on_error(s, stream);
		return;
	}
}

/* ---- time ---- */

static uint64_t
at(uint64_t since, int64_t timeout)
{
	return timeout <= 0 ? DEADLINE_NEVER : since + (uint64_t)timeout;
}

static uint64_t
next_due(const struct server *s)
{
	const struct options *o = worker_options(s->worker);

	switch (s->state) {
	case SERVER_RESOLVE:
	case SERVER_CONNECT:
	case SERVER_TLS_ASK:
	case SERVER_TLS:
	case SERVER_LOGIN:
	case SERVER_WORK:
	case SERVER_SETUP:
		return at(s->born, o->server_connect_timeout);
	case SERVER_IDLE:
		return MIN(at(s->state_since, o->server_idle_timeout),
		    s->born + s->pool->times.server_lifetime);
	case SERVER_DRAINING:
		return at(s->state_since, o->cancel_drain_timeout);
	case SERVER_TESTED:
		/* A query of ours on a connection that may be dead. */
		return at(s->state_since, o->server_connect_timeout);
	case SERVER_ACTIVE:
	case SERVER_CANCELLED:
	case SERVER_MOVING:
	case SERVER_CLOSED:
	case SERVER_STATES_:
		break;
	}
	return DEADLINE_NEVER;
}

void
server_arm(struct server *s)
{
	if (deadline_set(&s->worker->loop.deadlines, &s->deadline,
	    next_due(s)) != 0 && s->state != SERVER_CLOSED)
		log_error("out of memory: a time-out is not watched");
}

/* Servers below min_pool_size stay, however long they have been idle. */
static void
idle_too_long(struct server *s)
{
	const struct options *o = worker_options(s->worker);
	uint64_t now = loop_now(&s->worker->loop);

	if (server_lifetime_over(s)) {
		server_close(s, "server lifetime over");
	} else if (pool_usable_servers(&s->pool->core) >
	    s->pool->core.set.min_size) {
		server_close(s, "server idle timeout");
	} else if (deadline_set(&s->worker->loop.deadlines, &s->deadline,
	    now + (uint64_t)o->server_idle_timeout) != 0) {
		server_close(s, "out of memory");
	}
}

static void
on_deadline(struct deadline *d)
{
	struct server *s = container_of(d, struct server, deadline);

	if (next_due(s) > loop_now(&s->worker->loop)) {
		server_arm(s);
	} else if (is_login(s->state)) {
		resolver_failed(s->pool->db);
		server_close(s, "connect timeout");
	} else if (s->state == SERVER_TESTED) {
		server_close(s, "no answer to a query of the pooler");
	} else if (s->state == SERVER_IDLE) {
		idle_too_long(s);
	} else if (s->state == SERVER_DRAINING) {
		server_close(s, "client disconnected with query in progress");
	}
}
