/* SPDX-License-Identifier: MIT */
/*
 * storm - many clients that do everything at once, and believe nothing.
 *
 * usage: storm clients seconds seed < /dev/null. libpq's environment says
 * where the pooler is. The server has a table storm(client int, value int)
 * and a table storm_copy(line text).
 *
 * Every query carries a nonce and its answer is compared with it: an answer
 * of another client, of an older query, or a lost one ends the program with
 * status 1. Each client does one thing after another, drawn by lot: simple
 * query, two in one, prepared statement (each client has the same names with
 * its own text), unnamed statement, transaction committed or aborted, COPY in
 * and out, error, cancel of its own query, and leaving in the middle of one
 * (then it comes back). Increments that were acknowledged are counted and
 * compared with the table in the end.
 *
 * Clients are moved by one poll() loop, so that all of them really are open
 * at the same time. Prints one line of figures.
 */
#include "common/base.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S	60

enum act {
	ACT_SIMPLE, ACT_PAIR, ACT_PREPARE, ACT_RUN, ACT_PARAMS, ACT_BEGIN,
	ACT_ADD, ACT_END, ACT_COPY_IN, ACT_COPY_OUT, ACT_ERROR, ACT_CANCEL,
	ACT_LEAVE, ACT_CONNECT, ACT_COUNT
};

static const char	*const act_names[ACT_COUNT] = {
	"simple", "pair", "prepare", "run", "params", "begin", "add", "end",
	"copy in", "copy out", "error", "cancel", "leave", "connect"
};

struct client {
	PGconn		*conn;
	unsigned	 id;
	enum act	 act;		/* what it waits for */
	unsigned	 nonce;
	unsigned	 results;	/* seen of this act */
	unsigned	 lines;		/* of COPY out */
	bool		 connecting;
	PostgresPollingStatusType want;
	bool		 in_tx;
	bool		 tx_commits;
	bool		 prepared[4];
	unsigned	 adds;		/* in this transaction */
	unsigned	 added;		/* acknowledged */
	time_t		 since;
};

static struct client	*clients;
static size_t		 clients_count;
static unsigned long	 done[ACT_COUNT];
static time_t		 now, end;
static uint64_t		 lot;

static _Noreturn void
die(const struct client *c, const char *what, const char *got)
{
	fprintf(stderr, "storm: client %u, %s, nonce %u, result %u: %s: %s\n",
	    c->id, act_names[c->act], c->nonce, c->results, what, got);
	exit(1);
}

/* xorshift: repeatable by the seed. */
static unsigned
draw(unsigned below)
{
	lot ^= lot << 13;
	lot ^= lot >> 7;
	lot ^= lot << 17;
	return (unsigned)(lot >> 33) % below;
}

static void
connect_client(struct client *c)
{
	c->conn = PQconnectStart("connect_timeout=60");
	if (c->conn == NULL || PQstatus(c->conn) == CONNECTION_BAD)
		die(c, "cannot connect", c->conn == NULL ? "no memory" :
		    PQerrorMessage(c->conn));
	c->act = ACT_CONNECT;
	c->connecting = true;
	c->want = PGRES_POLLING_WRITING;
	c->in_tx = false;
	c->adds = 0;
	memset(c->prepared, 0, sizeof(c->prepared));
}

static void
send_copy_in(struct client *c)
{
	char	line[64];
	int	i;

	for (i = 0; i < 50; i++) {
		snprintf(line, sizeof(line), "%u-%u-%d\n", c->id, c->nonce, i);
		if (PQputCopyData(c->conn, line, (int)strlen(line)) != 1)
			die(c, "COPY data", PQerrorMessage(c->conn));
	}
	if (PQputCopyEnd(c->conn, NULL) != 1)
		die(c, "COPY end", PQerrorMessage(c->conn));
}

/* Asks the pooler to cancel what c runs; a key of its own, so it may come
 * late, and then must do nothing to anybody else. */
static void
send_cancel(struct client *c)
{
	PGcancel	*cancel = PQgetCancel(c->conn);
	char		 why[256];

	if (cancel == NULL || !PQcancel(cancel, why, sizeof(why)))
		die(c, "cancel", cancel == NULL ? "no key" : why);
	PQfreeCancel(cancel);
}

static enum act
choose(struct client *c)
{
	unsigned	n = draw(100);

	if (c->in_tx)
		return n < 60 ? ACT_ADD : n < 70 ? ACT_SIMPLE : ACT_END;
	return n < 20 ? ACT_SIMPLE : n < 28 ? ACT_PAIR : n < 36 ? ACT_PREPARE :
	    n < 56 ? ACT_RUN : n < 66 ? ACT_PARAMS : n < 80 ? ACT_BEGIN :
	    n < 84 ? ACT_COPY_IN : n < 88 ? ACT_COPY_OUT : n < 94 ? ACT_ERROR :
	    n < 97 ? ACT_CANCEL : ACT_LEAVE;
}

static int
send_prepared(struct client *c, bool first)
{
	char		 name[16], sql[96], value[16];
	const char	*args[1] = { value };
	unsigned	 k = c->nonce % 4;

	snprintf(name, sizeof(name), "s%u", k);
	if (first || !c->prepared[k]) {
		/* A text of its own in half of the cases. */
		c->act = ACT_PREPARE;
		if (c->prepared[k]) {
			c->act = ACT_RUN;
		} else {
			snprintf(sql, sizeof(sql), "select %u, %u, $1::int",
			    k, k % 2 == 0 ? c->id : 0);
			return PQsendPrepare(c->conn, name, sql, 0, NULL);
		}
	}
	snprintf(value, sizeof(value), "%u", c->nonce);
	return PQsendQueryPrepared(c->conn, name, 1, args, NULL, NULL, 0);
}

static int
send_act(struct client *c)
{
	char		 sql[256], value[16];
	const char	*args[1] = { value };

	switch (c->act) {
	case ACT_SIMPLE:
		snprintf(sql, sizeof(sql), "select %u, %u", c->id, c->nonce);
		break;
	case ACT_PAIR:
		snprintf(sql, sizeof(sql), "select %u, %u; select %u, %u",
		    c->id, c->nonce, c->id, c->nonce + 1);
		break;
	case ACT_PREPARE:
		return send_prepared(c, true);
	case ACT_RUN:
		return send_prepared(c, false);
	case ACT_PARAMS:
		snprintf(sql, sizeof(sql), "select %u, $1::int", c->id);
		snprintf(value, sizeof(value), "%u", c->nonce);
		return PQsendQueryParams(c->conn, sql, 1, NULL, args, NULL,
		    NULL, 0);
	case ACT_BEGIN:
		c->in_tx = true;
		c->tx_commits = draw(4) != 0;
		snprintf(sql, sizeof(sql), "begin");
		break;
	case ACT_ADD:
		snprintf(sql, sizeof(sql),
		    "insert into storm values (%u, %u) returning client, value",
		    c->id, c->nonce);
		break;
	case ACT_END:
		snprintf(sql, sizeof(sql), c->tx_commits ? "commit" :
		    "rollback");
		break;
	case ACT_COPY_IN:
		snprintf(sql, sizeof(sql), "copy storm_copy from stdin");
		break;
	case ACT_COPY_OUT:
		snprintf(sql, sizeof(sql), "copy (select %u, %u from "
		    "generate_series(1, 300)) to stdout", c->id, c->nonce);
		break;
	case ACT_ERROR:
		snprintf(sql, sizeof(sql), "select 'n%u-%u'::int", c->id,
		    c->nonce);
		break;
	case ACT_CANCEL:
	case ACT_LEAVE:
		snprintf(sql, sizeof(sql), "select %u, %u, pg_sleep(0.%02u)",
		    c->id, c->nonce, draw(8));
		break;
	case ACT_CONNECT:
	case ACT_COUNT:
		return 1;
	}
	return PQsendQuery(c->conn, sql);
}

static void
next_act(struct client *c)
{
	c->nonce = draw(1000000000);
	c->results = 0;
	c->lines = 0;
	c->since = now;
	if (now >= end && !c->in_tx) {
		PQfinish(c->conn);
		c->conn = NULL;
		return;
	}
	c->act = now >= end ? ACT_END : choose(c);
	if (!send_act(c))
		die(c, "cannot send", PQerrorMessage(c->conn));
	PQflush(c->conn);
	if (c->act == ACT_CANCEL) {
		send_cancel(c);
	} else if (c->act == ACT_LEAVE) {
		done[ACT_LEAVE]++;
		if (draw(2) != 0)
			shutdown(PQsocket(c->conn), SHUT_RDWR);
		PQfinish(c->conn);
		connect_client(c);
	}
}

static void
check_row(struct client *c, const PGresult *r, unsigned wanted)
{
	int		 last = c->act == ACT_CANCEL ? 1 : PQnfields(r) - 1;
	const char	*id = PQgetvalue(r, 0, 0);

	if (PQntuples(r) != 1 ||
	    strtoul(PQgetvalue(r, 0, last), NULL, 10) != wanted)
		die(c, "another answer", PQntuples(r) > 0 ?
		    PQgetvalue(r, 0, last) : "no row");
	if (c->act == ACT_RUN) {
		if (strtoul(id, NULL, 10) != c->nonce % 4 ||
		    strtoul(PQgetvalue(r, 0, 1), NULL, 10) !=
		    (c->nonce % 2 == 0 ? c->id : 0))
			die(c, "another's statement", PQgetvalue(r, 0, 1));
	} else if (strtoul(id, NULL, 10) != c->id) {
		die(c, "another's answer", id);
	}
}

static void
check_error(struct client *c, const PGresult *r)
{
	const char	*state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	char		 mine[48];

	snprintf(mine, sizeof(mine), "n%u-%u", c->id, c->nonce);
	if (c->act == ACT_ERROR && state != NULL &&
	    strcmp(state, "22P02") == 0 &&
	    strstr(PQresultErrorMessage(r), mine) != NULL)
		return;
	if (c->act == ACT_CANCEL && state != NULL &&
	    strcmp(state, "57014") == 0)
		return;
	die(c, "error", PQresultErrorMessage(r));
}

static void
check_tag(struct client *c, PGresult *r)
{
	const char	*tag = PQcmdStatus(r);
	const char	*wanted = "";

	if (c->act == ACT_BEGIN)
		wanted = "BEGIN";
	else if (c->act == ACT_END)
		wanted = c->tx_commits ? "COMMIT" : "ROLLBACK";
	else if (c->act == ACT_COPY_IN)
		wanted = "COPY 50";
	else if (c->act == ACT_COPY_OUT)
		wanted = "COPY 300";
	if (strcmp(tag, wanted) != 0)
		die(c, "another tag", tag);
	if (c->act == ACT_COPY_OUT && c->lines != 300)
		die(c, "lines are missing", "");
}

/* Returns false if there is more to come. */
static bool
copy_lines(struct client *c)
{
	char	*line, mine[48];
	int	 n;

	snprintf(mine, sizeof(mine), "%u\t%u\n", c->id, c->nonce);
	/* 0: no whole line yet, come back. */
	while ((n = PQgetCopyData(c->conn, &line, 1)) > 0) {
		if (strcmp(line, mine) != 0)
			die(c, "another's line", line);
		PQfreemem(line);
		c->lines++;
	}
	if (n == -2)
		die(c, "COPY", PQerrorMessage(c->conn));
	return n == -1;
}

/* Returns false if the rest of a COPY must be waited for. */
static bool
take_result(struct client *c, PGresult *r)
{
	switch (PQresultStatus(r)) {
	case PGRES_TUPLES_OK:
		check_row(c, r, c->act == ACT_PAIR ? c->nonce + c->results :
		    c->nonce);
		break;
	case PGRES_COMMAND_OK:
		check_tag(c, r);
		break;
	case PGRES_COPY_IN:
		send_copy_in(c);
		break;
	case PGRES_COPY_OUT:
		return copy_lines(c);
	case PGRES_FATAL_ERROR:
		check_error(c, r);
		break;
	case PGRES_EMPTY_QUERY:
	case PGRES_COPY_BOTH:
	case PGRES_BAD_RESPONSE:
	case PGRES_NONFATAL_ERROR:
	case PGRES_SINGLE_TUPLE:
	case PGRES_PIPELINE_SYNC:
	case PGRES_PIPELINE_ABORTED:
		die(c, "result", PQresStatus(PQresultStatus(r)));
	}
	if (PQresultStatus(r) != PGRES_COPY_IN)
		c->results++;
	return true;
}

/* All results were seen: were they as many as they must be? */
static void
finish_act(struct client *c)
{
	if (c->results != (c->act == ACT_PAIR ? 2 : 1))
		die(c, "number of results", "");
	done[c->act]++;
	if (c->act == ACT_PREPARE) {
		c->prepared[c->nonce % 4] = true;
	} else if (c->act == ACT_ADD) {
		c->adds++;
	} else if (c->act == ACT_END) {
		if (c->tx_commits)
			c->added += c->adds;
		c->adds = 0;
		c->in_tx = false;
	}
	next_act(c);
}

static void
read_client(struct client *c)
{
	PGresult	*r;
	bool		 more = true;

	if (!PQconsumeInput(c->conn))
		die(c, "lost", PQerrorMessage(c->conn));
	PQflush(c->conn);
	while (more && !PQisBusy(c->conn)) {
		r = PQgetResult(c->conn);
		if (r == NULL) {
			finish_act(c);
			return;
		}
		more = take_result(c, r);
		PQclear(r);
	}
}

static void
move_client(struct client *c)
{
	if (!c->connecting) {
		read_client(c);
		return;
	}
	c->want = PQconnectPoll(c->conn);
	if (c->want == PGRES_POLLING_FAILED)
		die(c, "cannot connect", PQerrorMessage(c->conn));
	if (c->want == PGRES_POLLING_OK) {
		PQsetnonblocking(c->conn, 1);
		c->connecting = false;
		done[ACT_CONNECT]++;
		next_act(c);
	}
}

/* One turn: returns how many clients are still at it. */
static size_t
turn(struct pollfd *polls, struct client **who)
{
	size_t		 i, n = 0;
	struct client	*c;

	for (i = 0; i < clients_count; i++) {
		c = &clients[i];
		if (c->conn == NULL)
			continue;
		if (now - c->since > PATIENCE_S)
			die(c, "no answer in time", "");
		who[n] = c;
		polls[n].fd = PQsocket(c->conn);
		polls[n].events = c->connecting ?
		    (c->want == PGRES_POLLING_WRITING ? POLLOUT : POLLIN) :
		    (short)(POLLIN | (PQflush(c->conn) == 1 ? POLLOUT : 0));
		polls[n++].revents = 0;
	}
	if (n > 0 && poll(polls, (nfds_t)n, 1000) < 0 && errno != EINTR)
		die(clients, "poll", strerror(errno));
	now = time(NULL);
	for (i = 0; i < n; i++)
		if (polls[i].revents != 0)
			move_client(who[i]);
	return n;
}

static unsigned long
count_added(const char *sql)
{
	PGconn		*conn = PQconnectdb("");
	PGresult	*r = PQexec(conn, sql);
	unsigned long	 n;

	if (PQresultStatus(r) != PGRES_TUPLES_OK) {
		fprintf(stderr, "storm: %s", PQerrorMessage(conn));
		exit(1);
	}
	n = strtoul(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	PQfinish(conn);
	return n;
}

int
main(int argc, char **argv)
{
	struct pollfd	 *polls;
	struct client	**who;
	unsigned long	  added = 0, total = 0, found;
	size_t		  i;

	if (argc != 4) {
		fprintf(stderr, "usage: storm clients seconds seed\n");
		return 2;
	}
	clients_count = strtoul(argv[1], NULL, 10);
	lot = strtoull(argv[3], NULL, 10) * 2654435761u + 88172645463325252u;
	clients = calloc(clients_count, sizeof(*clients));
	polls = calloc(clients_count, sizeof(*polls));
	who = calloc(clients_count, sizeof(*who));
	if (clients == NULL || polls == NULL || who == NULL)
		return 2;
	now = time(NULL);
	end = now + (time_t)strtoul(argv[2], NULL, 10);
	/* In groups: a listening socket has only so many places. */
	for (i = 0; i < clients_count; i++) {
		clients[i].id = (unsigned)i + 1;
		clients[i].since = now;
		connect_client(&clients[i]);
		while (i % 32 == 31 && clients[i].connecting)
			turn(polls, who);
	}
	while (turn(polls, who) > 0)
		;
	for (i = 0; i < clients_count; i++)
		added += clients[i].added;
	found = count_added("select count(*) from storm");
	for (i = 0; i < ACT_COUNT; i++) {
		printf("%s%s %lu", i > 0 ? ", " : "", act_names[i], done[i]);
		total += done[i];
	}
	printf("; %lu in all, %lu rows added\n", total, added);
	if (found != added) {
		fprintf(stderr, "storm: %lu rows acknowledged, %lu found\n",
		    added, found);
		return 1;
	}
	free(clients);
	free(polls);
	free(who);
	return 0;
}
