/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/admin_parse.h"

#include <string.h>

#include "common/err.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z') || c == '_';
}

static const char *
skip_blanks(const char *p)
{
	while (is_blank(*p))
		p++;
	return p;
}

/* What a scan found, not yet copied: lengths are judged at the end. */
struct token {
	const char *begin;	/* behind the quote */
	const char *end;
	char	    quote;	/* 0: none */
};

/* Quoted text up to its closing quote; NULL if there is none. */
static const char *
scan_quoted(const char *p, struct token *t)
{
	t->quote = *p++;
	t->begin = p;
	for (;; p++) {
		if (*p == '\0')
			return NULL;
		if (*p != t->quote)
			continue;
		if (p[1] != t->quote)
			break;
		p++;
	}
	t->end = p;
	return p + 1;
}

/* A WORD; NULL if there is none. */
static const char *
scan_word(const char *p, struct token *t)
{
	if (*p == '"')
		return scan_quoted(p, t);
	t->quote = 0;
	t->begin = p;
	while (is_word(*p))
		p++;
	t->end = p;
	return p == t->begin ? NULL : p;
}

static const char *
scan_value(const char *p, struct token *t)
{
	return *p == '\'' ? scan_quoted(p, t) : scan_word(p, t);
}

static int
copy(const struct token *t, char *out, size_t size)
{
	const char *p;
	size_t	    n = 0;

	for (p = t->begin; p < t->end; p++) {
		if (n + 1 >= size)
			return ERR_LIMIT;
		out[n++] = *p;
		if (t->quote != 0 && *p == t->quote)
			p++;
	}
	out[n] = '\0';
	return 0;
}

/* Nothing follows but blanks and one semicolon. */
static bool
at_end(const char *p)
{
	p = skip_blanks(p);
	if (*p == ';')
		p = skip_blanks(p + 1);
	return *p == '\0';
}

static bool
is_set_word(const struct token *t)
{
	return t->quote == 0 && t->end - t->begin == 3 &&
	    (t->begin[0] | 0x20) == 's' && (t->begin[1] | 0x20) == 'e' &&
	    (t->begin[2] | 0x20) == 't';
}

static int
parse_set(const char *p, struct admin_words *out)
{
	struct token key, value;

	if (!is_blank(*p))
		return ERR_FORMAT;
	p = scan_word(skip_blanks(p), &key);
	if (p == NULL)
		return ERR_FORMAT;
	p = skip_blanks(p);
	if (*p == '=')
		p++;
	else if ((p[0] | 0x20) == 't' && (p[1] | 0x20) == 'o')
		p += 2;
	else
		return ERR_FORMAT;
	p = scan_value(skip_blanks(p), &value);
	if (p == NULL || !at_end(p))
		return ERR_FORMAT;
	out->is_set = true;
	if (copy(&key, out->arg, sizeof(out->arg)) != 0)
		return ERR_LIMIT;
	return copy(&value, out->value, sizeof(out->value));
}

int
admin_parse(const char *sql, struct admin_words *out)
{
	struct token word, arg = { 0 };
	const char  *p, *next;

	memset(out, 0, sizeof(*out));
	p = scan_word(skip_blanks(sql), &word);
	if (p == NULL)
		return ERR_FORMAT;
	next = skip_blanks(p);
	if (next > p && *next != ';' && *next != '\0') {
		const char *end = scan_word(next, &arg);

		/* "SET key = value" begins like a command with a word. */
		if (is_set_word(&word) && (end == NULL || !at_end(end)))
			return parse_set(p, out);
		if (end == NULL)
			return ERR_FORMAT;
		p = end;
	}
	if (!at_end(p))
		return ERR_FORMAT;
	if (copy(&word, out->word, sizeof(out->word)) != 0)
		return ERR_LIMIT;
	return arg.begin == NULL ? 0 : copy(&arg, out->arg, sizeof(out->arg));
}
