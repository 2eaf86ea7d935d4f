/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/filter.h"
#include "tests/unit/unit.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"

/* More than one piece of what the filter gives lz4 at a time. */
static unsigned char plain[700000];

static void
fill(void)
{
	uint32_t	x = 7;
	size_t		i;

	/* Half noise, half the same byte: stored and compressed blocks. */
	for (i = 0; i < sizeof(plain); i++) {
		x = x * 1664525u + 1013904223u;
		plain[i] = i % 100000 < 50000 ? (unsigned char)(x >> 24) : 'w';
	}
}

static int
collect(void *arg, const void *bytes, size_t n, struct err *e)
{
	(void)e;
	buf_append(arg, bytes, n);
	return 0;
}

static int
refuse(void *arg, const void *bytes, size_t n, struct err *e)
{
	(void)arg;
	(void)bytes;
	(void)n;
	return err_set(e, ERR_LIMIT, "the sink is full");
}

/* Feeds in pieces of `piece` bytes; the first result that is not 0. */
static int
pass(bool expand, int level, const void *bytes, size_t n, size_t piece,
    struct buf *out, struct err *e)
{
	const char	*p = bytes;
	struct filter	*f;
	size_t		 k;
	int		 rc;

	ck_assert_int_eq(filter_new(&f, FILTER_LZ4, expand, level, collect,
	    out, e), 0);
	for (rc = 0; rc == 0 && n > 0; p += k, n -= k) {
		k = MIN(n, piece);
		rc = filter_feed(f, p, k, e);
	}
	if (rc == 0)
		rc = filter_finish(f, e);
	filter_free(f);
	return rc;
}

START_TEST(round_trips)
{
	static const size_t pieces[] = { 997, 262144, sizeof(plain) };
	static const int levels[] = { -5, 0, 9 };
	struct buf	packed = { 0 }, back = { 0 };
	struct err	e = { 0 };
	size_t		i, k;

	fill();
	for (i = 0; i < ARRAY_LEN(levels); i++) {
		for (k = 0; k < ARRAY_LEN(pieces); k++) {
			buf_clear(&packed);
			buf_clear(&back);
			ck_assert_int_eq(pass(false, levels[i], plain,
			    sizeof(plain), pieces[k], &packed, &e), 0);
			ck_assert_uint_lt(buf_len(&packed),
			    sizeof(plain) * 6 / 10);
			ck_assert_int_eq(pass(true, 0, buf_bytes(&packed),
			    buf_len(&packed), pieces[k], &back, &e), 0);
			ck_assert_uint_eq(buf_len(&back), sizeof(plain));
			ck_assert_int_eq(memcmp(buf_bytes(&back), plain,
			    sizeof(plain)), 0);
		}
	}
	buf_release(&packed);
	buf_release(&back);
}
END_TEST

START_TEST(nothing_is_a_frame_too)
{
	struct buf	packed = { 0 }, back = { 0 };
	struct err	e = { 0 };

	ck_assert_int_eq(pass(false, 0, "", 0, 1, &packed, &e), 0);
	ck_assert_uint_gt(buf_len(&packed), 0);
	/* The magic number of LZ4's frame format. */
	ck_assert_int_eq(memcmp(buf_bytes(&packed), "\x04\x22\x4d\x18", 4), 0);
	ck_assert_int_eq(pass(true, 0, buf_bytes(&packed), buf_len(&packed),
	    1, &back, &e), 0);
	ck_assert_uint_eq(buf_len(&back), 0);
	buf_release(&packed);
	buf_release(&back);
}
END_TEST

START_TEST(damage)
{
	struct buf	packed = { 0 }, back = { 0 };
	struct err	e = { 0 };
	size_t		n;

	fill();
	ck_assert_int_eq(pass(false, 0, plain, 3000, 3000, &packed, &e), 0);
	/* Cut anywhere it is an error. */
	for (n = 0; n < buf_len(&packed); n++) {
		buf_clear(&back);
		ck_assert_int_eq(pass(true, 0, buf_bytes(&packed), n, 4096,
		    &back, &e), ERR_FORMAT);
	}
	ck_assert_str_eq(e.msg, "lz4: the frame ends too early");
	/* So are bytes behind its end. */
	buf_append(&packed, "x", 1);
	buf_clear(&back);
	ck_assert_int_eq(pass(true, 0, buf_bytes(&packed), buf_len(&packed),
	    4096, &back, &e), ERR_FORMAT);
	ck_assert_str_eq(e.msg, "lz4: bytes behind the end of the frame");
	ck_assert_uint_eq(buf_len(&back), 3000);
	buf_release(&packed);
	buf_release(&back);
}
END_TEST

START_TEST(the_sink_refuses)
{
	struct filter	*f;
	struct err	 e = { 0 };

	/* The frame's header is what it refuses first. */
	ck_assert_int_eq(filter_new(&f, FILTER_LZ4, false, 0, refuse, NULL,
	    &e), 0);
	ck_assert_int_eq(filter_feed(f, "x", 1, &e), ERR_LIMIT);
	ck_assert_str_eq(e.msg, "the sink is full");
	filter_free(f);
}
END_TEST

UNIT_MAIN("filter_lz4", round_trips, nothing_is_a_frame_too, damage,
    the_sink_refuses)
