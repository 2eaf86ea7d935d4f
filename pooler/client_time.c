/* SPDX-License-Identifier: MIT */
/*
 * A client's time-outs: when the present state is over, and what happens
 * then. Contract, section 9.5.
 */
#include "common/base.h"
#include "pooler/client.h"

#include "common/buf.h"
#include "common/log.h"
#include "common/wire.h"
#include "pooler/server.h"
#include "pooler/worker.h"

static uint64_t
after(uint64_t since, uint64_t timeout)
{
	return timeout == 0 || since == 0 ? DEADLINE_NEVER : since + timeout;
}

static uint64_t
opt_us(int64_t t)
{
	return t > 0 ? (uint64_t)t : 0;
}

/* Holding a transaction open without a query in flight. */
static bool
idle_in_transaction(const struct client *c)
{
	return c->server != NULL && c->query_start == 0 &&
	    c->server->tx != WIRE_TX_IDLE;
}

static uint64_t
waiting_due(const struct client *c)
{
	const struct options *o = worker_options(c->worker);
	uint64_t due = after(c->waiter.since, c->pool->times.query_wait);

	due = MIN(due, after(c->query_start, c->pool->times.query));
	if (!c->notified && o->query_wait_notify > 0)
		due = MIN(due, after(c->waiter.since,
		    (uint64_t)o->query_wait_notify * 1000000));
	return due;
}

static uint64_t
next_due(const struct client *c)
{
	const struct options *o = worker_options(c->worker);
	uint64_t due = DEADLINE_NEVER;

	switch (c->state) {
	case CLIENT_FIRST:
	case CLIENT_TLS:
	case CLIENT_AUTH:
	case CLIENT_WORK:
		/* One time-out for the whole login. */
		return after(client_login_since(c),
		    opt_us(o->client_login_timeout));
	case CLIENT_AUTH_QUERY:
	case CLIENT_WELCOME:
		/* It queues like any other, besides. */
		due = after(client_login_since(c),
		    opt_us(o->client_login_timeout));
		return MIN(due, after(c->waiter.since,
		    c->pool->times.query_wait));
	case CLIENT_IDLE:
		return after(c->state_since, c->pool->times.client_idle);
	case CLIENT_WAITING:
	case CLIENT_LINKING:
		return waiting_due(c);
	case CLIENT_ACTIVE:
		due = after(c->query_start, c->pool->times.query);
		due = MIN(due, after(c->xact_start,
		    c->pool->times.transaction));
		if (idle_in_transaction(c))
			due = MIN(due, after(c->state_since,
			    c->pool->times.idle_transaction));
		return due;
	case CLIENT_REFUSED:
	case CLIENT_CONSOLE:
	case CLIENT_COMMAND:
	case CLIENT_CLOSED:
	case CLIENT_STATES_:
		break;
	}
	return due;
}

void
client_arm(struct client *c)
{
	if (deadline_set(&c->worker->loop.deadlines, &c->deadline,
	    next_due(c)) != 0 && c->state != CLIENT_CLOSED)
		log_error("out of memory: a time-out is not watched");
}

/* How much of the time from `begin` to now lies after `since`. */
static uint64_t
stood(uint64_t begin, uint64_t since, uint64_t now)
{
	return begin == 0 || begin >= now ? 0 : now - MAX(begin, since);
}

void
client_time_stood(struct client *c, uint64_t since, uint64_t now)
{
	if (c->state == CLIENT_WELCOME || c->state == CLIENT_AUTH_QUERY)
		client_login_put_off(c, stood(client_login_since(c), since,
		    now));
	if (c->waiter.since != 0) {
		c->waiter.since += stood(c->waiter.since, since, now);
		c->query_start += stood(c->query_start, since, now);
		c->xact_start += stood(c->xact_start, since, now);
	}
	if (c->state == CLIENT_IDLE)
		c->state_since += stood(c->state_since, since, now);
}

static void
notify_waiting(struct client *c)
{
	struct wire_error e = { .severity = "NOTICE", .sqlstate = "00000",
	    .message = "No server connection available in postgres backend, "
	    "client being queued" };
	struct buf b = { 0 };

	wire_put_error(&b, WIRE_BE_NOTICE, &e);
	client_send(c, &b);
	buf_release(&b);
	c->notified = true;
}

/* Closes server and client: a query or transaction took too long. */
static void
time_out_with_server(struct client *c, const char *text)
{
	struct server *s = c->server;

	if (s == NULL) {
		client_fail(c, text);
		return;
	}
	server_close(s, text);
}

static void
check_waiting(struct client *c, uint64_t now)
{
	if (after(c->waiter.since, c->pool->times.query_wait) <= now) {
		client_fail(c, "query_wait_timeout");
	} else if (after(c->query_start, c->pool->times.query) <= now) {
		client_fail(c, "query_timeout");
	} else {
		if (!c->notified)
			notify_waiting(c);
		client_arm(c);
	}
}

static void
check_active(struct client *c, uint64_t now)
{
	if (after(c->query_start, c->pool->times.query) <= now)
		time_out_with_server(c, "query timeout");
	else if (after(c->xact_start, c->pool->times.transaction) <= now)
		time_out_with_server(c, "transaction timeout");
	else
		time_out_with_server(c, "idle transaction timeout");
}

void
client_on_deadline(struct deadline *d)
{
	struct client *c = container_of(d, struct client, deadline);
	struct loop   *loop = &c->worker->loop;
	uint64_t       due = next_due(c);

	if (due > loop_now(loop)) {
		client_arm(c);
		return;
	}
	switch (c->state) {
	case CLIENT_FIRST:
	case CLIENT_TLS:
	case CLIENT_AUTH:
	case CLIENT_WORK:
		client_fail(c, "client_login_timeout");
		return;
	case CLIENT_WELCOME:
	case CLIENT_AUTH_QUERY:
	case CLIENT_WAITING:
	case CLIENT_LINKING:
	case CLIENT_IDLE:
		if (atomic_load(&c->worker->shared->holding)) {
			/* Time stands still for those who wait. */
			if (deadline_set(&loop->deadlines, d,
			    loop_now(loop) + 1000000) != 0)
				client_fail(c, "out of memory");
			return;
		}
		if (c->state == CLIENT_IDLE)
			client_fail(c, "client_idle_timeout");
		else if (c->state == CLIENT_WAITING ||
		    c->state == CLIENT_LINKING)
			check_waiting(c, loop_now(loop));
		else if (after(c->waiter.since, c->pool->times.query_wait) <=
		    loop_now(loop))
			client_fail(c, "query_wait_timeout");
		else
			client_fail(c, "client_login_timeout (server down)");
		return;
	case CLIENT_ACTIVE:
		check_active(c, loop_now(loop));
		return;
	case CLIENT_REFUSED:
	case CLIENT_CONSOLE:
	case CLIENT_COMMAND:
	case CLIENT_CLOSED:
	case CLIENT_STATES_:
		return;
	}
}
