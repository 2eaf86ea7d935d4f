/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/settings.h"
#include "tests/unit/unit.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "tests/unit/tempfile.h"

static struct settings s;
static struct buf warnings;
static struct err e;
static const char *args[16];
static int n;

static int
load(const char *text, const char *command, const char *const *env, int argc,
    const char *const *argv)
{
	char	path[TEMP_PATH_MAX], word[TEMP_PATH_MAX + 16];
	const char *words[16];
	struct settings_source src = { command, env, argc + 1, words, NULL };
	int	rc;

	temp_write(path, text, strlen(text));
	snprintf(word, sizeof(word), "--config=%s", path);
	words[0] = word;
	memcpy(words + 1, argv, (size_t)argc * sizeof(*argv));
	buf_clear(&warnings);
	rc = settings_load(&s, &src, args, &n, &warnings, &e);
	temp_hide(e.msg, path, "F");
	unlink(path);
	return rc;
}

START_TEST(tables)
{
	ck_assert_int_eq(opt_check(&settings_general_table, &e), 0);
	ck_assert_int_eq(opt_check(&settings_pg_table, &e), 0);
	ck_assert_int_eq(opt_check(&settings_repo_table, &e), 0);
}
END_TEST

/* Each level overrides the one before it. */
START_TEST(precedence)
{
	static const char text[] =
	    "[main:backup]\nprocess-max=4\n[main]\nprocess-max=3\n"
	    "pg1-path=/pg\nexclude=a\nexclude=b\n"
	    "[global:backup]\nprocess-max=2\n"
	    "[global]\nprocess-max=1\nrepo2-path=/r\nexclude=x\n";
	static const char *const argv[] = { "--stanza=main", "one", "two",
	    "--process-max", "7", "--delta", "--no-start-fast" };
	static const char *const env1[] = { "PGBACKREST_PROCESS_MAX=5", NULL };
	static const char *const env2[] = { "HOMELAB_ARCHIVER_PROCESS_MAX=6",
	    "PGBACKREST_PROCESS_MAX=5", "HOMELAB_ARCHIVER_REPO1_PATH=/e",
	    NULL };

	ck_assert_int_eq(load(text, NULL, NULL, 0, argv), 0);
	ck_assert_int_eq(s.o.process_max, 1);
	ck_assert_uint_eq(s.o.exclude.n, 1);
	settings_release(&s);
	ck_assert_int_eq(load(text, "backup", NULL, 0, argv), 0);
	ck_assert_int_eq(s.o.process_max, 2);
	settings_release(&s);
	ck_assert_int_eq(load(text, "info", NULL, 1, argv), 0);
	ck_assert_int_eq(s.o.process_max, 3);
	ck_assert_str_eq(s.pg.path, "/pg");
	/* A list begins anew with each level. */
	ck_assert_uint_eq(s.o.exclude.n, 2);
	ck_assert_str_eq(s.o.exclude.item[1], "b");
	settings_release(&s);
	ck_assert_int_eq(load(text, "backup", NULL, 1, argv), 0);
	ck_assert_int_eq(s.o.process_max, 4);
	settings_release(&s);
	ck_assert_int_eq(load(text, "backup", env1, 1, argv), 0);
	ck_assert_int_eq(s.o.process_max, 5);
	settings_release(&s);
	ck_assert_int_eq(load(text, "backup", env2, 1, argv), 0);
	ck_assert_int_eq(s.o.process_max, 6);
	ck_assert_str_eq(s.repo[0].path, "/e");
	ck_assert(s.has_repo[0] && s.has_repo[1] && !s.has_repo[2]);
	settings_release(&s);
	ck_assert_int_eq(load(text, "backup", env2, 7, argv), 0);
	ck_assert_int_eq(s.o.process_max, 7);
	ck_assert(s.o.delta);
	ck_assert_int_eq(n, 2);
	ck_assert_str_eq(args[1], "two");
	settings_release(&s);
}
END_TEST

START_TEST(messages)
{
	static const char *const bad[] = { "--nonsense=1" };
	static const char *const open_end[] = { "--process-max" };
	static const char *const repo3[] = { "--repo=3" };

	ck_assert_int_eq(load("[global]\n\nnonsense=1\n", NULL, NULL, 0, bad),
	    ERR_CONFIG);
	ck_assert_str_eq(e.msg, "F:3: unknown option \"nonsense\"");
	ck_assert_int_eq(load("", NULL, NULL, 1, bad), ERR_CONFIG);
	ck_assert_str_eq(e.msg, "command line: unknown option \"nonsense\"");
	ck_assert_int_eq(load("", NULL, NULL, 1, open_end), ERR_USAGE);
	ck_assert_str_eq(e.msg, "option --process-max needs a value");
	ck_assert_int_eq(load("[global]\npg1-host=x\n", NULL, NULL, 0, bad),
	    ERR_NOT_YET);
	ck_assert_int_eq(load("[global]\nprocess-max=0\n", NULL, NULL, 0, bad),
	    ERR_CONFIG);
	ck_assert_int_eq(load("[global]\nrepo1-path=/x\n", NULL, NULL, 1,
	    repo3), ERR_CONFIG);
	ck_assert_str_eq(e.msg, "repo3 is not configured");
	ck_assert_int_eq(load("[global]\nrepo1-cipher-type=aes-256-cbc\n",
	    NULL, NULL, 0, bad), ERR_NOT_YET);
	ck_assert_int_eq(load("[global]\nrepo1-bundle=y\nlog-path=/x\n", NULL,
	    NULL, 0, bad), 0);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&warnings),
	    ":2: repo1-bundle is not supported yet\n"));
	ck_assert_ptr_nonnull(strstr(buf_cstr(&warnings),
	    ":3: log-path is not supported yet\n"));
	settings_release(&s);
	buf_release(&warnings);
}
END_TEST

START_TEST(stanzas)
{
	char		path[TEMP_PATH_MAX];
	static const char text[] = "[global]\n[b]\nx=1\n[global:backup]\n"
	    "[a]\n[b]\n[a:backup]\n";
	struct buf	out = { 0 };

	temp_write(path, text, strlen(text));
	ck_assert_int_eq(settings_stanzas(path, &out, &e), 0);
	unlink(path);
	ck_assert_str_eq(buf_cstr(&out), "b\na\n");
	buf_release(&out);
}
END_TEST

UNIT_MAIN("settings", tables, precedence, messages, stanzas)
