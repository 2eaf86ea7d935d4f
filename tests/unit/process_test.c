/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/process.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/err.h"
#include "tests/unit/tempfile.h"
#include "tests/unit/unit.h"

static int
check(const char *path, const char *content, struct err *e)
{
	*e = (struct err){ 0 };
	temp_rewrite(path, content, strlen(content));
	return process_pidfile_check(path, e);
}

START_TEST(pidfile_of_the_living)
{
	char	   path[TEMP_PATH_MAX], pid[32];
	struct err e;

	temp_write(path, "", 0);
	snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	ck_assert_int_eq(check(path, pid, &e), ERR_EXISTS);
	temp_hide(e.msg, path, "FILE");
	ck_assert_str_eq(e.msg,
	    "pidfile 'FILE' exists, another instance running?");
	ck_assert_str_ne(e.hint, "");
	/* What cannot be understood might be somebody's. */
	ck_assert_int_eq(check(path, "", &e), ERR_EXISTS);
	ck_assert_int_eq(check(path, "abc\n", &e), ERR_EXISTS);
	ck_assert_int_eq(check(path, "12x\n", &e), ERR_EXISTS);
	ck_assert_int_eq(check(path, "-1\n", &e), ERR_EXISTS);
	ck_assert_int_eq(access(path, F_OK), 0);
	unlink(path);
}
END_TEST

START_TEST(pidfile_of_the_dead)
{
	char	   path[TEMP_PATH_MAX], pid[32];
	struct err e;
	pid_t	   child = fork();

	if (child == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	temp_write(path, "", 0);
	snprintf(pid, sizeof(pid), "%ld\n", (long)child);
	ck_assert_int_eq(check(path, pid, &e), 0);
	ck_assert_int_eq(access(path, F_OK), -1);
	/* No file, no path: nothing to say. */
	ck_assert_int_eq(process_pidfile_check(path, &e), 0);
	ck_assert_int_eq(process_pidfile_check("", &e), 0);
	ck_assert_int_eq(process_pidfile_check(NULL, &e), 0);
}
END_TEST

START_TEST(pidfile_written_once_and_removed)
{
	char	    path[TEMP_PATH_MAX], want[32], have[32];
	struct err  e = { 0 };
	struct stat st;
	FILE	   *f;

	temp_write(path, "", 0);
	/* It must be made, not overwritten. */
	ck_assert_int_eq(process_pidfile_write(path, &e), ERR_EXISTS);
	temp_hide(e.msg, path, "FILE");
	ck_assert_str_eq(e.msg, "could not open pidfile 'FILE': File exists");
	unlink(path);
	umask(022);
	ck_assert_int_eq(process_pidfile_write(path, &e), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
	snprintf(want, sizeof(want), "%ld\n", (long)getpid());
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(have, sizeof(have), f));
	fclose(f);
	ck_assert_str_eq(have, want);
	process_pidfile_remove(path);
	ck_assert_int_eq(access(path, F_OK), -1);
	/* Somebody else's stays. */
	temp_write(path, "1\n", 2);
	process_pidfile_remove(path);
	ck_assert_int_eq(access(path, F_OK), 0);
	unlink(path);
}
END_TEST

START_TEST(users)
{
	struct err e = { 0 };
	int	   r = process_become("no-such-user-here", &e);

	ck_assert_int_eq(r, ERR_NOT_FOUND);
	ck_assert_str_eq(e.msg,
	    "could not find user 'no-such-user-here' to switch to");
	e = (struct err){ 0 };
	r = process_become(NULL, &e);
	if (geteuid() == 0) {
		ck_assert_int_eq(r, ERR_ACCESS);
		ck_assert_str_eq(e.msg, "PgBouncer should not run as root");
	} else {
		ck_assert_int_eq(r, 0);
	}
}
END_TEST

UNIT_MAIN("process", pidfile_of_the_living, pidfile_of_the_dead,
    pidfile_written_once_and_removed, users)
