/* SPDX-License-Identifier: MIT */
/*
 * poller_ring - the io_uring under poller_uring.c, for nobody else.
 *
 * Requests are prepared one by one and submitted together by ring_enter(),
 * which also waits; completions are fetched into an array of events; lent
 * buffers are handed to the kernel for receives and come back with events.
 * What a request is about, its `data`, comes back in its event. Whoever
 * prepares a request gets false when the kernel takes no more for now, and
 * tries again in the next turn.
 * Calling sequence: ring_open(); in one thread only, in a loop: ring_lend(),
 * requests, ring_enter(), ring_fetch(), look at events[]; ring_close() in any
 * thread after that one has ended.
 *
 * Kernel interface: io_uring_enter(2), io_uring_register(2); Linux 6.1 for
 * IORING_SETUP_DEFER_TASKRUN, which makes everything happen in the thread
 * of the turns, inside its system calls, and nowhere else.
 */
#ifndef COMMON_POLLER_RING_H
#define COMMON_POLLER_RING_H

#include "common/base.h"

#include <pthread.h>

struct lent;
struct poller;
struct poller_seg;
struct kernel_ring;

/* Buffers that wait in the kernel; a power of two. */
#define RING_BUFFERS	256
/* Of one send or receive. */
#define RING_PIECES	8

#define RING_MORE	(1U << 1)	/* IORING_CQE_F_MORE */

struct ring_event {
	uint64_t data;
	int	 result;	/* bytes, poll's events, or a negated errno */
	uint32_t flags;		/* see ring_more() and ring_take_buffer() */
};

struct ring {
	struct kernel_ring *kernel;	/* liburing's part */
	struct lent	*lent[RING_BUFFERS];	/* by buffer id */
	uint16_t	 free_ids[RING_BUFFERS];
	unsigned	 n_free_ids;
	struct ring_event *events;	/* fetched */
	size_t		 n_events, max_events;
	size_t		 next_event;	/* not yet dispatched: the caller's */
	bool		 enabled;
	pthread_t	 thread;	/* of the turns, once enabled */
};

/* Returns 0 or a negated errno: see poller_new(). */
int	ring_open(struct ring *) MUST_CHECK;
/* Ends all requests. Buffers that the kernel still had are freed. */
void	ring_close(struct ring *);

/* Receives a buffer for each piece until it is cancelled, fails or finds no
 * buffer. */
bool	ring_recv(struct ring *, int fd, uint64_t data) MUST_CHECK;

/*
 * Receives what is there now, at most these n buffers (n <= RING_PIECES): when
 * ring_enter() returns it is over, and its event is there to be fetched
 * (-EAGAIN: nothing was).
 */
bool	ring_recv_now(struct ring *, int fd, struct lent *const *, unsigned n,
	    uint64_t data) MUST_CHECK;

/*
 * Sends the first pieces of a queue without waiting for the socket. *bytes
 * are how many it will try. There is an event only if not all of them were
 * sent: its result is how many were, or why none were.
 */
bool	ring_send(struct ring *, int fd, const struct poller_seg *,
	    uint64_t data, size_t *bytes) MUST_CHECK;

/* One event when fd has one of epoll's `events`. */
bool	ring_poll(struct ring *, int fd, uint32_t events, uint64_t data)
	    MUST_CHECK;

/* Ends the request of that data early; it has its own last event. */
bool	ring_cancel(struct ring *, uint64_t data) MUST_CHECK;

/* Fills up the kernel's buffers. False when memory is out. */
bool	ring_lend(struct ring *, struct poller *) MUST_CHECK;

/* The buffer of an event, with one reference; NULL if it has none. */
struct lent *ring_take_buffer(struct ring *, struct poller *,
	    const struct ring_event *);

/* True if more events of the same request follow. */
static inline bool
ring_more(const struct ring_event *e)
{
	return (e->flags & RING_MORE) != 0;
}

/*
 * Submits what was prepared and waits for an event at most timeout_ms (-1:
 * no limit, 0: not at all). Returns 0 or a negated errno; after 0 all that
 * was prepared is the kernel's. The first call makes the ring its thread's.
 */
int	ring_enter(struct ring *, int timeout_ms) MUST_CHECK;

/* Appends what the kernel has completed to events[]. False if some of it
 * had to stay there. */
bool	ring_fetch(struct ring *) MUST_CHECK;

#endif /* COMMON_POLLER_RING_H */
