/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/pgtalk/message.h"

#include <stdio.h>
#include <string.h>

#include "tests/pgtalk/talk.h"

/* --- Received. --- */

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

char *
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

/* --- To send. --- */

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
void
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
