/* SPDX-License-Identifier: MIT */
/*
 * A server's messages on their way to its client: the request queue says
 * whose each reply is; ReadyForQuery ends transactions. See requests.h.
 */
#include "common/base.h"
#include "pooler/server.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/err.h"
#include "common/log.h"
#include "common/wire.h"
#include "pooler/client.h"
#include "pooler/server_cancel.h"
#include "pooler/worker.h"

/* Messages up to this are held whole where they are looked at. */
#define LOOK_MAX	((uint32_t)64 << 10)

static struct server *
server_of(struct relay *r)
{
	return container_of(r, struct server, relay);
}

static bool
send_to_client(struct server *s, struct buf *b)
{
	struct client *c = server_listener(s);
	bool	ok = true;

	if (c != NULL && c->state == CLIENT_ACTIVE)
		ok = relay_sync(&s->relay) == 0 && !buf_failed(b) &&
		    stream_send_copy(&c->stream, buf_bytes(b),
		    buf_len(b)) == 0;
	buf_release(b);
	return ok;
}

/* ---- fakes ---- */

void
server_forget_request(struct request *r)
{
	/* For each answer: a query's owns nothing. */
	if (r->text == NULL && r->entry == NULL && r->unnamed == NULL)
		return;
	free(r->text);
	ps_entry_unref(r->entry);
	ps_unref(r->unnamed);
	r->text = NULL;
	r->entry = NULL;
	r->unnamed = NULL;
}

/* The answer to what was never sent; its effect on the client's map stays. */
static void
put_fake(struct request *r, struct buf *b)
{
	if (r->type == WIRE_FE_PARSE) {
		wire_put_empty(b, WIRE_BE_PARSE_COMPLETE);
	} else if (r->type == WIRE_FE_CLOSE) {
		wire_put_empty(b, WIRE_BE_CLOSE_COMPLETE);
	}
	server_forget_request(r);
}

bool
server_answer_fakes(struct server *s)
{
	struct request r;
	struct buf b = { 0 };

	if (relay_in_message(&s->relay) && !s->relay.dropping) {
		/* Not into the middle of a message: behind it. */
		s->relay.notify = true;
		return true;
	}
	while (requests_fake(&s->requests, &r))
		put_fake(&r, &b);
	if (buf_len(&b) == 0)
		return true;
	if (!send_to_client(s, &b)) {
		server_close(s, "out of memory");
		return false;
	}
	return true;
}

/* ---- errors ---- */

/* An error to something of ours that no client's message had caused. */
static enum relay_fate
internal_error(struct server *s, const struct relay_msg *m, uint8_t why)
{
	struct wire_error e = { .severity = "ERROR", .message = "?" };
	struct client *c = s->client;
	size_t	n = m->have - WIRE_HEADER_LEN;	/* a long one is cut */

	(void)!wire_parse_error(m->bytes + WIRE_HEADER_LEN, n, &e);
	switch (why) {
	case WHY_CONNECT:
		server_log(s, LV_ERROR, "S: error while executing "
		    "exec_on_query: %s: %s", e.severity, e.message);
		return FATE_DROP;
	case WHY_PARAMS:
		server_log(s, LV_ERROR, "varcache_apply failed: %s: %s",
		    e.severity, e.message);
		if (c == NULL)
			/* It vanished, and with it who wanted the values. */
			return FATE_DROP;
		s->client = NULL;
		c->server = NULL;
		client_fail(c, "invalid server parameter");
		server_close(s, "invalid server parameter");
		return FATE_CLOSED;
	case WHY_RESET:
		server_log(s, LV_WARNING, "server_reset_query failed: %s: %s",
		    e.severity, e.message);
		server_close(s, "reset query failed");
		return FATE_CLOSED;
	case WHY_CHECK:
		server_log(s, LV_WARNING, "server_check_query failed: %s: %s",
		    e.severity, e.message);
		server_close(s, "test query failed");
		return FATE_CLOSED;
	case WHY_AUTH:
		if (s->client != NULL)
			client_login_reply(s->client, WIRE_BE_ERROR,
			    m->bytes + WIRE_HEADER_LEN, n);
		return FATE_DROP;
	default:
		return FATE_DROP;
	}
}

/*
 * The error of something that we sent so that it fails: with our text, unless
 * PostgreSQL found something else to be wrong before it came to that.
 */
static enum relay_fate
replace_error(struct server *s, const struct relay_msg *m, struct request *r)
{
	struct wire_error e = { .sqlstate = "" };
	struct buf b = { 0 };
	enum relay_fate fate = FATE_FORWARD;

	(void)!wire_parse_error(m->bytes + WIRE_HEADER_LEN,
	    m->have - WIRE_HEADER_LEN, &e);
	if (strcmp(e.sqlstate, r->sqlstate) == 0) {
		e = (struct wire_error){ .severity = "ERROR",
		    .sqlstate = r->sqlstate, .message = r->text };
		wire_put_error(&b, WIRE_BE_ERROR, &e);
		fate = send_to_client(s, &b) ? FATE_DROP : FATE_BAD;
	}
	free(r->text);
	r->text = NULL;
	return fate;
}

static bool
is_fatal(const struct relay_msg *m)
{
	struct wire_error e;

	if (wire_parse_error(m->bytes + WIRE_HEADER_LEN,
	    m->len - WIRE_HEADER_LEN, &e) != 0)
		return false;
	if (e.level[0] == '\0')
		e.level = e.severity;
	return strcmp(e.level, "FATAL") == 0 || strcmp(e.level, "PANIC") == 0;
}

static enum relay_fate
judge_error(struct server *s, struct relay_msg *m)
{
	struct reply rep;
	enum relay_fate fate;

	if (m->have < m->len && m->len <= LOOK_MAX) {
		m->need = m->len;
		return FATE_NEED;
	}
	if (m->have == m->len && is_fatal(m))
		s->fatal_relayed = server_listener(s) != NULL &&
		    server_listener(s)->state == CLIENT_ACTIVE;
	if (requests_empty(&s->requests))
		return server_listener(s) != NULL ? FATE_FORWARD : FATE_DROP;
	if (requests_reply(&s->requests, m->type, &rep) != 0)
		return FATE_BAD;
	s->copy_in = false;
	if (rep.lost)
		m->notify = s->lost = true;
	fate = FATE_FORWARD;
	if (rep.doomed)
		fate = replace_error(s, m, &rep.done);
	if (fate == FATE_BAD)
		return fate;
	if (rep.swallow || server_listener(s) == NULL)
		fate = FATE_DROP;
	if (rep.done.kind == REQUEST_SKIP && rep.done.internal) {
		fate = internal_error(s, m, rep.done.why);
		if (fate == FATE_CLOSED)
			return fate;
	}
	if (rep.failed && !server_undo_dropped(s, &rep.done))
		return FATE_BAD;
	return fate;
}

/* ---- ready ---- */

static void
end_query(struct client *c)
{
	struct pool_stats *st = &c->pool->stats[c->worker->id];
	uint64_t now = loop_now(&c->worker->loop);

	if (c->query_start == 0)
		return;
	stats_add(&st->query_time, now - c->query_start);
	c->query_start = 0;
	if (c->server->tx == WIRE_TX_IDLE) {
		stats_add(&st->xact_time, now - c->xact_start);
		c->xact_start = 0;
	} else {
		/* From here on it is idle in its transaction. */
		c->state_since = now;
		if (c->pool->times.idle_transaction != 0)
			client_arm(c);
	}
}

static enum relay_fate
judge_ready(struct server *s, struct relay_msg *m)
{
	struct client *c = server_listener(s);
	struct reply   rep;
	char	       tx;

	if (m->have < m->len && m->len <= LOOK_MAX) {
		m->need = m->len;
		return FATE_NEED;
	}
	if (m->have < m->len || wire_parse_ready(m->bytes + WIRE_HEADER_LEN,
	    m->len - WIRE_HEADER_LEN, &tx) != 0)
		return FATE_BAD;
	if (requests_reply(&s->requests, m->type, &rep) != 0)
		return FATE_BAD;
	server_forget_request(&rep.done);
	s->tx = tx;
	if (s->mode == POOL_MODE_STATEMENT && tx != WIRE_TX_IDLE &&
	    c != NULL) {
		/* In place of Ready, so that it is the statement's error. */
		if (relay_sync(&s->relay) != 0)
			return FATE_BAD;
		server_close(s, "transaction blocks not allowed in statement "
		    "pooling mode");
		return FATE_CLOSED;
	}
	s->copy_in = s->copy_both = false;
	if (requests_empty(&s->requests))
		server_settings_told(s, false);
	s->quiet_since = loop_now(&s->worker->loop);
	s->ended_why = rep.done.why;
	if (c != NULL && c->state == CLIENT_ACTIVE && !rep.swallow &&
	    requests_empty(&s->requests))
		end_query(c);
	m->notify = true;
	return rep.swallow || c == NULL ? FATE_DROP : FATE_FORWARD;
}

void
server_check_release(struct server *s)
{
	struct client *c = s->client;

	if (c == NULL || s->state != SERVER_ACTIVE)
		return;
	if (requests_strays(&s->requests) && requests_empty(&s->requests) &&
	    !requests_need_sync(&s->requests) &&
	    !relay_in_message(&c->relay) && !relay_in_message(&s->relay) &&
	    !server_resolve(s)) {
		server_close(s, "out of memory");
		return;
	}
	if (server_is_replaceable(s)) {
		server_close(s, SERVER_REPLACED);
		return;
	}
	if (server_pin(s) != PIN_NONE)
		return;
	if (c->query_start != 0) {
		/* All it asked for was answered by us. */
		end_query(c);
	}
	server_release(s);
}

static bool
after_ready(struct server *s)
{
	switch (s->state) {
	case SERVER_ACTIVE:
		cancel_go_on(s);
		if (!server_answer_fakes(s))
			return false;
		server_check_release(s);
		break;
	case SERVER_TESTED:
		server_tested(s, (enum request_why)s->ended_why);
		break;
	case SERVER_SETUP:
		server_logged_in(s);
		break;
	case SERVER_DRAINING:
		server_drained(s);
		break;
	case SERVER_RESOLVE:
	case SERVER_CONNECT:
	case SERVER_TLS_ASK:
	case SERVER_TLS:
	case SERVER_LOGIN:
	case SERVER_WORK:
	case SERVER_IDLE:
	case SERVER_CANCELLED:
	case SERVER_MOVING:
	case SERVER_CLOSED:
	case SERVER_STATES_:
		break;
	}
	return s->state != SERVER_CLOSED;
}

/* ---- other messages ---- */

static enum relay_fate
judge_parameter(struct server *s, struct relay_msg *m)
{
	struct params_names *names = s->worker->shared->names;
	struct client *c = server_listener(s);
	const char *name, *value;
	bool	ours;
	int	i;

	if (m->have < m->len && m->len <= LOOK_MAX) {
		m->need = m->len;
		return FATE_NEED;
	}
	if (m->have < m->len || wire_parse_parameter_status(m->bytes +
	    WIRE_HEADER_LEN, m->len - WIRE_HEADER_LEN, &name, &value) != 0) {
		server_close(s, "broken ParameterStatus packet");
		return FATE_CLOSED;
	}
	i = params_index(names, name);
	/* Whatever else of ours it is told with, the client has changed it. */
	ours = !requests_empty(&s->requests) &&
	    requests_at(&s->requests, 0)->kind == REQUEST_SKIP &&
	    requests_at(&s->requests, 0)->why == WHY_PARAMS;
	if (i >= 0 && !ours && params_is_read_by_parse(names, (size_t)i))
		server_settings_told(s, true);
	if (i >= 0 && params_set(names, &s->params, (size_t)i, value) != 0)
		return FATE_BAD;
	if (ours && c != NULL && c->state == CLIENT_ACTIVE && i >= 0) {
		/* Our SET went ahead of its query: how the server spells the
		 * value is how the client's is kept from now on. */
		return params_set(names, &c->params, (size_t)i, value) == 0 ?
		    FATE_DROP : FATE_BAD;
	}
	if (ours || c == NULL || c->state != CLIENT_ACTIVE)
		return FATE_DROP;
	if (i >= 0 && params_set(names, &c->params, (size_t)i, value) != 0)
		return FATE_BAD;
	return FATE_FORWARD;
}

/* "DISCARD ALL" and "DEALLOCATE ALL" take the statements away. */
static bool
look_at_tag(struct server *s, const struct relay_msg *m)
{
	const char *tag;

	if (wire_parse_string(m->bytes + WIRE_HEADER_LEN,
	    m->len - WIRE_HEADER_LEN, &tag) != 0)
		return true;
	if (strcmp(tag, "DEALLOCATE ALL") != 0 &&
	    strcmp(tag, "DISCARD ALL") != 0)
		return true;
	return server_forget_statements(s);
}

/* A reply that may end the request at the head of the queue. */
static enum relay_fate
judge_reply(struct server *s, struct relay_msg *m)
{
	struct client *c = server_listener(s);
	struct reply   rep;

	/* "DEALLOCATE ALL" is the longest tag that matters. */
	if (m->type == WIRE_BE_COMMAND_COMPLETE &&
	    m->len <= WIRE_HEADER_LEN + sizeof("DEALLOCATE ALL")) {
		if (m->have < m->len) {
			m->need = m->len;
			return FATE_NEED;
		}
		if (!look_at_tag(s, m))
			return FATE_BAD;
	}
	if (requests_reply(&s->requests, m->type, &rep) != 0)
		return FATE_BAD;
	if (m->type == WIRE_BE_COMMAND_COMPLETE)
		s->copy_in = false;
	if (rep.completes) {
		server_forget_request(&rep.done);
		/* Those behind it may be ours to answer. */
		m->notify = !requests_empty(&s->requests) &&
		    requests_at(&s->requests, 0)->kind == REQUEST_FAKE;
	}
	if (rep.swallow || c == NULL)
		return FATE_DROP;
	return FATE_FORWARD;
}

/* auth_query's replies go to the login that asked. */
static enum relay_fate
judge_for_login(struct server *s, struct relay_msg *m)
{
	struct reply rep;

	if (m->have < m->len) {
		if (m->len > 2 * LOOK_MAX)
			return FATE_BAD;
		m->need = m->len;
		return FATE_NEED;
	}
	client_login_reply(s->client, m->type, m->bytes + WIRE_HEADER_LEN,
	    m->len - WIRE_HEADER_LEN);
	if (requests_reply(&s->requests, m->type, &rep) != 0)
		return FATE_BAD;
	return FATE_DROP;
}

static enum relay_fate
judge_busy(struct server *s, struct relay_msg *m)
{
	struct client *c = server_listener(s);

	switch (m->type) {
	case WIRE_BE_READY:
		return judge_ready(s, m);
	case WIRE_BE_ERROR:
		return judge_error(s, m);
	case WIRE_BE_PARAMETER_STATUS:
		return judge_parameter(s, m);
	case WIRE_BE_NOTICE:
		return c == NULL || c->state != CLIENT_ACTIVE ||
		    (!requests_empty(&s->requests) &&
		    requests_at(&s->requests, 0)->kind == REQUEST_SKIP) ?
		    FATE_DROP : FATE_FORWARD;
	case WIRE_BE_NOTIFICATION:
		return c == NULL || c->state != CLIENT_ACTIVE ? FATE_DROP :
		    FATE_FORWARD;
	case WIRE_BE_COPY_IN:
		s->copy_in = requests_copy_in(&s->requests);
		/* Its client has gone, and would be waited for. */
		if (s->copy_in && s->state == SERVER_DRAINING &&
		    !server_clean_up(s, NULL))
			return FATE_BAD;
		break;
	case WIRE_BE_COPY_BOTH:
		s->copy_both = true;
		break;
	case WIRE_BE_PARSE_COMPLETE:
	case WIRE_BE_BIND_COMPLETE:
	case WIRE_BE_CLOSE_COMPLETE:
	case WIRE_BE_COMMAND_COMPLETE:
	case WIRE_BE_DATA_ROW:
	case WIRE_BE_COPY_OUT:
	case WIRE_BE_EMPTY_QUERY:
	case WIRE_BE_ROW_DESCRIPTION:
	case WIRE_BE_FUNCTION_RESULT:
	case WIRE_BE_COPY_DONE:
	case WIRE_BE_COPY_DATA:
	case WIRE_BE_NO_DATA:
	case WIRE_BE_PORTAL_SUSPENDED:
	case WIRE_BE_PARAMETER_DESCRIPTION:
		break;
	default:
		server_log(s, LV_ERROR, "unknown pkt: '%c'", m->type);
		server_close(s, "unknown pkt");
		return FATE_CLOSED;
	}
	if (c != NULL && c->state == CLIENT_AUTH_QUERY)
		return judge_for_login(s, m);
	return judge_reply(s, m);
}

/*
 * An idle server says why it goes (an administrator's command, a time-out).
 * Its process ends milliseconds later, and until then it would be given to
 * clients: not any more.
 */
static enum relay_fate
judge_idle_error(struct server *s, struct relay_msg *m)
{
	struct wire_error e = { 0 };

	if (m->have < m->len && m->len <= LOOK_MAX) {
		m->need = m->len;
		return FATE_NEED;
	}
	if (m->have == m->len && wire_parse_error(m->bytes + WIRE_HEADER_LEN,
	    m->len - WIRE_HEADER_LEN, &e) == 0)
		server_log(s, LV_WARNING,
		    "got packet 'E' from server when not linked: %s %s",
		    e.severity, e.message);
	server_close(s, "server connection closed");
	return FATE_CLOSED;
}

/* Nobody asked: only what a server may say at any time is taken. */
static enum relay_fate
judge_idle(struct server *s, struct relay_msg *m)
{
	switch (m->type) {
	case WIRE_BE_PARAMETER_STATUS:
		return judge_parameter(s, m);
	case WIRE_BE_NOTICE:
	case WIRE_BE_NOTIFICATION:
		return FATE_DROP;
	case WIRE_BE_ERROR:
		return judge_idle_error(s, m);
	default:
		server_close(s, s->state == SERVER_IDLE ?
		    "idle server got dirty" : "unknown pkt");
		return FATE_CLOSED;
	}
}

static enum relay_fate
judge(struct relay *r, struct relay_msg *m)
{
	struct server *s = server_of(r);

	if (s->state == SERVER_IDLE || s->state == SERVER_CANCELLED ||
	    s->state == SERVER_MOVING)
		return judge_idle(s, m);
	return judge_busy(s, m);
}

static int
emit(struct relay *r, struct lent *l, const char *bytes, size_t n)
{
	struct server *s = server_of(r);
	struct client *c = server_listener(s);

	if (c == NULL || c->state != CLIENT_ACTIVE)
		return 0;
	return l != NULL ? stream_send_lent(&c->stream, l, bytes, n) :
	    stream_send_copy(&c->stream, bytes, n);
}

static bool
done(struct relay *r, uint8_t type)
{
	struct server *s = server_of(r);

	if (type == WIRE_BE_READY)
		return after_ready(s);
	if (s->lost) {
		server_close(s, "unexpected message during COPY from stdin");
		return false;
	}
	return server_answer_fakes(s);
}

static const struct relay_ops server_relay_ops = {
	.judge = judge, .emit = emit, .done = done
};

void
server_relay_init(struct server *s)
{
	relay_init(&s->relay, &server_relay_ops, WIRE_MAX_BODY);
}

void
server_feed(struct server *s, struct lent *l, const char *bytes, size_t n)
{
	struct worker *w = s->worker;
	size_t	used;

	stats_add(&s->pool->stats[w->id].sent, n);
	switch (relay_feed(&s->relay, l, bytes, n, &used)) {
	case RELAY_CLOSED:
		return;
	case RELAY_BAD:
	case RELAY_LATER:
		server_close(s, "bad pkt header");
		return;
	case RELAY_OK:
		break;
	}
	if (s->client != NULL)
		client_settled(s->client);
}
