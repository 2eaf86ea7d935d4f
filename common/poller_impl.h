/* SPDX-License-Identifier: MIT */
/*
 * poller_impl - what poller.c and its back ends share; for nobody else.
 *
 * poller.c has what both do alike: lent buffers, queues of output, the lists
 * of what is to be done. A back end is the table below.
 * The common part calls it; it calls the owner of a conn and the functions at
 * the end of this file.
 */
#ifndef COMMON_POLLER_IMPL_H
#define COMMON_POLLER_IMPL_H

#include <stdatomic.h>

#include "common/base.h"
#include "common/list.h"
#include "common/poller.h"
#include "common/slab.h"

/* A piece of queued output, or of input that is held back. */
struct poller_seg {
	struct poller_seg *next;
	struct lent	  *lent;
	const char	  *bytes;
	size_t		   n;
};

struct poller_backend {
	const char *name;
	/* Sets p->state. Returns 0 or a negated errno. */
	int	(*open)(struct poller *);
	void	(*close)(struct poller *);
	/* c has its poller, fd, fn and `connecting`. 0 or a negated errno. */
	int	(*attach)(struct poller_conn *);
	/* The queue is empty, the conn in no list. */
	void	(*detach)(struct poller_conn *);
	/* See poller_leave(); poller_detach() follows if this says true. */
	bool	(*let_go)(struct poller_conn *);
	/* c->receiving has been set; c is ready if it has to be. */
	void	(*recv_start)(struct poller_conn *);
	void	(*recv_stop)(struct poller_conn *);
	int	(*watch_add)(struct poller *, struct poller_watch *);
	void	(*watch_remove)(struct poller *, struct poller_watch *);
	/* See poller_turn(). */
	int	(*turn)(struct poller *, int timeout_ms,
		    void (*before_dispatch)(void *), void *arg);
};

extern const struct poller_backend poller_epoll;
extern const struct poller_backend poller_uring;	/* WITH_LIBURING */

struct poller {
	const struct poller_backend *back;
	void		*state;		/* the back end's own */
	struct poller_watch wake;	/* an eventfd */
	atomic_bool	 wake_sent;
	struct list	 ready;		/* of conns: something to deliver */
	struct list	 dirty;		/* of conns: something to tell the kernel */
	struct lent	*free_lent;
	size_t		 lent_out, lent_free;
	size_t		 lent_given;	/* waiting in the kernel, for io_uring */
	size_t		 conns;
	struct slab	 segs;
};

static inline void
poller_make_ready(struct poller_conn *c)
{
	if (!list_linked(&c->ready_node))
		list_append(&c->poller->ready, &c->ready_node);
}

static inline void
poller_make_dirty(struct poller_conn *c)
{
	if (!list_linked(&c->dirty_node))
		list_append(&c->poller->dirty, &c->dirty_node);
}

/*
 * Hands each conn that is ready now to the back end's step(), which gives its
 * owner what it has. Who becomes ready again meanwhile waits for the next
 * turn. Inline, and so is step() then.
 */
static inline void
poller_serve_ready(struct poller *p,
    void (*step)(struct poller *, struct poller_conn *))
{
	size_t left = list_count(&p->ready);

	while (left-- > 0) {
		struct list_node *n = list_pop(&p->ready);

		if (n == NULL)
			break;
		step(p, container_of(n, struct poller_conn, ready_node));
	}
}

/* Calls its owner; EOF and ERROR are the last thing it hears. */
void	poller_deliver(struct poller_conn *, enum poller_event, size_t n);

/* A send failed: its owner hears PE_DEAF, and then what the peer still says. */
void	poller_deliver_deaf(struct poller_conn *, int errnum);

/* After a connect() that was in progress: 0, or why it failed (an errno). */
int	poller_connect_error(const struct poller_conn *) MUST_CHECK;

/* Drops the first n bytes of its output, which the kernel has taken. */
void	poller_sent(struct poller_conn *, size_t n);

/* Sends now. Returns 0 when all is sent or the socket is full, or a negated
 * errno. */
int	poller_send_queued(struct poller_conn *);

#endif /* COMMON_POLLER_IMPL_H */
