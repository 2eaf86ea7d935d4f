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

struct admin {
	struct control	*control;
	struct list	 waiting;	/* requests, oldest first */
};

/* ---- answers ---- */

static void
finish(struct admin_request *r)
{
	struct wire_error e = { .severity = "FATAL", .sqlstate = "53200",
	    .message = "no mem" };

	wire_put_ready(&r->ask.answer, WIRE_TX_IDLE);
	if (buf_failed(&r->ask.answer)) {
		buf_release(&r->ask.answer);
		wire_put_error(&r->ask.answer, WIRE_BE_ERROR, &e);
		r->ask.close = true;
	}
	r->ask.task.fn = r->ask.answered;
	loop_post(r->ask.home, &r->ask.task);
}

void
admin_hang_up(struct admin_request *r)
{
	r->ask.close = true;
	r->ask.task.fn = r->ask.answered;
	loop_post(r->ask.home, &r->ask.task);
}

void
admin_done(struct admin_request *r, const char *tag)
{
	if (tag != NULL)
		wire_put_string(&r->ask.answer, WIRE_BE_COMMAND_COMPLETE, tag);
	finish(r);
}

static void
answer_error(struct admin_request *r, const char *sqlstate, const char *text)
{
	struct wire_error e = { .severity = "ERROR", .sqlstate = sqlstate,
	    .message = text };

	log_error("%s", text);
	if (r->control->shared.config->opt.log_pooler_errors)
		log_warning("%spooler error: %s", r->ask.prefix, text);
	buf_clear(&r->ask.answer);
	wire_put_error(&r->ask.answer, WIRE_BE_ERROR, &e);
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
	admin_error(r, "invalid command '%.400s', use SHOW HELP;", r->ask.sql);
}

void
admin_notice(struct admin_request *r, const char *text, const char *detail)
{
	struct wire_error e = { .severity = "NOTICE", .sqlstate = "00000",
	    .message = text, .detail = detail };

	wire_put_error(&r->ask.answer, WIRE_BE_NOTICE, &e);
}

/* ---- commands ---- */

/* The entry of that name, in any case; NULL if there is none. */
static const struct admin_entry *
find(const struct admin_entry *entries, size_t n, const char *name)
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
	const struct admin_entry *e = find(admin_shows, admin_n_shows,
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
	int	rc = admin_parse(r->ask.sql, &r->words);

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
	e = find(admin_ops, admin_n_ops, r->words.word);
	if (e == NULL)
		admin_bad_command(r);
	else if (e->full && !r->ask.full_access)
		admin_error(r, "admin access needed");
	else
		e->fn(r);
}

static void
on_request(struct loop_task *t)
{
	struct admin_request *r = container_of(t, struct admin_request,
	    ask.task);

	r->admin = r->ask.console->arg;
	r->control = r->admin->control;
	run(r);
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
		list_append(&r->admin->waiting, &r->node);
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
	struct console_stop *s = container_of(t, struct console_stop, task);
	struct admin	 *a = s->console->arg;
	struct list_node *n, *tmp;
	bool		  found = false;

	LIST_FOREACH(n, tmp, &a->waiting) {
		struct admin_request *r = container_of(n, struct admin_request,
		    node);

		if (r->ask.client_id != s->client_id)
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
admin_new(struct control *p)
{
	struct admin *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->control = p;
	p->shared.console = (struct console){ .loop = &p->loop,
	    .size = sizeof(struct admin_request), .run = on_request,
	    .stop = on_stop, .arg = a };
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
