/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/poller.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/err.h"
#include "common/poller_impl.h"

#define IOVECS		32
/* Free lent buffers kept for reuse; more are given back to the system. */
#define LENT_KEEP	64

static void
on_wake(struct poller_watch *w)
{
	struct poller *p = container_of(w, struct poller, wake);
	uint64_t n;

	/*
	 * Read before the flag is cleared. The other way round the read could
	 * eat a wake that came between, with the flag left set: no wake
	 * would ever be written again. One that comes before the clearing is
	 * dropped, but then this turn is not over and sees what it was for.
	 */
	while (read(w->fd, &n, sizeof(n)) < 0 && errno == EINTR)
		;
	atomic_store(&p->wake_sent, false);
}

static int
open_back_end(struct poller *p, enum poller_io io)
{
	if (io == POLLER_URING) {
#ifdef WITH_LIBURING
		p->back = &poller_uring;
#else
		return -ENOSYS;
#endif
	} else {
		p->back = &poller_epoll;
	}
	return p->back->open(p);
}

int
poller_new(enum poller_io io, struct poller **out)
{
	struct poller *p = calloc(1, sizeof(*p));
	int	r;

	if (p == NULL)
		return -ENOMEM;
	list_init(&p->ready);
	list_init(&p->dirty);
	slab_init(&p->segs, "segment_cache", sizeof(struct poller_seg), 0);
	p->wake.fn = on_wake;
	p->wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r = p->wake.fd < 0 ? -errno : open_back_end(p, io);
	if (r == 0) {
		r = poller_watch_add(p, &p->wake);
		if (r != 0)
			p->back->close(p);
	}
	if (r != 0) {
		if (p->wake.fd >= 0)
			close(p->wake.fd);
		free(p);
		return r;
	}
	*out = p;
	return 0;
}

void
poller_free(struct poller *p)
{
	struct lent *l;

	if (p == NULL)
		return;
	assert(p->conns == 0 && p->lent_out == 0);
	p->back->close(p);
	while ((l = p->free_lent) != NULL) {
		p->free_lent = l->next_free;
		free(l);
	}
	slab_release(&p->segs);
	close(p->wake.fd);
	free(p);
}

const char *
poller_name(const struct poller *p)
{
	return p->back->name;
}

/* ---- lent buffers ---- */

struct lent *
lent_get(struct poller *p)
{
	struct lent *l = p->free_lent;

	if (l != NULL) {
		p->free_lent = l->next_free;
		p->lent_free--;
	} else {
		l = malloc(sizeof(*l));
		if (l == NULL)
			return NULL;
		l->home = p;
	}
	l->refs = 1;
	l->used = 0;
	p->lent_out++;
	return l;
}

void
lent_ref(struct lent *l)
{
	l->refs++;
}

void
lent_unref(struct lent *l)
{
	struct poller *p = l->home;

	assert(l->refs > 0);
	if (--l->refs > 0)
		return;
	p->lent_out--;
	if (p->lent_free >= LENT_KEEP) {
		free(l);
		return;
	}
	/* Last in, first out: the buffer in the cache is used again. */
	l->next_free = p->free_lent;
	p->free_lent = l;
	p->lent_free++;
}

/* ---- the set ---- */

int
poller_attach(struct poller *p, struct poller_conn *c, int fd,
    bool connecting, poller_fn *fn)
{
	int r;

	memset(c, 0, sizeof(*c));
	c->poller = p;
	c->fd = fd;
	c->fn = fn;
	c->connecting = connecting;
	r = p->back->attach(c);
	if (r != 0) {
		c->poller = NULL;
		return r;
	}
	p->conns++;
	return 0;
}

static void
drop_output(struct poller_conn *c)
{
	struct poller_seg *s;

	while ((s = c->out_head) != NULL) {
		c->out_head = s->next;
		lent_unref(s->lent);
		slab_give(&c->poller->segs, s);
	}
	c->out_tail = NULL;
	c->out_bytes = 0;
}

void
poller_detach(struct poller_conn *c)
{
	struct poller *p = c->poller;

	if (p == NULL)
		return;
	drop_output(c);
	if (list_linked(&c->ready_node))
		list_remove(&p->ready, &c->ready_node);
	if (list_linked(&c->dirty_node))
		list_remove(&p->dirty, &c->dirty_node);
	p->back->detach(c);
	c->poller = NULL;
	p->conns--;
}

bool
poller_leave(struct poller_conn *c)
{
	if (c->poller != NULL && !c->poller->back->let_go(c))
		return false;
	poller_detach(c);
	return true;
}

int
poller_watch_add(struct poller *p, struct poller_watch *w)
{
	return p->back->watch_add(p, w);
}

void
poller_watch_remove(struct poller *p, struct poller_watch *w)
{
	p->back->watch_remove(p, w);
}

void
poller_wake(struct poller *p)
{
	uint64_t one = 1;

	if (atomic_exchange(&p->wake_sent, true))
		return;
	while (write(p->wake.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* ---- sending ---- */

static int
add_seg(struct poller_conn *c, struct lent *l, const char *bytes, size_t n)
{
	struct poller_seg *s = c->out_tail;

	if (s != NULL && s->lent == l && s->bytes + s->n == bytes) {
		s->n += n;
	} else {
		s = slab_take(&c->poller->segs);
		if (s == NULL)
			return ERR_NOMEM;
		lent_ref(l);
		s->lent = l;
		s->bytes = bytes;
		s->n = n;
		if (c->out_tail != NULL)
			c->out_tail->next = s;
		else
			c->out_head = s;
		c->out_tail = s;
	}
	c->out_bytes += n;
	poller_make_dirty(c);
	return 0;
}

int
poller_send_lent(struct poller_conn *c, struct lent *l, const char *bytes,
    size_t n)
{
	if (n == 0 || c->poller == NULL || c->failed || c->deaf)
		return 0;
	return add_seg(c, l, bytes, n);
}

int
poller_send_copy(struct poller_conn *c, const void *bytes, size_t n)
{
	const char *from = bytes;

	if (c->poller == NULL || c->failed || c->deaf)
		return 0;
	while (n > 0) {
		struct poller_seg *tail = c->out_tail;
		struct lent *l;
		size_t	part;
		int	r;

		/*
		 * A buffer that ends the queue and that nobody else refers
		 * to was made by an earlier copy: fill it up.
		 */
		if (tail != NULL && tail->lent->refs == 1 &&
		    tail->lent->used != 0 && tail->lent->used < LENT_SIZE) {
			l = tail->lent;
			lent_ref(l);
		} else {
			l = lent_get(c->poller);
			if (l == NULL)
				return ERR_NOMEM;
		}
		part = MIN(n, (size_t)(LENT_SIZE - l->used));
		memcpy(l->data + l->used, from, part);
		r = add_seg(c, l, l->data + l->used, part);
		l->used += (uint32_t)part;
		lent_unref(l);
		if (r != 0)
			return r;
		from += part;
		n -= part;
	}
	return 0;
}

size_t
poller_pending(const struct poller_conn *c)
{
	return c->out_bytes;
}

void
poller_sent(struct poller_conn *c, size_t n)
{
	c->out_bytes -= n;
	while (n > 0) {
		struct poller_seg *s = c->out_head;

		if (s->n > n) {
			s->bytes += n;
			s->n -= n;
			return;
		}
		n -= s->n;
		c->out_head = s->next;
		if (c->out_head == NULL)
			c->out_tail = NULL;
		lent_unref(s->lent);
		slab_give(&c->poller->segs, s);
	}
}

int
poller_send_queued(struct poller_conn *c)
{
	while (c->out_head != NULL) {
		struct iovec	iov[IOVECS];
		struct msghdr	msg = { .msg_iov = iov };
		struct poller_seg *s;
		size_t		total = 0;
		ssize_t		n;

		for (s = c->out_head; s != NULL && msg.msg_iovlen < IOVECS;
		    s = s->next) {
			iov[msg.msg_iovlen].iov_base = (void *)(uintptr_t)s->bytes;
			iov[msg.msg_iovlen++].iov_len = s->n;
			total += s->n;
		}
		if (msg.msg_iovlen == 1)
			n = send(c->fd, iov[0].iov_base, total, MSG_NOSIGNAL);
		else
			n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 :
			    -errno;
		}
		poller_sent(c, (size_t)n);
		if ((size_t)n < total)
			return 0;
	}
	return 0;
}

void
poller_flush_now(struct poller_conn *c)
{
	if (c->poller != NULL && !c->failed && !c->deaf && !c->connecting)
		(void)poller_send_queued(c);
}

/* ---- receiving ---- */

void
poller_recv_start(struct poller_conn *c)
{
	c->receiving = true;
	if (c->poller == NULL || c->failed)
		return;
	if (c->readable || c->poked)
		poller_make_ready(c);
	c->poller->back->recv_start(c);
}

void
poller_poke(struct poller_conn *c)
{
	c->poked = true;
	if (c->poller != NULL && c->receiving && !c->failed)
		poller_make_ready(c);
}

void
poller_recv_stop(struct poller_conn *c)
{
	c->receiving = false;
	if (c->poller == NULL)
		return;
	if (list_linked(&c->ready_node))
		list_remove(&c->poller->ready, &c->ready_node);
	c->poller->back->recv_stop(c);
}

int
poller_turn(struct poller *p, int timeout_ms, void (*before_dispatch)(void *),
    void *arg)
{
	return p->back->turn(p, timeout_ms, before_dispatch, arg);
}

/* ---- for both back ends ---- */

void
poller_deliver(struct poller_conn *c, enum poller_event ev, size_t n)
{
	if (ev == PE_ERROR || ev == PE_EOF) {
		c->failed = true;
		drop_output(c);
	}
	c->fn(c, ev, NULL, NULL, n);
}

/*
 * Nothing more can be sent. Why is often what the peer said last (PostgreSQL's
 * FATAL), so that is read first; the end follows it.
 */
void
poller_deliver_deaf(struct poller_conn *c, int errnum)
{
	struct poller *p = c->poller;

	c->deaf = true;
	drop_output(c);
	c->fn(c, PE_DEAF, NULL, NULL, (size_t)errnum);
	if (c->poller == p && !c->failed) {
		/* Its edge may be gone. */
		c->readable = true;
		if (c->receiving)
			poller_make_ready(c);
	}
}

int
poller_connect_error(const struct poller_conn *c)
{
	int	  errnum = 0;
	socklen_t len = sizeof(errnum);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
		errnum = errno;
	return errnum;
}

void
poller_get_stats(const struct poller *p, struct poller_stats *s)
{
	s->conns = p->conns;
	s->lent_out = p->lent_out;
	s->lent_all = p->lent_out + p->lent_free + p->lent_given;
	s->segs_out = p->segs.used;
}
