/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/poller.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/err.h"
#include "common/slab.h"

#define EVENTS_A_TURN	256
/* Buffers read from one socket before the next one gets its turn. */
#define READS_A_TURN	4
#define IOVECS		32
/* Free lent buffers kept for reuse; more are given back to the system. */
#define LENT_KEEP	64

/* A piece of queued output. */
struct poller_seg {
	struct poller_seg *next;
	struct lent	  *lent;
	const char	  *bytes;
	size_t		   n;
};

struct poller {
	int		 epfd;
	struct poller_watch wake;	/* an eventfd */
	atomic_bool	 wake_sent;
	struct list	 ready;
	struct list	 dirty;
	struct lent	*free_lent;
	size_t		 lent_out, lent_free;
	size_t		 conns;
	struct slab	 segs;
};

/*
 * epoll's data word is a pointer; the low bit tells a watch from a conn.
 */
#define WATCH_BIT	((uintptr_t)1)

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

struct poller *
poller_new(void)
{
	struct poller *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	list_init(&p->ready);
	list_init(&p->dirty);
	slab_init(&p->segs, "segment_cache", sizeof(struct poller_seg), 0);
	p->wake.fn = on_wake;
	p->wake.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	p->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (p->wake.fd < 0 || p->epfd < 0 ||
	    poller_watch_add(p, &p->wake) != 0) {
		if (p->wake.fd >= 0)
			close(p->wake.fd);
		if (p->epfd >= 0)
			close(p->epfd);
		free(p);
		return NULL;
	}
	return p;
}

void
poller_free(struct poller *p)
{
	struct lent *l;

	if (p == NULL)
		return;
	assert(p->conns == 0 && p->lent_out == 0);
	while ((l = p->free_lent) != NULL) {
		p->free_lent = l->next_free;
		free(l);
	}
	slab_release(&p->segs);
	close(p->wake.fd);
	close(p->epfd);
	free(p);
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

static int
set_events(struct poller_conn *c, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };

	c->epoll_events = events;
	return epoll_ctl(c->poller->epfd, op, c->fd, &ev) != 0 ? -errno : 0;
}

int
poller_attach(struct poller *p, struct poller_conn *c, int fd,
    bool connecting, poller_fn *fn)
{
	uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLET;
	int	 r;

	memset(c, 0, sizeof(*c));
	c->poller = p;
	c->fd = fd;
	c->fn = fn;
	c->connecting = connecting;
	if (connecting)
		events |= EPOLLOUT;
	r = set_events(c, EPOLL_CTL_ADD, events);
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
	(void)epoll_ctl(p->epfd, EPOLL_CTL_DEL, c->fd, NULL);
	c->poller = NULL;
	p->conns--;
}

int
poller_watch_add(struct poller *p, struct poller_watch *w)
{
	struct epoll_event ev = { .events = EPOLLIN };

	ev.data.ptr = (void *)((uintptr_t)w | WATCH_BIT);
	return epoll_ctl(p->epfd, EPOLL_CTL_ADD, w->fd, &ev) != 0 ? -errno : 0;
}

void
poller_watch_remove(struct poller *p, struct poller_watch *w)
{
	(void)epoll_ctl(p->epfd, EPOLL_CTL_DEL, w->fd, NULL);
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
	if (!list_linked(&c->dirty_node))
		list_append(&c->poller->dirty, &c->dirty_node);
	return 0;
}

int
poller_send_lent(struct poller_conn *c, struct lent *l, const char *bytes,
    size_t n)
{
	if (n == 0 || c->poller == NULL || c->failed)
		return 0;
	return add_seg(c, l, bytes, n);
}

int
poller_send_copy(struct poller_conn *c, const void *bytes, size_t n)
{
	const char *from = bytes;

	if (c->poller == NULL || c->failed)
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

/* Drops the first n bytes of the queue, which the kernel has taken. */
static void
sent(struct poller_conn *c, size_t n)
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

/* Returns 0 when all is sent or the socket is full, or a negated errno. */
static int
send_queued(struct poller_conn *c)
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
		sent(c, (size_t)n);
		if ((size_t)n < total)
			return 0;
	}
	return 0;
}

void
poller_flush_now(struct poller_conn *c)
{
	if (c->poller != NULL && !c->failed && !c->connecting)
		(void)send_queued(c);
}

/* ---- events ---- */

static void
deliver(struct poller_conn *c, enum poller_event ev, size_t n)
{
	if (ev == PE_ERROR || ev == PE_EOF) {
		c->failed = true;
		drop_output(c);
	}
	c->fn(c, ev, NULL, NULL, n);
}

static void
flush(struct poller_conn *c)
{
	int r;

	if (c->failed || c->connecting || (c->out_head == NULL && !c->blocked))
		return;
	r = send_queued(c);
	if (r != 0) {
		deliver(c, PE_ERROR, (size_t)-r);
		return;
	}
	if (c->out_head != NULL && !c->blocked) {
		c->blocked = true;
		(void)set_events(c, EPOLL_CTL_MOD, c->epoll_events | EPOLLOUT);
		deliver(c, PE_BLOCKED, 0);
	} else if (c->out_head == NULL && c->blocked) {
		c->blocked = false;
		(void)set_events(c, EPOLL_CTL_MOD,
		    c->epoll_events & ~(uint32_t)EPOLLOUT);
		deliver(c, PE_DRAINED, 0);
	}
}

static void
flush_dirty(struct poller *p)
{
	struct list_node *n;

	while ((n = list_pop(&p->dirty)) != NULL) {
		struct poller_conn *c = container_of(n, struct poller_conn,
		    dirty_node);

		/* A blocked one waits for its edge; trying would be in vain. */
		if (!c->blocked)
			flush(c);
	}
}

static void
make_ready(struct poller_conn *c)
{
	if (!list_linked(&c->ready_node))
		list_append(&c->poller->ready, &c->ready_node);
}

void
poller_recv_start(struct poller_conn *c)
{
	c->receiving = true;
	if (c->poller != NULL && (c->readable || c->poked) && !c->failed)
		make_ready(c);
}

void
poller_poke(struct poller_conn *c)
{
	c->poked = true;
	if (c->poller != NULL && c->receiving && !c->failed)
		make_ready(c);
}

void
poller_recv_stop(struct poller_conn *c)
{
	c->receiving = false;
	if (c->poller != NULL && list_linked(&c->ready_node))
		list_remove(&c->poller->ready, &c->ready_node);
}

/* Not with a poke pending, which made it ready: PE_POKED comes before data. */
static bool
wants_data(const struct poller_conn *c, const struct poller *p)
{
	return c->poller == p && c->receiving && c->readable && !c->failed &&
	    !c->poked;
}

/* Receives until the socket is empty, its owner stops it, or its turn ends. */
static void
receive(struct poller_conn *c)
{
	struct poller *p = c->poller;
	int	turn;

	if (c->failed)
		return;
	if (c->poked) {
		c->poked = false;
		c->fn(c, PE_POKED, NULL, NULL, 0);
		flush_dirty(p);
	}
	if (!wants_data(c, p))
		return;
	for (turn = 0; turn < READS_A_TURN; turn++) {
		struct lent *l = lent_get(p);
		ssize_t	n;

		if (l == NULL) {
			deliver(c, PE_ERROR, ENOMEM);
			return;
		}
		do
			n = recv(c->fd, l->data, LENT_SIZE, 0);
		while (n < 0 && errno == EINTR);
		if (n <= 0) {
			int errnum = errno;

			lent_unref(l);
			if (n < 0 && (errnum == EAGAIN || errnum == EWOULDBLOCK))
				c->readable = false;
			else if (n == 0)
				deliver(c, PE_EOF, 0);
			else
				deliver(c, PE_ERROR, (size_t)errnum);
			return;
		}
		/*
		 * Less than asked for: the socket is empty and the next byte
		 * raises an edge. An end of file may have raised its edge
		 * already, so that one is read for.
		 */
		if ((size_t)n < LENT_SIZE && !c->hangup)
			c->readable = false;
		c->fn(c, PE_DATA, l, l->data, (size_t)n);
		lent_unref(l);
		flush_dirty(p);
		if (!wants_data(c, p)) {
			/* Its owner stopped, and the end of file behind the
			 * data has had its edge: no other one will come. */
			if (c->poller == p && !c->receiving && c->hangup &&
			    !c->failed) {
				deliver(c, PE_HANGUP, 0);
				flush_dirty(p);
			}
			return;
		}
	}
	make_ready(c);
}

static void
finish_connect(struct poller_conn *c)
{
	int	  errnum = 0;
	socklen_t len = sizeof(errnum);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0)
		errnum = errno;
	if (errnum != 0) {
		deliver(c, PE_ERROR, (size_t)errnum);
		return;
	}
	c->connecting = false;
	(void)set_events(c, EPOLL_CTL_MOD,
	    c->epoll_events & ~(uint32_t)EPOLLOUT);
	c->fn(c, PE_CONNECTED, NULL, NULL, 0);
}

static void
dispatch(struct poller *p, struct poller_conn *c, uint32_t events)
{
	/* Detached, or failed, by an earlier callback of this turn. */
	if (c->poller != p || c->failed)
		return;
	if (c->connecting) {
		if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
			finish_connect(c);
		flush_dirty(p);
		if (c->poller != p || c->failed || c->connecting)
			return;
	}
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->hangup = true;
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		c->readable = true;
		if (c->receiving) {
			if (!list_linked(&c->ready_node))
				receive(c);
		} else if (c->hangup) {
			deliver(c, PE_HANGUP, 0);
		}
	}
	if (c->poller == p && !c->failed && (events & EPOLLOUT))
		flush(c);
	flush_dirty(p);
}

static void
serve_ready(struct poller *p)
{
	size_t left = list_count(&p->ready);

	/* Who becomes ready again meanwhile waits for the next turn. */
	while (left-- > 0) {
		struct list_node *n = list_pop(&p->ready);

		if (n == NULL)
			break;
		receive(container_of(n, struct poller_conn, ready_node));
		flush_dirty(p);
	}
}

int
poller_turn(struct poller *p, int timeout_ms, void (*before_dispatch)(void *),
    void *arg)
{
	struct epoll_event ev[EVENTS_A_TURN];
	int	i, n;

	flush_dirty(p);
	if (!list_empty(&p->ready))
		timeout_ms = 0;
	n = epoll_wait(p->epfd, ev, EVENTS_A_TURN, timeout_ms);
	if (n < 0 && errno != EINTR)
		return -errno;
	if (before_dispatch != NULL)
		before_dispatch(arg);
	serve_ready(p);
	for (i = 0; i < n; i++) {
		uintptr_t ptr = (uintptr_t)ev[i].data.ptr;

		if (ptr & WATCH_BIT) {
			struct poller_watch *w =
			    (struct poller_watch *)(ptr & ~WATCH_BIT);

			w->fn(w);
			flush_dirty(p);
		} else {
			dispatch(p, ev[i].data.ptr, ev[i].events);
		}
	}
	return 0;
}

void
poller_get_stats(const struct poller *p, struct poller_stats *s)
{
	s->conns = p->conns;
	s->lent_out = p->lent_out;
	s->lent_all = p->lent_out + p->lent_free;
	s->segs_out = p->segs.used;
}
