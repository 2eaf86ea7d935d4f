/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "archiver/check.h"
#include "archiver/engine.h"
#include "archiver/info.h"
#include "archiver/lock.h"
#include "archiver/pgfiles.h"
#include "archiver/stanza.h"
#include "archiver/verify.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"

void
command_say(const struct verb_call *v, const char *fmt, ...)
{
	char	text[2048];
	va_list	ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	v->print(v->arg, text);
}

void
command_places(struct places *p, const struct verb_call *v)
{
	struct catalog	*c;
	size_t		 i;

	memset(p, 0, sizeof(*p));
	for (i = 0; i < v->repo_n; i++) {
		c = &p->c[i];
		c->store = v->repos[i].store;
		c->stanza = v->stanza;
		c->repo = v->repos[i].number;
		c->required = v->repos[i].required;
		c->limits.timeout_us = v->repos[i].io_timeout;
		c->limits.cancelled = v->cancelled;
		c->limits.arg = v->arg;
	}
	p->count = v->repo_n;
}

int
command_lock(struct lock *l, const struct verb_call *v, const char *kind,
    const char *who, struct err *e)
{
	return lock_take(l, v->s->o.lock_path, v->stanza, kind, who, e);
}

int
command_need_pgdata(const struct settings *s, struct err *e)
{
	if (s->pg.path != NULL)
		return 0;
	err_set(e, ERR_CONFIG, "pg1-path of stanza %s is not set", s->o.stanza);
	if (!s->has_section)
		return err_hint(e, "%s has no section [%s]: is the name right?",
		    s->o.config, s->o.stanza);
	return err_hint(e, "set it to the data directory of the cluster, in "
	    "section [%s] of %s", s->o.stanza, s->o.config);
}

struct pgquery_target
command_server(const struct settings *s)
{
	struct pgquery_target t = {
		.host = s->pg.socket_path, .port = s->pg.port,
		.user = s->pg.user, .database = s->pg.database,
		.application = "homelab-archiver", .encoding = "SQL_ASCII",
	};

	return t;
}

bool
command_is_cancelled(void *arg)
{
	const struct verb_call *v = arg;

	return v->cancelled(v->arg);
}

int64_t
command_now(void)
{
	struct timespec	t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * TEXT_USEC_PER_SEC + t.tv_nsec / 1000;
}

int
verb_info(const struct verb_call *v, struct err *e)
{
	struct info	*all;
	struct info_locks locks;
	struct places	p;
	struct buf	out = { 0 };
	struct err	why = { 0 };
	size_t		i;
	int		rc = 0;

	command_places(&p, v);
	all = calloc(p.count, sizeof(*all));
	if (all == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	/* What cannot be read is part of the answer, not the end of it. */
	for (i = 0; i < p.count; i++)
		(void)!info_gather(&p.c[i], p.c[i].repo, &all[i], &why);
	info_look_at_locks(v->s->o.lock_path, v->stanza, &locks);
	if (v->s->o.output == OUTPUT_JSON)
		info_print_json(all, p.count, &locks, &out);
	else
		info_print_text(all, p.count, &locks, &out);
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
		.server = command_server(s), .pgdata = s->pg.path,
		.db_timeout = s->o.db_timeout,
		.archive_timeout = s->o.archive_timeout,
		.cancelled = v->cancelled, .arg = v->arg,
	};
	struct check_result result;
	struct places	p;
	int		rc;

	rc = command_need_pgdata(s, e);
	if (rc != 0)
		return rc;
	command_places(&p, v);
	rc = check_run(p.c, p.count, &req, &result, e);
	if (rc == 0 && result.standby)
		command_say(v, "settings are right; a standby writes no WAL that "
		    "could be waited for\n");
	else if (rc == 0)
		command_say(v, "WAL segment %s reached %s\n", result.segment,
		    p.count == 1 ? "the repository" : "all repositories");
	return rc;
}

/*
 * A directory that is missing is an error everywhere else, because it may
 * be a file system that is not mounted; here somebody asked for a new one.
 */
static int
make_directories(const struct settings *s, struct err *e)
{
	const struct settings_repo *r;
	int	i, rc;

	for (i = 0; i < SETTINGS_REPO_MAX; i++) {
		r = &s->repo[i];
		if (!s->has_repo[i] || r->type != REPO_POSIX)
			continue;
		if (mkdir(r->path, 0750) == 0 || errno == EEXIST)
			continue;
		rc = err_sys(e, errno, "cannot make repo%d-path %s", i + 1,
		    r->path);
		if (rc == ERR_ACCESS || rc == ERR_NOT_FOUND)
			err_hint(e, "make it as root: install -d -m 750 -o "
			    "<PostgreSQL's user> %s", r->path);
		return rc;
	}
	return 0;
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

	rc = command_need_pgdata(s, e);
	if (rc == 0)
		rc = pgfiles_read_control(s->pg.path, &control, NULL, e);
	if (rc != 0)
		return rc;
	command_places(&p, v);
	for (i = 0; rc == 0 && i < p.count; i++) {
		rc = act(&p.c[i], control.system_id, control.version, e);
		if (rc == 0) {
			command_say(v, "stanza %s is ready in repo%d for PostgreSQL "
			    "%d, system identifier %llu\n", s->o.stanza,
			    p.c[i].repo, control.version,
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

	command_say(v, "FAULT %s: %s\n", object, what);
}

static void
verify_note(void *arg, const char *text)
{
	const struct verb_call *v = arg;

	command_say(v, "NOTE %s\n", text);
}

static void
say_verified(const struct verb_call *v, int repo, int rc,
    const struct verify_result *r)
{
	char	backups[TEXT_COUNT_MAX], files[TEXT_COUNT_MAX];
	char	wal[TEXT_COUNT_MAX], faults[TEXT_COUNT_MAX];
	char	size[TEXT_NUMBER_MAX];

	command_say(v, "repo%d: %s%s (%s, %s) and %s read, %s\n", repo,
	    rc != 0 && r->faults == 0 ? "NOT VERIFIED; " : "",
	    text_print_count(r->backups, "backup", backups),
	    text_print_count(r->files, "file", files),
	    text_print_size_short((int64_t)r->bytes, size),
	    text_print_count(r->wal, "WAL object", wal),
	    text_print_count(r->faults, "fault", faults));
	if (r->leftovers > 0) {
		command_say(v, "repo%d: %s that killed writers left, to be "
		    "removed by expire after expire-grace\n", repo,
		    text_print_count(r->leftovers, "file", files));
	}
}

int
verb_verify(const struct verb_call *v, struct err *e)
{
	struct verify_request req = {
		.process_max = v->s->o.process_max, .fault = verify_fault,
		.note = verify_note, .now = command_now(),
		.grace = v->s->o.expire_grace,
		.cancelled = command_is_cancelled, .arg = (void *)(uintptr_t)v,
	};
	struct verify_result result;
	struct places	p;
	struct err	why = { 0 };
	size_t		i;
	int		rc, worst = 0;

	command_places(&p, v);
	for (i = 0; i < p.count; i++) {
		rc = verify_run(&p.c[i], &req, &result, &why);
		say_verified(v, p.c[i].repo, rc, &result);
		/* One repository's damage must not hide another's. */
		if (rc != 0 && worst == 0) {
			worst = rc;
			*e = why;
		}
	}
	return worst;
}
