/* SPDX-License-Identifier: MIT */
/*
 * The pooler's state machines, both sides: the input plays clients that are
 * logged in (or try to be) and the PostgreSQL behind them.
 *
 * A pooler with two workers is made once for each input; its threads are not
 * started, their loops are turned from here, so that an input always does the
 * same. The input is a list of acts: an opcode, whom it is about, and bytes.
 * Servers answer by themselves (as PostgreSQL would, roughly) when told to.
 * Checked: what a client hears is whole messages of legal types as long as
 * its server spoke such; in the end every client, server and cancel request
 * is gone, and the counts are back at zero.
 */
#include "common/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "pooler/addr.h"
#include "pooler/config.h"
#include "pooler/pooler.h"
#include "pooler/client.h"
#include "tests/fuzz/fuzz.h"

#define CLIENTS		3
#define SERVERS		4
#define ACTS_MAX	60

struct client_side {
	int		fd;
	struct buf	heard;
	bool		ready;		/* has been told ReadyForQuery */
};

struct server_side {
	int		fd;
	struct buf	heard;
	bool		started;	/* its start-up packet was answered */
	bool		failed;		/* skips up to the next Sync */
	bool		raw;		/* has sent what no server sends */
	char		tx;
};

static char		 dir[64], ini[128];
static struct pooler	*pooler;
static int		 listener = -1;
static struct client_side clients[CLIENTS];
static struct server_side servers[SERVERS];
static bool		 any_raw;

/* The bytes of the input that are left. */
static const uint8_t	*in;
static size_t		 in_left;

static uint8_t
next(void)
{
	if (in_left == 0)
		return 0;
	in_left--;
	return *in++;
}

static void
nonblocking(int fd)
{
	FUZZ_CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
}

/* --- the world around ------------------------------------------------------- */

static void
tidy(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/.s.PGSQL.1", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/.s.PGSQL.7777", dir);
	unlink(path);
	unlink(ini);
	rmdir(dir);
}

static void
make_world(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct log_target nowhere = { .to_stderr = getenv("FUZZ_LOG") != NULL };
	struct err e = { 0 };
	FILE *f;

	snprintf(dir, sizeof(dir), "/tmp/pooler-fuzz.XXXXXX");
	FUZZ_CHECK(mkdtemp(dir) != NULL);
	atexit(tidy);
	snprintf(ini, sizeof(ini), "%s/x.ini", dir);
	f = fopen(ini, "w");
	FUZZ_CHECK(f != NULL);
	fprintf(f, "[databases]\n"
	    "t = host=%s port=1 user=u pool_size=2\n"
	    "s = host=%s port=1 user=u pool_size=2 pool_mode=session\n"
	    "[pgbouncer]\nlisten_port = 7777\nunix_socket_dir = %s\n"
	    "auth_type = any\nworker_threads = 2\npool_mode = transaction\n"
	    "max_prepared_statements = 3\nserver_login_retry = 0\n"
	    "track_extra_parameters = search_path\n"
	    "server_reset_query = DISCARD ALL\nserver_check_delay = 0\n"
	    "server_check_query = select 1\nstats_period = 3600\n",
	    dir, dir, dir);
	fclose(f);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/.s.PGSQL.1", dir);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	FUZZ_CHECK(listener >= 0 &&
	    bind(listener, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	    listen(listener, 64) == 0);
	nonblocking(listener);
	log_set_verbose(getenv("FUZZ_LOG") ? 2 : 0);
	FUZZ_CHECK(log_open(&nowhere, &e) == 0);
}

static void
send_all(int fd, const void *bytes, size_t n)
{
	/* What does not fit is lost: the pooler has stopped to read. */
	if (fd >= 0 && n > 0 && send(fd, bytes, n, MSG_NOSIGNAL) < 0)
		FUZZ_CHECK(errno == EAGAIN || errno == EPIPE ||
		    errno == ECONNRESET);
}

/* One message. */
static void
say(int fd, char type, const void *body, size_t n)
{
	uint8_t	m[600];
	size_t	len = n + 4;

	FUZZ_CHECK(n + 5 <= sizeof(m));
	m[0] = (uint8_t)type;
	m[1] = m[2] = 0;
	m[3] = (uint8_t)(len >> 8);
	m[4] = (uint8_t)len;
	memcpy(m + 5, body, n);
	send_all(fd, m, n + 5);
}

/* Reads what is there; false when the other side has closed. */
static bool
hear(int fd, struct buf *heard)
{
	char	bytes[16384];
	ssize_t	n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		buf_append(heard, bytes, (size_t)n);
	FUZZ_CHECK(!buf_failed(heard));
	return n < 0 && errno == EAGAIN;
}

/* The length of the whole message at the start, 0 if there is none. */
static size_t
message(const struct buf *b)
{
	const uint8_t *p = (const uint8_t *)buf_bytes(b);
	size_t len;

	if (buf_len(b) < 5)
		return 0;
	len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 |
	    p[4];
	return buf_len(b) < len + 1 ? 0 : len + 1;
}

/* --- PostgreSQL ---------------------------------------------------------------- */

static void
server_error(struct server_side *s)
{
	static const char text[] = "SERROR\0VERROR\0C42601\0Mno\0";

	say(s->fd, 'E', text, sizeof(text));
}

static void
answer_one(struct server_side *s, char type, const char *body, bool fail)
{
	if (s->failed && strchr("PBDEHC", type))
		return;
	if (fail && strchr("PBDEQC", type)) {
		server_error(s);
		s->failed = type != 'Q';
		if (s->tx == 'T')
			s->tx = 'E';
		if (type == 'Q')
			say(s->fd, 'Z', &s->tx, 1);
		return;
	}
	switch (type) {
	case 'P':
		say(s->fd, '1', "", 0);
		break;
	case 'B':
		say(s->fd, '2', "", 0);
		break;
	case 'C':
		say(s->fd, '3', "", 0);
		break;
	case 'D':
		say(s->fd, 'n', "", 0);
		break;
	case 'E':
		say(s->fd, 'C', "SELECT 0", 9);
		break;
	case 'S':
		s->failed = false;
		say(s->fd, 'Z', &s->tx, 1);
		break;
	case 'Q':
		if (strncmp(body, "BEGIN", 5) == 0)
			s->tx = 'T';
		else if (strncmp(body, "ROLLBACK", 8) == 0 ||
		    strncmp(body, "COMMIT", 6) == 0)
			s->tx = 'I';
		say(s->fd, 'C', "SELECT 0", 9);
		say(s->fd, 'Z', &s->tx, 1);
		break;
	}
}

/* Answers what has come: all, or with `fail` the first one by an error. */
static void
answer(struct server_side *s, bool fail)
{
	char	type, body[16];
	size_t	n;

	while ((n = message(&s->heard)) > 0) {
		type = buf_bytes(&s->heard)[0];
		memset(body, 0, sizeof(body));
		memcpy(body, buf_bytes(&s->heard) + 5, n - 5 < 15 ? n - 5 : 15);
		buf_consume(&s->heard, n);
		answer_one(s, type, body, fail);
		fail = false;
	}
}

static void
server_start(struct server_side *s)
{
	static const struct { const char *name, *value; } status[] = {
		{ "server_version", "16.4" }, { "client_encoding", "UTF8" },
		{ "DateStyle", "ISO, MDY" }, { "TimeZone", "UTC" },
		{ "standard_conforming_strings", "on" },
		{ "application_name", "" },
	};
	char	pair[64];
	int	n;

	if (buf_len(&s->heard) < 8)
		return;
	buf_clear(&s->heard);
	s->started = true;
	s->tx = 'I';
	say(s->fd, 'R', "\0\0\0\0", 4);
	for (size_t i = 0; i < ARRAY_LEN(status); i++) {
		n = snprintf(pair, sizeof(pair), "%s%c%s", status[i].name, 0,
		    status[i].value);
		say(s->fd, 'S', pair, (size_t)n + 1);
	}
	say(s->fd, 'K', "\0\0\0\1\0\0\0\2", 8);
	say(s->fd, 'Z', "I", 1);
}

static void
server_close_side(struct server_side *s)
{
	if (s->fd >= 0)
		close(s->fd);
	buf_release(&s->heard);
	memset(s, 0, sizeof(*s));
	s->fd = -1;
}

/* --- a turn ------------------------------------------------------------------- */

/* Types that a client may be sent; 'N' and 'A' at any time. */
static void
check_client(struct client_side *c)
{
	size_t n;

	while ((n = message(&c->heard)) > 0) {
		char type = buf_bytes(&c->heard)[0];

		if (!any_raw)
			FUZZ_CHECK(strchr("RSKZCDTEN123nstIAGHdcVvW", type));
		if (type == 'Z')
			c->ready = true;
		buf_consume(&c->heard, n);
	}
}

static void
accept_servers(void)
{
	int fd;

	for (size_t i = 0; i < SERVERS; i++) {
		if (servers[i].fd >= 0)
			continue;
		fd = accept(listener, NULL, NULL);
		if (fd < 0)
			return;
		nonblocking(fd);
		servers[i].fd = fd;
	}
}

static void
turn(void)
{
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < pooler->control.workers.n; i++)
			loop_turn(&pooler->control.workers.all[i].loop, 0);
		accept_servers();
		for (size_t i = 0; i < SERVERS; i++) {
			struct server_side *s = &servers[i];

			if (s->fd < 0)
				continue;
			if (!hear(s->fd, &s->heard))
				server_close_side(s);
			else if (!s->started)
				server_start(s);
		}
		for (size_t i = 0; i < CLIENTS; i++) {
			struct client_side *c = &clients[i];

			if (c->fd < 0)
				continue;
			if (!hear(c->fd, &c->heard)) {
				close(c->fd);
				c->fd = -1;
			}
			check_client(c);
		}
	}
}

static void
client_open(struct client_side *c, uint8_t how)
{
	static const char start[2][28] = {
		"\0\0\0\033\0\3\0\0user\0u\0database\0t\0",
		"\0\0\0\033\0\3\0\0user\0u\0database\0s\0",
	};
	struct addr remote = { .family = AF_UNIX, .port = 7777 };
	int pair[2];

	if (c->fd >= 0)
		return;
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	nonblocking(pair[0]);
	nonblocking(pair[1]);
	c->fd = pair[0];
	c->ready = false;
	buf_clear(&c->heard);
	client_post_accept(&pooler->control.workers.all[how & 1], pair[1], &remote);
	if (how & 4)		/* it says how it starts by itself */
		return;
	send_all(c->fd, start[how >> 1 & 1], 27);
	turn();
}

/* --- acts ------------------------------------------------------------------------ */

/* Up to 255 bytes of the input. */
static size_t
some(const uint8_t **bytes)
{
	size_t n = next();

	if (n > in_left)
		n = in_left;
	*bytes = in;
	in += n;
	in_left -= n;
	return n;
}

static void
act(uint8_t op)
{
	struct client_side *c = &clients[(op >> 4) % CLIENTS];
	struct server_side *s = &servers[(op >> 4) % SERVERS];
	const uint8_t *bytes;
	size_t n;
	char type;

	switch (op & 15) {
	case 0:
		client_open(c, next());
		break;
	case 1:			/* the client says anything */
		n = some(&bytes);
		send_all(c->fd, bytes, n);
		break;
	case 2:
	case 3:
	case 4:			/* ... or a message */
		type = (char)next();
		n = some(&bytes);
		say(c->fd, type, bytes, n);
		break;
	case 5:
		say(c->fd, 'S', "", 0);
		break;
	case 6:
		say(c->fd, 'Q', "BEGIN", 6);
		break;
	case 7:
		say(c->fd, 'Q', "COMMIT", 7);
		break;
	case 8:
	case 9:			/* servers answer */
		for (size_t i = 0; i < SERVERS; i++)
			if (servers[i].fd >= 0 && servers[i].started)
				answer(&servers[i], false);
		break;
	case 10:
		if (s->fd >= 0 && s->started)
			answer(s, true);
		break;
	case 11:		/* a message of the server's own */
		type = (char)next();
		n = some(&bytes);
		any_raw = any_raw || !strchr("SNA", type);
		say(s->fd, type, bytes, n);
		break;
	case 12:
		n = some(&bytes);
		any_raw = any_raw || n > 0;
		send_all(s->fd, bytes, n);
		break;
	case 13:
		if (c->fd >= 0)
			close(c->fd);
		c->fd = -1;
		break;
	case 14:
		server_close_side(s);
		break;
	case 15:		/* half a goodbye */
		if (c->fd >= 0)
			shutdown(c->fd, SHUT_WR);
		break;
	}
	turn();
}

/* All peers leave: nothing may stay behind. */
static void
end_world(void)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		if (clients[i].fd >= 0)
			close(clients[i].fd);
		clients[i].fd = -1;
		buf_release(&clients[i].heard);
	}
	for (int round = 0; round < 20; round++) {
		turn();
		for (size_t i = 0; i < SERVERS; i++)
			server_close_side(&servers[i]);
	}
	loop_turn(&pooler->control.loop, 0);	/* as pooler_run() ends */
	for (uint32_t i = 0; i < pooler->control.workers.n; i++) {
		FUZZ_CHECK(list_count(&pooler->control.workers.all[i].clients) == 0);
		FUZZ_CHECK(list_count(&pooler->control.workers.all[i].servers) == 0);
		FUZZ_CHECK(list_count(&pooler->control.workers.all[i].cancels) == 0);
		FUZZ_CHECK(pooler->control.workers.all[i].clients_slab.used == 0);
	}
	FUZZ_CHECK(atomic_load(&pooler->control.shared.server_count) == 0);
	FUZZ_CHECK(workers_clients(&pooler->control.workers) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct config_source source = { .path = ini };
	struct config *config = NULL;
	struct err e = { 0 };

	if (listener < 0)
		make_world();
	in = bytes;
	in_left = n;
	any_raw = false;
	for (size_t i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	for (size_t i = 0; i < SERVERS; i++)
		servers[i].fd = -1;
	FUZZ_CHECK(config_load(&source, &config, &e) == 0);
	FUZZ_CHECK(pooler_new(config, &source, &pooler, &e) == 0);
	client_open(&clients[0], 0);
	for (int i = 0; i < ACTS_MAX && in_left > 0; i++)
		act(next());
	end_world();
	pooler_free(pooler);
	return 0;
}
