/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "homelabctl/restore.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/pgquery.h"
#include "homelabctl/archiver.h"
#include "homelabctl/cli.h"
#include "homelabctl/connect.h"
#include "homelabctl/interrupt.h"
#include "homelabctl/run.h"

/* A server without its pid file is given this long to appear. */
#define START_US	(20 * TEXT_USEC_PER_SEC)

/* ---- the steps ---- */

static int
hold(struct restore *r, struct err *e)
{
	if (!r->cli->opt.pooler || r->cli->no_pooler)
		return 0;
	return clients_hold(&r->clients, e);
}

static int
release(struct restore *r, struct err *e)
{
	return clients_release(&r->clients, e);
}

/* A directory is not taken away from a server that runs in it. */
static int
check_stopped(const struct restore *r, struct err *e)
{
	char	path[4200], line[32] = "";
	int64_t	pid = 0;
	FILE   *f;

	snprintf(path, sizeof(path), "%s/postmaster.pid", r->data);
	f = fopen(path, "r");
	if (f == NULL)
		return 0;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	line[strcspn(line, "\n")] = '\0';
	if (text_parse_int(line, 10, &pid) != 0 || pid <= 0 ||
	    pid > INT32_MAX || (kill((pid_t)pid, 0) != 0 && errno == ESRCH))
		return 0;
	err_set(e, ERR_RUNNING, "stop_command succeeded, but PostgreSQL still "
	    "runs in %s as process %s", r->data, line);
	return err_hint(e, "correct stop_command in homelabctl.ini; if that "
	    "process is another program, remove %s", path);
}

static int
stop(struct restore *r, struct err *e)
{
	int	rc;

	cli_say("Stopping PostgreSQL.");
	r->stopping = true;
	rc = run_shell(r->cli->opt.stop_command, e);
	return rc == 0 ? check_stopped(r, e) :
	    err_wrap(e, "cannot stop PostgreSQL");
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
	r->started = true;
	rc = run_shell(r->cli->opt.start_command, e);
	return rc == 0 ? 0 : err_wrap(e, "cannot start PostgreSQL");
}

/* 1: writable, 0: not yet, *why says it, or why it will never be. */
static int
look(struct restore *r, int64_t began, struct err *why, struct err *e)
{
	struct pgquery *q;
	struct pgquery_result *res;
	char	pid_file[4200];
	bool	recovering = true;
	int	rc;

	if (connect_server(r->cli, &q, why) != 0) {
		snprintf(pid_file, sizeof(pid_file), "%s/postmaster.pid",
		    r->data);
		if (cli_now() - began > START_US &&
		    access(pid_file, F_OK) != 0) {
			err_set(e, ERR_DB_CONNECT, "PostgreSQL does not stay "
			    "up: %s", why->msg);
			return err_hint(e, "its log says why");
		}
		return 0;
	}
	rc = pgquery_run_one(q, "SELECT pg_is_in_recovery()", NULL, 0, &res,
	    why);
	if (rc == 0) {
		rc = pgquery_bool(res, 0, 0, &recovering);
		pgquery_result_free(res);
	}
	pgquery_close(q);
	if (rc == 0 && recovering)
		err_set(why, ERR_TIMEOUT, "it is recovering");
	return rc == 0 && !recovering ? 1 : 0;
}

static int
await_writable(struct restore *r, struct err *e)
{
	struct timespec tick = { 0, 300000000 };
	int64_t	began = cli_now(), told = began;
	char	text[TEXT_NUMBER_MAX];
	struct err why = { 0 };
	int	rc;

	while ((rc = look(r, began, &why, e)) == 0) {
		if (interrupt_came(NULL))
			return err_set(e, ERR_CANCELLED, "interrupted");
		if (cli_now() - began > r->cli->opt.recovery_timeout) {
			err_set(e, ERR_TIMEOUT, "PostgreSQL did not become "
			    "writable within %s: %s", text_print_time_short(
			    r->cli->opt.recovery_timeout, text), why.msg);
			return err_hint(e, "its log says how far it is; "
			    "recovery_timeout is how long to wait");
		}
		if (cli_now() - told > 15 * TEXT_USEC_PER_SEC) {
			told = cli_now();
			cli_say("  not writable yet, after %s: %s",
			    text_print_time_short(told - began, text),
			    why.msg);
		}
		nanosleep(&tick, NULL);
	}
	r->up = rc > 0;
	return rc < 0 ? rc : 0;
}

/* ---- when a step fails ---- */

static void
say_release(const struct restore *r)
{
	cli_say("  psql -h %s -p %d -U pgbouncer pgbouncer -c RELEASE",
	    r->cli->opt.pooler_socket_dir, r->cli->opt.pooler_port);
}

static void
say_not_released(const struct restore *r, const struct err *e)
{
	cli_say("The clients may still be held: %s\nTo let them go on:",
	    e->msg);
	say_release(r);
}

static void
say_again(const struct restore *r)
{
	const struct cli *cli = r->cli;
	bool	time = r->time != 0, config = cli->typed_config != NULL;

	cli_say("To try again, when the cause is removed:\n"
	    "  homelabctl%s%s db restore %s%s%s%s%s --delta",
	    config ? " --config=" : "", config ? cli->typed_config : "",
	    r->backup->label, time ? " --time '" : "", time ? r->target : "",
	    time ? "'" : "", cli->no_pooler ? " --no-pooler" : "");
}

static void
say_where(const struct restore *r, bool interrupted)
{
	const struct ctloptions *o = &r->cli->opt;

	cli_say("\nThe restore %s. This is how it stands:", interrupted ?
	    "was interrupted" : "did not finish");
	if (r->aside[0] != '\0')
		cli_say("  the old data directory is %s", r->aside);
	cli_say("  %s is not complete, or not proven to be: do not use it",
	    r->data);
	if (r->started)
		cli_say("  PostgreSQL was told to start there, and may be "
		    "recovering: its log says it");
	if (r->clients.held)
		cli_say("  clients are held; the pooler disconnects those who "
		    "wait when its\n  hold_timeout is over, and lets nobody "
		    "onto the server");
	say_again(r);
	if (r->aside[0] != '\0')
		cli_say("To go back to the old state instead:\n  %s\n"
		    "  mv %s %s.failed && mv %s %s\n  %s", o->stop_command,
		    r->data, r->data, r->aside, r->data, o->start_command);
	if (r->clients.held)
		say_release(r);
	fputc('\n', stderr);
}

/* An interrupted or failed stop_command may have stopped it or not. */
static bool
answers(const struct restore *r)
{
	struct pgquery *q = NULL;
	struct err e = { 0 };
	bool	yes = connect_server(r->cli, &q, &e) == 0;

	pgquery_close(q);
	return yes;
}

/* Nothing was changed yet: the server runs on, and so do its clients. */
static void
back_out(struct restore *r)
{
	struct err e = { 0 };

	if (r->stopping && !answers(r) &&
	    run_shell(r->cli->opt.start_command, &e) != 0)
		cli_say("PostgreSQL is stopped, or stops, and cannot be "
		    "started: %s", e.msg);
	if (release(r, &e) != 0)
		say_not_released(r, &e);
	cli_say("Nothing was changed.");
}

int
restore_run(struct restore *r, struct err *e)
{
	static int (*const steps[])(struct restore *, struct err *) = {
		hold, stop, put_aside, unpack, start, await_writable, release
	};
	bool	interrupted;
	size_t	i;
	int	rc = 0;

	for (i = 0; rc == 0 && i < ARRAY_LEN(steps); i++) {
		rc = interrupt_came(NULL) && !r->up ? ERR_CANCELLED :
		    steps[i](r, e);
	}
	interrupted = rc != 0 && interrupt_came(NULL);
	interrupt_forgive();
	if (rc != 0 && r->up) {
		cli_say("\nThe restore is done and PostgreSQL is writable.");
		say_not_released(r, e);
	} else if (rc != 0 && r->touched) {
		say_where(r, interrupted);
	} else if (rc != 0) {
		back_out(r);
	}
	return interrupted ? CLI_INTERRUPTED : rc;
}
