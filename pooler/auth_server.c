/* SPDX-License-Identifier: MIT */
/*
 *   BEGIN --clear text, md5--> ANSWERED --Ok--> (end)
 *     |  \------------------Ok-------------------^
 *     SASL                                       |
 *     v                                          Ok
 *   CHALLENGE --Continue--> KEYS --worked--> PROOF --Final--> VERIFIED
 *     \---Continue, keys at hand---------------^
 */
#include "common/base.h"
#include "pooler/auth.h"

#include <string.h>

#include "common/wire.h"

static enum auth_result
server_fail(struct server_auth *s, const char *reason)
{
	s->state = SERVER_AUTH_ENDED;
	s->reason = reason;
	return AUTH_FAIL;
}

#define SERVER_FAIL_LOG(s, reason, e, ...) \
	(err_set(e, ERR_AUTH, __VA_ARGS__), server_fail(s, reason))

static const char no_answer[] = SERVER_AUTH_CLOSING;
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

/* The password in clear, "" where there is none; look at buf_failed(copy)
 * before it is used. */
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
	const char	*password;
	enum auth_result result;

	if (kind == AUTH_KIND_MD5 || kind == AUTH_KIND_SCRAM)
		return SERVER_FAIL_LOG(s, wrong_type, e, "cannot do clear-text"
		    " authentication: wrong password type");
	password = password_of(s, &copy);
	if (buf_failed(&copy)) {
		result = server_fail(s, "out of memory");
	} else {
		wire_put_string(reply, WIRE_FE_PASSWORD, password);
		result = server_sent(s, SERVER_AUTH_ANSWERED, reply);
	}
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
	if (rc != 0 || buf_failed(&copy)) {
		result = server_fail(s, no_answer);
	} else {
		wire_put_string(reply, WIRE_FE_PASSWORD, answer);
		result = server_sent(s, SERVER_AUTH_ANSWERED, reply);
	}
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
