/* SPDX-License-Identifier: MIT */
/*
 * poller_uring - what the two halves of the io_uring back end share; for
 * nobody else.
 *
 * poller_uring.c has the set, what is sent, and the turn, and says at its head
 * how all of it works; poller_uring_recv.c has what is received. Each settles
 * its part of a socket before the system call (a function returns false when
 * the kernel takes no more for now, and is called again in the next turn) and
 * looks at its events after it.
 *
 * Requests point to a poller_sock, which lives until the kernel has answered
 * the last of them; its conn may be gone before.
 */
#ifndef COMMON_POLLER_URING_H
#define COMMON_POLLER_URING_H

#include "common/base.h"
#include "common/list.h"
#include "common/poller.h"
#include "common/poller_impl.h"
#include "common/poller_ring.h"
#include "common/slab.h"

/* How long to wait for memory before it is asked for again. */
#define URING_STARVED_MS	10

/* Buffers filled in a turn by a source that has much. */
#define URING_BULK		4

/* The low bits of a completion's user data; the rest is a poller_sock. */
enum uring_kind {
	KIND_NONE,
	KIND_RECV,
	KIND_SEND,
	KIND_OUT,	/* poll: writable, or connected */
	KIND_HUP,	/* poll: the peer closed */
	KIND_WATCH	/* poll: readable */
};
#define KIND_MASK	((uint64_t)7)

/* A receive into buffers of our own, in this system call. */
struct uring_bulk {
	struct lent *lent[URING_BULK];
	unsigned     n;
};

/* What requests point to. */
struct poller_sock {
	struct list_node   node;	/* see struct uring_state */
	struct poller_conn *conn;	/* NULL: gone, or a watch's */
	struct poller_watch *watch;
	uint32_t requests;	/* that the kernel has not finished */
	bool	 polls_out, polls_hup, polls_in;
	bool	 dying;		/* in that list */

	/* sending */
	bool	 writable;	/* try to send although it was blocked */
	int	 send_result;	/* bytes sent, or a negated errno */
	size_t	 sending;	/* bytes of the send in this system call */
	struct list_node   send_node;

	/* receiving */
	struct poller_seg *held_head, *held_tail;
	struct uring_bulk *taking;	/* the receive of this system call */
	int	 end_errno;	/* 0: end of file */
	bool	 receiving;	/* the kernel has a receive */
	bool	 cancelling;	/* and it was told to end */
	bool	 bulk;		/* it has much to give */
	bool	 ended;		/* nothing more will be received */
	bool	 told_hangup;
};

struct uring_state {
	struct ring	 ring;
	struct slab	 socks;
	struct slab	 bulks;
	struct list	 watches;	/* socks of watches */
	struct list	 sending;	/* socks, by send_node */
	struct list	 leaving;	/* socks without owner, to be cancelled */
	struct list	 dying;		/* the same, cancelled */
	bool		 hurry;		/* the turn must not wait */
};

/* ---- requests and events ---- */

static inline uint64_t
uring_data(struct poller_sock *s, enum uring_kind kind)
{
	return (uint64_t)(uintptr_t)s | kind;
}

static inline enum uring_kind
uring_kind(const struct ring_event *e)
{
	return (enum uring_kind)(e->data & KIND_MASK);
}

static inline struct poller_sock *
uring_sock(const struct ring_event *e)
{
	return (struct poller_sock *)(uintptr_t)(e->data & ~KIND_MASK);
}

static inline bool
uring_cancel(struct uring_state *st, struct poller_sock *s,
    enum uring_kind kind)
{
	return ring_cancel(&st->ring, uring_data(s, kind));
}

/* One event of that kind when fd has one of epoll's `events`. */
static inline bool
uring_poll(struct uring_state *st, struct poller_sock *s, int fd,
    uint32_t events, enum uring_kind kind)
{
	if (!ring_poll(&st->ring, fd, events, uring_data(s, kind)))
		return false;
	s->requests++;
	return true;
}

/* A request has ended of a sock that has no owner any more. */
static inline void
uring_bury(struct uring_state *st, struct poller_sock *s)
{
	if (s->requests > 0 || !s->dying)
		return;
	list_remove(&st->dying, &s->node);
	slab_give(&st->socks, s);
}

/* ---- poller_uring_recv.c ---- */

/* Its receive is as its state asks for. Inline: it nearly always is. */
static inline bool
uring_recv_is_settled(const struct poller_conn *c)
{
	const struct poller_sock *s = c->sock;

	return s->ended || (s->receiving && !s->bulk &&
	    (c->receiving || s->held_head == NULL));
}

/* It is not: starts, changes or ends it. */
bool	uring_recv_settle(struct poller *, struct poller_conn *) MUST_CHECK;

/* Has the kernel end its receive, if there is one. */
bool	uring_recv_cancel(struct uring_state *, struct poller_sock *)
	    MUST_CHECK;

/* An event of KIND_RECV; may deliver, also to an owner that then detaches. */
void	uring_recv_on_event(struct poller *, struct poller_sock *,
	    const struct ring_event *);

/* An event of KIND_HUP. */
void	uring_recv_on_hup(struct uring_state *, struct poller_sock *,
	    const struct ring_event *);

/* Delivers the poke, and what was held back until its owner stops it again. */
void	uring_recv_serve(struct poller *, struct poller_conn *);

/* Drops what is held back. */
void	uring_recv_drop(struct poller *, struct poller_sock *);

/* struct poller_backend's let_go(). */
bool	uring_recv_let_go(struct poller_conn *);

#endif /* COMMON_POLLER_URING_H */
