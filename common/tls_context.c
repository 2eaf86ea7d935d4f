/* SPDX-License-Identifier: MIT */
/*
 * Building a context: what the settings say, once for many connections.
 */
#include "common/base.h"
#include "common/tls.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "common/tls_impl.h"

const unsigned char tls_alpn[TLS_ALPN_LEN + 1] = "\x0apostgresql";

const char *
tls_first_reason(void)
{
	static _Thread_local char text[128];
	unsigned long	code = ERR_peek_error();
	const char	*reason;

	if (code == 0)
		return "unknown reason";
	if (ERR_SYSTEM_ERROR(code)) {
		if (strerror_r(ERR_GET_REASON(code), text, sizeof(text)) == 0)
			return text;
		return "system error";
	}
	reason = ERR_reason_error_string(code);
	return reason != NULL ? reason : "unknown reason";
}

static bool
is_set(const char *s)
{
	return s != NULL && *s != '\0';
}

static const char *
prefix_of(const struct tls_settings *s)
{
	return s->side == TLS_ACCEPT ? "client_tls" : "server_tls";
}

static int
invalid(struct err *e, const struct tls_settings *s, const char *option,
    const char *value)
{
	return err_set(e, ERR_CONFIG, "invalid %s_%s: %s", prefix_of(s),
	    option, value);
}

static int
cannot_load(struct err *e, const struct tls_settings *s, const char *option,
    const char *file)
{
	return err_set(e, ERR_CONFIG,
	    "TLS setup failed: cannot load %s_%s \"%s\": %s", prefix_of(s),
	    option, file, tls_first_reason());
}

/* From old to new: bit i of a set stands for entry i. */
static const struct {
	const char	*name;
	int		 version;
	uint64_t	 off;		/* the option that disables it */
} protocols[] = {
	{ "tlsv1.0", TLS1_VERSION,   SSL_OP_NO_TLSv1 },
	{ "tlsv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1 },
	{ "tlsv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2 },
	{ "tlsv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3 }
};
#define PROTOCOLS_ALL		0xfu
#define PROTOCOLS_SECURE	0xcu

/* The set that one word of the list means; 0 if it means nothing. */
static unsigned
set_of_word(const char *word, size_t n)
{
	static const struct {
		const char	*name;
		unsigned	 set;
	} sets[] = {
		{ "secure", PROTOCOLS_SECURE }, { "default", PROTOCOLS_SECURE },
		{ "all", PROTOCOLS_ALL }, { "legacy", PROTOCOLS_ALL },
		{ "tlsv1", PROTOCOLS_ALL }
	};
	size_t i;

	for (i = 0; i < ARRAY_LEN(sets); i++)
		if (strlen(sets[i].name) == n &&
		    strncasecmp(sets[i].name, word, n) == 0)
			return sets[i].set;
	for (i = 0; i < ARRAY_LEN(protocols); i++)
		if (strlen(protocols[i].name) == n &&
		    strncasecmp(protocols[i].name, word, n) == 0)
			return 1u << i;
	return 0;
}

/* Words between commas, colons or blanks; "!word" takes out. 0: invalid. */
static unsigned
set_of_list(const char *list)
{
	static const char separators[] = ",: \t";
	unsigned	set = 0, one;
	size_t		n;
	bool		without;

	for (;;) {
		list += strspn(list, separators);
		if (*list == '\0')
			return set;
		without = *list == '!';
		list += without;
		n = strcspn(list, separators);
		one = set_of_word(list, n);
		if (one == 0)
			return 0;
		/* "!x" alone means all others. */
		if (without && set == 0)
			set = PROTOCOLS_ALL;
		set = without ? set & ~one : set | one;
		list += n;
	}
}

static int
set_protocols(SSL_CTX *ctx, const struct tls_settings *s, struct err *e)
{
	unsigned	set = PROTOCOLS_SECURE;
	size_t		i, low = ARRAY_LEN(protocols), high = 0;

	if (is_set(s->protocols))
		set = set_of_list(s->protocols);
	if (set == 0)
		return invalid(e, s, "protocols", s->protocols);
	for (i = 0; i < ARRAY_LEN(protocols); i++) {
		if ((set & 1u << i) == 0) {
			SSL_CTX_set_options(ctx, protocols[i].off);
			continue;
		}
		low = MIN(low, i);
		high = i;
	}
	/* Without these the system's openssl.cnf would set the bounds. */
	if (!SSL_CTX_set_min_proto_version(ctx, protocols[low].version) ||
	    !SSL_CTX_set_max_proto_version(ctx, protocols[high].version))
		return invalid(e, s, "protocols", s->protocols);
	return 0;
}

static bool
is_one_of(const char *value, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcasecmp(value, *names) == 0)
			return true;
	return false;
}

static int
set_ciphers(SSL_CTX *ctx, const struct tls_settings *s, struct err *e)
{
	static const char *const library[] = { "default", "secure", "fast",
	    "normal", NULL };
	const char *list = s->ciphers;

	if (is_set(list) && !is_one_of(list, library)) {
		if (strcasecmp(list, "all") == 0)
			list = "ALL";
		if (!SSL_CTX_set_cipher_list(ctx, list))
			return invalid(e, s, "ciphers", s->ciphers);
	}
	if (is_set(s->tls13_ciphers) &&
	    !SSL_CTX_set_ciphersuites(ctx, s->tls13_ciphers))
		return err_set(e, ERR_CONFIG, "TLS setup failed: "
		    "failed to set the TLSv1.3 cipher suites");
	return 0;
}

static int
set_key_exchange(SSL_CTX *ctx, const struct tls_settings *s, struct err *e)
{
	const char *dh = is_set(s->dheparams) ? s->dheparams : "auto";
	const char *curve = is_set(s->ecdhcurve) ? s->ecdhcurve : "auto";

	if (strcasecmp(dh, "auto") == 0)
		SSL_CTX_set_dh_auto(ctx, 1);
	else if (strcasecmp(dh, "legacy") == 0)
		SSL_CTX_set_dh_auto(ctx, 2);	/* 1024 bits, where allowed */
	else if (strcasecmp(dh, "none") != 0)
		return invalid(e, s, "dheparams", dh);
	if (strcasecmp(curve, "auto") == 0)
		return 0;
	/* TLS 1.3 cannot do without a group: "none" leaves it those of DH. */
	if (strcasecmp(curve, "none") == 0)
		curve = "ffdhe2048:ffdhe3072";
	if (!SSL_CTX_set1_groups_list(ctx, curve))
		return invalid(e, s, "ecdhecurve", s->ecdhcurve);
	return 0;
}

/* A daemon has nobody to ask; it only notes that it was asked. */
static int
no_passphrase(char *out, int cap, int writing, void *asked)
{
	(void)out;
	(void)cap;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static int
load_key(SSL_CTX *ctx, const struct tls_settings *s, struct err *e)
{
	bool	asked = false;
	int	ok;

	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, &asked);
	ok = SSL_CTX_use_PrivateKey_file(ctx, s->key_file, SSL_FILETYPE_PEM);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, NULL);
	if (asked)
		return err_set(e, ERR_CONFIG, "TLS setup failed: cannot load "
		    "%s_key_file \"%s\": it needs a passphrase",
		    prefix_of(s), s->key_file);
	if (ok != 1 || SSL_CTX_check_private_key(ctx) != 1)
		return cannot_load(e, s, "key_file", s->key_file);
	return 0;
}

static int
load_own_certificate(SSL_CTX *ctx, const struct tls_settings *s,
    struct err *e)
{
	bool key = is_set(s->key_file), cert = is_set(s->cert_file);

	if (s->side == TLS_ACCEPT && !(key && cert))
		return err_set(e, ERR_CONFIG,
		    "To allow TLS connections from clients, client_tls_key_file "
		    "and client_tls_cert_file must be set.");
	if (key != cert)
		return err_set(e, ERR_CONFIG, "TLS setup failed: "
		    "%s_key_file and %s_cert_file go together", prefix_of(s),
		    prefix_of(s));
	if (!key)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(ctx, s->cert_file) != 1)
		return cannot_load(e, s, "cert_file", s->cert_file);
	return load_key(ctx, s, e);
}

static int
set_verification(SSL_CTX *ctx, const struct tls_settings *s, struct err *e)
{
	int mode = SSL_VERIFY_PEER;

	if (s->verify == TLS_VERIFY_NONE) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
		return 0;
	}
	if (s->side == TLS_ACCEPT && !is_set(s->ca_file))
		return err_set(e, ERR_CONFIG,
		    "client_tls_sslmode requires client_tls_ca_file");
	if (!is_set(s->ca_file)) {
		if (SSL_CTX_set_default_verify_paths(ctx) != 1)
			return err_set(e, ERR_CONFIG, "TLS setup failed: "
			    "cannot load the system's certificates: %s",
			    tls_first_reason());
	} else if (SSL_CTX_load_verify_file(ctx, s->ca_file) != 1) {
		return cannot_load(e, s, "ca_file", s->ca_file);
	}
	if (s->side == TLS_ACCEPT) {
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
		/* Tells clients with several certificates which to use. */
		SSL_CTX_set_client_CA_list(ctx,
		    SSL_load_client_CA_file(s->ca_file));
	}
	SSL_CTX_set_verify(ctx, mode, NULL);
	return 0;
}

/* Of the protocols that a client offers, ours or none (PostgreSQL 17). */
static int
select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	unsigned char *match;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&match, out_len, tls_alpn, TLS_ALPN_LEN, in,
	    in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = match;
	return SSL_TLSEXT_ERR_OK;
}

static void
set_constants(SSL_CTX *ctx, enum tls_side side)
{
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_ENABLE_PARTIAL_WRITE |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
	    SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	if (side == TLS_ACCEPT)
		SSL_CTX_set_alpn_select_cb(ctx, select_alpn, NULL);
	else
		SSL_CTX_set_alpn_protos(ctx, tls_alpn, TLS_ALPN_LEN);
}

int
tls_context_new(const struct tls_settings *s, struct tls_context **out,
    struct err *e)
{
	struct tls_context *context;
	int	rc;

	ERR_clear_error();
	context = calloc(1, sizeof(*context));
	if (context == NULL)
		return err_set(e, ERR_NOMEM, "out of memory");
	context->side = s->side;
	context->verify = s->verify;
	atomic_init(&context->refs, 1);
	context->ctx = SSL_CTX_new(s->side == TLS_ACCEPT ?
	    TLS_server_method() : TLS_client_method());
	if (context->ctx == NULL) {
		rc = err_set(e, ERR_CONFIG, "TLS setup failed: %s",
		    tls_first_reason());
		goto out;
	}
	set_constants(context->ctx, s->side);
	if ((rc = set_protocols(context->ctx, s, e)) != 0 ||
	    (rc = set_ciphers(context->ctx, s, e)) != 0 ||
	    (rc = set_key_exchange(context->ctx, s, e)) != 0 ||
	    (rc = load_own_certificate(context->ctx, s, e)) != 0 ||
	    (rc = set_verification(context->ctx, s, e)) != 0)
		goto out;
	*out = context;
	context = NULL;
out:
	ERR_clear_error();
	tls_context_unref(context);
	return rc;
}

struct tls_context *
tls_context_ref(struct tls_context *context)
{
	if (context != NULL)
		atomic_fetch_add_explicit(&context->refs, 1,
		    memory_order_relaxed);
	return context;
}

void
tls_context_unref(struct tls_context *context)
{
	if (context == NULL || atomic_fetch_sub_explicit(&context->refs, 1,
	    memory_order_acq_rel) != 1)
		return;
	SSL_CTX_free(context->ctx);
	free(context);
}
