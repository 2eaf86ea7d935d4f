/* SPDX-License-Identifier: MIT */
/*
 * pgtalk - several clients of a PostgreSQL server, driven by a script.
 *
 *	pgtalk [script]		the script is read from stdin by default
 *
 * libpq logs in (so every kind of address, password and parameter works);
 * after that the script speaks protocol messages itself, and says which ones
 * it expects back, so that a test sees what a driver would see and no more.
 *
 *	test any words			begins a test; ends the one before
 *	open a 'conninfo'		connection a; PG* variables fill the rest
 *	openfail 'conninfo' 'glob'	the login fails with such a text
 *	raw a				a is only a socket: PGHOST's, PGPORT's
 *	a> Q 'select 1'			sends; ; between messages, one write
 *	a< T D:1 C:* Z:I		expects; see below
 *	a! 'bytes\x00'			sends bytes as they are
 *	silent a 300			nothing comes within 300 ms
 *	cancel a			a cancel request for a, by libpq
 *	close a / reset a		ends the connection, by FIN / by RST
 *	let v a				${v} = text of the last row in a's latest
 *					expectation, or of its last message
 *	pid v a				${v} = a's BackendKeyData process id
 *	same x y / differ x y		compares two words
 *	mark / took 200			so many ms between the two, or more
 *	sleep 100, sh 'command'		command must end with 0
 *
 * Messages to send: Q sql; P name sql [type oid...]; B statement [value...]
 * (B@portal statement...); D S|P name; E [portal [rows]]; C S|P name; S; H;
 * X; d data; c; f reason. Words with blanks stand in '...', with \n \t \\ \'
 * \xHH; ${v} is replaced everywhere; NULL is a null value.
 *
 * Expected: the type's letter, alone or with :glob of its text. The text is:
 * T column names with commas, t type oids with commas, D values with |,
 * C tag, Z state, E and N sqlstate:message, S name=value, A channel:payload,
 * d data. D=500 is exactly 500 rows. "..." passes over everything up to the
 * word that follows; EOF is the end of the connection. ParameterStatus and
 * NoticeResponse are passed over where they are not asked for.
 *
 * Prints "ok - words" or "not ok - words" for each test, the reason as a
 * comment. What goes wrong ends its test, not the script.
 */
#include "common/base.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#define MAX_CONNS	64
#define MAX_VARS	64
#define MAX_WORDS	4096
#define LINE_MAX_	262144

struct conn {
	char		 name[32];
	PGconn		*pg;		/* NULL for a raw socket */
	int		 fd;		/* -1: free */
	unsigned char	*in;
	size_t		 len, cap;
	char		*last;		/* text of the last matched message */
};

struct message {
	char		 type;		/* 0: end of the connection */
	char		*text;
};

static struct conn	conns[MAX_CONNS];
static struct { char name[32]; char *value; } vars[MAX_VARS];
static size_t	n_vars;
static char	*title;
static bool	 failed;
static int	 line_no;
static int	 wait_ms = 120000;
static long	 marked;

static void	fail(const char *, ...) PRINTF_LIKE(1, 2);

static void
fail(const char *fmt, ...)
{
	va_list	ap;

	if (failed)
		return;
	failed = true;
	printf("not ok - %s\n# line %d: ", title, line_no);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
}

static void *
must(void *p)
{
	if (p == NULL) {
		fputs("pgtalk: out of memory\n", stderr);
		exit(2);
	}
	return p;
}

static long
now_ms(void)
{
	struct timespec	t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* --- connections ---------------------------------------------------------- */

static struct conn *
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

static void
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

static void
conn_raw(struct conn *c)
{
	const char		*host = getenv("PGHOST"), *port = getenv("PGPORT");
	struct sockaddr_un	 un = { .sun_family = AF_UNIX };
	struct sockaddr_in	 in = { .sin_family = AF_INET };
	struct sockaddr		*sa = (struct sockaddr *)&un;
	socklen_t		 len = sizeof(un);
	int			 fd;

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

static void
conn_send(struct conn *c, const void *data, size_t len)
{
	const char	*p = data;
	long		 until = now_ms() + wait_ms;

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

/* Reads something: 1, 0 at the end, -1 after `until`. */
static int
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

/* --- messages received ----------------------------------------------------- */

static uint32_t
be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static unsigned
be16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static char *
text_row(const unsigned char *p, size_t len)
{
	char		*out = must(malloc(len * 2 + 16)), *o = out;
	unsigned	 i, n = be16(p);

	p += 2;
	for (i = 0; i < n; i++) {
		uint32_t	size = be32(p);

		p += 4;
		if (i > 0)
			*o++ = '|';
		if (size == UINT32_MAX) {
			memcpy(o, "NULL", 4);
			o += 4;
			continue;
		}
		memcpy(o, p, size);
		o += size;
		p += size;
	}
	*o = 0;
	return out;
}

static char *
text_columns(const unsigned char *p, size_t len)
{
	char		*out = must(malloc(len + 16)), *o = out;
	unsigned	 i, n = be16(p);

	p += 2;
	*o = 0;
	for (i = 0; i < n; i++) {
		o += sprintf(o, "%s%s", i > 0 ? "," : "", (const char *)p);
		p += strlen((const char *)p) + 19;
	}
	return out;
}

static char *
text_types(const unsigned char *p)
{
	unsigned	 i, n = be16(p);
	char		*out = must(malloc(n * 12u + 16)), *o = out;

	*o = 0;
	for (i = 0; i < n; i++)
		o += sprintf(o, "%s%u", i > 0 ? "," : "", be32(p + 2 + 4 * i));
	return out;
}

static char *
text_error(const unsigned char *p, size_t len)
{
	const char	*code = "", *msg = "";
	const unsigned char	*end = p + len;
	char		*out;

	while (p < end && *p != 0) {
		if (*p == 'C')
			code = (const char *)p + 1;
		else if (*p == 'M')
			msg = (const char *)p + 1;
		p += strlen((const char *)p) + 1;
	}
	out = must(malloc(strlen(code) + strlen(msg) + 2));
	sprintf(out, "%s:%s", code, msg);
	return out;
}

static char *
text_two(const unsigned char *p, char between)
{
	const char	*a = (const char *)p, *b = a + strlen(a) + 1;
	char		*out = must(malloc(strlen(a) + strlen(b) + 2));

	sprintf(out, "%s%c%s", a, between, b);
	return out;
}

static char *
text_of(char type, const unsigned char *p, size_t len)
{
	char	*out;

	switch (type) {
	case 'D': return text_row(p, len);
	case 'T': return text_columns(p, len);
	case 't': return text_types(p);
	case 'E':
	case 'N': return text_error(p, len);
	case 'S': return text_two(p, '=');
	case 'A': return text_two(p + 4, ':');
	case 'R':
		out = must(malloc(16));
		sprintf(out, "%u", be32(p));
		return out;
	default:
		out = must(malloc(len + 1));
		memcpy(out, p, len);
		out[len] = 0;
		return out;
	}
}

/* The next message; false and a failure when none comes in time. */
static bool
next_message(struct conn *c, struct message *m, const char *wanted)
{
	long		until = now_ms() + wait_ms;
	uint32_t	size;

	while (c->len < 5 || c->len < (size_t)be32(c->in + 1) + 1) {
		int	r = conn_fill(c, until);

		if (r == 0 && c->len == 0) {
			m->type = 0;
			m->text = must(strdup(""));
			return true;
		}
		if (r <= 0) {
			fail("%s: wanted %s, got %s", c->name, wanted,
			    r == 0 ? "half a message" : "nothing in time");
			return false;
		}
	}
	size = be32(c->in + 1);
	m->type = (char)c->in[0];
	m->text = text_of(m->type, c->in + 5, size - 4);
	c->len -= size + 1;
	/* Rows by the million: move only when there is little left. */
	memmove(c->in, c->in + size + 1, c->len);
	return true;
}

/* Rows by count: message by message, without moving the buffer for each. */
static void
expect_count(struct conn *c, char type, long count, const char *word)
{
	long	n = 0, until = now_ms() + wait_ms;
	size_t	at = 0;

	for (;;) {
		while (c->len - at >= 5 &&
		    c->len - at >= (size_t)be32(c->in + at + 1) + 1) {
			if ((char)c->in[at] != type)
				goto out;
			at += be32(c->in + at + 1) + 1;
			n++;
			until = now_ms() + wait_ms;
		}
		memmove(c->in, c->in + at, c->len - at);
		c->len -= at;
		at = 0;
		if (conn_fill(c, until) <= 0)
			break;
	}
out:
	memmove(c->in, c->in + at, c->len - at);
	c->len -= at;
	if (n != count)
		fail("%s: wanted %s, got %ld", c->name, word, n);
}

static bool
matches(const char *word, const struct message *m)
{
	if (strcmp(word, "EOF") == 0)
		return m->type == 0;
	if (m->type != word[0])
		return false;
	if (word[1] == 0)
		return true;
	return word[1] == ':' && fnmatch(word + 2, m->text, 0) == 0;
}

/* A row among the words before this one: it is what `let` is after. */
static bool
keep(char **words, size_t n, size_t i)
{
	size_t	k;

	for (k = 0; k < n && k < i; k++)
		if (words[k][0] == 'D')
			return true;
	return false;
}

static void
expect(struct conn *c, char **words, size_t n)
{
	struct message	m;
	size_t		i;
	bool		any = false;

	for (i = 0; i < n && !failed; i++) {
		if (strcmp(words[i], "...") == 0) {
			any = true;
			continue;
		}
		if (words[i][0] != 0 && words[i][1] == '=') {
			expect_count(c, words[i][0],
			    strtol(words[i] + 2, NULL, 10), words[i]);
			continue;
		}
		for (;;) {
			if (!next_message(c, &m, words[i]))
				return;
			if (matches(words[i], &m))
				break;
			if (m.type == 0 || (!any && m.type != 'S' &&
			    m.type != 'N')) {
				fail("%s: wanted %s, got %s%c:%.300s", c->name,
				    words[i], m.type == 0 ? "EOF" : "",
				    m.type == 0 ? ' ' : m.type, m.text);
				free(m.text);
				return;
			}
			free(m.text);
		}
		any = false;
		if (m.type != 'D' && c->last != NULL && keep(words, n, i)) {
			free(m.text);
			continue;
		}
		free(c->last);
		c->last = m.text;
	}
}

/* --- messages to send ------------------------------------------------------ */

struct out {
	char	*data;
	size_t	 len, cap, start;
};

static void
put(struct out *o, const void *p, size_t n)
{
	if (o->cap - o->len < n) {
		o->cap = o->cap * 2 + n;
		o->data = must(realloc(o->data, o->cap));
	}
	memcpy(o->data + o->len, p, n);
	o->len += n;
}

static void
put32(struct out *o, uint32_t v)
{
	unsigned char	b[4] = { (unsigned char)(v >> 24),
	    (unsigned char)(v >> 16), (unsigned char)(v >> 8),
	    (unsigned char)v };

	put(o, b, 4);
}

static void
put16(struct out *o, size_t v)
{
	unsigned char	b[2] = { (unsigned char)(v >> 8), (unsigned char)v };

	put(o, b, 2);
}

static void
put_text(struct out *o, const char *s)
{
	put(o, s, strlen(s) + 1);
}

static void
put_begin(struct out *o, char type)
{
	put(o, &type, 1);
	o->start = o->len;
	put32(o, 0);
}

static void
put_end(struct out *o)
{
	uint32_t	n = (uint32_t)(o->len - o->start);
	unsigned char	*p = (unsigned char *)o->data + o->start;

	p[0] = (unsigned char)(n >> 24);
	p[1] = (unsigned char)(n >> 16);
	p[2] = (unsigned char)(n >> 8);
	p[3] = (unsigned char)n;
}

static void
put_bind(struct out *o, const char *type, char **w, size_t n)
{
	size_t	i;

	put_text(o, type[1] == '@' ? type + 2 : "");
	put_text(o, n > 0 ? w[0] : "");
	put16(o, 0);
	put16(o, n > 1 ? n - 1 : 0);
	for (i = 1; i < n; i++) {
		if (strcmp(w[i], "NULL") == 0) {
			put32(o, UINT32_MAX);
			continue;
		}
		put32(o, (uint32_t)strlen(w[i]));
		put(o, w[i], strlen(w[i]));
	}
	put16(o, 0);
}

/* One message: its type and up to n words. */
static void
put_message(struct out *o, char **w, size_t n)
{
	const char	*type = w[0];
	size_t		 i;

	w++;
	n--;
	put_begin(o, type[0]);
	switch (type[0]) {
	case 'Q':
	case 'f':
		put_text(o, n > 0 ? w[0] : "");
		break;
	case 'P':
		put_text(o, n > 0 ? w[0] : "");
		put_text(o, n > 1 ? w[1] : "");
		put16(o, n > 2 ? n - 2 : 0);
		for (i = 2; i < n; i++)
			put32(o, (uint32_t)strtoul(w[i], NULL, 10));
		break;
	case 'B':
		put_bind(o, type, w, n);
		break;
	case 'D':
	case 'C':
		put(o, n > 0 ? w[0] : "S", 1);
		put_text(o, n > 1 ? w[1] : "");
		break;
	case 'E':
		put_text(o, n > 0 ? w[0] : "");
		put32(o, n > 1 ? (uint32_t)strtoul(w[1], NULL, 10) : 0);
		break;
	case 'd':
		put(o, n > 0 ? w[0] : "", n > 0 ? strlen(w[0]) : 0);
		break;
	case 'S': case 'H': case 'X': case 'c':
		break;
	default:
		fail("no message %s is known", type);
	}
	put_end(o);
}

static void
send_messages(struct conn *c, char **words, size_t n)
{
	struct out	o = { 0 };
	size_t		i, from = 0;

	for (i = 0; i <= n; i++) {
		if (i < n && strcmp(words[i], ";") != 0)
			continue;
		if (i > from)
			put_message(&o, words + from, i - from);
		from = i + 1;
	}
	conn_send(c, o.data, o.len);
	free(o.data);
}

/* --- the script -------------------------------------------------------------- */

static const char *
var_get(const char *name, size_t len)
{
	size_t	i;

	for (i = 0; i < n_vars; i++)
		if (strlen(vars[i].name) == len &&
		    memcmp(vars[i].name, name, len) == 0)
			return vars[i].value;
	return "";
}

static void
var_set(const char *name, const char *value)
{
	size_t	i;

	for (i = 0; i < n_vars; i++)
		if (strcmp(vars[i].name, name) == 0)
			break;
	if (i == MAX_VARS || strlen(name) >= sizeof(vars[0].name)) {
		fail("too many variables, or too long a name");
		return;
	}
	if (i == n_vars)
		n_vars++;
	else
		free(vars[i].value);
	strcpy(vars[i].name, name);
	vars[i].value = must(strdup(value));
}

static unsigned
hex(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 32) - 'a' + 10);
}

struct words {
	char	 store[LINE_MAX_];
	size_t	 len[MAX_WORDS];	/* words of bytes may hold zeros */
	char	*word[MAX_WORDS];
	size_t	 n;
};

/* One character, escaped in quotes or not; returns what follows. */
static const char *
one_char(const char *p, bool quoted, char **o)
{
	if (*p == '$' && p[1] == '{') {
		const char	*end = strchr(p, '}');

		if (end != NULL) {
			const char *v = var_get(p + 2, (size_t)(end - p - 2));

			memcpy(*o, v, strlen(v));
			*o += strlen(v);
			return end + 1;
		}
	}
	if (!quoted || *p != '\\' || p[1] == 0) {
		*(*o)++ = *p;
		return p + 1;
	}
	switch (p[1]) {
	case 'n': *(*o)++ = '\n'; break;
	case 't': *(*o)++ = '\t'; break;
	case 'x':
		*(*o)++ = (char)(hex(p[2]) << 4 | hex(p[3]));
		return p + 4;
	default: *(*o)++ = p[1]; break;
	}
	return p + 2;
}

static void
split(const char *p, struct words *w)
{
	char	*o = w->store;

	w->n = 0;
	for (;;) {
		bool	quoted = false;

		p += strspn(p, " \t");
		if (*p == 0 || *p == '#' || w->n == MAX_WORDS)
			return;
		w->word[w->n] = o;
		for (; *p != 0 && (quoted || (*p != ' ' && *p != '\t')); ) {
			if (*p == '\'') {
				quoted = !quoted;
				p++;
				continue;
			}
			p = one_char(p, quoted, &o);
		}
		w->len[w->n] = (size_t)(o - w->word[w->n]);
		*o++ = 0;
		w->n++;
	}
}

static void
do_open(struct words *w)
{
	struct conn	*c = conn_new(w->word[1]);
	PGconn		*pg;

	if (c == NULL)
		return;
	pg = PQconnectdb(w->n > 2 ? w->word[2] : "");
	if (PQstatus(pg) != CONNECTION_OK) {
		fail("login: %s", PQerrorMessage(pg));
		PQfinish(pg);
		return;
	}
	c->pg = pg;
	c->fd = PQsocket(pg);
}

static void
do_openfail(struct words *w)
{
	PGconn	*pg = PQconnectdb(w->word[1]);

	if (PQstatus(pg) == CONNECTION_OK)
		fail("the login succeeded");
	else if (fnmatch(w->word[2], PQerrorMessage(pg), 0) != 0)
		fail("wanted %s, got %s", w->word[2], PQerrorMessage(pg));
	PQfinish(pg);
}

static void
do_cancel(struct conn *c)
{
	char		 why[256];
	PGcancel	*k = PQgetCancel(c->pg);

	if (k == NULL || PQcancel(k, why, sizeof(why)) == 0)
		fail("cancel: %s", k == NULL ? "no key" : why);
	PQfreeCancel(k);
}

static void
do_silent(struct conn *c, long ms)
{
	if (c->len > 0 || conn_fill(c, now_ms() + ms) >= 0)
		fail("%s: something came: %c", c->name,
		    c->len > 0 ? c->in[0] : '-');
}

static void
do_pid(const char *var, struct conn *c)
{
	char	text[16];

	snprintf(text, sizeof(text), "%d", PQbackendPID(c->pg));
	var_set(var, text);
}

static void
do_took(long least)
{
	long	ms = now_ms() - marked;

	if (ms < least)
		fail("took %ld ms, not %ld or more", ms, least);
}

/* Commands about a connection: the name is the second or third word. */
static bool
command_on(struct words *w)
{
	const char	*v = w->word[0];
	bool		 late = strcmp(v, "let") == 0 || strcmp(v, "pid") == 0;
	struct conn	*c;

	if (!late && strcmp(v, "silent") != 0 && strcmp(v, "cancel") != 0 &&
	    strcmp(v, "close") != 0 && strcmp(v, "reset") != 0)
		return false;
	if (w->n < (late ? 3u : 2u) ||
	    (c = conn_find(w->word[late ? 2 : 1])) == NULL) {
		fail("%s what?", v);
		return true;
	}
	if (v[0] == 'l')
		var_set(w->word[1], c->last == NULL ? "" : c->last);
	else if (v[0] == 'p')
		do_pid(w->word[1], c);
	else if (v[0] == 's')
		do_silent(c, w->n > 2 ? strtol(w->word[2], NULL, 10) : 300);
	else if (v[0] == 'r')
		conn_close(c, true);
	else if (v[1] == 'a')
		do_cancel(c);
	else
		conn_close(c, false);
	return true;
}

static void
command(struct words *w)
{
	const char	*v = w->word[0];

	if (command_on(w))
		return;
	if (strcmp(v, "open") == 0 && w->n >= 2)
		do_open(w);
	else if (strcmp(v, "openfail") == 0 && w->n == 3)
		do_openfail(w);
	else if (strcmp(v, "raw") == 0 && w->n == 2) {
		struct conn	*c = conn_new(w->word[1]);

		if (c != NULL)
			conn_raw(c);
	} else if (strcmp(v, "sleep") == 0 && w->n == 2)
		poll(NULL, 0, (int)strtol(w->word[1], NULL, 10));
	else if (strcmp(v, "mark") == 0)
		marked = now_ms();
	else if (strcmp(v, "took") == 0 && w->n == 2)
		do_took(strtol(w->word[1], NULL, 10));
	else if (strcmp(v, "same") == 0 && w->n == 3) {
		if (strcmp(w->word[1], w->word[2]) != 0)
			fail("%s is not %s", w->word[1], w->word[2]);
	} else if (strcmp(v, "differ") == 0 && w->n == 3) {
		if (strcmp(w->word[1], w->word[2]) == 0)
			fail("both are %s", w->word[1]);
	} else if (strcmp(v, "sh") == 0 && w->n == 2) {
		if (system(w->word[1]) != 0)
			fail("command failed: %s", w->word[1]);
	} else {
		fail("what is %s with %zu words?", v, w->n);
	}
}

static void
statement(const char *line)
{
	static struct words	 w;
	struct conn		*c;
	char			*first, what;
	size_t			 len;

	split(line, &w);
	if (w.n == 0)
		return;
	first = w.word[0];
	len = strlen(first);
	what = first[len - 1];
	if (len < 2 || strchr("<>!", what) == NULL) {
		command(&w);
		return;
	}
	first[len - 1] = 0;
	if ((c = conn_find(first)) == NULL)
		return;
	if (what == '>')
		send_messages(c, w.word + 1, w.n - 1);
	else if (what == '<')
		expect(c, w.word + 1, w.n - 1);
	else
		conn_send(c, w.word[1], w.len[1]);
}

static void
test_end(void)
{
	size_t	i;

	if (title != NULL && !failed)
		printf("ok - %s\n", title);
	fflush(stdout);
	for (i = 0; i < MAX_CONNS; i++)
		if (conns[i].fd >= 0)
			conn_close(&conns[i], false);
	free(title);
	title = NULL;
	failed = false;
}

int
main(int argc, char **argv)
{
	static char	 line[LINE_MAX_ / 2];
	const char	*ms = getenv("PGTALK_WAIT_MS");
	size_t		 i;

	if (argc > 1 && freopen(argv[1], "r", stdin) == NULL) {
		perror(argv[1]);
		return 2;
	}
	if (ms != NULL)
		wait_ms = (int)strtol(ms, NULL, 10);
	for (i = 0; i < MAX_CONNS; i++)
		conns[i].fd = -1;
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line_no++;
		line[strcspn(line, "\n")] = 0;
		if (strncmp(line, "test ", 5) == 0) {
			test_end();
			title = must(strdup(line + 5));
		} else if (title == NULL && line[strspn(line, " \t")] != 0 &&
		    line[strspn(line, " \t")] != '#') {
			fprintf(stderr, "pgtalk: line %d is in no test\n",
			    line_no);
			return 2;
		} else if (!failed) {
			statement(line);
		}
	}
	test_end();
	return 0;
}
