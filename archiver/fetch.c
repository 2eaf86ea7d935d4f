/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "archiver/engine.h"
#include "archiver/known.h"
#include "archiver/object.h"
#include "archiver/push.h"
#include "archiver/segment.h"
#include "archiver/settings.h"
#include "common/buf.h"
#include "common/clock.h"
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

/* One repository asked once. */
struct attempt {
	const struct fetch_request *req;
	const struct repo *repo;
	struct segment_name name;
	struct store_limits limits;
	struct fetch_result result;
	struct buf	*warnings;
};

/* Where the bytes of a file go. */
struct target {
	int		fd;
	uint64_t	start, at;
	uint64_t	room;		/* 0: no limit */
};

static int
write_out(void *arg, const void *bytes, size_t n, struct err *e)
{
	struct target	*t = arg;
	const char	*p = bytes;
	ssize_t		 k;

	if (t->room != 0 && t->at - t->start + n > t->room)
		return err_set(e, ERR_LIMIT, "the WAL file is larger than "
		    "the others");
	for (; n > 0; p += k, n -= (size_t)k) {
		k = pwrite(t->fd, p, n, (off_t)t->at);
		if (k < 0 && errno == EINTR)
			k = 0;
		else if (k < 0)
			return err_sys(e, errno, "cannot write the WAL file");
		t->at += (uint64_t)k;
	}
	return 0;
}

/*
 * Whether a whole object is the one that was asked for: its key ends in the
 * digest. A store, or something between, that mixes up its answers would
 * otherwise hand PostgreSQL another segment with a digest that fits.
 */
static int
check_key(const char *key, const struct digest *digest, struct err *e)
{
	char	hex[DIGEST_HEX_LEN + 1];
	size_t	n = strlen(key);

	digest_hex(digest, hex);
	if (n > DIGEST_HEX_LEN &&
	    strcmp(key + n - DIGEST_HEX_LEN, hex) == 0)
		return 0;
	return err_set(e, ERR_CHECKSUM, "the store gave another object: its "
	    "digest is %s", hex);
}

static int
fetch_key(struct attempt *a, const char *key, struct err *e)
{
	const struct fetch_request *req = a->req;
	struct object_reader reader;
	struct target	t = { req->fd, req->offset, req->offset, req->room };
	int		rc;

	if (req->room == 0 && ftruncate(req->fd, 0) != 0)
		return err_sys(e, errno, "cannot empty the WAL file");
	rc = object_reader_init(&reader, a->name.kind == SEGMENT_FULL ?
	    OBJECT_WAL : OBJECT_WAL_FILE, write_out, &t, e);
	if (rc == 0)
		rc = store_read(a->repo->store, key, 0, 0, object_reader_feed,
		    &reader, &a->limits, e);
	if (rc == 0)
		rc = object_reader_finish(&reader, e);
	if (rc == 0)
		rc = check_key(key, &reader.header.digest, e);
	a->result.size = reader.header.plain_size;
	a->result.digest = reader.header.digest;
	object_reader_release(&reader);
	return rc;
}

/* The keys of the name, from memory or by a listing. */
static int
find_keys(const struct attempt *a, struct keys *keys, struct err *e)
{
	const struct fetch_request *req = a->req;
	struct known_place at = { a->repo, req->stanza, req->system_id,
	    &a->name, &a->limits };
	struct digest	digests[ARRAY_LEN(keys->key)];
	char		prefix[STORE_KEY_MAX];
	int		i, n;

	keys->n = 0;
	if (req->known == NULL || a->name.kind != SEGMENT_FULL) {
		repo_key_wal(prefix, req->stanza, req->system_id, &a->name,
		    NULL);
		return store_list(a->repo->store, prefix, false, note_key,
		    keys, &a->limits, e);
	}
	n = known_digests(req->known, &at, digests, ARRAY_LEN(digests), e);
	for (i = 0; i < n; i++)
		repo_key_wal(keys->key[keys->n++], req->stanza,
		    req->system_id, &a->name, &digests[i]);
	return MIN(n, 0);
}

/* 0, ERR_ABSENT: an authoritative no, or what went wrong. */
static int
fetch_from(struct attempt *a, struct err *e)
{
	const struct fetch_request *req = a->req;
	const struct repo *r = a->repo;
	struct keys	keys;
	int		i, rc;

	rc = find_keys(a, &keys, e);
	if (rc != 0)
		return rc;
	if (keys.n == 0 && req->known != NULL)
		return err_set(e, ERR_ABSENT, "%s was not in repo%d",
		    req->name, r->number);
	if (keys.n == 0) {
		/* A wrong path or stanza looks like an empty archive. */
		rc = repo_check_claim(r, req->stanza, req->system_id, 0,
		    &a->limits, e);
		return rc != 0 ? rc : err_set(e, ERR_ABSENT,
		    "%s is not in repo%d (%s)", req->name, r->number,
		    store_name(r->store));
	}
	if (keys.n > 1)
		buf_printf(a->warnings, "%s is in repo%d more than once, with "
		    "different content: two servers archived into stanza %s\n",
		    req->name, r->number, req->stanza);
	for (i = 0, rc = -1; i < keys.n && rc != 0; i++) {
		rc = fetch_key(a, keys.key[i], e);
		if (rc == ERR_CHECKSUM || rc == ERR_FORMAT)
			buf_printf(a->warnings, "%s in repo%d is damaged: "
			    "%s\n", keys.key[i], r->number, e->msg);
		if (rc != 0)
			err_wrap(e, "%s in repo%d", keys.key[i], r->number);
	}
	if (rc != 0 && req->known != NULL)
		known_forget(req->known, r);
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
fetch_once(struct attempt *a, int64_t end, struct err *e)
{
	const struct fetch_request *req = a->req;
	struct err	one;
	size_t		i, absent = 0;
	int		rc, result = ERR_ABSENT, failed = 0;

	for (i = 0; i < req->repo_n; i++) {
		a->repo = &req->repos[i];
		a->limits = req->limits;
		a->limits.timeout_us = a->repo->io_timeout;
		if (end != INT64_MAX)
			a->limits.timeout_us = MIN(MAX(end - clock_us(), 1),
			    a->limits.timeout_us);
		memset(&one, 0, sizeof(one));
		rc = fetch_from(a, &one);
		if (rc == 0)
			return 0;
		absent += rc == ERR_ABSENT;
		/* An error counts for more than a no. */
		if (result == ERR_ABSENT) {
			result = rc;
			*e = one;
			failed = a->repo->number;
		}
	}
	if (result != ERR_ABSENT && absent + 1 == req->repo_n && absent > 0)
		err_hint(e, "no other repository has it; if repo%d is gone "
		    "for good, take it out of the configuration: then this is "
		    "the end of the WAL", failed);
	return result;
}

/* What trying again cannot change. */
static bool
is_final(int rc)
{
	return rc == 0 || rc == ERR_ABSENT || rc == ERR_MISMATCH ||
	    rc == ERR_CANCELLED || rc == ERR_NOSPACE || rc == ERR_LIMIT ||
	    rc == ERR_NOT_YET || rc == ERR_USAGE;
}

int
fetch_file(const struct fetch_request *req, struct fetch_result *result,
    struct buf *warnings, struct err *e)
{
	struct attempt	a = { .req = req, .warnings = warnings };
	int64_t		end = req->limits.timeout_us == 0 ? INT64_MAX :
	    clock_us() + req->limits.timeout_us;
	int		pause = RETRY_FIRST_MS, rc;

	if (segment_parse(req->name, &a.name) != 0)
		return err_set(e, ERR_USAGE, "\"%.100s\" is not the name of a "
		    "WAL file", req->name);
	for (;;) {
		rc = fetch_once(&a, end, e);
		if (rc == 0 && result != NULL)
			*result = a.result;
		if (is_final(rc) || req->once ||
		    clock_us() + pause * 1000 >= end)
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
		rc = fetch_file(&req, NULL, &warnings, e);
	text = strdup(buf_cstr(&warnings));
	for (line = text == NULL ? NULL : strtok_r(text, "\n", &rest);
	    line != NULL; line = strtok_r(NULL, "\n", &rest))
		call->warn(call->arg, line);
	free(text);
	buf_release(&warnings);
	return rc;
}
