/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/unit/unit.h"

#include <string.h>

#include "common/err.h"
#include "homelabctl/cli.h"

/* Splits in place; at most eight words. */
static int
find(const char *typed, const struct cli_verb **v, const char **arg,
    struct err *e)
{
	static char copy[200];
	const char *words[8];
	char	*at, *save;
	int	 n = 0;

	strcpy(copy, typed);
	for (at = strtok_r(copy, " ", &save); at != NULL;
	    at = strtok_r(NULL, " ", &save))
		words[n++] = at;
	*e = (struct err){ 0 };
	*v = NULL;
	*arg = NULL;
	return cli_find(n, words, v, arg, e);
}

START_TEST(verbs_are_found)
{
	const struct cli_verb *v;
	const char *arg;
	struct err e;

	ck_assert_int_eq(find("db status", &v, &arg, &e), 0);
	ck_assert_ptr_eq(v->fn, verb_status);
	ck_assert_ptr_null(arg);
	ck_assert_int_eq(find("db backup full", &v, &arg, &e), 0);
	ck_assert_ptr_eq(v->fn, verb_backup);
	ck_assert_int_eq(find("db restore latest", &v, &arg, &e), 0);
	ck_assert_ptr_eq(v->fn, verb_restore);
	ck_assert_str_eq(arg, "latest");
}
END_TEST

START_TEST(wrong_words)
{
	static const struct {
		const char *typed, *msg, *hint;
	} samples[] = {
		{ "db statsu", "no such command: db statsu",
		    "did you mean: homelabctl db status" },
		{ "backup", "no such command: backup",
		    "did you mean: homelabctl db backup full" },
		{ "db restroe x", "no such command: db restroe x",
		    "did you mean: homelabctl db restore <label|latest>" },
		{ "entirely something else",
		    "no such command: entirely something else",
		    "homelabctl --help lists the commands" },
		{ "db restore", "db restore: <label|latest> is missing",
		    "homelabctl db list-backups shows the labels" },
		{ "db status now", "db status: one word too many: now", "" },
		{ "db restore a b", "db restore: one word too many: b", "" },
	};
	const struct cli_verb *v;
	const char *arg;
	struct err e;
	size_t	i;

	for (i = 0; i < ARRAY_LEN(samples); i++) {
		ck_assert_int_eq(find(samples[i].typed, &v, &arg, &e),
		    ERR_USAGE);
		ck_assert_str_eq(e.msg, samples[i].msg);
		ck_assert_str_eq(e.hint, samples[i].hint);
	}
}
END_TEST

START_TEST(the_verb_is_known_without_its_argument)
{
	const struct cli_verb *v;
	const char *arg;
	struct err e;

	ck_assert_int_eq(find("db restore", &v, &arg, &e), ERR_USAGE);
	ck_assert_ptr_eq(v->fn, verb_restore);
}
END_TEST

START_TEST(table)
{
	size_t	i;

	for (i = 0; i < cli_verb_count; i++) {
		ck_assert_int_eq(strncmp(cli_verbs[i].words, "db ", 3), 0);
		ck_assert_int_eq(cli_verbs[i].help[strlen(cli_verbs[i].help) -
		    1], '.');
		ck_assert_ptr_nonnull(strstr(cli_verbs[i].examples,
		    cli_verbs[i].words));
	}
}
END_TEST

START_TEST(exit_statuses)
{
	static const int pairs[][2] = {
		{ 0, 0 }, { ERR_GENERAL, 1 }, { ERR_USAGE, 2 },
		{ CLI_DEGRADED, 3 }, { CLI_CRITICAL, 4 },
		{ ERR_NOT_FOUND, 5 }, { ERR_LOCKED, 6 },
		{ CLI_NOT_CONFIRMED, 7 }, { ERR_CHECKSUM, 8 },
		{ ERR_DB_CONNECT, 9 }, { ERR_STORE, 9 },
		{ ERR_TIMEOUT, 124 }, { ERR_NOMEM, 1 },
	};
	size_t	i;

	for (i = 0; i < ARRAY_LEN(pairs); i++)
		ck_assert_int_eq(cli_exit_status(pairs[i][0]), pairs[i][1]);
}
END_TEST

UNIT_MAIN("cli", verbs_are_found, wrong_words,
    the_verb_is_known_without_its_argument, table, exit_statuses)
