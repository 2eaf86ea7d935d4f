/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/wire.h"

#include <string.h>

#include "common/err.h"
#include "tests/unit/unit.h"
#include "tests/unit/wire_recorded.h"

/* A string literal as bytes: embedded NULs count, the last one does not. */
#define BYTES(s)	(s), sizeof(s) - 1

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
	bool	bad;
	int	rc;

	for (i = 0; i < ARRAY_LEN(v); i++) {
		/* A length that cannot be is not waited behind. */
		bad = (v[i].bytes[0] & 0x80) != 0 ||
		    (memcmp(v[i].bytes, "\0\0\0", 3) == 0 &&
		    v[i].bytes[3] < 8);
		for (n = 0; n < WIRE_FIRST_LEN; n++)
			ck_assert_int_eq(wire_first_get(v[i].bytes, n, 10000,
			    &f), n >= 4 && bad ? ERR_FORMAT : WIRE_MORE);
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
	struct wire_error e;
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

START_TEST(descriptions_and_rows)
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

/* What a session of each side looked like, as it was parsed. */
static void
note_server_message(uint8_t type, const char *p, size_t n, struct buf *log)
{
	struct wire_error e;
	struct wire_key	key;
	struct wire_in	in;
	const char	*k, *v;
	int32_t		code;
	uint16_t	columns;
	size_t		len;
	char		tx;

	switch (type) {
	case WIRE_BE_AUTH:
		ck_assert_int_eq(wire_parse_auth(p, n, &code, &in), 0);
		buf_printf(log, "R%d ", (int)code);
		break;
	case WIRE_BE_PARAMETER_STATUS:
		ck_assert_int_eq(wire_parse_parameter_status(p, n, &k, &v),
		    0);
		if (strcmp(k, "TimeZone") == 0 ||
		    strcmp(k, "application_name") == 0)
			buf_printf(log, "%s=%s ", k, v);
		break;
	case WIRE_BE_BACKEND_KEY:
		ck_assert_int_eq(wire_parse_key(p, n, &key), 0);
		buf_printf(log, "K%zu ", key.len);
		break;
	case WIRE_BE_READY:
		ck_assert_int_eq(wire_parse_ready(p, n, &tx), 0);
		buf_printf(log, "Z%c ", tx);
		break;
	case WIRE_BE_ROW_DESCRIPTION:
		ck_assert_int_eq(wire_parse_row_description(p, n, &columns),
		    0);
		buf_printf(log, "T%u ", columns);
		break;
	case WIRE_BE_DATA_ROW:
		ck_assert_int_eq(wire_row_begin(p, n, &in, &columns), 0);
		buf_append_str(log, "D");
		while (columns-- > 0) {
			ck_assert_int_eq(wire_row_next(&in, &v, &len), 0);
			buf_append(log, v != NULL ? v : "null",
			    v != NULL ? len : 4);
			buf_append_str(log, columns > 0 ? "," : " ");
		}
		ck_assert(wire_in_done(&in));
		break;
	case WIRE_BE_COMMAND_COMPLETE:
		ck_assert_int_eq(wire_parse_string(p, n, &v), 0);
		buf_printf(log, "C(%s) ", v);
		break;
	case WIRE_BE_ERROR:
	case WIRE_BE_NOTICE:
		ck_assert_int_eq(wire_parse_error(p, n, &e), 0);
		buf_printf(log, "%c(%s %s %s %s) ", type, e.level, e.sqlstate,
		    e.message, e.hint);
		break;
	default:
		buf_printf(log, "%c ", type);
		break;
	}
}

static void
note_client_message(uint8_t type, const char *p, size_t n, struct buf *log)
{
	struct wire_parse parse;
	struct wire_bind bind;
	const char	*s;
	int32_t		rows;
	char		kind;

	switch (type) {
	case WIRE_FE_PARSE:
		ck_assert_int_eq(wire_parse_parse(p, n, &parse), 0);
		buf_printf(log, "P(%s,%s,%u) ", parse.name, parse.query,
		    parse.ntypes);
		break;
	case WIRE_FE_BIND:
		ck_assert_int_eq(wire_parse_bind(p, n, n, &bind), 0);
		buf_printf(log, "B(%s,%s,+%zu) ", bind.portal, bind.statement,
		    n - bind.rest);
		break;
	case WIRE_FE_DESCRIBE:
		ck_assert_int_eq(wire_parse_target(p, n, &kind, &s), 0);
		buf_printf(log, "D(%c,%s) ", kind, s);
		break;
	case WIRE_FE_EXECUTE:
		ck_assert_int_eq(wire_parse_execute(p, n, &s, &rows), 0);
		buf_printf(log, "E(%s,%d) ", s, (int)rows);
		break;
	default:
		ck_assert_uint_eq(n, 0);
		buf_printf(log, "%c ", type);
		break;
	}
}

/* Delivers the bytes in steps; each message is noted when it is whole. */
static void
replay(const char *bytes, size_t n, size_t step,
    void (*note)(uint8_t, const char *, size_t, struct buf *),
    const char *want)
{
	struct buf	in = { 0 }, log = { 0 };
	struct wire_header h;
	size_t		at;

	for (at = 0; at < n; at += step) {
		buf_append(&in, bytes + at, MIN(step, n - at));
		while (wire_header_get(buf_bytes(&in), buf_len(&in), 4096,
		    &h) == 0 && buf_len(&in) >= WIRE_HEADER_LEN + h.body) {
			note(h.type, buf_bytes(&in) + WIRE_HEADER_LEN, h.body,
			    &log);
			buf_consume(&in, WIRE_HEADER_LEN + h.body);
		}
	}
	ck_assert_uint_eq(buf_len(&in), 0);
	ck_assert_str_eq(buf_cstr(&log), want);
	buf_release(&in);
	buf_release(&log);
}

START_TEST(recorded_sessions)
{
	static const char server[] = "R0 application_name=probe "
	    "TimeZone=Etc/UTC K4 ZI "
	    "T3 D1,null,x C(SELECT 1) ZI "
	    "N(NOTICE 00000 hi h) C(DO) ZI "
	    "C(BEGIN) E(ERROR 22012 division by zero ) ZE "
	    "C(ROLLBACK) ZI "
	    "1 t T1 2 D42 C(SELECT 1) 3 ZI "
	    "H d d c C(COPY 2) ZI I ZI C(LISTEN) C(NOTIFY) A ZI ";
	static const char client[] = "P(P_0,select $1 + 1;,0) S "
	    "B(,P_0,+13) D(P,) E(,0) S B(,P_0,+13) D(P,) E(,0) S X ";
	static const size_t steps[] = { 1, 3, 7, 100, 4096 };
	struct wire_first first;
	size_t	i, n;

	for (i = 0; i < ARRAY_LEN(steps); i++) {
		replay(recorded_server, sizeof(recorded_server) - 1, steps[i],
		    note_server_message, server);
		for (n = 0; n < WIRE_FIRST_LEN; n++)
			ck_assert_int_eq(wire_first_get(recorded_client, n,
			    10000, &first), WIRE_MORE);
		ck_assert_int_eq(wire_first_get(recorded_client, n, 10000,
		    &first), 0);
		ck_assert_int_eq(first.kind, WIRE_FIRST_STARTUP);
		ck_assert_uint_eq(first.code, WIRE_VERSION(3, 0));
		n += first.body;
		ck_assert_int_eq(count_pairs(recorded_client + WIRE_FIRST_LEN,
		    first.body), 3);
		replay(recorded_client + n, sizeof(recorded_client) - 1 - n,
		    steps[i], note_client_message, client);
	}
}
END_TEST

UNIT_MAIN("wire", header, first_packet, reader_is_sticky, startup_parameters,
    errors_and_notices, small_server_messages, parse_message, bind_prefix,
    small_client_messages, descriptions_and_rows, recorded_sessions)
