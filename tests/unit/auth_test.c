/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/auth.h"

#include <string.h>

#include "common/wire.h"
#include "tests/unit/unit.h"

#define BYTES(s)	(s), sizeof(s) - 1

/* Made by PostgreSQL 15 for user s1 with password "secret". */
static const char scram_secret[] =
    "SCRAM-SHA-256$4096:nycI1c5HqDqdC89toyvDZg==$"
    "l6kN5q3XEi2Fq07u1m3niY1Gdt0nqOjs6r+7oqx/Vs8=:"
    "KUhtyXyo6zJWJCkwNpgfaar3l5z4evr1RHuSGNNgfUc=";
/* Made by PostgreSQL 15 for user m1 with password "secret". */
static const char md5_secret[] = "md5132ecbcbfa11be529b63ea4c4e734056";

static const unsigned char mock_key[32] = "the key of this process, secret";
static const unsigned char nonce[SCRAM_NONCE_LEN] = "nonce of the serve";

static struct client_auth_params
params(enum auth_method method, const char *user, const char *secret)
{
	struct client_auth_params p = { .method = method, .user = user,
	    .known = secret != NULL, .secret = secret, .iterations = 100,
	    .mock_key = mock_key };

	memset(&p.random, 7, sizeof(p.random));
	return p;
}

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

/* Hands each 'R' message in `down` to the server_auth. */
static enum auth_result
deliver(struct server_auth *s, struct buf *down, struct buf *up,
    struct err *e)
{
	enum auth_result r = AUTH_MORE;
	struct wire_header h;

	while (buf_len(down) > 0) {
		ck_assert_int_eq(r, AUTH_MORE);
		ck_assert_int_eq(wire_header_get(buf_bytes(down),
		    buf_len(down), WIRE_MAX_BODY, &h), 0);
		ck_assert_int_eq(h.type, WIRE_BE_AUTH);
		r = server_auth_message(s, buf_bytes(down) + WIRE_HEADER_LEN,
		    h.body, up, e);
		buf_consume(down, WIRE_HEADER_LEN + h.body);
		if (r == AUTH_WORK)
			r = server_auth_worked(s, scram_work_run(&s->work),
			    up, e);
	}
	return r;
}

/*
 * A login of `given` against `p`: our server_auth plays the client. Returns
 * how it ended for client_auth; *result2 is the other side's end.
 */
struct login {
	struct client_auth client;
	struct server_auth server;
	enum auth_result result;
	struct err	 err, server_err;
	unsigned	 works;
};

static void
log_in(struct login *l, const struct client_auth_params *p,
    const struct auth_credentials *given)
{
	struct buf	up = { 0 }, down = { 0 };
	enum auth_result there;
	const char	*body;
	size_t		n;

	memset(l, 0, sizeof(*l));
	server_auth_init(&l->server, p->user, given, nonce);
	l->result = client_auth_begin(&l->client, p, &down, &l->err);
	for (;;) {
		there = deliver(&l->server, &down, &up, &l->server_err);
		if (l->result != AUTH_MORE || there == AUTH_FAIL)
			break;
		body = only_message(&up, WIRE_FE_PASSWORD, &n);
		l->result = client_auth_message(&l->client, body, n, &down,
		    &l->err);
		buf_clear(&up);
		if (l->result == AUTH_WORK) {
			l->works++;
			ck_assert_uint_eq(buf_len(&down), 0);
			l->result = client_auth_worked(&l->client,
			    scram_work_run(&l->client.work), &down, &l->err);
		}
	}
	if (l->result == AUTH_OK)
		ck_assert_int_eq(there, AUTH_OK);
	if (l->result == AUTH_FAIL) {
		ck_assert_str_eq(l->client.sqlstate, "08P01");
		ck_assert_uint_eq(buf_len(&down), 0);
	}
	buf_release(&up);
	buf_release(&down);
}

static void
log_out(struct login *l)
{
	client_auth_release(&l->client);
	server_auth_release(&l->server);
}

START_TEST(kinds)
{
	struct auth_credentials c = { 0 }, d = { 0 };

	ck_assert_int_eq(auth_kind_of(NULL), AUTH_KIND_NONE);
	ck_assert_int_eq(auth_kind_of(""), AUTH_KIND_NONE);
	ck_assert_int_eq(auth_kind_of("secret"), AUTH_KIND_PLAIN);
	ck_assert_int_eq(auth_kind_of("md5secret"), AUTH_KIND_PLAIN);
	ck_assert_int_eq(auth_kind_of("SCRAM-SHA-256$x"), AUTH_KIND_PLAIN);
	ck_assert_int_eq(auth_kind_of(md5_secret), AUTH_KIND_MD5);
	ck_assert_int_eq(auth_kind_of(scram_secret), AUTH_KIND_SCRAM);

	ck_assert_int_eq(auth_credentials_set(&c, "a secret"), 0);
	c.has_keys = true;
	c.keys.client_key[3] = 9;
	ck_assert_int_eq(auth_credentials_copy(&d, &c), 0);
	ck_assert_int_eq(d.kind, AUTH_KIND_PLAIN);
	ck_assert_str_eq(buf_cstr(&d.text), "a secret");
	ck_assert(d.has_keys);
	ck_assert_mem_eq(&c.keys, &d.keys, sizeof(c.keys));
	ck_assert_int_eq(auth_credentials_set(&c, NULL), 0);
	ck_assert_int_eq(c.kind, AUTH_KIND_NONE);
	ck_assert(!c.has_keys);
	ck_assert_int_eq(auth_credentials_copy(&d, &c), 0);
	ck_assert_uint_eq(buf_len(&d.text), 0);
	auth_credentials_release(&c);
	auth_credentials_release(&d);
}
END_TEST

/* Every method with every form of stored secret, right and wrong. */
START_TEST(logins)
{
	static const char md5_of_al[] =
	    "md5" "aadbfc6b4833c7d06e5d120b81d4b424";
	static const struct {
		enum auth_method method;
		const char	*secret, *given;
		bool		 scram;	/* given has the secret's keys */
		const char	*reason, *log;
		unsigned	 works;
	} v[] = {
#define PW_FAILED	"password authentication failed"
#define SASL_FAILED	"SASL authentication failed"
		{ AUTH_METHOD_ANY, NULL, "", false, NULL, "", 0 },
		{ AUTH_METHOD_TRUST, "", "", false, NULL, "", 0 },
		{ AUTH_METHOD_TRUST, "secret", "", false, NULL, "", 0 },
		{ AUTH_METHOD_TRUST, NULL, "", false,
		    "\"trust\" authentication failed", "", 0 },

		{ AUTH_METHOD_PLAIN, "secret", "secret", false, NULL, "", 1 },
		{ AUTH_METHOD_PLAIN, md5_of_al, "asdasd", false, NULL, "", 1 },
		{ AUTH_METHOD_PLAIN, scram_secret, "secret", false, NULL, "",
		    1 },
		{ AUTH_METHOD_PLAIN, "secret", "Secret", false, PW_FAILED, "", 1 },
		{ AUTH_METHOD_PLAIN, md5_of_al, "x", false, PW_FAILED, "", 1 },
		{ AUTH_METHOD_PLAIN, scram_secret, "x", false, PW_FAILED, "", 1 },
		{ AUTH_METHOD_PLAIN, "", "x", false, PW_FAILED, "", 1 },
		{ AUTH_METHOD_PLAIN, NULL, "x", false, PW_FAILED, "",
		    1 },
		{ AUTH_METHOD_PLAIN, "secret", "", false,
		    "empty password returned by client", "", 0 },
		{ AUTH_METHOD_PLAIN, NULL, "", false,
		    "empty password returned by client", "", 0 },

		{ AUTH_METHOD_MD5, "secret", "secret", false, NULL, "", 0 },
		{ AUTH_METHOD_MD5, md5_of_al, "asdasd", false, NULL, "", 0 },
		{ AUTH_METHOD_MD5, md5_of_al, md5_of_al, false, NULL, "", 0 },
		{ AUTH_METHOD_MD5, scram_secret, "secret", false, NULL, "",
		    0 },
		{ AUTH_METHOD_MD5, "secret", "x", false, PW_FAILED, "",
		    0 },
		{ AUTH_METHOD_MD5, md5_of_al, md5_secret, false, PW_FAILED, "", 0 },
		{ AUTH_METHOD_MD5, scram_secret, "x", false, SASL_FAILED,
		    PW_FAILED,
		    0 },
		{ AUTH_METHOD_MD5, "", "", false, PW_FAILED, "", 0 },
		{ AUTH_METHOD_MD5, NULL, "x", false, PW_FAILED, "", 0 },

		{ AUTH_METHOD_SCRAM, "secret", "secret", false, NULL, "", 1 },
		{ AUTH_METHOD_SCRAM, scram_secret, "secret", false, NULL, "",
		    0 },
		{ AUTH_METHOD_SCRAM, scram_secret, scram_secret, true, NULL,
		    "", 0 },
		{ AUTH_METHOD_SCRAM, "secret", "x", false, SASL_FAILED,
		    PW_FAILED,
		    1 },
		{ AUTH_METHOD_SCRAM, scram_secret, "x", false, SASL_FAILED,
		    PW_FAILED, 0 },
		{ AUTH_METHOD_SCRAM, md5_of_al, "asdasd", false, SASL_FAILED,
		    "SCRAM authentication failed: user has MD5 secret", 0 },
		{ AUTH_METHOD_SCRAM, "", "", false, SASL_FAILED,
		    PW_FAILED, 0 },
		{ AUTH_METHOD_SCRAM, NULL, "x", false, SASL_FAILED,
		    PW_FAILED, 0 }
	};
	struct auth_credentials given = { 0 };
	struct client_auth_params p;
	struct scram_secret s;
	struct scram_work w;
	struct login	l;
	size_t		i;

	ck_assert_int_eq(scram_secret_parse(scram_secret, &s), 0);
	ck_assert_int_eq(scram_work_init(&w, "secret", s.salt, s.salt_len,
	    s.iterations), 0);
	ck_assert_int_eq(scram_work_run(&w), 0);
	for (i = 0; i < ARRAY_LEN(v); i++) {
		p = params(v[i].method, "al", v[i].secret);
		ck_assert_int_eq(auth_credentials_set(&given, v[i].given), 0);
		given.has_keys = v[i].scram;
		given.keys = w.keys;
		log_in(&l, &p, &given);
		ck_assert_msg(l.works == v[i].works, "%zu: %u works", i,
		    l.works);
		if (v[i].reason == NULL) {
			ck_assert_msg(l.result == AUTH_OK, "%zu: %s", i,
			    l.client.reason);
		} else {
			ck_assert_msg(l.result == AUTH_FAIL, "%zu", i);
			ck_assert_str_eq(l.client.reason, v[i].reason);
			ck_assert_str_eq(l.err.msg, v[i].log);
		}
		log_out(&l);
	}
	auth_credentials_release(&given);
}
END_TEST

/* What a client's login leaves for the server's. */
START_TEST(credentials_after_login)
{
	struct auth_credentials given = { 0 }, out = { 0 };
	struct client_auth_params p;
	struct login	l;

	ck_assert_int_eq(auth_credentials_set(&given, "secret"), 0);
	p = params(AUTH_METHOD_SCRAM, "s1", scram_secret);
	log_in(&l, &p, &given);
	ck_assert_int_eq(client_auth_take_credentials(&l.client, &out), 0);
	ck_assert_int_eq(out.kind, AUTH_KIND_SCRAM);
	ck_assert(out.has_keys);
	ck_assert_ptr_null(client_auth_fresh_secret(&l.client));
	log_out(&l);
	/* The keys log in where only the secret is known. */
	log_in(&l, &p, &out);
	ck_assert_int_eq(l.result, AUTH_OK);
	log_out(&l);
	/* The secret alone does not. */
	out.has_keys = false;
	log_in(&l, &p, &out);
	ck_assert_int_eq(l.result, AUTH_MORE);
	ck_assert_str_eq(l.server.reason,
	    "server login failed: wrong password type");
	log_out(&l);

	/* Typed in clear: good for every server. */
	p.method = AUTH_METHOD_PLAIN;
	log_in(&l, &p, &given);
	ck_assert_int_eq(client_auth_take_credentials(&l.client, &out), 0);
	ck_assert_int_eq(out.kind, AUTH_KIND_PLAIN);
	ck_assert_str_eq(buf_cstr(&out.text), "secret");
	ck_assert(!out.has_keys);
	log_out(&l);

	p = params(AUTH_METHOD_MD5, "m1", md5_secret);
	log_in(&l, &p, &given);
	ck_assert_int_eq(client_auth_take_credentials(&l.client, &out), 0);
	ck_assert_int_eq(out.kind, AUTH_KIND_MD5);
	ck_assert_str_eq(buf_cstr(&out.text), md5_secret);
	log_out(&l);

	/* Trust: the stored secret, without keys. */
	p = params(AUTH_METHOD_TRUST, "s1", scram_secret);
	log_in(&l, &p, &given);
	ck_assert_int_eq(client_auth_take_credentials(&l.client, &out), 0);
	ck_assert_int_eq(out.kind, AUTH_KIND_SCRAM);
	ck_assert(!out.has_keys);
	log_out(&l);
	auth_credentials_release(&out);
	auth_credentials_release(&given);
}
END_TEST

/* A secret made of a plain password is made once. */
START_TEST(fresh_secret_is_cached)
{
	struct auth_credentials given = { 0 }, out = { 0 };
	struct client_auth_params p = params(AUTH_METHOD_SCRAM, "al",
	    "secret");
	struct scram_secret cached;
	struct login	l;

	ck_assert_int_eq(auth_credentials_set(&given, "secret"), 0);
	log_in(&l, &p, &given);
	ck_assert_int_eq(l.result, AUTH_OK);
	ck_assert_uint_eq(l.works, 1);
	ck_assert_ptr_nonnull(client_auth_fresh_secret(&l.client));
	cached = *client_auth_fresh_secret(&l.client);
	ck_assert_uint_eq(cached.iterations, 100);
	ck_assert_uint_eq(cached.salt_len, SCRAM_SALT_LEN);
	ck_assert_int_eq(cached.salt[0], 7);
	/* The password itself is what servers get. */
	ck_assert_int_eq(client_auth_take_credentials(&l.client, &out), 0);
	ck_assert_int_eq(out.kind, AUTH_KIND_PLAIN);
	log_out(&l);

	p.cached = &cached;
	log_in(&l, &p, &given);
	ck_assert_int_eq(l.result, AUTH_OK);
	ck_assert_uint_eq(l.works, 0);
	ck_assert_ptr_null(client_auth_fresh_secret(&l.client));
	log_out(&l);
	auth_credentials_release(&given);
	auth_credentials_release(&out);
}
END_TEST

/* First request, first answer of a user: what somebody outside sees. */
static void
look(const struct client_auth_params *p, struct buf *seen)
{
	struct client_auth a;
	struct buf	up = { 0 };

	ck_assert_int_eq(client_auth_begin(&a, p, seen, NULL), AUTH_MORE);
	wire_put_sasl_initial(&up, SCRAM_MECHANISM, BYTES("n,,n=,r=abc"));
	ck_assert_int_eq(client_auth_message(&a, buf_bytes(&up) + 5,
	    buf_len(&up) - 5, seen, NULL), AUTH_MORE);
	client_auth_release(&a);
	buf_release(&up);
}

START_TEST(unknown_users_look_like_others)
{
	struct client_auth_params p = params(AUTH_METHOD_SCRAM, "nobody",
	    NULL);
	struct buf	one = { 0 }, two = { 0 }, real = { 0 };
	struct scram_secret cached;

	look(&p, &one);
	look(&p, &two);
	ck_assert_uint_eq(buf_len(&one), buf_len(&two));
	ck_assert_mem_eq(buf_bytes(&one), buf_bytes(&two), buf_len(&one));
	/* The shape is that of a user with a secret. */
	scram_secret_mock("somebody", mock_key, 100, &cached);
	p = params(AUTH_METHOD_SCRAM, "somebody", "secret");
	p.cached = &cached;
	look(&p, &real);
	ck_assert_uint_eq(buf_len(&one), buf_len(&real));
	/* Known, with an md5 secret or an empty one: the same. */
	buf_clear(&two);
	p = params(AUTH_METHOD_SCRAM, "nobody", md5_secret);
	look(&p, &two);
	ck_assert_mem_eq(buf_bytes(&one), buf_bytes(&two), buf_len(&one));
	buf_clear(&two);
	p = params(AUTH_METHOD_SCRAM, "nobody", "");
	look(&p, &two);
	ck_assert_mem_eq(buf_bytes(&one), buf_bytes(&two), buf_len(&one));
	/* Under md5 the pooler may offer SCRAM to all. */
	buf_clear(&two);
	p = params(AUTH_METHOD_MD5, "nobody", NULL);
	p.mock_scram = true;
	look(&p, &two);
	ck_assert_mem_eq(buf_bytes(&one), buf_bytes(&two), buf_len(&one));
	buf_release(&one);
	buf_release(&two);
	buf_release(&real);
}
END_TEST

/* One hostile message at the start of an exchange. */
static void
expect_client_fail(enum auth_method method, const char *body, size_t n,
    const char *reason, const char *log)
{
	struct client_auth_params p = params(method, "s1", scram_secret);
	struct client_auth a;
	struct buf	down = { 0 };
	struct err	e = { 0 };

	if (method == AUTH_METHOD_MD5)
		p.secret = md5_secret;
	ck_assert_int_eq(client_auth_begin(&a, &p, &down, &e), AUTH_MORE);
	buf_clear(&down);
	ck_assert_int_eq(client_auth_message(&a, body, n, &down, &e),
	    AUTH_FAIL);
	ck_assert_str_eq(a.reason, reason);
	ck_assert_str_eq(e.msg, log);
	ck_assert_uint_eq(buf_len(&down), 0);
	/* It stays failed, whatever comes. */
	ck_assert_int_eq(client_auth_message(&a, body, n, &down, &e),
	    AUTH_FAIL);
	ck_assert_str_eq(a.reason, "bad packet");
	client_auth_release(&a);
	buf_release(&down);
}

START_TEST(hostile_clients)
{
	static char	long_one[AUTH_PASSWORD_MAX + 2];
	struct buf	b = { 0 };

	memset(long_one, 'x', sizeof(long_one) - 1);
	expect_client_fail(AUTH_METHOD_PLAIN, long_one, sizeof(long_one),
	    "password too long", "");
	expect_client_fail(AUTH_METHOD_PLAIN, NULL, 0, PW_FAILED, "");
	expect_client_fail(AUTH_METHOD_PLAIN, BYTES("secret"), PW_FAILED, "");
	expect_client_fail(AUTH_METHOD_PLAIN, BYTES("secret\0x\0"),
	    PW_FAILED, "");
	expect_client_fail(AUTH_METHOD_MD5, NULL, 0, PW_FAILED, "");
	expect_client_fail(AUTH_METHOD_MD5, BYTES("\0"),
	    "empty password returned by client", "");
	expect_client_fail(AUTH_METHOD_MD5, BYTES("md5\0"), PW_FAILED, "");
	expect_client_fail(AUTH_METHOD_MD5, (const char *)md5_secret,
	    sizeof(md5_secret), PW_FAILED, "");

	expect_client_fail(AUTH_METHOD_SCRAM, NULL, 0, SASL_FAILED, "");
	/* A password where a mechanism belongs. */
	expect_client_fail(AUTH_METHOD_SCRAM, BYTES("secret\0"), "client "
	    "selected an invalid SASL authentication mechanism", "");
	wire_put_sasl_initial(&b, "SCRAM-SHA-256-PLUS", BYTES("n,,n=,r=x"));
	expect_client_fail(AUTH_METHOD_SCRAM, buf_bytes(&b) + 5,
	    buf_len(&b) - 5, "client selected an invalid SASL "
	    "authentication mechanism", "");
	buf_clear(&b);
	wire_put_sasl_initial(&b, "", BYTES("n,,n=,r=x"));
	expect_client_fail(AUTH_METHOD_SCRAM, buf_bytes(&b) + 5,
	    buf_len(&b) - 5, "client selected an invalid SASL "
	    "authentication mechanism", "");
	expect_client_fail(AUTH_METHOD_SCRAM,
	    BYTES("SCRAM-SHA-256\0\xff\xff\xff\xff"), SASL_FAILED, "");
	buf_clear(&b);
	wire_put_sasl_initial(&b, SCRAM_MECHANISM, BYTES("n,,n=al"));
	expect_client_fail(AUTH_METHOD_SCRAM, buf_bytes(&b) + 5,
	    buf_len(&b) - 5, SASL_FAILED,
	    "malformed SCRAM message (attribute \"r\" expected)");
	buf_release(&b);
}
END_TEST

/* client-final without the nonce, twice the first, a proof of nothing. */
START_TEST(hostile_second_messages)
{
	static const struct {
		const char	*msg;
		const char	*log;
	} v[] = {
		{ "c=biws,p=AAAA", "malformed SCRAM message (attribute \"r\" "
		    "expected)" },
		{ "", "malformed SCRAM message (bad length)" },
		{ "n,,n=,r=abc", "malformed SCRAM message (attribute \"c\" "
		    "expected)" },
		{ "c=biws,r=abc", "invalid SCRAM response (nonce does not "
		    "match)" }
	};
	struct client_auth_params p = params(AUTH_METHOD_SCRAM, "s1",
	    scram_secret);
	struct client_auth a;
	struct buf	up = { 0 }, down = { 0 };
	struct err	e = { 0 };
	size_t		i;

	wire_put_sasl_initial(&up, SCRAM_MECHANISM, BYTES("n,,n=,r=abc"));
	for (i = 0; i < ARRAY_LEN(v); i++) {
		ck_assert_int_eq(client_auth_begin(&a, &p, &down, &e),
		    AUTH_MORE);
		ck_assert_int_eq(client_auth_message(&a, buf_bytes(&up) + 5,
		    buf_len(&up) - 5, &down, &e), AUTH_MORE);
		ck_assert_int_eq(client_auth_message(&a, v[i].msg,
		    strlen(v[i].msg), &down, &e), AUTH_FAIL);
		ck_assert_str_eq(a.reason, SASL_FAILED);
		ck_assert_str_eq(e.msg, v[i].log);
		client_auth_release(&a);
	}
	/* A message while work is going on is refused, the work's end too
	 * is orderly: nothing is left to do. */
	p = params(AUTH_METHOD_SCRAM, "al", "secret");
	ck_assert_int_eq(client_auth_begin(&a, &p, &down, &e), AUTH_MORE);
	ck_assert_int_eq(client_auth_message(&a, buf_bytes(&up) + 5,
	    buf_len(&up) - 5, &down, &e), AUTH_WORK);
	ck_assert_int_eq(client_auth_worked(&a, ERR_GENERAL, &down, &e),
	    AUTH_FAIL);
	ck_assert_str_eq(a.reason, "bouncer resources exhaustion");
	ck_assert_str_eq(e.msg, "cannot derive SCRAM keys: error");
	client_auth_release(&a);
	buf_release(&up);
	buf_release(&down);
}
END_TEST

/* Nothing half-built goes out when there is no room. */
START_TEST(full_buffer)
{
	struct client_auth_params p = params(AUTH_METHOD_SCRAM, "s1",
	    scram_secret);
	struct client_auth a;
	struct buf	b;
	struct err	e = { 0 };

	buf_init(&b, 10);
	ck_assert_int_eq(client_auth_begin(&a, &p, &b, &e), AUTH_FAIL);
	ck_assert_str_eq(a.reason, "out of memory");
	client_auth_release(&a);
	buf_release(&b);
}
END_TEST

UNIT_MAIN("auth", kinds, logins, credentials_after_login,
    fresh_secret_is_cached, unknown_users_look_like_others, hostile_clients,
    hostile_second_messages, full_buffer)
