/* SPDX-License-Identifier: MIT */
/*
 * progress - a bar on a terminal, drawn over itself on standard error.
 *
 * Calling sequence: progress_init(), progress_draw() as often as one likes
 * and from any thread (it draws ten times a second at most, but at once when
 * the total is known), and progress_clear() before anything else is written
 * there, and at the end.
 */
#ifndef COMMON_PROGRESS_H
#define COMMON_PROGRESS_H

#include "common/base.h"

#include <stdatomic.h>

struct buf;

struct progress {
	bool		on;
	atomic_bool	shown;		/* a bar stands in the line */
	atomic_llong	next;		/* nothing is drawn before ... */
	atomic_bool	measured;	/* ... but the first with a total */

	/* Of whoever draws: when the phase began, and with what. */
	char		what[48];
	int64_t		began, from;
};

/* How far a piece of work is. */
struct progress_state {
	const char *what;		/* "copying" */
	int64_t	 done, total;		/* bytes; total 0: not known */
	int64_t	 left;			/* microseconds to go; 0: not known */
	size_t	 width;			/* columns there are */
};

/* on: whether to draw at all; isatty(2) is the caller's question. */
void	progress_init(struct progress *, bool on);
/* As wide as the terminal; with the time left once that can be told. */
void	progress_draw(struct progress *, const char *what, int64_t done,
	    int64_t total);
void	progress_clear(struct progress *);

/*
 * Appends the bar to out, "copying  [####....]  52 %  1.2 GiB of 2.3 GiB
 * 12s left", or as much of it as fits. With an unknown total, what is done
 * without a bar. Pure.
 */
void	progress_line(struct buf *out, const struct progress_state *);

#endif /* COMMON_PROGRESS_H */
