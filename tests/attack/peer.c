/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/attack/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/wire.h"

#define PATIENCE_MS	120000
/* In the middle of so much there are large pieces among the small ones. */
#define MUCH		((size_t)4096)

static long
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

unsigned
peer_draw(uint64_t *lot, unsigned below)
{
	*lot ^= *lot >> 12;
	*lot ^= *lot << 25;
	*lot ^= *lot >> 27;
	return (unsigned)(*lot * 2685821657736338717u >> 33) % below;
}

static int
dial(const struct peer_address *a)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int	fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/.s.PGSQL.%d", a->dir,
	    a->port);
	if (fd < 0 || connect(fd, (struct sockaddr *)&un, sizeof(un)) != 0) {
		fprintf(stderr, "differ: %s: %s\n", un.sun_path,
		    strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* Takes what is there. */
static void
receive(struct peer *p)
{
	char	bytes[65536];
	ssize_t	n = recv(p->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n > 0)
		buf_append(&p->in, bytes, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		p->eof = true;
}

void
peer_send(struct peer *p, const char *bytes, size_t n, size_t piece,
    uint64_t *lot)
{
	struct pollfd f = { .fd = p->fd, .events = POLLIN | POLLOUT };
	size_t	want;
	ssize_t	sent;

	while (n > 0 && !p->eof) {
		want = piece == 0 ? n : n > MUCH && peer_draw(lot, 32) == 0 ?
		    MUCH : 1 + peer_draw(lot, (unsigned)piece);
		want = MIN(n, want);
		sent = send(p->fd, bytes, want, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0) {
			bytes += sent;
			n -= (size_t)sent;
			if (piece > 0)
				sched_yield();
			continue;
		}
		if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return;
		if (poll(&f, 1, PATIENCE_MS) <= 0)
			return;
		if (f.revents & POLLIN)
			receive(p);
	}
}

/* A whole message that lies in the buffer. */
static bool
take(struct peer *p, struct peer_message *m)
{
	struct wire_header h;

	buf_consume(&p->in, p->handed);
	p->handed = 0;
	if (wire_header_get(buf_bytes(&p->in), buf_len(&p->in),
	    WIRE_MAX_BODY, &h) != 0 ||
	    buf_len(&p->in) < WIRE_HEADER_LEN + (size_t)h.body)
		return false;
	m->type = (char)h.type;
	m->body = buf_bytes(&p->in) + WIRE_HEADER_LEN;
	m->n = h.body;
	p->handed = WIRE_HEADER_LEN + (size_t)h.body;
	return true;
}

bool
peer_next(struct peer *p, int ms, struct peer_message *m)
{
	struct pollfd f = { .fd = p->fd, .events = POLLIN };
	long	end = now_ms() + ms;

	while (!take(p, m)) {
		if (p->eof) {
			*m = (struct peer_message){ 0 };
			return true;
		}
		ms = (int)(end - now_ms());
		if (poll(&f, 1, ms < 0 ? 0 : ms) == 0)
			return false;
		receive(p);
	}
	return true;
}

static bool
log_in(struct peer *p)
{
	struct peer_message m;
	struct wire_in in;
	struct buf b = { 0 };
	uint64_t lot = 1;

	buf_append_be32(&b, 0);
	buf_append_be32(&b, WIRE_VERSION(3, 0));
	buf_append_cstr(&b, "user");
	buf_append_cstr(&b, p->address->user);
	buf_append_cstr(&b, "database");
	buf_append_cstr(&b, p->address->database);
	buf_append_u8(&b, 0);
	buf_put_be32_at(&b, 0, (uint32_t)buf_len(&b));
	peer_send(p, buf_bytes(&b), buf_len(&b), 0, &lot);
	buf_release(&b);
	while (peer_next(p, PATIENCE_MS, &m) && m.type != 0 &&
	    m.type != WIRE_BE_ERROR) {
		wire_in_init(&in, m.body, m.n);
		if (m.type == WIRE_BE_BACKEND_KEY) {
			p->pid = (uint32_t)wire_get_i32(&in);
			p->key = (uint32_t)wire_get_i32(&in);
		} else if (m.type == WIRE_BE_READY) {
			return true;
		}
	}
	return false;
}

bool
peer_open(struct peer *p, const struct peer_address *a)
{
	*p = (struct peer){ .address = a, .fd = dial(a) };
	buf_init(&p->in, (size_t)256 << 20);
	if (p->fd >= 0 && log_in(p))
		return true;
	fprintf(stderr, "differ: cannot log in to %s, port %d\n", a->database,
	    a->port);
	peer_close(p);
	return false;
}

void
peer_close(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	buf_release(&p->in);
}

bool
peer_query(struct peer *p, const char *sql, char *value, size_t size)
{
	struct peer_message m;
	struct wire_in in;
	struct buf b = { 0 };
	uint64_t lot = 1;
	bool	ok = true, first = true;
	int32_t	n;

	wire_put_string(&b, WIRE_FE_QUERY, sql);
	peer_send(p, buf_bytes(&b), buf_len(&b), 0, &lot);
	buf_release(&b);
	while (peer_next(p, PATIENCE_MS, &m) && m.type != 0) {
		if (m.type == WIRE_BE_ERROR)
			ok = false;
		if (m.type == WIRE_BE_DATA_ROW && first && value != NULL) {
			wire_in_init(&in, m.body, m.n);
			(void)wire_get_u16(&in);
			n = wire_get_i32(&in);
			snprintf(value, size, "%.*s", n < 0 ? 0 : (int)n,
			    n < 0 ? "" : in.p);
			first = false;
		}
		if (m.type == WIRE_BE_READY)
			return ok;
	}
	return false;
}

void
peer_cancel(const struct peer *p)
{
	struct peer c = { .fd = dial(p->address) };
	struct peer_message m;
	struct buf b = { 0 };
	uint64_t lot = 1;

	if (c.fd < 0)
		return;
	buf_append_be32(&b, 16);
	buf_append_be32(&b, WIRE_CODE_CANCEL);
	buf_append_be32(&b, p->pid);
	buf_append_be32(&b, p->key);
	peer_send(&c, buf_bytes(&b), buf_len(&b), 0, &lot);
	buf_release(&b);
	(void)!peer_next(&c, PATIENCE_MS, &m);
	peer_close(&c);
}
