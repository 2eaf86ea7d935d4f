/* SPDX-License-Identifier: MIT */
/*
 * s3fault - an S3 server that goes wrong, by a seeded plan.
 *
 * usage: s3fault port upstream-port [log]
 *
 * Stands between a client and the S3 server at 127.0.0.1:upstream-port, in
 * plain HTTP/1.1, and forwards requests as they are (Host too, so that
 * signatures hold) but for what plan.h says. Each fault is a line of the log.
 * Control, as requests to the proxy itself:
 *
 *	GET /.s3fault/seed/N	a new plan; 0: no faults. Numbering of
 *				requests begins anew. Connections that are
 *				stalled are closed.
 *	GET /.s3fault/only/W	every request goes wrong by this word of
 *				plan.h (seed 1 in the log)
 *	GET /.s3fault/counts	how often each fault happened so far
 *
 * One thread a connection; requests and answers are held whole in memory. A
 * connection to the server serves one request and is closed by it, so that
 * the end of an answer needs no parser.
 */
#include "common/base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "tests/faults/plan.h"

#define MESSAGE_MAX	((size_t)64 << 20)
#define STALE_MAX	8

/* A request or an answer: a head that ends in an empty line, a body. */
struct message {
	struct buf	bytes;
	size_t		head_len;
};

struct proxy {
	uint16_t	 upstream;
	FILE		*log;
	pthread_mutex_t	 lock;		/* all below */
	struct plan	 plan;
	unsigned	 requests;
	unsigned	 counts[PLAN_COUNT];
	/* Answers that were given, to be given again. */
	char		*stale[STALE_MAX];
	size_t		 stale_len[STALE_MAX];
	char		 stale_line[STALE_MAX][1024];
	unsigned	 stale_n;
	atomic_uint	 generation;	/* of the plan */
};

struct connection {
	struct proxy	*p;
	int		 fd;
};

/* --- Bytes. --- */

static bool
send_all(int fd, const char *bytes, size_t n)
{
	ssize_t k;

	for (; n > 0; bytes += k, n -= (size_t)k) {
		k = send(fd, bytes, n, MSG_NOSIGNAL);
		if (k <= 0)
			return false;
	}
	return true;
}

/* Appends what comes next; false at the end. */
static bool
receive(int fd, struct buf *b)
{
	char	chunk[65536];
	ssize_t	n = recv(fd, chunk, sizeof(chunk), 0);

	if (n <= 0 || buf_len(b) > MESSAGE_MAX)
		return false;
	buf_append(b, chunk, (size_t)n);
	return !buf_failed(b);
}

static const char *
find(const char *bytes, size_t n, const char *what)
{
	size_t	i, k = strlen(what);

	for (i = 0; i + k <= n; i++) {
		if (strncasecmp(bytes + i, what, k) == 0)
			return bytes + i;
	}
	return NULL;
}

static void
message_init(struct message *m)
{
	memset(m, 0, sizeof(*m));
	m->bytes.max = 2 * MESSAGE_MAX;
}

static const char *
head(const struct message *m)
{
	return buf_bytes(&m->bytes);
}

static const char *
body(const struct message *m)
{
	return buf_bytes(&m->bytes) + m->head_len;
}

static size_t
body_len(const struct message *m)
{
	return buf_len(&m->bytes) - m->head_len;
}

/* Finds the end of the head; false: it is not there yet. */
static bool
split(struct message *m)
{
	const char *end;

	if (buf_len(&m->bytes) == 0)
		return false;
	end = find(head(m), buf_len(&m->bytes), "\r\n\r\n");
	if (end != NULL)
		m->head_len = (size_t)(end + 4 - head(m));
	return end != NULL;
}

static const char *
header(const struct message *m, const char *name)
{
	char		 line[64];
	const char	*at;

	snprintf(line, sizeof(line), "\r\n%s:", name);
	at = find(head(m), m->head_len, line);
	return at == NULL ? NULL : at + strlen(line);
}

/* --- Requests and answers. --- */

/* Up to the end of the head; false: the client is gone. */
static bool
read_head(int fd, struct message *m, struct buf *rest)
{
	message_init(m);
	if (buf_len(rest) > 0)
		buf_append(&m->bytes, buf_bytes(rest), buf_len(rest));
	buf_clear(rest);
	while (!split(m)) {
		if (!receive(fd, &m->bytes))
			return false;
	}
	return true;
}

/* The body; go_on: the client is told to send it, if it asks. */
static bool
read_body(int fd, struct message *m, struct buf *rest, bool go_on)
{
	static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
	const char	*length = header(m, "Content-Length");
	size_t		 want = 0;

	if (length != NULL)
		want = strtoull(length, NULL, 10);
	if (go_on && header(m, "Expect") != NULL &&
	    !send_all(fd, interim, strlen(interim)))
		return false;
	while (body_len(m) < want) {
		if (!receive(fd, &m->bytes))
			return false;
	}
	if (body_len(m) > want)
		buf_append(rest, body(m) + want, body_len(m) - want);
	buf_truncate(&m->bytes, m->head_len + want);
	return true;
}

static int
dial(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
	    .sin_port = htons(port) };
	int	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Drops a line of the head. */
static void
drop_header(struct message *m, const char *name)
{
	const char	*value = header(m, name), *end;
	struct message	 copy;
	size_t		 from, to;

	if (value == NULL)
		return;
	from = (size_t)(value - head(m)) - strlen(name) - 1;
	end = find(value, m->head_len - (size_t)(value - head(m)), "\r\n");
	to = (size_t)(end + 2 - head(m));
	message_init(&copy);
	buf_append(&copy.bytes, head(m), from);
	buf_append(&copy.bytes, head(m) + to, buf_len(&m->bytes) - to);
	copy.head_len = m->head_len - (to - from);
	buf_release(&m->bytes);
	*m = copy;
}

/* A request that breaks off on its way. */
static void
ask_half(struct proxy *p, const struct message *request, uint64_t random)
{
	int fd = dial(p->upstream);

	if (fd < 0)
		return;
	(void)send_all(fd, head(request), random % buf_len(&request->bytes));
	close(fd);
}

/* Asks the server; an answer of one byte at least, or false. */
static bool
ask(struct proxy *p, const struct message *request, struct message *answer)
{
	static const char	closing[] = "Connection: close\r\n\r\n";
	int			fd = dial(p->upstream);
	bool			ok;

	message_init(answer);
	ok = fd >= 0 && send_all(fd, head(request), request->head_len - 2) &&
	    send_all(fd, closing, strlen(closing)) &&
	    send_all(fd, body(request), body_len(request));
	while (ok && receive(fd, &answer->bytes))
		;
	if (fd >= 0)
		close(fd);
	/* Interim answers to Expect. */
	while (split(answer) && strncmp(head(answer), "HTTP/1.1 1", 10) == 0)
		buf_consume(&answer->bytes, answer->head_len);
	if (!ok || !split(answer))
		return false;
	drop_header(answer, "Connection");
	return true;
}

static void
make_answer(struct message *a, const char *status, const char *type,
    const char *text)
{
	message_init(a);
	buf_printf(&a->bytes, "HTTP/1.1 %s\r\nServer: s3fault\r\n"
	    "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n%s", status, type,
	    strlen(text), text);
	(void)split(a);
}

/* --- Faults. --- */

static void
make_error(struct message *a, const char *status, const char *code)
{
	char text[256];

	snprintf(text, sizeof(text), "<?xml version=\"1.0\"?>\n<Error><Code>%s"
	    "</Code><Message>by plan</Message><RequestId>1</RequestId></Error>",
	    code);
	make_answer(a, status, "application/xml", text);
}

/* Keeps an answer for STALE. Under the lock. */
static void
keep(struct proxy *p, const char *line, const struct message *a)
{
	unsigned i = p->stale_n++ % STALE_MAX;

	free(p->stale[i]);
	p->stale_len[i] = buf_len(&a->bytes);
	p->stale[i] = malloc(p->stale_len[i]);
	if (p->stale[i] != NULL)
		memcpy(p->stale[i], head(a), p->stale_len[i]);
	snprintf(p->stale_line[i], sizeof(p->stale_line[i]), "%s", line);
}

/*
 * An answer to another question of the same kind, successes too. The very
 * same question is left out: a listing that was right a moment ago cannot be
 * told from one that is.
 */
static bool
find_stale(struct proxy *p, const char *line, uint64_t random,
    struct message *a)
{
	size_t	method = strcspn(line, " ") + 1;
	unsigned i, at;
	bool	found = false;

	message_init(a);
	pthread_mutex_lock(&p->lock);
	for (i = 0; i < STALE_MAX && !found; i++) {
		at = (unsigned)(random + i) % STALE_MAX;
		found = p->stale[at] != NULL &&
		    strncmp(p->stale_line[at], line, method) == 0 &&
		    strcmp(p->stale_line[at], line) != 0;
		if (found)
			buf_append(&a->bytes, p->stale[at], p->stale_len[at]);
	}
	pthread_mutex_unlock(&p->lock);
	return found && split(a);
}

static void
flip(char *bytes, size_t n, uint64_t random)
{
	unsigned i, times = 1 + (unsigned)(random >> 60) % 3;

	for (i = 0; n > 0 && i < times; i++) {
		bytes[random % n] ^= (char)(1 << (random >> 40) % 8);
		random = random * 6364136223846793005u + 1442695040888963407u;
	}
}

/* Writable bytes of a message. */
static char *
mutable(struct message *m, size_t from)
{
	return m->bytes.data + m->bytes.off + from;
}

static void
set_length(struct message *a, size_t n)
{
	struct message	copy;

	drop_header(a, "Content-Length");
	message_init(&copy);
	buf_append(&copy.bytes, head(a), a->head_len - 2);
	buf_printf(&copy.bytes, "Content-Length: %zu\r\n\r\n", n);
	copy.head_len = buf_len(&copy.bytes);
	buf_append(&copy.bytes, body(a), MIN(n, body_len(a)));
	buf_release(&a->bytes);
	*a = copy;
}

static void
wrong_etag(struct message *a)
{
	const char *value = header(a, "ETag");

	if (value != NULL)
		*mutable(a, (size_t)(value - head(a)) + 3) ^= 1;
}

/* Until the client has enough of it, or there is a new plan. */
static void
stall(struct connection *c)
{
	unsigned	generation = atomic_load(&c->p->generation);
	struct pollfd	pfd = { c->fd, POLLIN, 0 };

	while (atomic_load(&c->p->generation) == generation) {
		if (poll(&pfd, 1, 50) > 0)
			return;
	}
}

static bool
drip(int fd, const char *bytes, size_t n)
{
	const struct timespec t = { 0, 200000 };
	size_t i;

	for (i = 0; i < n; i++) {
		/* The first and some of the rest: it shall not last. */
		if (i < 600 || i % 4096 == 0)
			nanosleep(&t, NULL);
		if (i < 600 && !send_all(fd, bytes + i, 1))
			return false;
		if (i == 600)
			return send_all(fd, bytes + i, n - i);
	}
	return true;
}

/* Faults that the server never hears of. True: the answer is in *a. */
static bool
invent(struct connection *c, const struct plan_step *s, const char *line,
    struct message *a)
{
	switch ((int)s->fault) {
	case PLAN_ERROR_500:
		make_error(a, "500 Internal Server Error", "InternalError");
		return true;
	case PLAN_ERROR_503:
		make_error(a, "503 Service Unavailable", "SlowDown");
		return true;
	case PLAN_BARE_503:
		make_answer(a, "503 Service Unavailable", "text/html",
		    "<html>busy</html>");
		return true;
	case PLAN_BARE_404:
		make_answer(a, "404 Not Found", "text/html",
		    "<html>no such page</html>");
		return true;
	case PLAN_OK_EMPTY:
		make_answer(a, "200 OK", "application/xml", "");
		return true;
	case PLAN_OK_ERROR:
		make_error(a, "200 OK", "InternalError");
		return true;
	case PLAN_OK_HTML:
		make_answer(a, "200 OK", "text/html",
		    "<html><body>Please log in.</body></html>");
		return true;
	case PLAN_STALE:
		return find_stale(c->p, line, s->random, a);
	default:
		return false;
	}
}

/* What is done to an answer of the server. */
static void
distort(const struct plan_step *s, struct message *a)
{
	size_t n = body_len(a);

	switch ((int)s->fault) {
	case PLAN_SHORT_BODY:
		if (n > 0)
			set_length(a, s->random % n);
		break;
	case PLAN_LONG_BODY:
		buf_append_str(&a->bytes, "HTTP/1.1 200 OK\r\n"
		    "Content-Length: 0\r\n\r\n");
		break;
	case PLAN_BAD_BODY:
		flip(mutable(a, a->head_len), n, s->random);
		break;
	case PLAN_BAD_HEAD:
		flip(mutable(a, 0), a->head_len, s->random);
		break;
	case PLAN_BAD_ETAG:
		wrong_etag(a);
		break;
	default:
		break;
	}
}

/* Sends an answer, or what the plan leaves of it; false: close. */
static bool
reply(struct connection *c, const struct plan_step *s, const struct message *a)
{
	const char	*bytes = head(a);
	size_t		 n = buf_len(&a->bytes);

	switch ((int)s->fault) {
	case PLAN_CUT_AFTER:
		return false;
	case PLAN_STALL_AFTER:
		stall(c);
		return false;
	case PLAN_CUT_HEAD:
		(void)send_all(c->fd, bytes, s->random % a->head_len);
		return false;
	case PLAN_CUT_BODY:
	case PLAN_STALL_BODY:
		(void)send_all(c->fd, bytes, a->head_len + (body_len(a) == 0 ?
		    0 : s->random % body_len(a)));
		if (s->fault == PLAN_STALL_BODY)
			stall(c);
		return false;
	case PLAN_DOUBLE:
		return send_all(c->fd, bytes, n) && send_all(c->fd, bytes, n);
	case PLAN_DRIP:
		return drip(c->fd, bytes, n);
	default:
		return send_all(c->fd, bytes, n);
	}
}

/* --- Connections. --- */

/* A new plan: what it keeps of the old one goes, stalls end. Locked. */
static void
begin_plan(struct proxy *p, struct buf *text)
{
	int i;

	p->requests = 0;
	for (i = 0; i < STALE_MAX; i++) {
		free(p->stale[i]);
		p->stale[i] = NULL;
	}
	atomic_fetch_add(&p->generation, 1);
	buf_printf(text, "%u%% until %u\n", p->plan.percent, p->plan.until);
}

static void
control(struct proxy *p, const char *what, struct message *a)
{
	struct buf	text = { 0 };
	char		word[64];
	int		i;

	pthread_mutex_lock(&p->lock);
	if (strncmp(what, "seed/", 5) == 0) {
		plan_init(&p->plan, strtoull(what + 5, NULL, 10));
		begin_plan(p, &text);
	} else if (sscanf(what, "only/%63[^ ]", word) == 1 &&
	    plan_only(&p->plan, word)) {
		begin_plan(p, &text);
	}
	for (i = 1; strncmp(what, "counts", 6) == 0 && i < PLAN_COUNT; i++)
		buf_printf(&text, "%u %s\n", p->counts[i],
		    plan_word((enum plan_fault)i));
	pthread_mutex_unlock(&p->lock);
	make_answer(a, "200 OK", "text/plain", buf_cstr(&text));
	buf_release(&text);
}

static struct plan_step
next_step(struct proxy *p, const char *line)
{
	struct plan_step s;

	pthread_mutex_lock(&p->lock);
	s = plan_step(&p->plan, p->requests++);
	p->counts[s.fault]++;
	if (p->log != NULL && p->plan.seed != 0) {
		fprintf(p->log, "%llu.%u %s: %s\n",
		    (unsigned long long)p->plan.seed, p->requests - 1,
		    plan_word(s.fault), line);
		fflush(p->log);
	}
	pthread_mutex_unlock(&p->lock);
	return s;
}

/* A request of the plan; false: the connection is to be closed. */
static bool
answer(struct connection *c, const struct plan_step *s, const char *line,
    struct message *request)
{
	struct proxy	*p = c->p;
	struct message	 a;
	bool		 ok = true;

	if (s->fault == PLAN_STALL_BEFORE)
		stall(c);
	if (s->fault == PLAN_CUT_REQUEST)
		ask_half(p, request, s->random);
	if (s->fault == PLAN_STALL_BEFORE || s->fault == PLAN_CUT_BEFORE ||
	    s->fault == PLAN_CUT_REQUEST)
		return false;
	if (s->fault == PLAN_BAD_SENT)
		flip(mutable(request, request->head_len), body_len(request),
		    s->random);
	if (s->fault == PLAN_BAD_ASKED)
		flip(mutable(request, 0), request->head_len - 4, s->random);
	message_init(&a);
	if (!invent(c, s, line, &a)) {
		buf_release(&a.bytes);
		if (s->fault == PLAN_TWICE) {
			(void)ask(p, request, &a);
			buf_release(&a.bytes);
		}
		ok = ask(p, request, &a);
		if (ok) {
			pthread_mutex_lock(&p->lock);
			keep(p, line, &a);
			pthread_mutex_unlock(&p->lock);
			distort(s, &a);
		}
	}
	ok = ok && reply(c, s, &a);
	buf_release(&a.bytes);
	return ok;
}

/* What the tests want to know; always answered well. */
static bool
serve_control(struct connection *c, const char *what)
{
	struct message	a;
	bool		ok;

	message_init(&a);
	control(c->p, what, &a);
	ok = send_all(c->fd, head(&a), buf_len(&a.bytes));
	buf_release(&a.bytes);
	return ok;
}

/* One request; false: the connection is to be closed. */
static bool
serve(struct connection *c, struct message *request, struct buf *rest)
{
	struct plan_step s;
	char		 line[1024];

	if (!read_head(c->fd, request, rest))
		return false;
	snprintf(line, sizeof(line), "%.*s",
	    (int)strcspn(head(request), "\r\n"), head(request));
	if (strncmp(line, "GET /.s3fault/", 14) == 0)
		return serve_control(c, line + 14);
	s = next_step(c->p, line);
	return read_body(c->fd, request, rest, s.fault != PLAN_NO_GO_ON) &&
	    answer(c, &s, line, request);
}

static void *
connection_main(void *arg)
{
	struct connection *c = arg;
	struct message	   request;
	struct buf	   rest = { 0 };
	bool		   ok = true;

	while (ok) {
		ok = serve(c, &request, &rest);
		buf_release(&request.bytes);
	}
	buf_release(&rest);
	close(c->fd);
	free(c);
	return NULL;
}

static int
listen_at(uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
	    .sin_port = htons(port) };
	int	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
	    listen(fd, 64) != 0) {
		perror("s3fault");
		exit(1);
	}
	return fd;
}

static void
start(struct proxy *p, int fd, const pthread_attr_t *attr)
{
	struct connection *c = calloc(1, sizeof(*c));
	pthread_t	   thread;

	if (c != NULL)
		*c = (struct connection){ p, fd };
	if (c == NULL || pthread_create(&thread, attr, connection_main, c)) {
		free(c);
		close(fd);
	}
}

int
main(int argc, char **argv)
{
	static struct proxy p = { .lock = PTHREAD_MUTEX_INITIALIZER };
	pthread_attr_t	attr;
	int		listener, fd;

	if (argc < 3) {
		fputs("usage: s3fault port upstream-port [log]\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	p.upstream = (uint16_t)strtoul(argv[2], NULL, 10);
	if (argc > 3)
		p.log = fopen(argv[3], "we");
	listener = listen_at((uint16_t)strtoul(argv[1], NULL, 10));
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (;;) {
		fd = accept(listener, NULL, NULL);
		if (fd >= 0)
			start(&p, fd, &attr);
	}
}
