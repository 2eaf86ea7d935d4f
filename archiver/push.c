/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/push.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archiver/engine.h"
#include "archiver/known.h"
#include "archiver/object.h"
#include "archiver/owner.h"
#include "archiver/pgcontrol.h"
#include "archiver/segment.h"
#include "archiver/settings.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"

#define CHUNK	((size_t)1 << 20)

/* A file that was read and compressed, ready to be put. */
struct packed {
	struct segment_name name;
	uint64_t	system_id;
	int		version;
	struct object_header header;
	struct buf	memory;
	int		tmp;		/* or this file; -1 */
};

int
push_system_id(const char *path, uint64_t *id, int *version, struct err *e)
{
	struct pgcontrol control;
	unsigned char	 bytes[PGCONTROL_SIZE];
	char		 file[4096];
	const char	*wal = strstr(path, "/pg_wal/"), *next;
	ssize_t		 n;
	int		 fd, rc;

	/* The last one, should a directory above be named so as well. */
	while (wal != NULL && (next = strstr(wal + 1, "/pg_wal/")) != NULL)
		wal = next;
	if (wal == NULL) {
		err_set(e, ERR_USAGE, "%s is not in a pg_wal directory", path);
		err_hint(e, "archive_command and restore_command pass %%p, "
		    "which is relative to the data directory");
		return ERR_USAGE;
	}
	snprintf(file, sizeof(file), "%.*s/%s", (int)(wal - path), path,
	    PGCONTROL_PATH);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return owner_error(e, errno, "open", file);
	n = read(fd, bytes, sizeof(bytes));
	close(fd);
	if (n < 0)
		return err_sys(e, errno, "cannot read %s", file);
	rc = pgcontrol_parse(&control, bytes, (size_t)n, e);
	if (rc != 0)
		return rc;
	*id = control.system_id;
	*version = control.version;
	return 0;
}

static int
to_memory(void *arg, const void *bytes, size_t n, struct err *e)
{
	struct packed *p = arg;

	buf_append(&p->memory, bytes, n);
	if (buf_failed(&p->memory))
		return err_set(e, ERR_NOMEM, "no memory for %s", p->name.file);
	p->header.stored_size += n;
	return 0;
}

static int
to_file(void *arg, const void *bytes, size_t n, struct err *e)
{
	struct packed	*p = arg;
	const char	*from = bytes;
	ssize_t		 k;

	for (; n > 0; from += k, n -= (size_t)k) {
		k = write(p->tmp, from, n);
		if (k < 0 && errno == EINTR)
			k = 0;
		else if (k < 0)
			return err_sys(e, errno, "cannot write a temporary "
			    "file for %s", p->name.file);
		p->header.stored_size += (uint64_t)k;
	}
	return 0;
}

static int
open_tmp(struct packed *p, const char *dir, struct err *e)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/homelab-push.XXXXXX", dir);
	p->tmp = mkstemp(path);
	if (p->tmp < 0)
		return err_sys(e, errno, "cannot create %s", path);
	unlink(path);
	return 0;
}

/* Checks the head of a segment; other files have none. */
static int
check_head(struct packed *p, const struct push_request *req,
    const char *bytes, size_t n, uint64_t size, struct err *e)
{
	struct segment_header h;
	int	rc;

	if (p->name.kind != SEGMENT_FULL && p->name.kind != SEGMENT_PARTIAL)
		return push_system_id(req->path, &p->system_id, &p->version, e);
	rc = segment_header_parse(bytes, n, &h, e);
	if (rc == 0 && req->header_check)
		rc = segment_check(&p->name, &h, size, e);
	p->system_id = h.system_id;
	p->version = h.version;
	return rc;
}

/* One pass over the file: check, digest, compress. */
static int
pack(struct packed *p, const struct push_request *req, uint64_t size,
    struct err *e)
{
	struct digest_stream *d = digest_stream_new(NULL);
	struct filter	*f = NULL;
	char		*chunk = malloc(CHUNK);
	uint64_t	 at = 0;
	ssize_t		 n = 1;
	int		 rc;

	rc = d == NULL || chunk == NULL ? err_set(e, ERR_NOMEM, "no memory") :
	    filter_new(&f, req->filter, false, req->level,
	    p->tmp >= 0 ? to_file : to_memory, p, e);
	while (rc == 0 && n > 0) {
		n = pread(req->fd, chunk, CHUNK, (off_t)at);
		if (n < 0) {
			rc = err_sys(e, errno, "cannot read %s", req->path);
			break;
		}
		if (at == 0)
			rc = check_head(p, req, chunk, (size_t)n, size, e);
		if (rc != 0)
			break;
		digest_stream_add(d, chunk, (size_t)n);
		rc = filter_feed(f, chunk, (size_t)n, e);
		at += (uint64_t)n;
	}
	if (rc == 0 && at != size)
		rc = err_set(e, ERR_FORMAT, "%s changed while it was read",
		    req->path);
	if (rc == 0)
		rc = filter_finish(f, e);
	if (rc == 0)
		digest_stream_get(d, &p->header.digest);
	p->header.plain_size = size;
	filter_free(f);
	digest_stream_free(d);
	free(chunk);
	return rc;
}

/* What a listing of the name's keys found. */
struct found {
	const char	*key;		/* ours */
	bool		 same;
	char		 other[STORE_KEY_MAX];
};

static int
note_key(void *arg, const struct store_entry *entry)
{
	struct found *f = arg;

	if (strcmp(entry->key, f->key) == 0)
		f->same = true;
	else
		snprintf(f->other, sizeof(f->other), "%s", entry->key);
	return 0;
}

/* A repository and the key that the file has in it. */
struct place {
	const struct repo *repo;
	const struct store_limits *limits;
	char		 key[STORE_KEY_MAX];
	struct known_place known;
};

/* Asks the store what it has of this name: ours is *found, or ERR_DUPLICATE. */
static int
look(const struct push_request *req, const struct place *at,
    const struct packed *p, bool *found, struct err *e)
{
	struct found	f = { .key = at->key };
	char		prefix[STORE_KEY_MAX];
	int		rc;

	repo_key_wal(prefix, req->stanza, p->system_id, &p->name, NULL);
	rc = store_list(at->repo->store, prefix, false, note_key, &f,
	    at->limits, e);
	if (rc != 0)
		return rc;
	*found = f.same;
	if (f.other[0] == '\0')
		return 0;
	err_set(e, ERR_DUPLICATE, "%s is in repo%d already with other "
	    "content: digest %s there, %s here", p->name.file,
	    at->repo->number, f.other + strlen(prefix),
	    at->key + strlen(prefix));
	err_hint(e, "two servers archive into stanza %s: a clone needs a "
	    "stanza of its own, or archive_mode off", req->stanza);
	return ERR_DUPLICATE;
}

/* The claim, and what there is of this name; from memory if that is safe. */
static int
check_place(const struct push_request *req, const struct place *at,
    const struct packed *p, bool *found, struct err *e)
{
	bool	absent = false;
	int	rc;

	if (req->known != NULL)
		rc = known_claim(req->known, &at->known, p->version, e);
	else
		rc = repo_check_claim(at->repo, req->stanza, p->system_id,
		    p->version, at->limits, e);
	if (rc == 0 && req->known != NULL && p->name.kind == SEGMENT_FULL)
		rc = known_absent(req->known, &at->known, &absent, e);
	if (rc == 0 && !absent)
		rc = look(req, at, p, found, e);
	return rc;
}

static int
put_object(const struct place *at, const struct packed *p, struct err *e)
{
	unsigned char	head[OBJECT_HEADER_SIZE];
	struct store_part parts[2] = { { head, -1, 0, sizeof(head) },
	    { NULL, p->tmp, 0, p->header.stored_size } };
	int		rc;

	object_header_encode(&p->header, head);
	if (p->tmp < 0)
		parts[1].bytes = buf_len(&p->memory) == 0 ? "" :
		    p->memory.data + p->memory.off;
	rc = store_put_parts(at->repo->store, at->key, parts, 2, at->limits,
	    e);
	return rc == ERR_EXISTS ? 0 : rc;
}

static int
put(const struct push_request *req, const struct repo *r,
    const struct packed *p, const struct store_limits *limits, bool *found,
    struct err *e)
{
	struct place	at = { .repo = r, .limits = limits,
	    .known = { r, req->stanza, p->system_id, &p->name, limits } };
	int		rc;

	*found = false;
	repo_key_wal(at.key, req->stanza, p->system_id, &p->name,
	    &p->header.digest);
	rc = check_place(req, &at, p, found, e);
	if (rc == 0 && !*found) {
		rc = put_object(&at, p, e);
		if (rc == 0 && req->known != NULL &&
		    p->name.kind == SEGMENT_FULL)
			known_put(req->known, &at.known, &p->header.digest);
	}
	if (rc != 0 && req->known != NULL)
		known_forget(req->known, r);
	return rc;
}

/*
 * Every repository gets its try; the first failure of a required one is the
 * result. Where none is required, one success is.
 */
static int
put_all(const struct push_request *req, struct packed *p,
    struct push_result *result, struct buf *warnings, struct err *e)
{
	int64_t		end = req->limits.timeout_us == 0 ? 0 :
	    clock_us() + req->limits.timeout_us;
	struct err	one, failure = { 0 };
	size_t		i, stored = 0;
	bool		any_required = false, found;

	for (i = 0; i < req->repo_n; i++) {
		struct store_limits l = req->limits;

		if (end != 0)
			l.timeout_us = MAX(end - clock_us(), 1);
		memset(&one, 0, sizeof(one));
		if (put(req, &req->repos[i], p, &l, &found, &one) == 0) {
			result->found += found;
			any_required |= req->repos[i].required;
			stored++;
			continue;
		}
		/* Not a fault of the repository: no other may hide it. */
		if (req->repos[i].required || one.code == ERR_DUPLICATE ||
		    one.code == ERR_MISMATCH) {
			any_required = true;
			if (failure.code == 0)
				failure = one;
		} else {
			buf_printf(warnings, "%s was not stored in repo%d: "
			    "%s\n", p->name.file, req->repos[i].number,
			    one.msg);
		}
	}
	if (failure.code == 0 && stored == 0 && !any_required)
		failure = one;
	if (failure.code != 0)
		*e = failure;
	return failure.code;
}

int
push_file(const struct push_request *req, struct push_result *result,
    struct buf *warnings, struct err *e)
{
	const char	*slash = strrchr(req->path, '/');
	struct packed	 p = { .tmp = -1 };
	struct stat	 st;
	int		 rc;

	memset(result, 0, sizeof(*result));
	if (segment_parse(slash == NULL ? req->path : slash + 1,
	    &p.name) != 0) {
		err_set(e, ERR_FORMAT, "%s is not the name of a WAL file",
		    req->path);
		err_hint(e, "archive_command passes %%p");
		return ERR_FORMAT;
	}
	if (fstat(req->fd, &st) != 0)
		return err_sys(e, errno, "cannot look at %s", req->path);
	if ((uint64_t)st.st_size > PUSH_MEMORY_MAX) {
		rc = open_tmp(&p, req->tmp_dir, e);
		if (rc != 0)
			return rc;
	}
	p.header.kind = p.name.kind == SEGMENT_FULL ? OBJECT_WAL :
	    OBJECT_WAL_FILE;
	p.header.filter = req->filter;
	rc = pack(&p, req, (uint64_t)st.st_size, e);
	if (rc == 0)
		rc = put_all(req, &p, result, warnings, e);
	result->plain = p.header.plain_size;
	result->stored = p.header.stored_size;
	buf_release(&p.memory);
	if (p.tmp >= 0)
		close(p.tmp);
	return rc;
}

static void
warn_lines(const struct verb_call *call, struct buf *warnings)
{
	char *line, *rest = NULL, *text = strdup(buf_cstr(warnings));

	for (line = text == NULL ? NULL : strtok_r(text, "\n", &rest);
	    line != NULL; line = strtok_r(NULL, "\n", &rest))
		call->warn(call->arg, line);
	free(text);
}

int
verb_archive_push(const struct verb_call *call, struct err *e)
{
	const struct settings_general *o = &call->s->o;
	struct push_request req = {
		.repos = call->repos, .repo_n = call->repo_n,
		.stanza = call->stanza, .fd = call->fd, .path = call->path,
		.header_check = o->archive_header_check,
		.filter = o->compress_type == COMPRESS_NONE ? FILTER_NONE :
		    FILTER_LZ4,
		.level = o->compress_level, .tmp_dir = "/tmp",
		.limits = { o->archive_timeout, call->cancelled, call->arg }
	};
	struct push_result result;
	struct buf	warnings = { 0 };
	int		rc;

	rc = push_file(&req, &result, &warnings, e);
	warn_lines(call, &warnings);
	buf_release(&warnings);
	return rc;
}
