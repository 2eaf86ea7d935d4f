/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "homelabctl/ctloptions.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"

static int
load(const char *text, struct ctloptions *o, struct err *e)
{
	char	path[] = "/tmp/ctloptions.XXXXXX";
	int	fd = mkstemp(path), rc;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	*e = (struct err){ 0 };
	rc = ctloptions_load(path, o, e);
	unlink(path);
	return rc;
}

START_TEST(table_is_sound)
{
	struct err e = { 0 };

	ck_assert_msg(opt_check(&homelabctl_option_table, &e) == 0, "%s",
	    e.msg);
}
END_TEST

START_TEST(a_file)
{
	struct ctloptions o;
	struct err e;

	ck_assert_int_eq(load("[homelabctl]\nstanza = prod\n"
	    "stop_command = a; b # c\nhold_deadline = 90\n", &o, &e), 0);
	ck_assert_str_eq(o.stanza, "prod");
	ck_assert_str_eq(o.stop_command, "a; b # c");
	ck_assert_int_eq(o.hold_deadline, 90000000);
	ck_assert_int_eq(o.postgres_port, 5432);
	ck_assert(o.pooler);
	ctloptions_release(&o);
}
END_TEST

START_TEST(mistakes)
{
	static const struct {
		const char *text, *msg, *hint;
	} samples[] = {
		{ "[homelabctl]\nstnza = x\n", ":2: unknown key stnza",
		    "did you mean stanza?" },
		{ "[other]\nx = y\n", "unknown section [other] (", "" },
		{ "[homelabctl]\npooler_port = 70000\n", "pooler_port", "" },
	};
	struct ctloptions o;
	struct err e;
	size_t	i;

	for (i = 0; i < ARRAY_LEN(samples); i++) {
		ck_assert_int_eq(load(samples[i].text, &o, &e), ERR_CONFIG);
		ck_assert_msg(strstr(e.msg, samples[i].msg) != NULL, "%s",
		    e.msg);
		ck_assert_msg(strstr(e.hint, samples[i].hint) != NULL, "%s",
		    e.hint);
	}
}
END_TEST

START_TEST(a_file_that_was_named_must_be_there)
{
	struct ctloptions o;
	struct err e = { 0 };

	ck_assert_int_eq(ctloptions_load("/nonexistent/x.ini", &o, &e),
	    ERR_NOT_FOUND);
}
END_TEST

UNIT_MAIN("ctloptions", table_is_sound, a_file, mistakes,
    a_file_that_was_named_must_be_there)
