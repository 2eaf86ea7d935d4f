/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/wire.h"

#include <string.h>

#include "common/err.h"
#include "tests/unit/unit.h"

/* A string literal as bytes: embedded NULs count, the last one does not. */
#define BYTES(s)	(s), sizeof(s) - 1

static void
expect(struct buf *b, const char *bytes, size_t n)
{
	ck_assert(!buf_failed(b));
	ck_assert_uint_eq(buf_len(b), n);
	ck_assert_mem_eq(buf_bytes(b), bytes, n);
	buf_clear(b);
}

START_TEST(header)
{
	static const char q[] = "Q\0\0\0\x0dSELECT 1";
	struct wire_header h = { 0, 0 };
	size_t	n;

	/* Byte by byte: no opinion before all five are there. */
	for (n = 0; n < WIRE_HEADER_LEN; n++)
		ck_assert_int_eq(wire_header_get(q, n, 100, &h), WIRE_MORE);
	ck_assert_int_eq(h.type, 0);
	ck_assert_int_eq(wire_header_get(q, 5, 100, &h), 0);
	ck_assert_int_eq(h.type, WIRE_FE_QUERY);
	ck_assert_uint_eq(h.body, 9);
	ck_assert_int_eq(wire_header_get(q, sizeof(q), 9, &h), 0);
	ck_assert_int_eq(wire_header_get(q, sizeof(q), 8, &h), ERR_LIMIT);

	ck_assert_int_eq(wire_header_get(BYTES("S\0\0\0\4"), 0, &h), 0);
	ck_assert_uint_eq(h.body, 0);
	ck_assert_int_eq(wire_header_get(BYTES("S\0\0\0\3"), 9, &h),
	    ERR_FORMAT);
	ck_assert_int_eq(wire_header_get(BYTES("S\0\0\0\0"), 9, &h),
	    ERR_FORMAT);
	ck_assert_int_eq(wire_header_get(BYTES("d\xff\xff\xff\xff"),
	    UINT32_MAX, &h), ERR_FORMAT);
	ck_assert_int_eq(wire_header_get(BYTES("d\x80\0\0\0"), UINT32_MAX,
	    &h), ERR_FORMAT);
	ck_assert_int_eq(wire_header_get(BYTES("d\x7f\xff\xff\xff"),
	    UINT32_MAX, &h), 0);
	ck_assert_uint_eq(h.body, (uint32_t)INT32_MAX - 4);
	ck_assert_int_eq(wire_header_get(BYTES("d\x7f\xff\xff\xff"),
	    WIRE_MAX_BODY, &h), ERR_LIMIT);
	/* A high type byte is a value, not a sign. */
	ck_assert_int_eq(wire_header_get(BYTES("\xff\0\0\0\4"), 9, &h), 0);
	ck_assert_int_eq(h.type, 0xff);
}
END_TEST

START_TEST(first_packet)
{
	static const struct {
		const char	*bytes;
		int		 result;
		enum wire_first_kind kind;
		uint32_t	 body;
	} v[] = {
		{ "\0\0\0\x08\x04\xd2\x16\x2f", 0, WIRE_FIRST_SSL, 0 },
		{ "\0\0\0\x08\x04\xd2\x16\x30", 0, WIRE_FIRST_GSSENC, 0 },
		{ "\0\0\0\x10\x04\xd2\x16\x2e", 0, WIRE_FIRST_CANCEL, 8 },
		{ "\0\0\x01\x0c\x04\xd2\x16\x2e", 0, WIRE_FIRST_CANCEL, 260 },
		{ "\0\0\0\x29\0\3\0\0", 0, WIRE_FIRST_STARTUP, 33 },
		{ "\0\0\0\x29\0\3\0\2", 0, WIRE_FIRST_STARTUP, 33 },
		{ "\0\0\0\x29\0\3\x27\x0f", 0, WIRE_FIRST_STARTUP, 33 },
		{ "\0\0\x01\x28\0\2\0\0", 0, WIRE_FIRST_STARTUP_V2, 288 },
		{ "\0\0\0\x09\0\4\0\0", 0, WIRE_FIRST_UNKNOWN, 1 },
		{ "\0\0\0\x08\0\0\0\0", 0, WIRE_FIRST_UNKNOWN, 0 },
		{ "\0\0\0\x09\x04\xd2\x16\x2f", ERR_FORMAT, 0, 0 },
		{ "\0\0\0\x0c\x04\xd2\x16\x30", ERR_FORMAT, 0, 0 },
		{ "\0\0\0\x08\x04\xd2\x16\x2e", ERR_FORMAT, 0, 0 },
		{ "\0\0\0\x0f\x04\xd2\x16\x2e", ERR_FORMAT, 0, 0 },
		{ "\0\0\x01\x0d\x04\xd2\x16\x2e", ERR_FORMAT, 0, 0 },
		{ "\0\0\0\7\0\3\0\0", ERR_FORMAT, 0, 0 },
		{ "\0\0\0\0\0\3\0\0", ERR_FORMAT, 0, 0 },
		{ "\x80\0\0\0\0\3\0\0", ERR_FORMAT, 0, 0 },
		{ "\xff\xff\xff\xff\0\3\0\0", ERR_FORMAT, 0, 0 },
		{ "\x7f\xff\xff\xff\0\3\0\0", ERR_LIMIT, 0, 0 },
		{ "\0\0\x27\x19\0\3\0\0", ERR_LIMIT, 0, 0 },
		{ "GET / HT", ERR_LIMIT, 0, 0 }
	};
	struct wire_first f;
	size_t	i, n;
	int	rc;

	for (i = 0; i < ARRAY_LEN(v); i++) {
		for (n = 0; n < WIRE_FIRST_LEN; n++)
			ck_assert_int_eq(wire_first_get(v[i].bytes, n, 10000,
			    &f), WIRE_MORE);
		memset(&f, 0x5a, sizeof(f));
		rc = wire_first_get(v[i].bytes, 8, 10000, &f);
		ck_assert_msg(rc == v[i].result, "vector %zu: %d", i, rc);
		if (rc != 0)
			continue;
		ck_assert_msg(f.kind == v[i].kind, "vector %zu", i);
		ck_assert_uint_eq(f.body, v[i].body);
	}
	/* A later 3.x minor keeps its number. */
	ck_assert_int_eq(wire_first_get("\0\0\0\x29\0\3\0\2", 8, 100, &f), 0);
	ck_assert_uint_eq(f.code, WIRE_VERSION(3, 2));
}
END_TEST

START_TEST(reader_is_sticky)
{
	struct wire_in in;

	wire_in_init(&in, BYTES("\x01\x02\x03\xff\xff\xff\xfe" "ab\0cd"));
	ck_assert_uint_eq(wire_get_u8(&in), 1);
	ck_assert_uint_eq(wire_get_u16(&in), 0x0203);
	ck_assert_int_eq(wire_get_i32(&in), -2);
	ck_assert_str_eq(wire_get_cstr(&in), "ab");
	ck_assert(!wire_in_done(&in));
	ck_assert_mem_eq(wire_get_bytes(&in, 1), "c", 1);
	/* "d" has no NUL. */
	ck_assert_str_eq(wire_get_cstr(&in), "");
	ck_assert(in.failed);
	ck_assert_uint_eq(wire_get_u8(&in), 0);
	ck_assert_ptr_null(wire_get_bytes(&in, 0));
	ck_assert(!wire_in_done(&in));

	wire_in_init(&in, NULL, 0);
	ck_assert(wire_in_done(&in));
	ck_assert_ptr_null(wire_get_bytes(&in, SIZE_MAX));
	ck_assert(in.failed);
	wire_in_init(&in, BYTES("\0\0\0"));
	ck_assert_int_eq(wire_get_i32(&in), 0);
	ck_assert(in.failed);
	wire_in_init(&in, BYTES("\1"));
	ck_assert_uint_eq(wire_get_u16(&in), 0);
	ck_assert(in.failed);
}
END_TEST

/* Returns how many pairs, or the error. */
static int
count_pairs(const char *bytes, size_t n)
{
	struct wire_in	in;
	const char	*k, *v;
	int		 rc, pairs = 0;

	wire_in_init(&in, bytes, n);
	while ((rc = wire_startup_next(&in, &k, &v)) == 1)
		pairs++;
	return rc == 0 ? pairs : rc;
}

START_TEST(startup_parameters)
{
	static const char body[] = "user\0al\0database\0\0options\0-c a=b\0";
	struct wire_in	in;
	const char	*k, *v;
	size_t		n;

	wire_in_init(&in, body, sizeof(body));
	ck_assert_int_eq(wire_startup_next(&in, &k, &v), 1);
	ck_assert_str_eq(k, "user");
	ck_assert_str_eq(v, "al");
	ck_assert_int_eq(wire_startup_next(&in, &k, &v), 1);
	ck_assert_str_eq(k, "database");
	ck_assert_str_eq(v, "");
	ck_assert_int_eq(wire_startup_next(&in, &k, &v), 1);
	ck_assert_int_eq(wire_startup_next(&in, &k, &v), 0);
	/* Every proper prefix lacks its terminator. */
	for (n = 0; n < sizeof(body); n++)
		ck_assert_int_eq(count_pairs(body, n), ERR_FORMAT);
	ck_assert_int_eq(count_pairs(body, n), 3);
	ck_assert_int_eq(count_pairs(BYTES("\0")), 0);
	ck_assert_int_eq(count_pairs(BYTES("\0\0")), ERR_FORMAT);
	ck_assert_int_eq(count_pairs(BYTES("user\0a\0\0x")), ERR_FORMAT);
}
END_TEST

START_TEST(errors_and_notices)
{
	/* The fields that PostgreSQL 15 sends for a wrong password. */
	static const char real[] = "SFATAL\0VFATAL\0C28P01\0"
	    "Mpassword authentication failed for user \"al\"\0"
	    "Fauth.c\0L335\0Rauth_failed\0";
	struct wire_error e = { .severity = "WARNING", .sqlstate = "08P01",
	    .message = "no" };
	struct buf	b = { 0 };
	size_t		n;

	ck_assert_int_eq(wire_parse_error(real, sizeof(real), &e), 0);
	ck_assert_str_eq(e.severity, "FATAL");
	ck_assert_str_eq(e.level, "FATAL");
	ck_assert_str_eq(e.sqlstate, "28P01");
	ck_assert_str_eq(e.message,
	    "password authentication failed for user \"al\"");
	ck_assert_str_eq(e.detail, "");
	ck_assert_str_eq(e.hint, "");
	for (n = 0; n < sizeof(real); n++)
		ck_assert_int_eq(wire_parse_error(real, n, &e), ERR_FORMAT);
	/* Required fields missing, bytes behind the end. */
	ck_assert_int_eq(wire_parse_error(BYTES("SX\0C1\0\0"), &e),
	    ERR_FORMAT);
	ck_assert_int_eq(wire_parse_error(BYTES("SX\0MX\0\0"), &e),
	    ERR_FORMAT);
	ck_assert_int_eq(wire_parse_error(BYTES("C1\0MX\0\0"), &e),
	    ERR_FORMAT);
	ck_assert_int_eq(wire_parse_error(BYTES("SX\0C1\0MX\0\0\0"), &e),
	    ERR_FORMAT);
	/* Before 9.6 there was no V. */
	ck_assert_int_eq(wire_parse_error(BYTES("SX\0C1\0MX\0\0"), &e), 0);
	ck_assert_str_eq(e.level, "");

	e = (struct wire_error){ .severity = "FATAL", .sqlstate = "08P01",
	    .message = "bad", .detail = "", .hint = "do" };
	wire_put_error(&b, WIRE_BE_ERROR, &e);
	expect(&b, BYTES("E\0\0\0\x23SFATAL\0VFATAL\0C08P01\0Mbad\0Hdo\0\0"));
	e.detail = "d";
	e.hint = NULL;
	wire_put_error(&b, WIRE_BE_NOTICE, &e);
	expect(&b, BYTES("N\0\0\0\x22SFATAL\0VFATAL\0C08P01\0Mbad\0Dd\0\0"));
	buf_release(&b);
}
END_TEST

START_TEST(small_server_messages)
{
	char		long_key[4 + WIRE_KEY_MAX + 1] = { 0 };
	struct wire_key	key;
	struct wire_in	rest;
	const char	*k, *v;
	int32_t		code;
	char		tx;

	ck_assert_int_eq(wire_parse_parameter_status(
	    BYTES("TimeZone\0Etc/UTC\0"), &k, &v), 0);
	ck_assert_str_eq(k, "TimeZone");
	ck_assert_str_eq(v, "Etc/UTC");
	ck_assert_int_eq(wire_parse_parameter_status(BYTES("a\0b"), &k, &v),
	    ERR_FORMAT);
	ck_assert_int_eq(wire_parse_parameter_status(BYTES("a\0b\0c"), &k,
	    &v), ERR_FORMAT);
	ck_assert_int_eq(wire_parse_parameter_status(NULL, 0, &k, &v),
	    ERR_FORMAT);

	ck_assert_int_eq(wire_parse_key(BYTES("\0\1\x02\x03qwer"), &key), 0);
	ck_assert_uint_eq(key.pid, 0x10203);
	ck_assert_uint_eq(key.len, 4);
	ck_assert_mem_eq(key.key, "qwer", 4);
	ck_assert_int_eq(wire_parse_key(BYTES("\0\1\x02\x03qwe"), &key),
	    ERR_FORMAT);
	ck_assert_int_eq(wire_parse_key(long_key, 4 + WIRE_KEY_MAX, &key), 0);
	ck_assert_uint_eq(key.len, WIRE_KEY_MAX);
	ck_assert_int_eq(wire_parse_key(long_key, sizeof(long_key), &key),
	    ERR_FORMAT);

	ck_assert_int_eq(wire_parse_ready(BYTES("I"), &tx), 0);
	ck_assert_int_eq(tx, WIRE_TX_IDLE);
	ck_assert_int_eq(wire_parse_ready(BYTES("T"), &tx), 0);
	ck_assert_int_eq(wire_parse_ready(BYTES("E"), &tx), 0);
	ck_assert_int_eq(wire_parse_ready(BYTES("X"), &tx), ERR_FORMAT);
	ck_assert_int_eq(wire_parse_ready(BYTES("II"), &tx), ERR_FORMAT);
	ck_assert_int_eq(wire_parse_ready(NULL, 0, &tx), ERR_FORMAT);

	ck_assert_int_eq(wire_parse_auth(BYTES("\0\0\0\5salt"), &code, &rest),
	    0);
	ck_assert_int_eq(code, WIRE_AUTH_MD5);
	ck_assert_uint_eq(rest.left, 4);
	ck_assert_mem_eq(rest.p, "salt", 4);
	ck_assert_int_eq(wire_parse_auth(BYTES("\0\0\0"), &code, &rest),
	    ERR_FORMAT);

	ck_assert_int_eq(wire_parse_string(BYTES("SELECT 1\0"), &v), 0);
	ck_assert_str_eq(v, "SELECT 1");
	ck_assert_int_eq(wire_parse_string(BYTES("\0"), &v), 0);
	ck_assert_int_eq(wire_parse_string(BYTES("a"), &v), ERR_FORMAT);
	ck_assert_int_eq(wire_parse_string(BYTES("a\0b\0"), &v), ERR_FORMAT);
	ck_assert_int_eq(wire_parse_string(NULL, 0, &v), ERR_FORMAT);
}
END_TEST

START_TEST(parse_message)
{
	static const char m[] = "s1\0SELECT $1\0\0\2\0\0\0\x17\0\0\0\x19";
	struct wire_parse p;
	size_t	n, len = sizeof(m) - 1;

	ck_assert_int_eq(wire_parse_parse(m, len, &p), 0);
	ck_assert_str_eq(p.name, "s1");
	ck_assert_str_eq(p.query, "SELECT $1");
	ck_assert_uint_eq(p.ntypes, 2);
	ck_assert_mem_eq(p.types, "\0\0\0\x17\0\0\0\x19", 8);
	ck_assert_ptr_eq(p.text, p.query);
	ck_assert_uint_eq(p.text_len, len - 3);
	for (n = 0; n < len; n++)
		ck_assert_int_eq(wire_parse_parse(m, n, &p), ERR_FORMAT);
	/* sizeof counts a byte too many. */
	ck_assert_int_eq(wire_parse_parse(m, sizeof(m), &p), ERR_FORMAT);
	/* More types than bytes. */
	ck_assert_int_eq(wire_parse_parse(BYTES("\0\0\xff\xff\0\0\0\1"), &p),
	    ERR_FORMAT);
	ck_assert_int_eq(wire_parse_parse(BYTES("\0\0\0\0"), &p), 0);
	ck_assert_str_eq(p.name, "");
}
END_TEST

START_TEST(bind_prefix)
{
	static const char m[] = "p\0s1\0\0\0\0\1\0\0\0\1x\0\0";
	struct wire_bind b;
	size_t	n, len = sizeof(m) - 1;

	for (n = 0; n < 5; n++)
		ck_assert_int_eq(wire_parse_bind(m, n, len, &b), WIRE_MORE);
	for (; n <= len; n++) {
		ck_assert_int_eq(wire_parse_bind(m, n, len, &b), 0);
		ck_assert_str_eq(b.portal, "p");
		ck_assert_str_eq(b.statement, "s1");
		ck_assert_uint_eq(b.rest, 5);
	}
	/* All of it is there and the names do not end. */
	ck_assert_int_eq(wire_parse_bind(m, 4, 4, &b), ERR_FORMAT);
	ck_assert_int_eq(wire_parse_bind(NULL, 0, 0, &b), ERR_FORMAT);
	/* Names, but no room for the counts. */
	ck_assert_int_eq(wire_parse_bind(m, 5, 10, &b), ERR_FORMAT);
	ck_assert_int_eq(wire_parse_bind(m, 5, 11, &b), 0);
}
END_TEST

START_TEST(small_client_messages)
{
	const char	*s, *data;
	char		 kind;
	int32_t		 rows;
	size_t		 len;

	ck_assert_int_eq(wire_parse_target(BYTES("Ss1\0"), &kind, &s), 0);
	ck_assert_int_eq(kind, 'S');
	ck_assert_str_eq(s, "s1");
	ck_assert_int_eq(wire_parse_target(BYTES("P\0"), &kind, &s), 0);
	ck_assert_int_eq(wire_parse_target(BYTES("X\0"), &kind, &s),
	    ERR_FORMAT);
	ck_assert_int_eq(wire_parse_target(BYTES("S"), &kind, &s),
	    ERR_FORMAT);
	ck_assert_int_eq(wire_parse_target(BYTES("Sa\0b"), &kind, &s),
	    ERR_FORMAT);

	ck_assert_int_eq(wire_parse_execute(BYTES("p\0\0\0\0\x0a"), &s,
	    &rows), 0);
	ck_assert_str_eq(s, "p");
	ck_assert_int_eq(rows, 10);
	ck_assert_int_eq(wire_parse_execute(BYTES("p\0\0\0\0"), &s, &rows),
	    ERR_FORMAT);

	ck_assert_int_eq(wire_parse_sasl_initial(
	    BYTES("SCRAM-SHA-256\0\0\0\0\2n,"), &s, &data, &len), 0);
	ck_assert_str_eq(s, "SCRAM-SHA-256");
	ck_assert_uint_eq(len, 2);
	ck_assert_mem_eq(data, "n,", 2);
	ck_assert_int_eq(wire_parse_sasl_initial(BYTES("X\0\xff\xff\xff\xff"),
	    &s, &data, &len), 0);
	ck_assert_ptr_null(data);
	ck_assert_uint_eq(len, 0);
	ck_assert_int_eq(wire_parse_sasl_initial(BYTES("X\0\0\0\0\1"), &s,
	    &data, &len), ERR_FORMAT);
	ck_assert_int_eq(wire_parse_sasl_initial(BYTES("X\0\0\0\0\1ab"), &s,
	    &data, &len), ERR_FORMAT);
	ck_assert_int_eq(wire_parse_sasl_initial(
	    BYTES("X\0\xff\xff\xff\xfe"), &s, &data, &len), ERR_FORMAT);
	ck_assert_int_eq(wire_parse_sasl_initial(
	    BYTES("X\0\x7f\xff\xff\xff""a"), &s, &data, &len), ERR_FORMAT);
}
END_TEST

START_TEST(rows)
{
	static const char desc[] = "\0\2a\0\0\0\0\0\0\0\0\0\0\x17\0\4"
	    "\xff\xff\xff\xff\0\0b\0\0\0\0\0\0\0\0\0\0\x19\xff\xff"
	    "\xff\xff\xff\xff\0\0";
	static const char row[] = "\0\3\0\0\0\2hi\xff\xff\xff\xff\0\0\0\0";
	struct wire_in	in;
	const char	*v;
	uint16_t	columns;
	size_t		n, len;

	n = sizeof(desc) - 1;
	ck_assert_int_eq(wire_parse_row_description(desc, n, &columns), 0);
	ck_assert_uint_eq(columns, 2);
	while (n-- > 0)
		ck_assert_int_eq(wire_parse_row_description(desc, n,
		    &columns), ERR_FORMAT);
	ck_assert_int_eq(wire_parse_row_description(BYTES("\xff\xff"),
	    &columns), ERR_FORMAT);

	ck_assert_int_eq(wire_row_begin(row, sizeof(row) - 1, &in, &columns),
	    0);
	ck_assert_uint_eq(columns, 3);
	ck_assert_int_eq(wire_row_next(&in, &v, &len), 0);
	ck_assert_uint_eq(len, 2);
	ck_assert_mem_eq(v, "hi", 2);
	ck_assert_int_eq(wire_row_next(&in, &v, &len), 0);
	ck_assert_ptr_null(v);
	ck_assert_int_eq(wire_row_next(&in, &v, &len), 0);
	ck_assert_ptr_nonnull(v);
	ck_assert_uint_eq(len, 0);
	ck_assert(wire_in_done(&in));
	ck_assert_int_eq(wire_row_next(&in, &v, &len), ERR_FORMAT);
	/* More columns than could fit, negative and too large lengths. */
	ck_assert_int_eq(wire_row_begin(BYTES("\0\2\0\0\0\0"), &in, &columns),
	    ERR_FORMAT);
	ck_assert_int_eq(wire_row_begin(BYTES("\0\1\xff\xff\xff\xfe"), &in,
	    &columns), 0);
	ck_assert_int_eq(wire_row_next(&in, &v, &len), ERR_FORMAT);
	ck_assert_int_eq(wire_row_begin(BYTES("\0\1\x7f\xff\xff\xffx"), &in,
	    &columns), 0);
	ck_assert_int_eq(wire_row_next(&in, &v, &len), ERR_FORMAT);
}
END_TEST

START_TEST(build_for_clients)
{
	static const char *const options[] = { "_pq_.a", "_pq_.b" };
	static const struct wire_column columns[] = {
		{ "n", WIRE_OID_INT8 }, { "t", WIRE_OID_TEXT },
		{ "i", WIRE_OID_INT4 }
	};
	struct wire_key	key = { 7, "abcd", 4 };
	struct buf	b = { 0 };
	uint16_t	n;
	size_t		at;

	wire_put_auth(&b, WIRE_AUTH_OK, NULL, 0);
	expect(&b, BYTES("R\0\0\0\x08\0\0\0\0"));
	wire_put_auth(&b, WIRE_AUTH_CLEARTEXT, NULL, 0);
	expect(&b, BYTES("R\0\0\0\x08\0\0\0\3"));
	wire_put_auth(&b, WIRE_AUTH_MD5, "salt", 4);
	expect(&b, BYTES("R\0\0\0\x0c\0\0\0\5salt"));
	wire_put_auth_sasl(&b, "SCRAM-SHA-256");
	expect(&b, BYTES("R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0"));
	wire_put_auth(&b, WIRE_AUTH_SASL_FINAL, "v=x", 3);
	expect(&b, BYTES("R\0\0\0\x0b\0\0\0\x0cv=x"));
	wire_put_parameter_status(&b, "a", "b");
	expect(&b, BYTES("S\0\0\0\x08""a\0b\0"));
	wire_put_backend_key(&b, &key);
	expect(&b, BYTES("K\0\0\0\x0c\0\0\0\7abcd"));
	wire_put_ready(&b, WIRE_TX_FAILED);
	expect(&b, BYTES("Z\0\0\0\5E"));
	wire_put_negotiate(&b, WIRE_VERSION(3, 0), options, 2);
	expect(&b, BYTES("v\0\0\0\x1a\0\3\0\0\0\0\0\2_pq_.a\0_pq_.b\0"));
	wire_put_empty(&b, WIRE_BE_PARSE_COMPLETE);
	expect(&b, BYTES("1\0\0\0\4"));
	wire_put_string(&b, WIRE_BE_COMMAND_COMPLETE, "SHOW");
	expect(&b, BYTES("C\0\0\0\x09SHOW\0"));

	wire_put_row_description(&b, columns, 3);
	ck_assert_uint_eq(buf_len(&b), 1 + 4 + 2 + 3 * 20);
	ck_assert_int_eq(wire_parse_row_description(buf_bytes(&b) + 5,
	    buf_len(&b) - 5, &n), 0);
	ck_assert_uint_eq(n, 3);
	/* Type and size of the first and the second column. */
	ck_assert_mem_eq(buf_bytes(&b) + 15, "\0\0\0\x14\0\x08", 6);
	ck_assert_mem_eq(buf_bytes(&b) + 35, "\0\0\0\x19\xff\xff", 6);
	buf_clear(&b);
	at = wire_row_open(&b, 2);
	wire_row_text(&b, "12");
	wire_row_text(&b, NULL);
	wire_end(&b, at);
	expect(&b, BYTES("D\0\0\0\x10\0\2\0\0\0\2" "12\xff\xff\xff\xff"));
	buf_release(&b);
}
END_TEST

START_TEST(build_for_servers)
{
	static const char *const params[] = { "al", NULL };
	struct wire_key	key = { 0x01020304, "wxyz", 4 };
	struct buf	b = { 0 };
	size_t		at;

	wire_put_ssl_request(&b);
	expect(&b, BYTES("\0\0\0\x08\x04\xd2\x16\x2f"));
	wire_put_cancel_request(&b, &key);
	expect(&b, BYTES("\0\0\0\x10\x04\xd2\x16\x2e\1\2\3\4wxyz"));
	at = wire_startup_begin(&b, WIRE_VERSION(3, 0));
	wire_startup_param(&b, "user", "al");
	wire_startup_end(&b, at);
	expect(&b, BYTES("\0\0\0\x11\0\3\0\0user\0al\0\0"));
	wire_put_string(&b, WIRE_FE_PASSWORD, "pw");
	expect(&b, BYTES("p\0\0\0\7pw\0"));
	wire_put_sasl_initial(&b, "M", "n,,", 3);
	expect(&b, BYTES("p\0\0\0\x0dM\0\0\0\0\3n,,"));
	wire_put_sasl_response(&b, "c=", 2);
	expect(&b, BYTES("p\0\0\0\6c="));
	wire_put_string(&b, WIRE_FE_QUERY, "BEGIN");
	expect(&b, BYTES("Q\0\0\0\x0a""BEGIN\0"));
	wire_put_parse(&b, "s", "q", "\0\0\0\x19", 1);
	expect(&b, BYTES("P\0\0\0\x0es\0q\0\0\1\0\0\0\x19"));
	wire_put_parse(&b, "", "q", NULL, 0);
	expect(&b, BYTES("P\0\0\0\x09\0q\0\0\0"));
	wire_put_bind(&b, "", "s", params, 2);
	expect(&b, BYTES("B\0\0\0\x17\0s\0\0\0\0\2\0\0\0\2al"
	    "\xff\xff\xff\xff\0\0"));
	wire_put_target(&b, WIRE_FE_DESCRIBE, 'S', "s");
	expect(&b, BYTES("D\0\0\0\7Ss\0"));
	wire_put_target(&b, WIRE_FE_CLOSE, 'P', "");
	expect(&b, BYTES("C\0\0\0\6P\0"));
	wire_put_execute(&b, "", 0);
	expect(&b, BYTES("E\0\0\0\x09\0\0\0\0\0"));
	wire_put_string(&b, WIRE_FE_COPY_FAIL, "gone");
	expect(&b, BYTES("f\0\0\0\x09gone\0"));
	wire_put_empty(&b, WIRE_FE_SYNC);
	wire_put_empty(&b, WIRE_FE_TERMINATE);
	expect(&b, BYTES("S\0\0\0\4X\0\0\0\4"));
	buf_release(&b);
}
END_TEST

/* What does not fit leaves whole messages only, and a failure behind. */
START_TEST(build_into_a_full_buffer)
{
	struct buf	b;
	size_t		max, whole;

	for (max = 0; max < 28; max++) {
		buf_init(&b, max + 1);
		wire_put_ready(&b, WIRE_TX_IDLE);
		whole = buf_len(&b);
		ck_assert(whole == 6 || (whole == 0 && max + 1 < 6));
		wire_put_parameter_status(&b, "TimeZone", "Etc/UTC");
		if (max + 1 < 6 + 22) {
			ck_assert(buf_failed(&b));
			ck_assert_uint_eq(buf_len(&b), whole);
		} else {
			ck_assert(!buf_failed(&b));
			ck_assert_uint_eq(buf_len(&b), 28);
		}
		buf_release(&b);
	}
	buf_init(&b, 3);
	wire_put_ssl_request(&b);
	ck_assert(buf_failed(&b));
	ck_assert_uint_eq(buf_len(&b), 0);
	buf_release(&b);
}
END_TEST

UNIT_MAIN("wire", header, first_packet, reader_is_sticky, startup_parameters,
    errors_and_notices, small_server_messages, parse_message, bind_prefix,
    small_client_messages, rows, build_for_clients, build_for_servers,
    build_into_a_full_buffer)
