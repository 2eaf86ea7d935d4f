/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/frame.h"
#include "tests/unit/unit.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"

static void
make(struct buf *b)
{
	size_t start = frame_begin(b, FRAME_REQUEST);

	frame_add(b, "verb", "archive-push");
	frame_add(b, "arg", "one");
	frame_add(b, "arg", "");
	frame_add_int(b, "n", -5);
	frame_end(b, start);
}

START_TEST(round_trip)
{
	struct buf	b = { 0 };
	struct frame	f;
	const char	*key, *value;
	size_t		used, at = 0, n = 0;

	make(&b);
	make(&b);
	ck_assert_int_eq(frame_parse(buf_bytes(&b), buf_len(&b), &f, &used),
	    1);
	ck_assert_uint_eq(used, buf_len(&b) / 2);
	ck_assert_int_eq(f.type, FRAME_REQUEST);
	ck_assert_str_eq(frame_get(&f, "verb"), "archive-push");
	ck_assert_str_eq(frame_get(&f, "arg"), "one");
	ck_assert_int_eq(frame_get_int(&f, "n"), -5);
	ck_assert_ptr_null(frame_get(&f, "x"));
	ck_assert_int_eq(frame_get_int(&f, "x"), 0);
	while (frame_next(&f, &at, &key, &value))
		n++;
	ck_assert_uint_eq(n, 4);
	buf_release(&b);
}
END_TEST

START_TEST(byte_by_byte)
{
	struct buf	b = { 0 };
	struct frame	f;
	size_t		used, i;

	make(&b);
	for (i = 1; i < buf_len(&b); i++)
		ck_assert_int_eq(frame_parse(buf_bytes(&b), i, &f, &used), 0);
	ck_assert_int_eq(frame_parse(buf_bytes(&b), i, &f, &used), 1);
	buf_release(&b);
}
END_TEST

START_TEST(refused)
{
	struct buf	b = { 0 };
	struct frame	f;
	size_t		used, n;
	char		*p;

	make(&b);
	n = buf_len(&b);
	p = b.data;
	p[5] = 2;
	ck_assert_int_eq(frame_parse(p, n, &f, &used), ERR_NOT_YET);
	p[5] = 1;
	p[7] = 99;
	ck_assert_int_eq(frame_parse(p, n, &f, &used), ERR_PROTOCOL);
	p[7] = 0;
	ck_assert_int_eq(frame_parse(p, n, &f, &used), ERR_PROTOCOL);
	p[7] = 1;
	p[8] = 1;	/* 16 MiB */
	ck_assert_int_eq(frame_parse(p, n, &f, &used), ERR_PROTOCOL);
	p[8] = 0;
	/* The last string is not ended; an odd number of strings. */
	p[n - 1] = 'x';
	ck_assert_int_eq(frame_parse(p, n, &f, &used), ERR_PROTOCOL);
	p[n - 1] = '\0';
	p[n - 2] = '\0';
	ck_assert_int_eq(frame_parse(p, n, &f, &used), ERR_PROTOCOL);
	ck_assert_int_eq(frame_parse("GET / HTTP", 10, &f, &used),
	    ERR_PROTOCOL);
	buf_release(&b);
}
END_TEST

START_TEST(too_long)
{
	struct buf	b = { 0 };
	char		*long_text = malloc(FRAME_BODY_MAX + 1);
	size_t		start = frame_begin(&b, FRAME_OUTPUT);

	memset(long_text, 'x', FRAME_BODY_MAX);
	long_text[FRAME_BODY_MAX] = '\0';
	frame_add(&b, "text", long_text);
	frame_end(&b, start);
	ck_assert(buf_failed(&b));
	free(long_text);
	buf_release(&b);
}
END_TEST

UNIT_MAIN("frame", round_trip, byte_by_byte, refused, too_long)
