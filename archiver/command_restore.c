/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/commands.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archiver/engine.h"
#include "archiver/lock.h"
#include "archiver/restore.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"

static void
restore_progress(void *arg, uint64_t done, uint64_t total)
{
	const struct verb_call *v = arg;

	v->progress(v->arg, "restoring", done, total);
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
	case TYPE_NONE:
		r->type = RECOVERY_NONE;
		break;
	case TYPE_PRESERVE:
		r->type = RECOVERY_PRESERVE;
		break;
	case TYPE_FULL:
	case TYPE_LATER:
		err_set(e, ERR_NOT_YET,
		    "this type of restore is not supported");
		return err_hint(e, "types are default, immediate, time, xid, "
		    "lsn, name, standby, preserve and none");
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

static void
restore_warn(void *arg, const char *text)
{
	const struct verb_call *v = arg;

	v->warn(v->arg, text);
}

static int
restore_from(const struct verb_call *v, const struct places *p,
    struct restore_request *req, struct err *e)
{
	struct restore_result result;
	char		size[TEXT_NUMBER_MAX], kept[TEXT_NUMBER_MAX];
	char		files[TEXT_COUNT_MAX];
	int		rc;

	rc = restore_run(p->c, p->count, req, &result, e);
	if (rc != 0)
		return rc;
	command_say(v, "backup %s is restored into %s: %s, %s",
	    result.label, req->target.pgdata,
	    text_print_count(result.files, "file", files),
	    text_print_size_short((int64_t)result.size, size));
	if (req->target.delta) {
		command_say(v, ", %s of them kept",
		    text_print_size_short((int64_t)result.kept, kept));
	}
	if (p->count > 1)
		command_say(v, ", from repo%d", result.repo);
	if (result.elsewhere > 0) {
		command_say(v, "\nWARNING: %llu pieces were damaged, missing or out of"
		    " reach in repo%d and were taken from another repository: "
		    "run verify", (unsigned long long)result.elsewhere,
		    result.repo);
	}
	if (req->recovery.type == RECOVERY_NONE)
		command_say(v, "\nput the WAL segments from %s to at least %s into "
		    "pg_wal, then start PostgreSQL\n", result.wal_start,
		    result.wal_stop);
	else
		command_say(v, "\nstart PostgreSQL to begin recovery\n");
	return 0;
}

/* Root that could not become the cluster's user (engine.c) has none. */
static int
refuse_root(const struct settings *s, struct err *e)
{
	if (geteuid() != 0)
		return 0;
	err_set(e, ERR_ACCESS, "what root restores PostgreSQL cannot use: %s "
	    "is root's", s->pg.path);
	return err_hint(e, "run this as PostgreSQL's user, or make the "
	    "directory his first: install -d -m 700 -o <user> %s", s->pg.path);
}

int
verb_restore(const struct verb_call *v, struct err *e)
{
	const struct settings *s = v->s;
	struct restore_request req = {
		.target = { .pgdata = s->pg.path, .delta = s->o.delta,
		    .force = s->o.force, .map_all = s->o.tablespace_map_all },
		.set = s->o.set, .process_max = s->o.process_max,
		.progress = restore_progress, .cancelled = command_is_cancelled,
		.warn = restore_warn, .arg = (void *)(uintptr_t)v,
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
	    err_set(e, ERR_NOMEM, "out of memory") : command_need_pgdata(s, e);
	if (rc == 0)
		rc = refuse_root(s, e);
	for (i = 0; rc == 0 && i < n; i++)
		rc = split_map(s->o.tablespace_map.item[i], &copies[i],
		    &maps[i], e);
	if (rc == 0)
		rc = recovery_of(s, &req.recovery, e);
	req.target.keep_recovery = req.recovery.type == RECOVERY_PRESERVE;
	if (rc == 0)
		rc = command_lock(&l, v, "restore", "restore", e);
	if (rc == 0) {
		command_places(&p, v);
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
