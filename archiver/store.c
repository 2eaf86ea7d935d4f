/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/store.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/err.h"

static struct store_op
op_begin(const struct store_limits *l)
{
	struct store_op op = { INT64_MAX, NULL, NULL };

	if (l == NULL)
		return op;
	if (l->timeout_us > 0)
		op.due = clock_us() + l->timeout_us;
	op.cancelled = l->cancelled;
	op.arg = l->arg;
	return op;
}

int
store_op_check(const struct store_op *op, const char *what, struct err *e)
{
	if (op->cancelled != NULL && op->cancelled(op->arg))
		return err_set(e, ERR_CANCELLED, "%s: cancelled", what);
	if (op->due == INT64_MAX || clock_us() < op->due)
		return 0;
	err_set(e, ERR_TIMEOUT, "%s: no result in time", what);
	return err_hint(e, "the repository does not answer: is it overloaded, "
	    "or the network cut? io-timeout and archive-timeout set how long "
	    "to wait");
}

int
store_source_read(struct store_source *s, void *buf, size_t size, size_t *n,
    struct err *e)
{
	const struct store_part *p;
	ssize_t	got;

	*n = 0;
	while (s->part < s->n && s->at == s->parts[s->part].len) {
		s->part++;
		s->at = 0;
	}
	if (s->part == s->n)
		return 0;
	p = &s->parts[s->part];
	size = MIN(size, (size_t)(p->len - s->at));
	if (p->bytes != NULL) {
		memcpy(buf, (const char *)p->bytes + s->at, size);
		got = (ssize_t)size;
	} else {
		got = pread(p->fd, buf, size, (off_t)(p->offset + s->at));
	}
	if (got < 0)
		return err_sys(e, errno, "cannot read the source");
	if (got == 0)
		return err_set(e, ERR_FORMAT, "the source file shrank");
	s->at += (uint64_t)got;
	*n = (size_t)got;
	return 0;
}

/* A prefix may be empty and may end in a slash or within a name. */
static bool
is_key(const char *key, bool prefix)
{
	const char *p;
	bool	    start = true;

	if (strlen(key) > STORE_KEY_MAX || (*key == '\0' && !prefix))
		return false;
	for (p = key; *p != '\0'; p++) {
		if (start && (*p == '.' || *p == '/'))
			return false;
		start = *p == '/';
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		    "0123456789._-/", *p) == NULL)
			return false;
	}
	return prefix || !start;
}

static int
check_key(const char *key, bool prefix, struct err *e)
{
	if (is_key(key, prefix))
		return 0;
	err_set(e, ERR_USAGE, "\"%.200s\" cannot be the key of an object", key);
	err_hint(e, "names of stanzas and objects consist of A-Z a-z 0-9 . _ "
	    "and -, and do not begin with a dot");
	return ERR_USAGE;
}

void
store_close(struct store *s)
{
	if (s != NULL)
		s->ops->close(s);
}

const char *
store_name(const struct store *s)
{
	return s->name;
}

int
store_put_parts(struct store *s, const char *key,
    const struct store_part *parts, size_t n, const struct store_limits *l,
    struct err *e)
{
	struct store_op op = op_begin(l);
	int		rc = check_key(key, false, e);

	return rc != 0 ? rc : s->ops->put(s, key, parts, n, &op, e);
}

int
store_put(struct store *s, const char *key, const void *bytes, size_t n,
    const struct store_limits *l, struct err *e)
{
	struct store_part part = { n == 0 ? "" : bytes, -1, 0, n };

	return store_put_parts(s, key, &part, 1, l, e);
}

int
store_read(struct store *s, const char *key, uint64_t offset, size_t n,
    store_sink *sink, void *arg, const struct store_limits *l, struct err *e)
{
	struct store_op op = op_begin(l);
	int		rc = check_key(key, false, e);

	return rc != 0 ? rc : s->ops->read(s, key, offset, n, sink, arg, &op, e);
}

static int
append(void *arg, const void *bytes, size_t n, struct err *e)
{
	struct buf *out = arg;

	buf_append(out, bytes, n);
	if (buf_failed(out))
		return err_set(e, ERR_NOMEM, "no memory for an object");
	return 0;
}

int
store_get(struct store *s, const char *key, uint64_t offset, size_t n,
    struct buf *out, const struct store_limits *l, struct err *e)
{
	return store_read(s, key, offset, n, append, out, l, e);
}

int
store_head(struct store *s, const char *key, uint64_t *size,
    const struct store_limits *l, struct err *e)
{
	struct store_op op = op_begin(l);
	int		rc = check_key(key, false, e);

	return rc != 0 ? rc : s->ops->head(s, key, size, &op, e);
}

int
store_list(struct store *s, const char *prefix, bool delimited,
    int (*each)(void *, const struct store_entry *), void *arg,
    const struct store_limits *l, struct err *e)
{
	struct store_op op = op_begin(l);
	int		rc = check_key(prefix, true, e);

	return rc != 0 ? rc :
	    s->ops->list(s, prefix, delimited, each, arg, &op, e);
}

int
store_remove(struct store *s, const char *key, const struct store_limits *l,
    struct err *e)
{
	struct store_op op = op_begin(l);
	int		rc = check_key(key, false, e);

	return rc != 0 ? rc : s->ops->remove(s, key, &op, e);
}

int
store_sweep(struct store *s, const struct store_sweep *sweep,
    const struct store_limits *l, struct err *e)
{
	struct store_op op = op_begin(l);
	int		rc = check_key(sweep->prefix, true, e);

	if (rc != 0 || s->ops->sweep == NULL)
		return rc;
	return s->ops->sweep(s, sweep, &op, e);
}

int
store_check(struct store *s, uint64_t room, const struct store_limits *l,
    struct err *e)
{
	struct store_op op = op_begin(l);

	return s->ops->check(s, room, &op, e);
}
