/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/pgtalk/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/pgtalk/talk.h"

#define MAX_CONNS	64

static struct conn	conns[MAX_CONNS];

void
conn_init(void)
{
	size_t	i;

	for (i = 0; i < MAX_CONNS; i++)
		conns[i].fd = -1;
}

struct conn *
conn_find(const char *name)
{
	size_t	i;

	for (i = 0; i < MAX_CONNS; i++)
		if (conns[i].fd >= 0 && strcmp(conns[i].name, name) == 0)
			return &conns[i];
	fail("no connection %s", name);
	return NULL;
}

static struct conn *
conn_new(const char *name)
{
	size_t	i;

	for (i = 0; i < MAX_CONNS; i++)
		if (conns[i].fd < 0)
			break;
	if (i == MAX_CONNS || strlen(name) >= sizeof(conns[i].name)) {
		fail("too many connections, or too long a name");
		return NULL;
	}
	memset(&conns[i], 0, sizeof(conns[i]));
	conns[i].fd = -1;
	strcpy(conns[i].name, name);
	return &conns[i];
}

void
conn_close(struct conn *c, bool rst)
{
	struct linger	l = { 1, 0 };

	if (rst)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
	/* Not PQfinish: it would send Terminate. libpq closes a second time. */
	if (c->pg != NULL) {
		int	null = open("/dev/null", O_RDWR);

		shutdown(c->fd, SHUT_RDWR);
		dup2(null, c->fd);
		close(null);
		PQfinish(c->pg);
	} else {
		close(c->fd);
	}
	free(c->in);
	free(c->last);
	memset(c, 0, sizeof(*c));
	c->fd = -1;
}

void
conn_open(const char *name, const char *conninfo)
{
	struct conn	*c = conn_new(name);
	PGconn		*pg;

	if (c == NULL)
		return;
	pg = PQconnectdb(conninfo);
	if (PQstatus(pg) != CONNECTION_OK) {
		fail("login: %s", PQerrorMessage(pg));
		PQfinish(pg);
		return;
	}
	c->pg = pg;
	c->fd = PQsocket(pg);
}

void
conn_open_raw(const char *name)
{
	struct conn		*c = conn_new(name);
	const char		*host = getenv("PGHOST"), *port = getenv("PGPORT");
	struct sockaddr_un	 un = { .sun_family = AF_UNIX };
	struct sockaddr_in	 in = { .sin_family = AF_INET };
	struct sockaddr		*sa = (struct sockaddr *)&un;
	socklen_t		 len = sizeof(un);
	int			 fd;

	if (c == NULL)
		return;
	if (host == NULL || port == NULL) {
		fail("raw needs PGHOST and PGPORT");
		return;
	}
	if (host[0] == '/') {
		snprintf(un.sun_path, sizeof(un.sun_path), "%.80s/.s.PGSQL.%.8s",
		    host, port);
	} else {
		in.sin_port = htons((uint16_t)strtol(port, NULL, 10));
		in.sin_addr.s_addr = inet_addr(host);
		sa = (struct sockaddr *)&in;
		len = sizeof(in);
	}
	fd = socket(sa->sa_family, SOCK_STREAM, 0);
	if (connect(fd, sa, len) != 0) {
		fail("connect: %s", strerror(errno));
		close(fd);
		return;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	c->fd = fd;
}

static bool
wait_for(int fd, short what, long until)
{
	struct pollfd	p = { .fd = fd, .events = what };
	long		left = until - now_ms();

	return poll(&p, 1, left > 0 ? (int)left : 0) > 0;
}

void
conn_send(struct conn *c, const void *data, size_t len)
{
	const char	*p = data;
	long		 until = now_ms() + patience_ms();

	while (len > 0) {
		ssize_t	n = send(c->fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			if (!wait_for(c->fd, POLLOUT, until)) {
				fail("cannot send: it does not read");
				return;
			}
			continue;
		}
		/* The other side may be gone: what it said is still to read. */
		if (n < 0)
			return;
		p += n;
		len -= (size_t)n;
	}
}

int
conn_fill(struct conn *c, long until)
{
	for (;;) {
		ssize_t	n;

		if (c->cap - c->len < 65536) {
			c->cap = c->cap * 2 + 131072;
			c->in = must(realloc(c->in, c->cap));
		}
		n = recv(c->fd, c->in + c->len, c->cap - c->len, 0);
		if (n > 0) {
			c->len += (size_t)n;
			return 1;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return 0;
		if (!wait_for(c->fd, POLLIN, until))
			return -1;
	}
}

void
conn_consume(struct conn *c, size_t n)
{
	c->len -= n;
	memmove(c->in, c->in + n, c->len);
}

void
conn_close_all(void)
{
	size_t	i;

	for (i = 0; i < MAX_CONNS; i++)
		if (conns[i].fd >= 0)
			conn_close(&conns[i], false);
}
