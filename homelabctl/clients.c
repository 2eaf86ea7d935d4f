/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "homelabctl/clients.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/err.h"
#include "common/pgquery.h"
#include "common/text.h"
#include "homelabctl/cli.h"
#include "homelabctl/connect.h"
#include "homelabctl/interrupt.h"

/* How long the pooler may take to answer the keeper. */
#define ANSWER_US	(5 * TEXT_USEC_PER_SEC)

static bool
is_stopped(void *arg)
{
	const struct clients *c = arg;

	return atomic_load(&c->stop);
}

static void
drop(struct clients *c)
{
	pgquery_close(c->console);
	c->console = NULL;
}

/*
 * There is a session with these limits, a new one if the old one is known to
 * have ended.
 */
static int
reach(struct clients *c, const struct pgquery_limits *l, struct err *e)
{
	if (c->console != NULL && pgquery_alive(c->console)) {
		pgquery_set_limits(c->console, l);
		return 0;
	}
	drop(c);
	return connect_pooler(c->cli, &c->console, l, e);
}

/* A session that failed, other than by refusing, is not used again. */
static int
run(struct clients *c, const char *sql, struct err *e)
{
	int	rc = pgquery_run(c->console, sql, NULL, 0, NULL, e);

	if (rc != 0 && (rc != ERR_DB_QUERY || !pgquery_alive(c->console)))
		drop(c);
	return rc;
}

/* A command; once more if the session had ended without our knowing. */
static int
command(struct clients *c, const char *sql, struct err *e)
{
	struct pgquery_limits l = { ANSWER_US, is_stopped, c };
	bool	fresh = c->console == NULL;
	int	rc = reach(c, &l, e);

	if (rc == 0)
		rc = run(c, sql, e);
	if (rc != 0 && rc != ERR_TIMEOUT && c->console == NULL && !fresh) {
		rc = reach(c, &l, e);
		if (rc == 0)
			rc = run(c, sql, e);
	}
	return rc;
}

/* ---- the keeper ---- */

static void
wait_a_second(struct clients *c)
{
	struct timespec	due;

	clock_gettime(CLOCK_MONOTONIC, &due);
	due.tv_sec++;
	pthread_mutex_lock(&c->lock);
	if (!atomic_load(&c->stop))
		(void)pthread_cond_timedwait(&c->wake, &c->lock, &due);
	pthread_mutex_unlock(&c->lock);
}

static void *
keep(void *arg)
{
	struct clients *c = arg;
	bool	lost = false;

	for (;;) {
		struct err e = { 0 };
		int	rc;

		wait_a_second(c);
		if (atomic_load(&c->stop))
			return NULL;
		/* Nobody has a transaction any more: none is given time. */
		rc = command(c, "HOLD 0", &e);
		if (atomic_load(&c->stop))
			return NULL;
		if (rc != 0 && !lost)
			cli_say("The pooler cannot be told to hold on: %s",
			    e.msg);
		else if (rc == 0 && lost)
			cli_say("The pooler answers again and holds its "
			    "clients.");
		lost = rc != 0;
	}
}

static int
start_keeper(struct clients *c, struct err *e)
{
	pthread_condattr_t attr;
	sigset_t all, old;
	int	r;

	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->wake, &attr);
	pthread_condattr_destroy(&attr);
	/* Signals are for the thread that does the work. */
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&c->keeper, NULL, keep, c);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0) {
		pthread_cond_destroy(&c->wake);
		pthread_mutex_destroy(&c->lock);
		return err_sys(e, r, "cannot start a thread");
	}
	c->kept = true;
	return 0;
}

static void
stop_keeper(struct clients *c)
{
	if (!c->kept)
		return;
	pthread_mutex_lock(&c->lock);
	atomic_store(&c->stop, true);
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->keeper, NULL);
	pthread_cond_destroy(&c->wake);
	pthread_mutex_destroy(&c->lock);
	atomic_store(&c->stop, false);
	c->kept = false;
}

/* ---- what the others call ---- */

int
clients_hold(struct clients *c, struct err *e)
{
	int64_t	deadline = c->cli->opt.hold_deadline;
	struct pgquery_limits l = { deadline + 30 * TEXT_USEC_PER_SEC,
	    interrupt_came, NULL };
	char	text[64];
	int	rc = reach(c, &l, e);

	if (rc != 0)
		return rc;
	cli_say("Holding the clients; transactions have %s to end.",
	    text_print_time(deadline, text));
	snprintf(text, sizeof(text), "HOLD %lld",
	    (long long)(deadline / TEXT_USEC_PER_SEC));
	/* Held from the command on, whether or not it is answered. */
	c->held = true;
	rc = run(c, text, e);
	return rc != 0 ? rc : start_keeper(c, e);
}

/* What SHOW STATE says; true also if it says nothing. */
static bool
is_holding(struct clients *c)
{
	struct pgquery_result *r;
	struct err e = { 0 };
	const char *key, *value;
	bool	holding = true;
	int	i;

	if (pgquery_run(c->console, "SHOW STATE", NULL, 0, &r, &e) != 0)
		return true;
	for (i = 0; i < pgquery_rows(r); i++) {
		key = pgquery_text(r, i, 0);
		value = pgquery_text(r, i, 1);
		if (key != NULL && value != NULL &&
		    strcmp(key, "holding") == 0)
			holding = strcmp(value, "no") != 0;
	}
	pgquery_result_free(r);
	return holding;
}

int
clients_release(struct clients *c, struct err *e)
{
	int	rc;

	if (!c->held)
		return 0;
	stop_keeper(c);
	rc = command(c, "RELEASE", e);
	/* A pooler that was restarted just now has nothing to release. */
	if (rc == ERR_DB_QUERY && !is_holding(c))
		rc = 0;
	if (rc == 0)
		c->held = false;
	return rc;
}

void
clients_close(struct clients *c)
{
	stop_keeper(c);
	drop(c);
}
