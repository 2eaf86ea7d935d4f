/* SPDX-License-Identifier: MIT */
/*
 * tls - TLS between the poller and the relay.
 *
 * OpenSSL 3 over a BIO of ours that never touches a descriptor: ciphertext
 * comes in as a borrowed buffer (tls_feed()), goes out through a callback of
 * the caller (tls_out_fn), and nothing blocks. So an idle connection costs
 * what OpenSSL keeps for it and no buffer: by tls_test with OpenSSL 3.0.22
 * and TLS 1.3, 15.0 KiB towards a client and 18.1 KiB towards a server,
 * whose certificate is kept; with 3.5.7, 28.6 and 33.8 KiB.
 *
 * Calling sequence. Once per configuration: tls_context_new(), then
 * tls_context_unref() when it is replaced; connections keep it alive. Once
 * per connection: tls_new(), then after each receive
 *	tls_feed(t, bytes, n);
 *	tls_handshake() until it returns 0, from then on
 *	tls_read() until it returns TLS_MORE
 * and tls_write() at any time after the handshake; tls_shutdown(),
 * tls_free(). A client (TLS_CONNECT) calls tls_handshake() once before
 * anything arrives.
 *
 * Fed bytes must stay until a call returned TLS_MORE, which says that all
 * of them were taken. Whoever stops reading earlier (back-pressure) keeps
 * the buffer and goes on with tls_read() later, without feeding.
 *
 * A context may be used by all threads at once. A connection belongs to one
 * thread at a time and may move between threads; with TLS_MORE as its last
 * result it holds no pointer to fed bytes.
 *
 * Renegotiation, compression, session tickets and session caches are off:
 * libpq uses none of them, and each costs memory or has a history.
 */
#ifndef COMMON_TLS_H
#define COMMON_TLS_H

#include "common/base.h"
#include "common/err.h"

/* Answers of the calls below besides 0 and ERR_TLS, ERR_NOMEM. */
#define TLS_MORE	1	/* all input was taken: feed more */
#define TLS_FULL	2	/* tls_out_fn had no room: call again later */
#define TLS_EOF		3	/* the peer closed the session properly */

enum tls_side {
	TLS_ACCEPT,		/* towards clients; option names client_tls_* */
	TLS_CONNECT		/* towards servers; option names server_tls_* */
};

enum tls_verify {
	TLS_VERIFY_NONE,	/* any certificate; clients need none */
	TLS_VERIFY_CA,		/* one that the CA file vouches for */
	TLS_VERIFY_FULL		/* TLS_CONNECT: and for the host name */
};

/* The options of one side as the ini file has them; NULL is "". */
struct tls_settings {
	enum tls_side	 side;
	enum tls_verify	 verify;
	const char	*key_file;	/* PEM; ACCEPT needs key and cert */
	const char	*cert_file;	/* PEM, chain below the certificate */
	const char	*ca_file;	/* PEM; "" with CONNECT: the system's */
	const char	*protocols;	/* "secure", "all", "tlsv1.2,tlsv1.3" */
	const char	*ciphers;	/* TLS <= 1.2; "default" */
	const char	*tls13_ciphers;	/* "" = the library's */
	const char	*dheparams;	/* "auto" "legacy" "none" */
	const char	*ecdhcurve;	/* "auto" "none" or a curve */
};

struct tls_context;
struct tls;

/*
 * Reads the files and checks every setting. The files are not read again.
 * Returns 0 and a context with one reference, or ERR_CONFIG with a text of
 * the contract (section 16.5, TLS), such as "invalid client_tls_protocols:
 * x" or "TLS setup failed: cannot load client_tls_cert_file "x": No such
 * file or directory". A key with a passphrase is refused, never asked for.
 */
int	tls_context_new(const struct tls_settings *, struct tls_context **,
	    struct err *) MUST_CHECK;

/* A tls counts as a reference to its context; the last one frees. NULL is
 * fine. */
void	tls_context_unref(struct tls_context *);
/* One more reference, which is the caller's. Returns it. NULL is fine. */
struct tls_context *tls_context_ref(struct tls_context *);

/*
 * Takes n bytes of ciphertext to send, all or nothing. Returns 0, TLS_FULL
 * (took none), or a negative code that ends the connection with ERR_TLS. It
 * runs inside the calls below and must not call back into them. A record is
 * at most 16,709 bytes, most flights of a handshake are below 4 KiB.
 */
typedef int tls_out_fn(void *arg, const void *bytes, size_t n);

/*
 * A connection. `host` (CONNECT only, else NULL) is the name or address that
 * TLS_VERIFY_FULL checks and, if a name, sends as SNI; whether it does is the
 * context's business, so who has a name gives it. Returns 0 or ERR_NOMEM.
 */
int	tls_new(struct tls_context *, const char *host, tls_out_fn *, void *arg,
	    struct tls **) MUST_CHECK;

/* Wipes the keys and frees. NULL is fine. Sends nothing. */
void	tls_free(struct tls *);

/* Another sink, for a connection that changed its owner. */
void	tls_set_out(struct tls *, tls_out_fn *, void *arg);

/*
 * Lends n received bytes. Only when the last bytes were taken (TLS_MORE was
 * returned, or nothing fed yet): tls_unread() is 0.
 */
void	tls_feed(struct tls *, const void *bytes, size_t n);

/* How many fed bytes were not taken yet. */
size_t	tls_unread(const struct tls *);

/*
 * One step of the handshake. 0: established (bytes that follow it may still
 * be unread: tls_read()). TLS_MORE, TLS_FULL, or ERR_TLS with "handshake
 * failed: <reason>"; an alert for the peer was given to tls_out_fn.
 */
int	tls_handshake(struct tls *, struct err *) MUST_CHECK;

/*
 * Decrypts up to `cap` (> 0) bytes. 0: *got of them, at least one. TLS_MORE,
 * TLS_EOF, ERR_TLS ("read failed: <reason>"), or TLS_FULL where a protocol
 * answer (a key update) found no room.
 */
int	tls_read(struct tls *, void *bytes, size_t cap, size_t *got,
	    struct err *) MUST_CHECK;

/*
 * Encrypts up to n (> 0) bytes as one record. 0: *taken of them, at most
 * 16 KiB; call again for the rest. TLS_FULL: none taken, and the next write
 * must begin with the same bytes (at any address) and at least as many of
 * them. ERR_TLS ("write failed: <reason>").
 */
int	tls_write(struct tls *, const void *bytes, size_t n, size_t *taken,
	    struct err *) MUST_CHECK;

/*
 * Says good-bye (close_notify) if the handshake was completed and nothing
 * failed; once. 0, or TLS_FULL: it may be tried again or left. Nothing may
 * be written any more once this was called; reading goes on.
 */
int	tls_shutdown(struct tls *);

/*
 * The transport ended. Returns TLS_EOF if the peer had said good-bye, else
 * ERR_CLOSED: the stream may have been cut. PostgreSQL's own backends never
 * say it, so after a Terminate, or between queries, that is no error.
 */
int	tls_transport_eof(const struct tls *);

/* Its context, for another connection on the same terms. Borrowed. */
struct tls_context *tls_context_of(const struct tls *);

/*
 * Queries, after the handshake.
 */

/* "TLSv1.3/TLS_AES_256_GCM_SHA384", for logs and SHOW; always ends in NUL. */
void	tls_info(const struct tls *, char *out, size_t cap);

/* The peer named the protocol "postgresql" (ALPN): direct TLS needs it. */
bool	tls_has_alpn(const struct tls *);

/* The peer sent a certificate, and it was verified. */
bool	tls_peer_verified(const struct tls *);

/*
 * Name number `i` of the peer's certificate: its subject alternative names
 * (DNS) in order, then the common name. Returns 0 with a NUL-terminated name;
 * ERR_NOT_FOUND after the last one or without a certificate; ERR_FORMAT for
 * a name that is longer than `cap` or holds a NUL (a forgery: go on with
 * i + 1, or refuse).
 */
int	tls_peer_name(const struct tls *, size_t i, char *out, size_t cap)
	    MUST_CHECK;

/* The library's name and version: "OpenSSL 3.0.17 1 Jul 2025". */
const char *tls_library(void);

#endif /* COMMON_TLS_H */
