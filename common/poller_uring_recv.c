/* SPDX-License-Identifier: MIT */
/*
 * What the io_uring back end receives: a socket's receive in the kernel, the
 * bytes that its owner does not want yet, and its end.
 */
#include "common/base.h"
#include "common/poller_uring.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>

/* ---- what the kernel is to be told ---- */

static void
drop_bulk(struct uring_state *st, struct uring_bulk *b)
{
	while (b->n > 0)
		lent_unref(b->lent[--b->n]);
	slab_give(&st->bulks, b);
}

static bool
start_bulk(struct poller *p, struct poller_conn *c)
{
	struct poller_sock *s = c->sock;
	struct uring_state *st = p->state;
	struct uring_bulk  *b = slab_take(&st->bulks);

	if (b == NULL)
		return false;
	while (b->n < URING_BULK && (b->lent[b->n] = lent_get(p)) != NULL)
		b->n++;
	if (b->n == 0 || !ring_recv_now(&st->ring, c->fd, b->lent, b->n,
	    uring_data(s, KIND_RECV))) {
		drop_bulk(st, b);
		return false;
	}
	s->taking = b;
	return true;
}

static bool
start_recv(struct poller *p, struct poller_conn *c)
{
	struct poller_sock *s = c->sock;
	struct uring_state *st = p->state;

	if (s->bulk ? !start_bulk(p, c) : p->lent_given == 0 ||
	    !ring_recv(&st->ring, c->fd, uring_data(s, KIND_RECV)))
		return false;
	s->requests++;
	s->receiving = true;
	return true;
}

bool
uring_recv_cancel(struct uring_state *st, struct poller_sock *s)
{
	if (!s->receiving || s->cancelling)
		return true;
	s->cancelling = uring_cancel(st, s, KIND_RECV);
	return s->cancelling;
}

bool
uring_recv_settle(struct poller *p, struct poller_conn *c)
{
	struct poller_sock *s = c->sock;
	struct uring_state *st = p->state;

	if (s->receiving)
		return uring_recv_cancel(st, s);
	if (c->receiving && s->held_head == NULL)
		return start_recv(p, c);
	if (!s->polls_hup && !s->told_hangup) {
		if (!uring_poll(st, s, c->fd, EPOLLRDHUP, KIND_HUP))
			return false;
		s->polls_hup = true;
	}
	return true;
}

/* ---- what is held back ---- */

void
uring_recv_drop(struct poller *p, struct poller_sock *s)
{
	struct poller_seg *g;

	while ((g = s->held_head) != NULL) {
		s->held_head = g->next;
		lent_unref(g->lent);
		slab_give(&p->segs, g);
	}
}

static void
tell_hangup(struct poller_conn *c)
{
	c->hangup = true;
	if (c->receiving || c->failed || c->sock->told_hangup)
		return;
	c->sock->told_hangup = true;
	poller_deliver(c, PE_HANGUP, 0);
}

static void
tell_end(struct poller_conn *c)
{
	int errnum = c->sock->end_errno;

	if (errnum == 0)
		poller_deliver(c, PE_EOF, 0);
	else
		poller_deliver(c, PE_ERROR, (size_t)errnum);
}

static bool
hold(struct poller_conn *c, struct lent *l, size_t n)
{
	struct poller_sock *s = c->sock;
	struct poller_seg  *g = slab_take(&c->poller->segs);

	if (g == NULL)
		return false;
	lent_ref(l);
	g->lent = l;
	g->bytes = l->data;
	g->n = n;
	if (s->held_head == NULL)
		s->held_head = g;
	else
		s->held_tail->next = g;
	s->held_tail = g;
	c->readable = true;
	/* Stopped, the receive is to end; started, it is to be delivered. */
	poller_make_dirty(c);
	if (c->receiving)
		poller_make_ready(c);
	return true;
}

/* The end that was held back, or word of it, once no bytes are before it. */
static void
serve_end(struct poller_conn *c)
{
	struct poller_sock *s = c->sock;

	if (c->failed || c->poked || s->held_head != NULL)
		return;
	c->readable = s->ended;
	if (!s->ended)
		poller_make_dirty(c);
	else if (c->receiving)
		tell_end(c);
	else
		tell_hangup(c);
}

void
uring_recv_serve(struct poller *p, struct poller_conn *c)
{
	if (c->failed)
		return;
	if (c->poked) {
		c->poked = false;
		c->fn(c, PE_POKED, NULL, NULL, 0);
	}
	while (c->poller == p && c->receiving && !c->failed && !c->poked &&
	    c->sock->held_head != NULL) {
		struct poller_sock *s = c->sock;
		struct poller_seg  *g = s->held_head;
		struct lent	   *l = g->lent;

		s->held_head = g->next;
		c->fn(c, PE_DATA, l, g->bytes, g->n);
		lent_unref(l);
		slab_give(&p->segs, g);
	}
	if (c->poller == p)
		serve_end(c);
}

/* ---- events ---- */

/* True if what arrives now may go to its owner at once. */
static bool
is_clear(const struct poller_conn *c)
{
	return c->receiving && !c->poked && c->sock->held_head == NULL;
}

/* A receive has ended without any: for good, or to be asked for again. */
static void
on_no_data(struct poller_conn *c, int result)
{
	struct poller_sock *s = c->sock;

	/* No buffer was left, it was cancelled, interrupted, or a turn's own
	 * that found nothing. */
	if (result == -ENOBUFS || result == -ECANCELED || result == -EINTR ||
	    result == -EAGAIN)
		return;
	s->ended = true;
	s->end_errno = -result;
	c->readable = true;
	if (is_clear(c))
		tell_end(c);
	else if (c->receiving)
		poller_make_ready(c);
	else
		tell_hangup(c);
}

/* Bytes for its owner, or to be held back for it. */
static void
take_bytes(struct poller_conn *c, struct lent *l, size_t n)
{
	if (is_clear(c))
		c->fn(c, PE_DATA, l, l->data, n);
	else if (!hold(c, l, n))
		poller_deliver(c, PE_ERROR, ENOMEM);
}

/*
 * What the turn's own receive has brought. All of it is held first: an owner
 * may stop, or leave, in the middle.
 */
static void
take_bulk(struct poller *p, struct poller_conn *c, const struct uring_bulk *b,
    size_t n)
{
	unsigned i;

	for (i = 0; n > 0; i++) {
		size_t	part = MIN(n, (size_t)LENT_SIZE);

		if (!hold(c, b->lent[i], part)) {
			poller_deliver(c, PE_ERROR, ENOMEM);
			return;
		}
		n -= part;
	}
	if (list_linked(&c->ready_node)) {
		list_remove(&p->ready, &c->ready_node);
		uring_recv_serve(p, c);
	}
}

void
uring_recv_on_event(struct poller *p, struct poller_sock *s,
    const struct ring_event *e)
{
	struct poller_conn *c = s->conn;
	struct uring_state *st = p->state;
	struct lent *l = ring_take_buffer(&st->ring, p, e);
	struct uring_bulk *b = s->taking;

	s->taking = NULL;
	/* It is one until less than a buffer was there. */
	if (b != NULL)
		s->bulk = e->result >= LENT_SIZE;
	else if (e->result == LENT_SIZE)
		s->bulk = true;
	if (!ring_more(e)) {
		s->requests--;
		s->receiving = s->cancelling = false;
	}
	if (c == NULL)
		uring_bury(st, s);
	if (c != NULL && !c->failed) {
		if (!s->receiving || s->bulk)
			poller_make_dirty(c);
		if (e->result <= 0)
			on_no_data(c, e->result);
		else if (b != NULL)
			take_bulk(p, c, b, (size_t)e->result);
		else if (l != NULL)
			take_bytes(c, l, (size_t)e->result);
	}
	if (b != NULL)
		drop_bulk(st, b);
	if (l != NULL)
		lent_unref(l);
}

void
uring_recv_on_hup(struct uring_state *st, struct poller_sock *s,
    const struct ring_event *e)
{
	struct poller_conn *c = s->conn;

	s->requests--;
	s->polls_hup = false;
	if (c == NULL)
		uring_bury(st, s);
	if (c == NULL || c->failed)
		return;
	if (e->result > 0)
		tell_hangup(c);
	else
		poller_make_dirty(c);
}

/* ---- letting go ---- */

/* True if its receive has ended; *got if there is something to deliver. */
static bool
has_ended(const struct uring_state *st, const struct poller_sock *s, bool *got)
{
	bool	ended = !s->receiving;
	size_t	i;

	for (i = st->ring.next_event; i < st->ring.n_events; i++) {
		const struct ring_event *e = &st->ring.events[i];

		if (uring_kind(e) != KIND_RECV || uring_sock(e) != s)
			continue;
		if (e->result != -ECANCELED && e->result != -ENOBUFS &&
		    e->result != -EAGAIN)
			*got = true;
		if (!ring_more(e))
			ended = true;
	}
	return ended;
}

bool
uring_recv_let_go(struct poller_conn *c)
{
	struct uring_state *st = c->poller->state;
	struct poller_sock *s = c->sock;
	bool	got = s->held_head != NULL || s->ended;

	if (got || s->requests == 0)
		return !got;
	/* Only in the ring's own thread. */
	assert(pthread_equal(st->ring.thread, pthread_self()));
	if (!uring_recv_cancel(st, s))
		return false;
	while (!has_ended(st, s, &got)) {
		/* The kernel answers a cancel at once, so this is short. */
		if (ring_enter(&st->ring, URING_STARVED_MS) != 0 ||
		    !ring_fetch(&st->ring))
			return false;
	}
	return !got;
}
