/* SPDX-License-Identifier: MIT */
/* Both sides of SCRAM, stored secrets, base64 and SASLprep. */
#include "common/base.h"
#include "common/scram.h"

#include <string.h>

#include "common/base64.h"
#include "common/saslprep.h"
#include "tests/fuzz/fuzz.h"

static const unsigned char nonce[SCRAM_NONCE_LEN];

static void
server(const char *p, size_t n, bool final)
{
	static const char first[] = "n,,n=,r=abc";
	struct scram_secret secret = { .iterations = 1, .salt_len = 1 };
	struct scram_server s;
	struct buf	reply = { 0 };
	struct err	e = { 0 };
	int		rc;

	scram_server_init(&s, &secret, false, nonce);
	rc = scram_server_first(&s, final ? first : p,
	    final ? sizeof(first) - 1 : n, &reply, &e);
	FUZZ_CHECK(!final || rc == 0);
	FUZZ_CHECK(rc == 0 || e.msg[0] != '\0');
	if (rc == 0)
		rc = scram_server_final(&s, p, n, &reply, &e);
	/* Nobody has the key whose digest is 32 zeros. */
	FUZZ_CHECK(rc != 0);
	scram_server_release(&s);
	buf_release(&reply);
}

static void
client(const char *p, size_t n, bool verify)
{
	struct scram_client c;
	struct scram_keys keys = { 0 };
	struct buf	reply = { 0 };
	struct err	e = { 0 };

	scram_client_init(&c, nonce);
	FUZZ_CHECK(scram_client_first(&c, &reply) == 0);
	if (verify) {
		if (scram_client_verify(&c, p, n, &e) == 0)
			/* The expected one is 32 zeros here. */
			FUZZ_CHECK(n == 46);
	} else if (scram_client_challenge(&c, p, n, &e) == 0) {
		FUZZ_CHECK(c.iterations >= 1);
		FUZZ_CHECK(c.iterations <= SCRAM_ITERATIONS_MAX);
		FUZZ_CHECK(c.salt_len >= 1 && c.salt_len <= SCRAM_SALT_MAX);
		FUZZ_CHECK(scram_client_final(&c, &keys, &reply) == 0);
	}
	scram_client_release(&c);
	buf_release(&reply);
}

static void
secret(const char *text)
{
	struct scram_secret s, again;
	struct buf	b = { 0 };

	memset(&s, 0, sizeof(s));
	memset(&again, 0, sizeof(again));
	if (scram_secret_parse(text, &s) == 0) {
		scram_secret_print(&s, &b);
		FUZZ_CHECK(scram_secret_parse(buf_cstr(&b), &again) == 0);
		FUZZ_CHECK(memcmp(&s, &again, sizeof(s)) == 0);
	}
	buf_release(&b);
}

static void
base64(const char *p, size_t n)
{
	unsigned char	out[4096];
	struct buf	b = { 0 };
	size_t		len;

	if (base64_decode(p, n, out, sizeof(out), &len) == 0) {
		base64_encode(&b, out, len);
		FUZZ_CHECK(buf_len(&b) == n);
		FUZZ_CHECK(n == 0 || memcmp(buf_bytes(&b), p, n) == 0);
	}
	buf_release(&b);
}

/* What was prepared once is prepared, unless it was left as it is. */
static void
prepare(const char *text)
{
	struct buf one = { 0 };

	saslprep(text, &one);
	FUZZ_CHECK(!buf_failed(&one));
	FUZZ_CHECK(buf_len(&one) > 0 || *text == '\0');
	buf_release_secret(&one);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	const char	*p = (const char *)bytes + 1;
	struct buf	text = { 0 };

	if (n-- == 0)
		return 0;
	buf_append(&text, p, n);
	switch (bytes[0] % 7) {
	case 0: server(p, n, false); break;
	case 1: server(p, n, true); break;
	case 2: client(p, n, false); break;
	case 3: client(p, n, true); break;
	case 4: secret(buf_cstr(&text)); break;
	case 5: base64(p, n); break;
	case 6: prepare(buf_cstr(&text)); break;
	}
	buf_release(&text);
	return 0;
}
