/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/admin.h"

#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "common/wire.h"
#include "pooler/admin_impl.h"
#include "pooler/pooler.h"
#include "pooler/worker.h"

struct admin {
	struct pooler	*pooler;
	struct list	 waiting;	/* requests, oldest first */
};

/* Says to the control thread that a command is to end. */
struct stop {
	struct loop_task task;
	struct pooler	*pooler;
	uint64_t	 client_id;
	bool		 gone;		/* the client is; else: Ctrl-C */
};

/* ---- in the worker ---- */

static void on_request(struct loop_task *);
static void on_stop(struct loop_task *);

static void
request_free(struct admin_request *r)
{
	buf_release(&r->answer);
	free(r->sql);
	free(r);
}

int
admin_submit(struct client *c, const char *sql)
{
	struct admin_request *r = calloc(1, sizeof(*r));
	struct pool_stats    *stats = &c->pool->stats[c->worker->id];

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
	r->pooler = c->worker->pooler;
	r->worker = c->worker;
	r->client = c;
	r->client_id = c->id;
	r->full_access = c->admin;
	client_prefix(c, r->prefix, sizeof(r->prefix));
	c->command = r;
	r->task.fn = on_request;
	loop_post(&r->pooler->loop, &r->task);
	return 0;
}

static void
post_stop(struct client *c, bool gone)
{
	struct stop *s = calloc(1, sizeof(*s));

	/* Without memory the command waits until its condition is met. */
	if (s == NULL)
		return;
	s->pooler = c->worker->pooler;
	s->client_id = c->id;
	s->gone = gone;
	s->task.fn = on_stop;
	loop_post(&s->pooler->loop, &s->task);
}

void
admin_cancel(struct client *c)
{
	if (c->command != NULL)
		post_stop(c, false);
}

void
admin_client_gone(struct client *c)
{
	if (c->command == NULL)
		return;
	c->command->client = NULL;
	c->command = NULL;
	post_stop(c, true);
}

static void
on_answer(struct loop_task *t)
{
	struct admin_request *r = container_of(t, struct admin_request, task);
	struct client	     *c = r->client;

	if (c != NULL) {
		c->command = NULL;
		client_console_answer(c, &r->answer, true, r->close);
	}
	request_free(r);
}

void
admin_console_welcome(struct buf *out)
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

/* ---- answers ---- */

static void
finish(struct admin_request *r)
{
	struct wire_error e = { .severity = "FATAL", .sqlstate = "53200",
	    .message = "no mem" };

	wire_put_ready(&r->answer, WIRE_TX_IDLE);
	if (buf_failed(&r->answer)) {
		buf_release(&r->answer);
		wire_put_error(&r->answer, WIRE_BE_ERROR, &e);
		r->close = true;
	}
	r->task.fn = on_answer;
	loop_post(&r->worker->loop, &r->task);
}

void
admin_hang_up(struct admin_request *r)
{
	r->close = true;
	r->task.fn = on_answer;
	loop_post(&r->worker->loop, &r->task);
}

void
admin_done(struct admin_request *r, const char *tag)
{
	if (tag != NULL)
		wire_put_string(&r->answer, WIRE_BE_COMMAND_COMPLETE, tag);
	finish(r);
}

static void
answer_error(struct admin_request *r, const char *sqlstate, const char *text)
{
	struct wire_error e = { .severity = "ERROR", .sqlstate = sqlstate,
	    .message = text };

	log_error("%s", text);
	if (r->pooler->config->opt.log_pooler_errors)
		log_warning("%spooler error: %s", r->prefix, text);
	buf_clear(&r->answer);
	wire_put_error(&r->answer, WIRE_BE_ERROR, &e);
	finish(r);
}

void
admin_error_code(struct admin_request *r, const char *sqlstate,
    const char *fmt, ...)
{
	char	text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	answer_error(r, sqlstate, text);
}

void
admin_error(struct admin_request *r, const char *fmt, ...)
{
	char	text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	answer_error(r, "08P01", text);
}

void
admin_bad_command(struct admin_request *r)
{
	admin_error(r, "invalid command '%.400s', use SHOW HELP;", r->sql);
}

void
admin_notice(struct admin_request *r, const char *text, const char *detail)
{
	struct wire_error e = { .severity = "NOTICE", .sqlstate = "00000",
	    .message = text, .detail = detail };

	wire_put_error(&r->answer, WIRE_BE_NOTICE, &e);
}

/* ---- commands ---- */

const struct admin_entry *
admin_find(const struct admin_entry *entries, size_t n, const char *name)
{
	size_t	i;

	for (i = 0; i < n; i++) {
		if (text_equal_nocase(entries[i].name, name))
			return &entries[i];
	}
	return NULL;
}

static void
show(struct admin_request *r)
{
	const struct admin_entry *e = admin_find(admin_shows, admin_n_shows,
	    r->words.arg);

	if (e == NULL)
		admin_bad_command(r);
	else
		e->fn(r);
}

static void
run(struct admin_request *r)
{
	const struct admin_entry *e;
	int	rc = admin_parse(r->sql, &r->words);

	if (rc == ERR_LIMIT) {
		admin_error(r, "bad arguments");
		return;
	}
	if (rc != 0) {
		admin_bad_command(r);
		return;
	}
	if (r->words.is_set) {
		admin_op_set(r);
		return;
	}
	if (text_equal_nocase(r->words.word, "show") ||
	    text_equal_nocase(r->words.word, "select")) {
		show(r);
		return;
	}
	e = admin_find(admin_ops, admin_n_ops, r->words.word);
	if (e == NULL)
		admin_bad_command(r);
	else if (e->full && !r->full_access)
		admin_error(r, "admin access needed");
	else
		e->fn(r);
}

static void
on_request(struct loop_task *t)
{
	run(container_of(t, struct admin_request, task));
}

/* ---- waiting ---- */

static void
answer_waited(struct admin_request *r)
{
	if (r->failure != NULL)
		admin_error_code(r, "57014", "%s", r->failure);
	else
		admin_done(r, r->tag);
}

void
admin_wait(struct admin_request *r, admin_ready_fn *ready, const char *tag)
{
	r->ready = ready;
	r->tag = tag;
	if (ready(r))
		answer_waited(r);
	else
		list_append(&r->pooler->admin->waiting, &r->node);
}

void
admin_check(struct admin *a)
{
	struct list_node *n, *tmp;

	LIST_FOREACH(n, tmp, &a->waiting) {
		struct admin_request *r = container_of(n, struct admin_request,
		    node);

		if (r->ready(r)) {
			list_remove(&a->waiting, n);
			answer_waited(r);
		}
	}
}

static void
on_stop(struct loop_task *t)
{
	struct stop	 *s = container_of(t, struct stop, task);
	struct admin	 *a = s->pooler->admin;
	struct list_node *n, *tmp;
	bool		  found = false;

	LIST_FOREACH(n, tmp, &a->waiting) {
		struct admin_request *r = container_of(n, struct admin_request,
		    node);

		if (r->client_id != s->client_id)
			continue;
		found = true;
		list_remove(&a->waiting, n);
		if (s->gone)
			finish(r);
		else
			admin_op_cancelled(r);
	}
	if (!found && !s->gone)
		log_warning("admin cancel request for non-waiting client?");
	free(s);
}

/* ---- life ---- */

struct admin *
admin_new(struct pooler *p)
{
	struct admin *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->pooler = p;
	list_init(&a->waiting);
	return a;
}

void
admin_end(struct admin *a)
{
	struct list_node *n;

	while ((n = list_pop(&a->waiting)) != NULL)
		admin_error(container_of(n, struct admin_request, node),
		    "pooler is shutting down");
}

void
admin_free(struct admin *a)
{
	assert(a == NULL || list_empty(&a->waiting));
	free(a);
}
