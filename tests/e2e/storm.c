/* SPDX-License-Identifier: MIT */
/*
 * storm - many clients that do everything at once, and believe nothing.
 *
 * usage: storm clients seconds seed [rough] < /dev/null. libpq's environment
 * says where the pooler is (a Unix socket). The server has a table
 * storm(client int, value int) and a table storm_copy(line text).
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
 * "rough" is for a run in which others kill servers, clients and pools: a
 * client that is told by a FATAL error that it is lost, or whose connection
 * ends, comes back, and a COMMIT that was lost with it may count or not. All
 * other errors, and answers of others, still end the program. Half of the
 * clients then come over TCP, and they behave worse: they leave by a reset,
 * read late, stop reading for good, and some send one byte at a time.
 *
 * Clients are moved by one poll() loop, so that all of them really are open
 * at the same time. Prints one line of figures.
 */
#include "common/base.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S	60
/* Connections that are never read again, at the same time. */
#define STALLED		4
/* Clients for each that sends byte by byte. */
#define PER_DRIBBLER	50

enum act {
	ACT_SIMPLE, ACT_PAIR, ACT_PREPARE, ACT_RUN, ACT_PARAMS, ACT_BEGIN,
	ACT_ADD, ACT_END, ACT_COPY_IN, ACT_COPY_OUT, ACT_ERROR, ACT_CANCEL,
	ACT_LEAVE, ACT_RESET, ACT_STALL, ACT_SLOW, ACT_CONNECT, ACT_COUNT
};

static const char	*const act_names[ACT_COUNT] = {
	"simple", "pair", "prepare", "run", "params", "begin", "add", "end",
	"copy in", "copy out", "error", "cancel", "leave", "reset",
	"stall", "slow", "connect"
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
	bool		 broken;	/* rough: it was told so */
	bool		 back;		/* rough: it comes back at `wake` */
	time_t		 wake;		/* slow: it reads on then */
	time_t		 since;
};

/* Asks one question by single bytes, then comes again. */
struct dribbler {
	int		 fd;
	char		 out[256];
	size_t		 len, pos;
	char		 in[4096];
	size_t		 got;
	bool		 asked;
	char		 nonce[32];
	time_t		 since;
};

static struct client	*clients;
static size_t		 clients_count;
static unsigned long	 done[ACT_COUNT];
static bool		 rough;
static struct dribbler	*dribblers;
static size_t		 dribblers_count;
static PGconn		*stalled[STALLED];
static unsigned long	 lost_count, doubtful, dribbled;
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

/* It comes back a little later, unless all is over. */
static void
lose(struct client *c)
{
	lost_count++;
	if (c->act == ACT_END && c->tx_commits)
		doubtful += c->adds;
	PQfinish(c->conn);
	c->conn = NULL;
	c->broken = false;
	c->back = now < end;
	c->wake = now + 1;
}

static void
connect_client(struct client *c)
{
	c->conn = PQconnectStart(rough && c->id % 2 == 1 ?
	    "host=127.0.0.1 connect_timeout=60" : "connect_timeout=60");
	c->back = false;
	c->wake = 0;
	if (rough)
		c->since = now;
	c->act = ACT_CONNECT;
	if (rough && PQstatus(c->conn) == CONNECTION_BAD) {
		lose(c);
		return;
	}
	if (c->conn == NULL || PQstatus(c->conn) == CONNECTION_BAD)
		die(c, "cannot connect", c->conn == NULL ? "no memory" :
		    PQerrorMessage(c->conn));
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
		if (PQputCopyData(c->conn, line, (int)strlen(line)) != 1 &&
		    !rough)
			die(c, "COPY data", PQerrorMessage(c->conn));
	}
	if (PQputCopyEnd(c->conn, NULL) != 1 && !rough)
		die(c, "COPY end", PQerrorMessage(c->conn));
}

/* Asks the pooler to cancel what c runs; a key of its own, so it may come
 * late, and then must do nothing to anybody else. */
static void
send_cancel(struct client *c)
{
	PGcancel	*cancel = PQgetCancel(c->conn);
	char		 why[256];

	if (cancel == NULL || (!PQcancel(cancel, why, sizeof(why)) && !rough))
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
	    n < 97 ? ACT_CANCEL : !rough ? ACT_LEAVE :
	    ACT_LEAVE + (enum act)draw(4);
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
	case ACT_SLOW:
		snprintf(sql, sizeof(sql), "select %u, %u, repeat('s', 300000)",
		    c->id, c->nonce);
		c->wake = now + 1 + draw(3);
		break;
	case ACT_STALL:
		snprintf(sql, sizeof(sql), "select repeat('s', 1000) "
		    "from generate_series(1, 5000)");
		break;
	case ACT_CANCEL:
	case ACT_LEAVE:
	case ACT_RESET:
		snprintf(sql, sizeof(sql), "select %u, %u, pg_sleep(0.%02u)",
		    c->id, c->nonce, draw(8));
		break;
	case ACT_CONNECT:
	case ACT_COUNT:
		return 1;
	}
	return PQsendQuery(c->conn, sql);
}

/* By a reset, or without a word and without reading what was asked for. */
static void
go_badly(struct client *c)
{
	struct linger	now_ = { .l_onoff = 1 };
	unsigned	i = draw(STALLED);

	done[c->act]++;
	if (c->act == ACT_RESET) {
		setsockopt(PQsocket(c->conn), SOL_SOCKET, SO_LINGER, &now_,
		    sizeof(now_));
		PQfinish(c->conn);
	} else {
		PQfinish(stalled[i]);
		stalled[i] = c->conn;
	}
	connect_client(c);
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
	if (!send_act(c)) {
		if (!rough)
			die(c, "cannot send", PQerrorMessage(c->conn));
		lose(c);
		return;
	}
	PQflush(c->conn);
	if (c->act == ACT_CANCEL) {
		send_cancel(c);
	} else if (c->act == ACT_LEAVE) {
		done[ACT_LEAVE]++;
		if (draw(2) != 0)
			shutdown(PQsocket(c->conn), SHUT_RDWR);
		PQfinish(c->conn);
		connect_client(c);
	} else if (c->act == ACT_RESET || c->act == ACT_STALL) {
		go_badly(c);
	}
}

static void
check_row(struct client *c, const PGresult *r, unsigned wanted)
{
	int		 last = c->act == ACT_CANCEL || c->act == ACT_SLOW ? 1 :
	    PQnfields(r) - 1;
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
	/* Without a state it is libpq's word for a connection that ended. */
	if (rough && (state == NULL || strcmp(PQresultErrorField(r,
	    PG_DIAG_SEVERITY_NONLOCALIZED), "FATAL") == 0)) {
		c->broken = true;
		return;
	}
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
	if (n == -2 && !rough)
		die(c, "COPY", PQerrorMessage(c->conn));
	return n < 0;
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
#ifdef LIBPQ_HAS_CHUNK_MODE	/* libpq 17 */
	case PGRES_TUPLES_CHUNK:
#endif
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

	if (!PQconsumeInput(c->conn) && !rough)
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
		if (c->broken) {
			lose(c);
			return;
		}
	}
	if (PQstatus(c->conn) == CONNECTION_BAD)
		lose(c);
}

static void
move_client(struct client *c)
{
	if (!c->connecting) {
		read_client(c);
		return;
	}
	c->want = PQconnectPoll(c->conn);
	if (c->want == PGRES_POLLING_FAILED && rough) {
		lose(c);
		return;
	}
	if (c->want == PGRES_POLLING_FAILED)
		die(c, "cannot connect", PQerrorMessage(c->conn));
	if (c->want == PGRES_POLLING_OK) {
		PQsetnonblocking(c->conn, 1);
		c->connecting = false;
		done[ACT_CONNECT]++;
		next_act(c);
	}
}

/* ---- byte by byte ---- */

static void
put_packet(struct dribbler *d, char type, const char *body, size_t n)
{
	size_t	len = n + 4;

	if (type != 0)
		d->out[d->len++] = type;
	d->out[d->len++] = 0;
	d->out[d->len++] = 0;
	d->out[d->len++] = 0;
	d->out[d->len++] = (char)len;
	memcpy(d->out + d->len, body, n);
	d->len += n;
}

static void
dribbler_open(struct dribbler *d)
{
	static const char startup[] = "\0\3\0\0user\0alice\0"
	    "database\0postgres\0";
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	*d = (struct dribbler){ .fd = socket(AF_UNIX, SOCK_STREAM, 0),
	    .since = now };
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/.s.PGSQL.%s",
	    getenv("PGHOST"), getenv("PGPORT"));
	if (d->fd < 0 || connect(d->fd, (struct sockaddr *)&un,
	    sizeof(un)) != 0) {
		perror("storm: byte by byte");
		exit(1);
	}
	put_packet(d, 0, startup, sizeof(startup));
}

static void
dribbler_end(struct dribbler *d, const char *why)
{
	close(d->fd);
	d->fd = -1;
	if (why != NULL) {
		fprintf(stderr, "storm: byte by byte, %s: %s\n", d->nonce,
		    why);
		exit(1);
	}
	if (now < end)
		dribbler_open(d);
}

/* Everything came: the answer, or a word why not? */
static void
dribbler_judge(struct dribbler *d)
{
	size_t	i, n = strlen(d->nonce);

	for (i = 0; d->asked && i + n <= d->got; i++)
		if (memcmp(d->in + i, d->nonce, n) == 0) {
			dribbled++;
			dribbler_end(d, NULL);
			return;
		}
	lost_count++;
	for (i = 0; i + 5 <= d->got; i++)
		if (memcmp(d->in + i, "FATAL", 5) == 0) {
			dribbler_end(d, NULL);
			return;
		}
	/* A KILL is without a word. */
	dribbler_end(d, d->got > 0 && d->in[d->got - 1] == 'T' ?
	    "a transaction that it did not begin" : NULL);
}

static void
dribbler_move(struct dribbler *d, short events)
{
	char	sql[64];
	ssize_t	n;

	if (events & (POLLIN | POLLHUP | POLLERR)) {
		n = recv(d->fd, d->in + d->got, sizeof(d->in) - d->got, 0);
		if (n <= 0) {
			dribbler_judge(d);
			return;
		}
		d->got += (size_t)n;
	}
	if (!d->asked && d->got > 6 &&
	    memcmp(d->in + d->got - 6, "Z\0\0\0\5I", 6) == 0) {
		d->asked = true;
		d->got = d->len = d->pos = 0;
		snprintf(d->nonce, sizeof(d->nonce), "dribble-%u",
		    draw(1000000000));
		snprintf(sql, sizeof(sql), "select '%s'", d->nonce);
		put_packet(d, 'Q', sql, strlen(sql) + 1);
		put_packet(d, 'X', "", 0);
	}
	if ((events & POLLOUT) && d->pos < d->len &&
	    send(d->fd, d->out + d->pos, 1, MSG_NOSIGNAL) == 1)
		d->pos++;
}

/* ---- all of them ---- */

/* The clients that are at it, in polls and who; *waiting come back later. */
static size_t
gather(struct pollfd *polls, struct client **who, size_t *waiting)
{
	size_t		 i, n = 0;
	struct client	*c;

	for (i = 0; i < clients_count; i++) {
		c = &clients[i];
		if (c->back && now >= c->wake && now < end)
			connect_client(c);
		if (c->conn == NULL) {
			c->back = c->back && now < end;
			*waiting += c->back;
			continue;
		}
		if (now - c->since > PATIENCE_S)
			die(c, "no answer in time", "");
		if (!c->connecting && c->act == ACT_SLOW && now < c->wake) {
			++*waiting;
			continue;
		}
		who[n] = c;
		polls[n].fd = PQsocket(c->conn);
		polls[n].events = c->connecting ?
		    (c->want == PGRES_POLLING_WRITING ? POLLOUT : POLLIN) :
		    (short)(POLLIN | (PQflush(c->conn) == 1 ? POLLOUT : 0));
		polls[n++].revents = 0;
	}
	return n;
}

/* One turn: returns how many clients are still at it. */
static size_t
turn(struct pollfd *polls, struct client **who)
{
	size_t	i, n, m, waiting = 0;

	n = m = gather(polls, who, &waiting);
	for (i = 0; i < dribblers_count; i++) {
		struct dribbler *d = &dribblers[i];

		if (d->fd >= 0 && now - d->since > PATIENCE_S)
			dribbler_end(d, "no answer in time");
		polls[m++] = (struct pollfd){ .fd = d->fd, .events = (short)
		    (POLLIN | (d->pos < d->len ? POLLOUT : 0)) };
		waiting += d->fd >= 0;
	}
	if (n + waiting > 0 && poll(polls, (nfds_t)m, waiting > 0 ? 100 :
	    1000) < 0 && errno != EINTR)
		die(clients, "poll", strerror(errno));
	now = time(NULL);
	for (i = 0; i < n; i++)
		if (polls[i].revents != 0)
			move_client(who[i]);
	for (i = n; i < m; i++)
		if (polls[i].revents != 0)
			dribbler_move(&dribblers[i - n], polls[i].revents);
	return n + waiting;
}

/* Rough: whoever throws clients out may not have ended when they have. */
static unsigned long
count_added(const char *sql)
{
	time_t		 last = time(NULL) + (rough ? PATIENCE_S : 0);
	PGconn		*conn = PQconnectdb("");
	PGresult	*r = PQexec(conn, sql);
	unsigned long	 n;

	while (PQresultStatus(r) != PGRES_TUPLES_OK) {
		if (time(NULL) >= last) {
			fprintf(stderr, "storm: %s", PQerrorMessage(conn));
			exit(1);
		}
		poll(NULL, 0, 100);
		PQclear(r);
		PQreset(conn);
		r = PQexec(conn, sql);
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

	rough = argc == 5 && strcmp(argv[4], "rough") == 0;
	if (argc != 4 && !rough) {
		fprintf(stderr, "usage: storm clients seconds seed [rough]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	clients_count = strtoul(argv[1], NULL, 10);
	lot = strtoull(argv[3], NULL, 10) * 2654435761u + 88172645463325252u;
	dribblers_count = rough ? clients_count / PER_DRIBBLER : 0;
	clients = calloc(clients_count, sizeof(*clients));
	dribblers = calloc(dribblers_count + 1, sizeof(*dribblers));
	polls = calloc(clients_count + dribblers_count, sizeof(*polls));
	who = calloc(clients_count, sizeof(*who));
	if (clients == NULL || dribblers == NULL || polls == NULL ||
	    who == NULL)
		return 2;
	now = time(NULL);
	end = now + (time_t)strtoul(argv[2], NULL, 10);
	for (i = 0; i < dribblers_count; i++)
		dribbler_open(&dribblers[i]);
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
	for (i = 0; i < STALLED; i++)
		PQfinish(stalled[i]);
	for (i = 0; i < clients_count; i++)
		added += clients[i].added;
	found = count_added("select count(*) from storm");
	for (i = 0; i < ACT_COUNT; i++) {
		printf("%s%s %lu", i > 0 ? ", " : "", act_names[i], done[i]);
		total += done[i];
	}
	printf("; %lu in all, %lu rows added", total, added);
	if (rough)
		printf(", %lu in doubt; lost and came back %lu, byte by byte "
		    "%lu", doubtful, lost_count, dribbled);
	printf("\n");
	if (found < added || found > added + doubtful) {
		fprintf(stderr, "storm: %lu rows acknowledged, %lu found\n",
		    added, found);
		return 1;
	}
	free(clients);
	free(dribblers);
	free(polls);
	free(who);
	return 0;
}
