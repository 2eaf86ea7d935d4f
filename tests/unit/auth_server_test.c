/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/auth.h"

#include <string.h>

#include "common/wire.h"
#include "tests/unit/unit.h"

#define BYTES(s)	(s), sizeof(s) - 1

/* Made by PostgreSQL 15 for users s1 and m1, both with password "secret". */
static const char scram_secret[] =
    "SCRAM-SHA-256$4096:nycI1c5HqDqdC89toyvDZg==$"
    "l6kN5q3XEi2Fq07u1m3niY1Gdt0nqOjs6r+7oqx/Vs8=:"
    "KUhtyXyo6zJWJCkwNpgfaar3l5z4evr1RHuSGNNgfUc=";
static const char md5_secret[] = "md5132ecbcbfa11be529b63ea4c4e734056";

static const unsigned char nonce[SCRAM_NONCE_LEN] = "nonce of the serve";

/* The one message in the buffer; its body. */
static const char *
only_message(const struct buf *b, uint8_t type, size_t *n)
{
	struct wire_header h;

	ck_assert_int_eq(wire_header_get(buf_bytes(b), buf_len(b),
	    WIRE_MAX_BODY, &h), 0);
	ck_assert_int_eq(h.type, type);
	ck_assert_uint_eq(buf_len(b), WIRE_HEADER_LEN + h.body);
	*n = h.body;
	return buf_bytes(b) + WIRE_HEADER_LEN;
}

/* A script is a list of 'R' bodies; the last one must fail. */
struct body {
	const char	*bytes;
	size_t		 n;
};
#define BODY(s)	{ s, sizeof(s) - 1 }

static void
expect_server_fail(const char *secret, const struct body *script, size_t n,
    const char *reason, const char *log)
{
	struct auth_credentials c = { 0 };
	struct server_auth s;
	struct buf	up = { 0 };
	struct err	e = { 0 };
	size_t		i;
	enum auth_result r = AUTH_MORE;

	ck_assert_int_eq(auth_credentials_set(&c, secret), 0);
	server_auth_init(&s, "al", &c, nonce);
	for (i = 0; i < n; i++) {
		ck_assert_int_eq(r, AUTH_MORE);
		buf_clear(&up);
		r = server_auth_message(&s, script[i].bytes, script[i].n, &up,
		    &e);
		if (r == AUTH_WORK)
			r = server_auth_worked(&s, scram_work_run(&s.work),
			    &up, &e);
	}
	ck_assert_int_eq(r, AUTH_FAIL);
	ck_assert_str_eq(s.reason, reason);
	ck_assert_str_eq(e.msg, log);
	ck_assert_uint_eq(buf_len(&up), 0);
	server_auth_release(&s);
	auth_credentials_release(&c);
	buf_release(&up);
}

#define OK	BODY("\0\0\0\0")
#define CLEAR	BODY("\0\0\0\3")
#define MD5	BODY("\0\0\0\5salt")
#define SASL	BODY("\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
/* base64 of `nonce` and what a server adds. */
#define OURS	"r=bm9uY2Ugb2YgdGhlIHNlcnZl"
#define CONT	BODY("\0\0\0\x0b" OURS "S,s=Zm9v,i=1")
#define FINAL	BODY("\0\0\0\x0cv=6rriTRBi23WpRR/wtup+mMhUZUn/" \
		    "dB5nLTJRsjl95G4=")
#define FAILS(secret, reason, log, ...) do { \
	static const struct body script_[] = { __VA_ARGS__ }; \
	expect_server_fail(secret, script_, ARRAY_LEN(script_), reason, log); \
} while (0)

START_TEST(hostile_servers)
{
	static const char no_answer[] = "failed to answer authreq";
	static const char wrong[] =
	    "server login failed: wrong password type";

	FAILS(md5_secret, wrong, "cannot do SCRAM authentication: wrong "
	    "password type", SASL);
	FAILS(scram_secret, wrong, "cannot do MD5 authentication: wrong "
	    "password type", MD5);
	FAILS(scram_secret, wrong, "cannot do SCRAM authentication: password "
	    "is SCRAM secret but client authentication did not provide SCRAM "
	    "keys", SASL);
	FAILS(scram_secret, wrong, "cannot do clear-text authentication: "
	    "wrong password type", CLEAR);
	FAILS(md5_secret, wrong, "cannot do clear-text authentication: "
	    "wrong password type", CLEAR);

	FAILS("x", "server login failed: none of the server's SASL "
	    "authentication mechanisms are supported", "none of the server's "
	    "SASL authentication mechanisms are supported",
	    BODY("\0\0\0\x0aSCRAM-SHA-256-PLUS\0OAUTHBEARER\0\0"));
	FAILS("x", "server login failed: none of the server's SASL "
	    "authentication mechanisms are supported", "none of the server's "
	    "SASL authentication mechanisms are supported",
	    BODY("\0\0\0\x0aSCRAM-SHA-256\0"));
	FAILS("x", no_answer, "unknown/unsupported auth method: 7",
	    BODY("\0\0\0\7"));
	FAILS("x", no_answer, "unknown/unsupported auth method: 4294967295",
	    BODY("\xff\xff\xff\xff"));
	FAILS("x", no_answer, "", BODY("\0\0\0"));
	FAILS("x", no_answer, "", BODY("\0\0\0\0x"));
	FAILS("x", no_answer, "", BODY("\0\0\0\5sal"));
	FAILS("x", no_answer, "", BODY("\0\0\0\5salty"));

	FAILS("x", no_answer, "protocol error: duplicate AuthenticationSASL "
	    "message from server", SASL, SASL);
	FAILS("x", no_answer, "protocol error: duplicate AuthenticationSASL "
	    "message from server", SASL, CONT, SASL);
	FAILS("x", no_answer, "protocol error: AuthenticationSASLContinue "
	    "without prior AuthenticationSASL", CONT);
	FAILS("x", no_answer, "protocol error: AuthenticationSASLContinue "
	    "without prior AuthenticationSASL", CLEAR, CONT);
	FAILS("x", no_answer, "protocol error: AuthenticationSASLFinal "
	    "without prior AuthenticationSASLContinue", FINAL);
	FAILS("x", no_answer, "protocol error: AuthenticationSASLFinal "
	    "without prior AuthenticationSASLContinue", SASL, FINAL);
	FAILS("x", no_answer, "SCRAM exchange protocol error: received "
	    "second AuthenticationSASLContinue", SASL, CONT, CONT);
	FAILS("x", no_answer, "invalid SCRAM response (nonce mismatch)", SASL,
	    BODY("\0\0\0\x0br=x,s=Zm9v,i=1"));
	FAILS("x", no_answer, "malformed SCRAM message (invalid iteration "
	    "count)", SASL, BODY("\0\0\0\x0b" OURS "S,s=Zm9v,i=1000001"));
	FAILS("x", "server login failed: invalid server signature",
	    "invalid server signature", SASL, CONT, FINAL);
	FAILS("x", "server login failed: failed to verify server signature",
	    "malformed SCRAM message (malformed server signature)", SASL,
	    CONT, BODY("\0\0\0\x0cv=x"));
	FAILS("x", "server login failed: failed to verify server signature",
	    "error received from server in SCRAM exchange: no", SASL, CONT,
	    BODY("\0\0\0\x0c" "e=no"));
	/* In without proving itself. */
	FAILS("x", "server login failed: failed to verify server signature",
	    "protocol error: AuthenticationOk without prior "
	    "AuthenticationSASLFinal", SASL, OK);
	FAILS("x", "server login failed: failed to verify server signature",
	    "protocol error: AuthenticationOk without prior "
	    "AuthenticationSASLFinal", SASL, CONT, OK);
	/* Asking again for something weaker. */
	FAILS("x", no_answer, "protocol error: authentication request 3 "
	    "after an answer", MD5, CLEAR);
	FAILS("x", no_answer, "protocol error: authentication request 5 "
	    "after an answer", SASL, MD5);
	FAILS("x", no_answer, "protocol error: authentication request 10 "
	    "after an answer", MD5, SASL);
}
END_TEST

START_TEST(answers_to_servers)
{
	static const struct body script[] = { OK, CLEAR, MD5 };
	struct auth_credentials c = { 0 };
	struct server_auth s;
	struct buf	up = { 0 };
	const char	*body;
	char		want[SCRAM_MD5_LEN + 1], stored[SCRAM_MD5_LEN + 1];
	size_t		n;

	ck_assert_int_eq(auth_credentials_set(&c, "secret"), 0);
	server_auth_init(&s, "m1", &c, nonce);
	ck_assert_int_eq(server_auth_message(&s, script[0].bytes, 4, &up,
	    NULL), AUTH_OK);
	ck_assert_uint_eq(buf_len(&up), 0);
	/* Once is enough. */
	ck_assert_int_eq(server_auth_message(&s, script[0].bytes, 4, &up,
	    NULL), AUTH_FAIL);
	server_auth_release(&s);

	server_auth_init(&s, "m1", &c, nonce);
	ck_assert_int_eq(server_auth_message(&s, script[1].bytes, 4, &up,
	    NULL), AUTH_MORE);
	body = only_message(&up, WIRE_FE_PASSWORD, &n);
	ck_assert_mem_eq(body, "secret", 7);
	ck_assert_uint_eq(n, 7);
	ck_assert_int_eq(server_auth_message(&s, script[0].bytes, 4, &up,
	    NULL), AUTH_OK);
	server_auth_release(&s);
	buf_clear(&up);

	/* md5 from the password and from its hash: the same. */
	ck_assert_int_eq(scram_md5_secret("m1", "secret", stored), 0);
	ck_assert_str_eq(stored, md5_secret);
	ck_assert_int_eq(scram_md5_answer(stored,
	    (const unsigned char *)"salt", want), 0);
	server_auth_init(&s, "m1", &c, nonce);
	ck_assert_int_eq(server_auth_message(&s, script[2].bytes, 8, &up,
	    NULL), AUTH_MORE);
	body = only_message(&up, WIRE_FE_PASSWORD, &n);
	ck_assert_mem_eq(body, want, sizeof(want));
	server_auth_release(&s);
	buf_clear(&up);
	ck_assert_int_eq(auth_credentials_set(&c, md5_secret), 0);
	server_auth_init(&s, "m1", &c, nonce);
	ck_assert_int_eq(server_auth_message(&s, script[2].bytes, 8, &up,
	    NULL), AUTH_MORE);
	body = only_message(&up, WIRE_FE_PASSWORD, &n);
	ck_assert_mem_eq(body, want, sizeof(want));
	server_auth_release(&s);
	buf_clear(&up);

	/* No credentials: an empty password, for the server to refuse. */
	ck_assert_int_eq(auth_credentials_set(&c, NULL), 0);
	server_auth_init(&s, "m1", &c, nonce);
	ck_assert_int_eq(server_auth_message(&s, script[1].bytes, 4, &up,
	    NULL), AUTH_MORE);
	body = only_message(&up, WIRE_FE_PASSWORD, &n);
	ck_assert_uint_eq(n, 1);
	server_auth_release(&s);
	auth_credentials_release(&c);
	buf_release(&up);
}
END_TEST

/* Nothing half-built goes out when there is no room. */
START_TEST(full_buffer)
{
	struct auth_credentials c = { 0 };
	struct server_auth s;
	struct buf	b;
	struct err	e = { 0 };

	buf_init(&b, 10);
	ck_assert_int_eq(auth_credentials_set(&c, "long password"), 0);
	server_auth_init(&s, "al", &c, nonce);
	ck_assert_int_eq(server_auth_message(&s, BYTES("\0\0\0\3"), &b, &e),
	    AUTH_FAIL);
	ck_assert_str_eq(s.reason, "out of memory");
	ck_assert_uint_eq(buf_len(&b), 0);
	server_auth_release(&s);
	auth_credentials_release(&c);
	buf_release(&b);
}
END_TEST

UNIT_MAIN("auth_server", hostile_servers, answers_to_servers, full_buffer)
