/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/thin.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"

START_TEST(exit_statuses)
{
	const struct thin_verb *push = thin_verb("archive-push");
	const struct thin_verb *get = thin_verb("archive-get");
	int code;

	ck_assert_ptr_null(thin_verb("archive"));
	for (code = ERR_FIRST; code >= ERR_LAST; code--) {
		int status = thin_exit_status(push, code, false);

		ck_assert(status >= 1 && status <= 125);
		ck_assert_int_eq(thin_exit_status(get, code, false),
		    code == ERR_ABSENT ? 1 : 126);
		ck_assert_int_eq(thin_exit_status(get, code, true), 1);
	}
	ck_assert_int_eq(thin_exit_status(push, -5, false), 1);
	ck_assert_int_eq(thin_exit_status(get, -5, false), 126);
	ck_assert_int_eq(thin_exit_status(push, 0, false), 0);
	ck_assert_int_eq(thin_exit_status(get, 0, true), 0);
}
END_TEST

START_TEST(files)
{
	static const char *const two[] = { "--stanza", "main", "x" };
	static const char *const none[] = { "--stanza=main" };
	const struct thin_verb *get = thin_verb("archive-get");
	const char	*words[] = { "--stanza=main", "000000010000000000000001",
	    "wal" };
	struct thin_file f;
	struct err	 e = { 0 };
	char		 dir[] = "/tmp/homelab-unit.XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	ck_assert_int_eq(thin_open(get, 3, two, &f, &e), ERR_USAGE);
	ck_assert_str_eq(e.hint,
	    "with archive-get options are written --name=value");
	ck_assert_int_eq(thin_open(get, 1, none, &f, &e), ERR_USAGE);
	ck_assert_str_eq(e.msg, "archive-get needs 2 arguments, it got 0");
	ck_assert_int_eq(thin_open(thin_verb("archive-push"), 3, words, &f, &e),
	    ERR_USAGE);
	ck_assert_int_eq(thin_open(thin_verb("info"), 1, none, &f, &e), 0);
	ck_assert_int_eq(f.fd, -1);

	/* Nothing under the name before success; nothing at all without. */
	ck_assert_int_eq(thin_open(get, 3, words, &f, &e), 0);
	ck_assert_int_eq(write(f.fd, "half", 4), 4);
	ck_assert_int_ne(access("wal", F_OK), 0);
	ck_assert_int_eq(thin_reopen(&f, &e), 0);
	ck_assert_int_eq(thin_close(&f, ERR_STORE, &e), ERR_STORE);
	ck_assert_int_eq(thin_open(get, 3, words, &f, &e), 0);
	ck_assert_int_eq(thin_close(&f, 0, &e), 0);
	ck_assert_int_eq(access("wal", F_OK), 0);
	ck_assert_int_eq(unlink("wal"), 0);
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(words)
{
	static const char *const w[] = { "--stanza=a", "serve", "x" };

	ck_assert_int_eq(thin_find(3, w), 1);
	ck_assert_int_eq(thin_find(1, w), -1);
}
END_TEST

UNIT_MAIN("thin", exit_statuses, files, words)
