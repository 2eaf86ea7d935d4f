/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/pgtalk/expect.h"

#include <fnmatch.h>
#include <string.h>

#include "tests/pgtalk/message.h"
#include "tests/pgtalk/talk.h"

struct message {
	char		 type;		/* 0: end of the connection */
	char		*text;
};

/* The next message; false and a failure when none comes in time. */
static bool
next_message(struct conn *c, struct message *m, const char *wanted)
{
	long		until = now_ms() + patience_ms();
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
	conn_consume(c, size + 1);
	return true;
}

/* Rows by count: message by message, without moving the buffer for each. */
static void
expect_count(struct conn *c, char type, long count, const char *word)
{
	long	n = 0, until = now_ms() + patience_ms();
	size_t	at = 0;

	for (;;) {
		while (c->len - at >= 5 &&
		    c->len - at >= (size_t)be32(c->in + at + 1) + 1) {
			if ((char)c->in[at] != type)
				goto out;
			at += be32(c->in + at + 1) + 1;
			n++;
			until = now_ms() + patience_ms();
		}
		conn_consume(c, at);
		at = 0;
		if (conn_fill(c, until) <= 0)
			break;
	}
out:
	conn_consume(c, at);
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

void
expect(struct conn *c, char **words, size_t n)
{
	struct message	m;
	size_t		i;
	bool		any = false;

	for (i = 0; i < n && !has_failed(); i++) {
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
