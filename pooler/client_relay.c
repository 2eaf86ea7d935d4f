/* SPDX-License-Identifier: MIT */
/*
 * A client's messages on their way to its server: each is entered into the
 * server's request queue; what concerns statements is in
 * client_statements.c, everything else passes.
 */
#include "common/base.h"
#include "pooler/client_relay.h"

#include <stdio.h>

#include "common/log.h"
#include "common/wire.h"
#include "pooler/server.h"
#include "pooler/worker.h"

/* How many requests a client may be ahead of their answers. */
#define AHEAD_MAX	65536

static struct client *
client_of(struct relay *r)
{
	return container_of(r, struct client, relay);
}

enum relay_fate
client_send_ours(struct client *c, struct buf *b, enum relay_fate fate)
{
	bool ok = relay_sync(&c->relay) == 0 && !buf_failed(b) &&
	    stream_send_copy(&c->server->stream, buf_bytes(b), buf_len(b)) == 0;

	buf_release(b);
	return ok ? fate : FATE_BAD;
}

enum relay_fate
client_forward(struct client *c, uint8_t type)
{
	struct request r = { .kind = REQUEST_FORWARD, .type = type };

	return requests_push(&c->server->requests, &r) == 0 ?
	    FATE_FORWARD : FATE_BAD;
}

bool
client_unsettled(const struct client *c)
{
	const struct server *s = c->server;

	/* Data that is copied in comes behind this message. */
	return s != NULL && !requests_empty(&s->requests) && !s->copy_in &&
	    !s->copy_both;
}

enum relay_fate
client_wait_for_answers(struct client *c)
{
	struct buf b = { 0 };

	c->settling = true;
	/* A Sync that a COPY may pass over makes nobody answer. */
	if (!requests_need_sync(&c->server->requests) &&
	    !requests_sync_ahead(&c->server->requests))
		return FATE_LATER;
	wire_put_empty(&b, WIRE_FE_FLUSH);
	return client_send_ours(c, &b, FATE_LATER);
}

/* A message without an answer: data of a COPY, or Flush. */
static enum relay_fate
judge_copy(struct client *c, uint8_t type)
{
	/* Late, behind an error that ended a COPY: nobody wants it. */
	if (c->server == NULL || requests_ignoring(&c->server->requests))
		return FATE_DROP;
	if (type == WIRE_FE_COPY_DONE || type == WIRE_FE_COPY_FAIL) {
		if (!c->server->copy_in)
			requests_copy_end(&c->server->requests);
		c->server->copy_in = false;
	} else if (type == WIRE_FE_COPY_DATA && !c->server->copy_in) {
		requests_copy_data(&c->server->requests);
	}
	return FATE_FORWARD;
}

/*
 * Something behind a Sync that went into a COPY: nobody knows yet whether it
 * is answered. It waits for the end of the COPY, and then for that. It is
 * itself an end to the COPY, unless that has failed already: PostgreSQL would
 * close the connection, we fail the COPY, which has an answer in either case.
 */
static enum relay_fate
judge_behind_strays(struct client *c, uint8_t type)
{
	struct buf b = { 0 };
	char	why[64];

	if (c->server->copy_in) {
		snprintf(why, sizeof(why), "unexpected message type 0x%02X "
		    "during COPY from stdin", type);
		wire_put_string(&b, WIRE_FE_COPY_FAIL, why);
		c->server->copy_in = false;
		c->settling = true;
		return client_send_ours(c, &b, FATE_LATER);
	}
	if (client_unsettled(c))
		return client_wait_for_answers(c);
	c->settling = true;
	return relay_sync(&c->relay) == 0 && server_resolve(c->server) ?
	    FATE_LATER : FATE_BAD;
}

/*
 * Counts and times what begins with this message; the time waited for a
 * server is part of it.
 */
static void
count_request(struct client *c)
{
	struct pool_stats *s = client_stats(c);
	uint64_t now = loop_now(&c->worker->loop);

	if (c->xact_start == 0) {
		c->xact_start = now;
		stats_add(&s->xact_count, 1);
	}
	if (c->query_start == 0) {
		c->query_start = now;
		c->request_time = loop_wall_clock();
		stats_add(&s->query_count, 1);
		if (c->pool->times.query != 0 ||
		    c->pool->times.transaction != 0)
			client_arm(c);
	}
}

static enum relay_fate
judge_query(struct client *c, struct relay_msg *m)
{
	if (worker_options(c->worker)->disable_pqexec) {
		client_log(c, LV_ERROR, "client used \"Query\" packet type");
		client_fail(c, "PQexec disallowed");
		return FATE_CLOSED;
	}
	c->server->executes = true;
	return statements_query(c, m);
}

static enum relay_fate
unknown_message(struct client *c, uint8_t type)
{
	client_log(c, LV_ERROR, "unknown pkt from client: %u/0x%x", type, type);
	client_fail(c, "unknown pkt");
	return FATE_CLOSED;
}

/* A message that asks the server for something; there is a server. */
static enum relay_fate
judge_request(struct client *c, struct relay_msg *m)
{
	switch (m->type) {
	case WIRE_FE_QUERY:
		return judge_query(c, m);
	case WIRE_FE_PARSE:
		return statements_parse(c, m);
	case WIRE_FE_BIND:
		return statements_bind(c, m);
	case WIRE_FE_DESCRIBE:
	case WIRE_FE_CLOSE:
		return statements_target(c, m);
	case WIRE_FE_EXECUTE:
	case WIRE_FE_FUNCTION_CALL:
		c->server->executes = true;
		return client_forward(c, m->type);
	default:
		return client_forward(c, m->type);
	}
}

/*
 * Passing over a request that was refused before a server saw it: a Query is
 * one message, anything else lasts until its Sync.
 */
static enum relay_fate
judge_refused(struct client *c, struct relay_msg *m)
{
	struct buf b = { 0 };

	if (m->type == WIRE_FE_TERMINATE) {
		client_close(c, "client close request");
		return FATE_CLOSED;
	}
	if (m->type != WIRE_FE_QUERY && m->type != WIRE_FE_SYNC &&
	    m->type != WIRE_FE_FUNCTION_CALL)
		return FATE_DROP;
	wire_put_ready(&b, WIRE_TX_IDLE);
	client_send(c, &b);
	buf_release(&b);
	client_enter(c, CLIENT_IDLE);
	return FATE_DROP;
}

/*
 * What is sent in the middle of a COPY ends it, with an error or because it
 * has failed already: Syncs behind it are answered.
 */
static enum relay_fate
judge_in_copy(struct client *c, struct relay_msg *m)
{
	struct server	*s = c->server;
	struct requests	*q = &s->requests;
	size_t		before = q->count;
	enum relay_fate fate = judge_request(c, m);

	if (c->server == s && q->count > before &&
	    requests_at(q, q->count - 1)->kind != REQUEST_FAKE)
		s->copy_in = false;
	return fate;
}

static enum relay_fate
judge(struct relay *r, struct relay_msg *m)
{
	struct client *c = client_of(r);

	if (c->state == CLIENT_REFUSED)
		return judge_refused(c, m);
	switch (m->type) {
	case WIRE_FE_TERMINATE:
		/* PostgreSQL, too, first does what was asked before, but
		 * rolls back what still lacks its Sync. */
		if (client_unsettled(c) &&
		    !requests_need_sync(&c->server->requests))
			return client_wait_for_answers(c);
		client_close(c, "client close request");
		return FATE_CLOSED;
	case WIRE_FE_COPY_DATA:
	case WIRE_FE_COPY_DONE:
	case WIRE_FE_COPY_FAIL:
	case WIRE_FE_FLUSH:
		return judge_copy(c, m->type);
	case WIRE_FE_QUERY:
	case WIRE_FE_FUNCTION_CALL:
	case WIRE_FE_PARSE:
	case WIRE_FE_BIND:
	case WIRE_FE_DESCRIBE:
	case WIRE_FE_CLOSE:
	case WIRE_FE_EXECUTE:
	case WIRE_FE_SYNC:
		break;
	default:
		return unknown_message(c, m->type);
	}
	count_request(c);
	if (c->server == NULL) {
		client_want_server(c);
		if (c->state == CLIENT_CLOSED)
			return FATE_CLOSED;
		if (c->state != CLIENT_ACTIVE)
			return FATE_LATER;
	}
	/* PostgreSQL ignores a Sync before the end of the data it copies in. */
	if (c->server->copy_in && m->type == WIRE_FE_SYNC) {
		requests_stray(&c->server->requests);
		return FATE_FORWARD;
	}
	if (requests_strays(&c->server->requests))
		return judge_behind_strays(c, m->type);
	if (requests_sync_ahead(&c->server->requests) &&
	    m->type != WIRE_FE_SYNC && client_unsettled(c))
		return client_wait_for_answers(c);
	/* And everything from an error up to the Sync; so do we. */
	if (requests_ignoring(&c->server->requests) && m->type != WIRE_FE_SYNC)
		return FATE_DROP;
	/* What never reaches the server (a Close, say) is not held up by it:
	 * the queue must not grow for as long as a query runs. */
	if (c->server->requests.count >= AHEAD_MAX && client_unsettled(c))
		return client_wait_for_answers(c);
	return c->server->copy_in ? judge_in_copy(c, m) : judge_request(c, m);
}

static int
emit(struct relay *r, struct lent *l, const char *bytes, size_t n)
{
	struct client *c = client_of(r);

	if (c->server == NULL)
		return 0;
	return l != NULL ? stream_send_lent(&c->server->stream, l, bytes, n) :
	    stream_send_copy(&c->server->stream, bytes, n);
}

static bool
done(struct relay *r UNUSED, uint8_t type UNUSED)
{
	return true;
}

static const struct relay_ops client_relay_ops = {
	.judge = judge, .emit = emit, .done = done
};

void
client_relay_init(struct client *c)
{
	int64_t max = (int64_t)worker_options(c->worker)->max_packet_size;

	relay_init(&c->relay, &client_relay_ops,
	    (uint32_t)MIN(max, (int64_t)INT32_MAX - 16));
}
