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

#include <fnmatch.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#include "tests/pgtalk/conn.h"
#include "tests/pgtalk/expect.h"
#include "tests/pgtalk/message.h"
#include "tests/pgtalk/talk.h"

#define MAX_VARS	64
#define MAX_WORDS	4096
#define LINE_MAX_	262144

static struct { char name[32]; char *value; } vars[MAX_VARS];
static size_t	n_vars;
static char	*title;
static bool	 failed;
static int	 line_no;
static long	 marked;

/* --- The test. --- */

void
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

bool
has_failed(void)
{
	return failed;
}

void *
must(void *p)
{
	if (p == NULL) {
		fputs("pgtalk: out of memory\n", stderr);
		exit(2);
	}
	return p;
}

long
now_ms(void)
{
	struct timespec	t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

long
patience_ms(void)
{
	const char	*ms = getenv("PGTALK_WAIT_MS");

	return ms == NULL ? 120000 : strtol(ms, NULL, 10);
}

/* --- Words. --- */

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

/* --- Commands. --- */

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
		conn_open(w->word[1], w->n > 2 ? w->word[2] : "");
	else if (strcmp(v, "openfail") == 0 && w->n == 3)
		do_openfail(w);
	else if (strcmp(v, "raw") == 0 && w->n == 2)
		conn_open_raw(w->word[1]);
	else if (strcmp(v, "sleep") == 0 && w->n == 2)
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
	if (title != NULL && !failed)
		printf("ok - %s\n", title);
	fflush(stdout);
	conn_close_all();
	free(title);
	title = NULL;
	failed = false;
}

int
main(int argc, char **argv)
{
	static char	 line[LINE_MAX_ / 2];

	if (argc > 1 && freopen(argv[1], "r", stdin) == NULL) {
		perror(argv[1]);
		return 2;
	}
	conn_init();
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
