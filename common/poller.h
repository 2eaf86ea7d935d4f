/* SPDX-License-Identifier: MIT */
/*
 * poller - a worker's own set of sockets, in completion style.
 *
 * A relay's cost is its system calls. So the owner of a socket does not ask
 * "may I read?"; it says "receiving" once and gets DATA with a *lent* buffer,
 * queues output and hears BLOCKED and DRAINED only when the peer is slow. A
 * lent buffer goes back to the poller when its last reference is dropped;
 * who queues a part of it to another socket takes a reference, so bytes are
 * relayed without a copy, and an idle socket owns no buffer at all. Output
 * queued during one event leaves in one write when the event's callback has
 * returned. In steady state there is no epoll_ctl, no receive that finds
 * nothing, and one write per direction.
 *
 * Two back ends keep this contract, chosen by poller_new(): poller_epoll.c
 * and poller_uring.c, which say at their heads how. They share poller.c and
 * poller_impl.h. What differs for a user: with io_uring output leaves at the
 * end of the turn, for all sockets in one system call, and a socket that
 * was detached is let go of by the kernel in the next turn. So a descriptor
 * that lives on elsewhere is taken out with poller_leave().
 *
 * Invariants: no callback runs inside another callback of the same poller;
 * after poller_detach() a conn gets no event, not even one already fetched,
 * provided its memory lives until the end of the turn (poller_turn()
 * returns). Calling sequence: poller_new(), poller_attach() for each socket,
 * poller_turn() in a loop, poller_detach(), poller_free(). One thread only,
 * but for poller_wake(): that of the first turn. Before it, after the
 * last one, and while that thread stands still another may call all but
 * poller_turn() and poller_leave().
 */
#ifndef COMMON_POLLER_H
#define COMMON_POLLER_H

#include "common/base.h"
#include "common/list.h"

/* Usable bytes of a lent buffer. */
#define LENT_SIZE	(16 * 1024 - 64)

/*
 * A reference-counted buffer of one poller. Who gets it in a DATA event
 * borrows it for the call, and takes a reference to keep it longer. It never
 * leaves its poller's thread.
 */
struct lent {
	struct lent	*next_free;
	struct poller	*home;
	uint32_t	 refs;
	uint32_t	 used;	/* bytes that poller_send_copy() has filled */
	char		 data[LENT_SIZE];
};

enum poller_event {
	PE_CONNECTED,	/* a connect() begun before attaching succeeded */
	PE_DATA,	/* `bytes` hold `n` > 0 bytes of `lent` */
	PE_BLOCKED,	/* the peer does not take what was queued */
	PE_DRAINED,	/* it has taken all, after PE_BLOCKED */
	PE_HANGUP,	/* the peer closed while we were not receiving */
	PE_POKED,	/* poller_poke() asked for it */
	PE_DEAF,	/* a send failed, `n` is the errno: the peer takes
			 * nothing more, what it said before still comes */
	PE_EOF,		/* the peer closed; all it sent has been delivered */
	PE_ERROR	/* `n` is the errno; nothing more will come */
};

struct poller_conn;
typedef void poller_fn(struct poller_conn *, enum poller_event,
    struct lent *, const char *bytes, size_t n);

/* Embedded in its owner; zeroed before poller_attach(). */
struct poller_conn {
	struct poller	*poller;	/* NULL when detached */
	poller_fn	*fn;
	struct poller_seg *out_head, *out_tail;
	size_t		 out_bytes;
	struct list_node ready_node;	/* has unread bytes, wants them */
	struct list_node dirty_node;	/* has output not yet tried */
	struct poller_sock *sock;	/* io_uring's part */
	int		 fd;
	uint32_t	 epoll_events;	/* epoll's part */
	bool		 connecting;
	bool		 receiving;
	bool		 readable;	/* something to deliver may be there */
	bool		 hangup;
	bool		 poked;
	bool		 blocked;
	bool		 deaf;		/* PE_DEAF was delivered */
	bool		 failed;	/* PE_EOF or PE_ERROR was delivered */
};

/* A descriptor that is only watched: fn is called when it is readable. */
struct poller_watch {
	int	  fd;
	void	(*fn)(struct poller_watch *);
	struct poller_sock *sock;	/* io_uring's part */
};

enum poller_io {
	POLLER_EPOLL,
	POLLER_URING	/* Linux >= 6.1; containers often forbid it */
};

/*
 * Returns 0 and a poller, or a negated errno. For io_uring that is -ENOSYS
 * where it was not compiled in, -EPERM where it is forbidden, -EINVAL on an
 * older kernel: the caller takes epoll then, or gives up.
 */
int	poller_new(enum poller_io, struct poller **out) MUST_CHECK;

/* "epoll" or "io_uring". */
const char *poller_name(const struct poller *);

/* Every conn must be detached and every lent buffer returned (asserted). */
void	poller_free(struct poller *);

/*
 * Takes the non-blocking socket `fd` into the set, not yet receiving.
 * `connecting`: a connect() is in progress; PE_CONNECTED or PE_ERROR comes.
 * Returns 0 or a negated errno. The descriptor stays the caller's.
 */
int	poller_attach(struct poller *, struct poller_conn *, int fd,
	    bool connecting, poller_fn *fn) MUST_CHECK;

/*
 * Takes it out of the set and drops its unsent output. Legal in any
 * callback and on a conn that is not attached. The caller then closes the
 * descriptor; what was still received is lost.
 */
void	poller_detach(struct poller_conn *);

/*
 * Takes it out of the set for use elsewhere, here or in another poller: when
 * this returns true, nothing of this poller receives from it any more. False
 * if bytes, or the end, were received and not yet delivered: it is still
 * attached, and they come. A conn that is not attached has left: true.
 */
bool	poller_leave(struct poller_conn *) MUST_CHECK;

/* From now on PE_DATA is delivered; if bytes are waiting, by the end of the
 * next turn, which then does not wait. */
void	poller_recv_start(struct poller_conn *);
/* No PE_DATA until started again; the kernel keeps what arrives. */
void	poller_recv_stop(struct poller_conn *);

/* PE_POKED comes, outside the present callback, if it is then receiving. */
void	poller_poke(struct poller_conn *);

/*
 * Queues `n` bytes at `bytes`, which must lie in `lent`; takes a reference.
 * Returns 0 or ERR_NOMEM (the caller closes the connection). What is queued
 * on a conn that failed, is deaf or detached is dropped silently.
 */
int	poller_send_lent(struct poller_conn *, struct lent *,
	    const char *bytes, size_t n) MUST_CHECK;
/* As above, with a copy of bytes that lie anywhere; any length. */
int	poller_send_copy(struct poller_conn *, const void *bytes, size_t n)
	    MUST_CHECK;

/* Bytes queued and not yet accepted by the kernel. */
size_t	poller_pending(const struct poller_conn *);

/* Tries to send what is queued now, without events; for a last message. */
void	poller_flush_now(struct poller_conn *);

/*
 * An empty lent buffer with one reference (the caller's), NULL when memory
 * is out. For bytes that a filter makes: TLS, decoded input.
 */
struct lent *lent_get(struct poller *) MUST_CHECK;
void	lent_ref(struct lent *);
void	lent_unref(struct lent *);

/* Watches a descriptor, level-triggered. Returns 0 or a negated errno. */
int	poller_watch_add(struct poller *, struct poller_watch *) MUST_CHECK;
/* Stops watching; may be added again. One event of this turn may still come,
 * so the struct lives until its end. Before the descriptor is closed (which
 * with io_uring takes effect in the next turn). */
void	poller_watch_remove(struct poller *, struct poller_watch *);

/*
 * Waits at most `timeout_ms` (-1 = no limit) and delivers what happened.
 * Returns 0 or a negated errno. `before_dispatch`, unless NULL, is called
 * once between the wait and the first callback: it takes the time.
 */
int	poller_turn(struct poller *, int timeout_ms,
	    void (*before_dispatch)(void *), void *arg) MUST_CHECK;

/* Ends the present or the next wait of poller_turn(). From any thread. */
void	poller_wake(struct poller *);

struct poller_stats {
	size_t	conns;		/* attached */
	size_t	lent_out;	/* lent buffers in use */
	size_t	lent_all;	/* in use and kept for reuse */
	size_t	segs_out;
};
void	poller_get_stats(const struct poller *, struct poller_stats *);

#endif /* COMMON_POLLER_H */
