/* SPDX-License-Identifier: MIT */
/*
 * tlsstorm - a TLS client that asks for new keys, and again, and again.
 *
 * usage: tlsstorm port early|late|polite|renegotiate
 *
 * early	key updates without end before it has logged in, each of which
 *		asks for one in return, and nothing is read
 * late		the same when it has logged in (as alice, without a password)
 * polite	a thousand key updates among its queries: all is answered
 * renegotiate	TLS 1.2, and a handshake in the middle: it is refused
 *
 * For early and late 0 means that the peer ended it or did not read on: what
 * it still had to answer did not grow. Prints what happened.
 */
#include "common/base.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

/* Each costs 27 bytes: without a limit the peer would owe us 54 MB. */
#define UPDATES	2000000

static const unsigned char ssl_request[] = { 0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f };
static const char startup[] = "\0\0\0\046\0\003\0\0user\0alice\0"
    "database\0postgres\0";

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "tlsstorm: %s\n", what);
	exit(1);
}

static int
dial(const char *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int	fd = socket(AF_INET, SOCK_STREAM, 0), small = 4096;
	char	yes;

	in.sin_port = htons((uint16_t)strtol(port, NULL, 10));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* What is not read shall be felt soon. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	if (fd < 0 || connect(fd, (struct sockaddr *)&in, sizeof(in)) != 0)
		die("cannot connect");
	if (write(fd, ssl_request, sizeof(ssl_request)) !=
	    sizeof(ssl_request) || read(fd, &yes, 1) != 1 || yes != 'S')
		die("no TLS");
	return fd;
}

static SSL *
shake_hands(int fd, int version)
{
	SSL_CTX	*ctx = SSL_CTX_new(TLS_client_method());
	SSL	*ssl;

	if (ctx == NULL ||
	    !SSL_CTX_set_min_proto_version(ctx, version) ||
	    !SSL_CTX_set_max_proto_version(ctx, version) ||
	    (ssl = SSL_new(ctx)) == NULL || !SSL_set_fd(ssl, fd) ||
	    SSL_connect(ssl) != 1)
		die("no handshake");
	SSL_CTX_free(ctx);
	return ssl;
}

/* Reads until the end of a ReadyForQuery. */
static void
till_ready(SSL *ssl)
{
	char	bytes[65536];
	size_t	have = 0;
	int	n;

	while (have < 6 || memcmp(bytes + have - 6, "Z\0\0\0\5I", 6) != 0) {
		n = SSL_read(ssl, bytes + have, (int)(sizeof(bytes) - have));
		if (n <= 0)
			die("no answer");
		have += (size_t)n;
	}
}

static void
send_all(SSL *ssl, const void *bytes, size_t n)
{
	if (SSL_write(ssl, bytes, (int)n) != (int)n)
		die("cannot write");
}

static void
log_in(SSL *ssl)
{
	send_all(ssl, startup, sizeof(startup));
	till_ready(ssl);
}

static void
query(SSL *ssl)
{
	static const char bytes[] = "Q\0\0\0\015select 1";

	send_all(ssl, bytes, sizeof(bytes));
	till_ready(ssl);
}

/* Without reading. False: the peer takes no more. */
static bool
update(SSL *ssl, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	/* Three seconds without room: nobody reads there. */
	return poll(&p, 1, 3000) == 1 && (p.revents & (POLLERR | POLLHUP)) ==
	    0 && SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1 &&
	    SSL_do_handshake(ssl) == 1;
}

static int
storm(SSL *ssl, int fd)
{
	long	i;

	for (i = 0; i < UPDATES && update(ssl, fd); i++)
		;
	printf("%s after %ld key updates\n", i == UPDATES ? "not ended" :
	    "ended", i);
	return i == UPDATES;
}

static int
polite(SSL *ssl, int fd)
{
	int	i;

	for (i = 0; i < 1000; i++) {
		if (!update(ssl, fd))
			die("a key update that was read was refused");
		if (i % 50 == 0)
			query(ssl);
	}
	query(ssl);
	printf("answered\n");
	return 0;
}

static int
renegotiate(SSL *ssl)
{
	char	byte;
	int	r;

	query(ssl);
	SSL_renegotiate(ssl);
	r = SSL_do_handshake(ssl);
	/* The refusal is an alert: the session goes on, or it ends. */
	if (r == 1 && SSL_renegotiate_pending(ssl))
		r = SSL_read(ssl, &byte, 1);
	printf("renegotiation: %s\n", r == 1 ? "done" : "refused");
	return r == 1;
}

int
main(int argc, char **argv)
{
	const char *what = argc == 3 ? argv[2] : "";
	bool	old = strcmp(what, "renegotiate") == 0;
	SSL    *ssl;
	int	fd, r;

	signal(SIGPIPE, SIG_IGN);
	if (argc != 3) {
		fprintf(stderr, "usage: tlsstorm port "
		    "early|late|polite|renegotiate\n");
		return 2;
	}
	fd = dial(argv[1]);
	ssl = shake_hands(fd, old ? TLS1_2_VERSION : TLS1_3_VERSION);
	if (strcmp(what, "early") != 0)
		log_in(ssl);
	if (old)
		r = renegotiate(ssl);
	else if (strcmp(what, "polite") == 0)
		r = polite(ssl, fd);
	else
		r = storm(ssl, fd);
	SSL_free(ssl);
	close(fd);
	return r;
}
