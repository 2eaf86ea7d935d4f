/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/admin_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pooler/client.h"
#include "pooler/control.h"
#include "pooler/params.h"
#include "pooler/server.h"
#include "pooler/table.h"

/*
 * SHOW CLIENTS, SERVERS, SOCKETS: the workers write down what they have, in
 * few bytes and without formatting anything, then the control thread sorts
 * and prints. Databases and users may be followed here, because only this
 * thread frees them.
 */

struct row {
	uint64_t	 id;
	uint64_t	 connect_time, request_time;
	uint64_t	 wait;		/* microseconds */
	uintptr_t	 ptr, link;
	const struct database *db;
	const struct user *user;
	const char	*state;
	struct addr	 addr, local;
	size_t		 tls, application;	/* offsets of text, + 1 */
	size_t		 send_pending, received;
	uint32_t	 remote_pid;
	uint32_t	 statements;
	bool		 is_server;
	bool		 close_needed;
};

enum wanted { CLIENTS = 1, SERVERS = 2, LOGINS = 4, ACTIVE_ONLY = 8 };

struct snapshot {
	unsigned	 wanted;
	struct buf	 rows;		/* struct row, one behind the other */
	struct buf	 text;
	int		 application;	/* index of the parameter */
};

/* ---- in the workers ---- */

/* The place of a copy of s in snapshot.text, plus one; 0 for "". */
static size_t
keep_text(struct snapshot *s, const char *text)
{
	size_t	at = buf_len(&s->text);

	if (text == NULL || text[0] == '\0')
		return 0;
	buf_append_cstr(&s->text, text);
	return at + 1;
}

static const char *
application_name(const struct snapshot *s, const struct params *p)
{
	return s->application < 0 ? NULL : p->value[s->application];
}

static size_t
tls_text(struct snapshot *s, const struct stream *stream)
{
	char	info[96];

	stream_tls_info(stream, info, sizeof(info));
	return keep_text(s, info);
}

/* A client's own end is asked for here and not kept: few want to know it. */
static void
find_local_address(const struct client *c, struct addr *local)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(c->stream.fd, (struct sockaddr *)&ss, &len) == 0)
		addr_from_sockaddr(local, (struct sockaddr *)&ss,
		    c->worker->shared->port);
}

static bool
is_login(const struct client *c)
{
	return c->pool == NULL || !c->logged_in;
}

static void
take_client(struct snapshot *s, const struct client *c)
{
	uint64_t   now = loop_now(&c->worker->loop);
	struct row r = {
		.id = c->id,
		.connect_time = c->connect_time,
		.request_time = c->request_time != 0 ? c->request_time :
		    c->connect_time,
		.ptr = (uintptr_t)c,
		.link = (uintptr_t)c->server,
		.db = c->db,
		.user = c->user,
		.state = client_state_show(c->state),
		.addr = c->addr,
		.send_pending = poller_pending(&c->stream.conn),
		.received = c->kept_n,
		.remote_pid = (uint32_t)c->addr.pid,
		.statements = (uint32_t)ps_map_count(&c->statements),
	};

	if (is_login(c) && c->state != CLIENT_WELCOME &&
	    c->state != CLIENT_AUTH_QUERY && (s->wanted & LOGINS) == 0)
		return;
	if ((s->wanted & ACTIVE_ONLY) != 0 && r.send_pending == 0 &&
	    r.received == 0)
		return;
	if (c->waiter.since != 0 && now > c->waiter.since)
		r.wait = now - c->waiter.since;
	find_local_address(c, &r.local);
	r.tls = tls_text(s, &c->stream);
	r.application = keep_text(s, application_name(s, &c->params));
	buf_append(&s->rows, &r, sizeof(r));
}

static void
take_server(struct snapshot *s, const struct server *v)
{
	struct row r = {
		.id = v->id,
		.connect_time = v->connect_time,
		.request_time = v->request_time != 0 ? v->request_time :
		    v->connect_time,
		.ptr = (uintptr_t)v,
		.link = (uintptr_t)v->client,
		.db = v->pool->db,
		.user = v->pool->user,
		.state = server_state_show(v, loop_now(&v->worker->loop)),
		.addr = v->addr,
		.local = v->local,
		.send_pending = poller_pending(&v->stream.conn),
		.remote_pid = v->pid,
		.statements = (uint32_t)ps_set_count(&v->known),
		.is_server = true,
		.close_needed = v->close_needed ||
		    v->epoch != pool_epoch(&v->pool->core),
	};

	if ((s->wanted & ACTIVE_ONLY) != 0 && r.send_pending == 0)
		return;
	r.tls = tls_text(s, &v->stream);
	r.application = keep_text(s, application_name(s, &v->params));
	buf_append(&s->rows, &r, sizeof(r));
}

static void
take(struct worker *w, void *arg)
{
	struct snapshot	 *s = arg;
	struct list_node *n, *tmp;

	if (s->wanted & CLIENTS) {
		LIST_FOREACH(n, tmp, &w->clients)
			take_client(s, container_of(n, struct client, node));
	}
	if (s->wanted & SERVERS) {
		LIST_FOREACH(n, tmp, &w->servers)
			take_server(s, container_of(n, struct server, node));
	}
}

/* ---- printing ---- */

static int
by_id(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void
put_pointer(struct table *t, uintptr_t p)
{
	char	text[32] = "";

	if (p != 0)
		snprintf(text, sizeof(text), "0x%" PRIxPTR, p);
	table_text(t, text);
}

static void
put_address(struct table *t, const struct addr *a)
{
	char	ip[ADDR_TEXT_MAX];

	table_text(t, addr_ip(a, ip, sizeof(ip)));
	table_int(t, a->port);
}

/* The word of SOCKETS for a state of CLIENTS or SERVERS. */
static const char *
socket_state(const struct row *r)
{
	static const char *const words[][3] = {
		/* as shown, of a client, of a server */
		{ "login", "cl_login", "sv_login" },
		{ "new", "cl_login", "sv_login" },
		{ "active", "cl_active", "sv_active" },
		{ "waiting", "cl_waiting", "sv_active" },
		{ "idle", "cl_active", "sv_idle" },
		{ "used", "cl_active", "sv_used" },
		{ "tested", "cl_active", "sv_tested" },
	};
	size_t	i;

	for (i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(r->state, words[i][0]) == 0)
			return words[i][r->is_server ? 2 : 1];
	}
	return r->state;
}

static void
put_row(struct table *t, struct snapshot *s, const struct row *r, bool sockets)
{
	const char *text = buf_bytes(&s->text);

	table_row(t);
	table_text(t, r->is_server ? "S" : "C");
	table_text(t, r->user != NULL ? r->user->name : "(nouser)");
	table_text(t, r->db != NULL ? r->db->name : "(nodb)");
	table_text(t, "none");
	table_text(t, sockets ? socket_state(r) : r->state);
	put_address(t, &r->addr);
	put_address(t, &r->local);
	table_time(t, r->connect_time);
	table_time(t, r->request_time);
	table_uint(t, r->wait / 1000000);
	table_uint(t, r->wait % 1000000);
	table_int(t, r->close_needed);
	put_pointer(t, r->ptr);
	put_pointer(t, r->link);
	table_uint(t, r->remote_pid);
	table_text(t, r->tls == 0 ? "" : text + r->tls - 1);
	table_text(t, r->application == 0 ? "" : text + r->application - 1);
	table_uint(t, r->statements);
	table_uint(t, r->id);
	if (!sockets)
		return;
	/* Buffers are lent: there is no position in one of one's own. */
	table_int(t, 0);
	table_int(t, 0);
	table_int(t, 0);
	table_int(t, 0);
	table_uint(t, r->send_pending);
	table_uint(t, r->received);
	table_int(t, 0);
}

#define COLUMNS "s:type s:user s:database s:replication s:state s:addr " \
	"i:port s:local_addr i:local_port s:connect_time s:request_time " \
	"i:wait i:wait_us i:close_needed s:ptr s:link i:remote_pid s:tls " \
	"s:application_name i:prepared_statements i:id"
#define SOCKET_COLUMNS COLUMNS " i:recv_pos i:pkt_pos i:pkt_remain " \
	"i:send_pos i:send_remain i:pkt_avail i:send_avail"

static void
show(struct admin_request *r, unsigned wanted, bool sockets)
{
	struct snapshot s = { .wanted = wanted,
	    .application = params_index(r->control->shared.names,
	    "application_name") };
	struct table t;
	struct row  *rows;
	size_t	     i, n;

	workers_call(&r->control->workers, take, &s);
	if (buf_failed(&s.rows) || buf_failed(&s.text)) {
		buf_release(&s.rows);
		buf_release(&s.text);
		admin_error(r, "no mem");
		return;
	}
	n = buf_len(&s.rows) / sizeof(struct row);
	rows = (struct row *)(void *)s.rows.data;
	if (n > 0)
		qsort(rows, n, sizeof(*rows), by_id);
	table_begin(&t, &r->ask.answer, sockets ? SOCKET_COLUMNS : COLUMNS);
	for (i = 0; i < n; i++)
		put_row(&t, &s, &rows[i], sockets);
	table_end(&t, "SHOW");
	buf_release(&s.rows);
	buf_release(&s.text);
	admin_done(r, NULL);
}

void
admin_show_clients(struct admin_request *r)
{
	show(r, CLIENTS, false);
}

void
admin_show_servers(struct admin_request *r)
{
	show(r, SERVERS, false);
}

void
admin_show_sockets(struct admin_request *r)
{
	show(r, CLIENTS | SERVERS | LOGINS, true);
}

void
admin_show_active_sockets(struct admin_request *r)
{
	show(r, CLIENTS | SERVERS | LOGINS | ACTIVE_ONLY, true);
}
