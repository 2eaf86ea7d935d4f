/* SPDX-License-Identifier: MIT */
/*
 * poller's back end over edge-triggered epoll. A short receive means
 * "drained": the next byte raises a new edge. EPOLLOUT is asked for only
 * while a send is blocked, because a Unix socket would raise it at each read
 * of its peer. What a callback queued is sent when it has returned.
 */
#include "common/base.h"
#include "common/poller.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/poller_impl.h"

#define EVENTS_A_TURN	256
/* Buffers read from one socket before the next one gets its turn. */
#define READS_A_TURN	4

struct state {
	int	epfd;
};

/*
 * epoll's data word is a pointer; the low bit tells a watch from a conn.
 */
#define WATCH_BIT	((uintptr_t)1)

static int
open_set(struct poller *p)
{
	struct state *st = calloc(1, sizeof(*st));
	int	r;

	if (st == NULL)
		return -ENOMEM;
	st->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (st->epfd < 0) {
		r = -errno;
		free(st);
		return r;
	}
	p->state = st;
	return 0;
}

static void
close_set(struct poller *p)
{
	struct state *st = p->state;

	close(st->epfd);
	free(st);
}

/* ---- the set ---- */

static int
set_events(struct poller_conn *c, int op, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = c };
	struct state *st = c->poller->state;

	c->epoll_events = events;
	return epoll_ctl(st->epfd, op, c->fd, &ev) != 0 ? -errno : 0;
}

static int
attach(struct poller_conn *c)
{
	uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLET;

	if (c->connecting)
		events |= EPOLLOUT;
	return set_events(c, EPOLL_CTL_ADD, events);
}

static void
detach(struct poller_conn *c)
{
	struct state *st = c->poller->state;

	(void)epoll_ctl(st->epfd, EPOLL_CTL_DEL, c->fd, NULL);
}

/* The kernel keeps what was not read. */
static bool
let_go(struct poller_conn *c UNUSED)
{
	return true;
}

static void
recv_changed(struct poller_conn *c UNUSED)
{
}

static int
watch_add(struct poller *p, struct poller_watch *w)
{
	struct state *st = p->state;
	struct epoll_event ev = { .events = EPOLLIN };

	ev.data.ptr = (void *)((uintptr_t)w | WATCH_BIT);
	return epoll_ctl(st->epfd, EPOLL_CTL_ADD, w->fd, &ev) != 0 ? -errno : 0;
}

static void
watch_remove(struct poller *p, struct poller_watch *w)
{
	struct state *st = p->state;

	(void)epoll_ctl(st->epfd, EPOLL_CTL_DEL, w->fd, NULL);
}

/* ---- events ---- */

static void
flush(struct poller_conn *c)
{
	int r;

	if (c->failed || c->deaf || c->connecting ||
	    (c->out_head == NULL && !c->blocked))
		return;
	r = poller_send_queued(c);
	if (r != 0) {
		poller_deliver_deaf(c, -r);
		return;
	}
	if (c->out_head != NULL && !c->blocked) {
		c->blocked = true;
		(void)set_events(c, EPOLL_CTL_MOD, c->epoll_events | EPOLLOUT);
		poller_deliver(c, PE_BLOCKED, 0);
	} else if (c->out_head == NULL && c->blocked) {
		c->blocked = false;
		(void)set_events(c, EPOLL_CTL_MOD,
		    c->epoll_events & ~(uint32_t)EPOLLOUT);
		poller_deliver(c, PE_DRAINED, 0);
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

/* Not with a poke pending, which made it ready: PE_POKED comes before data. */
static bool
wants_data(const struct poller_conn *c, const struct poller *p)
{
	return c->poller == p && c->receiving && c->readable && !c->failed &&
	    !c->poked;
}

/* Receives until the socket is empty, its owner stops it, or its turn ends. */
static void
receive(struct poller *p, struct poller_conn *c)
{
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
			poller_deliver(c, PE_ERROR, ENOMEM);
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
				poller_deliver(c, PE_EOF, 0);
			else
				poller_deliver(c, PE_ERROR, (size_t)errnum);
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
		/* A full buffer does not travel alone: what is read in this
		 * turn leaves in one write. */
		if (!wants_data(c, p)) {
			/* Its owner stopped, and the end of file behind the
			 * data has had its edge: no other one will come. */
			if (c->poller == p && !c->receiving && c->hangup &&
			    !c->failed) {
				poller_deliver(c, PE_HANGUP, 0);
			}
			return;
		}
	}
	poller_make_ready(c);
}

static void
finish_connect(struct poller_conn *c)
{
	int errnum = poller_connect_error(c);

	if (errnum != 0) {
		poller_deliver(c, PE_ERROR, (size_t)errnum);
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
				receive(p, c);
		} else if (c->hangup) {
			poller_deliver(c, PE_HANGUP, 0);
		}
	}
	if (c->poller == p && !c->failed && (events & EPOLLOUT))
		flush(c);
	flush_dirty(p);
}

static void
serve(struct poller *p, struct poller_conn *c)
{
	receive(p, c);
	flush_dirty(p);
}

static int
turn(struct poller *p, int timeout_ms, void (*before_dispatch)(void *),
    void *arg)
{
	struct state *st = p->state;
	struct epoll_event ev[EVENTS_A_TURN];
	int	i, n;

	flush_dirty(p);
	if (!list_empty(&p->ready))
		timeout_ms = 0;
	n = epoll_wait(st->epfd, ev, EVENTS_A_TURN, timeout_ms);
	if (n < 0 && errno != EINTR)
		return -errno;
	if (before_dispatch != NULL)
		before_dispatch(arg);
	poller_serve_ready(p, serve);
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

const struct poller_backend poller_epoll = {
	.name = "epoll",
	.open = open_set,
	.close = close_set,
	.attach = attach,
	.detach = detach,
	.let_go = let_go,
	.recv_start = recv_changed,
	.recv_stop = recv_changed,
	.watch_add = watch_add,
	.watch_remove = watch_remove,
	.turn = turn
};
