/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "archiver/engine.h"
#include "archiver/object.h"
#include "archiver/push.h"
#include "archiver/segment.h"
#include "archiver/settings.h"
#include "common/buf.h"
#include "common/err.h"

#define RETRY_FIRST_MS	200
#define RETRY_MAX_MS	3000

/* The keys of one name: normally one. */
struct keys {
	char	key[4][STORE_KEY_MAX];
	int	n;
};

static int
note_key(void *arg, const struct store_entry *entry)
{
	struct keys *k = arg;

	if (k->n < (int)ARRAY_LEN(k->key))
		snprintf(k->key[k->n++], STORE_KEY_MAX, "%s", entry->key);
	return 0;
}

struct target {
	int	fd;
	off_t	at;
};

static int
write_out(void *arg, const void *bytes, size_t n, struct err *e)
{
	struct target	*t = arg;
	const char	*p = bytes;
	ssize_t		 k;

	for (; n > 0; p += k, n -= (size_t)k) {
		k = pwrite(t->fd, p, n, t->at);
		if (k < 0 && errno == EINTR)
			k = 0;
		else if (k < 0)
			return err_sys(e, errno, "cannot write the WAL file");
		t->at += k;
	}
	return 0;
}

static int
fetch_key(const struct fetch_request *req, const struct repo *r,
    enum object_kind kind, const char *key, const struct store_limits *limits,
    struct err *e)
{
	struct object_reader reader;
	struct target	t = { req->fd, 0 };
	int		rc;

	if (ftruncate(req->fd, 0) != 0)
		return err_sys(e, errno, "cannot empty the WAL file");
	rc = object_reader_init(&reader, kind, write_out, &t, e);
	if (rc == 0)
		rc = store_read(r->store, key, 0, 0, object_reader_feed,
		    &reader, limits, e);
	if (rc == 0)
		rc = object_reader_finish(&reader, e);
	object_reader_release(&reader);
	return rc;
}

/* 0, ERR_ABSENT: an authoritative no, or what went wrong. */
static int
fetch_from(const struct fetch_request *req, const struct repo *r,
    const struct segment_name *name, const struct store_limits *limits,
    struct buf *warnings, struct err *e)
{
	enum object_kind kind = name->kind == SEGMENT_FULL ? OBJECT_WAL :
	    OBJECT_WAL_FILE;
	struct keys	keys = { .n = 0 };
	char		prefix[STORE_KEY_MAX];
	int		i, rc;

	repo_key_wal(prefix, req->stanza, req->system_id, name, NULL);
	rc = store_list(r->store, prefix, false, note_key, &keys, limits, e);
	if (rc != 0)
		return rc;
	if (keys.n == 0) {
		/* A wrong path or stanza looks like an empty archive. */
		rc = repo_check_claim(r, req->stanza, req->system_id, 0,
		    limits, e);
		return rc != 0 ? rc : err_set(e, ERR_ABSENT,
		    "%s is not in repo%d (%s)", req->name, r->number,
		    store_name(r->store));
	}
	if (keys.n > 1)
		buf_printf(warnings, "%s is in repo%d more than once, with "
		    "different content: two servers archived into stanza %s\n",
		    req->name, r->number, req->stanza);
	for (i = 0, rc = -1; i < keys.n && rc != 0; i++) {
		rc = fetch_key(req, r, kind, keys.key[i], limits, e);
		if (rc == ERR_CHECKSUM || rc == ERR_FORMAT)
			buf_printf(warnings, "%s in repo%d is damaged: %s\n",
			    keys.key[i], r->number, e->msg);
		if (rc != 0)
			err_wrap(e, "%s in repo%d", keys.key[i], r->number);
	}
	/* Listed, then gone: expire ran. Not an answer to rely on. */
	return rc == ERR_NOT_FOUND || rc == ERR_ABSENT ?
	    err_set(e, ERR_STORE, "%s vanished from repo%d", req->name,
	    r->number) : rc;
}

static void
sleep_ms(int ms)
{
	struct timespec t = { ms / 1000, (ms % 1000) * 1000000L };

	nanosleep(&t, NULL);
}

/* Asks all repositories once. */
static int
fetch_once(const struct fetch_request *req, const struct segment_name *name,
    int64_t end, struct buf *warnings, struct err *e)
{
	struct err	one;
	size_t		i;
	int		rc, result = ERR_ABSENT;

	for (i = 0; i < req->repo_n; i++) {
		struct store_limits l = req->limits;

		l.timeout_us = req->repos[i].io_timeout;
		if (end != INT64_MAX)
			l.timeout_us = MIN(MAX(end - store_clock(), 1),
			    l.timeout_us);
		memset(&one, 0, sizeof(one));
		rc = fetch_from(req, &req->repos[i], name, &l, warnings, &one);
		if (rc == 0)
			return 0;
		/* An error counts for more than a no. */
		if (result == ERR_ABSENT) {
			result = rc;
			*e = one;
		}
	}
	return result;
}

int
fetch_file(const struct fetch_request *req, struct buf *warnings,
    struct err *e)
{
	struct segment_name name;
	int64_t		end = req->limits.timeout_us == 0 ? INT64_MAX :
	    store_clock() + req->limits.timeout_us;
	int		pause = RETRY_FIRST_MS, rc;

	if (segment_parse(req->name, &name) != 0)
		return err_set(e, ERR_USAGE, "\"%.100s\" is not the name of a "
		    "WAL file", req->name);
	for (;;) {
		rc = fetch_once(req, &name, end, warnings, e);
		/* What trying again cannot change. */
		if (rc == 0 || rc == ERR_ABSENT || rc == ERR_MISMATCH ||
		    rc == ERR_CANCELLED || rc == ERR_NOSPACE ||
		    rc == ERR_NOT_YET || rc == ERR_USAGE)
			return rc;
		if (store_clock() + pause * 1000 >= end)
			return rc;
		buf_clear(warnings);
		sleep_ms(pause);
		pause = MIN(pause * 2, RETRY_MAX_MS);
	}
}

int
verb_archive_get(const struct verb_call *call, struct err *e)
{
	struct fetch_request req = {
		.repos = call->repos, .repo_n = call->repo_n,
		.stanza = call->stanza, .fd = call->fd,
		.limits = { call->s->o.archive_get_timeout, call->cancelled,
		    call->arg }
	};
	struct buf	warnings = { 0 };
	char		*line, *rest = NULL, *text;
	int		version, rc;

	if (call->argc < 1 || call->path == NULL)
		return err_set(e, ERR_USAGE, "archive-get needs %%f and %%p");
	req.name = call->argv[0];
	rc = push_system_id(call->path, &req.system_id, &version, e);
	if (rc == 0)
		rc = fetch_file(&req, &warnings, e);
	text = strdup(buf_cstr(&warnings));
	for (line = text == NULL ? NULL : strtok_r(text, "\n", &rest);
	    line != NULL; line = strtok_r(NULL, "\n", &rest))
		call->warn(call->arg, line);
	free(text);
	buf_release(&warnings);
	return rc;
}
