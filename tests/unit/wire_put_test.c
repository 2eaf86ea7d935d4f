/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/wire.h"

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

START_TEST(errors_and_notices)
{
	struct wire_error e;
	struct buf	b = { 0 };

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

UNIT_MAIN("wire_put", errors_and_notices, build_for_clients, build_for_servers,
    build_into_a_full_buffer)
