/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/progress.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/text.h"

static const char *
bar_in(size_t width, int64_t done, int64_t total, int64_t left)
{
	static char text[200];
	struct buf out = { 0 };
	struct progress_state p = { .what = "copying", .done = done,
	    .total = total, .left = left, .width = width };

	progress_line(&out, &p);
	snprintf(text, sizeof(text), "%s", buf_cstr(&out));
	buf_release(&out);
	return text;
}

static const char *
bar(int64_t done, int64_t total)
{
	return bar_in(80, done, total, 0);
}

START_TEST(bars)
{
	ck_assert_str_eq(bar(0, 0), "copying");
	ck_assert_str_eq(bar(2048, 0), "copying  2.0 KiB");
	ck_assert_str_eq(bar(0, 100), "copying  "
	    "[..............................]   0 %  0 B of 100 B");
	ck_assert_str_eq(bar(50, 100), "copying  "
	    "[###############...............]  50 %  50 B of 100 B");
	ck_assert_str_eq(bar(101, 100), "copying  "
	    "[##############################] 100 %  100 B of 100 B");
	ck_assert_str_eq(bar(-1, 100), bar(0, 100));
	/* More than what a product of 64 bits holds. */
	ck_assert_ptr_nonnull(strstr(bar(INT64_MAX / 2, INT64_MAX),
	    "]  50 %"));
}
END_TEST

START_TEST(bars_that_fit)
{
	const int64_t left = 12 * TEXT_USEC_PER_SEC;
	size_t	width;

	ck_assert_str_eq(bar_in(80, 50, 100, left), "copying  "
	    "[###############...............]  50 %  50 B of 100 B  12s left");
	ck_assert_str_eq(bar_in(65, 50, 100, left), "copying  "
	    "[###############...............]  50 %  50 B of 100 B");
	ck_assert_str_eq(bar_in(50, 50, 100, left), "copying  "
	    "[#####.....]  50 %  50 B of 100 B");
	ck_assert_str_eq(bar_in(30, 50, 100, left), "copying  "
	    "[#####.....]  50 %");
	ck_assert_str_eq(bar_in(20, 50, 100, left), "copying   50 %");
	ck_assert_str_eq(bar_in(4, 50, 100, left), "copy");
	ck_assert_str_eq(bar_in(0, 50, 100, left), "");
	ck_assert_str_eq(bar_in(4, 2048, 0, 0), "copy");
	for (width = 0; width < 100; width++)
		ck_assert_uint_le(strlen(bar_in(width, 50, 100, left)), width);
}
END_TEST

/* What is written to standard error meanwhile. */
static const char *
drawn(bool on, int times)
{
	static char	text[500];
	struct progress	p;
	int		fd[2], saved = dup(2), i;
	ssize_t		n;

	ck_assert_int_eq(pipe(fd), 0);
	ck_assert_int_eq(dup2(fd[1], 2), 2);
	progress_init(&p, on);
	for (i = 0; i < times; i++)
		progress_draw(&p, "copying", 50, 100);
	progress_clear(&p);
	progress_clear(&p);
	fflush(stderr);
	ck_assert_int_eq(write(2, ".", 1), 1);
	dup2(saved, 2);
	n = read(fd[0], text, sizeof(text) - 1);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	close(fd[0]);
	close(fd[1]);
	close(saved);
	return text;
}

START_TEST(drawing)
{
	ck_assert_str_eq(drawn(false, 3), ".");
	ck_assert_str_eq(drawn(true, 0), ".");
	/* Ten a second at most; cleared once. */
	ck_assert_str_eq(drawn(true, 3), "\rcopying  "
	    "[###############...............]  50 %  50 B of 100 B\033[K"
	    "\r\033[K.");
}
END_TEST

UNIT_MAIN("progress", bars, bars_that_fit, drawing)
