/* SPDX-License-Identifier: MIT */
/*
 * The verbs about backups, from settings to result: each calls the module
 * that knows how (backup.h, restore.h, ...) and says what came of it.
 *
 * Which repositories: --repo=N, else a backup goes into the first that is
 * configured, a restore takes the first that has a backup that will do, and
 * all other verbs mean all of them.
 */
#include "common/base.h"
#include "archiver/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "archiver/backup.h"
#include "archiver/catalog.h"
#include "archiver/check.h"
#include "archiver/expire.h"
#include "archiver/info.h"
#include "archiver/lock.h"
#include "archiver/pgfiles.h"
#include "archiver/restore.h"
#include "archiver/settings.h"
#include "archiver/stanza.h"
#include "archiver/verify.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"

/* Where the stanza is in each of a call's repositories. */
struct places {
	struct catalog	c[SETTINGS_REPO_MAX];
	int		number[SETTINGS_REPO_MAX];	/* 1 = repo1 */
	size_t		count;
};

static void PRINTF_LIKE(2, 3)
say(const struct verb_call *v, const char *fmt, ...)
{
	char	text[2048];
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	v->print(v->arg, text);
}

static void
places_init(struct places *p, const struct verb_call *v)
{
	struct catalog	*c;
	size_t		 i;

	memset(p, 0, sizeof(*p));
	for (i = 0; i < v->repo_n; i++) {
		c = &p->c[i];
		c->store = v->repos[i].store;
		c->stanza = v->stanza;
		c->limits.timeout_us = v->repos[i].io_timeout;
		c->limits.cancelled = v->cancelled;
		c->limits.arg = v->arg;
		p->number[i] = v->repos[i].number;
	}
	p->count = v->repo_n;
}

static int
take_lock(struct lock *l, const struct verb_call *v, const char *kind,
    const char *who, struct err *e)
{
	return lock_take(l, v->s->o.lock_path, v->stanza, kind, who, e);
}

/*
 * A directory that is missing is an error everywhere else, because it may
 * be a file system that is not mounted; here somebody asked for a new one.
 */
static int
make_directories(const struct settings *s, struct err *e)
{
	const struct settings_repo *r;
	int	i;

	for (i = 0; i < SETTINGS_REPO_MAX; i++) {
		r = &s->repo[i];
		if (!s->has_repo[i] || r->type != REPO_POSIX)
			continue;
		if (mkdir(r->path, 0750) != 0 && errno != EEXIST)
			return err_sys(e, errno, "cannot make repo%d-path %s",
			    i + 1, r->path);
	}
	return 0;
}

static int
need_pgdata(const struct settings *s, struct err *e)
{
	if (s->pg.path != NULL)
		return 0;
	err_set(e, ERR_CONFIG, "pg1-path is not set");
	return err_hint(e, "set it to the data directory of the cluster, in "
	    "the section of the stanza");
}

static struct pgquery_target
server_of(const struct settings *s)
{
	struct pgquery_target t = {
		.host = s->pg.socket_path, .port = s->pg.port,
		.user = s->pg.user, .database = s->pg.database,
		.application = "homelab-archiver", .encoding = "SQL_ASCII",
	};

	return t;
}

/* What a callback of backup or restore needs to reach the caller. */
static const char *
phase_text(enum backup_phase phase)
{
	switch (phase) {
	case BACKUP_CHECKING:
		return "checking the archive";
	case BACKUP_STARTING:
		return "waiting for the checkpoint";
	case BACKUP_COPYING:
		return "copying";
	case BACKUP_WAITING:
		return "waiting for WAL";
	case BACKUP_DONE:
		return "done";
	}
	return "";
}

static void
backup_progress(void *arg, enum backup_phase phase, uint64_t done,
    uint64_t total)
{
	const struct verb_call *v = arg;

	v->progress(v->arg, phase_text(phase), done, total);
}

static void
restore_progress(void *arg, uint64_t done, uint64_t total)
{
	const struct verb_call *v = arg;

	v->progress(v->arg, "restoring", done, total);
}

static bool
is_cancelled(void *arg)
{
	const struct verb_call *v = arg;

	return v->cancelled(v->arg);
}

static int64_t
now_us(void)
{
	struct timespec	t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * TEXT_USEC_PER_SEC + t.tv_nsec / 1000;
}

static void
expire_note(void *arg, const char *text)
{
	const struct verb_call *v = arg;

	say(v, "%s\n", text);
}

static int
expire_one(const struct verb_call *v, const struct places *p, size_t i,
    struct err *e)
{
	const struct settings *s = v->s;
	const struct settings_repo *repo = &s->repo[p->number[i] - 1];
	struct expire_request req = {
		.retention_full = repo->retention_full == OPT_UNSET ? 0 :
		    (unsigned)repo->retention_full,
		.grace = s->o.expire_grace, .now = now_us(),
		.dry_run = s->o.dry_run, .note = expire_note,
		.arg = (void *)(uintptr_t)v,
	};
	struct expire_result result;
	int	rc;

	rc = expire_run(&p->c[i], &req, &result, e);
	if (rc != 0)
		return err_wrap(e, "repo%d", p->number[i]);
	if (result.wal > 0) {
		say(v, "repo%d: %llu WAL segments %sremoved\n", p->number[i],
		    (unsigned long long)result.wal,
		    s->o.dry_run ? "would be " : "");
	}
	return 0;
}

int
verb_expire(const struct verb_call *v, struct err *e)
{
	struct places	p;
	struct lock	l;
	size_t		i;
	int		rc;

	rc = take_lock(&l, v, "backup", "expire", e);
	if (rc != 0)
		return rc;
	places_init(&p, v);
	for (i = 0; rc == 0 && i < p.count; i++)
		rc = expire_one(v, &p, i, e);
	lock_release(&l);
	return rc;
}

static void
say_backup(const struct verb_call *v, const struct backup_result *b,
    int repo)
{
	char	size[TEXT_NUMBER_MAX], stored[TEXT_NUMBER_MAX];

	say(v, "backup %s is complete: %llu files, %s, %s in repo%d, WAL "
	    "%s to %s\n", b->label, (unsigned long long)b->files,
	    text_print_size_short((int64_t)b->size, size),
	    text_print_size_short((int64_t)b->stored, stored), repo,
	    b->wal_start, b->wal_stop);
	if (b->bad_blocks > 0) {
		say(v, "WARNING: %llu pages have a wrong checksum; the info "
		    "command lists this backup with errors\n",
		    (unsigned long long)b->bad_blocks);
	}
}

int
verb_backup(const struct verb_call *v, struct err *e)
{
	const struct settings *s = v->s;
	struct backup_request req = {
		.server = server_of(s), .pgdata = s->pg.path,
		.exclude = s->o.exclude.item, .exclude_count = s->o.exclude.n,
		.db_timeout = s->o.db_timeout,
		.archive_timeout = s->o.archive_timeout,
		.process_max = s->o.process_max,
		.start_fast = s->o.start_fast,
		.archive_check = s->o.archive_check,
		.checksum_page = s->o.checksum_page,
		.codec = s->o.compress_type == COMPRESS_NONE ? BLOCK_PLAIN :
		    BLOCK_LZ4,
		.progress = backup_progress, .cancelled = is_cancelled,
		.arg = (void *)(uintptr_t)v,
	};
	struct backup_result result;
	struct places	p;
	struct lock	l;
	char		host[256] = "";
	int		rc;

	if (s->o.type != TYPE_FULL && s->o.type != TYPE_DEFAULT) {
		err_set(e, ERR_NOT_YET, "only full backups are supported yet");
		return err_hint(e, "use --type=full");
	}
	rc = need_pgdata(s, e);
	if (rc == 0)
		rc = take_lock(&l, v, "backup", "backup", e);
	if (rc != 0)
		return rc;
	places_init(&p, v);
	if (gethostname(host, sizeof(host) - 1) == 0)
		req.host = host;
	rc = backup_run(&p.c[0], &req, &result, e);
	if (rc == 0) {
		say_backup(v, &result, p.number[0]);
		if (s->o.expire_auto && expire_one(v, &p, 0, e) != 0) {
			/* The backup is good; what stays is only too much. */
			say(v, "WARNING: expire failed: %s\n", e->msg);
		}
	}
	lock_release(&l);
	return rc;
}

/* pgBackRest's words for a restore, as ours. */
static int
recovery_of(const struct settings *s, struct recovery *r, struct err *e)
{
	static const char *const actions[] = {
		[TARGET_PAUSE] = "pause", [TARGET_PROMOTE] = "promote",
		[TARGET_SHUTDOWN] = "shutdown",
	};

	memset(r, 0, sizeof(*r));
	switch ((enum settings_type)s->o.type) {
	case TYPE_DEFAULT:
		r->type = RECOVERY_DEFAULT;
		break;
	case TYPE_IMMEDIATE:
		r->type = RECOVERY_IMMEDIATE;
		break;
	case TYPE_LSN:
		r->type = RECOVERY_LSN;
		break;
	case TYPE_NAME:
		r->type = RECOVERY_NAME;
		break;
	case TYPE_STANDBY:
		r->type = RECOVERY_STANDBY;
		break;
	case TYPE_TIME:
		r->type = RECOVERY_TIME;
		break;
	case TYPE_XID:
		r->type = RECOVERY_XID;
		break;
	case TYPE_FULL:
	case TYPE_NONE:
	case TYPE_PRESERVE:
	case TYPE_LATER:
		err_set(e, ERR_NOT_YET,
		    "this type of restore is not supported");
		return err_hint(e, "types are default, immediate, time, xid, "
		    "lsn, name and standby");
	}
	r->target = s->o.target;
	r->exclusive = s->o.target_exclusive;
	r->timeline = s->o.target_timeline;
	r->archive_off = s->o.archive_mode == ARCHIVE_MODE_OFF;
	r->options = s->o.recovery_option.item;
	r->option_count = s->o.recovery_option.n;
	/* "pause" is what PostgreSQL does when nothing is said. */
	if (s->o.target_action != TARGET_PAUSE)
		r->action = actions[s->o.target_action];
	return 0;
}

/* An argument as the shell that runs restore_command must see it. */
static void
put_quoted(struct buf *out, const char *s)
{
	buf_append_u8(out, '\'');
	for (; *s != '\0'; s++) {
		if (*s == '\'')
			buf_append_str(out, "'\\''");
		else if (*s == '%')	/* PostgreSQL's own escape */
			buf_append_str(out, "%%");
		else
			buf_append_u8(out, (uint8_t)*s);
	}
	buf_append_u8(out, '\'');
}

/* The command that fetches WAL: this very program, wherever it lies. */
static void
put_restore_command(const struct settings *s, struct buf *out)
{
	char	path[4096];
	ssize_t	n;

	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	if (n > 0) {
		path[n] = '\0';
		put_quoted(out, path);
	} else {
		buf_append_str(out, "homelab-archiver");
	}
	/* PostgreSQL runs it in its data directory: no relative paths. */
	buf_append_str(out, " --config=");
	put_quoted(out, realpath(s->o.config, path) != NULL ? path :
	    s->o.config);
	buf_append_str(out, " --stanza=");
	put_quoted(out, s->o.stanza);
	buf_append_str(out, " archive-get %f \"%p\"");
}

/* name=path of --tablespace-map; the texts are cut in place in `copy`. */
static int
split_map(const char *text, char **copy, struct target_map *map,
    struct err *e)
{
	char	*equal;

	*copy = strdup(text);
	if (*copy == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	equal = strchr(*copy, '=');
	if (equal == NULL || equal == *copy || equal[1] == '\0') {
		err_set(e, ERR_USAGE, "tablespace-map: \"%s\" is not "
		    "name=path", text);
		return err_hint(e, "write it like --tablespace-map="
		    "fast=/srv/fast");
	}
	*equal = '\0';
	map->name = *copy;
	map->path = equal + 1;
	return 0;
}

static int
restore_from(const struct verb_call *v, const struct places *p,
    struct restore_request *req, struct err *e)
{
	struct restore_result result;
	struct err	first = { 0 };
	char		size[TEXT_NUMBER_MAX], kept[TEXT_NUMBER_MAX];
	size_t		i;
	int		rc = 0;

	for (i = 0; i < p->count; i++) {
		rc = restore_run(&p->c[i], req, &result, e);
		if (rc == 0)
			break;
		if (i == 0)
			first = *e;
		/* Only "has none" leads on; what was begun is not mixed. */
		if (rc != ERR_NOT_FOUND)
			return rc;
	}
	if (rc != 0) {
		*e = first;
		return first.code;
	}
	say(v, "backup %s is restored into %s: %llu files, %s",
	    result.label, req->target.pgdata,
	    (unsigned long long)result.files,
	    text_print_size_short((int64_t)result.size, size));
	if (req->target.delta) {
		say(v, ", %s of them kept",
		    text_print_size_short((int64_t)result.kept, kept));
	}
	say(v, "\nstart PostgreSQL to begin recovery\n");
	return 0;
}

int
verb_restore(const struct verb_call *v, struct err *e)
{
	const struct settings *s = v->s;
	struct restore_request req = {
		.target = { .pgdata = s->pg.path, .delta = s->o.delta,
		    .force = s->o.force, .map_all = s->o.tablespace_map_all },
		.set = s->o.set, .process_max = s->o.process_max,
		.progress = restore_progress, .cancelled = is_cancelled,
		.arg = (void *)(uintptr_t)v,
	};
	struct target_map *maps = NULL;
	char		**copies = NULL;
	struct buf	command = { 0 };
	struct places	p;
	struct lock	l;
	size_t		i, n = s->o.tablespace_map.n;
	int		rc;

	maps = calloc(n + 1, sizeof(*maps));
	copies = calloc(n + 1, sizeof(*copies));
	rc = maps == NULL || copies == NULL ?
	    err_set(e, ERR_NOMEM, "out of memory") : need_pgdata(s, e);
	for (i = 0; rc == 0 && i < n; i++)
		rc = split_map(s->o.tablespace_map.item[i], &copies[i],
		    &maps[i], e);
	if (rc == 0)
		rc = recovery_of(s, &req.recovery, e);
	if (rc == 0)
		rc = take_lock(&l, v, "restore", "restore", e);
	if (rc == 0) {
		places_init(&p, v);
		put_restore_command(s, &command);
		req.recovery.restore_command = buf_cstr(&command);
		req.target.maps = maps;
		req.target.map_count = n;
		rc = restore_from(v, &p, &req, e);
		lock_release(&l);
	}
	for (i = 0; copies != NULL && i < n; i++)
		free(copies[i]);
	free(copies);
	free(maps);
	buf_release(&command);
	return rc;
}

int
verb_info(const struct verb_call *v, struct err *e)
{
	struct info	*all;
	struct places	p;
	struct buf	out = { 0 };
	struct err	why = { 0 };
	size_t		i;
	int		rc = 0;

	places_init(&p, v);
	all = calloc(p.count, sizeof(*all));
	if (all == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	/* What cannot be read is part of the answer, not the end of it. */
	for (i = 0; i < p.count; i++)
		(void)!info_gather(&p.c[i], p.number[i], &all[i], &why);
	if (v->s->o.output == OUTPUT_JSON)
		info_print_json(all, p.count, &out);
	else
		info_print_text(all, p.count, &out);
	if (buf_failed(&out))
		rc = err_set(e, ERR_NOMEM, "out of memory");
	else
		v->print(v->arg, buf_cstr(&out));
	for (i = 0; i < p.count; i++)
		info_release(&all[i]);
	free(all);
	buf_release(&out);
	return rc;
}

int
verb_check(const struct verb_call *v, struct err *e)
{
	const struct settings *s = v->s;
	struct check_request req = {
		.server = server_of(s), .pgdata = s->pg.path,
		.db_timeout = s->o.db_timeout,
		.archive_timeout = s->o.archive_timeout,
		.cancelled = v->cancelled, .arg = v->arg,
	};
	struct check_result result;
	struct places	p;
	int		rc;

	rc = need_pgdata(s, e);
	if (rc != 0)
		return rc;
	places_init(&p, v);
	rc = check_run(p.c, p.count, &req, &result, e);
	if (rc == 0 && result.standby)
		say(v, "settings are right; a standby writes no WAL that "
		    "could be waited for\n");
	else if (rc == 0)
		say(v, "WAL segment %s reached %s\n", result.segment,
		    p.count == 1 ? "the repository" : "all repositories");
	return rc;
}

static int
claim(const struct verb_call *v,
    int (*act)(const struct catalog *, uint64_t, int, struct err *),
    struct err *e)
{
	const struct settings *s = v->s;
	struct pgcontrol control;
	struct places	p;
	size_t		i;
	int		rc;

	rc = need_pgdata(s, e);
	if (rc == 0)
		rc = pgfiles_read_control(s->pg.path, &control, NULL, e);
	if (rc != 0)
		return rc;
	places_init(&p, v);
	for (i = 0; rc == 0 && i < p.count; i++) {
		rc = act(&p.c[i], control.system_id, control.version, e);
		if (rc == 0) {
			say(v, "stanza %s is ready in repo%d for PostgreSQL "
			    "%d, system identifier %llu\n", s->o.stanza,
			    p.number[i], control.version,
			    (unsigned long long)control.system_id);
		}
	}
	return rc;
}

int
verb_stanza_create(const struct verb_call *v, struct err *e)
{
	int	rc = make_directories(v->s, e);

	return rc != 0 ? rc : claim(v, stanza_create, e);
}

int
verb_stanza_upgrade(const struct verb_call *v, struct err *e)
{
	return claim(v, stanza_upgrade, e);
}

static void
verify_fault(void *arg, const char *object, const char *what)
{
	const struct verb_call *v = arg;

	say(v, "FAULT %s: %s\n", object, what);
}

int
verb_verify(const struct verb_call *v, struct err *e)
{
	struct verify_request req = {
		.process_max = v->s->o.process_max, .fault = verify_fault,
		.cancelled = is_cancelled, .arg = (void *)(uintptr_t)v,
	};
	struct verify_result result;
	struct places	p;
	struct err	why = { 0 };
	char		size[TEXT_NUMBER_MAX];
	size_t		i;
	int		rc, worst = 0;

	places_init(&p, v);
	for (i = 0; i < p.count; i++) {
		rc = verify_run(&p.c[i], &req, &result, &why);
		say(v, "repo%d: %s%llu backups (%llu files, %s) and %llu WAL "
		    "objects read, %llu faults\n", p.number[i],
		    rc != 0 && result.faults == 0 ? "NOT VERIFIED; " : "",
		    (unsigned long long)result.backups,
		    (unsigned long long)result.files,
		    text_print_size_short((int64_t)result.bytes, size),
		    (unsigned long long)result.wal,
		    (unsigned long long)result.faults);
		/* One repository's damage must not hide another's. */
		if (rc != 0 && worst == 0) {
			worst = rc;
			*e = why;
		}
	}
	return worst;
}
