/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/pgquery.h"

#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/text.h"

/* How often a waiting query asks whether it was cancelled. */
#define TICK_MS	100

/* How long to wait for a server to hear that a query is given up. */
#define CANCEL_S	3

/* What makes a session predictable, whatever the server's configuration. */
#define SESSION_OPTIONS \
	"-c search_path=pg_catalog -c statement_timeout=0 -c lock_timeout=0" \
	" -c idle_in_transaction_session_timeout=0" \
	" -c idle_session_timeout=0 -c DateStyle=ISO -c TimeZone=UTC"

struct pgquery {
	PGconn		*conn;
	bool		 console;
	struct pgquery_limits limits;
};

/* PGresult under a name that does not need libpq's header. */
struct pgquery_result {
	PGresult	*res;
};

/* Of a call that begins now; 0: none. */
static int64_t
deadline_of(const struct pgquery_limits *l)
{
	return l->timeout_us == PGQUERY_NO_TIMEOUT ? 0 :
	    clock_us() + l->timeout_us;
}

/* libpq's messages end in newlines and may have several lines. */
static void
flatten(const char *text, char *out, size_t size)
{
	size_t	n = 0;

	for (; *text != '\0' && n + 2 < size; text++) {
		if (*text != '\n' && *text != '\t') {
			out[n++] = *text;
		} else if (n > 0 && out[n - 1] != ' ') {
			out[n++] = ' ';
		}
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
}

/*
 * Waits until the socket is ready or a tick is over. Returns 0,
 * ERR_TIMEOUT or ERR_CANCELLED.
 */
static int
wait_socket(const struct pgquery *q, short events, int64_t deadline)
{
	struct pollfd	p = { PQsocket(q->conn), events, 0 };
	int64_t		left;
	int		ms = TICK_MS;

	if (q->limits.cancelled != NULL && q->limits.cancelled(q->limits.arg))
		return ERR_CANCELLED;
	if (deadline != 0) {
		left = deadline - clock_us();
		if (left <= 0)
			return ERR_TIMEOUT;
		ms = (int)MIN(left / 1000 + 1, (int64_t)TICK_MS);
	}
	/* A failure shows in libpq's next call; a signal is just a tick. */
	(void)poll(&p, 1, ms);
	return 0;
}

/* Who does not answer, in messages. */
static const char *
peer_name(const struct pgquery *q)
{
	return q->console ? "the pooler's console" : "PostgreSQL";
}

static int
connect_error(struct pgquery *q, struct err *e)
{
	char	text[512];

	flatten(PQerrorMessage(q->conn), text, sizeof(text));
	return err_set(e, ERR_DB_CONNECT, "cannot connect to %s: %s",
	    peer_name(q), text[0] == '\0' ? "no reason given" : text);
}

/* Nobody has to be told: the server sees the connection end. */
static int
abandon_connect(const struct pgquery *q, int code, struct err *e)
{
	char	shown[TEXT_NUMBER_MAX];

	if (code == ERR_CANCELLED)
		return err_set(e, code, "connection to %s cancelled",
		    peer_name(q));
	return err_set(e, code, "%s did not answer the connection within %s",
	    peer_name(q), text_print_time_short(q->limits.timeout_us, shown));
}

static int
finish_connect(struct pgquery *q, struct err *e)
{
	int64_t	deadline = deadline_of(&q->limits);
	short	events = POLLOUT;
	int	rc;

	for (;;) {
		if (PQstatus(q->conn) == CONNECTION_BAD)
			return connect_error(q, e);
		rc = wait_socket(q, events, deadline);
		if (rc != 0)
			return abandon_connect(q, rc, e);
		switch (PQconnectPoll(q->conn)) {
		case PGRES_POLLING_OK:
			return 0;
		case PGRES_POLLING_READING:
			events = POLLIN;
			break;
		case PGRES_POLLING_WRITING:
			events = POLLOUT;
			break;
		case PGRES_POLLING_FAILED:
		case PGRES_POLLING_ACTIVE:
			return connect_error(q, e);
		}
	}
}

int
pgquery_connect(struct pgquery **out, const struct pgquery_target *t,
    const struct pgquery_limits *l, struct err *e)
{
	char		port[16];
	const char	*keys[16], *values[16];
	struct pgquery	*q;
	int		 n = 0, rc;

	/* libpq expands a "dbname" that holds a connection string. */
	if (t->conninfo != NULL) {
		keys[n] = "dbname";
		values[n++] = t->conninfo;
	}
	snprintf(port, sizeof(port), "%d", t->port);
#define ADD(key, value) \
	do { if ((value) != NULL) { keys[n] = (key); values[n++] = (value); } } \
	while (0)
	ADD("host", t->host);
	ADD("port", t->port != 0 ? port : NULL);
	ADD("user", t->user);
	ADD("dbname", t->database);
	ADD("application_name", t->application);
	ADD("client_encoding", t->encoding);
	ADD("options", t->console ? NULL : SESSION_OPTIONS);
	ADD("keepalives", "1");
	ADD("keepalives_idle", "30");
	keys[n] = values[n] = NULL;
#undef ADD
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	q->console = t->console;
	q->limits = *l;
	q->conn = PQconnectStartParams(keys, values, 1);
	if (q->conn == NULL) {
		free(q);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	rc = finish_connect(q, e);
	if (rc != 0) {
		pgquery_close(q);
		return rc;
	}
	*out = q;
	return 0;
}

void
pgquery_close(struct pgquery *q)
{
	if (q == NULL)
		return;
	PQfinish(q->conn);
	free(q);
}

void
pgquery_set_limits(struct pgquery *q, const struct pgquery_limits *l)
{
	q->limits = *l;
}

/* ---- a query that is given up ---- */

/*
 * A word to the server, on a connection of its own. PQcancel() waits until the
 * server has closed that, and one that hangs never does: so a thread says it,
 * and is left behind when it takes too long. Whoever is the last frees this.
 */
struct notice {
	PGcancel	*cancel;
	pthread_mutex_t	 lock;
	pthread_cond_t	 wake;
	bool		 said, left;
};

static void
notice_free(struct notice *n)
{
	PQfreeCancel(n->cancel);
	pthread_cond_destroy(&n->wake);
	pthread_mutex_destroy(&n->lock);
	free(n);
}

static void *
notice_say(void *arg)
{
	struct notice	*n = arg;
	char		 text[256];
	bool		 left;

	(void)PQcancel(n->cancel, text, sizeof(text));
	pthread_mutex_lock(&n->lock);
	n->said = true;
	left = n->left;
	pthread_cond_signal(&n->wake);
	pthread_mutex_unlock(&n->lock);
	if (left)
		notice_free(n);
	return NULL;
}

/* A detached thread; signals are for the others. */
static bool
notice_start(struct notice *n)
{
	pthread_attr_t	attr;
	pthread_t	thread;
	sigset_t	all, old;
	int		r;

	pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&thread, &attr, notice_say, n);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return r == 0;
}

static struct notice *
notice_new(PGconn *conn)
{
	struct notice	*n = calloc(1, sizeof(*n));
	pthread_condattr_t attr;

	if (n == NULL)
		return NULL;
	pthread_mutex_init(&n->lock, NULL);
	pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&n->wake, &attr);
	pthread_condattr_destroy(&attr);
	n->cancel = PQgetCancel(conn);
	return n;
}

/* Lets the server know: it would work on for nothing. */
static void
tell_server(struct pgquery *q)
{
	struct notice	*n = notice_new(q->conn);
	struct timespec	 due;
	bool		 left;
	int		 r = 0;

	if (n == NULL)
		return;
	if (n->cancel == NULL || !notice_start(n)) {
		notice_free(n);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &due);
	due.tv_sec += CANCEL_S;
	pthread_mutex_lock(&n->lock);
	while (!n->said && r == 0)
		r = pthread_cond_timedwait(&n->wake, &n->lock, &due);
	left = n->left = !n->said;
	pthread_mutex_unlock(&n->lock);
	if (!left)
		notice_free(n);
}

static int
abandon(struct pgquery *q, int code, struct err *e)
{
	char	shown[TEXT_NUMBER_MAX];

	tell_server(q);
	if (code == ERR_CANCELLED)
		return err_set(e, code, "query cancelled");
	return err_set(e, code, "query took longer than %s",
	    text_print_time_short(q->limits.timeout_us, shown));
}

static int
lost(struct pgquery *q, struct err *e)
{
	char	text[512];

	flatten(PQerrorMessage(q->conn), text, sizeof(text));
	return err_set(e, ERR_DB_CONNECT, "connection to %s lost: %s",
	    peer_name(q), text);
}

static int
query_error(struct pgquery *q, const PGresult *res, struct err *e)
{
	const char	*state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char	*hint = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);
	const char	*primary;
	char		 text[512];
	int		 code = ERR_DB_QUERY;

	if (PQstatus(q->conn) == CONNECTION_BAD)
		code = ERR_DB_CONNECT;
	primary = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	flatten(primary != NULL ? primary : PQresultErrorMessage(res), text,
	    sizeof(text));
	if (state != NULL)
		err_set(e, code, "%s (SQLSTATE %s)", text, state);
	else
		err_set(e, code, "%s", text);
	if (hint != NULL)
		err_hint(e, "%s", hint);
	return code;
}

/*
 * The last result of the running query, earlier ones freed; NULL in *out if
 * there was none.
 */
static int
collect(struct pgquery *q, PGresult **out, struct err *e)
{
	int64_t		deadline = deadline_of(&q->limits);
	PGresult	*last = NULL, *res;
	short		events;
	int		rc, unsent;

	for (;;) {
		unsent = PQflush(q->conn);
		if (unsent < 0) {
			PQclear(last);
			return lost(q, e);
		}
		while (unsent == 0 && !PQisBusy(q->conn)) {
			res = PQgetResult(q->conn);
			if (res == NULL) {
				*out = last;
				return 0;
			}
			/* The first error is the one that explains. */
			if (last != NULL && PQresultStatus(last) ==
			    PGRES_FATAL_ERROR) {
				PQclear(res);
				continue;
			}
			PQclear(last);
			last = res;
		}
		events = (short)(POLLIN | (unsent != 0 ? POLLOUT : 0));
		rc = wait_socket(q, events, deadline);
		if (rc != 0) {
			PQclear(last);
			return abandon(q, rc, e);
		}
		if (PQconsumeInput(q->conn) == 0) {
			PQclear(last);
			return lost(q, e);
		}
	}
}

int
pgquery_run(struct pgquery *q, const char *sql, const char *const *params,
    int n, struct pgquery_result **out, struct err *e)
{
	PGresult	*res = NULL;
	struct pgquery_result *r;
	ExecStatusType	 status;
	int		 rc;

	assert(!q->console || n == 0);
	if (PQsetnonblocking(q->conn, 1) != 0 || (q->console ?
	    PQsendQuery(q->conn, sql) : PQsendQueryParams(q->conn, sql, n,
	    NULL, params, NULL, NULL, 0)) == 0)
		return lost(q, e);
	rc = collect(q, &res, e);
	if (rc != 0)
		return rc;
	if (res == NULL)
		return lost(q, e);
	status = PQresultStatus(res);
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
		rc = query_error(q, res, e);
		PQclear(res);
		return rc;
	}
	if (out == NULL) {
		PQclear(res);
		return 0;
	}
	r = malloc(sizeof(*r));
	if (r == NULL) {
		PQclear(res);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	r->res = res;
	*out = r;
	return 0;
}

int
pgquery_run_one(struct pgquery *q, const char *sql, const char *const *params,
    int n, struct pgquery_result **out, struct err *e)
{
	struct pgquery_result *r;
	int		rc, rows;

	rc = pgquery_run(q, sql, params, n, &r, e);
	if (rc != 0)
		return rc;
	rows = pgquery_rows(r);
	if (rows != 1) {
		pgquery_result_free(r);
		return err_set(e, ERR_DB_QUERY,
		    "expected one row, got %d, from: %.200s", rows, sql);
	}
	*out = r;
	return 0;
}

int
pgquery_server_version(const struct pgquery *q)
{
	return PQserverVersion(q->conn);
}

bool
pgquery_alive(const struct pgquery *q)
{
	return PQstatus(q->conn) == CONNECTION_OK;
}

void
pgquery_result_free(struct pgquery_result *r)
{
	if (r == NULL)
		return;
	PQclear(r->res);
	free(r);
}

int
pgquery_rows(const struct pgquery_result *r)
{
	return PQntuples(r->res);
}

int
pgquery_columns(const struct pgquery_result *r)
{
	return PQnfields(r->res);
}

const char *
pgquery_column_name(const struct pgquery_result *r, int column)
{
	return PQfname(r->res, column);
}

const char *
pgquery_text(const struct pgquery_result *r, int row, int column)
{
	if (PQgetisnull(r->res, row, column))
		return NULL;
	return PQgetvalue(r->res, row, column);
}

size_t
pgquery_length(const struct pgquery_result *r, int row, int column)
{
	return (size_t)PQgetlength(r->res, row, column);
}

int
pgquery_int64(const struct pgquery_result *r, int row, int column, int64_t *out)
{
	const char	*s = pgquery_text(r, row, column);

	return s == NULL ? ERR_FORMAT : text_parse_int(s, 10, out);
}

int
pgquery_double(const struct pgquery_result *r, int row, int column,
    double *out)
{
	const char	*s = pgquery_text(r, row, column);
	char		*end;
	double		 v;

	if (s == NULL || *s == '\0')
		return ERR_FORMAT;
	v = strtod(s, &end);
	if (*end != '\0')
		return ERR_FORMAT;
	*out = v;
	return 0;
}

int
pgquery_bool(const struct pgquery_result *r, int row, int column, bool *out)
{
	const char	*s = pgquery_text(r, row, column);

	if (s == NULL || (strcmp(s, "t") != 0 && strcmp(s, "f") != 0))
		return ERR_FORMAT;
	*out = s[0] == 't';
	return 0;
}
