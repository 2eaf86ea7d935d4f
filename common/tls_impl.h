/* SPDX-License-Identifier: MIT */
/*
 * tls_impl - what the files of TLS share; see tls.h.
 *
 *	tls_context.c	contexts: protocols, ciphers, certificates
 *	tls.c		connections over an own BIO
 */
#ifndef COMMON_TLS_IMPL_H
#define COMMON_TLS_IMPL_H

#include <stdatomic.h>

#include <openssl/ssl.h>

#include "common/base.h"
#include "common/tls.h"

struct tls_context {
	SSL_CTX		*ctx;
	enum tls_side	 side;
	enum tls_verify	 verify;
	atomic_uint	 refs;
};

/* ALPN's wire form: a length byte, then the name. */
#define TLS_ALPN_LEN	11
extern const unsigned char tls_alpn[TLS_ALPN_LEN + 1];

/* The first reason in the queue: later ones only say who passed it on. Valid
 * until the thread's next call. */
const char *tls_first_reason(void);

#endif /* COMMON_TLS_IMPL_H */
