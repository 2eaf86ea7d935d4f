/* SPDX-License-Identifier: MIT */
/*
 * poller's back end over io_uring: a turn is one system call, which submits
 * all that callbacks asked for and waits for the next events.
 *
 * Receiving. A socket that wants data has one multishot receive in the
 * kernel, which takes a buffer for each piece from a ring of lent buffers
 * that we refill each turn. Stopping costs nothing: what arrives meanwhile
 * is *held* with the socket, and only then the receive is cancelled, so that
 * the kernel keeps the rest. A source that fills whole buffers (a COPY)
 * would take the ring for itself: from it a turn receives what is there, up
 * to URING_BULK buffers of its own, without waiting. See poller_uring_recv.c.
 *
 * Sending. Never waits inside the kernel: MSG_DONTWAIT, and MSG_WAITALL so
 * that a short send counts as failed. Success posts nothing, failure posts a
 * completion and so ends the wait (where success is waited for, the turn does
 * not wait); when the system call returns, the result of each send is known.
 * So no buffer of ours is the kernel's between two turns, and closing with a
 * send under way does not arise.
 */
#include "common/base.h"
#include "common/poller_uring.h"

#include <errno.h>
#include <sys/epoll.h>

static int
open_set(struct poller *p)
{
	struct uring_state *st = calloc(1, sizeof(*st));
	int	 r;

	if (st == NULL)
		return -ENOMEM;
	r = ring_open(&st->ring);
	if (r != 0) {
		free(st);
		return r;
	}
	slab_init(&st->socks, "socket_cache", sizeof(struct poller_sock), 0);
	slab_init(&st->bulks, "bulk_cache", sizeof(struct uring_bulk), 0);
	list_init(&st->watches);
	list_init(&st->sending);
	list_init(&st->leaving);
	list_init(&st->dying);
	p->state = st;
	return 0;
}

static void
close_set(struct poller *p)
{
	struct uring_state *st = p->state;
	struct list_node *n;

	ring_close(&st->ring);
	while ((n = list_pop(&st->leaving)) != NULL ||
	    (n = list_pop(&st->dying)) != NULL ||
	    (n = list_pop(&st->watches)) != NULL)
		slab_give(&st->socks,
		    container_of(n, struct poller_sock, node));
	slab_release(&st->socks);
	slab_release(&st->bulks);
	free(st);
}

/* ---- the set ---- */

/* Nobody is told any more. Requests are cancelled in the next turn. */
static void
sock_abandon(struct uring_state *st, struct poller_sock *s)
{
	s->conn = NULL;
	s->watch = NULL;
	if (s->requests > 0)
		list_append(&st->leaving, &s->node);
	else
		slab_give(&st->socks, s);
}

static int
attach(struct poller_conn *c)
{
	struct uring_state *st = c->poller->state;

	c->sock = slab_take(&st->socks);
	if (c->sock == NULL)
		return -ENOMEM;
	c->sock->conn = c;
	/* The first settling looks for what it must be told. */
	poller_make_dirty(c);
	return 0;
}

static void
detach(struct poller_conn *c)
{
	struct poller_sock *s = c->sock;

	uring_recv_drop(c->poller, s);
	c->sock = NULL;
	sock_abandon(c->poller->state, s);
}

static void
recv_start(struct poller_conn *c)
{
	if (!c->sock->receiving)
		poller_make_dirty(c);
}

/* If bytes come, they are held, and then it is cancelled. */
static void
recv_stop(struct poller_conn *c)
{
	if (!c->sock->receiving)
		poller_make_dirty(c);
}

static int
watch_add(struct poller *p, struct poller_watch *w)
{
	struct uring_state *st = p->state;
	struct poller_sock *s = slab_take(&st->socks);

	if (s == NULL)
		return -ENOMEM;
	s->watch = w;
	w->sock = s;
	list_append(&st->watches, &s->node);
	return 0;
}

static void
watch_remove(struct poller *p, struct poller_watch *w)
{
	struct uring_state *st = p->state;
	struct poller_sock *s = w->sock;

	if (s == NULL)
		return;
	list_remove(&st->watches, &s->node);
	w->sock = NULL;
	sock_abandon(st, s);
}

/* ---- sending ---- */

static bool
start_send(struct uring_state *st, struct poller_conn *c)
{
	struct poller_sock *s = c->sock;

	if (!ring_send(&st->ring, c->fd, c->out_head, uring_data(s, KIND_SEND),
	    &s->sending))
		return false;
	s->requests++;
	/* Success ends no wait; here somebody waits for it. */
	if (c->blocked || s->sending < c->out_bytes)
		st->hurry = true;
	s->send_result = (int)s->sending;
	s->writable = false;
	list_append(&st->sending, &s->send_node);
	return true;
}

static bool
settle_send(struct uring_state *st, struct poller_conn *c)
{
	struct poller_sock *s = c->sock;

	if (c->out_head != NULL && (!c->blocked || s->writable))
		return s->sending > 0 || start_send(st, c);
	if ((c->connecting || c->out_head != NULL) && !s->polls_out) {
		if (!uring_poll(st, s, c->fd, EPOLLOUT, KIND_OUT))
			return false;
		s->polls_out = true;
	}
	return true;
}

/* One send is over: what is next for its conn? */
static void
finish_send(struct poller_conn *c, struct poller_sock *s, size_t n)
{
	int r = s->send_result;

	if (r == -EAGAIN || r == -EINTR)
		r = 0;
	if (r < 0) {
		poller_deliver_deaf(c, -r);
		return;
	}
	poller_sent(c, (size_t)r);
	if ((size_t)r < n) {
		poller_make_dirty(c);
		if (!c->blocked) {
			c->blocked = true;
			poller_deliver(c, PE_BLOCKED, 0);
		}
	} else if (c->out_head != NULL) {
		s->writable = true;
		poller_make_dirty(c);
	} else if (c->blocked) {
		c->blocked = false;
		poller_deliver(c, PE_DRAINED, 0);
	}
}

/*
 * Before any callback of the turn: so that a queue holds only what was not
 * sent, and nobody is detached whose bytes the kernel still reads.
 */
static void
finish_sends(struct uring_state *st)
{
	struct list_node *n;
	size_t	i;

	if (list_empty(&st->sending))
		return;
	for (i = 0; i < st->ring.n_events; i++)
		if (uring_kind(&st->ring.events[i]) == KIND_SEND)
			uring_sock(&st->ring.events[i])->send_result =
			    st->ring.events[i].result;
	while ((n = list_pop(&st->sending)) != NULL) {
		struct poller_sock *s = container_of(n, struct poller_sock,
		    send_node);
		size_t	bytes = s->sending;

		s->sending = 0;
		s->requests--;
		if (s->conn != NULL && !s->conn->failed)
			finish_send(s->conn, s, bytes);
	}
}

/* Connected, not connected, or it may be sent to again. */
static void
on_out(struct uring_state *st, struct poller_sock *s)
{
	struct poller_conn *c = s->conn;
	int	errnum;

	s->requests--;
	s->polls_out = false;
	if (c == NULL)
		uring_bury(st, s);
	if (c == NULL || c->failed)
		return;
	poller_make_dirty(c);
	if (!c->connecting) {
		s->writable = true;
		return;
	}
	errnum = poller_connect_error(c);
	if (errnum != 0) {
		poller_deliver(c, PE_ERROR, (size_t)errnum);
		return;
	}
	c->connecting = false;
	c->fn(c, PE_CONNECTED, NULL, NULL, 0);
}

/* ---- what the kernel is to be told ---- */

static bool
settle_conn(struct poller *p, struct poller_conn *c)
{
	struct uring_state *st = p->state;

	if (c->failed)
		return true;
	if (c->connecting) {
		if (c->sock->polls_out)
			return true;
		c->sock->polls_out = uring_poll(st, c->sock, c->fd, EPOLLOUT,
		    KIND_OUT);
		return c->sock->polls_out;
	}
	return settle_send(st, c) &&
	    (uring_recv_is_settled(c) || uring_recv_settle(p, c));
}

/* Cancels everything of a socket that nobody owns any more. */
static bool
settle_leaving(struct uring_state *st, struct poller_sock *s)
{
	if (!uring_recv_cancel(st, s))
		return false;
	if (s->polls_out && !uring_cancel(st, s, KIND_OUT))
		return false;
	s->polls_out = false;
	if (s->polls_hup && !uring_cancel(st, s, KIND_HUP))
		return false;
	s->polls_hup = false;
	if (s->polls_in && !uring_cancel(st, s, KIND_WATCH))
		return false;
	s->polls_in = false;
	return true;
}

static bool
settle_all_leaving(struct uring_state *st)
{
	struct list_node *n;

	while ((n = list_first(&st->leaving)) != NULL) {
		struct poller_sock *s = container_of(n, struct poller_sock,
		    node);

		if (s->requests > 0 && !settle_leaving(st, s))
			return false;
		list_remove(&st->leaving, n);
		if (s->requests > 0) {
			s->dying = true;
			list_append(&st->dying, n);
		} else {
			slab_give(&st->socks, s);
		}
	}
	return true;
}

static bool
settle_watches(struct uring_state *st)
{
	struct list_node *n, *tmp;

	LIST_FOREACH(n, tmp, &st->watches) {
		struct poller_sock *s = container_of(n, struct poller_sock,
		    node);

		if (!s->polls_in)
			s->polls_in = uring_poll(st, s, s->watch->fd, EPOLLIN,
			    KIND_WATCH);
		if (!s->polls_in)
			return false;
	}
	return true;
}

/* Prepares all requests. False if something must be tried again soon. */
static bool
settle(struct poller *p)
{
	struct uring_state *st = p->state;
	struct list_node *n;
	size_t	left;
	bool	ok = ring_lend(&st->ring, p);

	ok = settle_all_leaving(st) && settle_watches(st) && ok;
	for (left = list_count(&p->dirty); left > 0; left--) {
		struct poller_conn *c;

		n = list_pop(&p->dirty);
		c = container_of(n, struct poller_conn, dirty_node);
		if (!settle_conn(p, c)) {
			list_append(&p->dirty, n);
			ok = false;
		}
	}
	return ok;
}

/* ---- events ---- */

static void
on_watch(struct uring_state *st, struct poller_sock *s)
{
	struct poller_watch *w = s->watch;

	s->requests--;
	/* Asked for again after the callback, so it is level-triggered. */
	s->polls_in = false;
	if (w != NULL)
		w->fn(w);
	else
		uring_bury(st, s);
}

static void
dispatch(struct poller *p, const struct ring_event *e)
{
	struct poller_sock *s = uring_sock(e);

	switch (uring_kind(e)) {
	case KIND_RECV:
		uring_recv_on_event(p, s, e);
		break;
	case KIND_OUT:
		on_out(p->state, s);
		break;
	case KIND_HUP:
		uring_recv_on_hup(p->state, s, e);
		break;
	case KIND_WATCH:
		on_watch(p->state, s);
		break;
	case KIND_SEND:		/* see finish_sends() */
	case KIND_NONE:
		break;
	}
}

/* ---- the turn ---- */

static int
turn(struct poller *p, int timeout_ms, void (*before_dispatch)(void *),
    void *arg)
{
	struct uring_state *st = p->state;
	int	r;

	if (!settle(p) && (timeout_ms < 0 || timeout_ms > URING_STARVED_MS))
		timeout_ms = URING_STARVED_MS;
	if (st->hurry || !list_empty(&p->ready) || st->ring.n_events > 0)
		timeout_ms = 0;
	st->hurry = false;
	r = ring_enter(&st->ring, timeout_ms);
	if (r != 0)
		return r;
	if (before_dispatch != NULL)
		before_dispatch(arg);
	if (ring_fetch(&st->ring))
		finish_sends(st);
	poller_serve_ready(p, uring_recv_serve);
	/* By index: a callback that lets go of a conn may fetch more. */
	while (st->ring.next_event < st->ring.n_events) {
		struct ring_event e = st->ring.events[st->ring.next_event++];

		dispatch(p, &e);
	}
	st->ring.n_events = st->ring.next_event = 0;
	return 0;
}

const struct poller_backend poller_uring = {
	.name = "io_uring",
	.open = open_set,
	.close = close_set,
	.attach = attach,
	.detach = detach,
	.let_go = uring_recv_let_go,
	.recv_start = recv_start,
	.recv_stop = recv_stop,
	.watch_add = watch_add,
	.watch_remove = watch_remove,
	.turn = turn
};
