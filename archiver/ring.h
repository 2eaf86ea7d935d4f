/* SPDX-License-Identifier: MIT */
/*
 * ring - fetches WAL before recovery asks for it.
 *
 * PostgreSQL asks for one segment after the other, and waits for each. Once
 * a segment was delivered, threads fetch the next ones in parallel into a
 * spool file outside the data directory, so that the answer to the next
 * question is a copy from the disk.
 *
 * Invariants:
 *  - Only segments are kept, never a "no": what the ring does not have, the
 *    repositories are asked for, so that "not there" is always their own
 *    answer, given now. A prefetch that found nothing, or failed, is not
 *    tried again before a segment was delivered; a standby that asks again
 *    and again for a segment that is not there causes no prefetch.
 *  - What is handed out has the digest that was verified when it arrived.
 *  - Nothing that goes wrong here fails a request: it is then fetched as if
 *    there were no ring.
 *  - The spool file has no name: a daemon that is killed leaves no rubbish,
 *    and a new one has none to trust. The space is given back after
 *    RING_IDLE_US without a request.
 *
 * Whoever asks is a stream: a data directory, its timeline, and the number
 * of the last segment it got. The depth of what is fetched ahead doubles
 * with each segment that follows the one before, up to the ring's size; a
 * reader that walks backwards (pg_rewind) has none. Segments outside the
 * windows of all streams are dropped: after a switch of the timeline, or
 * when a recovery begins anew elsewhere.
 *
 * Calling sequence: ring_new(); for each request ring_take(), and when the
 * segment was delivered, by the ring or not, ring_follow(); ring_free().
 * Any number of threads.
 */
#ifndef ARCHIVER_RING_H
#define ARCHIVER_RING_H

#include "common/base.h"

#include "archiver/fetch.h"

struct buf;
struct err;
struct ring;

#define RING_SLOTS_MAX	512
#define RING_IDLE_US	INT64_C(300000000)

/*
 * Fetches a segment once, as fetch_file() does, into a part of fd. Called by
 * the ring's threads.
 */
struct ring_want {
	uint64_t	 system_id;
	const char	*name;
	int		 fd;
	uint64_t	 offset, room;
	bool		(*cancelled)(void *arg);
	void		*arg;
};
typedef int ring_fetch(void *arg, const struct ring_want *,
	    struct fetch_result *, struct buf *warnings, struct err *e);

struct ring_config {
	const char	*dir;		/* made if the one above it exists */
	uint64_t	 bytes;		/* at most, all streams together */
	int		 threads;
	ring_fetch	*fetch;
	void		*arg;
};

/* Touches no file and starts no thread yet. ERR_NOMEM. */
int	ring_new(struct ring **out, const struct ring_config *, struct err *e)
	    MUST_CHECK;

/* Cancels what is under way and waits for the threads. NULL is legal. */
void	ring_free(struct ring *);

/* Who asks, and for what. */
struct ring_request {
	const char	*reader;	/* its data directory */
	uint64_t	 system_id;
	const char	*name;		/* any WAL file */
	int		 fd;		/* emptied and filled from its start */
	int64_t		 timeout_us;	/* to wait for a prefetch under way */
	bool		(*cancelled)(void *arg);
	void		*arg;
};

/*
 * True: fd holds the segment whole, verified, and written. False: the ring
 * does not have it, or could not give it; fd may hold rubbish. `warnings`
 * (one a line) gets what was noted when it was fetched.
 */
bool	ring_take(struct ring *, const struct ring_request *,
	    struct buf *warnings);

/* The request was answered with a file of `size` bytes. */
void	ring_follow(struct ring *, const struct ring_request *, uint64_t size);

/* What the ring did so far, and what it holds. */
struct ring_stats {
	uint64_t	fetched;	/* segments that arrived */
	uint64_t	hits;		/* handed out */
	uint64_t	dropped;	/* arrived, and nobody asked */
	uint64_t	failed;		/* absent, or an error */
	unsigned	ready;		/* now */
	unsigned	pending;	/* now, on their way */
	unsigned	slots;		/* 0: nobody asked yet */
};
void	ring_stats(struct ring *, struct ring_stats *out);

#endif /* ARCHIVER_RING_H */
