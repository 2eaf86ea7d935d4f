/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/s3list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"

#define DEPTH_MAX	8
#define NAME_MAX_LEN	40

/* What an element is to us. */
enum place {
	PLACE_OTHER,
	PLACE_ROOT,
	PLACE_PREFIX, PLACE_MARKER, PLACE_DELIMITER,
	PLACE_TRUNCATED,
	PLACE_CONTENTS, PLACE_KEY, PLACE_SIZE, PLACE_TIME,
	PLACE_COMMON, PLACE_COMMON_PREFIX
};

static const struct {
	enum place	 in;
	const char	*name;
	enum place	 place;
} places[] = {
	{ PLACE_ROOT, "Prefix", PLACE_PREFIX },
	{ PLACE_ROOT, "Marker", PLACE_MARKER },
	{ PLACE_ROOT, "Delimiter", PLACE_DELIMITER },
	{ PLACE_ROOT, "IsTruncated", PLACE_TRUNCATED },
	{ PLACE_ROOT, "Contents", PLACE_CONTENTS },
	{ PLACE_ROOT, "CommonPrefixes", PLACE_COMMON },
	{ PLACE_CONTENTS, "Key", PLACE_KEY },
	{ PLACE_CONTENTS, "Size", PLACE_SIZE },
	{ PLACE_CONTENTS, "LastModified", PLACE_TIME },
	{ PLACE_COMMON, "Prefix", PLACE_COMMON_PREFIX },
};

struct element {
	char		name[NAME_MAX_LEN + 1];
	enum place	place;
};

struct parse {
	const char	*at, *end;
	const struct s3list_query *q;
	int		(*each)(void *, const struct s3list_entry *);
	void		*arg;
	struct err	*e;
	/* Where we are. */
	struct element	 stack[DEPTH_MAX];
	size_t		 depth;
	char		 text[S3LIST_KEY_MAX + 1];
	size_t		 text_len;
	/* What was seen. */
	bool		 ended, has_prefix, has_truncated, truncated;
	bool		 has_key, has_size;
	char		 key[S3LIST_KEY_MAX + 1];
	struct s3list_entry entry;
	char		 last[2][S3LIST_KEY_MAX + 1];	/* keys, prefixes */
};

static int
bad(struct parse *p, const char *what)
{
	return err_set(p->e, ERR_FORMAT, "the listing is damaged: %s", what);
}

static enum place
place_now(const struct parse *p)
{
	return p->depth == 0 ? PLACE_OTHER : p->stack[p->depth - 1].place;
}

/* --- Elements that have come to their end. --- */

static int
put_entry(struct parse *p, bool is_prefix)
{
	char	*last = p->last[is_prefix];
	size_t	 n = strlen(p->q->prefix);

	if (strncmp(p->key, p->q->prefix, n) != 0)
		return bad(p, "a key has another prefix");
	if (strcmp(p->key, last) <= 0)
		return bad(p, "keys are not in order");
	if (is_prefix && (!p->q->delimited ||
	    strchr(p->key + n, '/') != p->key + strlen(p->key) - 1))
		return bad(p, "a common prefix that is none");
	snprintf(last, S3LIST_KEY_MAX + 1, "%s", p->key);
	p->entry.key = p->key;
	p->entry.is_prefix = is_prefix;
	return p->each(p->arg, &p->entry);
}

static int
end_contents(struct parse *p)
{
	if (!p->has_key || !p->has_size)
		return bad(p, "an entry without key or size");
	return put_entry(p, false);
}

static int
end_common(struct parse *p)
{
	if (!p->has_key)
		return bad(p, "a common prefix without a name");
	p->entry.size = 0;
	p->entry.mtime = 0;
	return put_entry(p, true);
}

static int
same(struct parse *p, const char *wanted, const char *what)
{
	return strcmp(p->text, wanted) == 0 ? 0 : bad(p, what);
}

static int
take_key(struct parse *p)
{
	if (p->has_key || p->text_len == 0)
		return bad(p, "two keys in an entry, or an empty one");
	p->has_key = true;
	memcpy(p->key, p->text, p->text_len + 1);
	return 0;
}

static int
take_size(struct parse *p)
{
	uint64_t v = 0;
	size_t	 i;

	if (p->has_size || p->text_len == 0 || p->text_len > 18)
		return bad(p, "a size");
	for (i = 0; i < p->text_len; i++) {
		if (!text_is_digit(p->text[i]))
			return bad(p, "a size");
		v = v * 10 + (uint64_t)(p->text[i] - '0');
	}
	p->has_size = true;
	p->entry.size = v;
	return 0;
}

static int
take_truncated(struct parse *p)
{
	if (p->has_truncated || (strcmp(p->text, "true") != 0 &&
	    strcmp(p->text, "false") != 0))
		return bad(p, "IsTruncated");
	p->has_truncated = true;
	p->truncated = p->text[0] == 't';
	return 0;
}

static int
end_element(struct parse *p, enum place place)
{
	int64_t	us;

	switch (place) {
	case PLACE_OTHER:
		return 0;
	case PLACE_ROOT:
		p->ended = true;
		return 0;
	case PLACE_PREFIX:
		p->has_prefix = true;
		return same(p, p->q->prefix, "it is that of another prefix");
	case PLACE_MARKER:
		return same(p, p->q->marker, "it is that of another marker");
	case PLACE_DELIMITER:
		return same(p, p->q->delimited ? "/" : "",
		    "it is that of another delimiter");
	case PLACE_TRUNCATED:
		return take_truncated(p);
	case PLACE_CONTENTS:
		return end_contents(p);
	case PLACE_KEY:
	case PLACE_COMMON_PREFIX:
		return take_key(p);
	case PLACE_SIZE:
		return take_size(p);
	case PLACE_TIME:
		if (text_parse_rfc3339(p->text, &us) != 0)
			return bad(p, "a time");
		p->entry.mtime = us / TEXT_USEC_PER_SEC;
		return 0;
	case PLACE_COMMON:
		return end_common(p);
	}
	return 0;
}

/* --- Tags and text. --- */

static enum place
place_of(const struct parse *p, const char *name)
{
	size_t	i;

	if (p->depth == 0)
		return strcmp(name, "ListBucketResult") == 0 ? PLACE_ROOT :
		    PLACE_OTHER;
	for (i = 0; i < ARRAY_LEN(places); i++) {
		if (places[i].in == place_now(p) &&
		    strcmp(places[i].name, name) == 0)
			return places[i].place;
	}
	return PLACE_OTHER;
}

/* What holds text and nothing else. */
static bool
is_leaf(enum place place)
{
	return place != PLACE_OTHER && place != PLACE_ROOT &&
	    place != PLACE_CONTENTS && place != PLACE_COMMON;
}

static int
open_element(struct parse *p, const char *name)
{
	struct element	*el;

	if (p->ended || p->depth == DEPTH_MAX || is_leaf(place_now(p)))
		return bad(p, "an element where none belongs");
	el = &p->stack[p->depth];
	el->place = place_of(p, name);
	if (p->depth == 0 && el->place != PLACE_ROOT)
		return bad(p, "it is no listing");
	snprintf(el->name, sizeof(el->name), "%s", name);
	p->depth++;
	if (el->place == PLACE_CONTENTS || el->place == PLACE_COMMON) {
		memset(&p->entry, 0, sizeof(p->entry));
		p->has_key = p->has_size = false;
	}
	p->text_len = 0;
	p->text[0] = '\0';
	return 0;
}

static int
close_element(struct parse *p, const char *name)
{
	struct element	*el;

	if (p->depth == 0 ||
	    strcmp(p->stack[p->depth - 1].name, name) != 0)
		return bad(p, "tags do not match");
	el = &p->stack[--p->depth];
	return end_element(p, el->place);
}

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    text_is_digit(c) || c == '_' || c == '-' || c == '.' || c == ':';
}

/* At a '<': one tag, or the declaration in front. */
static int
take_tag(struct parse *p)
{
	const char	*close = memchr(p->at, '>', (size_t)(p->end - p->at));
	const char	*from = p->at + 1;
	char		 name[NAME_MAX_LEN + 1];
	bool		 ending, alone;
	size_t		 n = 0;
	int		 rc;

	if (close == NULL || close == from)
		return bad(p, "it ends within a tag");
	p->at = close + 1;
	if (*from == '?')
		return p->depth == 0 && !p->ended && close[-1] == '?' ? 0 :
		    bad(p, "a declaration inside");
	ending = *from == '/';
	from += ending;
	alone = !ending && close[-1] == '/';
	while (from + n < close && n <= NAME_MAX_LEN && is_name_char(from[n]))
		n++;
	if (n == 0 || n > NAME_MAX_LEN || (from + n < close - alone &&
	    (ending || !text_is_blank(from[n]))))
		return bad(p, "a tag");
	memcpy(name, from, n);
	name[n] = '\0';
	if (ending)
		return close_element(p, name);
	rc = open_element(p, name);
	return rc != 0 || !alone ? rc : close_element(p, name);
}

/*
 * The character behind an '&', -1 if there is none. Names of owners may hold
 * any; in keys of ours is none beyond ASCII, so DEL stands for all of those.
 */
static int
take_entity(struct parse *p)
{
	static const struct {
		const char	*text;
		char		 c;
	} named[] = {
		{ "amp", '&' }, { "lt", '<' }, { "gt", '>' },
		{ "quot", '"' }, { "apos", '\'' }
	};
	char	text[12];
	char	*end;
	long	v;
	size_t	i, n = 0;

	while (p->at + n < p->end && n < sizeof(text) - 1 && p->at[n] != ';')
		n++;
	if (p->at + n == p->end || p->at[n] != ';' || n == 0)
		return -1;
	memcpy(text, p->at, n);
	text[n] = '\0';
	p->at += n + 1;
	for (i = 0; i < ARRAY_LEN(named); i++) {
		if (strcmp(named[i].text, text) == 0)
			return named[i].c;
	}
	if (text[0] != '#')
		return -1;
	v = text[1] == 'x' ? strtol(text + 2, &end, 16) :
	    strtol(text + 1, &end, 10);
	if (*end != '\0' || v < 1)
		return -1;
	return v < 128 ? (int)v : 127;
}

static int
take_text(struct parse *p)
{
	int c = (unsigned char)*p->at++;

	if (p->depth == 0)
		return text_is_blank((char)c) ? 0 :
		    bad(p, "bytes outside of it");
	if (c == '&')
		c = take_entity(p);
	if (c <= 0)
		return bad(p, "an entity");
	if (p->text_len == S3LIST_KEY_MAX)
		return bad(p, "a text is too long");
	p->text[p->text_len++] = (char)c;
	p->text[p->text_len] = '\0';
	return 0;
}

/* The greatest key and prefix that came, or what the server says. */
static int
set_next(struct parse *p, char next[S3LIST_KEY_MAX + 1])
{
	const char *greatest = strcmp(p->last[0], p->last[1]) > 0 ?
	    p->last[0] : p->last[1];

	snprintf(next, S3LIST_KEY_MAX + 1, "%s", greatest);
	if (p->truncated && strcmp(greatest, p->q->marker) <= 0)
		return bad(p, "it says that there is more, and does not go on");
	return 0;
}

int
s3list_parse(const char *bytes, size_t n, const struct s3list_query *q,
    int (*each)(void *, const struct s3list_entry *), void *arg,
    bool *truncated, char next[S3LIST_KEY_MAX + 1], struct err *e)
{
	struct parse	p = { .at = bytes, .end = bytes + n, .q = q,
	    .each = each, .arg = arg, .e = e };
	int		rc = 0;

	/* Behind the marker is where an answer to it begins. */
	snprintf(p.last[0], sizeof(p.last[0]), "%s", q->marker);
	snprintf(p.last[1], sizeof(p.last[1]), "%s", q->marker);
	while (rc == 0 && p.at < p.end)
		rc = *p.at == '<' ? take_tag(&p) : take_text(&p);
	if (rc != 0)
		return rc;
	if (!p.ended)
		return bad(&p, "it ends too early");
	if (!p.has_prefix || !p.has_truncated)
		return bad(&p, "Prefix or IsTruncated is missing");
	rc = set_next(&p, next);
	if (rc == 0)
		*truncated = p.truncated;
	return rc;
}
