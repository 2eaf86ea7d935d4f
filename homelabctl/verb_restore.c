/* SPDX-License-Identifier: MIT */
/*
 * db restore: the server goes away and comes back as it was.
 *
 *	hold clients -> stop -> old directory aside -> restore -> start
 *	    -> wait until writable -> release clients
 *
 * Until the old directory is touched a failure lets the clients go on. From
 * then on it never does: they stay held, the pooler fails them after its
 * hold_timeout, and the person is told what is where and what to type. The
 * same holds if this program dies.
 */
#include "common/base.h"
#include "homelabctl/cli.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/pgquery.h"
#include "common/text.h"
#include "homelabctl/archiver.h"
#include "homelabctl/connect.h"
#include "homelabctl/run.h"

/* A server without its pid file is given this long to appear. */
#define START_US	(20 * TEXT_USEC_PER_SEC)

struct restore {
	struct cli *cli;
	const struct archiver_backup *backup;
	const struct archiver_info   *info;
	int64_t	 time;			/* 0: all the WAL there is */
	char	 target[TEXT_STAMP_MAX];
	char	 data[4096];
	char	 aside[4200];		/* "" until it is moved */
	struct pgquery *console;	/* NULL: no pooler */
	bool	 held, stopped, touched;
};

/* ---- before anything happens ---- */

static int
read_time(struct restore *r, struct err *e)
{
	const char *text = r->cli->time;

	if (text == NULL)
		return 0;
	if (text_parse_rfc3339(text, &r->time) != 0) {
		err_set(e, ERR_USAGE, "--time: \"%s\" is not a time with a "
		    "zone", text);
		return err_hint(e, "write it like '2026-11-20 20:54:00+00'");
	}
	if (r->time > cli_now())
		return err_set(e, ERR_USAGE, "--time: %s is still to come",
		    text);
	text_print_rfc3339(r->time, r->target);
	return 0;
}

static int
find_data(struct restore *r, struct err *e)
{
	const char *set = r->cli->opt.data_directory;
	struct pgquery *q = NULL;
	struct pgquery_result *res = NULL;
	int	rc = 0;

	if (set == NULL || set[0] == '\0') {
		rc = connect_server(r->cli, &q, e);
		if (rc == 0)
			rc = pgquery_run_one(q, "SHOW data_directory", NULL, 0,
			    &res, e);
		if (rc == 0)
			set = pgquery_text(res, 0, 0);
		else
			err_hint(e, "set data_directory in homelabctl.ini");
	}
	if (rc == 0)
		snprintf(r->data, sizeof(r->data), "%s", set);
	pgquery_result_free(res);
	pgquery_close(q);
	return rc;
}

/* Tablespaces lie outside: the directory alone cannot be put aside. */
static bool
has_tablespaces(const char *data)
{
	char	path[4200];
	const struct dirent *d;
	bool	found = false;
	DIR    *dir;

	snprintf(path, sizeof(path), "%s/pg_tblspc", data);
	dir = opendir(path);
	if (dir == NULL)
		return false;
	while (!found && (d = readdir(dir)) != NULL)
		found = d->d_name[0] != '.';
	closedir(dir);
	return found;
}

static int
check_data(const struct restore *r, struct err *e)
{
	if (r->data[0] != '/')
		return err_set(e, ERR_CONFIG, "data_directory %s is not an "
		    "absolute path", r->data);
	if (r->cli->delta || !has_tablespaces(r->data))
		return 0;
	err_set(e, ERR_USAGE, "the cluster has tablespaces outside %s",
	    r->data);
	return err_hint(e, "add --delta, which restores in place");
}

static void
show_plan(const struct restore *r)
{
	const struct archiver_backup *b = r->backup;
	char	when[TEXT_STAMP_MAX], size[TEXT_NUMBER_MAX];

	cli_say("Backup      %s  complete %s  %s  from repo%d", b->label,
	    text_print_rfc3339(b->stop, when),
	    text_print_size_short(b->size, size), b->repo);
	if (b->damaged)
		cli_say("            WARN: it has pages with wrong checksums");
	cli_say("Restored to %s%s", r->time != 0 ? r->target :
	    "the end of the archived WAL, segment ",
	    r->time != 0 ? "" : r->info->wal_max);
	cli_say("            what was written after that is lost");
	cli_say("Directory   %s  %s", r->data, r->cli->delta ?
	    "changed in place" : "moved aside, not deleted");
	cli_say("Clients     %s", r->cli->opt.pooler && !r->cli->no_pooler ?
	    "wait at the pooler meanwhile" : "are disconnected");
}

/* 0, CLI_NOT_CONFIRMED, or ERR_SYS. */
static int
confirm(const struct restore *r)
{
	char	line[256];

	if (r->cli->yes)
		return 0;
	if (!isatty(STDIN_FILENO)) {
		cli_say("homelabctl: nobody to ask\nnext: add --yes");
		return CLI_NOT_CONFIRMED;
	}
	fprintf(stderr, "Type the label of the backup to go on: ");
	if (fgets(line, sizeof(line), stdin) == NULL)
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (strcmp(line, r->backup->label) == 0)
		return 0;
	cli_say("Not confirmed; nothing was done.");
	return CLI_NOT_CONFIRMED;
}

/* ---- the steps ---- */

static int
hold(struct restore *r, struct err *e)
{
	int64_t	deadline = r->cli->opt.hold_deadline;
	char	command[64];
	int	rc;

	if (!r->cli->opt.pooler || r->cli->no_pooler)
		return 0;
	rc = connect_pooler(r->cli, &r->console, e);
	if (rc != 0)
		return rc;
	cli_say("Holding the clients; transactions have %s to end.",
	    text_print_time(deadline, command));
	snprintf(command, sizeof(command), "HOLD %lld",
	    (long long)(deadline / TEXT_USEC_PER_SEC));
	pgquery_set_limits(r->console, deadline + 30 * TEXT_USEC_PER_SEC,
	    NULL, NULL);
	/* Held from the command on, whether or not it is answered. */
	r->held = true;
	return pgquery_run(r->console, command, NULL, 0, NULL, e);
}

static int
release(struct restore *r, struct err *e)
{
	int	rc;

	if (!r->held)
		return 0;
	rc = pgquery_alive(r->console) ?
	    pgquery_run(r->console, "RELEASE", NULL, 0, NULL, e) :
	    ERR_DB_CONNECT;
	if (rc == ERR_DB_CONNECT) {
		/* The console's session may have ended meanwhile. */
		pgquery_close(r->console);
		r->console = NULL;
		rc = connect_pooler(r->cli, &r->console, e);
		if (rc == 0)
			rc = pgquery_run(r->console, "RELEASE", NULL, 0, NULL,
			    e);
	}
	if (rc == 0)
		r->held = false;
	return rc;
}

static int
stop(struct restore *r, struct err *e)
{
	int	rc;

	cli_say("Stopping PostgreSQL.");
	rc = run_shell(r->cli->opt.stop_command, e);
	if (rc != 0)
		return err_wrap(e, "cannot stop PostgreSQL");
	r->stopped = true;
	return 0;
}

/* data.before-<now>; two restores may begin in the same second. */
static void
free_name(const char *data, char *out, size_t size)
{
	char		stamp[TEXT_STAMP_MAX];
	struct stat	st;
	unsigned	n;

	text_print_label(cli_now(), stamp);
	snprintf(out, size, "%s.before-%s", data, stamp);
	for (n = 2; lstat(out, &st) == 0; n++)
		snprintf(out, size, "%s.before-%s-%u", data, stamp, n);
}

/* The old directory gets another name, an empty one its owner and mode. */
static int
put_aside(struct restore *r, struct err *e)
{
	char	name[sizeof(r->aside)];
	struct stat st;

	if (r->cli->delta)
		return 0;
	if (stat(r->data, &st) != 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot look "
		    "at %s", r->data);
	free_name(r->data, name, sizeof(name));
	if (rename(r->data, name) != 0) {
		bool mount = errno == EBUSY || errno == EXDEV;

		err_sys(e, errno, "cannot move %s aside", r->data);
		return mount ? err_hint(e, "a mount point cannot be moved: "
		    "use --delta") : e->code;
	}
	r->touched = true;
	snprintf(r->aside, sizeof(r->aside), "%s", name);
	cli_say("The old data directory is now %s.", r->aside);
	if (mkdir(r->data, 0700) != 0)
		return err_sys(e, errno, "cannot make %s", r->data);
	if (geteuid() == 0 && chown(r->data, st.st_uid, st.st_gid) != 0)
		return err_sys(e, errno, "cannot give %s to its owner",
		    r->data);
	return 0;
}

static int
unpack(struct restore *r, struct err *e)
{
	char	set[128], repo[32], path[4200], target[64];
	const char *args[10];
	size_t	n = 0;
	struct buf out = { 0 };
	int	rc;

	snprintf(set, sizeof(set), "--set=%s", r->backup->label);
	snprintf(repo, sizeof(repo), "--repo=%d", r->backup->repo);
	snprintf(path, sizeof(path), "--pg1-path=%s", r->data);
	args[n++] = set;
	args[n++] = repo;
	args[n++] = path;
	if (r->cli->delta)
		args[n++] = "--delta";
	if (r->time != 0) {
		snprintf(target, sizeof(target), "--target=%s", r->target);
		args[n++] = "--type=time";
		args[n++] = target;
		args[n++] = "--target-action=promote";
	}
	args[n] = NULL;
	cli_say("Restoring %s.", r->backup->label);
	r->touched = true;
	rc = archiver_run(r->cli, "restore", args, &out, e);
	if (rc == 0)
		fputs(buf_cstr(&out), stderr);
	buf_release(&out);
	return rc;
}

static int
start(struct restore *r, struct err *e)
{
	int	rc;

	cli_say("Starting PostgreSQL, which recovers now.");
	rc = run_shell(r->cli->opt.start_command, e);
	return rc == 0 ? 0 : err_wrap(e, "cannot start PostgreSQL");
}

/* 1: writable, 0: not yet, or why it will never be. */
static int
look(struct restore *r, int64_t began, struct err *e)
{
	struct pgquery *q;
	struct pgquery_result *res;
	struct err why = { 0 };
	char	pid_file[4200];
	bool	recovering = true;
	int	rc;

	if (connect_server(r->cli, &q, &why) != 0) {
		snprintf(pid_file, sizeof(pid_file), "%s/postmaster.pid",
		    r->data);
		if (cli_now() - began > START_US &&
		    access(pid_file, F_OK) != 0) {
			err_set(e, ERR_DB_CONNECT, "PostgreSQL does not stay "
			    "up: %s", why.msg);
			return err_hint(e, "its log says why");
		}
		return 0;
	}
	rc = pgquery_run_one(q, "SELECT pg_is_in_recovery()", NULL, 0, &res,
	    &why);
	if (rc == 0) {
		rc = pgquery_bool(res, 0, 0, &recovering);
		pgquery_result_free(res);
	}
	pgquery_close(q);
	return rc == 0 && !recovering ? 1 : 0;
}

static int
await_writable(struct restore *r, struct err *e)
{
	struct timespec tick = { 0, 300000000 };
	int64_t	began = cli_now(), told = began;
	char	text[TEXT_NUMBER_MAX];
	int	rc;

	while ((rc = look(r, began, e)) == 0) {
		if (cli_now() - began > r->cli->opt.recovery_timeout) {
			err_set(e, ERR_TIMEOUT, "PostgreSQL did not become "
			    "writable within %s", text_print_time_short(
			    r->cli->opt.recovery_timeout, text));
			return err_hint(e, "its log says how far it is; "
			    "recovery_timeout is how long to wait");
		}
		if (cli_now() - told > 15 * TEXT_USEC_PER_SEC) {
			told = cli_now();
			cli_say("  still recovering, for %s",
			    text_print_time_short(told - began, text));
		}
		nanosleep(&tick, NULL);
	}
	return rc < 0 ? rc : 0;
}

/* ---- when a step fails ---- */

static void
say_where(const struct restore *r)
{
	const struct ctloptions *o = &r->cli->opt;

	cli_say("\nThe restore did not finish. This is how it stands:");
	if (r->aside[0] != '\0')
		cli_say("  the old data directory is %s", r->aside);
	cli_say("  %s is not complete, or not proven to be: do not use it",
	    r->data);
	if (r->held)
		cli_say("  clients are held; the pooler disconnects those who "
		    "wait when its\n  hold_timeout is over, and lets nobody "
		    "onto the server");
	cli_say("To try again, when the cause below is removed:\n"
	    "  homelabctl db restore %s%s%s%s%s --delta", r->backup->label,
	    r->time != 0 ? " --time '" : "", r->time != 0 ? r->target : "",
	    r->time != 0 ? "'" : "", r->cli->no_pooler ? " --no-pooler" : "");
	if (r->aside[0] != '\0')
		cli_say("To go back to the old state instead:\n  %s\n"
		    "  mv %s %s.failed && mv %s %s\n  %s", o->stop_command,
		    r->data, r->data, r->aside, r->data, o->start_command);
	if (r->held)
		cli_say("  psql -h %s -p %d -U pgbouncer pgbouncer -c RELEASE",
		    o->pooler_socket_dir, o->pooler_port);
	fputc('\n', stderr);
}

/* Nothing was changed yet: the server runs on, and so do its clients. */
static void
back_out(struct restore *r)
{
	struct err e = { 0 };

	if (r->stopped && run_shell(r->cli->opt.start_command, &e) != 0)
		cli_say("PostgreSQL is stopped and cannot be started: %s",
		    e.msg);
	if (release(r, &e) != 0)
		cli_say("The clients are still held: %s\nTo let them go on: "
		    "psql -h %s -p %d -U pgbouncer pgbouncer -c RELEASE",
		    e.msg, r->cli->opt.pooler_socket_dir,
		    r->cli->opt.pooler_port);
	cli_say("Nothing was changed.");
}

static int
run_steps(struct restore *r, struct err *e)
{
	static int (*const steps[])(struct restore *, struct err *) = {
		hold, stop, put_aside, unpack, start, await_writable, release
	};
	size_t	i;
	int	rc = 0;

	for (i = 0; rc == 0 && i < ARRAY_LEN(steps); i++)
		rc = steps[i](r, e);
	if (rc != 0 && r->touched)
		say_where(r);
	else if (rc != 0)
		back_out(r);
	return rc;
}

/* ---- the end ---- */

static int
report(const struct restore *r, int64_t took, struct err *e)
{
	struct json_build j = { .root = NULL };
	struct buf out = { 0 };
	char	text[TEXT_NUMBER_MAX];
	int	rc = 0;

	if (r->cli->json) {
		json_open(&j, NULL, false);
		json_put_int(&j, "schema", 1);
		json_put_string(&j, "label", r->backup->label);
		json_put_string(&j, "target", r->time != 0 ? r->target : NULL);
		json_put_string(&j, "old_data_directory",
		    r->aside[0] != '\0' ? r->aside : NULL);
		json_put_int(&j, "took_ms", took / 1000);
		json_close(&j);
		rc = json_build_print(&j, &out, e);
		json_build_release(&j);
	} else {
		buf_printf(&out, "Restored %s to %s in %s; PostgreSQL is "
		    "writable%s.\n", r->backup->label, r->time != 0 ?
		    r->target : "the end of the WAL",
		    text_print_time_short(took, text), r->console != NULL ?
		    " and the clients go on" : "");
		if (r->aside[0] != '\0')
			buf_printf(&out, "The old data directory is %s: "
			    "delete it when you do not need it.\n", r->aside);
		buf_append_str(&out, "Next: homelabctl db backup full\n");
	}
	fputs(buf_cstr(&out), stdout);
	buf_release(&out);
	return rc;
}

int
verb_restore(struct cli *cli, struct err *e)
{
	struct archiver_info info = { .n = 0 };
	struct restore r = { .cli = cli, .info = &info };
	int64_t	began;
	int	rc = read_time(&r, e);

	if (rc == 0)
		rc = archiver_info(cli, &info, e);
	if (rc == 0) {
		r.backup = archiver_pick(&info, cli->arg, r.time, e);
		rc = r.backup == NULL ? e->code : 0;
	}
	if (rc == 0)
		rc = find_data(&r, e);
	if (rc == 0)
		rc = check_data(&r, e);
	if (rc == 0) {
		show_plan(&r);
		rc = confirm(&r);
	}
	began = cli_now();
	if (rc == 0)
		rc = run_steps(&r, e);
	if (rc == 0)
		rc = report(&r, cli_now() - began, e);
	pgquery_close(r.console);
	archiver_info_release(&info);
	return rc;
}
