/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/auth.h"

#include <string.h>

#include "common/wire.h"

/*
 * Credentials
 */

enum auth_kind
auth_kind_of(const char *secret)
{
	struct scram_secret s;
	enum auth_kind	kind = AUTH_KIND_PLAIN;

	if (secret == NULL || *secret == '\0')
		return AUTH_KIND_NONE;
	if (scram_is_md5(secret))
		return AUTH_KIND_MD5;
	if (scram_secret_parse(secret, &s) == 0)
		kind = AUTH_KIND_SCRAM;
	explicit_bzero(&s, sizeof(s));
	return kind;
}

int
auth_credentials_set(struct auth_credentials *c, const char *secret)
{
	auth_credentials_release(c);
	buf_append_str(&c->text, secret == NULL ? "" : secret);
	if (buf_failed(&c->text)) {
		auth_credentials_release(c);
		return ERR_NOMEM;
	}
	c->kind = auth_kind_of(secret);
	return 0;
}

int
auth_credentials_copy(struct auth_credentials *to,
    const struct auth_credentials *from)
{
	auth_credentials_release(to);
	buf_append(&to->text, from->text.len > 0 ? buf_bytes(&from->text) : "",
	    buf_len(&from->text));
	if (buf_failed(&to->text)) {
		auth_credentials_release(to);
		return ERR_NOMEM;
	}
	to->kind = from->kind;
	to->has_keys = from->has_keys;
	to->keys = from->keys;
	return 0;
}

void
auth_credentials_release(struct auth_credentials *c)
{
	buf_release_secret(&c->text);
	explicit_bzero(c, sizeof(*c));
}

/*
 * Checking a client
 */

/* 28P01 and the like are PostgreSQL's; a pooler's own refusals are 08P01. */
static enum auth_result
client_fail(struct client_auth *a, const char *reason)
{
	a->state = CLIENT_AUTH_ENDED;
	a->reason = reason;
	a->sqlstate = "08P01";
	return AUTH_FAIL;
}

static enum auth_result
client_fail_log(struct client_auth *a, const char *reason, struct err *e)
{
	err_set(e, ERR_AUTH, "%s", reason);
	return client_fail(a, reason);
}

static enum auth_result
client_ok(struct client_auth *a, struct buf *reply)
{
	wire_put_auth(reply, WIRE_AUTH_OK, NULL, 0);
	if (buf_failed(reply))
		return client_fail(a, "out of memory");
	a->state = CLIENT_AUTH_ENDED;
	return AUTH_OK;
}

static enum auth_result
client_ask(struct client_auth *a, int state, struct buf *reply)
{
	if (state == CLIENT_AUTH_PASSWORD)
		wire_put_auth(reply, WIRE_AUTH_CLEARTEXT, NULL, 0);
	else if (state == CLIENT_AUTH_MD5)
		wire_put_auth(reply, WIRE_AUTH_MD5, a->random.md5_salt,
		    sizeof(a->random.md5_salt));
	else
		wire_put_auth_sasl(reply, SCRAM_MECHANISM);
	if (buf_failed(reply))
		return client_fail(a, "out of memory");
	a->state = state;
	return AUTH_MORE;
}

/* Copies what the exchange needs; every user has some SCRAM secret then. */
static bool
client_load(struct client_auth *a, const struct client_auth_params *p)
{
	size_t n = strlen(p->user);

	memset(a, 0, sizeof(*a));
	assert(n < sizeof(a->user));
	memcpy(a->user, p->user, n + 1);
	a->random = p->random;
	a->kind = auth_kind_of(p->secret);
	a->mock = !p->known || a->kind == AUTH_KIND_NONE;
	buf_append_str(&a->stored, p->secret == NULL ? "" : p->secret);
	scram_secret_mock(p->user, p->mock_key, p->iterations, &a->secret);
	if (a->kind == AUTH_KIND_SCRAM &&
	    scram_secret_parse(p->secret, &a->secret) != 0)
		a->mock = true;		/* not reached: the kind says so */
	if (a->kind == AUTH_KIND_PLAIN && p->cached != NULL)
		a->secret = *p->cached;
	else if (a->kind == AUTH_KIND_PLAIN)
		a->fresh = true;	/* to be made when it is needed */
	return !buf_failed(&a->stored);
}

enum auth_result
client_auth_begin(struct client_auth *a, const struct client_auth_params *p,
    struct buf *reply, struct err *e)
{
	bool scram;

	if (e != NULL)
		*e = (struct err){ 0 };
	if (!client_load(a, p))
		return client_fail(a, "out of memory");
	switch (p->method) {
	case AUTH_METHOD_ANY:
		return client_ok(a, reply);
	case AUTH_METHOD_TRUST:
		if (!p->known)
			return client_fail(a,
			    "\"trust\" authentication failed");
		return client_ok(a, reply);
	case AUTH_METHOD_PLAIN:
		a->fresh = false;
		return client_ask(a, CLIENT_AUTH_PASSWORD, reply);
	case AUTH_METHOD_MD5:
		scram = a->mock ? p->mock_scram : a->kind == AUTH_KIND_SCRAM;
		if (!scram)
			a->fresh = false;
		return client_ask(a, scram ? CLIENT_AUTH_FIRST :
		    CLIENT_AUTH_MD5, reply);
	case AUTH_METHOD_SCRAM:
		return client_ask(a, CLIENT_AUTH_FIRST, reply);
	}
	return client_fail(a, "no authentication method is found");
}

/*
 * Clear text: the password is compared with what is stored, in whatever
 * form, and keys are derived in each case.
 */

static enum auth_result
on_password(struct client_auth *a, const char *body, size_t n, struct err *e)
{
	static const char failed[] = "password authentication failed";
	const char *password;

	if (wire_parse_string(body, n, &password) != 0)
		return client_fail_log(a, failed, e);
	if (*password == '\0')
		return client_fail(a, "empty password returned by client");
	if (strlen(password) > AUTH_PASSWORD_MAX)
		return client_fail(a, "password too long");
	buf_append_str(&a->typed, password);
	if (buf_failed(&a->typed))
		return client_fail(a, "out of memory");
	/* A stored secret with more iterations than we would ever do. */
	if (scram_work_init(&a->work, password, a->secret.salt,
	    a->secret.salt_len, a->secret.iterations) != 0)
		return client_fail_log(a, failed, e);
	a->state = CLIENT_AUTH_COMPARE;
	return AUTH_WORK;
}

static enum auth_result
compare_password(struct client_auth *a, struct buf *reply, struct err *e)
{
	const char	*typed = buf_cstr(&a->typed);
	char		 md5[SCRAM_MD5_LEN + 1];
	bool		 same = false;

	switch (a->kind) {
	case AUTH_KIND_NONE:
		break;
	case AUTH_KIND_PLAIN:
		same = scram_equal(typed, buf_cstr(&a->stored));
		break;
	case AUTH_KIND_MD5:
		same = scram_md5_secret(a->user, typed, md5) == 0 &&
		    scram_equal(md5, buf_cstr(&a->stored));
		break;
	case AUTH_KIND_SCRAM:
		same = scram_keys_match(&a->work.keys, &a->secret);
		break;
	}
	scram_work_wipe(&a->work);
	if (!same || a->mock)
		return client_fail_log(a, "password authentication failed",
		    e);
	return client_ok(a, reply);
}

/*
 * md5
 */

static enum auth_result
on_md5(struct client_auth *a, const char *body, size_t n, struct buf *reply,
    struct err *e)
{
	static const char failed[] = "password authentication failed";
	char		 stored[SCRAM_MD5_LEN + 1], want[SCRAM_MD5_LEN + 1];
	const char	*given, *text = buf_cstr(&a->stored);
	int		 rc = 0;

	if (wire_parse_string(body, n, &given) != 0)
		return client_fail_log(a, failed, e);
	if (*given == '\0')
		return client_fail(a, "empty password returned by client");
	if (a->kind == AUTH_KIND_MD5)
		memcpy(stored, text, sizeof(stored));
	else
		rc = scram_md5_secret(a->user, text, stored);
	if (rc == 0)
		rc = scram_md5_answer(stored, a->random.md5_salt, want);
	explicit_bzero(stored, sizeof(stored));
	/* No short cut for a mock: the time must not tell. */
	if (rc != 0 || !scram_equal(given, want) || a->mock)
		return client_fail_log(a, failed, e);
	return client_ok(a, reply);
}

/*
 * SCRAM
 */

static enum auth_result
sasl_failed(struct client_auth *a)
{
	return client_fail(a, "SASL authentication failed");
}

/* Answers client-first-message, now that there is a secret. */
static enum auth_result
challenge(struct client_auth *a, const char *msg, size_t n, struct buf *reply,
    struct err *e)
{
	struct buf	answer = { 0 };
	enum auth_result result = AUTH_MORE;
	/* A mock, and an md5 secret: nobody can prove that. */
	bool		mock = a->mock || a->kind == AUTH_KIND_MD5;

	scram_server_init(&a->scram, &a->secret, mock, a->random.nonce);
	if (scram_server_first(&a->scram, msg, n, &answer, e) != 0) {
		result = sasl_failed(a);
	} else {
		wire_put_auth(reply, WIRE_AUTH_SASL_CONTINUE,
		    buf_bytes(&answer), buf_len(&answer));
		a->state = CLIENT_AUTH_FINAL;
		if (buf_failed(reply))
			result = client_fail(a, "out of memory");
	}
	buf_release_secret(&answer);
	return result;
}

static enum auth_result
on_first(struct client_auth *a, const char *body, size_t n, struct buf *reply,
    struct err *e)
{
	const char	*mechanism, *msg;
	size_t		 len;

	if (wire_parse_sasl_initial(body, n, &mechanism, &msg, &len) != 0 ||
	    msg == NULL)
		return sasl_failed(a);
	if (strcmp(mechanism, SCRAM_MECHANISM) != 0)
		return client_fail(a, "client selected an invalid SASL "
		    "authentication mechanism");
	if (!a->fresh || a->mock)
		return challenge(a, msg, len, reply, e);
	/* Only now: a client that never answers costs no derivation. */
	buf_append(&a->first, msg, len);
	if (buf_failed(&a->first))
		return client_fail(a, "out of memory");
	if (scram_work_init(&a->work, buf_cstr(&a->stored), a->random.salt,
	    sizeof(a->random.salt), a->secret.iterations) != 0)
		return sasl_failed(a);
	a->state = CLIENT_AUTH_SECRET;
	return AUTH_WORK;
}

static enum auth_result
make_secret(struct client_auth *a, struct buf *reply, struct err *e)
{
	scram_secret_from_keys(&a->work.keys, a->work.salt, a->work.salt_len,
	    a->work.iterations, &a->secret);
	scram_work_wipe(&a->work);
	return challenge(a, buf_cstr(&a->first), buf_len(&a->first), reply, e);
}

static enum auth_result
on_final(struct client_auth *a, const char *body, size_t n, struct buf *reply,
    struct err *e)
{
	struct buf	answer = { 0 };
	enum auth_result result;
	int		rc;

	rc = scram_server_final(&a->scram, body, n, &answer, e);
	if (rc == 0) {
		wire_put_auth(reply, WIRE_AUTH_SASL_FINAL, buf_bytes(&answer),
		    buf_len(&answer));
		result = client_ok(a, reply);
	} else {
		if (rc == ERR_AUTH && !a->mock && a->kind == AUTH_KIND_MD5)
			err_set(e, ERR_AUTH, "SCRAM authentication failed: "
			    "user has MD5 secret");
		result = sasl_failed(a);
	}
	buf_release_secret(&answer);
	return result;
}

enum auth_result
client_auth_message(struct client_auth *a, const char *body, size_t n,
    struct buf *reply, struct err *e)
{
	if (e != NULL)
		*e = (struct err){ 0 };
	switch (a->state) {
	case CLIENT_AUTH_PASSWORD:
		return on_password(a, body, n, e);
	case CLIENT_AUTH_MD5:
		return on_md5(a, body, n, reply, e);
	case CLIENT_AUTH_FIRST:
		return on_first(a, body, n, reply, e);
	case CLIENT_AUTH_FINAL:
		return on_final(a, body, n, reply, e);
	case CLIENT_AUTH_SECRET:
	case CLIENT_AUTH_COMPARE:
	case CLIENT_AUTH_ENDED:
		break;
	}
	return client_fail(a, "bad packet");
}

enum auth_result
client_auth_worked(struct client_auth *a, int rc, struct buf *reply,
    struct err *e)
{
	if (e != NULL)
		*e = (struct err){ 0 };
	assert(a->state == CLIENT_AUTH_SECRET ||
	    a->state == CLIENT_AUTH_COMPARE);
	if (rc != 0) {
		err_set(e, rc, "cannot derive SCRAM keys: %s", err_text(rc));
		return client_fail(a, "bouncer resources exhaustion");
	}
	return a->state == CLIENT_AUTH_SECRET ? make_secret(a, reply, e) :
	    compare_password(a, reply, e);
}

const struct scram_secret *
client_auth_fresh_secret(const struct client_auth *a)
{
	return a->fresh && !a->mock && a->scram.flag != '\0' ?
	    &a->secret : NULL;
}

int
client_auth_take_credentials(struct client_auth *a,
    struct auth_credentials *out)
{
	int rc;

	assert(a->state == CLIENT_AUTH_ENDED && a->reason == NULL);
	if (buf_len(&a->typed) > 0) {
		/* Typed: plain, whatever it looks like. */
		rc = auth_credentials_set(out, buf_cstr(&a->typed));
		out->kind = AUTH_KIND_PLAIN;
	} else {
		rc = auth_credentials_set(out, buf_cstr(&a->stored));
	}
	if (rc == 0 && out->kind == AUTH_KIND_SCRAM && a->scram.flag != '\0') {
		out->has_keys = true;
		out->keys = a->scram.keys;
	}
	return rc;
}

void
client_auth_release(struct client_auth *a)
{
	buf_release_secret(&a->stored);
	buf_release_secret(&a->typed);
	buf_release_secret(&a->first);
	scram_server_release(&a->scram);
	explicit_bzero(a, sizeof(*a));
	a->state = CLIENT_AUTH_ENDED;
}

/*
 * Answering a server
 */

static enum auth_result
server_fail(struct server_auth *s, const char *reason)
{
	s->state = SERVER_AUTH_ENDED;
	s->reason = reason;
	return AUTH_FAIL;
}

#define SERVER_FAIL_LOG(s, reason, e, ...) \
	(err_set(e, ERR_AUTH, __VA_ARGS__), server_fail(s, reason))

static const char no_answer[] = "failed to answer authreq";
static const char wrong_type[] = "server login failed: wrong password type";

void
server_auth_init(struct server_auth *s, const char *user,
    const struct auth_credentials *credentials,
    const unsigned char nonce[SCRAM_NONCE_LEN])
{
	memset(s, 0, sizeof(*s));
	s->user = user;
	s->credentials = credentials;
	memcpy(s->nonce, nonce, SCRAM_NONCE_LEN);
}

void
server_auth_release(struct server_auth *s)
{
	scram_work_wipe(&s->work);
	scram_client_release(&s->scram);
	explicit_bzero(s, sizeof(*s));
	s->state = SERVER_AUTH_ENDED;
}

/* After an answer was appended. */
static enum auth_result
server_sent(struct server_auth *s, int state, const struct buf *reply)
{
	if (buf_failed(reply))
		return server_fail(s, "out of memory");
	s->state = state;
	return AUTH_MORE;
}

/* The password in clear; "" where there is none. */
static const char *
password_of(const struct server_auth *s, struct buf *copy)
{
	buf_append(copy, buf_len(&s->credentials->text) > 0 ?
	    buf_bytes(&s->credentials->text) : "",
	    buf_len(&s->credentials->text));
	return buf_cstr(copy);
}

static enum auth_result
answer_cleartext(struct server_auth *s, struct buf *reply, struct err *e)
{
	enum auth_kind	kind = s->credentials->kind;
	struct buf	copy = { 0 };
	enum auth_result result;

	if (kind == AUTH_KIND_MD5 || kind == AUTH_KIND_SCRAM)
		return SERVER_FAIL_LOG(s, wrong_type, e, "cannot do clear-text"
		    " authentication: wrong password type");
	wire_put_string(reply, WIRE_FE_PASSWORD, password_of(s, &copy));
	result = buf_failed(&copy) ? server_fail(s, "out of memory") :
	    server_sent(s, SERVER_AUTH_ANSWERED, reply);
	buf_release_secret(&copy);
	return result;
}

static enum auth_result
answer_md5(struct server_auth *s, struct wire_in *rest, struct buf *reply,
    struct err *e)
{
	enum auth_kind	kind = s->credentials->kind;
	const char	*salt = wire_get_bytes(rest, 4);
	struct buf	copy = { 0 };
	char		stored[SCRAM_MD5_LEN + 1], answer[SCRAM_MD5_LEN + 1];
	enum auth_result result;
	int		rc = 0;

	if (!wire_in_done(rest))
		return server_fail(s, no_answer);
	if (kind == AUTH_KIND_SCRAM)
		return SERVER_FAIL_LOG(s, wrong_type, e,
		    "cannot do MD5 authentication: wrong password type");
	if (kind == AUTH_KIND_MD5)
		memcpy(stored, buf_bytes(&s->credentials->text),
		    SCRAM_MD5_LEN);
	else
		rc = scram_md5_secret(s->user, password_of(s, &copy), stored);
	stored[SCRAM_MD5_LEN] = '\0';
	if (rc == 0)
		rc = scram_md5_answer(stored, (const unsigned char *)salt,
		    answer);
	if (rc == 0)
		wire_put_string(reply, WIRE_FE_PASSWORD, answer);
	result = rc != 0 || buf_failed(&copy) ? server_fail(s, no_answer) :
	    server_sent(s, SERVER_AUTH_ANSWERED, reply);
	buf_release_secret(&copy);
	explicit_bzero(stored, sizeof(stored));
	return result;
}

static bool
offers_scram(struct wire_in *rest)
{
	const char	*name;
	bool		 found = false;

	while (*(name = wire_get_cstr(rest)) != '\0')
		found |= strcmp(name, SCRAM_MECHANISM) == 0;
	return found && wire_in_done(rest);
}

static enum auth_result
begin_scram(struct server_auth *s, struct wire_in *rest, struct buf *reply,
    struct err *e)
{
	const struct auth_credentials *c = s->credentials;
	struct buf	first = { 0 };
	enum auth_result result;

	if (!offers_scram(rest))
		return SERVER_FAIL_LOG(s, "server login failed: none of the "
		    "server's SASL authentication mechanisms are supported", e,
		    "none of the server's SASL authentication mechanisms are "
		    "supported");
	if (c->kind == AUTH_KIND_MD5)
		return SERVER_FAIL_LOG(s, wrong_type, e,
		    "cannot do SCRAM authentication: wrong password type");
	if (c->kind == AUTH_KIND_SCRAM && !c->has_keys)
		return SERVER_FAIL_LOG(s, wrong_type, e, "cannot do SCRAM "
		    "authentication: password is SCRAM secret but client "
		    "authentication did not provide SCRAM keys");
	scram_client_init(&s->scram, s->nonce);
	if (scram_client_first(&s->scram, &first) == 0)
		wire_put_sasl_initial(reply, SCRAM_MECHANISM,
		    buf_bytes(&first), buf_len(&first));
	result = buf_failed(&first) ? server_fail(s, "out of memory") :
	    server_sent(s, SERVER_AUTH_CHALLENGE, reply);
	buf_release(&first);
	return result;
}

static enum auth_result
send_proof(struct server_auth *s, const struct scram_keys *keys,
    struct buf *reply)
{
	struct buf	final = { 0 };
	enum auth_result result = AUTH_FAIL;

	if (scram_client_final(&s->scram, keys, &final) != 0) {
		result = server_fail(s, "out of memory");
	} else {
		wire_put_sasl_response(reply, buf_bytes(&final),
		    buf_len(&final));
		result = server_sent(s, SERVER_AUTH_PROOF, reply);
	}
	buf_release_secret(&final);
	return result;
}

static enum auth_result
answer_challenge(struct server_auth *s, struct wire_in *rest,
    struct buf *reply, struct err *e)
{
	struct buf	copy = { 0 };
	int		rc;

	if (s->state == SERVER_AUTH_PROOF || s->state == SERVER_AUTH_VERIFIED)
		return SERVER_FAIL_LOG(s, no_answer, e, "SCRAM exchange "
		    "protocol error: received second AuthenticationSASLContinue");
	if (s->state != SERVER_AUTH_CHALLENGE)
		return SERVER_FAIL_LOG(s, no_answer, e, "protocol error: "
		    "AuthenticationSASLContinue without prior "
		    "AuthenticationSASL");
	if (scram_client_challenge(&s->scram, rest->p, rest->left, e) != 0)
		return server_fail(s, no_answer);
	if (s->credentials->kind == AUTH_KIND_SCRAM)
		return send_proof(s, &s->credentials->keys, reply);
	rc = scram_work_init(&s->work, password_of(s, &copy), s->scram.salt,
	    s->scram.salt_len, s->scram.iterations);
	rc |= buf_failed(&copy);
	buf_release_secret(&copy);
	if (rc != 0)
		return server_fail(s, "out of memory");
	s->state = SERVER_AUTH_KEYS;
	return AUTH_WORK;
}

static enum auth_result
check_signature(struct server_auth *s, struct wire_in *rest, struct err *e)
{
	int rc;

	if (s->state != SERVER_AUTH_PROOF)
		return SERVER_FAIL_LOG(s, no_answer, e, "protocol error: "
		    "AuthenticationSASLFinal without prior "
		    "AuthenticationSASLContinue");
	rc = scram_client_verify(&s->scram, rest->p, rest->left, e);
	if (rc == ERR_AUTH)
		return server_fail(s,
		    "server login failed: invalid server signature");
	if (rc != 0)
		return server_fail(s,
		    "server login failed: failed to verify server signature");
	s->state = SERVER_AUTH_VERIFIED;
	return AUTH_MORE;
}

static enum auth_result
on_ok(struct server_auth *s, const struct wire_in *rest, struct err *e)
{
	if (!wire_in_done(rest))
		return server_fail(s, no_answer);
	/* Whoever skips its own proof may be anybody. */
	if (s->state == SERVER_AUTH_CHALLENGE || s->state == SERVER_AUTH_PROOF)
		return SERVER_FAIL_LOG(s, "server login failed: failed to "
		    "verify server signature", e, "protocol error: "
		    "AuthenticationOk without prior AuthenticationSASLFinal");
	s->state = SERVER_AUTH_ENDED;
	return AUTH_OK;
}

enum auth_result
server_auth_message(struct server_auth *s, const char *body, size_t n,
    struct buf *reply, struct err *e)
{
	struct wire_in	rest;
	int32_t		code;

	if (e != NULL)
		*e = (struct err){ 0 };
	if (s->state == SERVER_AUTH_ENDED || s->state == SERVER_AUTH_KEYS ||
	    wire_parse_auth(body, n, &code, &rest) != 0)
		return server_fail(s, no_answer);
	if (code == WIRE_AUTH_OK)
		return on_ok(s, &rest, e);
	if (code == WIRE_AUTH_SASL_CONTINUE)
		return answer_challenge(s, &rest, reply, e);
	if (code == WIRE_AUTH_SASL_FINAL)
		return check_signature(s, &rest, e);
	if (code == WIRE_AUTH_SASL && s->state > SERVER_AUTH_ANSWERED)
		return SERVER_FAIL_LOG(s, no_answer, e, "protocol error: "
		    "duplicate AuthenticationSASL message from server");
	/* A second request after an answer fishes for a weaker one. */
	if (s->state != SERVER_AUTH_BEGIN)
		return SERVER_FAIL_LOG(s, no_answer, e, "protocol error: "
		    "authentication request %d after an answer", (int)code);
	if (code == WIRE_AUTH_SASL)
		return begin_scram(s, &rest, reply, e);
	if (code == WIRE_AUTH_MD5)
		return answer_md5(s, &rest, reply, e);
	if (code == WIRE_AUTH_CLEARTEXT && wire_in_done(&rest))
		return answer_cleartext(s, reply, e);
	return SERVER_FAIL_LOG(s, no_answer, e,
	    "unknown/unsupported auth method: %u", (unsigned)code);
}

enum auth_result
server_auth_worked(struct server_auth *s, int rc, struct buf *reply,
    struct err *e)
{
	enum auth_result result;

	if (e != NULL)
		*e = (struct err){ 0 };
	assert(s->state == SERVER_AUTH_KEYS);
	if (rc != 0)
		return SERVER_FAIL_LOG(s, no_answer, e,
		    "cannot derive SCRAM keys: %s", err_text(rc));
	result = send_proof(s, &s->work.keys, reply);
	/* The keys stay for the caller's cache; the password goes. */
	explicit_bzero(s->work.password, sizeof(s->work.password));
	return result;
}
