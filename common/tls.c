/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/tls.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* ALPN's wire form: a length byte, then the name. */
static const unsigned char alpn[] = "\x0apostgresql";
#define ALPN_LEN	(sizeof(alpn) - 1)

struct tls_context {
	SSL_CTX		*ctx;
	enum tls_side	 side;
	enum tls_verify	 verify;
	atomic_uint	 refs;
};

struct tls {
	SSL		*ssl;
	struct tls_context *context;
	const char	*in;		/* lent by tls_feed() */
	size_t		 in_len;
	tls_out_fn	*out;
	void		*out_arg;
	bool		 broken;	/* OpenSSL forbids a shutdown then */
};

/*
 * The BIO: bytes come from the lent buffer and go to the caller's sink.
 */

static int
bio_read(BIO *bio, char *to, int cap)
{
	struct tls	*t = BIO_get_data(bio);
	size_t		 n = MIN(t->in_len, (size_t)cap);

	BIO_clear_retry_flags(bio);
	if (n == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(to, t->in, n);
	t->in += n;
	t->in_len -= n;
	return (int)n;
}

static int
bio_write(BIO *bio, const char *bytes, int n)
{
	struct tls	*t = BIO_get_data(bio);
	int		 rc;

	BIO_clear_retry_flags(bio);
	rc = t->out(t->out_arg, bytes, (size_t)n);
	if (rc == TLS_FULL)
		BIO_set_retry_write(bio);
	return rc == 0 ? n : -1;
}

static long
bio_ctrl(BIO *bio, int command, long larg, void *parg)
{
	(void)bio;
	(void)larg;
	(void)parg;
	return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *bio_method;	/* constant once made */

static void
make_bio_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() |
	    BIO_TYPE_SOURCE_SINK, "lent buffer");

	if (m != NULL && BIO_meth_set_read(m, bio_read) &&
	    BIO_meth_set_write(m, bio_write) &&
	    BIO_meth_set_ctrl(m, bio_ctrl))
		bio_method = m;
	else
		BIO_meth_free(m);
}

static BIO *
new_bio(struct tls *t)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	BIO *bio;

	pthread_once(&once, make_bio_method);
	if (bio_method == NULL || (bio = BIO_new(bio_method)) == NULL)
		return NULL;
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	return bio;
}

/*
 * Errors. The queue is the thread's: it is cleared before each call and read
 * right after it, so that a connection may change threads in between.
 */

/* The first reason in the queue: later ones only say who passed it on. */
static const char *
first_reason(void)
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

static int
fail(struct tls *t, struct err *e, const char *what)
{
	long	verify = SSL_get_verify_result(t->ssl);

	t->broken = true;
	if (ERR_GET_REASON(ERR_peek_error()) ==
	    SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK)
		err_set(e, ERR_TLS, "%s failed: %s: %s", what, first_reason(),
		    X509_verify_cert_error_string(verify));
	else
		err_set(e, ERR_TLS, "%s failed: %s", what, first_reason());
	ERR_clear_error();
	return ERR_TLS;
}

/*
 * Building a context
 */

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
	    option, file, first_reason());
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
			    first_reason());
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
	if (SSL_select_next_proto(&match, out_len, alpn, ALPN_LEN, in,
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
		SSL_CTX_set_alpn_protos(ctx, alpn, ALPN_LEN);
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
		    first_reason());
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

static struct tls_context *
ref_context(struct tls_context *context)
{
	atomic_fetch_add_explicit(&context->refs, 1, memory_order_relaxed);
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

/*
 * Connections
 */

/* Asks for the host's name in the certificate, and says it in clear (SNI). */
static bool
expect_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
		return true;	/* an address: SNI is for names only */
	X509_VERIFY_PARAM_set_hostflags(param,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
	    SSL_set_tlsext_host_name(ssl, host) == 1;
}

int
tls_new(struct tls_context *context, const char *host, tls_out_fn *out_fn,
    void *arg, struct tls **out)
{
	struct tls	*t = calloc(1, sizeof(*t));
	BIO		*bio = NULL;
	int		 rc = ERR_NOMEM;

	if (t == NULL)
		return ERR_NOMEM;
	t->out = out_fn;
	t->out_arg = arg;
	t->context = ref_context(context);
	t->ssl = SSL_new(context->ctx);
	if (t->ssl == NULL || (bio = new_bio(t)) == NULL)
		goto out;
	SSL_set_bio(t->ssl, bio, bio);	/* takes ownership */
	if (context->side == TLS_ACCEPT) {
		SSL_set_accept_state(t->ssl);
	} else {
		SSL_set_connect_state(t->ssl);
		/* Without a name to check, nothing may pass the check. */
		assert(host != NULL || context->verify != TLS_VERIFY_FULL);
		if (context->verify == TLS_VERIFY_FULL &&
		    !expect_host(t->ssl, host))
			goto out;
	}
	*out = t;
	t = NULL;
	rc = 0;
out:
	ERR_clear_error();
	tls_free(t);
	return rc;
}

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	tls_context_unref(t->context);
	free(t);
}

void
tls_set_out(struct tls *t, tls_out_fn *out_fn, void *arg)
{
	t->out = out_fn;
	t->out_arg = arg;
}

void
tls_feed(struct tls *t, const void *bytes, size_t n)
{
	assert(t->in_len == 0);
	t->in = bytes;
	t->in_len = n;
}

size_t
tls_unread(const struct tls *t)
{
	return t->in_len;
}

/* What a call that did not succeed means to our caller. */
static int
result_of(struct tls *t, int rc, const char *what, struct err *e)
{
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return TLS_MORE;
	case SSL_ERROR_WANT_WRITE:
		return TLS_FULL;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_EOF;
	default:
		return fail(t, e, what);
	}
}

int
tls_handshake(struct tls *t, struct err *e)
{
	int rc;

	if (SSL_is_init_finished(t->ssl))
		return 0;
	ERR_clear_error();
	rc = SSL_do_handshake(t->ssl);
	if (rc == 1)
		return 0;
	rc = result_of(t, rc, "handshake", e);
	if (rc == TLS_EOF) {
		t->broken = true;
		return err_set(e, ERR_TLS,
		    "handshake failed: closed by the peer");
	}
	return rc;
}

int
tls_read(struct tls *t, void *bytes, size_t cap, size_t *got, struct err *e)
{
	size_t	n;
	int	rc;

	ERR_clear_error();
	rc = SSL_read_ex(t->ssl, bytes, cap, &n);
	if (rc != 1)
		return result_of(t, rc, "read", e);
	*got = n;
	return 0;
}

int
tls_write(struct tls *t, const void *bytes, size_t n, size_t *taken,
    struct err *e)
{
	size_t	done;
	int	rc;

	ERR_clear_error();
	rc = SSL_write_ex(t->ssl, bytes, n, &done);
	if (rc != 1)
		return result_of(t, rc, "write", e);
	*taken = done;
	return 0;
}

int
tls_shutdown(struct tls *t)
{
	int rc;

	if (t->broken || !SSL_is_init_finished(t->ssl))
		return 0;
	ERR_clear_error();
	rc = SSL_shutdown(t->ssl);
	/* 0 is "sent, the peer's is still to come": nobody waits for it. */
	if (rc < 0 && SSL_get_error(t->ssl, rc) == SSL_ERROR_WANT_WRITE)
		return TLS_FULL;
	ERR_clear_error();
	return 0;
}

int
tls_transport_eof(const struct tls *t)
{
	return (SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN) != 0 ?
	    TLS_EOF : ERR_CLOSED;
}

/*
 * Queries
 */

void
tls_info(const struct tls *t, char *out, size_t cap)
{
	EVP_PKEY	*key = NULL;
	char		 group[64];
	size_t		 len;

	snprintf(out, cap, "%s/%s", SSL_get_version(t->ssl),
	    SSL_get_cipher_name(t->ssl));
	/* TLS 1.3 chooses group and cipher apart: the pair says it all. */
	if (SSL_version(t->ssl) >= TLS1_3_VERSION ||
	    !SSL_get_peer_tmp_key(t->ssl, &key))
		return;
	len = strlen(out);
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_DH)
		snprintf(out + len, cap - len, "/DH=%d",
		    EVP_PKEY_get_bits(key));
	else if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL))
		snprintf(out + len, cap - len, "/ECDH=%s", group);
	else
		snprintf(out + len, cap - len, "/ECDH=%s",
		    OBJ_nid2sn(EVP_PKEY_get_base_id(key)));
	EVP_PKEY_free(key);
	ERR_clear_error();
}

bool
tls_has_alpn(const struct tls *t)
{
	const unsigned char	*name;
	unsigned		 n;

	SSL_get0_alpn_selected(t->ssl, &name, &n);
	return n == ALPN_LEN - 1 && memcmp(name, alpn + 1, n) == 0;
}

bool
tls_peer_verified(const struct tls *t)
{
	return t->context->verify != TLS_VERIFY_NONE &&
	    SSL_is_init_finished(t->ssl) &&
	    SSL_get0_peer_certificate(t->ssl) != NULL &&
	    SSL_get_verify_result(t->ssl) == X509_V_OK;
}

/* A NUL inside makes "good\0.evil" look like "good" to strcmp(). */
static int
copy_name(const ASN1_STRING *from, char *out, size_t cap)
{
	unsigned char	*utf8 = NULL;
	int		 n = ASN1_STRING_to_UTF8(&utf8, from), rc = ERR_FORMAT;

	if (n >= 0 && (size_t)n < cap &&
	    memchr(utf8, '\0', (size_t)n) == NULL) {
		memcpy(out, utf8, (size_t)n);
		out[n] = '\0';
		rc = 0;
	}
	OPENSSL_free(utf8);
	ERR_clear_error();
	return rc;
}

static int
common_name(X509 *cert, char *out, size_t cap)
{
	X509_NAME	*subject = X509_get_subject_name(cert);
	int		 at;

	at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	if (at < 0)
		return ERR_NOT_FOUND;
	return copy_name(X509_NAME_ENTRY_get_data(
	    X509_NAME_get_entry(subject, at)), out, cap);
}

int
tls_peer_name(const struct tls *t, size_t i, char *out, size_t cap)
{
	X509		*cert = SSL_get0_peer_certificate(t->ssl);
	GENERAL_NAMES	*names;
	int		 k, rc = ERR_NOT_FOUND;
	bool		 found = false;

	if (cert == NULL)
		return ERR_NOT_FOUND;
	names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	for (k = 0; k < sk_GENERAL_NAME_num(names) && !found; k++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, k);

		if (name->type != GEN_DNS || i-- > 0)
			continue;
		rc = copy_name(name->d.dNSName, out, cap);
		found = true;
	}
	GENERAL_NAMES_free(names);
	if (!found && i == 0)
		rc = common_name(cert, out, cap);
	return rc;
}

const char *
tls_library(void)
{
	return OpenSSL_version(OPENSSL_VERSION);
}
