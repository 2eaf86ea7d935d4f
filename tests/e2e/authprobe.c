/* SPDX-License-Identifier: MIT */
/*
 * authprobe - logins of the pooler's own modules with real peers.
 *
 *	authprobe [-c ca.crt] [-t none|ca|full] host port user secret [password]
 *
 * logs in to a real PostgreSQL with wire, server_auth and (with -t) tls over
 * a blocking socket; a host with a slash is a socket directory. The secret is
 * what an auth file would hold; a password beside a SCRAM secret stands for a
 * client that logged in with it.
 *
 *	authprobe -l [-c ca.crt] [-k key -e cert] port method user secret
 *
 * waits at 127.0.0.1 for one real client (psql), prints "ready", and checks
 * it with client_auth; the method is any, trust, plain, md5 or scram, the
 * secret "-" stands for a user who does not exist. With -c the client needs
 * a certificate; direct TLS is reported after its handshake. Then the last
 * line, and exit status 0 for the first:
 *	ok <tls info or -> <auth requests sent or seen> [<certificate's name>]
 *	server: <sqlstate> <message>
 *	refused: <reason> (<log line>)
 */
#include "common/base.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/random.h"
#include "common/tls.h"
#include "common/wire.h"
#include "pooler/auth.h"

struct probe {
	int		 fd;
	struct tls	*tls;
	struct buf	 in;		/* plain bytes received */
	struct server_auth auth;
	struct auth_credentials credentials;
	char		 seen[64];	/* the requests' codes */
	bool		 tls_done;
};

struct options {
	const char	*ca, *key, *cert;
	enum tls_verify	 verify;
	bool		 tls, listen;
};

static void NORETURN
die(const char *what)
{
	fprintf(stderr, "authprobe: %s\n", what);
	exit(2);
}

static int
connect_to(const char *host, const char *port)
{
	/* Poolers under test listen on 127.0.0.1, "localhost" may be ::1. */
	struct addrinfo	hints = { .ai_family = AF_INET,
	    .ai_socktype = SOCK_STREAM }, *list;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int		fd;

	if (strchr(host, '/') != NULL) {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s/.s.PGSQL.%s",
		    host, port);
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (fd < 0 || connect(fd, (struct sockaddr *)&un,
		    sizeof(un)) != 0)
			die("cannot connect to the socket");
		return fd;
	}
	if (getaddrinfo(host, port, &hints, &list) != 0)
		die("no such host");
	fd = socket(list->ai_family, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, list->ai_addr, list->ai_addrlen) != 0)
		die("cannot connect");
	freeaddrinfo(list);
	return fd;
}

static int
send_all(void *arg, const void *bytes, size_t n)
{
	struct probe	*p = arg;
	const char	*at = bytes;
	ssize_t		 done;

	for (; n > 0; at += done, n -= (size_t)done)
		if ((done = write(p->fd, at, n)) <= 0)
			die("cannot send");
	return 0;
}

static void
put(struct probe *p, const struct buf *b)
{
	const char	*at = buf_bytes(b);
	size_t		 left = buf_len(b), taken;
	struct err	 e;

	if (p->tls == NULL) {
		send_all(p, at, left);
		return;
	}
	for (; left > 0; at += taken, left -= taken)
		if (tls_write(p->tls, at, left, &taken, &e) != 0)
			die(e.msg);
}

/* The plain bytes in n received ones; with TLS they may be none. */
static void
take(struct probe *p, const char *raw, size_t n)
{
	static char	text[4096];
	struct err	e;
	size_t		got;
	int		rc;

	if (p->tls == NULL) {
		buf_append(&p->in, raw, n);
		return;
	}
	tls_feed(p->tls, raw, n);
	rc = tls_handshake(p->tls, &e);
	p->tls_done = rc == 0;
	while (rc == 0 && (rc = tls_read(p->tls, text, sizeof(text), &got,
	    &e)) == 0)
		buf_append(&p->in, text, got);
	if (rc < 0) {
		printf("refused: %s\n", e.msg);
		exit(1);
	}
}

static void
receive(struct probe *p)
{
	static char	raw[4096];
	ssize_t		n = read(p->fd, raw, sizeof(raw));

	if (n <= 0) {
		printf("refused: connection closed\n");
		exit(1);
	}
	take(p, raw, (size_t)n);
}

/* What was received so far belongs to the handshake. */
static void
start_tls(struct probe *p, const char *host, const struct options *o)
{
	struct tls_settings s = {
		.side = o->listen ? TLS_ACCEPT : TLS_CONNECT,
		.verify = o->verify, .ca_file = o->ca, .key_file = o->key,
		.cert_file = o->cert };
	struct tls_context *context;
	struct buf	first = p->in;
	struct err	e;

	memset(&p->in, 0, sizeof(p->in));
	buf_append(&p->in, "", 0);
	if (tls_context_new(&s, &context, &e) != 0)
		die(e.msg);
	if (tls_new(context, host, send_all, p, &p->tls) != 0)
		die("out of memory");
	tls_context_unref(context);
	if (tls_handshake(p->tls, &e) != TLS_MORE)
		die("handshake did not begin");
	take(p, buf_bytes(&first), buf_len(&first));
	while (!p->tls_done)
		receive(p);
	buf_release(&first);
}

static void
ask_for_tls(struct probe *p, const char *host, const struct options *o)
{
	struct buf	b = { 0 };
	char		answer;

	wire_put_ssl_request(&b);
	put(p, &b);
	buf_release(&b);
	if (read(p->fd, &answer, 1) != 1 || answer != 'S')
		die("the server has no TLS");
	start_tls(p, host, o);
}

static void
set_credentials(struct probe *p, const char *secret, const char *password)
{
	struct scram_secret s;
	struct scram_work w;

	if (auth_credentials_set(&p->credentials, secret) != 0)
		die("out of memory");
	if (password == NULL || scram_secret_parse(secret, &s) != 0)
		return;
	if (scram_work_init(&w, password, s.salt, s.salt_len,
	    s.iterations) != 0 || scram_work_run(&w) != 0)
		die("cannot derive keys");
	p->credentials.has_keys = true;
	p->credentials.keys = w.keys;
}

/* One message; returns true at the end of the login. */
static bool
on_message(struct probe *p, const struct wire_header *h, const char *body)
{
	struct wire_error error;
	struct buf	reply = { 0 };
	struct err	e;
	enum auth_result r;

	if (h->type == WIRE_BE_ERROR) {
		if (wire_parse_error(body, h->body, &error) != 0)
			die("broken ErrorResponse");
		printf("server: %s %s\n", error.sqlstate, error.message);
		exit(1);
	}
	if (h->type != WIRE_BE_AUTH)
		return h->type == WIRE_BE_READY;
	snprintf(p->seen + strlen(p->seen), sizeof(p->seen) -
	    strlen(p->seen), " %d", h->body < 4 ? -1 : body[3]);
	r = server_auth_message(&p->auth, body, h->body, &reply, &e);
	if (r == AUTH_WORK)
		r = server_auth_worked(&p->auth, scram_work_run(&p->auth.work),
		    &reply, &e);
	if (r == AUTH_FAIL) {
		printf("refused: %s (%s)\n", p->auth.reason, e.msg);
		exit(1);
	}
	if (buf_len(&reply) > 0)
		put(p, &reply);
	buf_release(&reply);
	return false;
}

static void
log_in(struct probe *p, const char *user)
{
	unsigned char	nonce[SCRAM_NONCE_LEN];
	struct wire_header h;
	struct buf	b = { 0 };
	size_t		at;
	bool		done = false;
	int		rc;

	if (random_fill(nonce, sizeof(nonce)) != 0)
		die("no random bytes");
	server_auth_init(&p->auth, user, &p->credentials, nonce);
	at = wire_startup_begin(&b, WIRE_VERSION(3, 0));
	wire_startup_param(&b, "user", user);
	wire_startup_param(&b, "database", "postgres");
	wire_startup_end(&b, at);
	put(p, &b);
	buf_release(&b);
	while (!done) {
		rc = wire_header_get(buf_bytes(&p->in), buf_len(&p->in),
		    65536, &h);
		if (rc < 0)
			die("broken header");
		if (rc == WIRE_MORE || buf_len(&p->in) < WIRE_HEADER_LEN +
		    h.body) {
			receive(p);
			continue;
		}
		done = on_message(p, &h, buf_bytes(&p->in) +
		    WIRE_HEADER_LEN);
		buf_consume(&p->in, WIRE_HEADER_LEN + h.body);
	}
}

static void
probe(struct probe *p, char **argv, const struct options *o, char *info,
    size_t cap)
{
	p->fd = connect_to(argv[0], argv[1]);
	set_credentials(p, argv[3], argv[4]);
	if (o->tls) {
		ask_for_tls(p, argv[0], o);
		tls_info(p->tls, info, cap);
	}
	log_in(p, argv[2]);
}

/*
 * The other way round
 */

static int
accept_one(const char *port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)atoi(port)),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int		fd = socket(AF_INET, SOCK_STREAM, 0), one = 1, peer;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one,
	    sizeof(one)) != 0 || bind(fd, (struct sockaddr *)&in,
	    sizeof(in)) != 0 || listen(fd, 1) != 0)
		die("cannot listen");
	printf("ready\n");
	fflush(stdout);
	peer = accept(fd, NULL, NULL);
	if (peer < 0)
		die("cannot accept");
	close(fd);
	return peer;
}

/* Takes the requests for encryption and the start-up packet. */
static void
start_up(struct probe *p, const struct options *o, const char *user)
{
	struct wire_first first;
	struct wire_in	in;
	const char	*k, *v, *seen = "";
	int		rc;

	receive(p);
	if (o->tls && buf_bytes(&p->in)[0] == WIRE_TLS_FIRST_BYTE) {
		start_tls(p, NULL, o);
		printf("direct TLS, %s\n", tls_has_alpn(p->tls) ? "ALPN" :
		    "no ALPN");
		exit(0);
	}
	for (;;) {
		rc = wire_first_get(buf_bytes(&p->in), buf_len(&p->in), 10000,
		    &first);
		if (rc < 0)
			die("bad packet header");
		if (rc == WIRE_MORE || buf_len(&p->in) < WIRE_FIRST_LEN +
		    first.body) {
			receive(p);
			continue;
		}
		if (first.kind == WIRE_FIRST_STARTUP)
			break;
		buf_consume(&p->in, WIRE_FIRST_LEN);
		if (first.kind == WIRE_FIRST_SSL && o->tls) {
			send_all(p, "S", 1);
			start_tls(p, NULL, o);
		} else {
			send_all(p, "N", 1);
		}
	}
	wire_in_init(&in, buf_bytes(&p->in) + WIRE_FIRST_LEN, first.body);
	while (wire_startup_next(&in, &k, &v) == 1)
		if (strcmp(k, "user") == 0)
			seen = v;
	if (strcmp(seen, user) != 0)
		die("another user");
	buf_consume(&p->in, WIRE_FIRST_LEN + first.body);
}

/* The requests in the buffer, for the report; then sends it. */
static void
send_requests(struct probe *p, struct buf *b)
{
	struct wire_header h;
	size_t	at;

	for (at = 0; at < buf_len(b); at += WIRE_HEADER_LEN + h.body) {
		if (wire_header_get(buf_bytes(b) + at, buf_len(b) - at, 65536,
		    &h) != 0)
			die("broken request");
		snprintf(p->seen + strlen(p->seen), sizeof(p->seen) -
		    strlen(p->seen), " %d",
		    buf_bytes(b)[at + WIRE_HEADER_LEN + 3]);
	}
	if (buf_len(b) > 0)
		put(p, b);
	buf_clear(b);
}

static enum auth_method
method_of(const char *name)
{
	static const char *const names[] = { "any", "trust", "plain", "md5",
	    "scram" };
	size_t i;

	for (i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return (enum auth_method)i;
	die("no such method");
}

static void
check_client(struct probe *p, char **argv)
{
	static const unsigned char key[32] = "the same in each run";
	struct client_auth_params params = {
		.method = method_of(argv[1]), .user = argv[2],
		.known = strcmp(argv[3], "-") != 0,
		.secret = argv[3], .iterations = SCRAM_ITERATIONS,
		.mock_key = key };
	struct wire_error error = { .severity = "FATAL" };
	struct client_auth a;
	struct wire_header h;
	struct buf	reply = { 0 };
	struct err	e;
	enum auth_result r;

	if (!params.known)
		params.secret = NULL;
	if (random_fill(&params.random, sizeof(params.random)) != 0)
		die("no random bytes");
	r = client_auth_begin(&a, &params, &reply, &e);
	while (r == AUTH_MORE || r == AUTH_WORK) {
		send_requests(p, &reply);
		if (r == AUTH_WORK) {
			r = client_auth_worked(&a, scram_work_run(&a.work),
			    &reply, &e);
			continue;
		}
		while (wire_header_get(buf_bytes(&p->in), buf_len(&p->in),
		    70000, &h) != 0 ||
		    buf_len(&p->in) < WIRE_HEADER_LEN + h.body)
			receive(p);
		r = client_auth_message(&a, buf_bytes(&p->in) +
		    WIRE_HEADER_LEN, h.body, &reply, &e);
		buf_consume(&p->in, WIRE_HEADER_LEN + h.body);
	}
	send_requests(p, &reply);
	if (r == AUTH_FAIL) {
		error.sqlstate = a.sqlstate;
		error.message = a.reason;
		wire_put_error(&reply, WIRE_BE_ERROR, &error);
		put(p, &reply);
		printf("refused: %s (%s)\n", a.reason, e.msg);
		exit(1);
	}
	wire_put_ready(&reply, WIRE_TX_IDLE);
	put(p, &reply);
	buf_release(&reply);
	client_auth_release(&a);
}

static void
serve(struct probe *p, char **argv, const struct options *o, char *info,
    size_t cap)
{
	char name[64];

	p->fd = accept_one(argv[0]);
	start_up(p, o, argv[2]);
	check_client(p, argv);
	if (p->tls == NULL)
		return;
	tls_info(p->tls, info, cap);
	if (tls_peer_name(p->tls, 0, name, sizeof(name)) == 0)
		snprintf(p->seen + strlen(p->seen), sizeof(p->seen) -
		    strlen(p->seen), " %s", name);
}

static struct options
read_options(int argc, char **argv)
{
	struct options	o = { .verify = TLS_VERIFY_NONE };
	int		c;

	while ((c = getopt(argc, argv, "c:e:k:lt:")) != -1) {
		if (c == 'c')
			o.ca = optarg;
		else if (c == 'e')
			o.cert = optarg;
		else if (c == 'k')
			o.key = optarg;
		else if (c == 'l')
			o.listen = true;
		else if (c != 't')
			die("usage");
		o.tls |= c == 't' || c == 'k';
		if (c == 't')
			o.verify = strcmp(optarg, "full") == 0 ?
			    TLS_VERIFY_FULL : strcmp(optarg, "ca") == 0 ?
			    TLS_VERIFY_CA : TLS_VERIFY_NONE;
	}
	if (o.listen && o.ca != NULL)
		o.verify = TLS_VERIFY_FULL;
	if (argc - optind < 4)
		die("usage");
	return o;
}

int
main(int argc, char **argv)
{
	struct options	o = read_options(argc, argv);
	struct probe	p = { .fd = -1 };
	struct buf	b = { 0 };
	char		info[128] = "-";

	buf_append(&p.in, "", 0);
	if (o.listen)
		serve(&p, argv + optind, &o, info, sizeof(info));
	else
		probe(&p, argv + optind, &o, info, sizeof(info));
	printf("ok %s%s\n", info, p.seen);
	if (!o.listen) {
		wire_put_empty(&b, WIRE_FE_TERMINATE);
		put(&p, &b);
	}
	if (p.tls != NULL)
		tls_shutdown(p.tls);
	tls_free(p.tls);
	server_auth_release(&p.auth);
	auth_credentials_release(&p.credentials);
	buf_release(&b);
	buf_release(&p.in);
	close(p.fd);
	return 0;
}
