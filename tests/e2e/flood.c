/* SPDX-License-Identifier: MIT */
/*
 * flood - many strangers who mean no good, before and during their login.
 *
 * usage: flood port sockets seconds seed [patience]
 *
 * Keeps so many TCP connections open to a pooler at 127.0.0.1, each of a kind
 * drawn by lot (the table below): rubbish, impossible lengths, messages in
 * the wrong state, broken SASL, TLS that is none, cancel requests with random
 * keys, and logins that come one byte a second or stop. The user "alice"
 * must have to log in by SCRAM. A connection that the pooler has not ended
 * `patience` seconds (default 30) after it was opened is stuck, and nobody
 * may ever hear that he is logged in: status 1. Prints one line of figures.
 */
#include "common/base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/wire.h"

enum kind {
	RUBBISH, LENGTH_SHORT, LENGTH_NEGATIVE, LENGTH_HUGE, MANY_PARAMETERS,
	NO_TERMINATOR, OTHER_VERSION, TLS_RUBBISH, TLS_DIRECT, SSL_TWICE,
	CANCEL_RANDOM, CANCEL_CUT, EARLY_QUERY, EARLY_BIND, PASSWORD_NEGATIVE,
	PASSWORD_HUGE, PASSWORD_TWICE, SASL_UNKNOWN, SASL_RUBBISH, SASL_NONCE,
	SECOND_STARTUP, SLOW, SILENT, HALF, LEAVES, KINDS
};

static const char	*const kind_names[KINDS] = {
	"rubbish", "short length", "negative length", "huge length",
	"many parameters", "no terminator", "other version", "tls rubbish",
	"direct tls", "ssl twice", "random cancel", "cut cancel",
	"early query", "early bind", "negative password", "huge password",
	"password twice", "unknown mechanism", "sasl rubbish", "wrong nonce",
	"second start-up", "slow", "silent", "half", "leaves"
};

struct stranger {
	int		 fd;
	enum kind	 kind;
	struct buf	 out;
	time_t		 since, next;	/* next: SLOW sends a byte then */
	char		 last[5];	/* of what it heard */
	size_t		 heard;
};

static struct stranger	*strangers;
static unsigned long	 ended[KINDS];
static size_t		 count;
static uint16_t		 port;
static time_t		 now, end;
static long		 patience = 30;
static uint64_t		 lot;

static unsigned
draw(unsigned below)
{
	lot ^= lot << 13;
	lot ^= lot >> 7;
	lot ^= lot << 17;
	return (unsigned)(lot >> 33) % below;
}

static void
put_rubbish(struct buf *b, size_t n)
{
	while (n-- > 0)
		buf_append_u8(b, (uint8_t)draw(256));
}

/* `pairs` parameters nobody knows, behind the user. */
static void
put_startup(struct buf *b, uint32_t version, unsigned pairs, bool terminated)
{
	size_t	at = buf_len(b);

	buf_append_be32(b, 0);
	buf_append_be32(b, version);
	buf_append_cstr(b, "user");
	buf_append_cstr(b, "alice");
	buf_append_cstr(b, "database");
	buf_append_cstr(b, "postgres");
	while (pairs-- > 0) {
		buf_printf(b, "p%u", pairs);
		buf_append_u8(b, 0);
		buf_append_cstr(b, "value");
	}
	if (terminated)
		buf_append_u8(b, 0);
	buf_put_be32_at(b, at, (uint32_t)(buf_len(b) - at));
}

static void
put_message(struct buf *b, char type, uint32_t len, size_t rubbish)
{
	buf_append_u8(b, (uint8_t)type);
	buf_append_be32(b, len);
	put_rubbish(b, rubbish);
}

static void
put_sasl(struct buf *b, const char *mechanism, const char *first)
{
	wire_put_sasl_initial(b, mechanism, first, strlen(first));
}

/* All that a stranger of this kind says. */
static void
put_speech(struct buf *b, enum kind kind)
{
	static const char first[] = "n,,n=,r=rOprNGfwEbeRWgbNEkqO";
	static const char last[] = "c=biws,r=another,p=AAAA";

	if (kind >= EARLY_QUERY && kind <= SECOND_STARTUP)
		put_startup(b, WIRE_VERSION(3, 0), 0, true);
	switch (kind) {
	case RUBBISH:
		put_rubbish(b, 1 + draw(3000));
		break;
	case LENGTH_SHORT:
		buf_append_be32(b, draw(8));
		put_rubbish(b, 40);
		break;
	case LENGTH_NEGATIVE:
		buf_append_be32(b, 0x80000000u | draw(1u << 30));
		put_rubbish(b, 40);
		break;
	case LENGTH_HUGE:
		buf_append_be32(b, 0x7fffffffu - draw(100));
		buf_append_be32(b, WIRE_VERSION(3, 0));
		put_rubbish(b, 20000);
		break;
	case MANY_PARAMETERS:
		put_startup(b, WIRE_VERSION(3, 0), 500 + draw(10000), true);
		break;
	case NO_TERMINATOR:
		put_startup(b, WIRE_VERSION(3, 0), draw(3), false);
		break;
	case OTHER_VERSION:
		put_startup(b, WIRE_VERSION(draw(6) == 3 ? 9 : draw(3),
		    draw(65536)), 0, true);
		break;
	case TLS_RUBBISH:
		buf_append_be32(b, 8);
		buf_append_be32(b, WIRE_CODE_SSL);
		put_rubbish(b, 100 + draw(2000));
		break;
	case TLS_DIRECT:
		buf_append(b, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		    11);
		put_rubbish(b, draw(600));
		break;
	case SSL_TWICE:
		buf_append_be32(b, 8);
		buf_append_be32(b, WIRE_CODE_GSSENC);
		buf_append_be32(b, 8);
		buf_append_be32(b, WIRE_CODE_GSSENC);
		put_rubbish(b, 10);
		break;
	case CANCEL_RANDOM:
		buf_append_be32(b, 16);
		buf_append_be32(b, WIRE_CODE_CANCEL);
		put_rubbish(b, 8);
		break;
	case CANCEL_CUT:
		buf_append_be32(b, 12 + draw(4));
		buf_append_be32(b, WIRE_CODE_CANCEL);
		put_rubbish(b, 8);
		break;
	case EARLY_QUERY:
		wire_put_string(b, WIRE_FE_QUERY, "select 1");
		break;
	case EARLY_BIND:
		wire_put_bind(b, "", "s", NULL, 0);
		break;
	case PASSWORD_NEGATIVE:
		put_message(b, 'p', 0xffffffffu - draw(1000), 20);
		break;
	case PASSWORD_HUGE:
		put_message(b, 'p', 0x3fffffff, 70000);
		break;
	case PASSWORD_TWICE:
		wire_put_string(b, WIRE_FE_PASSWORD, "guess");
		wire_put_string(b, WIRE_FE_PASSWORD, "guess");
		break;
	case SASL_UNKNOWN:
		put_sasl(b, "SCRAM-SHA-1", first);
		break;
	case SASL_RUBBISH:
		put_message(b, 'p', 4 + 200, 200);
		break;
	case SASL_NONCE:
		put_sasl(b, "SCRAM-SHA-256", first);
		if (draw(2) == 0)
			wire_put_sasl_response(b, last, strlen(last));
		else
			put_message(b, 'p', 4 + 50, 50);
		break;
	case SECOND_STARTUP:
		put_startup(b, WIRE_VERSION(3, 0), 0, true);
		break;
	case SLOW:
		put_startup(b, WIRE_VERSION(3, 0), 20, true);
		break;
	case HALF:
		put_startup(b, WIRE_VERSION(3, 0), 0, true);
		buf_truncate(b, 4 + draw(20));
		break;
	case LEAVES:
		put_startup(b, WIRE_VERSION(3, 0), 0, true);
		break;
	case SILENT:
	case KINDS:
		break;
	}
}

static void
open_stranger(struct stranger *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
	    .sin_port = htons(port) };

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*s = (struct stranger){ .fd = socket(AF_INET, SOCK_STREAM, 0),
	    .kind = (enum kind)draw(KINDS), .since = now, .next = now };
	if (s->fd < 0 || fcntl(s->fd, F_SETFL, O_NONBLOCK) != 0 ||
	    (connect(s->fd, (struct sockaddr *)&a, sizeof(a)) != 0 &&
	    errno != EINPROGRESS)) {
		perror("flood: connect");
		exit(2);
	}
	put_speech(&s->out, s->kind);
}

static void
end_stranger(struct stranger *s)
{
	struct linger abrupt = { .l_onoff = 1 };

	ended[s->kind]++;
	if (draw(4) == 0)
		setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &abrupt,
		    sizeof(abrupt));
	close(s->fd);
	buf_release(&s->out);
	s->fd = -1;
	if (now < end)
		open_stranger(s);
}

static bool
hear(struct stranger *s)
{
	char	bytes[4096];
	ssize_t	n = recv(s->fd, bytes, sizeof(bytes), 0), i;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		return false;
	for (i = 0; i < n; i++) {
		memmove(s->last, s->last + 1, sizeof(s->last) - 1);
		s->last[sizeof(s->last) - 1] = bytes[i];
		if (memcmp(s->last, "Z\0\0\0\5", 5) == 0) {
			fprintf(stderr, "flood: %s: logged in\n",
			    kind_names[s->kind]);
			exit(1);
		}
	}
	s->heard += n > 0 ? (size_t)n : 0;
	return true;
}

static bool
speak(struct stranger *s)
{
	size_t	n = buf_len(&s->out);
	ssize_t	sent;

	if (s->kind == SLOW) {
		if (now < s->next)
			return true;
		s->next = now + 1;
		n = 1;
	}
	sent = send(s->fd, buf_bytes(&s->out), n, MSG_NOSIGNAL);
	if (sent > 0)
		buf_consume(&s->out, (size_t)sent);
	else if (errno != EAGAIN && errno != EINTR && errno != ENOTCONN)
		return false;
	return true;
}

static void
move(struct stranger *s, short events)
{
	bool	alive = true;

	if (events & (POLLIN | POLLHUP | POLLERR))
		alive = hear(s);
	if (alive && (events & POLLOUT) && buf_len(&s->out) > 0)
		alive = speak(s);
	if (alive && s->kind == LEAVES && buf_len(&s->out) == 0)
		alive = s->heard == 0;
	if (!alive)
		end_stranger(s);
}

static size_t
turn(struct pollfd *polls)
{
	size_t	i, open = 0;

	for (i = 0; i < count; i++) {
		struct stranger *s = &strangers[i];
		bool	talks = s->fd >= 0 && buf_len(&s->out) > 0 &&
		    (s->kind != SLOW || now >= s->next);

		polls[i] = (struct pollfd){ .fd = s->fd, .events =
		    (short)(POLLIN | (talks ? POLLOUT : 0)) };
		open += s->fd >= 0;
		if (s->fd >= 0 && now - s->since > patience) {
			fprintf(stderr, "flood: %s: still open after %ld s, "
			    "%zu bytes heard\n", kind_names[s->kind],
			    (long)(now - s->since), s->heard);
			exit(1);
		}
	}
	if (open > 0 && poll(polls, (nfds_t)count, 200) < 0 && errno != EINTR)
		exit(2);
	now = time(NULL);
	for (i = 0; i < count; i++)
		if (strangers[i].fd >= 0 && polls[i].revents != 0)
			move(&strangers[i], polls[i].revents);
	return open;
}

int
main(int argc, char **argv)
{
	struct pollfd *polls;
	unsigned long total = 0;
	size_t	i;

	if (argc < 5) {
		fputs("usage: flood port sockets seconds seed [patience]\n",
		    stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	port = (uint16_t)atoi(argv[1]);
	count = strtoul(argv[2], NULL, 10);
	lot = strtoull(argv[4], NULL, 10) * 2654435761u + 88172645463325252u;
	if (argc > 5)
		patience = atol(argv[5]);
	now = time(NULL);
	end = now + atol(argv[3]);
	strangers = calloc(count, sizeof(*strangers));
	polls = calloc(count, sizeof(*polls));
	if (strangers == NULL || polls == NULL)
		return 2;
	for (i = 0; i < count; i++)
		open_stranger(&strangers[i]);
	while (turn(polls) > 0)
		;
	for (i = 0; i < KINDS; i++) {
		printf("%s%s %lu", i > 0 ? ", " : "", kind_names[i], ended[i]);
		total += ended[i];
	}
	printf("; %lu in all\n", total);
	free(strangers);
	free(polls);
	return 0;
}
