/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/tls.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "common/tls_impl.h"

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
static int
fail(struct tls *t, struct err *e, const char *what)
{
	long	verify = SSL_get_verify_result(t->ssl);

	t->broken = true;
	if (ERR_GET_REASON(ERR_peek_error()) ==
	    SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK)
		err_set(e, ERR_TLS, "%s failed: %s: %s", what,
		    tls_first_reason(), X509_verify_cert_error_string(verify));
	else
		err_set(e, ERR_TLS, "%s failed: %s", what, tls_first_reason());
	ERR_clear_error();
	return ERR_TLS;
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
	t->context = tls_context_ref(context);
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

struct tls_context *
tls_context_of(const struct tls *t)
{
	return t->context;
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
	return n == TLS_ALPN_LEN - 1 && memcmp(name, tls_alpn + 1, n) == 0;
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
