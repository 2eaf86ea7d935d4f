/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/table.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/wire.h"
#include "tests/unit/unit.h"

/* Takes the next message off the buffer; body lies in it. */
static const char *
next(struct buf *b, uint8_t type, size_t *n)
{
	struct wire_header h;
	const char *body;

	ck_assert_int_eq(wire_header_get(buf_bytes(b), buf_len(b),
	    WIRE_MAX_BODY, &h), 0);
	ck_assert_uint_eq(h.type, type);
	ck_assert_uint_ge(buf_len(b), WIRE_HEADER_LEN + h.body);
	body = buf_bytes(b) + WIRE_HEADER_LEN;
	*n = h.body;
	buf_consume(b, WIRE_HEADER_LEN + h.body);
	return body;
}

static void
expect_row(struct buf *b, const char *const *values, uint16_t count)
{
	struct wire_in in;
	const char *body, *value;
	uint16_t columns, i;
	size_t	 n, len;

	body = next(b, WIRE_BE_DATA_ROW, &n);
	ck_assert_int_eq(wire_row_begin(body, n, &in, &columns), 0);
	ck_assert_uint_eq(columns, count);
	for (i = 0; i < count; i++) {
		ck_assert_int_eq(wire_row_next(&in, &value, &len), 0);
		if (values[i] == NULL) {
			ck_assert_ptr_null(value);
			continue;
		}
		ck_assert_uint_eq(len, strlen(values[i]));
		ck_assert_int_eq(memcmp(value, values[i], len), 0);
	}
	ck_assert(wire_in_done(&in));
}

START_TEST(columns_have_types)
{
	static const struct { const char *name; int32_t oid; uint16_t size; }
	want[] = { { "name", 25, 0xffff }, { "port", 23, 4 },
	    { "cancel", 20, 8 }, { "total", 1700, 0xffff } };
	struct buf     b = { 0 };
	struct table   t;
	struct wire_in in;
	const char    *body;
	size_t	       n, i;

	table_begin(&t, &b, "s:name i:port q:cancel N:total");
	table_end(&t, "SHOW");
	body = next(&b, WIRE_BE_ROW_DESCRIPTION, &n);
	wire_in_init(&in, body, n);
	ck_assert_uint_eq(wire_get_u16(&in), 4);
	for (i = 0; i < ARRAY_LEN(want); i++) {
		ck_assert_str_eq(wire_get_cstr(&in), want[i].name);
		ck_assert_int_eq(wire_get_i32(&in), 0);
		ck_assert_uint_eq(wire_get_u16(&in), 0);
		ck_assert_int_eq(wire_get_i32(&in), want[i].oid);
		ck_assert_uint_eq(wire_get_u16(&in), want[i].size);
		ck_assert_int_eq(wire_get_i32(&in), -1);
		ck_assert_uint_eq(wire_get_u16(&in), 0);
	}
	ck_assert(wire_in_done(&in));
	body = next(&b, WIRE_BE_COMMAND_COMPLETE, &n);
	ck_assert_str_eq(body, "SHOW");
	ck_assert_uint_eq(buf_len(&b), 0);
	buf_release(&b);
}
END_TEST

START_TEST(rows)
{
	static const char *const one[] = { "a", "-5", NULL,
	    "18446744073709551615" };
	static const char *const two[] = { "", "2147483647",
	    "2026-11-21 04:55:01 UTC", "0" };
	struct buf   b = { 0 };
	struct table t;
	size_t	     n;

	setenv("TZ", "UTC", 1);
	tzset();
	table_begin(&t, &b, "s:a i:b s:c N:d");
	table_row(&t);
	table_text(&t, "a");
	table_int(&t, -5);
	table_text(&t, NULL);
	table_uint(&t, UINT64_MAX);
	table_row(&t);
	table_text(&t, "");
	table_int(&t, INT32_MAX);
	table_time(&t, UINT64_C(1795236901999999));
	table_uint(&t, 0);
	table_end(&t, "SHOW");
	ck_assert(!buf_failed(&b));
	(void)next(&b, WIRE_BE_ROW_DESCRIPTION, &n);
	expect_row(&b, one, 4);
	expect_row(&b, two, 4);
	(void)next(&b, WIRE_BE_COMMAND_COMPLETE, &n);
	ck_assert_uint_eq(buf_len(&b), 0);
	buf_release(&b);
}
END_TEST

START_TEST(a_full_buffer_stays_failed)
{
	struct buf   b;
	struct table t;
	int	     i;

	buf_init(&b, 200);
	table_begin(&t, &b, "s:name");
	for (i = 0; i < 100; i++) {
		table_row(&t);
		table_text(&t, "something longer than nothing");
	}
	table_end(&t, "SHOW");
	ck_assert(buf_failed(&b));
	buf_release(&b);
}
END_TEST

UNIT_MAIN("table", columns_have_types, rows, a_full_buffer_stays_failed)
