/* SPDX-License-Identifier: MIT */
/*
 * Whole logins with a hostile peer. Input: a byte for the method or secret,
 * then messages, each a byte for its length and the body.
 */
#include "common/base.h"
#include "pooler/auth.h"

#include <string.h>

#include "common/wire.h"
#include "tests/fuzz/fuzz.h"

static const char *const secrets[] = { NULL, "", "secret",
    "md5132ecbcbfa11be529b63ea4c4e734056",
    "SCRAM-SHA-256$1:c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" };

/* A few iterations only: more of them find nothing more. */
static int
run(struct scram_work *w)
{
	w->iterations = MIN(w->iterations, 2u);
	return scram_work_run(w);
}

/* What goes out consists of whole messages. */
static void
whole(struct buf *b, uint8_t type)
{
	struct wire_header h;

	while (buf_len(b) > 0) {
		FUZZ_CHECK(wire_header_get(buf_bytes(b), buf_len(b), 100000,
		    &h) == 0);
		FUZZ_CHECK(h.type == type);
		FUZZ_CHECK(h.body + WIRE_HEADER_LEN <= buf_len(b));
		buf_consume(b, h.body + WIRE_HEADER_LEN);
	}
}

/* p < end: where the body begins, and how much of it there is. */
static const uint8_t *
next_message(const uint8_t *p, const uint8_t *end, size_t *n)
{
	size_t left = (size_t)(end - p) - 1;

	*n = MIN((size_t)*p, left);
	return p + 1;
}

static void
client(unsigned how, const uint8_t *p, const uint8_t *end)
{
	static const unsigned char key[32];
	struct client_auth_params params = {
		.method = how % 5, .user = "al",
		.secret = secrets[how / 5 % ARRAY_LEN(secrets)],
		.known = how / 25 % 2, .iterations = 1, .mock_key = key };
	struct auth_credentials c = { 0 };
	struct client_auth a;
	struct buf	reply = { 0 };
	struct err	e;
	enum auth_result r;
	size_t		n;

	r = client_auth_begin(&a, &params, &reply, &e);
	while (r == AUTH_MORE && p < end) {
		whole(&reply, WIRE_BE_AUTH);
		p = next_message(p, end, &n);
		r = client_auth_message(&a, (const char *)p, n, &reply, &e);
		p += n;
		if (r == AUTH_WORK)
			r = client_auth_worked(&a, run(&a.work), &reply, &e);
	}
	whole(&reply, WIRE_BE_AUTH);
	if (r == AUTH_FAIL)
		FUZZ_CHECK(a.reason != NULL);
	if (r == AUTH_OK) {
		/* Without a secret nobody gets in where one is needed. */
		FUZZ_CHECK(params.method <= AUTH_METHOD_TRUST ||
		    (params.known && params.secret != NULL &&
		    *params.secret != '\0'));
		FUZZ_CHECK(client_auth_take_credentials(&a, &c) == 0);
		auth_credentials_release(&c);
	}
	client_auth_release(&a);
	buf_release(&reply);
}

static void
server(unsigned how, const uint8_t *p, const uint8_t *end)
{
	static const unsigned char nonce[SCRAM_NONCE_LEN];
	struct auth_credentials c = { 0 };
	struct server_auth s;
	struct buf	reply = { 0 };
	struct err	e;
	enum auth_result r = AUTH_MORE;
	size_t		n;
	bool		scram = false;

	FUZZ_CHECK(auth_credentials_set(&c,
	    secrets[how % ARRAY_LEN(secrets)]) == 0);
	c.has_keys = how / 5 % 2;
	server_auth_init(&s, "al", &c, nonce);
	while (r == AUTH_MORE && p < end) {
		p = next_message(p, end, &n);
		r = server_auth_message(&s, (const char *)p, n, &reply, &e);
		p += n;
		scram |= s.state == SERVER_AUTH_CHALLENGE;
		if (r == AUTH_WORK)
			r = server_auth_worked(&s, run(&s.work), &reply, &e);
		whole(&reply, WIRE_FE_PASSWORD);
	}
	if (r == AUTH_FAIL)
		FUZZ_CHECK(s.reason != NULL);
	/* No input of a fuzzer holds the signature of a password. */
	FUZZ_CHECK(r != AUTH_OK || !scram);
	server_auth_release(&s);
	auth_credentials_release(&c);
	buf_release(&reply);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	if (n == 0)
		return 0;
	if (bytes[0] < 128)
		client(bytes[0], bytes + 1, bytes + n);
	else
		server(bytes[0] - 128u, bytes + 1, bytes + n);
	return 0;
}
