/* SPDX-License-Identifier: MIT */
/*
 * ring_plan - which segments are worth fetching ahead, and for whom. Pure.
 *
 * A stream is a reader (a data directory in recovery) and the last segment
 * it got; its window are the `depth` segments behind that one. The depth is
 * 2 at first and doubles with each segment that follows its predecessor, as
 * it does with read-ahead of files; a step back makes it 0. A window ends
 * before the first segment that could not be fetched, until that one was
 * delivered or the timeline changed.
 */
#ifndef ARCHIVER_RING_PLAN_H
#define ARCHIVER_RING_PLAN_H

#include "common/base.h"

#include "common/digest.h"

#define RING_PLAN_STREAMS	4
#define RING_PLAN_FIRST		2	/* depth of a new stream */

/* A segment. */
struct ring_key {
	uint64_t	system_id;
	uint64_t	number;		/* segment_number() */
	uint32_t	tli;
};

struct ring_stream {
	struct digest	reader;		/* of its path */
	struct ring_key	last;
	unsigned	depth;
	uint64_t	end;		/* nothing from here on */
	int64_t		used;		/* when it moved last */
};

struct ring_plan {
	struct ring_stream stream[RING_PLAN_STREAMS];
	unsigned	count;
	unsigned	slots;		/* of the ring; shared evenly */
};

bool	ring_key_equal(const struct ring_key *, const struct ring_key *);

/*
 * A reader got a segment at the time `now`; the stream as it is afterwards.
 * A fifth stream takes the place of the one that moved the longest ago.
 */
const struct ring_stream *ring_plan_follow(struct ring_plan *,
	    const char *reader, const struct ring_key *, int64_t now);

/* The first number behind a stream's window. */
uint64_t ring_plan_window_end(const struct ring_plan *,
	    const struct ring_stream *);

/* Whether a segment is in somebody's window. */
bool	ring_plan_covers(const struct ring_plan *, const struct ring_key *);

/* A segment is not there, or could not be fetched: it ends windows. */
void	ring_plan_missing(struct ring_plan *, const struct ring_key *);

/* Forgets streams that did not move since then. */
void	ring_plan_forget(struct ring_plan *, int64_t since);

#endif /* ARCHIVER_RING_PLAN_H */
