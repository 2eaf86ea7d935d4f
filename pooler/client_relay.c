/* SPDX-License-Identifier: MIT */
/*
 * A client's messages on their way to its server: each is entered into the
 * server's request queue, statements get the names that servers know them
 * by, everything else passes. See relay.h, requests.h, prepared.h.
 */
#include "common/base.h"
#include "pooler/client.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/err.h"
#include "common/log.h"
#include "common/wire.h"
#include "pooler/pooler.h"
#include "pooler/server.h"

/* The longest Parse that is held whole; PostgreSQL's own limit is 1 GiB. */
#define PARSE_MAX	((uint32_t)64 << 20)
/* The longest Bind prefix (two names), Describe or Close. */
#define NAMES_MAX	((uint32_t)256 << 10)
/* How much of a Query is looked at. */
#define LOOK_MAX	((size_t)32)

static struct client *
client_of(struct relay *r)
{
	return container_of(r, struct client, relay);
}

static struct pool_stats *
stats_of(const struct client *c)
{
	return &c->pool->stats[c->worker->id];
}

/* Are statements moved between servers for this client? */
static bool
moves_statements(const struct client *c)
{
	return c->pool->mode != POOL_MODE_SESSION;
}

static bool
tracks_names(const struct client *c)
{
	return moves_statements(c) &&
	    worker_options(c->worker)->max_prepared_statements > 0;
}

/* Sends something of ours behind what the client's relay has passed so far. */
static enum relay_fate
send_ours(struct client *c, struct buf *b, enum relay_fate fate)
{
	bool ok = relay_sync(&c->relay) == 0 && !buf_failed(b) &&
	    stream_send_copy(&c->server->stream, buf_bytes(b), buf_len(b)) == 0;

	buf_release(b);
	return ok ? fate : FATE_BAD;
}

static int
push(struct client *c, enum request_kind kind, uint8_t type,
    enum request_why why)
{
	struct request r = { .kind = (uint8_t)kind, .type = type,
	    .why = (uint8_t)why };

	return requests_push(&c->server->requests, &r);
}

/* A Parse or Close of a statement with a name; see requests.h for entry. */
static int
push_named(struct client *c, enum request_kind kind, uint8_t type,
    const struct digest *digest, struct ps_entry *entry)
{
	struct request r = { .kind = (uint8_t)kind, .type = type,
	    .why = kind == REQUEST_SKIP ? WHY_PREPARE : WHY_NONE,
	    .named = true, .entry = entry };

	if (digest != NULL)
		r.digest = *digest;
	return requests_push(&c->server->requests, &r);
}

static enum relay_fate
forward(struct client *c, uint8_t type)
{
	return push(c, REQUEST_FORWARD, type, WHY_NONE) == 0 ?
	    FATE_FORWARD : FATE_BAD;
}

/* ---- answers that are still out ---- */

bool
client_unsettled(const struct client *c)
{
	const struct server *s = c->server;

	/* Data that is copied in comes behind this message. */
	return s != NULL && !requests_empty(&s->requests) && !s->copy_in &&
	    !s->copy_both;
}

/*
 * Before a client is told that it is wrong about a statement, all that it
 * sent before must be answered: an error may have undone a Parse or Close.
 * An extended batch is answered only if the server is asked for it.
 */
static enum relay_fate
wait_for_answers(struct client *c)
{
	struct buf b = { 0 };

	c->settling = true;
	if (!requests_need_sync(&c->server->requests))
		return FATE_LATER;
	wire_put_empty(&b, WIRE_FE_FLUSH);
	return send_ours(c, &b, FATE_LATER);
}

/* Does this text, as far as it is at hand, take all statements away? */
static bool
may_deallocate(const char *text, size_t n)
{
	while (n > 0 && strchr(" \t\r\n", *text) != NULL && *text != '\0') {
		text++;
		n--;
	}
	return (n >= 10 && strncasecmp(text, "deallocate", 10) == 0) ||
	    (n >= 7 && strncasecmp(text, "discard", 7) == 0);
}

/* What the server knows is in doubt until such a statement is answered. */
static bool
in_doubt(struct client *c)
{
	struct server *s = c->server;

	if (requests_empty(&s->requests))
		s->forgets = s->evicts = false;
	return s->forgets && client_unsettled(c);
}

/*
 * Is the statement being closed on the server? An error may have the Close
 * skipped, and a Parse behind it would then come upon its own name.
 */
static bool
is_leaving(struct client *c, const struct digest *d)
{
	struct server *s = c->server;
	size_t	i;

	if (!s->evicts || !client_unsettled(c) || ps_set_use(&s->known, d))
		return false;
	for (i = 0; i < s->requests.count; i++) {
		struct request *r = requests_at(&s->requests, i);

		if (r->type == WIRE_FE_CLOSE && r->kind == REQUEST_SKIP &&
		    r->named && digest_equal(&r->digest, d))
			return true;
	}
	return false;
}

/* ---- statements ---- */

/* Appends the Close of statements for which the server has no room left. */
static int
evict(struct client *c, struct buf *b)
{
	struct ps_set *known = &c->server->known;
	size_t	max = (size_t)worker_options(c->worker)->max_prepared_statements;
	struct digest d;
	char	name[PS_NAME_LEN];

	while (ps_set_count(known) >= max && ps_set_evict(known, &d)) {
		ps_server_name(&d, name);
		wire_put_target(b, WIRE_FE_CLOSE, 'S', name);
		c->server->evicts = true;
		if (push_named(c, REQUEST_SKIP, WIRE_FE_CLOSE, &d, NULL) != 0)
			return ERR_NOMEM;
	}
	return 0;
}

/*
 * Makes the server know the statement: appends a Parse of ours if it does
 * not.
 */
static int
ensure(struct client *c, struct ps_statement *st, struct buf *b)
{
	struct server	*s = c->server;
	char		 name[PS_NAME_LEN];

	if (ps_set_use(&s->known, &st->digest))
		return 0;
	if (evict(c, b) != 0 || ps_set_add(&s->known, &st->digest) != 0 ||
	    push_named(c, REQUEST_SKIP, WIRE_FE_PARSE, &st->digest, NULL) != 0)
		return ERR_NOMEM;
	ps_server_name(&st->digest, name);
	wire_put_parse(b, name, st->text, st->text + st->query_len, st->ntypes);
	stats_add(&stats_of(c)->server_parse_count, 1);
	return 0;
}

/*
 * Makes the server's unnamed statement the client's: what another client
 * parsed there must never be bound by this one. A client without one gets
 * the server's own error, so the server's must be gone.
 */
static int
ensure_unnamed(struct client *c, struct buf *b)
{
	struct server	    *s = c->server;
	struct ps_statement *st = c->unnamed;

	if (st == NULL) {
		if (s->unnamed_state == UNNAMED_NONE)
			return 0;
		s->unnamed_state = UNNAMED_NONE;
		wire_put_target(b, WIRE_FE_CLOSE, 'S', "");
		return push(c, REQUEST_SKIP, WIRE_FE_CLOSE, WHY_PREPARE);
	}
	if (s->unnamed_state == UNNAMED_IS &&
	    digest_equal(&s->unnamed, &st->digest))
		return 0;
	s->unnamed_state = UNNAMED_IS;
	s->unnamed = st->digest;
	wire_put_parse(b, "", st->text, st->text + st->query_len, st->ntypes);
	return push(c, REQUEST_SKIP, WIRE_FE_PARSE, WHY_PREPARE);
}

/*
 * An error that PostgreSQL would have given and whose cause only we can see:
 * something that must fail is sent in its place, and the text replaced.
 */
static enum relay_fate
doom(struct client *c, const char *sqlstate, const char *text)
{
	struct request r = { .kind = REQUEST_DOOMED, .type = WIRE_FE_BIND,
	    .sqlstate = sqlstate };
	struct buf b = { 0 };

	r.text = strdup(text);
	if (r.text == NULL || requests_push(&c->server->requests, &r) != 0) {
		free(r.text);
		return FATE_BAD;
	}
	wire_put_bind(&b, "", "homelab_no_such_statement", NULL, 0);
	return send_ours(c, &b, FATE_DROP);
}

/*
 * Forwards a message that makes the client's unnamed statement another one
 * or none, and the server's likewise. Takes over the reference.
 */
static enum relay_fate
set_unnamed(struct client *c, uint8_t type, struct ps_statement *st)
{
	struct server  *s = c->server;
	struct request	r = { .kind = REQUEST_FORWARD, .type = type,
	    .sets_unnamed = true, .unnamed = c->unnamed };

	if (requests_push(&s->requests, &r) != 0) {
		ps_unref(st);
		return FATE_BAD;
	}
	c->unnamed = st;
	s->unnamed_state = st == NULL ? UNNAMED_NONE : UNNAMED_IS;
	if (st != NULL)
		s->unnamed = st->digest;
	return FATE_FORWARD;
}

static enum relay_fate
parse_unnamed(struct client *c, const struct wire_parse *p)
{
	struct ps_statement *st = ps_get(&c->worker->statements, p->text,
	    p->text_len, p->ntypes);

	return st == NULL ? FATE_BAD : set_unnamed(c, WIRE_FE_PARSE, st);
}

static enum relay_fate
parse_named(struct client *c, const struct wire_parse *p)
{
	struct server	    *s = c->server;
	struct ps_statement *st;
	struct ps_entry	    *e;
	struct buf	     b = { 0 };
	char		     name[PS_NAME_LEN];

	if (in_doubt(c))
		return wait_for_answers(c);
	if (ps_map_find(&c->statements, p->name) != NULL) {
		char text[256];

		if (client_unsettled(c))
			return wait_for_answers(c);
		stats_add(&stats_of(c)->client_parse_count, 1);
		client_log(c, LV_ERROR,
		    "prepared statement '%s' was already prepared", p->name);
		snprintf(text, sizeof(text),
		    "prepared statement \"%s\" already exists", p->name);
		return doom(c, "42P05", text);
	}
	st = ps_get(&c->worker->statements, p->text, p->text_len, p->ntypes);
	if (st == NULL)
		return FATE_BAD;
	if (is_leaving(c, &st->digest)) {
		ps_unref(st);
		return wait_for_answers(c);
	}
	stats_add(&stats_of(c)->client_parse_count, 1);
	e = ps_map_add(&c->statements, p->name, st);
	if (e == NULL) {
		ps_unref(st);
		return FATE_BAD;
	}
	(void)ps_entry_ref(e);
	if (ps_set_use(&s->known, &st->digest)) {
		if (push_named(c, REQUEST_FAKE, WIRE_FE_PARSE, &st->digest,
		    e) != 0) {
			ps_entry_unref(e);
			return FATE_BAD;
		}
		return server_answer_fakes(s) ? FATE_DROP : FATE_CLOSED;
	}
	if (evict(c, &b) != 0 || ps_set_add(&s->known, &st->digest) != 0 ||
	    push_named(c, REQUEST_FORWARD, WIRE_FE_PARSE, &st->digest, e) !=
	    0) {
		ps_entry_unref(e);
		buf_release(&b);
		return FATE_BAD;
	}
	ps_server_name(&st->digest, name);
	wire_put_parse(&b, name, p->query, p->types, p->ntypes);
	stats_add(&stats_of(c)->server_parse_count, 1);
	return send_ours(c, &b, FATE_DROP);
}

static enum relay_fate
judge_parse(struct client *c, struct relay_msg *m)
{
	struct wire_parse p;

	if (!moves_statements(c))
		return forward(c, WIRE_FE_PARSE);
	if (m->len > PARSE_MAX) {
		client_fail_code(c, "54000", "statement is too long to be "
		    "prepared through the pooler (more than 64 MB)");
		return FATE_CLOSED;
	}
	if (m->have < m->len) {
		m->need = m->len;
		return FATE_NEED;
	}
	if (wire_parse_parse(m->bytes + WIRE_HEADER_LEN,
	    m->len - WIRE_HEADER_LEN, &p) != 0) {
		client_fail(c, "broken Parse packet");
		return FATE_CLOSED;
	}
	if (p.name[0] == '\0')
		return parse_unnamed(c, &p);
	return tracks_names(c) ? parse_named(c, &p) :
	    forward(c, WIRE_FE_PARSE);
}

/*
 * The statement of a Bind or Describe. FATE_FORWARD with *st NULL: let the
 * server look for it.
 */
static enum relay_fate
find_statement(struct client *c, const char *name, struct ps_statement **st)
{
	struct ps_entry *e;

	*st = NULL;
	if (!tracks_names(c))
		return FATE_FORWARD;
	e = ps_map_find(&c->statements, name);
	if (in_doubt(c) || (e == NULL ? client_unsettled(c) :
	    is_leaving(c, &e->statement->digest)))
		return wait_for_answers(c);
	if (e != NULL) {
		*st = e->statement;
		return FATE_FORWARD;
	}
	client_log(c, LV_ERROR, "prepared statement '%s' not found", name);
	if (worker_options(c->worker)->log_pooler_errors)
		client_log(c, LV_WARNING, "pooler error: prepared statement "
		    "did not exist");
	return FATE_FORWARD;
}

static enum relay_fate
judge_bind(struct client *c, struct relay_msg *m)
{
	struct ps_statement *st;
	struct wire_bind     bind;
	struct buf	     b = { 0 };
	char		     name[PS_NAME_LEN];
	enum relay_fate	     fate;
	size_t		     at;
	int		     r;

	if (!moves_statements(c))
		return forward(c, WIRE_FE_BIND);
	r = wire_parse_bind(m->bytes + WIRE_HEADER_LEN,
	    m->have - WIRE_HEADER_LEN, m->len - WIRE_HEADER_LEN, &bind);
	if (r == WIRE_MORE && m->have < NAMES_MAX && m->have < m->len) {
		m->need = MIN((size_t)m->len, m->have + 4096);
		return FATE_NEED;
	}
	if (r != 0) {
		client_fail(c, "broken Bind packet");
		return FATE_CLOSED;
	}
	if (bind.statement[0] == '\0') {
		stats_add(&stats_of(c)->bind_count, 1);
		if (c->unnamed != NULL && may_deallocate(c->unnamed->text,
		    c->unnamed->query_len))
			c->server->forgets = true;
		if (ensure_unnamed(c, &b) != 0)
			return FATE_BAD;
		if (buf_len(&b) > 0 &&
		    send_ours(c, &b, FATE_FORWARD) != FATE_FORWARD)
			return FATE_BAD;
		return forward(c, WIRE_FE_BIND);
	}
	fate = find_statement(c, bind.statement, &st);
	if (fate != FATE_FORWARD)
		return fate;
	if (st == NULL)
		return forward(c, WIRE_FE_BIND);
	stats_add(&stats_of(c)->bind_count, 1);
	if (may_deallocate(st->text, st->query_len))
		c->server->forgets = true;
	if (ensure(c, st, &b) != 0 ||
	    push(c, REQUEST_FORWARD, WIRE_FE_BIND, WHY_NONE) != 0) {
		buf_release(&b);
		return FATE_BAD;
	}
	ps_server_name(&st->digest, name);
	at = buf_len(&b);
	buf_append_u8(&b, WIRE_FE_BIND);
	buf_append_be32(&b, 0);
	buf_append_cstr(&b, bind.portal);
	buf_append_cstr(&b, name);
	m->skip = WIRE_HEADER_LEN + bind.rest;
	buf_put_be32_at(&b, at + 1, (uint32_t)(buf_len(&b) - at - 1 +
	    (m->len - m->skip)));
	return send_ours(c, &b, FATE_REWRITTEN);
}

static enum relay_fate
describe_statement(struct client *c, const char *name)
{
	struct ps_statement *st;
	struct buf b = { 0 };
	enum relay_fate fate;
	char	   server_name[PS_NAME_LEN];

	if (name[0] == '\0') {
		if (ensure_unnamed(c, &b) != 0)
			return FATE_BAD;
		if (buf_len(&b) > 0 &&
		    send_ours(c, &b, FATE_FORWARD) != FATE_FORWARD)
			return FATE_BAD;
		return forward(c, WIRE_FE_DESCRIBE);
	}
	fate = find_statement(c, name, &st);
	if (fate != FATE_FORWARD)
		return fate;
	if (st == NULL)
		return forward(c, WIRE_FE_DESCRIBE);
	if (ensure(c, st, &b) != 0 ||
	    push(c, REQUEST_FORWARD, WIRE_FE_DESCRIBE, WHY_NONE) != 0) {
		buf_release(&b);
		return FATE_BAD;
	}
	ps_server_name(&st->digest, server_name);
	wire_put_target(&b, WIRE_FE_DESCRIBE, 'S', server_name);
	return send_ours(c, &b, FATE_DROP);
}

static enum relay_fate
close_statement(struct client *c, const char *name)
{
	struct ps_entry *e;

	if (name[0] == '\0')
		return set_unnamed(c, WIRE_FE_CLOSE, NULL);
	if (!tracks_names(c))
		return forward(c, WIRE_FE_CLOSE);
	e = ps_map_find(&c->statements, name);
	if (e != NULL) {
		(void)ps_entry_ref(e);
		ps_map_take(&c->statements, e);
	}
	if (push_named(c, REQUEST_FAKE, WIRE_FE_CLOSE, NULL, e) != 0) {
		ps_entry_unref(e);
		return FATE_BAD;
	}
	return server_answer_fakes(c->server) ? FATE_DROP : FATE_CLOSED;
}

static enum relay_fate
judge_target(struct client *c, struct relay_msg *m)
{
	const char *name;
	char	    kind;
	bool	    describe = m->type == WIRE_FE_DESCRIBE;

	if (!moves_statements(c))
		return forward(c, m->type);
	if (m->have < m->len && m->len <= NAMES_MAX) {
		m->need = m->len;
		return FATE_NEED;
	}
	if (m->have < m->len || wire_parse_target(m->bytes + WIRE_HEADER_LEN,
	    m->len - WIRE_HEADER_LEN, &kind, &name) != 0) {
		client_fail(c, describe ? "broken Describe packet" :
		    "broken Close packet");
		return FATE_CLOSED;
	}
	if (kind != 'S')
		return forward(c, m->type);
	return describe ? describe_statement(c, name) :
	    close_statement(c, name);
}

/* ---- everything else ---- */

/* A message without an answer: data of a COPY, or Flush. */
static enum relay_fate
judge_copy(struct client *c, uint8_t type)
{
	/* Late, behind an error that ended a COPY: nobody wants it. */
	if (c->server == NULL || requests_ignoring(&c->server->requests))
		return FATE_DROP;
	if (type == WIRE_FE_COPY_DONE || type == WIRE_FE_COPY_FAIL) {
		c->server->copy_in = false;
		requests_copy_end(&c->server->requests);
	}
	return FATE_FORWARD;
}

/*
 * Counts and times what begins with this message; the time waited for a
 * server is part of it.
 */
static void
count_request(struct client *c)
{
	struct pool_stats *s = stats_of(c);
	uint64_t now = loop_now(&c->worker->loop);

	if (c->xact_start == 0) {
		c->xact_start = now;
		stats_add(&s->xact_count, 1);
	}
	if (c->query_start == 0) {
		c->query_start = now;
		c->request_time = pooler_wall_clock();
		stats_add(&s->query_count, 1);
		if (c->pool->times.query != 0 ||
		    c->pool->times.transaction != 0)
			client_arm(c);
	}
}

static enum relay_fate
judge_query(struct client *c, struct relay_msg *m)
{
	size_t look = MIN((size_t)m->len, WIRE_HEADER_LEN + LOOK_MAX);

	if (worker_options(c->worker)->disable_pqexec) {
		client_log(c, LV_ERROR, "client used \"Query\" packet type");
		client_fail(c, "PQexec disallowed");
		return FATE_CLOSED;
	}
	if (tracks_names(c)) {
		if (m->have < look) {
			m->need = look;
			return FATE_NEED;
		}
		if (may_deallocate(m->bytes + WIRE_HEADER_LEN,
		    look - WIRE_HEADER_LEN))
			c->server->forgets = true;
	}
	/* PostgreSQL drops its unnamed statement, too. */
	if (moves_statements(c) && (c->unnamed != NULL ||
	    c->server->unnamed_state != UNNAMED_NONE))
		return set_unnamed(c, WIRE_FE_QUERY, NULL);
	return forward(c, WIRE_FE_QUERY);
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
		return judge_parse(c, m);
	case WIRE_FE_BIND:
		return judge_bind(c, m);
	case WIRE_FE_DESCRIBE:
	case WIRE_FE_CLOSE:
		return judge_target(c, m);
	default:
		return forward(c, m->type);
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

static enum relay_fate
judge(struct relay *r, struct relay_msg *m)
{
	struct client *c = client_of(r);

	if (c->state == CLIENT_REFUSED)
		return judge_refused(c, m);
	switch (m->type) {
	case WIRE_FE_TERMINATE:
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
	/* PostgreSQL ignores everything up to the Sync; so do we. */
	if (requests_ignoring(&c->server->requests) && m->type != WIRE_FE_SYNC)
		return FATE_DROP;
	/* And a Sync before the end of the data it copies in. */
	if (c->server->copy_in && m->type == WIRE_FE_SYNC)
		return FATE_FORWARD;
	return judge_request(c, m);
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
