/* SPDX-License-Identifier: MIT */
/*
 * How inih is kept from harm. ini_parse_stream() asks for one line at a
 * time with a buffer of 200 bytes. The reader below takes a line of the
 * file, whatever its length, and hands over a short one:
 *
 *	a header or key of our grammar	"k=v" in a plain form; the real
 *					section, key and value wait beside it
 *	anything else			"?": inih calls it an error
 *
 * Each handed line must come back as one call of the handler. If the reader
 * is asked for the next line while one is still outstanding, inih could not
 * make sense of it: a syntax error at that place.
 */
#include "common/base.h"
#include "common/conf.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"

/* What inih is certain to keep whole: its buffer is 200 bytes. */
#define PLAIN_MAX	150
/* inih cuts section names at 49 bytes, so sections always go by the side. */
#define STAND_IN	"k=v\n"
#define NOT_INI		"?\n"

struct source {
	FILE	*stream;
	char	*name;
	int	 line;
};

struct reader {
	struct source	 stack[CONF_INCLUDE_MAX];
	int		 depth;		/* files open */
	char		*text;		/* the line, cap bytes of room */
	size_t		 cap;
	char		*section;	/* owned */
	/* The line that inih has and has not called back for. */
	bool		 outstanding;
	bool		 by_side;	/* key and value are these two */
	char		*key;		/* within text; NULL: a header */
	char		*value;
	conf_handler	*handler;
	void		*arg;
	int		 rc;		/* of the first error */
	struct err	*e;
};

static struct source *
top(struct reader *r)
{
	return &r->stack[r->depth - 1];
}

static int
fail(struct reader *r, const char *what)
{
	r->rc = err_set(r->e, ERR_CONFIG,
	    "%s (%s:%d), stopping loading", what, top(r)->name, top(r)->line);
	return r->rc;
}

/* Opens a file on top of the stack, which has room. */
static int
push_file(struct reader *r, const char *path)
{
	struct source	s = { 0 };

	s.name = strdup(path);
	if (s.name == NULL)
		return r->rc = err_set(r->e, ERR_NOMEM, "out of memory");
	s.stream = fopen(path, "re");
	if (s.stream == NULL) {
		r->rc = err_sys(r->e, errno, "could not load file \"%s\"",
		    path);
		free(s.name);
		return r->rc;
	}
	r->stack[r->depth++] = s;
	return 0;
}

static void
pop_file(struct reader *r)
{
	struct source *s = top(r);

	fclose(s->stream);
	free(s->name);
	r->depth--;
}

static char *
skip_blanks(char *p)
{
	while (text_is_blank(*p))
		p++;
	return p;
}

static void
cut_blanks(char *p)
{
	size_t	n = strlen(p);

	while (n > 0 && text_is_blank(p[n - 1]))
		p[--n] = '\0';
}

/*
 * Makes room for one more byte. Not realloc(): the old copy, which may hold
 * a password, is overwritten.
 */
static int
grow_line(struct reader *r)
{
	size_t	 cap = r->cap == 0 ? 512 : r->cap * 2;
	char	*p = malloc(cap);

	if (p == NULL)
		return r->rc = err_set(r->e, ERR_NOMEM, "out of memory");
	if (r->text != NULL) {
		memcpy(p, r->text, r->cap);
		explicit_bzero(r->text, r->cap);
		free(r->text);
	}
	r->text = p;
	r->cap = cap;
	return 0;
}

/*
 * Reads the next line of the top file into r->text, without its newline.
 * Returns 1, 0 at the end of the file, or a negative code. A NUL byte is
 * none of an ini file's: it would hide the rest of the line.
 */
static int
next_line(struct reader *r)
{
	struct source	*s = top(r);
	size_t		 n = 0;
	int		 c;

	s->line++;
	errno = 0;
	while ((c = getc(s->stream)) != EOF && c != '\n') {
		if (c == '\0' || n == CONF_LINE_MAX)
			return fail(r, "syntax error in configuration");
		if (n + 1 >= r->cap && grow_line(r) != 0)
			return r->rc;
		r->text[n++] = (char)c;
	}
	if (c == EOF && ferror(s->stream))
		return r->rc = err_sys(r->e, errno,
		    "could not load file \"%s\"", s->name);
	if (c == EOF && n == 0)
		return 0;
	if (r->cap == 0 && grow_line(r) != 0)
		return r->rc;
	r->text[n] = '\0';
	return 1;
}

/* The name between [ and ]; only a comment may follow. */
static int
take_section(struct reader *r, char *p)
{
	char	*end = strchr(p, ']');
	char	*rest;
	char	*name;

	if (end == NULL)
		return fail(r, "syntax error in configuration");
	rest = skip_blanks(end + 1);
	if (*rest != '\0' && *rest != ';' && *rest != '#')
		return fail(r, "syntax error in configuration");
	*end = '\0';
	name = strdup(p + 1);
	if (name == NULL)
		return r->rc = err_set(r->e, ERR_NOMEM, "out of memory");
	free(r->section);
	r->section = name;
	r->key = r->value = NULL;
	r->by_side = true;
	return 0;
}

/* Undoes the quotes in place; returns what follows them, NULL if open. */
static char *
take_quoted_key(struct reader *r, char *p)
{
	char	quote = *p++;
	char	*to = p;

	r->key = p;
	for (;; p++) {
		if (*p == '\0')
			return NULL;
		if (*p == quote && *++p != quote) {
			/* The byte behind may be the '=' itself. */
			*to = '\0';
			return p;
		}
		*to++ = *p;
	}
}

static bool
is_key_char(char c)
{
	return text_is_digit(c) || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z') || (c != '\0' && strchr("_.*-", c) != NULL);
}

/* True if inih would give back just this key and value. */
static bool
is_plain(const char *key, const char *value)
{
	if (strlen(key) + strlen(value) >= PLAIN_MAX)
		return false;
	for (; *value != '\0'; value++) {
		if (*value < 0x20 || *value > 0x7e || *value == ';')
			return false;
	}
	return true;
}

/*
 * Splits `key = value`. False if the line is not of this form: then inih
 * gets it as no ini line at all.
 */
static bool
take_pair(struct reader *r, char *p)
{
	bool	 quoted = *p == '\'' || *p == '"';
	char	*end, *equals;

	if (quoted) {
		end = take_quoted_key(r, p);
		if (end == NULL || *r->key == '\0')
			return false;
	} else {
		r->key = p;
		for (end = p; is_key_char(*end); end++)
			;
		if (end == p)
			return false;
	}
	equals = skip_blanks(end);
	if (*equals != '=')
		return false;
	r->value = skip_blanks(equals + 1);
	cut_blanks(r->value);
	if (!quoted)
		*end = '\0';
	r->by_side = quoted || !is_plain(r->key, r->value);
	return true;
}

/* The error came from a file that the top file includes. */
static void
blame_include(struct reader *r)
{
	err_wrap(r->e, "error processing include file in configuration "
	    "(%s:%d), stopping loading", top(r)->name, top(r)->line);
}

/* The path of "%include path", NULL if the line is none. */
static char *
include_path(char *p)
{
	const char word[] = "%include";

	if (strncmp(p, word, sizeof(word) - 1) != 0 ||
	    !text_is_blank(p[sizeof(word) - 1]))
		return NULL;
	p = skip_blanks(p + sizeof(word));
	cut_blanks(p);
	return *p == '\0' ? NULL : p;
}

static int
include(struct reader *r, const char *path)
{
	if (r->depth == CONF_INCLUDE_MAX)
		return fail(r, "include nesting level too deep");
	if (push_file(r, path) != 0)
		blame_include(r);
	return r->rc;
}

/* Goes on to a line that says something. Returns it, NULL at the end. */
static char *
next_statement(struct reader *r)
{
	char	*p, *path;
	int	 rc;

	while (r->rc == 0) {
		rc = next_line(r);
		if (rc < 0)
			return NULL;
		if (rc == 0) {
			if (r->depth == 1)
				return NULL;
			pop_file(r);
			continue;
		}
		p = r->text;
		if (top(r)->line == 1 && strncmp(p, "\xEF\xBB\xBF", 3) == 0)
			p += 3;
		p = skip_blanks(p);
		if (*p == '\0' || *p == ';' || *p == '#')
			continue;
		path = include_path(p);
		if (path == NULL)
			return p;
		if (include(r, path) != 0)
			return NULL;
	}
	return NULL;
}

/* inih's fgets(). */
static char *
read_for_inih(char *out, int size, void *stream)
{
	struct reader	*r = stream;
	char		*p;

	if (r->outstanding) {
		r->outstanding = false;
		fail(r, "syntax error in configuration");
	}
	p = r->rc == 0 ? next_statement(r) : NULL;
	if (p == NULL)
		return NULL;
	if (*p == '[') {
		if (take_section(r, p) != 0)
			return NULL;
		snprintf(out, (size_t)size, STAND_IN);
	} else if (!take_pair(r, p)) {
		snprintf(out, (size_t)size, NOT_INI);
	} else if (r->by_side) {
		snprintf(out, (size_t)size, STAND_IN);
	} else {
		snprintf(out, (size_t)size, "%s=%s\n", r->key, r->value);
	}
	r->outstanding = true;
	return out;
}

/* inih's handler: nonzero = go on. */
static int
handle_for_us(void *user, const char *section UNUSED, const char *name,
    const char *value)
{
	struct reader	*r = user;
	struct conf_line line;

	r->outstanding = false;
	line.section = r->section;
	line.key = r->by_side ? r->key : name;
	line.value = r->by_side ? r->value : value;
	line.file = top(r)->name;
	line.line = top(r)->line;
	r->rc = r->handler(r->arg, &line, r->e);
	return r->rc == 0;
}

int
conf_parse(const char *path, conf_handler *handler, void *arg, struct err *e)
{
	struct reader	r = { .handler = handler, .arg = arg, .e = e };
	int		rc;

	r.section = strdup("");
	if (r.section == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (push_file(&r, path) == 0) {
		rc = ini_parse_stream(read_for_inih, &r, handle_for_us, &r);
		/* The last line may have been no ini line. */
		if (r.outstanding)
			fail(&r, "syntax error in configuration");
		if (rc != 0 && r.rc == 0)
			r.rc = err_set(e, ERR_NOMEM, "out of memory");
	}
	while (r.depth > 0) {
		pop_file(&r);
		if (r.rc != 0 && r.depth > 0)
			blame_include(&r);
	}
	if (r.text != NULL)
		explicit_bzero(r.text, r.cap);
	free(r.text);
	free(r.section);
	return r.rc;
}

/* Kept lines -------------------------------------------------------- */

static void
free_entry(struct conf_entry *en)
{
	if (en->value != NULL)
		explicit_bzero(en->value, strlen(en->value));
	free(en->section);
	free(en->key);
	free(en->value);
	free(en->file);
}

void
conf_release(struct conf *c)
{
	size_t	i;

	for (i = 0; i < c->n; i++)
		free_entry(&c->entry[i]);
	free(c->entry);
	memset(c, 0, sizeof(*c));
}

static int
keep_line(void *arg, const struct conf_line *line, struct err *e)
{
	struct conf	 *c = arg;
	struct conf_entry en = { 0 }, *grown;

	/* Doubles whenever n is a power of two. */
	if ((c->n & (c->n - 1)) == 0) {
		grown = realloc(c->entry, MAX(2 * c->n, (size_t)1) *
		    sizeof(*grown));
		if (grown == NULL)
			return err_set(e, ERR_NOMEM, "out of memory");
		c->entry = grown;
	}
	en.section = strdup(line->section);
	en.key = line->key == NULL ? NULL : strdup(line->key);
	en.value = line->value == NULL ? NULL : strdup(line->value);
	en.file = strdup(line->file);
	en.line = line->line;
	if (en.section == NULL || en.file == NULL ||
	    (line->key != NULL && (en.key == NULL || en.value == NULL))) {
		free_entry(&en);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	c->entry[c->n++] = en;
	return 0;
}

int
conf_load(const char *path, struct conf *out, struct err *e)
{
	struct conf	c = { 0 };
	int		rc = conf_parse(path, keep_line, &c, e);

	if (rc != 0)
		conf_release(&c);
	else
		*out = c;
	return rc;
}

bool
conf_has_section(const struct conf *c, const char *section)
{
	size_t	i;

	for (i = 0; i < c->n; i++) {
		if (c->entry[i].key == NULL &&
		    strcmp(c->entry[i].section, section) == 0)
			return true;
	}
	return false;
}

const struct conf_entry *
conf_next(const struct conf *c, const char *section,
    const struct conf_entry *after)
{
	size_t	i = after == NULL ? 0 : (size_t)(after - c->entry) + 1;

	for (; i < c->n; i++) {
		if (c->entry[i].key != NULL &&
		    strcmp(c->entry[i].section, section) == 0)
			return &c->entry[i];
	}
	return NULL;
}
