/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/stream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/err.h"
#include "common/tls.h"

/*
 * So much may TLS itself answer to a peer that reads nothing. TLS 1.3 answers
 * each key update that asks for one: a peer that only asks would fill memory.
 */
#define ANSWERED_MAX	(64 * 1024)

static void on_poller(struct poller_conn *, enum poller_event, struct lent *,
    const char *, size_t);

static void
set_error(struct stream *s, const char *text)
{
	if (s->error == NULL)
		s->error = calloc(1, sizeof(*s->error));
	if (s->error != NULL)
		(void)err_set(s->error, ERR_SYS, "%s", text);
}

int
stream_open(struct stream *s, struct poller *p, int fd, stream_fn *fn)
{
	int r;

	memset(s, 0, sizeof(*s));
	s->fn = fn;
	s->fd = fd;
	r = poller_attach(p, &s->conn, fd, false, on_poller);
	if (r != 0)
		return r;
	s->opened = true;
	return 0;
}

int
stream_connect(struct stream *s, struct poller *p, const struct sockaddr *addr,
    socklen_t len, stream_fn *fn)
{
	int fd, r;

	memset(s, 0, sizeof(*s));
	s->fn = fn;
	s->fd = -1;
	fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (fd < 0)
		return -errno;
	/*
	 * A Unix socket connects at once or fails at once (EAGAIN: the
	 * backlog is full). Connected, it is writable, so that the poller
	 * reports it like any other.
	 */
	if (connect(fd, addr, len) != 0 && errno != EINPROGRESS) {
		r = -errno;
		close(fd);
		return r;
	}
	r = poller_attach(p, &s->conn, fd, true, on_poller);
	if (r != 0) {
		close(fd);
		return r;
	}
	s->fd = fd;
	s->opened = true;
	return 0;
}

/* tls_out_fn: ciphertext joins the queue of what is to be sent. */
static int
send_ciphertext(void *arg, const void *bytes, size_t n)
{
	struct stream *s = arg;

	if (s->decrypting) {
		s->answered = stream_blocked(s) ? s->answered + (uint32_t)n : 0;
		if (s->answered > ANSWERED_MAX)
			return ERR_LIMIT;
	}
	return poller_send_copy(&s->conn, bytes, n);
}

int
stream_start_tls(struct stream *s, struct tls_context *ctx, bool accepting,
    const char *host)
{
	int r = tls_new(ctx, host, send_ciphertext, s, &s->tls);

	if (r != 0)
		return r;
	/* A client speaks first. */
	if (!accepting) {
		r = tls_handshake(s->tls, NULL);
		if (r < 0)
			return r;
	}
	stream_recv_start(s);
	return 0;
}

void
stream_recv_start(struct stream *s)
{
	/* What lies between the socket and us raises no edge any more. */
	if (s->fed != NULL)
		poller_poke(&s->conn);
	poller_recv_start(&s->conn);
}

void
stream_recv_stop(struct stream *s)
{
	poller_recv_stop(&s->conn);
}

static int
send_plaintext(struct stream *s, const char *bytes, size_t n)
{
	while (n > 0) {
		size_t	taken = 0;
		int	r = tls_write(s->tls, bytes, n, &taken, NULL);

		if (r != 0)
			return r < 0 ? r : ERR_TLS;
		bytes += taken;
		n -= taken;
	}
	return 0;
}

int
stream_send_lent(struct stream *s, struct lent *l, const char *bytes, size_t n)
{
	if (s->tls != NULL)
		return send_plaintext(s, bytes, n);
	return poller_send_lent(&s->conn, l, bytes, n);
}

int
stream_send_copy(struct stream *s, const void *bytes, size_t n)
{
	if (s->tls != NULL)
		return send_plaintext(s, bytes, n);
	return poller_send_copy(&s->conn, bytes, n);
}

bool
stream_blocked(const struct stream *s)
{
	return s->conn.blocked;
}

static void
finish(struct stream *s, bool polite)
{
	if (!s->opened)
		return;
	s->opened = false;
	if (polite) {
		if (s->tls != NULL && s->tls_ready && !s->conn.failed)
			(void)tls_shutdown(s->tls);
		poller_flush_now(&s->conn);
	}
	tls_free(s->tls);
	s->tls = NULL;
	s->tls_ready = false;
	if (s->fed != NULL)
		lent_unref(s->fed);
	s->fed = NULL;
	poller_detach(&s->conn);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	free(s->error);
	s->error = NULL;
}

void
stream_close(struct stream *s)
{
	finish(s, true);
}

void
stream_abort(struct stream *s)
{
	finish(s, false);
}

int
stream_take_fd(struct stream *s)
{
	int fd = s->fd;

	/* Bytes that came too early are the price of taking it now. */
	if (!poller_leave(&s->conn))
		poller_detach(&s->conn);
	s->fd = -1;
	finish(s, false);
	return fd;
}

bool
stream_leave(struct stream *s)
{
	if (poller_pending(&s->conn) > 0 || s->conn.failed || s->fed != NULL)
		return false;
	return poller_leave(&s->conn);
}

int
stream_join(struct stream *s, struct poller *p)
{
	return poller_attach(p, &s->conn, s->fd, false, on_poller);
}

void
stream_tls_info(const struct stream *s, char *out, size_t cap)
{
	if (cap > 0)
		out[0] = '\0';
	if (s->tls != NULL && s->tls_ready)
		tls_info(s->tls, out, cap);
}

const char *
stream_error(const struct stream *s)
{
	return s->error == NULL ? "" : s->error->msg;
}

/* ---- TLS ---- */

static void
fail_tls(struct stream *s, const struct err *e)
{
	const char *prefix = "handshake failed: ";
	const char *text = e->msg;

	/* Who logs it says so in its own words. */
	if (strncmp(text, prefix, strlen(prefix)) == 0)
		text += strlen(prefix);
	set_error(s, text);
	/* The alert that tells the peer why is the last thing it gets. */
	poller_flush_now(&s->conn);
	s->conn.failed = true;
	s->fn(s, SE_ERROR, NULL, NULL, 0);
}

/* Returns true when the session is established. */
static bool
step_handshake(struct stream *s)
{
	struct err e = { 0 };
	int	   r;

	if (s->tls_ready)
		return true;
	r = tls_handshake(s->tls, &e);
	if (r == 0) {
		s->tls_ready = true;
		s->fn(s, SE_TLS_READY, NULL, NULL, 0);
		return s->opened;
	}
	if (r < 0)
		fail_tls(s, &e);
	return false;
}

/*
 * Fills one buffer with as many records as it takes, so that what was sent
 * in small pieces is relayed in large ones. Returns tls_read()'s last answer.
 */
static int
fill_plaintext(struct stream *s, struct lent *plain, struct err *e)
{
	int r = 0;

	s->decrypting = true;
	while (plain->used < LENT_SIZE) {
		size_t got = 0;

		r = tls_read(s->tls, plain->data + plain->used,
		    LENT_SIZE - plain->used, &got, e);
		if (r != 0)
			break;
		plain->used += (uint32_t)got;
	}
	s->decrypting = false;
	return r;
}

/* Decrypts what was fed until it is used up or the owner stops receiving. */
static void
decrypt(struct stream *s)
{
	struct err e = { 0 };
	int	   r = 0;

	while (r == 0 && s->opened && s->conn.receiving) {
		struct lent *plain = lent_get(s->conn.poller);
		uint32_t     n;

		if (plain == NULL) {
			(void)err_set(&e, ERR_NOMEM, "out of memory");
			fail_tls(s, &e);
			return;
		}
		r = fill_plaintext(s, plain, &e);
		n = plain->used;
		/* A buffer that a later copy must not fill up. */
		plain->used = LENT_SIZE;
		if (n > 0)
			s->fn(s, SE_DATA, plain, plain->data, n);
		lent_unref(plain);
	}
	if (!s->opened || r == 0)
		return;
	if (s->fed != NULL) {
		lent_unref(s->fed);
		s->fed = NULL;
	}
	if (r == TLS_EOF) {
		s->conn.failed = true;
		s->fn(s, SE_EOF, NULL, NULL, 0);
	} else if (r < 0) {
		fail_tls(s, &e);
	}
}

static void
feed_tls(struct stream *s, struct lent *l, const char *bytes, size_t n)
{
	lent_ref(l);
	s->fed = l;
	tls_feed(s->tls, bytes, n);
	if (step_handshake(s)) {
		decrypt(s);
	} else if (s->opened && s->fed != NULL) {
		lent_unref(s->fed);
		s->fed = NULL;
	}
}

void
stream_feed_tls(struct stream *s, struct lent *l, const char *bytes, size_t n)
{
	feed_tls(s, l, bytes, n);
}

struct tls_context *
stream_tls_context(const struct stream *s)
{
	return s->tls != NULL ? tls_context_of(s->tls) : NULL;
}

bool
stream_tls_has_alpn(const struct stream *s)
{
	return s->tls != NULL && tls_has_alpn(s->tls);
}

static void
on_data(struct stream *s, struct lent *l, const char *bytes, size_t n)
{
	if (s->tls == NULL) {
		s->fn(s, SE_DATA, l, bytes, n);
		return;
	}
	/* PE_POKED came first, so the last buffer is used up. */
	assert(s->fed == NULL);
	feed_tls(s, l, bytes, n);
}

static void
on_poller(struct poller_conn *c, enum poller_event ev, struct lent *l,
    const char *bytes, size_t n)
{
	struct stream *s = container_of(c, struct stream, conn);

	switch (ev) {
	case PE_CONNECTED:
		s->fn(s, SE_CONNECTED, NULL, NULL, 0);
		return;
	case PE_DATA:
		on_data(s, l, bytes, n);
		return;
	case PE_POKED:
		if (s->fed != NULL)
			decrypt(s);
		return;
	case PE_BLOCKED:
		s->fn(s, SE_BLOCKED, NULL, NULL, 0);
		return;
	case PE_DRAINED:
		s->fn(s, SE_DRAINED, NULL, NULL, 0);
		return;
	case PE_HANGUP:
		s->fn(s, SE_HANGUP, NULL, NULL, 0);
		return;
	case PE_DEAF:
		set_error(s, err_text(-(int)n));
		s->fn(s, SE_DEAF, NULL, NULL, 0);
		return;
	case PE_EOF:
		s->fn(s, SE_EOF, NULL, NULL, 0);
		return;
	case PE_ERROR:
		set_error(s, err_text(-(int)n));
		s->fn(s, SE_ERROR, NULL, NULL, 0);
		return;
	}
}
