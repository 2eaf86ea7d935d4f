/* SPDX-License-Identifier: MIT */
/* Through settings_load(), which calls both checks. */
#include "common/base.h"
#include "archiver/settings_check.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archiver/settings.h"
#include "common/buf.h"
#include "common/err.h"
#include "tests/unit/tempfile.h"

static struct err e;

/* Loads a file; F stands for its name in message and hint. */
static int
load(const char *text, const char *word)
{
	char	path[TEMP_PATH_MAX], config[TEMP_PATH_MAX + 16];
	const char *words[2] = { config, word }, *args[2];
	struct settings_source src = { "backup", NULL, word == NULL ? 1 : 2,
	    words, "main" };
	struct buf	warnings = { 0 };
	struct settings	s;
	int	n, rc;

	memset(&e, 0, sizeof(e));
	temp_write(path, text, strlen(text));
	snprintf(config, sizeof(config), "--config=%s", path);
	rc = settings_load(&s, &src, args, &n, &warnings, &e);
	if (rc == 0)
		settings_release(&s);
	temp_hide(e.msg, path, "F");
	temp_hide(e.hint, path, "F");
	buf_release(&warnings);
	unlink(path);
	return rc;
}

#define FAILS(text, word, message, hinted) do { \
	ck_assert_int_eq(load(text, word), ERR_CONFIG); \
	ck_assert_str_eq(e.msg, message); \
	ck_assert_ptr_nonnull(strstr(e.hint, hinted)); \
} while (0)

START_TEST(file)
{
	FAILS("repo1-path=/r\n", NULL,
	    "F:1: repo1-path stands before the first section",
	    "begin the file with [global]");
	FAILS("[global:bakcup]\n", NULL,
	    "F:1: section [global:bakcup]: there is no verb \"bakcup\"",
	    "[<stanza>:<verb>]");
	FAILS("[global]\nconfig=/x\n", NULL,
	    "F:2: config cannot be set in the file", "--config=");
	FAILS("[main]\nstanza=other\n", NULL,
	    "F:2: stanza cannot be set in the file", "--stanza=");
	FAILS("[global]\n\nrepo1-path=\n", NULL,
	    "F:3: repo1-path has no value", "remove the line");
	FAILS("[main]\nsocket-path=/x\n", NULL,
	    "F:2: socket-path is the daemon's, which serves all stanzas",
	    "[global]");
	FAILS("[main]\nprocess-max=1\n[global]\nprocess-max=2\n[main]\n"
	    "process-max=3\n", NULL,
	    "F:6: process-max is set a second time in section [main]",
	    "the first is at F:2");
	FAILS("[global]\nnonsense\n", NULL, "syntax error in configuration "
	    "(F:2), stopping loading", "a line is [section], key = value");
	/* A list may be repeated, a section too, and any stanza is one. */
	ck_assert_int_eq(load("[main]\nexclude=a\nexclude=b\n[other:check]\n"
	    "[main]\n[main:backup]\nexclude=c\nprocess-max=3\n", NULL), 0);
}
END_TEST

START_TEST(places)
{
	FAILS("[global]\nrepo1-path=r\n", NULL,
	    "repo1-path \"r\" is not absolute", "from / on");
	FAILS("[main]\npg1-path=data\n", NULL,
	    "pg1-path \"data\" is not absolute", "from / on");
	FAILS("[global]\nrepo1-path=/r\nrepo2-retention-full=3\n", NULL,
	    "repo2 has options, but neither repo2-path nor repo2-type",
	    "say where it is");
	FAILS("[global]\nrepo1-path=/r\nrepo3-path=/r/\n", NULL,
	    "repo1 and repo3 are the same place", "repo3 another path");
	FAILS("[global]\nrepo1-type=s3\nrepo1-s3-bucket=b\nrepo2-type=s3\n"
	    "repo2-s3-bucket=b\n", NULL,
	    "repo1 and repo2 are the same place", "two copies");
	ck_assert_int_eq(load("[global]\nrepo1-type=s3\nrepo1-s3-bucket=b\n"
	    "repo2-type=s3\nrepo2-s3-bucket=c\nrepo3-path=/r\n", NULL), 0);
	/* repo1 may have its default place, and repo2 may be the only one. */
	ck_assert_int_eq(load("[global]\nrepo1-retention-full=2\n", NULL), 0);
	ck_assert_int_eq(load("[global]\nrepo2-path=/r\n", NULL), 0);
	FAILS("[global]\nrepo2-path=/r\n", "--repo=1",
	    "repo1 is not configured", "F has: repo2");
}
END_TEST

START_TEST(stanza_names)
{
	static const char *const bad[] = { "", ".", "../x", "a/b", "a b",
	    "-x", "b:c", "global", "caf\xc3\xa9" };
	static const char *const good[] = { "main", "A-1_b.c", "0" };
	char	word[128], longest[SETTINGS_STANZA_MAX + 2];
	size_t	i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(word, sizeof(word), "--stanza=%s", bad[i]);
		ck_assert_int_eq(load("", word), ERR_CONFIG);
		ck_assert_ptr_nonnull(strstr(e.msg,
		    "cannot be the name of a stanza"));
		ck_assert_ptr_nonnull(strstr(e.hint, "A-Z a-z 0-9"));
	}
	for (i = 0; i < ARRAY_LEN(good); i++) {
		snprintf(word, sizeof(word), "--stanza=%s", good[i]);
		ck_assert_int_eq(load("", word), 0);
	}
	memset(longest, 'a', sizeof(longest));
	longest[SETTINGS_STANZA_MAX + 1] = '\0';
	snprintf(word, sizeof(word), "--stanza=%s", longest);
	ck_assert_int_eq(load("", word), ERR_CONFIG);
	longest[SETTINGS_STANZA_MAX] = '\0';
	snprintf(word, sizeof(word), "--stanza=%s", longest);
	ck_assert_int_eq(load("", word), 0);
}
END_TEST

/* Keys as they were typed, not as the table has them. */
START_TEST(keys_with_numbers)
{
	FAILS("[global]\nrepo2-retention-full=0\n", NULL, "F:2: invalid value "
	    "\"0\" for parameter repo2-retention-full",
	    "repo2-retention-full takes a whole number, 1 to 9999999");
	FAILS("[global]\nrepo9-path=/x\n", NULL,
	    "F:2: unknown option \"repo9-path\"", "repo1 to repo8");
	FAILS("[main]\npg2-path=/x\n", NULL,
	    "F:2: unknown option \"pg2-path\"", "one cluster here, pg1");
	FAILS("[main]\nproces-max=2\n", NULL,
	    "F:2: unknown option \"proces-max\"", "did you mean process-max?");
	FAILS("[main]\narchive-timeout=1ms\n", NULL, "F:2: invalid value "
	    "\"1ms\" for parameter archive-timeout", "100ms to 1d");
}
END_TEST

UNIT_MAIN("settings_check", file, places, stanza_names, keys_with_numbers)
