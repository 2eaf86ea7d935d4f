/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/served.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archiver/ahead.h"
#include "archiver/engine.h"
#include "archiver/fetch.h"
#include "archiver/known.h"
#include "archiver/lock.h"
#include "archiver/push.h"
#include "archiver/ring.h"
#include "archiver/settings.h"
#include "common/buf.h"
#include "common/log.h"

struct served {
	atomic_uint	 holders;
	char		 name[128];
	struct settings	 push, get;	/* as these two commands see them */
	struct repo	 repos[SETTINGS_REPO_MAX];
	size_t		 repo_n;
	struct lock	 lock;
	struct ahead	*ahead;		/* NULL: pg1-path is not set */
	struct ring	*ring;		/* NULL: archive-get-queue-max = 0 */
	struct known	*known;
};

const char *
served_name(const struct served *st)
{
	return st->name;
}

int64_t
served_push_timeout(const struct served *st)
{
	return st->push.o.archive_timeout;
}

int64_t
served_get_timeout(const struct served *st)
{
	return st->get.o.archive_get_timeout;
}

/* Calls fn for each line. */
static void
each_line(const char *text, void (*fn)(void *arg, const char *line),
    void *arg)
{
	char	line[1024];
	size_t	n;

	for (; *text != '\0'; text += n + (text[n] == '\n')) {
		n = strcspn(text, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		fn(arg, line);
	}
}

static void
log_text(void *arg, const char *line)
{
	(void)arg;
	log_warning("%s", line);
}

/* --- Push. --- */

static int
push(struct served *st, int fd, const char *path, bool (*cancelled)(void *),
    void *arg, struct err *e)
{
	const struct settings_general *o = &st->push.o;
	struct push_request req = {
		.repos = st->repos, .repo_n = st->repo_n, .stanza = st->name,
		.fd = fd, .path = path,
		.header_check = o->archive_header_check,
		.filter = o->compress_type == COMPRESS_NONE ? FILTER_NONE :
		    FILTER_LZ4,
		.level = o->compress_level, .tmp_dir = "/tmp",
		.known = st->known,
		.limits = { o->archive_timeout, cancelled, arg }
	};
	struct push_result result;
	struct buf	warnings = { 0 };
	int		rc;

	rc = push_file(&req, &result, &warnings, e);
	each_line(buf_cstr(&warnings), log_text, NULL);
	buf_release(&warnings);
	return rc;
}

static int
push_ahead(void *arg, const char *path, bool (*cancelled)(void *),
    void *cancelled_arg, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return err_sys(e, errno, "cannot open %s", path);
	rc = push(arg, fd, path, cancelled, cancelled_arg, e);
	close(fd);
	return rc;
}

int
served_push(struct served *st, const struct verb_call *call, struct err *e)
{
	const char	*slash = strrchr(call->path, '/');
	const char	*name = slash == NULL ? call->path : slash + 1;
	int		 rc;

	if (st->ahead != NULL && ahead_claim(st->ahead, name, call->fd,
	    st->push.o.archive_timeout, call->cancelled, call->arg))
		return 0;
	rc = push(st, call->fd, call->path, call->cancelled, call->arg, e);
	if (st->ahead != NULL)
		ahead_release(st->ahead, name);
	return rc;
}

/* --- Get. --- */

static int
fetch_ahead(void *arg, const struct ring_want *w, struct fetch_result *result,
    struct buf *warnings, struct err *e)
{
	struct served	*st = arg;
	struct fetch_request req = {
		.repos = st->repos, .repo_n = st->repo_n, .stanza = st->name,
		.system_id = w->system_id, .name = w->name, .fd = w->fd,
		.offset = w->offset, .room = w->room, .once = true,
		.known = st->known,
		.limits = { st->get.o.archive_get_timeout, w->cancelled,
		    w->arg }
	};

	return fetch_file(&req, result, warnings, e);
}

static int
get(struct served *st, const struct verb_call *call,
    const struct ring_request *q, uint64_t *size, struct err *e)
{
	struct fetch_request req = {
		.repos = st->repos, .repo_n = st->repo_n, .stanza = st->name,
		.system_id = q->system_id, .name = q->name, .fd = q->fd,
		.limits = { st->get.o.archive_get_timeout, q->cancelled,
		    q->arg }
	};
	struct fetch_result result;
	struct buf	warnings = { 0 };
	struct stat	file;
	int		rc = 0;

	if (st->ring != NULL && ring_take(st->ring, q, &warnings) &&
	    fstat(q->fd, &file) == 0) {
		*size = (uint64_t)file.st_size;
	} else {
		rc = fetch_file(&req, &result, &warnings, e);
		*size = rc == 0 ? result.size : 0;
	}
	each_line(buf_cstr(&warnings), call->warn, call->arg);
	buf_release(&warnings);
	return rc;
}

int
served_get(struct served *st, const struct verb_call *call, struct err *e)
{
	struct ring_request q = { .fd = call->fd,
	    /* Half of the time is left to ask the repositories. */
	    .timeout_us = st->get.o.archive_get_timeout / 2,
	    .cancelled = call->cancelled, .arg = call->arg };
	const char	*slash = strrchr(call->path, '/');
	char		 reader[4096];
	uint64_t	 size;
	int		 version, rc;

	if (call->argc < 1)
		return err_set(e, ERR_USAGE, "archive-get needs %%f and %%p");
	/* Its pg_wal stands for the cluster that recovers. */
	snprintf(reader, sizeof(reader), "%.*s", slash == NULL ? 0 :
	    (int)(slash - call->path), call->path);
	q.reader = reader;
	q.name = call->argv[0];
	rc = push_system_id(call->path, &q.system_id, &version, e);
	if (rc == 0)
		rc = get(st, call, &q, &size, e);
	if (rc == 0 && st->ring != NULL)
		ring_follow(st->ring, &q, size);
	return rc;
}

/* --- Life. --- */

static int
load(struct settings *out, const char *command, const char *config,
    const char *name, struct buf *warnings, struct err *e)
{
	char		 word[4200];
	const char	*argv[1] = { word }, *args[1];
	struct settings_source src = { command, NULL, 1, argv, name };
	int		 n;

	snprintf(word, sizeof(word), "--config=%s", config);
	return settings_load(out, &src, args, &n, warnings, e);
}

static int
load_both(struct served *st, const char *config, struct err *e)
{
	struct buf	warnings = { 0 }, same = { 0 };
	int		rc;

	rc = load(&st->push, "archive-push", config, st->name, &warnings, e);
	if (rc == 0)
		rc = load(&st->get, "archive-get", config, st->name, &same, e);
	each_line(buf_cstr(&warnings), log_text, NULL);
	buf_release(&warnings);
	buf_release(&same);
	return rc;
}

static int
start_ring(struct served *st, struct err *e)
{
	const struct settings_general *o = &st->get.o;
	char	dir[2048];
	struct ring_config c = { dir, (uint64_t)o->archive_get_queue_max,
	    o->process_max, fetch_ahead, st };

	if (c.bytes == 0)
		return 0;
	snprintf(dir, sizeof(dir), "%s/%s", o->spool_path, st->name);
	return ring_new(&st->ring, &c, e);
}

int
served_prepare(struct served **out, const char *config, const char *name,
    struct err *e)
{
	struct served	*st = calloc(1, sizeof(*st));
	int		 rc;

	if (st == NULL)
		return err_set(e, ERR_NOMEM, "no memory");
	atomic_init(&st->holders, 1);
	st->lock.fd = -1;
	snprintf(st->name, sizeof(st->name), "%s", name);
	rc = load_both(st, config, e);
	if (rc == 0)
		rc = repos_open(&st->push, st->repos, &st->repo_n, e);
	if (rc == 0)
		rc = known_new(&st->known, KNOWN_AGE_US, e);
	if (rc == 0)
		rc = start_ring(st, e);
	if (rc != 0) {
		served_release(st);
		return rc;
	}
	*out = st;
	return 0;
}

int
served_lock(struct served *st, struct err *e)
{
	return lock_take(&st->lock, st->push.o.lock_path, st->name, "archive",
	    "serve", e);
}

void
served_take_lock(struct served *st, struct served *from)
{
	st->lock = from->lock;
	from->lock.fd = -1;
}

void
served_start(struct served *st)
{
	struct err	e = { 0 };
	const char	*path = st->push.pg.path;

	log_info("stanza %s: %zu %s, cluster %s", st->name, st->repo_n,
	    st->repo_n == 1 ? "repository" : "repositories", path == NULL ? "not here" : path);
	if (path != NULL && ahead_start(&st->ahead, path,
	    st->push.o.process_max, push_ahead, st, &e) != 0)
		log_warning("stanza %s: WAL is not pushed ahead: %s", st->name,
		    e.msg);
}

void
served_hold(struct served *st)
{
	atomic_fetch_add(&st->holders, 1);
}

void
served_release(struct served *st)
{
	if (atomic_fetch_sub(&st->holders, 1) > 1)
		return;
	ahead_stop(st->ahead);
	ring_free(st->ring);
	known_free(st->known);
	repos_close(st->repos, st->repo_n);
	settings_release(&st->push);
	settings_release(&st->get);
	lock_release(&st->lock);
	free(st);
}

/* --- What changed. --- */

struct prefixed {
	struct buf	*out;
	const char	*prefix;	/* of each line */
	size_t		 skip;		/* of what it began with */
	bool		 any;
};

static void
put_prefixed(void *arg, const char *line)
{
	struct prefixed *p = arg;

	buf_printf(p->out, "%s%s\n", p->prefix, line + p->skip);
	p->any = true;
}

/* "repo-path: a -> b" becomes "repo2-path: a -> b". */
static void
indexed_changes(const struct opt_table *t, const void *a, const void *b,
    int number, struct buf *out)
{
	char	prefix[32];
	struct prefixed p = { out, prefix, strlen(t->prefix) + 1, false };
	struct buf one = { 0 };

	snprintf(prefix, sizeof(prefix), "%s%d-", t->prefix, number);
	opt_changes(t, a, b, &one);
	each_line(buf_cstr(&one), put_prefixed, &p);
	buf_release(&one);
}

static void
settings_changes(const struct settings *a, const struct settings *b,
    struct buf *out)
{
	int i;

	opt_changes(&settings_general_table, &a->o, &b->o, out);
	indexed_changes(&settings_pg_table, &a->pg, &b->pg, 1, out);
	for (i = 0; i < SETTINGS_REPO_MAX; i++) {
		if (a->has_repo[i] != b->has_repo[i])
			buf_printf(out, "repo%d: %s\n", i + 1,
			    b->has_repo[i] ? "new" : "removed");
		indexed_changes(&settings_repo_table, &a->repo[i], &b->repo[i],
		    i + 1, out);
	}
}

bool
served_changes(const struct served *before, const struct served *after,
    struct buf *out)
{
	char	prefix[160];
	struct prefixed p = { out, prefix, 0, false };
	struct buf push = { 0 }, get = { 0 };

	snprintf(prefix, sizeof(prefix), "stanza %s: ", after->name);
	settings_changes(&before->push, &after->push, &push);
	settings_changes(&before->get, &after->get, &get);
	each_line(buf_cstr(&push), put_prefixed, &p);
	/* Most are the same for both. */
	if (strcmp(buf_cstr(&push), buf_cstr(&get)) != 0)
		each_line(buf_cstr(&get), put_prefixed, &p);
	buf_release(&push);
	buf_release(&get);
	return p.any;
}
