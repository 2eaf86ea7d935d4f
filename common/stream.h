/* SPDX-License-Identifier: MIT */
/*
 * stream - one peer: a socket, perhaps under TLS, as a series of events.
 *
 * State machines above see plaintext in lent buffers and never know whether
 * TLS lies beneath. Without TLS nothing is copied: a stream is then a thin
 * name for its poller_conn. Invariant: after stream_close() or
 * stream_abort() no event comes.
 * Calling sequence: stream_open() or stream_connect(), stream_recv_start(),
 * sends, stream_close(). Memory of the stream lives until the end of the
 * turn in which it was closed. One thread at a time: a quiet stream may move
 * to another poller with stream_leave() and stream_join().
 */
#ifndef COMMON_STREAM_H
#define COMMON_STREAM_H

#include <sys/socket.h>

#include "common/base.h"
#include "common/poller.h"

struct err;
struct tls_context;
struct tls;

enum stream_event {
	SE_CONNECTED,	/* stream_connect() succeeded */
	SE_TLS_READY,	/* the handshake of stream_start_tls() is done */
	SE_DATA,	/* `n` > 0 plaintext bytes in `lent` */
	SE_BLOCKED,	/* the peer is slow: stop what feeds it */
	SE_DRAINED,	/* it has caught up */
	SE_HANGUP,	/* the peer closed while we were not receiving */
	SE_DEAF,	/* the peer takes nothing more: what it said before still
			 * comes, and then SE_EOF or SE_ERROR */
	SE_EOF,		/* the peer closed */
	SE_ERROR	/* broken; stream_error() says why */
};

struct stream;
typedef void stream_fn(struct stream *, enum stream_event, struct lent *,
    const char *bytes, size_t n);

/* Embedded in its owner, zeroed before use. */
struct stream {
	struct poller_conn conn;
	stream_fn	*fn;
	struct tls	*tls;		/* NULL: plain */
	struct lent	*fed;		/* ciphertext not all decrypted yet */
	struct err	*error;		/* NULL until something broke */
	int		 fd;		/* -1 when closed */
	uint32_t	 answered;	/* bytes that TLS sent of its own accord
					 * to a peer that does not read */
	bool		 opened;
	bool		 tls_ready;
	bool		 decrypting;
};

/*
 * Takes an accepted, non-blocking socket. On success the stream owns the
 * descriptor, on failure the caller still does.
 */
int	stream_open(struct stream *, struct poller *, int fd, stream_fn *fn)
	    MUST_CHECK;

/*
 * Begins to connect to an address; SE_CONNECTED or SE_ERROR follows, also
 * where the kernel answers at once. Returns 0, or a negated errno when not
 * even the attempt was possible (no socket, no memory, refused at once by a
 * Unix socket), and then the stream is closed.
 */
int	stream_connect(struct stream *, struct poller *,
	    const struct sockaddr *addr, socklen_t len, stream_fn *fn)
	    MUST_CHECK;

/*
 * From here on the stream is TLS, as the server (accepting) or the client.
 * `host` is the name that it was connected by (tls_new() has its meaning),
 * NULL when accepting. SE_TLS_READY or SE_ERROR follows. Returns 0 or a
 * negative code. It holds a reference to the context.
 */
int	stream_start_tls(struct stream *, struct tls_context *, bool accepting,
	    const char *host) MUST_CHECK;

/* Bytes of the handshake that were received before it was known to be one
 * (a client that starts TLS at once). Right after stream_start_tls(). */
void	stream_feed_tls(struct stream *, struct lent *, const char *bytes,
	    size_t n);

/* The context of its TLS, for another connection to the same peer; NULL when
 * plain. Borrowed. */
struct tls_context *stream_tls_context(const struct stream *);

/* The peer asked for the protocol "postgresql" (ALPN). */
bool	stream_tls_has_alpn(const struct stream *);

void	stream_recv_start(struct stream *);
void	stream_recv_stop(struct stream *);

/* As poller_send_lent() and poller_send_copy(). */
int	stream_send_lent(struct stream *, struct lent *, const char *bytes,
	    size_t n) MUST_CHECK;
int	stream_send_copy(struct stream *, const void *bytes, size_t n)
	    MUST_CHECK;

/* True while the peer is behind (between SE_BLOCKED and SE_DRAINED). */
bool	stream_blocked(const struct stream *);

/*
 * Sends what the socket takes at once (and TLS's close), then closes it.
 * Idempotent, and legal on a zeroed stream.
 */
void	stream_close(struct stream *);

/* Closes it without sending anything: for a peer that must not be answered. */
void	stream_abort(struct stream *);

/*
 * Gives the descriptor up: the stream is closed, the socket is not, and is
 * the caller's. Nothing queued is sent; bytes that were received and not
 * delivered are lost.
 */
int	stream_take_fd(struct stream *) MUST_CHECK;

/*
 * Leaves its poller, to join another one in another thread. Only while
 * nothing is queued or received and undelivered (poller_leave()); returns
 * false otherwise, and then goes on as before.
 */
bool	stream_leave(struct stream *) MUST_CHECK;
/* Joins a poller, not receiving. Returns 0 or a negated errno. */
int	stream_join(struct stream *, struct poller *) MUST_CHECK;

/* Writes the info string of the TLS connection ("TLSv1.3/..."), or "". */
void	stream_tls_info(const struct stream *, char *out, size_t cap);

/* After SE_ERROR: what broke, in words; "" before. */
const char *stream_error(const struct stream *);

#endif /* COMMON_STREAM_H */
