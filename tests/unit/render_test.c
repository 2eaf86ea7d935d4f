/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/text.h"
#include "homelabctl/render.h"

START_TEST(tables)
{
	struct render_table t = { .columns = 3, .right = 0x2 };
	struct buf out = { 0 };

	render_cell(&t, "%s", "NAME");
	render_cell(&t, "%s", "SIZE");
	render_cell(&t, "%s", "NOTE");
	render_cell(&t, "%s", "äöü");	/* three characters, six bytes */
	render_cell(&t, "%d", 7);
	render_cell(&t, "%s", "");
	render_cell(&t, "%s", "longer");
	render_cell(&t, "%d", 123456);
	render_cell(&t, "%s", "x");
	render_table(&t, "| ", &out);
	ck_assert_str_eq(buf_cstr(&out),
	    "| NAME      SIZE  NOTE\n"
	    "| äöü          7\n"
	    "| longer  123456  x\n");
	render_table_release(&t);
	ck_assert_uint_eq(t.columns, 3);
	buf_clear(&out);
	render_table(&t, "", &out);
	ck_assert_str_eq(buf_cstr(&out), "");
	buf_release(&out);
}
END_TEST

START_TEST(levels)
{
	struct buf out = { 0 };

	render_level(&out, LEVEL_OK, false);
	render_level(&out, LEVEL_CRIT, false);
	ck_assert_str_eq(buf_cstr(&out), "OK  CRIT");
	buf_clear(&out);
	render_level(&out, LEVEL_WARN, true);
	ck_assert_str_eq(buf_cstr(&out), "\033[33mWARN\033[0m");
	buf_release(&out);
}
END_TEST

START_TEST(ages)
{
	const int64_t s = TEXT_USEC_PER_SEC;
	char	out[RENDER_AGE_MAX];

	ck_assert_str_eq(render_age(100 * s, 112 * s, out), "12s ago");
	ck_assert_str_eq(render_age(100 * s, 100 * s + 5, out), "just now");
	ck_assert_str_eq(render_age(200 * s, 100 * s, out), "just now");
	ck_assert_str_eq(render_age(0, 90000 * s, out), "1d 1h ago");
}
END_TEST

UNIT_MAIN("render", tables, levels, ages)
