/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/server.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/wire.h"
#include "pooler/cancel.h"
#include "pooler/client.h"
#include "pooler/pooler.h"

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

static const struct {
	const char *name, *show, *waits_for;
} state_texts[] = {
#define X(state, show, waits_for) { #state, show, waits_for },
	SERVER_STATES(X)
#undef X
};

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
	return state_texts[s->state].show;
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
	assert(state == SERVER_CLOSED ||
	    (server_moves[s->state] & (1u << state)) != 0);
	if (log_wants(LV_NOISE))
		server_log(s, LV_NOISE, "%s -> %s, waits for %s",
		    state_texts[s->state].name, state_texts[state].name,
		    state_texts[state].waits_for);
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
take_struct(struct pooler *p)
{
	struct server *s;

	pthread_mutex_lock(&p->slab_lock);
	s = slab_take(&p->servers_slab);
	pthread_mutex_unlock(&p->slab_lock);
	return s;
}

static void
give_struct(struct pooler *p, struct server *s)
{
	pthread_mutex_lock(&p->slab_lock);
	slab_give(&p->servers_slab, s);
	pthread_mutex_unlock(&p->slab_lock);
}

void
server_launch(struct worker *w, struct dbpool *pool)
{
	struct server *s = w->ending ? NULL : take_struct(w->pooler);

	if (s == NULL || pool->db->conf == NULL) {
		if (s != NULL)
			give_struct(w->pooler, s);
		pool_connect_failed(&pool->core, loop_now(&w->loop), "53200",
		    "out of memory");
		return;
	}
	dbpool_ref(pool);
	s->worker = w;
	s->pool = pool;
	s->id = pooler_next_id(w->pooler);
	s->epoch = atomic_load(&pool->epoch);
	s->born = loop_now(&w->loop);
	s->connect_time = pooler_wall_clock();
	s->tx = WIRE_TX_IDLE;
	s->deadline.fn = on_deadline;
	s->moving.fn = server_arrive;
	s->stream.fd = -1;
	requests_init(&s->requests);
	ps_set_init(&s->known);
	server_relay_init(s);
	list_append(&w->servers, &s->node);
	atomic_fetch_add(&w->pooler->server_count, 1);
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
on_resolved(struct resolver *r)
{
	struct server *s = server_login_of_resolver(r);
	int	rc;

	if (s == NULL)
		return;
	if (r->result != 0) {
		server_log(s, LV_WARNING, "DNS lookup failed: %s: result=%d",
		    r->error, r->result);
		server_close(s, "server DNS lookup failed");
		return;
	}
	s->next_address = 0;
	server_enter(s, SERVER_CONNECT);
	rc = connect_next(s);
	if (rc != 0)
		server_connect_failed(s, err_text(rc));
}

void
server_connect_failed(struct server *s, const char *why)
{
	char	at[ADDR_TEXT_MAX];

	server_log(s, LV_WARNING, "sbuf_connect failed to connect to %s: %s",
	    addr_print(&s->addr, at, sizeof(at)), why);
	resolver_failed(s->pool->db);
	server_close(s, "connect failed");
}

/* ---- death ---- */

static void
free_server(struct loop_corpse *corpse)
{
	struct server *s = container_of(corpse, struct server, corpse);

	give_struct(s->worker->pooler, s);
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
		worker_order(w, pool, &o);
	}
	pooler_kick(w->pooler);
}

/* Tells a linked client; what it has asked for is undone first. */
static void
part_from_client(struct server *s, const char *text)
{
	struct client *c = s->client;

	s->client = NULL;
	if (c != NULL)
		client_server_lost(c, s->fatal_relayed ? NULL : text);
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
	params_release(w->pooler->names, &s->params);
	if (list_linked(&s->freed_node))
		list_remove(was_moving ? &w->leaving : &w->freed,
		    &s->freed_node);
	list_remove(&w->servers, &s->node);
	deadline_remove(&w->loop.deadlines, &s->deadline);
	atomic_fetch_sub(&w->pooler->server_count, 1);
	if (login)
		pool_connect_failed(&pool->core, loop_now(&w->loop),
		    s->sqlstate, s->login_error != NULL ? s->login_error :
		    reason);
	else
		pool_server_closed(&pool->core);
	part_from_client(s, reason != NULL ? reason : "server shutting down");
	if (login && s->login_error != NULL)
		worker_post_login(w->pooler, pool, s->sqlstate,
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

/* ---- use ---- */

/* Its pool's settings changed, or an operator said RECONNECT. */
static bool
is_outdated(const struct server *s)
{
	return s->close_needed || s->epoch != atomic_load(&s->pool->epoch);
}

static void
offer_one(struct server *s)
{
	struct worker	 *w = s->worker;
	struct pool_order o;

	if (s->state != SERVER_IDLE)
		server_enter(s, SERVER_IDLE);
	if (w->ending || atomic_load(&w->pooler->shutdown) ==
	    SHUTDOWN_WAIT_FOR_SERVERS) {
		server_close(s, w->ending ? NULL : "server shutting down");
		return;
	}
	if (atomic_load(&s->pool->core.held)) {
		server_close(s, "pause mode");
		return;
	}
	if (is_outdated(s)) {
		server_close(s, "close_needed");
		return;
	}
	pool_offer(&s->pool->core, &s->idler, w->id, loop_now(&w->loop), &o);
	if (o.waiter != NULL)
		server_give(s, container_of(o.waiter, struct client, waiter));
	else if (o.worker != POOL_NO_WORKER)
		server_move(s, o.worker);
	else if (o.close)
		server_close(s, "evicted");
}

void
server_offer(struct server *s)
{
	struct worker	 *w = s->worker;
	struct list_node *n;

	/*
	 * A client may be done with its server at once, which is then offered
	 * while we are still offering: that is put off, or the stack would
	 * grow with the queue.
	 */
	if (w->offering) {
		list_append(&w->freed, &s->freed_node);
		return;
	}
	w->offering = true;
	offer_one(s);
	while ((n = list_pop(&w->freed)) != NULL)
		offer_one(container_of(n, struct server, freed_node));
	w->offering = false;
}

static bool
needs_check(const struct server *s)
{
	const struct options *o = worker_options(s->worker);

	return !s->checked && o->server_check_query != NULL &&
	    o->server_check_query[0] != '\0' &&
	    loop_now(&s->worker->loop) - s->quiet_since >=
	    (uint64_t)o->server_check_delay;
}

static const char *
check_query(const struct server *s)
{
	const char *q = worker_options(s->worker)->server_check_query;

	return strcmp(q, "<empty>") == 0 ? "" : q;
}

/* Puts the client's parameters on the server. True: it may go on at once. */
static bool
replay_params(struct server *s, struct client *c)
{
	struct params_names *names = s->worker->pooler->names;
	struct buf b = { 0 };
	bool	ok;

	if (c->state == CLIENT_AUTH_QUERY || c->state == CLIENT_WELCOME ||
	    params_match(names, &c->params, &s->params))
		return true;
	params_diff_sql(names, &c->params, &s->params, &b);
	server_log(s, LV_DEBUG, "varcache_apply: %s", buf_cstr(&b));
	ok = !buf_failed(&b) && server_query(s, buf_cstr(&b), WHY_PARAMS);
	buf_release(&b);
	if (!ok) {
		server_close(s, "var change failed");
		return false;
	}
	/*
	 * Values that a server has accepted once are pipelined with the
	 * client's query. Others could fail, and then nothing of the
	 * client's must have been done.
	 */
	return c->params_sure;
}

static void
link_client(struct server *s)
{
	struct client *c = s->client;

	stats_add(&s->pool->stats[s->worker->id].server_assignment_count, 1);
	server_enter(s, SERVER_ACTIVE);
	s->request_time = pooler_wall_clock();
	client_take_server(c, s);
}

/* The client waits while a query of ours runs on the server. */
static void
wait_for_test(struct server *s)
{
	struct client *c = s->client;

	if (s->state != SERVER_TESTED)
		server_enter(s, SERVER_TESTED);
	if (c->state == CLIENT_WAITING || c->state == CLIENT_IDLE)
		client_enter(c, CLIENT_LINKING);
}

static void
go_on_linking(struct server *s)
{
	struct client *c = s->client;

	if (needs_check(s)) {
		s->checked = true;
		if (!server_query(s, check_query(s), WHY_CHECK))
			server_close(s, "test query failed");
		else
			wait_for_test(s);
		return;
	}
	if (replay_params(s, c))
		link_client(s);
	else if (s->client == c)
		wait_for_test(s);
}

void
server_give(struct server *s, struct client *c)
{
	s->client = c;
	c->server = s;
	s->checked = false;
	go_on_linking(s);
}

/* What the state TESTED waited for has succeeded. */
void
server_tested(struct server *s, enum request_why why)
{
	if (!requests_empty(&s->requests))
		return;
	if (s->client == NULL) {
		server_offer(s);
		return;
	}
	if (why == WHY_PARAMS) {
		/* What the server says now is how the client's values are
		 * spelled: the next SET is spared. */
		params_copy(s->worker->pooler->names, &s->client->params,
		    &s->params);
		link_client(s);
		return;
	}
	go_on_linking(s);
}

static bool
lifetime_over(const struct server *s)
{
	uint64_t life = s->pool->times.server_lifetime;

	return loop_now(&s->worker->loop) - s->born >= life;
}

static bool
needs_reset(const struct server *s)
{
	const struct options *o = worker_options(s->worker);

	return o->server_reset_query != NULL &&
	    o->server_reset_query[0] != '\0' &&
	    (s->pool->mode == POOL_MODE_SESSION ||
	    o->server_reset_query_always);
}

/* It is nobody's, and nothing is under way: what is to become of it? */
static void
settle(struct server *s)
{
	if (lifetime_over(s)) {
		server_close(s, "server lifetime over");
	} else if (is_outdated(s)) {
		server_close(s, "close_needed");
	} else if (s->cancels > 0) {
		server_enter(s, SERVER_CANCELLED);
	} else if (needs_reset(s)) {
		server_enter(s, SERVER_TESTED);
		if (!server_query(s,
		    worker_options(s->worker)->server_reset_query, WHY_RESET))
			server_close(s, "reset query failed");
	} else {
		server_offer(s);
	}
}

void
server_release(struct server *s)
{
	struct client *c = s->client;

	s->client = NULL;
	/* Its output may have been stopped for the client's sake. */
	stream_recv_start(&s->stream);
	if (c != NULL)
		client_unlink(c);
	settle(s);
}

/* ---- a client that vanished ---- */

static bool
clean_up(struct server *s, const char *sql)
{
	struct request sync = { .kind = REQUEST_SKIP, .type = WIRE_FE_SYNC,
	    .why = WHY_CLEANUP, .internal = true };
	struct buf b = { 0 };
	bool	ok = true;

	if (sql != NULL)
		return server_query(s, sql, WHY_CLEANUP);
	if (s->copy_in)
		wire_put_string(&b, WIRE_FE_COPY_FAIL, "client disconnected");
	if (requests_need_sync(&s->requests)) {
		wire_put_empty(&b, WIRE_FE_SYNC);
		ok = requests_push(&s->requests, &sync) == 0;
	}
	ok = ok && (buf_len(&b) == 0 || server_send(s, &b) == 0);
	buf_release(&b);
	return ok;
}

void
server_drained(struct server *s)
{
	if (!requests_empty(&s->requests))
		return;
	if (s->tx != WIRE_TX_IDLE) {
		if (!clean_up(s, "ROLLBACK"))
			server_close(s, "out of memory");
		return;
	}
	settle(s);
}

void
server_abandon(struct server *s, bool partial_message)
{
	if (s->state == SERVER_TESTED) {
		/* A query of ours runs; then it is free. */
		return;
	}
	if (partial_message || s->copy_both) {
		server_close(s, "client disconnect before everything was sent "
		    "to the server");
		return;
	}
	stream_recv_start(&s->stream);
	if (requests_empty(&s->requests) && s->tx == WIRE_TX_IDLE &&
	    !requests_need_sync(&s->requests)) {
		settle(s);
		return;
	}
	if (!clean_up(s, NULL)) {
		server_close(s, "out of memory");
		return;
	}
	server_enter(s, SERVER_DRAINING);
	if (!requests_empty(&s->requests))
		cancel_server(s, -1);
	server_drained(s);
}

void
server_cancel_over(struct server *s)
{
	assert(s->cancels > 0);
	s->cancels--;
	if (s->state == SERVER_CANCELLED && s->cancels == 0)
		settle(s);
}

/* ---- moving ---- */

/*
 * It leaves at the end of the turn: until then bytes that were received with
 * its last reply are still being walked through here.
 */
void
server_move(struct server *s, uint32_t to)
{
	server_enter(s, SERVER_MOVING);
	s->move_to = to;
	list_append(&s->worker->leaving, &s->freed_node);
}

void
server_leave(struct server *s)
{
	struct worker *w = s->worker;

	if (!stream_leave(&s->stream)) {
		server_close(s, "idle server got dirty");
		return;
	}
	list_remove(&w->leaving, &s->freed_node);
	deadline_remove(&w->loop.deadlines, &s->deadline);
	list_remove(&w->servers, &s->node);
	s->worker = &w->pooler->workers[s->move_to];
	loop_post(&s->worker->loop, &s->moving);
}

void
server_arrive(struct loop_task *t)
{
	struct server *s = container_of(t, struct server, moving);
	struct worker *w = s->worker;

	list_append(&w->servers, &s->node);
	if (stream_join(&s->stream, w->loop.poller) != 0) {
		server_enter(s, SERVER_IDLE);
		server_close(s, "out of memory");
		return;
	}
	stream_recv_start(&s->stream);
	server_offer(s);
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
		server_connect_failed(s, why);
	} else if (s->state == SERVER_TLS) {
		server_log(s, LV_WARNING, "TLS %s", stream_error(stream));
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
		if (s->client != NULL && s->client->state == CLIENT_ACTIVE)
			stream_recv_start(&s->client->stream);
		return;
	case SE_HANGUP:
		/* Seen while its client is slow; it is read to the end later. */
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
	case SERVER_ACTIVE:
	case SERVER_TESTED:
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

	if (lifetime_over(s)) {
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
	} else if (s->state == SERVER_IDLE) {
		idle_too_long(s);
	} else if (s->state == SERVER_DRAINING) {
		server_close(s, "client disconnected with query in progress");
	}
}
