/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/scram.h"

#include <stdio.h>
#include <string.h>

#include "common/base64.h"
#include "tests/unit/unit.h"

#define BYTES(s)	(s), sizeof(s) - 1

/* The exchange of RFC 7677, section 3: user "user", password "pencil". */
static const char rfc_first[] = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
static const char rfc_nonce[] =
    "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
static const char rfc_challenge[] =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
static const char rfc_final[] =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
static const char rfc_verify[] =
    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

static const unsigned char nonce_a[SCRAM_NONCE_LEN] = "client's nonce....";
static const unsigned char nonce_b[SCRAM_NONCE_LEN] = "server's nonce....";

static void
derive(const char *password, const unsigned char *salt, size_t salt_len,
    uint32_t iterations, struct scram_keys *keys)
{
	struct scram_work w;

	ck_assert_int_eq(scram_work_init(&w, password, salt, salt_len,
	    iterations), 0);
	ck_assert_int_eq(scram_work_run(&w), 0);
	*keys = w.keys;
	scram_work_wipe(&w);
}

static void
make_secret(const char *password, uint32_t iterations,
    struct scram_secret *out)
{
	static const unsigned char salt[SCRAM_SALT_LEN] = "0123456789abcde";
	struct scram_keys keys;

	derive(password, salt, sizeof(salt), iterations, &keys);
	scram_secret_from_keys(&keys, salt, sizeof(salt), iterations, out);
}

/* A server in the middle of the RFC's exchange. */
static void
rfc_server(struct scram_server *s)
{
	struct scram_secret secret;
	struct scram_keys keys;
	struct buf	reply = { 0 };
	unsigned char	salt[16];
	size_t		n;

	ck_assert_int_eq(base64_decode(BYTES("W22ZaJ0SNY7soEsUEjb6gQ=="),
	    salt, sizeof(salt), &n), 0);
	derive("pencil", salt, n, 4096, &keys);
	scram_secret_from_keys(&keys, salt, n, 4096, &secret);
	scram_server_init(s, &secret, false, nonce_b);
	ck_assert_int_eq(scram_server_first(s, BYTES(rfc_first), &reply,
	    NULL), 0);
	/* Its nonce is not one that our base64 could have made. */
	buf_clear(&s->nonce);
	buf_append_str(&s->nonce, rfc_nonce);
	buf_clear(&s->auth);
	buf_append_str(&s->auth, rfc_first + 3);
	buf_append_str(&s->auth, ",");
	buf_append_str(&s->auth, rfc_challenge);
	buf_append_str(&s->auth, ",");
	buf_release(&reply);
}

START_TEST(rfc7677_server)
{
	struct scram_server s;
	struct scram_keys keys;
	struct buf	reply = { 0 };
	struct err	e;

	rfc_server(&s);
	ck_assert_int_eq(scram_server_final(&s, BYTES(rfc_final), &reply, &e),
	    0);
	ck_assert_str_eq(buf_cstr(&reply), rfc_verify);
	/* The proof gave the ClientKey away. */
	derive("pencil", s.secret.salt, s.secret.salt_len, 4096, &keys);
	ck_assert_mem_eq(&s.keys, &keys, sizeof(keys));
	scram_server_release(&s);
	buf_release(&reply);
}
END_TEST

START_TEST(rfc7677_client)
{
	struct scram_client c;
	struct scram_keys keys;
	struct buf	reply = { 0 };
	struct err	e;

	scram_client_init(&c, nonce_a);
	ck_assert_int_eq(scram_client_first(&c, &reply), 0);
	ck_assert_str_eq(buf_cstr(&reply),
	    "n,,n=,r=Y2xpZW50J3Mgbm9uY2UuLi4u");
	buf_clear(&reply);
	buf_clear(&c.nonce);
	buf_append_str(&c.nonce, "rOprNGfwEbeRWgbNEkqO");
	buf_clear(&c.auth);
	buf_append_str(&c.auth, "n=user,r=rOprNGfwEbeRWgbNEkqO,");
	ck_assert_int_eq(scram_client_challenge(&c, BYTES(rfc_challenge), &e),
	    0);
	ck_assert_uint_eq(c.iterations, 4096);
	ck_assert_uint_eq(c.salt_len, 16);
	derive("pencil", c.salt, c.salt_len, c.iterations, &keys);
	ck_assert_int_eq(scram_client_final(&c, &keys, &reply), 0);
	ck_assert_str_eq(buf_cstr(&reply), rfc_final);
	ck_assert_int_eq(scram_client_verify(&c, BYTES(rfc_verify), &e), 0);
	ck_assert_int_eq(scram_client_verify(&c,
	    BYTES("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="), &e),
	    ERR_AUTH);
	ck_assert_str_eq(e.msg, "invalid server signature");
	scram_client_release(&c);
	buf_release(&reply);
}
END_TEST

/* Secrets that PostgreSQL 15 made by CREATE USER ... PASSWORD. */
START_TEST(postgresql_secrets)
{
	static const struct {
		const char	*password, *secret;
	} v[] = {
		{ "secret", "SCRAM-SHA-256$4096:nycI1c5HqDqdC89toyvDZg==$"
		    "l6kN5q3XEi2Fq07u1m3niY1Gdt0nqOjs6r+7oqx/Vs8=:"
		    "KUhtyXyo6zJWJCkwNpgfaar3l5z4evr1RHuSGNNgfUc=" },
		{ "Gr\xc3\xb6\xc3\x9f" "e",
		    "SCRAM-SHA-256$4096:YAEfAytDgRmQyLUTnHRW9Q==$"
		    "MpJZfKpRcLAIMuSkdnCkAhi1wtA8SYI6QPCoLjhwqdQ=:"
		    "sRYLhEOCuoXGG6MCFVzzfuS0gQRK69gWPZrG8260GTA=" },
		{ "Gro\xcc\x88\xc3\x9f" "e",	/* decomposed */
		    "SCRAM-SHA-256$4096:LwAgl/7VX2bBgdEsNdpafA==$"
		    "8rBBQG1ut6osrqonWHzmEq6iRPLyJ3J/+ZqQDKGOcnw=:"
		    "ffde1sfBiCUp7xNQnhNjb8W9qFOKn80HZzs263H2jzw=" },
		{ "\xef\xac\x81n\xc2\xa0x\xc2\xady", /* ligature, hyphen */
		    "SCRAM-SHA-256$4096:s5uYyo8OjI46FGKQ1TaApw==$"
		    "C77Ndjog3uIWjVeWnHXrSwZaUguaW6K5sQwQqttmbXw=:"
		    "IwgHY0CFyqAFzsLwjB5JO8nVhTTiY2J9b/jZ2ALT2gU=" },
		{ "bad\a\xc3\xa9",		/* prohibited: as it is */
		    "SCRAM-SHA-256$4096:afusIeR/ikDTTNWkdIoDHQ==$"
		    "fTu7Bjjkm/MZtVqkSuwv5zHcsVZvF5xrxapbv264xRI=:"
		    "zBbILavUG+O45bbbPde8t45e3BzBS0KqIU3RWzty4Bw=" },
		{ "long long long long long long long long long long long "
		    "long long long long long long long long long long long "
		    "long long long long long long long long ",
		    "SCRAM-SHA-256$4096:n593OLOgZqVfug62V57zng==$"
		    "cWazEqVplaqLwChLpVE79N+AZqxRFaHihKQf09DydCA=:"
		    "eaJ+hN8Age669wlOKMe6apa16RdmfmCE5VwWyBj2WLg=" },
		{ "\xd8\xa7" "1",		/* two directions */
		    "SCRAM-SHA-256$4096:xDEEN8Rz8QW6L+Wt0+YPNw==$"
		    "EC/WyOB3dum/HZ4ZICpWqxDOhpHaPZ3kdF9cpXeTbEI=:"
		    "6gPAVQ0akSzWsH4GtHvnGt+YiC68s9pDcUF1Aex1C8E=" }
	};
	struct scram_secret s;
	struct scram_keys keys;
	struct buf	b = { 0 };
	size_t		i;

	for (i = 0; i < ARRAY_LEN(v); i++) {
		ck_assert_int_eq(scram_secret_parse(v[i].secret, &s), 0);
		buf_clear(&b);
		scram_secret_print(&s, &b);
		ck_assert_str_eq(buf_cstr(&b), v[i].secret);
		derive(v[i].password, s.salt, s.salt_len, s.iterations,
		    &keys);
		ck_assert_msg(scram_keys_match(&keys, &s), "%s",
		    v[i].password);
		keys.server_key[31] ^= 1;
		ck_assert(!scram_keys_match(&keys, &s));
		keys.server_key[31] ^= 1;
		keys.client_key[0] ^= 1;
		ck_assert(!scram_keys_match(&keys, &s));
	}
	buf_release(&b);
}
END_TEST

START_TEST(bad_secrets)
{
	static const char good[] =
	    "SCRAM-SHA-256$4096:nycI1c5HqDqdC89toyvDZg==$"
	    "l6kN5q3XEi2Fq07u1m3niY1Gdt0nqOjs6r+7oqx/Vs8=:"
	    "KUhtyXyo6zJWJCkwNpgfaar3l5z4evr1RHuSGNNgfUc=";
	static const char *const bad[] = { "", "secret", "SCRAM-SHA-256",
	    "SCRAM-SHA-256$", "SCRAM-SHA-256$4096", "SCRAM-SHA-256$4096:x",
	    "SCRAM-SHA-256$0:nycI1c5HqDqdC89toyvDZg==$"
	    "l6kN5q3XEi2Fq07u1m3niY1Gdt0nqOjs6r+7oqx/Vs8=:"
	    "KUhtyXyo6zJWJCkwNpgfaar3l5z4evr1RHuSGNNgfUc=",
	    "SCRAM-SHA-256$2147483648:nycI1c5HqDqdC89toyvDZg==$"
	    "l6kN5q3XEi2Fq07u1m3niY1Gdt0nqOjs6r+7oqx/Vs8=:"
	    "KUhtyXyo6zJWJCkwNpgfaar3l5z4evr1RHuSGNNgfUc=",
	    "SCRAM-SHA-256$-1:nycI1c5HqDqdC89toyvDZg==$"
	    "l6kN5q3XEi2Fq07u1m3niY1Gdt0nqOjs6r+7oqx/Vs8=:"
	    "KUhtyXyo6zJWJCkwNpgfaar3l5z4evr1RHuSGNNgfUc=",
	    "SCRAM-SHA-256$4096:$"
	    "l6kN5q3XEi2Fq07u1m3niY1Gdt0nqOjs6r+7oqx/Vs8=:"
	    "KUhtyXyo6zJWJCkwNpgfaar3l5z4evr1RHuSGNNgfUc=",
	    "SCRAM-SHA-256$4096:nycI1c5HqDqdC89toyvDZg==$l6kN:KUht",
	    "SCRAM-SHA-1$4096:nycI1c5HqDqdC89toyvDZg==$"
	    "l6kN5q3XEi2Fq07u1m3niY1Gdt0nqOjs6r+7oqx/Vs8=:"
	    "KUhtyXyo6zJWJCkwNpgfaar3l5z4evr1RHuSGNNgfUc=" };
	struct scram_secret s;
	struct scram_keys keys;
	char	text[sizeof(good) + 8];
	size_t	i;

	for (i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(scram_secret_parse(bad[i], &s) == ERR_FORMAT,
		    "%s", bad[i]);
	for (i = 0; i < sizeof(good) - 1; i++) {
		memcpy(text, good, sizeof(good));
		text[i] = '\0';
		ck_assert_int_eq(scram_secret_parse(text, &s), ERR_FORMAT);
	}
	snprintf(text, sizeof(text), "%s ", good);
	ck_assert_int_eq(scram_secret_parse(text, &s), ERR_FORMAT);
	/* A salt as long as a whole memory page does not fit. */
	{
		struct buf	b = { 0 };
		unsigned char	salt[SCRAM_SALT_MAX + 3] = { 1 };

		buf_append_str(&b, "SCRAM-SHA-256$4096:");
		base64_encode(&b, salt, sizeof(salt));
		buf_append_str(&b, good + 43);
		ck_assert_int_eq(scram_secret_parse(buf_cstr(&b), &s),
		    ERR_FORMAT);
		buf_release(&b);
	}
	memset(&keys, 0, sizeof(keys));
	ck_assert_int_eq(scram_secret_parse(good, &s), 0);
	ck_assert(!scram_keys_match(&keys, &s));
}
END_TEST

START_TEST(work_has_limits)
{
	static char	  password[65531];
	struct scram_work w;
	unsigned char	  salt[SCRAM_SALT_MAX + 1] = { 0 };

	ck_assert_int_eq(scram_work_init(&w, "x", salt, 16, 0), ERR_LIMIT);
	ck_assert_int_eq(scram_work_init(&w, "x", salt, 16,
	    SCRAM_ITERATIONS_MAX + 1), ERR_LIMIT);
	ck_assert_int_eq(scram_work_init(&w, "x", salt, 0, 1), ERR_LIMIT);
	ck_assert_int_eq(scram_work_init(&w, "x", salt, sizeof(salt), 1),
	    ERR_LIMIT);
	memset(password, 'p', sizeof(password) - 1);
	ck_assert_int_eq(scram_work_init(&w, password, salt, SCRAM_SALT_MAX,
	    1), 0);
	ck_assert_int_eq(scram_work_run(&w), 0);
	ck_assert_int_eq(scram_work_init(&w, "", salt, 1, 1), 0);
	ck_assert_int_eq(scram_work_run(&w), 0);
	scram_work_wipe(&w);
	ck_assert_uint_eq(w.password_len, 0);
	ck_assert_uint_eq(w.iterations, 0);
}
END_TEST

/* Our two sides against each other; returns the result of _final(). */
static int
exchange(const char *password, const struct scram_secret *secret, bool mock,
    struct err *e)
{
	struct scram_server s;
	struct scram_client c;
	struct scram_keys keys;
	struct buf	up = { 0 }, down = { 0 };
	int		rc;

	scram_server_init(&s, secret, mock, nonce_b);
	scram_client_init(&c, nonce_a);
	ck_assert_int_eq(scram_client_first(&c, &up), 0);
	ck_assert_int_eq(scram_server_first(&s, buf_bytes(&up), buf_len(&up),
	    &down, e), 0);
	ck_assert_int_eq(scram_client_challenge(&c, buf_bytes(&down),
	    buf_len(&down), e), 0);
	buf_clear(&up);
	buf_clear(&down);
	derive(password, c.salt, c.salt_len, c.iterations, &keys);
	ck_assert_int_eq(scram_client_final(&c, &keys, &up), 0);
	rc = scram_server_final(&s, buf_bytes(&up), buf_len(&up), &down, e);
	if (rc == 0) {
		ck_assert_int_eq(scram_client_verify(&c, buf_bytes(&down),
		    buf_len(&down), e), 0);
		ck_assert_mem_eq(&s.keys, &keys, sizeof(keys));
	} else {
		ck_assert_uint_eq(buf_len(&down), 0);
	}
	scram_server_release(&s);
	scram_client_release(&c);
	buf_release(&up);
	buf_release(&down);
	return rc;
}

START_TEST(both_sides)
{
	struct scram_secret s, again;
	unsigned char	key[32] = "the key of the process";
	struct err	e;

	make_secret("sesame", 100, &s);
	ck_assert_int_eq(exchange("sesame", &s, false, &e), 0);
	ck_assert_int_eq(exchange("Sesame", &s, false, &e), ERR_AUTH);
	ck_assert_str_eq(e.msg, "");
	ck_assert_int_eq(exchange("", &s, false, &e), ERR_AUTH);
	/* A mock fails even with a secret that would do. */
	ck_assert_int_eq(exchange("sesame", &s, true, &e), ERR_AUTH);

	scram_secret_mock("nobody", key, 4096, &s);
	scram_secret_mock("nobody", key, 4096, &again);
	ck_assert_mem_eq(&s, &again, sizeof(s));
	ck_assert_uint_eq(s.salt_len, SCRAM_SALT_LEN);
	ck_assert_int_eq(exchange("", &s, true, &e), ERR_AUTH);
	scram_secret_mock("nobodx", key, 4096, &again);
	ck_assert_mem_ne(s.salt, again.salt, SCRAM_SALT_LEN);
	key[31] ^= 1;
	scram_secret_mock("nobody", key, 4096, &again);
	ck_assert_mem_ne(s.salt, again.salt, SCRAM_SALT_LEN);
}
END_TEST

static void
expect_first(const char *msg, size_t n, int rc, const char *text)
{
	struct scram_secret secret;
	struct scram_server s;
	struct buf	reply = { 0 };
	struct err	e = { 0 };

	memset(&secret, 0, sizeof(secret));
	secret.iterations = 4096;
	secret.salt_len = 16;
	scram_server_init(&s, &secret, false, nonce_b);
	ck_assert_int_eq(scram_server_first(&s, msg, n, &reply, &e), rc);
	if (rc != 0) {
		ck_assert_str_eq(e.msg, text);
		ck_assert_uint_eq(buf_len(&reply), 0);
	} else {
		ck_assert_str_eq(buf_cstr(&reply), text);
	}
	scram_server_release(&s);
	buf_release(&reply);
}

START_TEST(client_first_messages)
{
	static const struct {
		const char	*msg, *text;
	} bad[] = {
		{ "p=tls-server-end-point,,n=,r=x", "client requires SCRAM "
		    "channel binding, but it is not supported" },
		{ "x,,n=,r=x", "malformed SCRAM message (unexpected "
		    "channel-binding flag \"'x'\")" },
		{ "\x01", "malformed SCRAM message (unexpected "
		    "channel-binding flag \"0x01\")" },
		{ "n", "malformed SCRAM message (comma expected, but found "
		    "character \"0x00\")" },
		{ "nn", "malformed SCRAM message (comma expected, but found "
		    "character \"'n'\")" },
		{ "n,a=me,n=,r=x", "client uses authorization identity, but "
		    "it is not supported" },
		{ "n,b,n=,r=x", "malformed SCRAM message (unexpected "
		    "attribute \"'b'\" in client-first-message)" },
		{ "n,", "malformed SCRAM message (unexpected "
		    "attribute \"0x00\" in client-first-message)" },
		{ "n,,m=1,n=,r=x", "client requires an unsupported SCRAM "
		    "extension" },
		{ "n,,", "malformed SCRAM message (attribute \"n\" "
		    "expected)" },
		{ "n,,r=x", "malformed SCRAM message (attribute \"n\" "
		    "expected)" },
		{ "n,,n", "malformed SCRAM message (expected \"=\" after "
		    "attribute \"n\")" },
		{ "n,,n=x", "malformed SCRAM message (attribute \"r\" "
		    "expected)" },
		{ "n,,n=x,r", "malformed SCRAM message (expected \"=\" after "
		    "attribute \"r\")" },
		{ "n,,n=x,r=", "non-printable characters in SCRAM nonce" },
		{ "n,,n=x,r=a b", "non-printable characters in SCRAM nonce" },
		{ "n,,n=x,r=a\xff", "non-printable characters in SCRAM "
		    "nonce" },
		{ "n,,n=x,r=a,1=b", "malformed SCRAM message (attribute "
		    "expected, but found invalid character \"'1'\")" },
		{ "n,,n=x,r=a,x", "malformed SCRAM message (expected "
		    "character \"=\" after attribute \"x\")" }
	};
	static char long_one[SCRAM_MESSAGE_MAX + 1];
	size_t	i;

	for (i = 0; i < ARRAY_LEN(bad); i++)
		expect_first(bad[i].msg, strlen(bad[i].msg), ERR_PROTOCOL,
		    bad[i].text);
	expect_first("", 0, ERR_PROTOCOL, "malformed SCRAM message "
	    "(bad length)");
	expect_first(BYTES("n,,n=\0,r=x"), ERR_PROTOCOL, "malformed SCRAM "
	    "message (bad length)");
	memset(long_one, 'n', sizeof(long_one));
	memcpy(long_one, "n,,n=,r=", 8);
	expect_first(long_one, sizeof(long_one), ERR_PROTOCOL,
	    "malformed SCRAM message (bad length)");
	expect_first(BYTES("n,,n=al,r=x"), 0, "r=xc2VydmVyJ3Mgbm9uY2UuLi4u,"
	    "s=AAAAAAAAAAAAAAAAAAAAAA==,i=4096");
	expect_first(BYTES("y,,n=,r=x,a=b,c="), 0,
	    "r=xc2VydmVyJ3Mgbm9uY2UuLi4u,"
	    "s=AAAAAAAAAAAAAAAAAAAAAA==,i=4096");
}
END_TEST

static void
expect_final(const char *msg, size_t n, int rc, const char *text)
{
	struct scram_server s;
	struct buf	reply = { 0 };
	struct err	e = { 0 };

	rfc_server(&s);
	ck_assert_int_eq(scram_server_final(&s, msg, n, &reply, &e), rc);
	ck_assert_str_eq(e.msg, text);
	ck_assert_uint_eq(buf_len(&reply), 0);
	scram_server_release(&s);
	buf_release(&reply);
}

START_TEST(client_final_messages)
{
#define NONCE "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define PROOF "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	static const struct {
		const char	*msg, *text;
	} bad[] = {
		{ NONCE "," PROOF, "malformed SCRAM message (attribute \"c\" "
		    "expected)" },
		{ "c=eSws," NONCE "," PROOF, "unexpected SCRAM "
		    "channel-binding attribute in client-final-message" },
		{ "c=," NONCE "," PROOF, "unexpected SCRAM "
		    "channel-binding attribute in client-final-message" },
		{ "c=biws", "malformed SCRAM message (attribute \"r\" "
		    "expected)" },
		{ "c=biws," PROOF, "malformed SCRAM message (attribute \"r\" "
		    "expected)" },
		{ "c=biws,r=," PROOF, "invalid SCRAM response (nonce does "
		    "not match)" },
		{ "c=biws," NONCE "x," PROOF, "invalid SCRAM response "
		    "(nonce does not match)" },
		{ "c=biws,r=rOprNGfwEbeRWgbNEkqO," PROOF, "invalid SCRAM "
		    "response (nonce does not match)" },
		{ "c=biws," NONCE, "could not read proof" },
		{ "c=biws," NONCE ",", "could not read proof" },
		{ "c=biws," NONCE ",x=y", "could not read proof" },
		{ "c=biws," NONCE ",x=y,1=2", "malformed SCRAM message "
		    "(attribute expected, but found invalid character "
		    "\"'1'\")" },
		{ "c=biws," NONCE ",p", "malformed SCRAM message (expected "
		    "character \"=\" after attribute \"p\")" },
		{ "c=biws," NONCE ",p=", "malformed SCRAM message (malformed "
		    "proof in client-final-message)" },
		{ "c=biws," NONCE ",p=Zm9v", "malformed SCRAM message "
		    "(malformed proof in client-final-message)" },
		{ "c=biws," NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7"
		    "AndVQA", "malformed SCRAM message (malformed proof in "
		    "client-final-message)" },
		{ "c=biws," NONCE ",p=dHzbZapWIk4jUhN", "malformed SCRAM "
		    "message (malformed proof in client-final-message)" },
		{ "c=biws," NONCE "," PROOF ",", "malformed SCRAM message "
		    "(garbage at the end of client-final-message)" },
		{ "c=biws," NONCE "," PROOF ",x=y", "malformed SCRAM message "
		    "(garbage at the end of client-final-message)" }
	};
	size_t	i;

	for (i = 0; i < ARRAY_LEN(bad); i++)
		expect_final(bad[i].msg, strlen(bad[i].msg), ERR_PROTOCOL,
		    bad[i].text);
	expect_final("", 0, ERR_PROTOCOL, "malformed SCRAM message "
	    "(bad length)");
	expect_final(BYTES("c=biws," NONCE "\0," PROOF), ERR_PROTOCOL,
	    "malformed SCRAM message (bad length)");
	/* An extension changes AuthMessage, a bit changes the proof. */
	expect_final(BYTES("c=biws," NONCE ",x=y," PROOF), ERR_AUTH, "");
	expect_final(BYTES("c=biws," NONCE ",p=eHzbZapWIk4jUhN+Ute9ytag9zjfMH"
	    "gsqmmiz7AndVQ="), ERR_AUTH, "");
}
END_TEST

static void
expect_challenge(const char *msg, size_t n, int rc, const char *text)
{
	struct scram_client c;
	struct buf	reply = { 0 };
	struct err	e = { 0 };

	scram_client_init(&c, nonce_a);
	ck_assert_int_eq(scram_client_first(&c, &reply), 0);
	ck_assert_int_eq(scram_client_challenge(&c, msg, n, &e), rc);
	ck_assert_str_eq(e.msg, text);
	scram_client_release(&c);
	buf_release(&reply);
}

START_TEST(server_first_messages)
{
#define OURS "r=Y2xpZW50J3Mgbm9uY2UuLi4u"
	static const struct {
		const char	*msg, *text;
	} bad[] = {
		{ "s=Zm9v", "malformed SCRAM message (attribute \"r\" "
		    "expected)" },
		{ "m=x," OURS "S,s=Zm9v,i=1", "malformed SCRAM message "
		    "(attribute \"r\" expected)" },
		{ OURS ",s=Zm9v,i=1", "invalid SCRAM response (nonce "
		    "mismatch)" },
		{ "r=x,s=Zm9v,i=1", "invalid SCRAM response (nonce "
		    "mismatch)" },
		{ "r=Z2xpZW50J3Mgbm9uY2UuLi4uS,s=Zm9v,i=1", "invalid SCRAM "
		    "response (nonce mismatch)" },
		{ OURS "S", "malformed SCRAM message (attribute \"s\" "
		    "expected)" },
		{ OURS "S,s=,i=1", "malformed SCRAM message (invalid salt)" },
		{ OURS "S,s=Zm9,i=1", "malformed SCRAM message (invalid "
		    "salt)" },
		{ OURS "S,s=Zm9v", "malformed SCRAM message (attribute \"i\" "
		    "expected)" },
		{ OURS "S,s=Zm9v,i=", "malformed SCRAM message (invalid "
		    "iteration count)" },
		{ OURS "S,s=Zm9v,i=0", "malformed SCRAM message (invalid "
		    "iteration count)" },
		{ OURS "S,s=Zm9v,i=-4096", "malformed SCRAM message (invalid "
		    "iteration count)" },
		{ OURS "S,s=Zm9v,i=4096x", "malformed SCRAM message (invalid "
		    "iteration count)" },
		{ OURS "S,s=Zm9v,i=1000001", "malformed SCRAM message "
		    "(invalid iteration count)" },
		{ OURS "S,s=Zm9v,i=4294967297", "malformed SCRAM message "
		    "(invalid iteration count)" },
		{ OURS "S,s=Zm9v,i=99999999999999999999", "malformed SCRAM "
		    "message (invalid iteration count)" },
		{ OURS "S,s=Zm9v,i=1,", "malformed SCRAM message (garbage "
		    "at end of server-first-message)" },
		{ OURS "S,s=Zm9v,i=1,x=y", "malformed SCRAM message (garbage "
		    "at end of server-first-message)" }
	};
	unsigned char	salt[SCRAM_SALT_MAX + 3] = { 0 };
	struct buf	b = { 0 };
	size_t		i;

	for (i = 0; i < ARRAY_LEN(bad); i++)
		expect_challenge(bad[i].msg, strlen(bad[i].msg), ERR_PROTOCOL,
		    bad[i].text);
	expect_challenge("", 0, ERR_PROTOCOL,
	    "malformed SCRAM message (bad length)");
	expect_challenge(BYTES(OURS "S,s=Zm9v\0,i=1"), ERR_PROTOCOL,
	    "malformed SCRAM message (bad length)");
	buf_append_str(&b, OURS "S,s=");
	base64_encode(&b, salt, sizeof(salt));
	buf_append_str(&b, ",i=1");
	expect_challenge(buf_bytes(&b), buf_len(&b), ERR_PROTOCOL,
	    "malformed SCRAM message (invalid salt)");
	buf_release(&b);
	expect_challenge(BYTES(OURS "S,s=Zm9v,i=1000000"), 0, "");
}
END_TEST

START_TEST(server_final_messages)
{
	static const struct {
		const char	*msg, *text;
	} bad[] = {
		{ "e=other-error", "error received from server in SCRAM "
		    "exchange: other-error" },
		{ "e=a\nb\x1b[2J", "error received from server in SCRAM "
		    "exchange: a?b?[2J" },
		{ "e", "malformed SCRAM message (expected \"=\" after "
		    "attribute \"e\")" },
		{ "x=y", "malformed SCRAM message (attribute \"v\" "
		    "expected)" },
		{ "v=", "malformed SCRAM message (malformed server "
		    "signature)" },
		{ "v=Zm9v", "malformed SCRAM message (malformed server "
		    "signature)" },
		{ "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4",
		    "malformed SCRAM message (malformed server signature)" },
		{ "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=,",
		    "malformed SCRAM message (garbage at end of "
		    "server-final-message)" },
		{ "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=,x=y",
		    "malformed SCRAM message (garbage at end of "
		    "server-final-message)" }
	};
	struct scram_client c;
	struct err	e;
	size_t		i;

	for (i = 0; i < ARRAY_LEN(bad); i++) {
		scram_client_init(&c, nonce_a);
		ck_assert_int_eq(scram_client_verify(&c, bad[i].msg,
		    strlen(bad[i].msg), &e), ERR_PROTOCOL);
		ck_assert_str_eq(e.msg, bad[i].text);
		scram_client_release(&c);
	}
}
END_TEST

START_TEST(md5)
{
	char	out[SCRAM_MD5_LEN + 1];

	/* As PostgreSQL 15 stored it for user m1. */
	ck_assert_int_eq(scram_md5_secret("m1", "secret", out), 0);
	ck_assert_str_eq(out, "md5132ecbcbfa11be529b63ea4c4e734056");
	ck_assert(scram_is_md5(out));
	/* echo -n '132ecbcbfa11be529b63ea4c4e734056salt' | md5sum */
	ck_assert_int_eq(scram_md5_answer(
	    "md5132ecbcbfa11be529b63ea4c4e734056",
	    (const unsigned char *)"salt", out), 0);
	ck_assert_str_eq(out, "md5791bbe18e78b8e40078bb833cdc827f0");

	ck_assert(!scram_is_md5(""));
	ck_assert(!scram_is_md5("md5"));
	ck_assert(!scram_is_md5("md5132ECBCBFA11BE529B63EA4C4E734056"));
	ck_assert(!scram_is_md5("md5132ecbcbfa11be529b63ea4c4e73405"));
	ck_assert(!scram_is_md5("md5132ecbcbfa11be529b63ea4c4e7340566"));
	ck_assert(!scram_is_md5("md6132ecbcbfa11be529b63ea4c4e734056"));

	ck_assert(scram_equal("", ""));
	ck_assert(scram_equal("abc", "abc"));
	ck_assert(!scram_equal("abc", "abd"));
	ck_assert(!scram_equal("abc", "ab"));
	ck_assert(!scram_equal("ab", "abc"));
	ck_assert(!scram_equal("abab", "ab"));
	ck_assert(!scram_equal("", "abc"));
	ck_assert(!scram_equal("abc", ""));
}
END_TEST

UNIT_MAIN("scram", rfc7677_server, rfc7677_client, postgresql_secrets,
    bad_secrets, work_has_limits, both_sides, client_first_messages,
    client_final_messages, server_first_messages, server_final_messages, md5)
