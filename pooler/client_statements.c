/* SPDX-License-Identifier: MIT */
/*
 * A client's prepared statements on their way to its server: they get the
 * names that servers know them by, and servers that lack one are told it
 * first. See prepared.h, requests.h.
 */
#include "common/base.h"
#include "pooler/client_relay.h"

#include <string.h>
#include <strings.h>

#include "common/err.h"
#include "common/log.h"
#include "common/wire.h"
#include "pooler/server.h"
#include "pooler/worker.h"

/* The longest Parse that is held whole; PostgreSQL's own limit is 1 GiB. */
#define PARSE_MAX	((uint32_t)64 << 20)
/* The longest Bind prefix (two names), Describe or Close. */
#define NAMES_MAX	((uint32_t)256 << 10)
/* How much of a Query is looked at. */
#define LOOK_MAX	((size_t)32)

/*
 * Statements are moved between servers, unless the client has its server to
 * itself and none that it brings from before a reload changed that.
 */
static bool
moves_unnamed(const struct client *c)
{
	return c->server->mode != POOL_MODE_SESSION || c->unnamed != NULL;
}

static bool
tracks_names(const struct client *c)
{
	return ps_map_count(&c->statements) > 0 ||
	    (c->server->mode != POOL_MODE_SESSION &&
	    worker_options(c->worker)->max_prepared_statements > 0);
}

static bool
moves_statements(const struct client *c)
{
	return moves_unnamed(c) || tracks_names(c);
}

/* A Parse or Close of a statement with a name; see requests.h for entry. */
static int
push_named(struct client *c, enum request_kind kind, uint8_t type,
    const struct digest *digest, enum ps_trust trust, struct ps_entry *entry)
{
	struct request r = { .kind = (uint8_t)kind, .type = type,
	    .why = kind == REQUEST_SKIP ? WHY_PREPARE : WHY_NONE,
	    .named = true, .trust = (uint8_t)trust, .entry = entry };

	if (digest != NULL)
		r.digest = *digest;
	c->server->renames = true;
	return requests_push(&c->server->requests, &r);
}

/* ---- what is in doubt ---- */

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
		s->forgets = s->renames = false;
	return s->forgets && client_unsettled(c);
}

static bool
is_of_name(const struct request *r, const void *name)
{
	return r->entry != NULL && strcmp(r->entry->name, name) == 0;
}

/* A Parse that was sent, or a Close that makes room. */
static bool
is_of_digest(const struct request *r, const void *digest)
{
	return r->named && r->kind != REQUEST_FAKE &&
	    digest_equal(&r->digest, digest);
}

/*
 * Does an earlier batch, not yet answered, change what this name means, or
 * whether the server has this statement? An error may undo that, and
 * PostgreSQL would carry out the next batch all the same.
 */
static bool
name_may_be_undone(struct client *c, const char *name)
{
	struct server *s = c->server;

	return s->renames && client_unsettled(c) &&
	    requests_find(&s->requests, is_of_name, name) ==
	    REQUESTS_EARLIER_BATCH;
}

static bool
statement_may_be_undone(struct client *c, const struct digest *d)
{
	struct server *s = c->server;

	return s->renames && client_unsettled(c) &&
	    requests_find(&s->requests, is_of_digest, d) ==
	    REQUESTS_EARLIER_BATCH;
}

static bool
is_of_unnamed(const struct request *r, const void *arg UNUSED)
{
	return r->moves_unnamed;
}

/* The same of the unnamed statement: the server's may even be a stranger's. */
static bool
unnamed_may_be_undone(struct client *c)
{
	return client_unsettled(c) && requests_find(&c->server->requests,
	    is_of_unnamed, NULL) == REQUESTS_EARLIER_BATCH;
}

/* ---- what a statement is parsed with ---- */

static struct ps_statement *
get_statement(struct client *c, const char *text, size_t len, uint16_t ntypes)
{
	uint64_t settings = params_of_parse(c->worker->shared->names,
	    &c->params, &c->server->params);

	return ps_get(&c->worker->statements, settings, text, len, ntypes);
}

/*
 * A server that has not got the statement as it was parsed will parse it with
 * the settings of today: it is then another one. False without memory.
 */
static bool
renew(struct client *c, struct ps_statement **st)
{
	struct ps_statement *today;

	today = get_statement(c, (*st)->text, (*st)->len, (*st)->ntypes);
	if (today == NULL)
		return false;
	ps_unref(*st);
	*st = today;
	return true;
}

/* Of one that is sent now. */
static enum ps_trust
trust_of_parse(const struct server *s)
{
	return s->executes ? PS_BEHIND : PS_SURE;
}

static bool
renew_named(struct client *c, struct ps_entry *e)
{
	return ps_set_use(&c->server->known, &e->statement->digest) ||
	    renew(c, &e->statement);
}

static bool
has_unnamed(const struct server *s, const struct ps_statement *st)
{
	return s->unnamed_state == UNNAMED_IS &&
	    digest_equal(&s->unnamed, &st->digest);
}

/* ---- what the server is told ---- */

/* Appends the Close of a statement that was taken out of those known. */
static int
close_known(struct client *c, const struct digest *d, enum ps_trust was,
    struct buf *b)
{
	char	name[PS_NAME_LEN];

	ps_server_name(d, name);
	wire_put_target(b, WIRE_FE_CLOSE, 'S', name);
	return push_named(c, REQUEST_SKIP, WIRE_FE_CLOSE, d, was, NULL);
}

/* ... of those for which the server has no room left. */
static int
evict(struct client *c, struct buf *b)
{
	struct ps_set *known = &c->server->known;
	size_t	max = (size_t)worker_options(c->worker)->max_prepared_statements;
	enum ps_trust was;
	struct digest d;

	while (ps_set_count(known) >= max && ps_set_evict(known, &d, &was)) {
		/* An earlier batch may fail to bring it: an error that dropped
		 * the Close would then bring back what never was. It stays
		 * until that is known. */
		if (statement_may_be_undone(c, &d))
			return ps_set_add(known, &d, was);
		if (close_known(c, &d, was, b) != 0)
			return ERR_NOMEM;
	}
	return 0;
}

/*
 * Makes the statement one that is parsed by the next message: appends the
 * Closes of what it replaces, and enters that message.
 */
static int
replace_known(struct client *c, enum request_kind kind,
    const struct digest *d, struct ps_entry *e, struct buf *b)
{
	struct server	*s = c->server;
	enum ps_trust	 was, trust = trust_of_parse(s);

	if (ps_set_take(&s->known, d, &was) && close_known(c, d, was, b) != 0)
		return ERR_NOMEM;
	if (evict(c, b) != 0 || ps_set_add(&s->known, d, trust) != 0)
		return ERR_NOMEM;
	return push_named(c, kind, WIRE_FE_PARSE, d, trust, e);
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
	if (replace_known(c, REQUEST_SKIP, &st->digest, NULL, b) != 0)
		return ERR_NOMEM;
	ps_server_name(&st->digest, name);
	wire_put_parse(b, name, st->text, st->text + st->query_len, st->ntypes);
	stats_add(&client_stats(c)->server_parse_count, 1);
	return 0;
}

/* Pushes a request that makes the server's unnamed statement this one or
 * none. */
static int
push_unnamed(struct client *c, struct request *r,
    const struct ps_statement *st)
{
	struct server  *s = c->server;

	r->moves_unnamed = true;
	r->was_unnamed = (uint8_t)s->unnamed_state;
	r->digest = s->unnamed;
	r->trust = (uint8_t)s->unnamed_trust;
	if (requests_push(&s->requests, r) != 0)
		return ERR_NOMEM;
	s->unnamed_state = st == NULL ? UNNAMED_NONE : UNNAMED_IS;
	if (st != NULL)
		s->unnamed = st->digest;
	s->unnamed_trust = trust_of_parse(s);
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
	struct ps_statement *st;
	struct request	     r = { .kind = REQUEST_SKIP, .why = WHY_PREPARE };

	if (c->unnamed == NULL) {
		if (s->unnamed_state == UNNAMED_NONE)
			return 0;
		r.type = WIRE_FE_CLOSE;
		wire_put_target(b, WIRE_FE_CLOSE, 'S', "");
		return push_unnamed(c, &r, NULL);
	}
	if (has_unnamed(s, c->unnamed))
		return 0;
	if (!renew(c, &c->unnamed))
		return ERR_NOMEM;
	st = c->unnamed;
	if (has_unnamed(s, st))
		return 0;
	r.type = WIRE_FE_PARSE;
	wire_put_parse(b, "", st->text, st->text + st->query_len, st->ntypes);
	return push_unnamed(c, &r, st);
}

/*
 * Forwards a message that makes the client's unnamed statement another one
 * or none, and the server's likewise. Takes over the reference.
 */
static enum relay_fate
set_unnamed(struct client *c, uint8_t type, struct ps_statement *st)
{
	struct request	r = { .kind = REQUEST_FORWARD, .type = type,
	    .sets_unnamed = true, .unnamed = c->unnamed };

	if (push_unnamed(c, &r, st) != 0) {
		ps_unref(st);
		return FATE_BAD;
	}
	c->unnamed = st;
	return FATE_FORWARD;
}

static enum relay_fate
parse_unnamed(struct client *c, const struct wire_parse *p)
{
	struct ps_statement *st = get_statement(c, p->text, p->text_len,
	    p->ntypes);

	return st == NULL ? FATE_BAD : set_unnamed(c, WIRE_FE_PARSE, st);
}

/*
 * The client has such a statement, and only we can see that. It is parsed
 * under the name of the one it has: PostgreSQL finds everything wrong that
 * it would have found, and if nothing else, then that.
 */
static enum relay_fate
parse_again(struct client *c, struct ps_statement *has,
    const struct wire_parse *p)
{
	struct request r = { .kind = REQUEST_DOOMED, .type = WIRE_FE_PARSE,
	    .sqlstate = "42P05" };
	struct buf b = { 0 }, text = { 0 };
	char	   name[PS_NAME_LEN];

	stats_add(&client_stats(c)->client_parse_count, 1);
	client_log(c, LV_ERROR, "prepared statement '%s' was already prepared",
	    p->name);
	buf_printf(&text, "prepared statement \"%s\" already exists", p->name);
	if (!buf_failed(&text))
		r.text = strdup(buf_cstr(&text));
	buf_release(&text);
	if (r.text == NULL || ensure(c, has, &b) != 0 ||
	    requests_push(&c->server->requests, &r) != 0) {
		free(r.text);
		buf_release(&b);
		return FATE_BAD;
	}
	ps_server_name(&has->digest, name);
	wire_put_parse(&b, name, p->query, p->types, p->ntypes);
	return client_send_ours(c, &b, FATE_DROP);
}

static bool
ends_batch(const struct request *r, const void *arg UNUSED)
{
	return r->type == WIRE_FE_SYNC || r->type == WIRE_FE_QUERY ||
	    r->type == WIRE_FE_FUNCTION_CALL;
}

/*
 * Can the transaction have failed before this message is looked at? (An error
 * in its own batch does not matter: that drops it.) Or can something have set
 * what a Parse reads? PostgreSQL tells when the batch has ended.
 */
static bool
must_parse(struct client *c)
{
	struct server *s = c->server;

	return s->tx == WIRE_TX_FAILED || s->executes ||
	    (client_unsettled(c) && requests_find(&s->requests, ends_batch,
	    NULL) != REQUESTS_NOWHERE);
}

/*
 * A name that the client has not got. Where the server has the statement, we
 * can say so, but PostgreSQL parses nothing in a failed transaction: then it
 * is the server that must be asked. Takes over the reference to the entry.
 */
static enum relay_fate
parse_new(struct client *c, struct ps_entry *e, const struct wire_parse *p)
{
	struct server	    *s = c->server;
	const struct digest *d = &e->statement->digest;
	struct buf	     b = { 0 };
	char		     name[PS_NAME_LEN];

	if (!must_parse(c) && ps_set_use(&s->known, d)) {
		if (push_named(c, REQUEST_FAKE, WIRE_FE_PARSE, d, PS_SURE,
		    e) != 0) {
			ps_entry_unref(e);
			return FATE_BAD;
		}
		return server_answer_fakes(s) ? FATE_DROP : FATE_CLOSED;
	}
	if (replace_known(c, REQUEST_FORWARD, d, e, &b) != 0) {
		ps_entry_unref(e);
		buf_release(&b);
		return FATE_BAD;
	}
	ps_server_name(d, name);
	wire_put_parse(&b, name, p->query, p->types, p->ntypes);
	stats_add(&client_stats(c)->server_parse_count, 1);
	return client_send_ours(c, &b, FATE_DROP);
}

static enum relay_fate
parse_named(struct client *c, const struct wire_parse *p)
{
	struct ps_statement *st;
	struct ps_entry	    *e;

	if (in_doubt(c) || name_may_be_undone(c, p->name))
		return client_wait_for_answers(c);
	e = ps_map_find(&c->statements, p->name);
	if (e != NULL) {
		if (client_unsettled(c))
			return client_wait_for_answers(c);
		return renew_named(c, e) ? parse_again(c, e->statement, p) :
		    FATE_BAD;
	}
	st = get_statement(c, p->text, p->text_len, p->ntypes);
	if (st == NULL)
		return FATE_BAD;
	if (statement_may_be_undone(c, &st->digest)) {
		ps_unref(st);
		return client_wait_for_answers(c);
	}
	stats_add(&client_stats(c)->client_parse_count, 1);
	e = ps_map_add(&c->statements, p->name, st);
	if (e == NULL) {
		ps_unref(st);
		return FATE_BAD;
	}
	return parse_new(c, ps_entry_ref(e), p);
}

enum relay_fate
statements_parse(struct client *c, struct relay_msg *m)
{
	struct wire_parse p;

	if (!moves_statements(c))
		return client_forward(c, WIRE_FE_PARSE);
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
		return moves_unnamed(c) ? parse_unnamed(c, &p) :
		    client_forward(c, WIRE_FE_PARSE);
	return tracks_names(c) ? parse_named(c, &p) :
	    client_forward(c, WIRE_FE_PARSE);
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
	if (e != NULL && !renew_named(c, e))
		return FATE_BAD;
	if (in_doubt(c) || (e == NULL ? client_unsettled(c) :
	    name_may_be_undone(c, name) ||
	    statement_may_be_undone(c, &e->statement->digest)))
		return client_wait_for_answers(c);
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

enum relay_fate
statements_bind(struct client *c, struct relay_msg *m)
{
	struct ps_statement *st;
	struct wire_bind     bind;
	struct buf	     b = { 0 };
	char		     name[PS_NAME_LEN];
	enum relay_fate	     fate;
	size_t		     at;
	int		     r;

	if (!moves_statements(c))
		return client_forward(c, WIRE_FE_BIND);
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
		if (!moves_unnamed(c))
			return client_forward(c, WIRE_FE_BIND);
		if (unnamed_may_be_undone(c))
			return client_wait_for_answers(c);
		stats_add(&client_stats(c)->bind_count, 1);
		if (c->unnamed != NULL && may_deallocate(c->unnamed->text,
		    c->unnamed->query_len))
			c->server->forgets = true;
		if (ensure_unnamed(c, &b) != 0)
			return FATE_BAD;
		if (buf_len(&b) > 0 &&
		    client_send_ours(c, &b, FATE_FORWARD) != FATE_FORWARD)
			return FATE_BAD;
		return client_forward(c, WIRE_FE_BIND);
	}
	fate = find_statement(c, bind.statement, &st);
	if (fate != FATE_FORWARD)
		return fate;
	if (st == NULL)
		return client_forward(c, WIRE_FE_BIND);
	stats_add(&client_stats(c)->bind_count, 1);
	if (may_deallocate(st->text, st->query_len))
		c->server->forgets = true;
	if (ensure(c, st, &b) != 0 ||
	    client_forward(c, WIRE_FE_BIND) != FATE_FORWARD) {
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
	return client_send_ours(c, &b, FATE_REWRITTEN);
}

static enum relay_fate
describe_statement(struct client *c, const char *name)
{
	struct ps_statement *st;
	struct buf b = { 0 };
	enum relay_fate fate;
	char	   server_name[PS_NAME_LEN];

	if (name[0] == '\0') {
		if (!moves_unnamed(c))
			return client_forward(c, WIRE_FE_DESCRIBE);
		if (unnamed_may_be_undone(c))
			return client_wait_for_answers(c);
		if (ensure_unnamed(c, &b) != 0)
			return FATE_BAD;
		if (buf_len(&b) > 0 &&
		    client_send_ours(c, &b, FATE_FORWARD) != FATE_FORWARD)
			return FATE_BAD;
		return client_forward(c, WIRE_FE_DESCRIBE);
	}
	fate = find_statement(c, name, &st);
	if (fate != FATE_FORWARD)
		return fate;
	if (st == NULL)
		return client_forward(c, WIRE_FE_DESCRIBE);
	if (ensure(c, st, &b) != 0 ||
	    client_forward(c, WIRE_FE_DESCRIBE) != FATE_FORWARD) {
		buf_release(&b);
		return FATE_BAD;
	}
	ps_server_name(&st->digest, server_name);
	wire_put_target(&b, WIRE_FE_DESCRIBE, 'S', server_name);
	return client_send_ours(c, &b, FATE_DROP);
}

static enum relay_fate
close_statement(struct client *c, const char *name)
{
	struct ps_entry *e;

	if (name[0] == '\0' && moves_unnamed(c))
		return set_unnamed(c, WIRE_FE_CLOSE, NULL);
	if (name[0] == '\0' || !tracks_names(c))
		return client_forward(c, WIRE_FE_CLOSE);
	if (name_may_be_undone(c, name))
		return client_wait_for_answers(c);
	e = ps_map_find(&c->statements, name);
	if (e != NULL) {
		(void)ps_entry_ref(e);
		ps_map_take(&c->statements, e);
	}
	if (push_named(c, REQUEST_FAKE, WIRE_FE_CLOSE, NULL, PS_SURE, e) !=
	    0) {
		ps_entry_unref(e);
		return FATE_BAD;
	}
	return server_answer_fakes(c->server) ? FATE_DROP : FATE_CLOSED;
}

enum relay_fate
statements_target(struct client *c, struct relay_msg *m)
{
	const char *name;
	char	    kind;
	bool	    describe = m->type == WIRE_FE_DESCRIBE;

	if (!moves_statements(c))
		return client_forward(c, m->type);
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
		return client_forward(c, m->type);
	return describe ? describe_statement(c, name) :
	    close_statement(c, name);
}

enum relay_fate
statements_query(struct client *c, struct relay_msg *m)
{
	size_t look = MIN((size_t)m->len, WIRE_HEADER_LEN + LOOK_MAX);

	if (tracks_names(c)) {
		if (m->have < look) {
			m->need = look;
			return FATE_NEED;
		}
		if (may_deallocate(m->bytes + WIRE_HEADER_LEN,
		    look - WIRE_HEADER_LEN))
			c->server->forgets = true;
	}
	/* PostgreSQL drops its unnamed statement, too; perhaps one that an
	 * error in an earlier batch is about to bring back. */
	if (moves_unnamed(c) && (c->unnamed != NULL ||
	    c->server->unnamed_state != UNNAMED_NONE ||
	    unnamed_may_be_undone(c)))
		return set_unnamed(c, WIRE_FE_QUERY, NULL);
	return client_forward(c, WIRE_FE_QUERY);
}
