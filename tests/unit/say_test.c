/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/say.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/progress.h"

/* What reaches a descriptor from now on, in a file. */
static FILE *
divert(int fd)
{
	FILE *f = tmpfile();

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(dup2(fileno(f), fd), fd);
	return f;
}

static const char *
read_all(FILE *f)
{
	static char	text[400];
	size_t		n;

	rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	return text;
}

/* Results and warnings go different ways, and no bar stays before either. */
START_TEST(ways)
{
	struct progress	 bar;
	FILE		*out = divert(STDOUT_FILENO);
	FILE		*err = divert(STDERR_FILENO);
	const char	*text;

	progress_init(&bar, true);
	say_progress(&bar, "copying", 50, 100);
	ck_assert(bar.shown);
	say_result(&bar, "done: 100 %\n");
	ck_assert(!bar.shown);
	say_progress(&bar, "copying", 100, 100);
	say_warning(&bar, "WARNING: %s");
	ck_assert(!bar.shown);
	fflush(stdout);
	ck_assert_str_eq(read_all(out), "done: 100 %\n");
	text = read_all(err);
	ck_assert_ptr_nonnull(strstr(text, "50 B of 100 B"));
	text = strstr(text, "homelab-archiver: ");
	ck_assert_ptr_nonnull(text);
	ck_assert_str_eq(text, "homelab-archiver: WARNING: %s\n");
}
END_TEST

UNIT_MAIN("say", ways)
