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
 * to BULK buffers of its own, without waiting.
 *
 * Sending. Never waits inside the kernel: MSG_DONTWAIT, and MSG_WAITALL so
 * that a short send counts as failed. Success posts nothing, failure posts a
 * completion and so ends the wait (where success is waited for, the turn does
 * not wait); when the system call returns, the result of each send is known.
 * So no buffer of ours is the kernel's between two
 * turns, and closing with a send under way does not arise.
 *
 * Requests point to a poller_sock, which lives until the kernel has answered
 * the last of them; its conn may be gone before.
 */
#include "common/base.h"
#include "common/poller.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>

#include "common/poller_impl.h"
#include "common/poller_ring.h"

/* How long to wait for memory before it is asked for again. */
#define STARVED_MS	10

/* Buffers filled in a turn by a source that has much. */
#define BULK		4

/* A receive into buffers of our own, in this system call. */
struct bulk {
	struct lent *lent[BULK];
	unsigned     n;
};

/* The low bits of a completion's user data; the rest is a poller_sock. */
enum kind {
	KIND_NONE,
	KIND_RECV,
	KIND_SEND,
	KIND_OUT,	/* poll: writable, or connected */
	KIND_HUP,	/* poll: the peer closed */
	KIND_WATCH	/* poll: readable */
};
#define KIND_MASK	((uint64_t)7)

/* What requests point to. */
struct poller_sock {
	struct list_node   node;	/* see struct state */
	struct list_node   send_node;
	struct poller_conn *conn;	/* NULL: gone, or a watch's */
	struct poller_watch *watch;
	struct poller_seg *held_head, *held_tail;
	size_t	 sending;	/* bytes of the send in this system call */
	int	 send_result;	/* bytes sent, or a negated errno */
	int	 end_errno;	/* 0: end of file */
	uint32_t requests;	/* that the kernel has not finished */
	struct bulk *taking;	/* the receive of this system call */
	bool	 receiving;	/* the kernel has a receive */
	bool	 cancelling;	/* and it was told to end */
	bool	 polls_out, polls_hup, polls_in;
	bool	 bulk;		/* it has much to give */
	bool	 writable;	/* try to send although it was blocked */
	bool	 ended;		/* nothing more will be received */
	bool	 told_hangup;
	bool	 dying;		/* in that list */
};

struct state {
	struct ring	 ring;
	struct slab	 socks;
	struct slab	 bulks;
	struct list	 watches;	/* socks of watches */
	struct list	 sending;	/* socks, by send_node */
	struct list	 leaving;	/* socks without owner, to be cancelled */
	struct list	 dying;		/* the same, cancelled */
	bool		 hurry;		/* the turn must not wait */
};

static int
open_set(struct poller *p)
{
	struct state *st = calloc(1, sizeof(*st));
	int	 r;

	if (st == NULL)
		return -ENOMEM;
	r = ring_open(&st->ring);
	if (r != 0) {
		free(st);
		return r;
	}
	slab_init(&st->socks, "socket_cache", sizeof(struct poller_sock), 0);
	slab_init(&st->bulks, "bulk_cache", sizeof(struct bulk), 0);
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
	struct state *st = p->state;
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

/* ---- requests and events ---- */

static uint64_t
data_of(struct poller_sock *s, enum kind kind)
{
	return (uint64_t)(uintptr_t)s | kind;
}

static bool
cancel(struct state *st, struct poller_sock *s, enum kind kind)
{
	return ring_cancel(&st->ring, data_of(s, kind));
}

static bool
poll_once(struct state *st, struct poller_sock *s, int fd, uint32_t events,
    enum kind kind)
{
	if (!ring_poll(&st->ring, fd, events, data_of(s, kind)))
		return false;
	s->requests++;
	return true;
}

static enum kind
event_kind(const struct ring_event *e)
{
	return (enum kind)(e->data & KIND_MASK);
}

static struct poller_sock *
event_sock(const struct ring_event *e)
{
	return (struct poller_sock *)(uintptr_t)(e->data & ~KIND_MASK);
}

/* ---- the set ---- */

/* A request of it has ended, for which there is no owner any more. */
static void
sock_bury(struct state *st, struct poller_sock *s)
{
	if (s->requests > 0 || !s->dying)
		return;
	list_remove(&st->dying, &s->node);
	slab_give(&st->socks, s);
}

/* Nobody is told any more. Requests are cancelled in the next turn. */
static void
sock_abandon(struct state *st, struct poller_sock *s)
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
	struct state *st = c->poller->state;

	c->sock = slab_take(&st->socks);
	if (c->sock == NULL)
		return -ENOMEM;
	c->sock->conn = c;
	/* The first settling looks for what it must be told. */
	poller_make_dirty(c);
	return 0;
}

static void
drop_held(struct poller *p, struct poller_sock *s)
{
	struct poller_seg *g;

	while ((g = s->held_head) != NULL) {
		s->held_head = g->next;
		lent_unref(g->lent);
		slab_give(&p->segs, g);
	}
}

static void
detach(struct poller_conn *c)
{
	struct poller_sock *s = c->sock;

	drop_held(c->poller, s);
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
	struct state *st = p->state;
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
	struct state *st = p->state;
	struct poller_sock *s = w->sock;

	if (s == NULL)
		return;
	list_remove(&st->watches, &s->node);
	w->sock = NULL;
	sock_abandon(st, s);
}

/* ---- what the kernel is to be told ---- */

static void
drop_bulk(struct state *st, struct bulk *b)
{
	while (b->n > 0)
		lent_unref(b->lent[--b->n]);
	slab_give(&st->bulks, b);
}

static bool
start_bulk(struct poller *p, struct poller_conn *c)
{
	struct poller_sock *s = c->sock;
	struct state *st = p->state;
	struct bulk  *b = slab_take(&st->bulks);

	if (b == NULL)
		return false;
	while (b->n < BULK && (b->lent[b->n] = lent_get(p)) != NULL)
		b->n++;
	if (b->n == 0 || !ring_recv_now(&st->ring, c->fd, b->lent, b->n,
	    data_of(s, KIND_RECV))) {
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
	struct state *st = p->state;

	if (s->bulk ? !start_bulk(p, c) : p->lent_given == 0 ||
	    !ring_recv(&st->ring, c->fd, data_of(s, KIND_RECV)))
		return false;
	s->requests++;
	s->receiving = true;
	return true;
}

static bool
cancel_recv(struct state *st, struct poller_sock *s)
{
	if (!s->receiving || s->cancelling)
		return true;
	s->cancelling = cancel(st, s, KIND_RECV);
	return s->cancelling;
}

/* Starts, changes or ends its receive, as its state asks for. */
static bool
settle_recv(struct poller *p, struct poller_conn *c)
{
	struct poller_sock *s = c->sock;
	struct state *st = p->state;

	if (s->ended)
		return true;
	if (s->receiving) {
		if ((!c->receiving && s->held_head != NULL) ||
		    s->bulk)
			return cancel_recv(st, s);
		return true;
	}
	if (c->receiving && s->held_head == NULL)
		return start_recv(p, c);
	if (!s->polls_hup && !s->told_hangup) {
		if (!poll_once(st, s, c->fd, EPOLLRDHUP, KIND_HUP))
			return false;
		s->polls_hup = true;
	}
	return true;
}

static bool
start_send(struct state *st, struct poller_conn *c)
{
	struct poller_sock *s = c->sock;

	if (!ring_send(&st->ring, c->fd, c->out_head, data_of(s, KIND_SEND),
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
settle_send(struct state *st, struct poller_conn *c)
{
	struct poller_sock *s = c->sock;

	if (c->out_head != NULL && (!c->blocked || s->writable))
		return s->sending > 0 || start_send(st, c);
	if ((c->connecting || c->out_head != NULL) && !s->polls_out) {
		if (!poll_once(st, s, c->fd, EPOLLOUT, KIND_OUT))
			return false;
		s->polls_out = true;
	}
	return true;
}

static bool
settle_conn(struct poller *p, struct poller_conn *c)
{
	struct state *st = p->state;

	if (c->failed)
		return true;
	if (c->connecting) {
		if (c->sock->polls_out)
			return true;
		c->sock->polls_out = poll_once(st, c->sock, c->fd, EPOLLOUT,
		    KIND_OUT);
		return c->sock->polls_out;
	}
	return settle_send(st, c) && settle_recv(p, c);
}

/* Cancels everything of a socket that nobody owns any more. */
static bool
settle_leaving(struct state *st, struct poller_sock *s)
{
	if (!cancel_recv(st, s))
		return false;
	if (s->polls_out && !cancel(st, s, KIND_OUT))
		return false;
	s->polls_out = false;
	if (s->polls_hup && !cancel(st, s, KIND_HUP))
		return false;
	s->polls_hup = false;
	if (s->polls_in && !cancel(st, s, KIND_WATCH))
		return false;
	s->polls_in = false;
	return true;
}

static bool
settle_all_leaving(struct state *st)
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
settle_watches(struct state *st)
{
	struct list_node *n, *tmp;

	LIST_FOREACH(n, tmp, &st->watches) {
		struct poller_sock *s = container_of(n, struct poller_sock,
		    node);

		if (!s->polls_in)
			s->polls_in = poll_once(st, s, s->watch->fd, EPOLLIN,
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
	struct state	 *st = p->state;
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

/* True if what arrives now may go to its owner at once. */
static bool
is_clear(const struct poller_conn *c)
{
	return c->receiving && !c->poked && c->sock->held_head == NULL;
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

/* Delivers what was held back until its owner stops it again. */
static void serve(struct poller *, struct poller_conn *);

/*
 * What the turn's own receive has brought. All of it is held first: an owner
 * may stop, or leave, in the middle.
 */
static void
take_bulk(struct poller *p, struct poller_conn *c, const struct bulk *b,
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
		serve(p, c);
	}
}

static void
on_recv(struct poller *p, struct poller_sock *s, const struct ring_event *e)
{
	struct poller_conn *c = s->conn;
	struct state *st = p->state;
	struct lent *l = ring_take_buffer(&st->ring, p, e);
	struct bulk *b = s->taking;

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
		sock_bury(st, s);
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

static void
on_out(struct state *st, struct poller_sock *s)
{
	struct poller_conn *c = s->conn;
	int	errnum;

	s->requests--;
	s->polls_out = false;
	if (c == NULL)
		sock_bury(st, s);
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

static void
on_hup(struct state *st, struct poller_sock *s, const struct ring_event *e)
{
	struct poller_conn *c = s->conn;

	s->requests--;
	s->polls_hup = false;
	if (c == NULL)
		sock_bury(st, s);
	if (c == NULL || c->failed)
		return;
	if (e->result > 0)
		tell_hangup(c);
	else
		poller_make_dirty(c);
}

static void
on_watch(struct state *st, struct poller_sock *s)
{
	struct poller_watch *w = s->watch;

	s->requests--;
	/* Asked for again after the callback, so it is level-triggered. */
	s->polls_in = false;
	if (w != NULL)
		w->fn(w);
	else
		sock_bury(st, s);
}

static void
dispatch(struct poller *p, const struct ring_event *e)
{
	struct poller_sock *s = event_sock(e);

	switch (event_kind(e)) {
	case KIND_RECV:
		on_recv(p, s, e);
		break;
	case KIND_OUT:
		on_out(p->state, s);
		break;
	case KIND_HUP:
		on_hup(p->state, s, e);
		break;
	case KIND_WATCH:
		on_watch(p->state, s);
		break;
	case KIND_SEND:		/* see finish_sends() */
	case KIND_NONE:
		break;
	}
}

/* ---- after the system call ---- */

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
finish_sends(struct state *st)
{
	struct list_node *n;
	size_t	i;

	if (list_empty(&st->sending))
		return;
	for (i = 0; i < st->ring.n_events; i++)
		if (event_kind(&st->ring.events[i]) == KIND_SEND)
			event_sock(&st->ring.events[i])->send_result =
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

static void
serve(struct poller *p, struct poller_conn *c)
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

static int
turn(struct poller *p, int timeout_ms, void (*before_dispatch)(void *),
    void *arg)
{
	struct state *st = p->state;
	int	r;

	if (!settle(p) && (timeout_ms < 0 || timeout_ms > STARVED_MS))
		timeout_ms = STARVED_MS;
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
	poller_serve_ready(p, serve);
	/* By index: a callback that lets go of a conn may fetch more. */
	while (st->ring.next_event < st->ring.n_events) {
		struct ring_event e = st->ring.events[st->ring.next_event++];

		dispatch(p, &e);
	}
	st->ring.n_events = st->ring.next_event = 0;
	return 0;
}

/* ---- letting go ---- */

/* True if its receive has ended; *got if there is something to deliver. */
static bool
has_ended(const struct state *st, const struct poller_sock *s, bool *got)
{
	bool	ended = !s->receiving;
	size_t	i;

	for (i = st->ring.next_event; i < st->ring.n_events; i++) {
		const struct ring_event *e = &st->ring.events[i];

		if (event_kind(e) != KIND_RECV || event_sock(e) != s)
			continue;
		if (e->result != -ECANCELED && e->result != -ENOBUFS &&
		    e->result != -EAGAIN)
			*got = true;
		if (!ring_more(e))
			ended = true;
	}
	return ended;
}

static bool
let_go(struct poller_conn *c)
{
	struct state	   *st = c->poller->state;
	struct poller_sock *s = c->sock;
	bool	got = s->held_head != NULL || s->ended;

	if (got || s->requests == 0)
		return !got;
	/* Only in the ring's own thread. */
	assert(pthread_equal(st->ring.thread, pthread_self()));
	if (!cancel_recv(st, s))
		return false;
	while (!has_ended(st, s, &got)) {
		/* The kernel answers a cancel at once, so this is short. */
		if (ring_enter(&st->ring, STARVED_MS) != 0 ||
		    !ring_fetch(&st->ring))
			return false;
	}
	return !got;
}

const struct poller_backend poller_uring = {
	.name = "io_uring",
	.open = open_set,
	.close = close_set,
	.attach = attach,
	.detach = detach,
	.let_go = let_go,
	.recv_start = recv_start,
	.recv_stop = recv_stop,
	.watch_add = watch_add,
	.watch_remove = watch_remove,
	.turn = turn
};
