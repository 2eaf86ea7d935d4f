/* SPDX-License-Identifier: MIT */
/*
 * pgdrive - several libpq clients, interleaved by a script.
 *
 * usage: pgdrive < script. libpq's environment says where the server is. One
 * command a line, first the client's name, then a verb:
 *
 *	a open [conninfo]	connect
 *	a close | drop		end politely | cut the socket
 *	a exec SQL		simple query, all its results
 *	a copy ROWS SQL		COPY FROM STDIN of the numbers 1..ROWS
 *	a copyfail SQL		the same, given up by the client
 *	a params SQL [^ARG]...	extended query, unnamed statement
 *	a prepare NAME SQL
 *	a run NAME [^ARG]...	execute a prepared statement
 *	a describe NAME
 *	a stream SQL		rows and bytes, a row at a time
 *	a send SQL | sendrun NAME [^ARG]... | sendparams SQL [^ARG]...
 *	a get			all results of what was sent
 *	a pipeline | sync | flush | endpipeline
 *	a getsync		results of a pipeline up to its next sync
 *	a cancel		ask to cancel what a does
 *	a quiet MS		a says nothing for so long
 *	a pid			backend's process id
 *	a status NAME		a parameter that the server reported
 *	wait MS | sh COMMAND	a shell command, waited for
 *	= text | ~ glob | ! glob	the last answer is, is like, is not like
 *	: title			for the names of the tests that follow
 *
 * An answer is the results joined by " / ": rows as a|b;c|d, "rows 100" for
 * more than 20, a command's tag, or SQLSTATE and message of an error. Each =,
 * ~ and ! prints one line, "ok - name" or "not ok - name".
 */
#include "common/base.h"

#include <errno.h>
#include <fnmatch.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define CLIENTS_MAX	64
#define ARGS_MAX	16
#define ANSWER_MAX	8192
#define PATIENCE_MS	120000

struct client {
	char	 name[16];
	PGconn	*conn;
};

static struct client	 clients[CLIENTS_MAX];
static char		 answer[ANSWER_MAX];
static char		 title[256];
static char		 command[1024];
static int		 failed;

/* Adds to the answer; what does not fit is cut. */
static void
say(const char *text)
{
	size_t	used = strlen(answer);

	snprintf(answer + used, sizeof(answer) - used, "%s", text);
}

/* The first line of libpq's message, without "ERROR:  ". */
static void
say_message(const char *message)
{
	char	 line[512];
	char	*p;

	snprintf(line, sizeof(line), "%s", message);
	line[strcspn(line, "\n")] = '\0';
	p = strstr(line, ":  ");
	say(p != NULL ? p + 3 : line);
}

static void
say_rows(const PGresult *r)
{
	char	line[64];
	int	i, j;

	if (PQntuples(r) > 20) {
		snprintf(line, sizeof(line), "rows %d", PQntuples(r));
		say(line);
		return;
	}
	if (PQntuples(r) == 0)
		say("no rows");
	for (i = 0; i < PQntuples(r); i++)
		for (j = 0; j < PQnfields(r); j++) {
			if (i + j > 0)
				say(j == 0 ? ";" : "|");
			say(PQgetvalue(r, i, j));
		}
}

static void
say_result(PGresult *r)
{
	const char	*code = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	if (answer[0] != '\0')
		say(" / ");
	switch (PQresultStatus(r)) {
	case PGRES_TUPLES_OK:
		/* A Describe has columns and no rows; no test reads them. */
		say_rows(r);
		break;
	case PGRES_COMMAND_OK:
		say(PQcmdStatus(r)[0] != '\0' ? PQcmdStatus(r) : "done");
		break;
	case PGRES_EMPTY_QUERY:
		say("empty");
		break;
	case PGRES_PIPELINE_SYNC:
		say("sync");
		break;
	case PGRES_PIPELINE_ABORTED:
		say("aborted");
		break;
	case PGRES_COPY_OUT:
	case PGRES_COPY_IN:
	case PGRES_COPY_BOTH:
		say("copying");
		break;
	case PGRES_SINGLE_TUPLE:
#ifdef LIBPQ_HAS_CHUNK_MODE	/* libpq 17 */
	case PGRES_TUPLES_CHUNK:
#endif
	case PGRES_BAD_RESPONSE:
	case PGRES_NONFATAL_ERROR:
	case PGRES_FATAL_ERROR:
		if (code != NULL) {
			say(code);
			say(" ");
			say_message(PQresultErrorField(r,
			    PG_DIAG_MESSAGE_PRIMARY));
		} else {
			say("lost ");
			say_message(PQresultErrorMessage(r));
		}
	}
}

static long
now_ms(void)
{
	struct timespec	t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* True when a result, or the end of them, can be had without waiting. */
static bool
ready(struct client *c, int ms)
{
	struct pollfd	p = { .events = POLLIN };
	long		end = now_ms() + ms, left;

	for (;;) {
		PQflush(c->conn);
		if (!PQisBusy(c->conn))
			return true;
		left = end - now_ms();
		if (left <= 0)
			return false;
		p.fd = PQsocket(c->conn);
		if (poll(&p, 1, (int)left) > 0 && !PQconsumeInput(c->conn))
			return true;
	}
}

static void
copy_out(PGconn *conn)
{
	char	*row, line[32];
	long	 rows = 0;

	while (PQgetCopyData(conn, &row, 0) > 0) {
		rows++;
		PQfreemem(row);
	}
	snprintf(line, sizeof(line), "%s%ld lines",
	    answer[0] != '\0' ? " / " : "", rows);
	say(line);
}

/*
 * Reads results until there are no more, or, in a pipeline, until the next
 * sync. "nothing in time" when the server keeps silent.
 */
static void
get(struct client *c, bool to_sync)
{
	PGresult	*r;
	ExecStatusType	 status;
	int		 ends = 0;

	for (;;) {
		if (!ready(c, PATIENCE_MS)) {
			say(" nothing in time");
			return;
		}
		r = PQgetResult(c->conn);
		if (r == NULL) {
			/* In a pipeline a NULL ends each query. */
			if (!to_sync || ++ends > 1)
				return;
			continue;
		}
		ends = 0;
		status = PQresultStatus(r);
		if (status == PGRES_COPY_OUT)
			copy_out(c->conn);
		else
			say_result(r);
		PQclear(r);
		if (status == PGRES_PIPELINE_SYNC)
			return;
		if (status == PGRES_FATAL_ERROR &&
		    PQstatus(c->conn) == CONNECTION_BAD)
			return;
	}
}

/* COPY FROM STDIN of rows numbers; rows < 0: the client gives up. */
static void
copy_in(struct client *c, long rows, const char *sql)
{
	PGresult	*r = PQexec(c->conn, sql);
	char		 line[32];
	long		 i;

	if (PQresultStatus(r) != PGRES_COPY_IN) {
		say_result(r);
		PQclear(r);
		return;
	}
	PQclear(r);
	for (i = 1; i <= rows; i++) {
		snprintf(line, sizeof(line), "%ld\n", i);
		if (PQputCopyData(c->conn, line, (int)strlen(line)) < 0)
			break;
	}
	PQputCopyEnd(c->conn, rows < 0 ? "the client gave up" : NULL);
	get(c, false);
}

/* Splits "text ^arg ^arg" in place. Returns the number of arguments. */
static int
split_args(char *text, const char *args[ARGS_MAX])
{
	int	n = 0;
	char	*p = text;

	while ((p = strstr(p, " ^")) != NULL && n < ARGS_MAX) {
		*p = '\0';
		p += 2;
		args[n++] = p;
	}
	return n;
}

static char *
split_word(char *text)
{
	char	*p = text + strcspn(text, " ");

	if (*p != '\0')
		*p++ = '\0';
	return p;
}

/* What libpq refused to send at all. */
static void
sent(struct client *c, int rc)
{
	if (rc == 0) {
		say("not sent ");
		say_message(PQerrorMessage(c->conn));
	}
}

static bool
step_send(struct client *c, const char *verb, char *rest)
{
	const char	*args[ARGS_MAX];
	char		*sql;
	int		 n;

	if (strcmp(verb, "send") == 0) {
		sent(c, PQsendQuery(c->conn, rest));
	} else if (strcmp(verb, "prepare") == 0) {
		sql = split_word(rest);
		sent(c, PQsendPrepare(c->conn, rest, sql, 0, NULL));
	} else if (strcmp(verb, "describe") == 0) {
		sent(c, PQsendDescribePrepared(c->conn, rest));
	} else if (strcmp(verb, "run") == 0 || strcmp(verb, "sendrun") == 0) {
		n = split_args(rest, args);
		sent(c, PQsendQueryPrepared(c->conn, rest, n, args, NULL,
		    NULL, 0));
	} else if (strcmp(verb, "params") == 0 ||
	    strcmp(verb, "sendparams") == 0) {
		n = split_args(rest, args);
		sent(c, PQsendQueryParams(c->conn, rest, n, NULL, args, NULL,
		    NULL, 0));
	} else {
		return false;
	}
	if (strncmp(verb, "send", 4) != 0 &&
	    PQpipelineStatus(c->conn) == PQ_PIPELINE_OFF)
		get(c, false);
	return true;
}

/* Rows and bytes of a result that is larger than memory. */
static void
stream(struct client *c, const char *sql)
{
	PGresult	*r;
	char		 line[64];
	long		 rows = 0, bytes = 0;

	sent(c, PQsendQuery(c->conn, sql) && PQsetSingleRowMode(c->conn));
	while ((r = PQgetResult(c->conn)) != NULL) {
		if (PQresultStatus(r) == PGRES_SINGLE_TUPLE) {
			rows++;
			bytes += PQgetlength(r, 0, 0);
		} else if (PQresultStatus(r) != PGRES_TUPLES_OK) {
			say_result(r);
		}
		PQclear(r);
	}
	snprintf(line, sizeof(line), "%ld rows %ld bytes", rows, bytes);
	say(line);
}

static void
step_cancel(struct client *c)
{
	PGcancel	*cancel = PQgetCancel(c->conn);
	char		 why[256];

	if (cancel == NULL || !PQcancel(cancel, why, sizeof(why)))
		say(cancel == NULL ? "no key" : why);
	else
		say("asked");
	PQfreeCancel(cancel);
}

static void
step_quiet(struct client *c, const char *rest)
{
	if (ready(c, atoi(rest)))
		get(c, PQpipelineStatus(c->conn) != PQ_PIPELINE_OFF);
	else
		say("quiet");
}

static bool
step_pipeline(struct client *c, const char *verb)
{
	if (strcmp(verb, "pipeline") == 0)
		sent(c, PQenterPipelineMode(c->conn));
	else if (strcmp(verb, "endpipeline") == 0)
		sent(c, PQexitPipelineMode(c->conn));
	else if (strcmp(verb, "sync") == 0)
		sent(c, PQpipelineSync(c->conn));
	else if (strcmp(verb, "flush") == 0)
		sent(c, PQsendFlushRequest(c->conn) &&
		    PQflush(c->conn) >= 0);
	else if (strcmp(verb, "getsync") == 0)
		get(c, true);
	else
		return false;
	return true;
}

static void
step_open(struct client *c, const char *conninfo)
{
	PQfinish(c->conn);
	c->conn = PQconnectdb(conninfo);
	if (PQstatus(c->conn) == CONNECTION_OK) {
		say("open");
		return;
	}
	say("refused ");
	say_message(strstr(PQerrorMessage(c->conn), "FATAL") != NULL ?
	    strstr(PQerrorMessage(c->conn), "FATAL") :
	    PQerrorMessage(c->conn));
	PQfinish(c->conn);
	c->conn = NULL;
}

static void
step_close(struct client *c, bool politely)
{
	if (!politely)
		shutdown(PQsocket(c->conn), SHUT_RDWR);
	PQfinish(c->conn);
	c->conn = NULL;
}

static bool
step_client(struct client *c, const char *verb, char *rest)
{
	const char	*value;
	char		 number[32];

	if (strcmp(verb, "open") == 0) {
		step_open(c, rest);
	} else if (c->conn == NULL) {
		say("not connected");
	} else if (strcmp(verb, "close") == 0 || strcmp(verb, "drop") == 0) {
		step_close(c, verb[0] == 'c');
	} else if (strcmp(verb, "exec") == 0) {
		sent(c, PQsendQuery(c->conn, rest));
		get(c, false);
	} else if (strcmp(verb, "stream") == 0) {
		stream(c, rest);
	} else if (strcmp(verb, "copy") == 0) {
		value = split_word(rest);
		copy_in(c, atol(rest), value);
	} else if (strcmp(verb, "copyfail") == 0) {
		copy_in(c, -1, rest);
	} else if (strcmp(verb, "get") == 0) {
		get(c, false);
	} else if (strcmp(verb, "cancel") == 0) {
		step_cancel(c);
	} else if (strcmp(verb, "quiet") == 0) {
		step_quiet(c, rest);
	} else if (strcmp(verb, "pid") == 0) {
		snprintf(number, sizeof(number), "%d", PQbackendPID(c->conn));
		say(number);
	} else if (strcmp(verb, "status") == 0) {
		value = PQparameterStatus(c->conn, rest);
		say(value != NULL ? value : "none");
	} else {
		return step_pipeline(c, verb) || step_send(c, verb, rest);
	}
	return true;
}

static struct client *
find(const char *name)
{
	size_t	i;

	for (i = 0; i < CLIENTS_MAX; i++) {
		if (clients[i].name[0] == '\0')
			snprintf(clients[i].name, sizeof(clients[i].name),
			    "%.15s", name);
		if (strcmp(clients[i].name, name) == 0)
			return &clients[i];
	}
	return NULL;
}

static void
compare(char how, const char *wanted)
{
	bool	good;

	if (how == '=')
		good = strcmp(answer, wanted) == 0;
	else
		good = (fnmatch(wanted, answer, 0) == 0) == (how == '~');
	printf("%s - %s%s%s\n", good ? "ok" : "not ok", title,
	    title[0] != '\0' ? ": " : "", command);
	if (!good) {
		printf("# wanted: %c %s\n# got:      %s\n", how, wanted,
		    answer);
		failed = 1;
	}
}

/* Returns false for a line that makes no sense. */
static bool
step(char *line)
{
	struct client	*c;
	char		*verb, *rest;

	if (line[0] == ':') {
		snprintf(title, sizeof(title), "%s", line + 1 +
		    strspn(line + 1, " "));
		return true;
	}
	if (strchr("=~!", line[0]) != NULL) {
		compare(line[0], line[1] == ' ' ? line + 2 : line + 1);
		return true;
	}
	snprintf(command, sizeof(command), "%.100s", line);
	answer[0] = '\0';
	verb = split_word(line);
	if (strcmp(line, "wait") == 0) {
		poll(NULL, 0, atoi(verb));
		return true;
	}
	if (strcmp(line, "sh") == 0)
		return system(verb) == 0;
	rest = split_word(verb);
	c = find(line);
	return c != NULL && step_client(c, verb, rest);
}

int
main(void)
{
	static char	 line[65536];
	size_t		 i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '\0' || line[0] == '#')
			continue;
		if (!step(line)) {
			fprintf(stderr, "pgdrive: what is \"%s\"?\n", command);
			failed = 2;
			break;
		}
	}
	for (i = 0; i < CLIENTS_MAX; i++)
		PQfinish(clients[i].conn);
	return failed;
}
