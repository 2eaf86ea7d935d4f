/* SPDX-License-Identifier: MIT */
/*
 * A connected server between its clients: offered, checked, given, taken
 * back, cleaned up behind a client that vanished, handed to another worker.
 */
#include "common/base.h"
#include "pooler/server.h"

#include <string.h>

#include "common/log.h"
#include "common/wire.h"
#include "pooler/client.h"
#include "pooler/server_cancel.h"
#include "pooler/worker.h"

/* Its pool's settings changed, or an operator said RECONNECT. */
static bool
is_outdated(const struct server *s)
{
	return s->close_needed || s->epoch != pool_epoch(&s->pool->core);
}

static void
offer_one(struct server *s)
{
	struct worker	 *w = s->worker;
	struct pool_order o;

	if (s->state != SERVER_IDLE)
		server_enter(s, SERVER_IDLE);
	if (w->ending || atomic_load(&w->shared->shutdown) ==
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
	struct params_names *names = s->worker->shared->names;
	struct buf b = { 0 };
	bool	ok;

	if (c->state == CLIENT_AUTH_QUERY ||
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
	s->mode = s->pool->mode;
	s->request_time = loop_wall_clock();
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

	/* Who is only to be welcomed needs no server; and may be welcomed
	 * meanwhile, by another one. */
	if (c->state != CLIENT_WELCOME && needs_check(s)) {
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
	if (c->state == CLIENT_WELCOME) {
		/* It wants to know the pool, and no server yet. */
		server_offer(s);
		client_pool_known(c);
		return;
	}
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
		params_copy(s->worker->shared->names, &s->client->params,
		    &s->params);
		link_client(s);
		return;
	}
	go_on_linking(s);
}

enum server_pin
server_pin(const struct server *s)
{
	const struct client *c = s->client;

	if (relay_in_message(&c->relay) || relay_in_message(&s->relay))
		return PIN_MESSAGE;
	if (!requests_empty(&s->requests) || c->settling ||
	    requests_strays(&s->requests))
		return PIN_ANSWERS;
	if (requests_need_sync(&s->requests))
		return PIN_BATCH;
	if (s->tx != WIRE_TX_IDLE)
		return PIN_TRANSACTION;
	/* auth_query is ours: one transaction, whatever the mode. */
	if (s->mode == POOL_MODE_SESSION && c->state != CLIENT_AUTH_QUERY)
		return PIN_SESSION;
	return PIN_NONE;
}

bool
server_is_replaceable(const struct server *s)
{
	if (!is_outdated(s))
		return false;
	if (s->state == SERVER_IDLE)
		return true;
	return s->state == SERVER_ACTIVE &&
	    worker_options(s->worker)->server_fast_close &&
	    server_pin(s) == PIN_SESSION;
}

bool
server_lifetime_over(const struct server *s)
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
	    (s->mode == POOL_MODE_SESSION || o->server_reset_query_always);
}

/* It is nobody's, and nothing is under way: what is to become of it? */
static void
settle(struct server *s)
{
	cancel_go_on(s);
	if (server_lifetime_over(s)) {
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

bool
server_resolve(struct server *s)
{
	static const struct request sync = { .kind = REQUEST_SKIP,
	    .type = WIRE_FE_SYNC, .why = WHY_CLEANUP, .internal = true };
	static const struct request close = { .kind = REQUEST_SKIP,
	    .type = WIRE_FE_CLOSE, .why = WHY_CLEANUP, .internal = true };
	struct buf b = { 0 };
	bool	ok = true;

	if (requests_ignoring(&s->requests)) {
		requests_end_ignoring(&s->requests);
		wire_put_empty(&b, WIRE_FE_SYNC);
		ok = requests_push(&s->requests, &sync) == 0;
	}
	/* PostgreSQL closes what there is not, even in a failed transaction.
	 * (A query would drop the unnamed statement.) */
	wire_put_target(&b, WIRE_FE_CLOSE, 'P', "homelab_none");
	wire_put_empty(&b, WIRE_FE_SYNC);
	ok = ok && requests_push(&s->requests, &close) == 0 &&
	    requests_push(&s->requests, &sync) == 0 && server_send(s, &b) == 0;
	buf_release(&b);
	return ok;
}

/* ---- a client that vanished ---- */

bool
server_clean_up(struct server *s, const char *sql)
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
	cancel_go_on(s);
	if (!requests_empty(&s->requests))
		return;
	if (requests_strays(&s->requests)) {
		if (!server_resolve(s))
			server_close(s, "out of memory");
		return;
	}
	if (s->tx == WIRE_TX_IDLE) {
		settle(s);
		return;
	}
	/* A late cancel would hit the ROLLBACK: server_cancel_over() calls. */
	if (s->cancels == 0 && !server_clean_up(s, "ROLLBACK"))
		server_close(s, "out of memory");
}

void
server_abandon(struct server *s, bool partial_message)
{
	if (s->state == SERVER_TESTED) {
		/* A query of ours runs; then it is free. */
		return;
	}
	if (partial_message || s->copy_both ||
	    requests_strays(&s->requests)) {
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
	if (!server_clean_up(s, NULL)) {
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
	/* Requests that waited for this one may end at once. */
	cancel_go_on(s);
	if (s->cancels > 0)
		return;
	if (s->state == SERVER_CANCELLED)
		settle(s);
	else if (s->state == SERVER_DRAINING)
		server_drained(s);
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

static void
leave(struct server *s)
{
	struct worker *w = s->worker;

	if (!stream_leave(&s->stream)) {
		server_close(s, "idle server got dirty");
		return;
	}
	list_remove(&w->leaving, &s->freed_node);
	deadline_remove(&w->loop.deadlines, &s->deadline);
	atomic_fetch_add(&w->shared->moving, 1);
	list_remove(&w->servers, &s->node);
	s->worker = &w->peers->all[s->move_to];
	loop_post(&s->worker->loop, &s->moving);
}

void
server_leave_all(struct worker *w)
{
	struct list_node *n;

	while ((n = list_first(&w->leaving)) != NULL)
		leave(container_of(n, struct server, freed_node));
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
	} else {
		stream_recv_start(&s->stream);
		server_offer(s);
	}
	/* Not before: WAIT_CLOSE counts it as long as it may be outdated. */
	atomic_fetch_sub(&w->shared->moving, 1);
}
