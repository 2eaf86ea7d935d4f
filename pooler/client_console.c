/* SPDX-License-Identifier: MIT */
/*
 * A client of the admin console: simple queries, one at a time, that the
 * control thread runs (console.h). Contract, section 13.1.
 */
#include "common/base.h"
#include "pooler/client.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/wire.h"
#include "pooler/worker.h"

void
client_console_welcome(struct buf *out)
{
	static const char *const status[][2] = {
		{ "pgbouncer.version", PGBOUNCER_COMPAT },
		{ "server_version", PGBOUNCER_COMPAT "/bouncer" },
		{ "client_encoding", "UTF8" },
		{ "server_encoding", "UTF8" },
		{ "DateStyle", "ISO" },
		{ "TimeZone", "GMT" },
		{ "standard_conforming_strings", "on" },
		{ "is_superuser", "on" },
	};
	size_t	i;

	for (i = 0; i < ARRAY_LEN(status); i++)
		wire_put_parameter_status(out, status[i][0], status[i][1]);
}

static void
answer(struct client *c, const struct buf *b, bool close)
{
	assert(c->state == CLIENT_COMMAND);
	client_send(c, b);
	client_enter(c, CLIENT_CONSOLE);
	if (close) {
		client_close(c, "close req");
		return;
	}
	client_console_go_on(c);
}

void
client_console_go_on(struct client *c)
{
	/* What it has been told already it has to read first. */
	if (stream_blocked(&c->stream))
		return;
	/* A driver may have sent its next command already. */
	if (c->console != NULL && buf_len(c->console) > 0)
		client_console_data(c, "", 0);
	if (c->state == CLIENT_CONSOLE)
		stream_recv_start(&c->stream);
}

/* ---- its command ---- */

static void
on_answer(struct loop_task *t)
{
	struct console_request *r = container_of(t, struct console_request,
	    task);
	struct client *c = r->client;

	if (c != NULL) {
		c->command = NULL;
		answer(c, &r->answer, r->close);
	}
	buf_release(&r->answer);
	free(r->sql);
	free(r);
}

/* Sends the command to the control thread. 0 or ERR_NOMEM. */
static int
submit(struct client *c, const char *sql)
{
	struct console	       *console = &c->worker->shared->console;
	struct pool_stats      *stats = &c->pool->stats[c->worker->id];
	struct console_request *r = calloc(1, console->size);

	assert(c->command == NULL);
	if (r == NULL)
		return ERR_NOMEM;
	r->sql = strdup(sql);
	if (r->sql == NULL) {
		free(r);
		return ERR_NOMEM;
	}
	stats_add(&stats->query_count, 1);
	stats_add(&stats->xact_count, 1);
	r->console = console;
	r->home = &c->worker->loop;
	r->answered = on_answer;
	r->client = c;
	r->client_id = c->id;
	r->full_access = c->admin;
	client_prefix(c, r->prefix, sizeof(r->prefix));
	c->command = r;
	r->task.fn = console->run;
	loop_post(console->loop, &r->task);
	return 0;
}

static void
post_stop(struct client *c, bool gone)
{
	struct console	    *console = &c->worker->shared->console;
	struct console_stop *s = calloc(1, sizeof(*s));

	/* Without memory the command waits until its condition is met. */
	if (s == NULL)
		return;
	s->console = console;
	s->client_id = c->id;
	s->gone = gone;
	s->task.fn = console->stop;
	loop_post(console->loop, &s->task);
}

void
client_console_cancel(struct client *c)
{
	if (c->command != NULL)
		post_stop(c, false);
}

void
client_console_gone(struct client *c)
{
	if (c->command == NULL)
		return;
	c->command->client = NULL;
	c->command = NULL;
	post_stop(c, true);
}

void
client_console_data(struct client *c, const char *bytes, size_t n)
{
	struct wire_header h;
	const char *sql;

	if (c->console == NULL) {
		c->console = calloc(1, sizeof(*c->console));
		if (c->console == NULL) {
			client_fail(c, "out of memory");
			return;
		}
		buf_init(c->console, 1 << 20);
	}
	buf_append(c->console, bytes, n);
	if (buf_failed(c->console)) {
		client_fail(c, "incomplete pkt");
		return;
	}
	if (wire_header_get(buf_bytes(c->console), buf_len(c->console),
	    1 << 20, &h) != 0) {
		if (buf_len(c->console) >= WIRE_HEADER_LEN)
			client_fail(c, "bad packet");
		return;
	}
	if (h.type == WIRE_FE_TERMINATE) {
		client_close(c, "client close request");
		return;
	}
	if (h.type != WIRE_FE_QUERY) {
		struct wire_error e = { .severity = "ERROR",
		    .sqlstate = "08P01", .message =
		    "extended query protocol not supported by admin console" };
		struct buf b = { 0 };

		wire_put_error(&b, WIRE_BE_ERROR, &e);
		client_send(c, &b);
		buf_release(&b);
		client_fail(c, "bad packet");
		return;
	}
	if (buf_len(c->console) < WIRE_HEADER_LEN + h.body)
		return;
	if (wire_parse_string(buf_bytes(c->console) + WIRE_HEADER_LEN, h.body,
	    &sql) != 0) {
		client_fail(c, "incomplete query");
		return;
	}
	c->request_time = loop_wall_clock();
	stream_recv_stop(&c->stream);
	client_enter(c, CLIENT_COMMAND);
	if (submit(c, sql) != 0) {
		client_fail(c, "out of memory");
		return;
	}
	buf_consume(c->console, WIRE_HEADER_LEN + h.body);
}
