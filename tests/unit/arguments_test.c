/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/arguments.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

/* What the last parse() said. */
static FILE *heard;

/* Splits the line at blanks and parses it; says on `fd` what it says. */
static int
parse(const char *line, int fd, struct arguments *a)
{
	static char copy[256];
	char *argv[16], *save = NULL;
	int   argc = 0, saved, status;

	memset(a, 0, sizeof(*a));
	snprintf(copy, sizeof(copy), "pooler %s", line);
	for (argv[0] = strtok_r(copy, " ", &save); argv[argc] != NULL;
	    argv[argc] = strtok_r(NULL, " ", &save))
		argc++;
	optind = 1;
	fflush(fd == STDOUT_FILENO ? stdout : stderr);
	saved = dup(fd);
	if (heard != NULL)
		fclose(heard);
	heard = tmpfile();
	ck_assert_ptr_nonnull(heard);
	ck_assert_int_eq(dup2(fileno(heard), fd), fd);
	status = arguments_parse(argc, argv, a);
	fflush(fd == STDOUT_FILENO ? stdout : stderr);
	ck_assert_int_eq(dup2(saved, fd), fd);
	close(saved);
	return status;
}

static const char *
said(void)
{
	static char text[2048];
	size_t n;

	rewind(heard);
	n = fread(text, 1, sizeof(text) - 1, heard);
	text[n] = '\0';
	return text;
}

START_TEST(options_in_both_forms)
{
	struct arguments a;

	ck_assert_int_eq(parse("x.ini", STDERR_FILENO, &a), -1);
	ck_assert_str_eq(a.source.path, "x.ini");
	ck_assert(!a.daemon && !a.quiet && !a.test && !a.dump);
	ck_assert_ptr_null(a.source.user);
	ck_assert_int_eq(parse("-d -q -v -v -u me x.ini", STDERR_FILENO, &a),
	    -1);
	ck_assert(a.daemon && a.quiet);
	ck_assert_int_eq(a.source.verbose, 2);
	ck_assert_str_eq(a.source.user, "me");
	ck_assert_int_eq(parse("--daemon --quiet --verbose --user=me --test "
	    "--dump x.ini", STDERR_FILENO, &a), -1);
	ck_assert(a.daemon && a.quiet && a.test && a.dump);
	ck_assert_int_eq(a.source.verbose, 1);
	ck_assert_str_eq(a.source.user, "me");
	ck_assert_str_eq(said(), "");
}
END_TEST

START_TEST(complaints)
{
	struct arguments a;

	ck_assert_int_eq(parse("", STDERR_FILENO, &a), 1);
	ck_assert_str_eq(said(), "pooler: no configuration file specified\n"
	    "Try \"pooler --help\" for more information.\n");
	ck_assert_int_eq(parse("a b", STDERR_FILENO, &a), 1);
	ck_assert_str_eq(said(), "pooler: too many arguments\n"
	    "Try \"pooler --help\" for more information.\n");
	/* -R was removed in PgBouncer 1.26. */
	ck_assert_int_eq(parse("-R a", STDERR_FILENO, &a), 1);
	ck_assert_ptr_nonnull(strstr(said(),
	    "Try \"pooler --help\" for more information.\n"));
}
END_TEST

START_TEST(version_and_help)
{
	struct arguments a;
	const char *text;

	ck_assert_int_eq(parse("-V", STDOUT_FILENO, &a), 0);
	text = said();
	ck_assert_int_eq(strncmp(text, "PgBouncer " PGBOUNCER_COMPAT " ",
	    strlen("PgBouncer " PGBOUNCER_COMPAT " ")), 0);
	ck_assert_ptr_nonnull(strstr(text, "\nadns: "));
	ck_assert_ptr_nonnull(strstr(text, "\ntls: OpenSSL"));
	ck_assert_int_eq(parse("--help", STDOUT_FILENO, &a), 0);
	ck_assert_ptr_nonnull(strstr(said(), "-d, --daemon"));
}
END_TEST

UNIT_MAIN("arguments", options_in_both_forms, complaints, version_and_help)
