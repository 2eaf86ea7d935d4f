/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/scram.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "common/base64.h"
#include "common/saslprep.h"

/* A part of a message that somebody else owns. */
struct span {
	const char	*p;
	size_t		 n;
};

/* What is left of a message. */
struct cursor {
	const char	*p;
	const char	*end;
};

/* One half of an HMAC: the key with a pad, then the bytes. */
static bool
hmac_half(EVP_MD_CTX *ctx, const unsigned char key[SCRAM_KEY_LEN],
    unsigned char pad, const void *bytes, size_t n,
    unsigned char out[SCRAM_KEY_LEN])
{
	unsigned char	block[SHA256_CBLOCK];
	bool		ok;
	size_t		i;

	memset(block, pad, sizeof(block));
	for (i = 0; i < SCRAM_KEY_LEN; i++)
		block[i] ^= key[i];
	ok = EVP_DigestUpdate(ctx, block, sizeof(block)) == 1 &&
	    EVP_DigestUpdate(ctx, bytes, n) == 1 &&
	    EVP_DigestFinal_ex(ctx, out, NULL) == 1;
	OPENSSL_cleanse(block, sizeof(block));
	return ok;
}

/*
 * RFC 2104 over OpenSSL's digest: HMAC() looks the algorithm up by name, and
 * again for each of its three contexts, which costs more than the digests of
 * messages as short as these, and a login has several.
 */
static void
hmac(const unsigned char key[SCRAM_KEY_LEN], const void *bytes, size_t n,
    unsigned char out[SCRAM_KEY_LEN])
{
	EVP_MD_CTX	*ctx = EVP_MD_CTX_new();
	unsigned char	 inner[SCRAM_KEY_LEN];

	/* SHA-256 is always there and the sizes are right: cannot fail but
	 * for memory, and then no proof will match. */
	if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 ||
	    !hmac_half(ctx, key, 0x36, bytes, n, inner) ||
	    EVP_DigestInit_ex(ctx, NULL, NULL) != 1 ||
	    !hmac_half(ctx, key, 0x5c, inner, sizeof(inner), out))
		memset(out, 0, SCRAM_KEY_LEN);
	EVP_MD_CTX_free(ctx);
	OPENSSL_cleanse(inner, sizeof(inner));
}

static void
hmac_str(const unsigned char key[SCRAM_KEY_LEN], const char *text,
    unsigned char out[SCRAM_KEY_LEN])
{
	hmac(key, text, strlen(text), out);
}

/*
 * Secrets
 */

static bool
parse_key(const char *text, size_t n, unsigned char out[SCRAM_KEY_LEN])
{
	size_t len;

	return base64_decode(text, n, out, SCRAM_KEY_LEN, &len) == 0 &&
	    len == SCRAM_KEY_LEN;
}

/* Decimal digits up to `end`; 0 for none, too many, or 0 itself. */
static uint32_t
parse_count(const char *p, const char *end)
{
	uint64_t v = 0;

	if (end - p < 1 || end - p > 10)
		return 0;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return 0;
		v = v * 10 + (uint64_t)(*p - '0');
	}
	return v > INT32_MAX ? 0 : (uint32_t)v;
}

int
scram_secret_parse(const char *text, struct scram_secret *out)
{
	static const char prefix[] = SCRAM_MECHANISM "$";
	struct scram_secret s = { 0 };
	const char	*salt, *stored, *server;
	int		 rc = ERR_FORMAT;

	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0)
		return ERR_FORMAT;
	text += sizeof(prefix) - 1;
	if ((salt = strchr(text, ':')) == NULL ||
	    (stored = strchr(salt, '$')) == NULL ||
	    (server = strchr(stored, ':')) == NULL)
		return ERR_FORMAT;
	s.iterations = parse_count(text, salt);
	if (s.iterations > 0 &&
	    base64_decode(salt + 1, (size_t)(stored - salt - 1), s.salt,
	    sizeof(s.salt), &s.salt_len) == 0 && s.salt_len > 0 &&
	    parse_key(stored + 1, (size_t)(server - stored - 1),
	    s.stored_key) && parse_key(server + 1, strlen(server + 1),
	    s.server_key)) {
		*out = s;
		rc = 0;
	}
	OPENSSL_cleanse(&s, sizeof(s));
	return rc;
}

void
scram_secret_print(const struct scram_secret *s, struct buf *b)
{
	buf_printf(b, SCRAM_MECHANISM "$%u:", s->iterations);
	base64_encode(b, s->salt, s->salt_len);
	buf_append_str(b, "$");
	base64_encode(b, s->stored_key, SCRAM_KEY_LEN);
	buf_append_str(b, ":");
	base64_encode(b, s->server_key, SCRAM_KEY_LEN);
}

void
scram_secret_mock(const char *user, const unsigned char key[32],
    uint32_t iterations, struct scram_secret *out)
{
	unsigned char of_user[SCRAM_KEY_LEN];

	_Static_assert(SCRAM_KEY_LEN == 32, "the key of the process");
	memset(out, 0, sizeof(*out));
	hmac_str(key, user, of_user);
	memcpy(out->salt, of_user, SCRAM_SALT_LEN);
	out->salt_len = SCRAM_SALT_LEN;
	out->iterations = iterations;
	/* Nobody gets as far as to see the server's signature. */
	memcpy(out->stored_key, of_user, SCRAM_KEY_LEN);
	memcpy(out->server_key, of_user, SCRAM_KEY_LEN);
}

void
scram_secret_from_keys(const struct scram_keys *keys,
    const unsigned char *salt, size_t salt_len, uint32_t iterations,
    struct scram_secret *out)
{
	assert(salt_len <= SCRAM_SALT_MAX);
	memset(out, 0, sizeof(*out));
	out->iterations = iterations;
	memcpy(out->salt, salt, salt_len);
	out->salt_len = salt_len;
	SHA256(keys->client_key, SCRAM_KEY_LEN, out->stored_key);
	memcpy(out->server_key, keys->server_key, SCRAM_KEY_LEN);
}

bool
scram_keys_match(const struct scram_keys *keys, const struct scram_secret *s)
{
	unsigned char	stored[SCRAM_KEY_LEN];
	int		differs;

	SHA256(keys->client_key, SCRAM_KEY_LEN, stored);
	differs = CRYPTO_memcmp(stored, s->stored_key, SCRAM_KEY_LEN);
	differs |= CRYPTO_memcmp(keys->server_key, s->server_key,
	    SCRAM_KEY_LEN);
	return differs == 0;
}

/*
 * The expensive step
 */

int
scram_work_init(struct scram_work *w, const char *password,
    const unsigned char *salt, size_t salt_len, uint32_t iterations)
{
	struct buf	prepared = { 0 };
	int		rc = ERR_NOMEM;

	memset(w, 0, sizeof(*w));
	if (iterations == 0 || iterations > SCRAM_ITERATIONS_MAX ||
	    salt_len == 0 || salt_len > SCRAM_SALT_MAX)
		return ERR_LIMIT;
	saslprep(password, &prepared);
	if (buf_failed(&prepared))
		goto out;
	/* HMAC digests keys that are longer than a block; so may we. */
	if (buf_len(&prepared) > sizeof(w->password)) {
		SHA256((const unsigned char *)buf_bytes(&prepared),
		    buf_len(&prepared), w->password);
		w->password_len = SHA256_DIGEST_LENGTH;
	} else if (buf_len(&prepared) > 0) {
		w->password_len = buf_len(&prepared);
		memcpy(w->password, buf_bytes(&prepared), w->password_len);
	}
	memcpy(w->salt, salt, salt_len);
	w->salt_len = salt_len;
	w->iterations = iterations;
	rc = 0;
out:
	buf_release_secret(&prepared);
	return rc;
}

int
scram_work_run(struct scram_work *w)
{
	unsigned char	salted[SCRAM_KEY_LEN];
	int		ok;

	ok = PKCS5_PBKDF2_HMAC((const char *)w->password,
	    (int)w->password_len, w->salt, (int)w->salt_len,
	    (int)w->iterations, EVP_sha256(), sizeof(salted), salted);
	if (ok == 1) {
		hmac_str(salted, "Client Key", w->keys.client_key);
		hmac_str(salted, "Server Key", w->keys.server_key);
	}
	OPENSSL_cleanse(salted, sizeof(salted));
	return ok == 1 ? 0 : ERR_GENERAL;
}

void
scram_work_wipe(struct scram_work *w)
{
	OPENSSL_cleanse(w, sizeof(*w));
}

/*
 * Reading messages
 */

/* One character for a log line, as PgBouncer prints it: quoted if it is
 * harmless, else its code. */
struct shown {
	char	text[8];
};

static struct shown
show_char(const struct cursor *c)
{
	struct shown	s;
	unsigned char	u = c->p < c->end ? (unsigned char)*c->p : 0;

	if (u >= 0x21 && u <= 0x7e)
		snprintf(s.text, sizeof(s.text), "'%c'", u);
	else
		snprintf(s.text, sizeof(s.text), "0x%02x", u);
	return s;
}

static bool
next_is(const struct cursor *c, char want)
{
	return c->p < c->end && *c->p == want;
}

#define MALFORMED(e, ...) \
	err_set(e, ERR_PROTOCOL, "malformed SCRAM message (" __VA_ARGS__)

static int
cursor_init(struct cursor *c, const char *msg, size_t n, struct err *e)
{
	if (n == 0 || n > SCRAM_MESSAGE_MAX || memchr(msg, '\0', n) != NULL)
		return MALFORMED(e, "bad length)");
	c->p = msg;
	c->end = msg + n;
	return 0;
}

/* The value up to the next comma, which is skipped. */
static struct span
take_value(struct cursor *c)
{
	const char	*comma = memchr(c->p, ',', (size_t)(c->end - c->p));
	struct span	 s = { c->p, 0 };

	s.n = (size_t)((comma != NULL ? comma : c->end) - c->p);
	c->p = comma != NULL ? comma + 1 : c->end;
	return s;
}

static int
read_attr(struct cursor *c, char name, struct span *out, struct err *e)
{
	if (!next_is(c, name))
		return MALFORMED(e, "attribute \"%c\" expected)", name);
	c->p++;
	if (!next_is(c, '='))
		return MALFORMED(e, "expected \"=\" after attribute \"%c\")",
		    name);
	c->p++;
	*out = take_value(c);
	return 0;
}

static int
read_any_attr(struct cursor *c, char *name, struct span *out, struct err *e)
{
	if (c->p == c->end || !isalpha((unsigned char)*c->p))
		return MALFORMED(e, "attribute expected, but found invalid "
		    "character \"%s\")", show_char(c).text);
	*name = *c->p++;
	if (!next_is(c, '='))
		return MALFORMED(e,
		    "expected character \"=\" after attribute \"%c\")", *name);
	c->p++;
	*out = take_value(c);
	return 0;
}

/* "Printable" as RFC 5802 has it; commas cannot be in a value. */
static bool
is_printable(struct span s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x21 ||
		    (unsigned char)s.p[i] > 0x7e)
			return false;
	return s.n > 0;
}

static bool
span_is(struct span s, const char *text, size_t n)
{
	return s.n == n && CRYPTO_memcmp(s.p, text, n) == 0;
}

/* Appends one buffer to another; a failure of either stays in `to`. */
static void
append_buf(struct buf *to, const struct buf *from)
{
	if (buf_failed(from))
		to->failed = true;
	else if (buf_len(from) > 0)
		buf_append(to, buf_bytes(from), buf_len(from));
}

/* AuthMessage is complete: what each side makes of it. */
static void
sign(const struct buf *auth, const unsigned char key[SCRAM_KEY_LEN],
    unsigned char out[SCRAM_KEY_LEN])
{
	hmac(key, buf_bytes(auth), buf_len(auth), out);
}

/*
 * The side that checks
 */

void
scram_server_init(struct scram_server *s, const struct scram_secret *secret,
    bool mock, const unsigned char nonce[SCRAM_NONCE_LEN])
{
	memset(s, 0, sizeof(*s));
	s->secret = *secret;
	s->mock = mock;
	memcpy(s->nonce_raw, nonce, SCRAM_NONCE_LEN);
}

void
scram_server_release(struct scram_server *s)
{
	buf_release_secret(&s->nonce);
	buf_release_secret(&s->auth);
	OPENSSL_cleanse(s, sizeof(*s));
}

/* The part in front of client-first-message-bare. */
static int
read_gs2_header(struct scram_server *s, struct cursor *c, struct err *e)
{
	if (next_is(c, 'p'))
		return err_set(e, ERR_PROTOCOL, "client requires SCRAM "
		    "channel binding, but it is not supported");
	if (!next_is(c, 'n') && !next_is(c, 'y'))
		return MALFORMED(e, "unexpected channel-binding flag \"%s\")",
		    show_char(c).text);
	s->flag = *c->p++;
	if (!next_is(c, ','))
		return MALFORMED(e, "comma expected, but found character "
		    "\"%s\")", show_char(c).text);
	c->p++;
	if (next_is(c, 'a'))
		return err_set(e, ERR_PROTOCOL, "client uses authorization "
		    "identity, but it is not supported");
	if (!next_is(c, ','))
		return MALFORMED(e, "unexpected attribute \"%s\" in "
		    "client-first-message)", show_char(c).text);
	c->p++;
	return 0;
}

int
scram_server_first(struct scram_server *s, const char *msg, size_t n,
    struct buf *reply, struct err *e)
{
	struct cursor	c = { NULL, NULL };
	struct span	bare, value = { NULL, 0 };
	size_t		at;
	char		name;
	int		rc;

	assert(s->flag == '\0');
	if ((rc = cursor_init(&c, msg, n, e)) != 0 ||
	    (rc = read_gs2_header(s, &c, e)) != 0)
		return rc;
	bare.p = c.p;
	bare.n = (size_t)(c.end - c.p);
	if (next_is(&c, 'm'))
		return err_set(e, ERR_PROTOCOL,
		    "client requires an unsupported SCRAM extension");
	/* The user's name: the start-up packet's counts. */
	if ((rc = read_attr(&c, 'n', &value, e)) != 0 ||
	    (rc = read_attr(&c, 'r', &value, e)) != 0)
		return rc;
	if (!is_printable(value))
		return err_set(e, ERR_PROTOCOL,
		    "non-printable characters in SCRAM nonce");
	buf_append(&s->nonce, value.p, value.n);
	base64_encode(&s->nonce, s->nonce_raw, sizeof(s->nonce_raw));
	/* Optional extensions are ignored, but must look like some. */
	while (c.p < c.end)
		if ((rc = read_any_attr(&c, &name, &value, e)) != 0)
			return rc;

	at = buf_len(reply);
	buf_append_str(reply, "r=");
	append_buf(reply, &s->nonce);
	buf_append_str(reply, ",s=");
	base64_encode(reply, s->secret.salt, s->secret.salt_len);
	buf_printf(reply, ",i=%u", s->secret.iterations);
	if (buf_failed(reply) || buf_failed(&s->nonce))
		return err_set(e, ERR_NOMEM, "out of memory");
	buf_append(&s->auth, bare.p, bare.n);
	buf_append_str(&s->auth, ",");
	buf_append(&s->auth, buf_bytes(reply) + at, buf_len(reply) - at);
	buf_append_str(&s->auth, ",");
	if (buf_failed(&s->auth))
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

/* Reads client-final-message; `without` ends before ",p=". */
static int
read_final(const struct scram_server *s, struct cursor *c,
    struct span *without, struct span *proof, struct err *e)
{
	const char	*start = c->p;
	struct span	 value = { NULL, 0 };
	char		 name;
	int		 rc;

	if ((rc = read_attr(c, 'c', &value, e)) != 0)
		return rc;
	/* base64 of "n,," and of "y,,". */
	if (!span_is(value, s->flag == 'n' ? "biws" : "eSws", 4))
		return err_set(e, ERR_PROTOCOL, "unexpected SCRAM channel-"
		    "binding attribute in client-final-message");
	if ((rc = read_attr(c, 'r', &value, e)) != 0)
		return rc;
	if (!span_is(value, buf_bytes(&s->nonce), buf_len(&s->nonce)))
		return err_set(e, ERR_PROTOCOL,
		    "invalid SCRAM response (nonce does not match)");
	do {
		if (c->p == c->end)
			return err_set(e, ERR_PROTOCOL,
			    "could not read proof");
		without->p = start;
		without->n = (size_t)(c->p - start - 1);
		if ((rc = read_any_attr(c, &name, &value, e)) != 0)
			return rc;
	} while (name != 'p');
	if (c->p != c->end || c->end[-1] == ',')
		return MALFORMED(e,
		    "garbage at the end of client-final-message)");
	*proof = value;
	return 0;
}

/* ClientKey out of the proof, and whether its digest is the StoredKey. */
static bool
check_proof(struct scram_server *s, const unsigned char proof[SCRAM_KEY_LEN])
{
	unsigned char	signature[SCRAM_KEY_LEN];
	size_t		i;

	sign(&s->auth, s->secret.stored_key, signature);
	for (i = 0; i < SCRAM_KEY_LEN; i++)
		s->keys.client_key[i] = proof[i] ^ signature[i];
	memcpy(s->keys.server_key, s->secret.server_key, SCRAM_KEY_LEN);
	/* Both are computed in any case: a mock must cost the same. */
	return scram_keys_match(&s->keys, &s->secret) & !s->mock;
}

int
scram_server_final(struct scram_server *s, const char *msg, size_t n,
    struct buf *reply, struct err *e)
{
	unsigned char	proof[SCRAM_KEY_LEN], signature[SCRAM_KEY_LEN];
	struct cursor	c = { NULL, NULL };
	struct span	without = { NULL, 0 }, value = { NULL, 0 };
	int		rc;

	assert(s->flag != '\0');
	if ((rc = cursor_init(&c, msg, n, e)) != 0 ||
	    (rc = read_final(s, &c, &without, &value, e)) != 0)
		return rc;
	if (!parse_key(value.p, value.n, proof))
		return MALFORMED(e,
		    "malformed proof in client-final-message)");
	buf_append(&s->auth, without.p, without.n);
	if (buf_failed(&s->auth))
		return err_set(e, ERR_NOMEM, "out of memory");
	if (!check_proof(s, proof)) {
		OPENSSL_cleanse(&s->keys, sizeof(s->keys));
		return err_set(e, ERR_AUTH, "%s", "");
	}
	sign(&s->auth, s->secret.server_key, signature);
	buf_append_str(reply, "v=");
	base64_encode(reply, signature, sizeof(signature));
	return buf_failed(reply) ? err_set(e, ERR_NOMEM, "out of memory") : 0;
}

/*
 * The side that proves
 */

void
scram_client_init(struct scram_client *cl,
    const unsigned char nonce[SCRAM_NONCE_LEN])
{
	memset(cl, 0, sizeof(*cl));
	base64_encode(&cl->nonce, nonce, SCRAM_NONCE_LEN);
}

void
scram_client_release(struct scram_client *cl)
{
	buf_release_secret(&cl->nonce);
	buf_release_secret(&cl->auth);
	OPENSSL_cleanse(cl, sizeof(*cl));
}

int
scram_client_first(struct scram_client *cl, struct buf *reply)
{
	buf_append_str(&cl->auth, "n=,r=");
	append_buf(&cl->auth, &cl->nonce);
	buf_append_str(reply, "n,,");
	append_buf(reply, &cl->auth);
	buf_append_str(&cl->auth, ",");
	return buf_failed(&cl->nonce) || buf_failed(&cl->auth) ||
	    buf_failed(reply) ? ERR_NOMEM : 0;
}

int
scram_client_challenge(struct scram_client *cl, const char *msg, size_t n,
    struct err *e)
{
	struct cursor	c = { NULL, NULL };
	struct span	nonce = { NULL, 0 }, salt = nonce, count = nonce;
	size_t		ours = buf_len(&cl->nonce);
	int		rc;

	assert(ours > 0 && cl->iterations == 0);
	if ((rc = cursor_init(&c, msg, n, e)) != 0 ||
	    (rc = read_attr(&c, 'r', &nonce, e)) != 0)
		return rc;
	if (nonce.n <= ours || !is_printable(nonce) ||
	    CRYPTO_memcmp(nonce.p, buf_bytes(&cl->nonce), ours) != 0)
		return err_set(e, ERR_PROTOCOL,
		    "invalid SCRAM response (nonce mismatch)");
	if ((rc = read_attr(&c, 's', &salt, e)) != 0)
		return rc;
	if (base64_decode(salt.p, salt.n, cl->salt, sizeof(cl->salt),
	    &cl->salt_len) != 0 || cl->salt_len == 0)
		return MALFORMED(e, "invalid salt)");
	if ((rc = read_attr(&c, 'i', &count, e)) != 0)
		return rc;
	cl->iterations = parse_count(count.p, count.p + count.n);
	if (cl->iterations == 0 || cl->iterations > SCRAM_ITERATIONS_MAX)
		return MALFORMED(e, "invalid iteration count)");
	if (c.p != c.end || c.end[-1] == ',')
		return MALFORMED(e, "garbage at end of server-first-message)");
	buf_append(&cl->nonce, nonce.p + ours, nonce.n - ours);
	buf_append(&cl->auth, msg, n);
	if (buf_failed(&cl->nonce) || buf_failed(&cl->auth))
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

int
scram_client_final(struct scram_client *cl, const struct scram_keys *keys,
    struct buf *reply)
{
	unsigned char	stored[SCRAM_KEY_LEN], proof[SCRAM_KEY_LEN];
	size_t		i, at = buf_len(reply);

	assert(cl->iterations > 0);
	buf_append_str(reply, "c=biws,r=");
	append_buf(reply, &cl->nonce);
	if (buf_failed(reply) || buf_failed(&cl->nonce))
		return ERR_NOMEM;
	buf_append_str(&cl->auth, ",");
	buf_append(&cl->auth, buf_bytes(reply) + at, buf_len(reply) - at);
	if (buf_failed(&cl->auth))
		return ERR_NOMEM;
	SHA256(keys->client_key, SCRAM_KEY_LEN, stored);
	sign(&cl->auth, stored, proof);
	for (i = 0; i < SCRAM_KEY_LEN; i++)
		proof[i] ^= keys->client_key[i];
	sign(&cl->auth, keys->server_key, cl->signature);
	buf_append_str(reply, ",p=");
	base64_encode(reply, proof, sizeof(proof));
	OPENSSL_cleanse(stored, sizeof(stored));
	return buf_failed(reply) ? ERR_NOMEM : 0;
}

int
scram_client_verify(struct scram_client *cl, const char *msg, size_t n,
    struct err *e)
{
	unsigned char	signature[SCRAM_KEY_LEN];
	struct cursor	c = { NULL, NULL };
	struct span	value = { NULL, 0 };
	size_t		i, len;
	char		text[128];
	int		rc;

	if ((rc = cursor_init(&c, msg, n, e)) != 0)
		return rc;
	if (next_is(&c, 'e')) {
		if ((rc = read_attr(&c, 'e', &value, e)) != 0)
			return rc;
		len = MIN(value.n, sizeof(text) - 1);
		for (i = 0; i < len; i++)
			text[i] = isprint((unsigned char)value.p[i]) ?
			    value.p[i] : '?';
		text[len] = '\0';
		return err_set(e, ERR_PROTOCOL,
		    "error received from server in SCRAM exchange: %s", text);
	}
	if ((rc = read_attr(&c, 'v', &value, e)) != 0)
		return rc;
	if (c.p != c.end || c.end[-1] == ',')
		return MALFORMED(e, "garbage at end of server-final-message)");
	if (!parse_key(value.p, value.n, signature))
		return MALFORMED(e, "malformed server signature)");
	if (CRYPTO_memcmp(signature, cl->signature, SCRAM_KEY_LEN) != 0)
		return err_set(e, ERR_AUTH, "invalid server signature");
	return 0;
}

/*
 * md5 passwords
 */

bool
scram_is_md5(const char *secret)
{
	return strlen(secret) == SCRAM_MD5_LEN &&
	    strncmp(secret, "md5", 3) == 0 &&
	    strspn(secret + 3, "0123456789abcdef") == SCRAM_MD5_LEN - 3;
}

/* md5 of two runs of bytes, printed. */
static int
md5_of_two(struct span a, struct span b, char out[SCRAM_MD5_LEN + 1])
{
	unsigned char	digest[16];
	EVP_MD_CTX	*ctx = EVP_MD_CTX_new();
	bool		ok;
	size_t		i;

	ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) == 1 &&
	    EVP_DigestUpdate(ctx, a.p, a.n) == 1 &&
	    EVP_DigestUpdate(ctx, b.p, b.n) == 1 &&
	    EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return ERR_GENERAL;
	memcpy(out, "md5", 3);
	for (i = 0; i < sizeof(digest); i++)
		snprintf(out + 3 + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

int
scram_md5_secret(const char *user, const char *password,
    char out[SCRAM_MD5_LEN + 1])
{
	return md5_of_two((struct span){ password, strlen(password) },
	    (struct span){ user, strlen(user) }, out);
}

int
scram_md5_answer(const char *secret, const unsigned char salt[4],
    char out[SCRAM_MD5_LEN + 1])
{
	assert(strlen(secret) == SCRAM_MD5_LEN);
	return md5_of_two((struct span){ secret + 3, SCRAM_MD5_LEN - 3 },
	    (struct span){ (const char *)salt, 4 }, out);
}

bool
scram_equal(const char *given, const char *stored)
{
	size_t		n = strlen(given), m = strlen(stored), i;
	unsigned char	differs = n != m;

	for (i = 0; i < n; i++)
		differs |= (unsigned char)(given[i] ^
		    (m > 0 ? stored[i % m] : 0));
	return differs == 0;
}
