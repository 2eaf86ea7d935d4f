/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/authfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"

/* No user list comes near this; a device file would fill the memory. */
#define FILE_MAX	((size_t)256 << 20)
#define READ_SIZE	((size_t)64 << 10)

struct cursor {
	const char	*p, *end;
	const char	*file;
	int		 line;
	struct err	*e;
};

void
authfile_release(struct authfile_secret *s)
{
	free(s->user);
	if (s->secret != NULL)
		explicit_bzero(s->secret, strlen(s->secret));
	free(s->secret);
	memset(s, 0, sizeof(*s));
}

static bool
is_md5(const char *s)
{
	size_t	i;

	if (strncmp(s, "md5", 3) != 0)
		return false;
	for (i = 3; text_is_digit(s[i]) || (s[i] >= 'a' && s[i] <= 'f'); i++)
		;
	return i == 35 && s[i] == '\0';
}

static bool
is_scram(const char *s)
{
	static const char start[] = "SCRAM-SHA-256$";
	size_t	n = sizeof(start) - 1;

	if (strncmp(s, start, n) != 0)
		return false;
	/* iterations ":" salt "$" stored key ":" server key */
	s += n;
	n = strspn(s, "0123456789");
	if (n == 0 || s[n] != ':')
		return false;
	s += n + 1;
	n = strcspn(s, "$:");
	if (n == 0 || s[n] != '$')
		return false;
	s += n + 1;
	n = strcspn(s, "$:");
	return n > 0 && s[n] == ':' && s[n + 1] != '\0' &&
	    strpbrk(s + n + 1, "$:") == NULL;
}

enum authfile_kind
authfile_kind(const char *s)
{
	if (is_md5(s))
		return AUTHFILE_MD5;
	return is_scram(s) ? AUTHFILE_SCRAM : AUTHFILE_PLAIN;
}

static int
fail(const struct cursor *c, const char *what)
{
	err_set(c->e, ERR_CONFIG, "%s (%s:%d)", what, c->file, c->line);
	err_hint(c->e, "each line is \"user\" \"secret\", in double quotes");
	return ERR_CONFIG;
}

static void
skip_blanks(struct cursor *c)
{
	while (c->p < c->end && *c->p != '\n' && text_is_blank(*c->p))
		c->p++;
}

static void
skip_line(struct cursor *c)
{
	while (c->p < c->end && *c->p != '\n')
		c->p++;
}

/*
 * A quoted text that ends within its line, at most max bytes once its
 * quotes are undone. The caller frees *out.
 */
static int
take_quoted(struct cursor *c, size_t max, const char *too_long, char **out)
{
	const char	*from;
	char		*to;
	size_t		 n = 0;

	if (c->p == c->end || *c->p != '"')
		return fail(c, "broken auth file");
	from = ++c->p;
	for (;; c->p++, n++) {
		if (c->p == c->end || *c->p == '\n' || *c->p == '\0')
			return fail(c, "broken auth file");
		if (*c->p == '"' &&
		    (++c->p == c->end || *c->p != '"'))
			break;
	}
	if (n > max)
		return fail(c, too_long);
	*out = to = malloc(n + 1);
	if (to == NULL)
		return err_set(c->e, ERR_NOMEM, "out of memory");
	for (; n > 0; n--, from++) {
		if (*from == '"')
			from++;
		*to++ = *from;
	}
	*to = '\0';
	return 0;
}

static int
keep(struct cursor *c, struct authfile_secret *s, struct authfile_secret **all,
    size_t *n)
{
	struct authfile_secret *grown;

	/* Doubles whenever n is a power of two. */
	if ((*n & (*n - 1)) == 0) {
		grown = realloc(*all, MAX(2 * *n, (size_t)1) * sizeof(*grown));
		if (grown == NULL) {
			authfile_release(s);
			return err_set(c->e, ERR_NOMEM, "out of memory");
		}
		*all = grown;
	}
	(*all)[(*n)++] = *s;
	return 0;
}

/* Reads one line, which is neither empty nor a comment. */
static int
take_user(struct cursor *c, struct authfile_secret **all, size_t *n)
{
	struct authfile_secret s = { 0 };
	int		     rc;

	rc = take_quoted(c, AUTHFILE_USER_MAX,
	    "username too long in auth file", &s.user);
	if (rc == 0) {
		skip_blanks(c);
		rc = take_quoted(c, AUTHFILE_SECRET_MAX,
		    "password too long in auth file", &s.secret);
	}
	if (rc != 0) {
		authfile_release(&s);
		return rc;
	}
	s.kind = authfile_kind(s.secret);
	return keep(c, &s, all, n);
}

int
authfile_parse(const char *name, const struct buf *text,
    struct authfile_secret **secrets, size_t *n, struct err *e)
{
	struct cursor	c = { .file = name, .line = 1, .e = e };
	int		rc;

	if (buf_len(text) == 0)
		return 0;
	c.p = buf_bytes(text);
	c.end = c.p + buf_len(text);
	for (; c.p < c.end; c.p++, c.line++) {
		skip_blanks(&c);
		if (c.p == c.end)
			break;
		if (*c.p != '\n' && *c.p != ';') {
			rc = take_user(&c, secrets, n);
			if (rc != 0)
				return rc;
		}
		skip_line(&c);
	}
	return 0;
}

static int
read_all(int fd, struct buf *text)
{
	char	*p;
	ssize_t	 n;

	do {
		p = buf_reserve(text, READ_SIZE);
		if (p == NULL)
			return buf_len(text) > FILE_MAX - READ_SIZE ? EFBIG :
			    ENOMEM;
		n = read(fd, p, READ_SIZE);
		if (n < 0 && errno != EINTR)
			return errno;
		if (n > 0)
			buf_commit(text, (size_t)n);
	} while (n != 0);
	return 0;
}

int
authfile_load(const char *path, struct authfile_secret **secrets, size_t *n,
    struct err *e)
{
	struct buf	text;
	int		fd, rc;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		rc = err_sys(e, errno, "could not open auth_file %s", path);
		err_hint(e, "the path is relative to the working directory; "
		    "the pooler's user must be able to read it");
		return rc;
	}
	buf_init(&text, FILE_MAX);
	rc = read_all(fd, &text);
	close(fd);
	if (rc != 0)
		rc = err_sys(e, rc, "could not read auth_file %s", path);
	else
		rc = authfile_parse(path, &text, secrets, n, e);
	buf_release_secret(&text);
	return rc;
}
