/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/commands.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archiver/backup.h"
#include "archiver/engine.h"
#include "archiver/expire.h"
#include "archiver/lock.h"
#include "archiver/repo.h"
#include "common/err.h"
#include "common/text.h"

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
expire_note(void *arg, const char *text)
{
	const struct verb_call *v = arg;

	command_say(v, "%s\n", text);
}

static int
expire_one(const struct verb_call *v, const struct places *p, size_t i,
    struct err *e)
{
	const struct settings *s = v->s;
	const struct settings_repo *repo = &s->repo[p->c[i].repo - 1];
	struct expire_request req = {
		.retention_full = repo->retention_full == OPT_UNSET ? 0 :
		    (unsigned)repo->retention_full,
		.grace = s->o.expire_grace, .now = command_now(),
		.dry_run = s->o.dry_run, .note = expire_note,
		.arg = (void *)(uintptr_t)v,
	};
	struct expire_result result;
	char	segments[TEXT_COUNT_MAX];
	int	rc;

	rc = expire_run(&p->c[i], &req, &result, e);
	if (rc != 0)
		return err_wrap(e, "repo%d", p->c[i].repo);
	if (result.wal > 0) {
		command_say(v, "repo%d: %s %sremoved\n", p->c[i].repo,
		    text_print_count(result.wal, "WAL segment", segments),
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

	rc = command_lock(&l, v, "backup", "expire", e);
	if (rc != 0)
		return rc;
	command_places(&p, v);
	for (i = 0; rc == 0 && i < p.count; i++)
		rc = expire_one(v, &p, i, e);
	lock_release(&l);
	return rc;
}

static bool
is_lost(const struct backup_result *b, int repo)
{
	size_t	i;

	for (i = 0; i < b->loss_count; i++) {
		if (b->loss[i].repo == repo)
			return true;
	}
	return false;
}

/* "repo1 and repo2", of those that have the backup. */
static void
name_repos(const struct backup_result *b, const struct places *p, size_t n,
    char *out, size_t size)
{
	size_t	i, len = 0;

	out[0] = '\0';
	for (i = 0; i < n; i++) {
		if (!is_lost(b, p->c[i].repo))
			len += (size_t)snprintf(out + len, size - len,
			    "%srepo%d", len == 0 ? "" : " and ",
			    p->c[i].repo);
	}
}

static void
say_backup(const struct verb_call *v, const struct backup_result *b,
    const struct places *p, size_t n)
{
	char	size[TEXT_NUMBER_MAX], stored[TEXT_NUMBER_MAX];
	char	files[TEXT_COUNT_MAX], pages[TEXT_COUNT_MAX];
	char	where[SETTINGS_REPO_MAX * 24];
	size_t	i;

	name_repos(b, p, n, where, sizeof(where));
	command_say(v, "backup %s is complete: %s, %s, %s in %s, WAL "
	    "%s to %s\n", b->label, text_print_count(b->files, "file", files),
	    text_print_size_short((int64_t)b->size, size),
	    text_print_size_short((int64_t)b->stored, stored), where,
	    b->wal_start, b->wal_stop);
	for (i = 0; i < b->loss_count; i++)
		command_say(v, "WARNING: repo%d, which is not required, was left out: "
		    "%s\n", b->loss[i].repo, b->loss[i].why);
	if (b->bad_blocks > 0) {
		command_say(v, "WARNING: %s with a wrong checksum; the info "
		    "command lists this backup with errors\n",
		    text_print_count(b->bad_blocks, "page", pages));
	}
}

/* The backup, then expire in every repository that took it. */
static int
backup_into(const struct verb_call *v, const struct places *p, size_t n,
    const struct backup_request *req, struct err *e)
{
	struct backup_result result;
	size_t	i;
	int	rc;

	rc = backup_run(p->c, n, req, &result, e);
	if (rc != 0)
		return rc;
	say_backup(v, &result, p, n);
	for (i = 0; v->s->o.expire_auto && i < n; i++) {
		/* The backup is good; what stays is only too much. */
		if (!is_lost(&result, p->c[i].repo) &&
		    expire_one(v, p, i, e) != 0)
			command_say(v, "WARNING: expire failed: %s\n", e->msg);
	}
	return 0;
}

/*
 * Opens the repositories that the backup does not go into: its label must
 * be new in them, too.
 */
static int
open_others(const struct verb_call *v, const struct places *p, size_t into,
    struct repo *out, size_t *n, struct err *e)
{
	struct settings	others = *v->s;
	bool	any = false;
	size_t	i;

	memcpy(others.has_repo, others.configured, sizeof(others.has_repo));
	for (i = 0; i < into; i++)
		others.has_repo[p->c[i].repo - 1] = false;
	for (i = 0; i < SETTINGS_REPO_MAX; i++)
		any |= others.has_repo[i];
	*n = 0;
	return any ? repos_open(&others, out, n, e) : 0;
}

static int
backup_locked(const struct verb_call *v, struct backup_request *req,
    struct err *e)
{
	struct repo	repos[SETTINGS_REPO_MAX];
	struct verb_call elsewhere = *v;
	struct places	p, others;
	size_t		n, other_n;
	int		rc;

	command_places(&p, v);
	n = v->s->o.backup_repos == BACKUP_REPOS_ALL ? p.count : 1;
	rc = open_others(v, &p, n, repos, &other_n, e);
	if (rc != 0)
		return rc;
	elsewhere.repos = repos;
	elsewhere.repo_n = other_n;
	command_places(&others, &elsewhere);
	req->others = others.c;
	req->other_count = others.count;
	rc = backup_into(v, &p, n, req, e);
	repos_close(repos, other_n);
	return rc;
}

int
verb_backup(const struct verb_call *v, struct err *e)
{
	const struct settings *s = v->s;
	struct backup_request req = {
		.server = command_server(s), .pgdata = s->pg.path,
		.exclude = s->o.exclude.item, .exclude_count = s->o.exclude.n,
		.db_timeout = s->o.db_timeout,
		.archive_timeout = s->o.archive_timeout,
		.process_max = s->o.process_max,
		.start_fast = s->o.start_fast,
		.archive_check = s->o.archive_check,
		.checksum_page = s->o.checksum_page,
		.codec = s->o.compress_type == COMPRESS_NONE ? BLOCK_PLAIN :
		    BLOCK_LZ4,
		.progress = backup_progress, .cancelled = command_is_cancelled,
		.arg = (void *)(uintptr_t)v,
	};
	struct lock	l;
	char		host[256] = "";
	int		rc;

	if (s->o.type != TYPE_FULL && s->o.type != TYPE_DEFAULT) {
		err_set(e, ERR_NOT_YET, "only full backups are supported yet");
		return err_hint(e, "use --type=full");
	}
	rc = command_need_pgdata(s, e);
	if (rc == 0)
		rc = command_lock(&l, v, "backup", "backup", e);
	if (rc != 0)
		return rc;
	if (gethostname(host, sizeof(host) - 1) == 0)
		req.host = host;
	rc = backup_locked(v, &req, e);
	lock_release(&l);
	return rc;
}
