/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/filter.h"
#include "tests/unit/unit.h"

#include <string.h>

#include "common/buf.h"
#include "common/err.h"

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

static int
feed_next(void *arg, const void *bytes, size_t n, struct err *e)
{
	return filter_feed(arg, bytes, n, e);
}

START_TEST(unknown_kind)
{
	struct filter	*f;
	struct err	 e = { 0 };

	ck_assert_int_eq(filter_new(&f, (enum filter_kind)7, false, 0, collect,
	    NULL, &e), ERR_NOT_YET);
	filter_free(NULL);
}
END_TEST

START_TEST(chain)
{
	struct filter	*pack, *expand;
	struct buf	 out = { 0 };
	struct err	 e = { 0 };
	int		 i;

	ck_assert_int_eq(filter_new(&expand, FILTER_LZ4, true, 0, collect, &out,
	    &e), 0);
	/* The second is the sink of the first. */
	ck_assert_int_eq(filter_new(&pack, FILTER_LZ4, false, 0,
	    feed_next, expand, &e), 0);
	for (i = 0; i < 100000; i++)
		ck_assert_int_eq(filter_feed(pack, "homelab ", 8, &e), 0);
	ck_assert_int_eq(filter_finish(pack, &e), 0);
	ck_assert_int_eq(filter_finish(expand, &e), 0);
	ck_assert_uint_eq(buf_len(&out), 800000);
	ck_assert_mem_eq(out.data + 799992, "homelab ", 8);
	filter_free(pack);
	filter_free(expand);
	buf_release(&out);
}
END_TEST

START_TEST(errors)
{
	struct filter	*f;
	struct err	 e = { 0 };

	ck_assert_int_eq(filter_new(&f, FILTER_LZ4, true, 0, refuse, NULL, &e),
	    0);
	ck_assert_int_eq(filter_feed(f, "no frame of lz4", 15, &e), ERR_FORMAT);
	filter_free(f);
	ck_assert_int_eq(filter_new(&f, FILTER_LZ4, true, 0, refuse, NULL, &e),
	    0);
	ck_assert_int_eq(filter_finish(f, &e), ERR_FORMAT);
	ck_assert_str_eq(e.msg, "lz4: the frame ends too early");
	filter_free(f);
	ck_assert_int_eq(filter_new(&f, FILTER_NONE, false, 0, refuse, NULL,
	    &e), 0);
	ck_assert_int_eq(filter_feed(f, "x", 1, &e), ERR_LIMIT);
	ck_assert_int_eq(filter_finish(f, &e), 0);
	filter_free(f);
}
END_TEST

UNIT_MAIN("filter", unknown_kind, chain, errors)
