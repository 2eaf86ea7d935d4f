/* SPDX-License-Identifier: MIT */
/*
 * Credentials, and the checking of a client:
 *
 *   any, trust --> ENDED
 *   plain      --> PASSWORD --p--> COMPARE --worked--> ENDED
 *   md5        --> MD5 --p--> ENDED
 *   SCRAM      --> FIRST --p--> FINAL --p--> ENDED
 *                    \-p-> SECRET -worked-^     (a plain secret, the first
 *                                               time)
 */
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
	buf_cstr(&c->text);
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
	buf_cstr(&to->text);
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
fail(struct client_auth *a, const char *reason)
{
	a->state = CLIENT_AUTH_ENDED;
	a->reason = reason;
	a->sqlstate = "08P01";
	return AUTH_FAIL;
}

static enum auth_result
client_ok(struct client_auth *a, struct buf *reply)
{
	wire_put_auth(reply, WIRE_AUTH_OK, NULL, 0);
	if (buf_failed(reply))
		return fail(a, "out of memory");
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
		return fail(a, "out of memory");
	a->state = state;
	return AUTH_MORE;
}

/* Copies who it is, and the stored secret. */
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
	/* Room for the NUL, now: a later failure would be the password "". */
	buf_cstr(&a->stored);
	return !buf_failed(&a->stored);
}

/* What a proof, or a password, is checked with: every user has some SCRAM
 * secret then. */
static void
client_load_scram(struct client_auth *a, const struct client_auth_params *p)
{
	scram_secret_mock(p->user, p->mock_key, p->iterations, &a->secret);
	if (a->kind == AUTH_KIND_SCRAM &&
	    scram_secret_parse(p->secret, &a->secret) != 0)
		a->mock = true;		/* not reached: the kind says so */
	if (a->kind == AUTH_KIND_PLAIN && p->cached != NULL)
		a->secret = *p->cached;
	else if (a->kind == AUTH_KIND_PLAIN)
		a->fresh = true;	/* to be made when it is needed */
}

enum auth_result
client_auth_begin(struct client_auth *a, const struct client_auth_params *p,
    struct buf *reply, struct err *e)
{
	bool scram;

	if (e != NULL)
		*e = (struct err){ 0 };
	if (!client_load(a, p))
		return fail(a, "out of memory");
	switch (p->method) {
	case AUTH_METHOD_ANY:
		return client_ok(a, reply);
	case AUTH_METHOD_TRUST:
		if (!p->known)
			return fail(a,
			    "\"trust\" authentication failed");
		return client_ok(a, reply);
	case AUTH_METHOD_PLAIN:
		client_load_scram(a, p);
		a->fresh = false;
		return client_ask(a, CLIENT_AUTH_PASSWORD, reply);
	case AUTH_METHOD_MD5:
		scram = a->mock ? p->mock_scram : a->kind == AUTH_KIND_SCRAM;
		if (scram)
			client_load_scram(a, p);
		return client_ask(a, scram ? CLIENT_AUTH_FIRST :
		    CLIENT_AUTH_MD5, reply);
	case AUTH_METHOD_SCRAM:
		client_load_scram(a, p);
		return client_ask(a, CLIENT_AUTH_FIRST, reply);
	}
	return fail(a, "no authentication method is found");
}

/*
 * Clear text: the password is compared with what is stored, in whatever
 * form, and keys are derived in each case.
 */

static enum auth_result
on_password(struct client_auth *a, const char *body, size_t n)
{
	static const char failed[] = "password authentication failed";
	const char *password;

	if (wire_parse_string(body, n, &password) != 0)
		return fail(a, failed);
	if (*password == '\0')
		return fail(a, "empty password returned by client");
	if (strlen(password) > AUTH_PASSWORD_MAX)
		return fail(a, "password too long");
	buf_append_str(&a->typed, password);
	buf_cstr(&a->typed);
	if (buf_failed(&a->typed))
		return fail(a, "out of memory");
	/* A stored secret with more iterations than we would ever do. */
	if (scram_work_init(&a->work, password, a->secret.salt,
	    a->secret.salt_len, a->secret.iterations) != 0)
		return fail(a, failed);
	a->state = CLIENT_AUTH_COMPARE;
	return AUTH_WORK;
}

static enum auth_result
compare_password(struct client_auth *a, struct buf *reply)
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
		return fail(a, "password authentication failed");
	return client_ok(a, reply);
}

/*
 * md5
 */

static enum auth_result
on_md5(struct client_auth *a, const char *body, size_t n, struct buf *reply)
{
	static const char failed[] = "password authentication failed";
	char		 stored[SCRAM_MD5_LEN + 1], want[SCRAM_MD5_LEN + 1];
	const char	*given, *text = buf_cstr(&a->stored);
	int		 rc = 0;

	if (wire_parse_string(body, n, &given) != 0)
		return fail(a, failed);
	if (*given == '\0')
		return fail(a, "empty password returned by client");
	if (a->kind == AUTH_KIND_MD5)
		memcpy(stored, text, sizeof(stored));
	else
		rc = scram_md5_secret(a->user, text, stored);
	if (rc == 0)
		rc = scram_md5_answer(stored, a->random.md5_salt, want);
	explicit_bzero(stored, sizeof(stored));
	/* No short cut for a mock: the time must not tell. */
	if (rc != 0 || !scram_equal(given, want) || a->mock)
		return fail(a, failed);
	return client_ok(a, reply);
}

/*
 * SCRAM
 */

static enum auth_result
sasl_failed(struct client_auth *a)
{
	return fail(a, "SASL authentication failed");
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
			result = fail(a, "out of memory");
	}
	buf_release_secret(&answer);
	return result;
}

static enum auth_result
on_first(struct client_auth *a, const char *body, size_t n, struct buf *reply,
    struct err *e)
{
	struct wire_in	 in;
	const char	*mechanism, *msg;
	size_t		 len;

	/* The name first: a PasswordMessage is one of a wrong mechanism. */
	wire_in_init(&in, body, n);
	mechanism = wire_get_cstr(&in);
	if (!in.failed && strcmp(mechanism, SCRAM_MECHANISM) != 0)
		return fail(a, "client selected an invalid SASL "
		    "authentication mechanism");
	if (wire_parse_sasl_initial(body, n, &mechanism, &msg, &len) != 0 ||
	    msg == NULL)
		return sasl_failed(a);
	if (!a->fresh || a->mock)
		return challenge(a, msg, len, reply, e);
	/* Only now: a client that never answers costs no derivation. */
	buf_append(&a->first, msg, len);
	buf_cstr(&a->first);
	if (buf_failed(&a->first))
		return fail(a, "out of memory");
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
		/* The client is told one thing, the log another. */
		if (rc == ERR_AUTH)
			err_set(e, ERR_AUTH, "%s",
			    !a->mock && a->kind == AUTH_KIND_MD5 ?
			    "SCRAM authentication failed: user has MD5 secret"
			    : "password authentication failed");
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
		return on_password(a, body, n);
	case CLIENT_AUTH_MD5:
		return on_md5(a, body, n, reply);
	case CLIENT_AUTH_FIRST:
		return on_first(a, body, n, reply, e);
	case CLIENT_AUTH_FINAL:
		return on_final(a, body, n, reply, e);
	case CLIENT_AUTH_SECRET:
	case CLIENT_AUTH_COMPARE:
	case CLIENT_AUTH_ENDED:
		break;
	}
	return fail(a, "bad packet");
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
		return fail(a, "bouncer resources exhaustion");
	}
	return a->state == CLIENT_AUTH_SECRET ? make_secret(a, reply, e) :
	    compare_password(a, reply);
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
