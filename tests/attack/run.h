/* SPDX-License-Identifier: MIT */
/*
 * run - plays a script on one connection and writes down the answers.
 *
 * A transcript has one line for each message received. What cannot be the
 * same on two connections is left out or masked: the login, the place in
 * PostgreSQL's source that an error names, and the name under which a server
 * knows a statement, where an error repeats it. Long values are shortened to
 * their length and a checksum. A client that sends something else in the
 * middle of COPY FROM STDIN is cut off by PostgreSQL; a pooler that answers a
 * part of it by itself may let it live a little longer, so nothing is
 * compared from there on.
 */
#ifndef TESTS_ATTACK_RUN_H
#define TESTS_ATTACK_RUN_H

#include "common/base.h"

#include <stdio.h>

#include "tests/attack/peer.h"
#include "tests/attack/script.h"

struct transcript {
	char	**line;
	size_t	  n, cap;
	size_t	  after[SCRIPT_STEPS];	/* lines seen when this step ended */
	bool	  slept[SCRIPT_STEPS];	/* 'k': somebody was in pg_sleep() */
	bool	  complete;	/* all answers came in time */
	bool	  broken;	/* the client broke a COPY: undefined from here */
	bool	  out_of_step;	/* a known difference: not comparable */
	size_t	  last;		/* broken: the step that was played last */
};

/* What else a run needs. */
struct stage {
	struct peer	*control;	/* of the same database, direct */
	void		(*noise)(const char *kind);	/* NULL: be quiet */
	int		  patience;	/* milliseconds, for one message */
};

/*
 * Plays it on a new connection. `like` is NULL, and then what has to come is
 * said by the model of the protocol; or another run's transcript, and then
 * this run waits for as many messages.
 */
void	run_script(const struct script *, const struct peer_address *,
	    const struct stage *, const struct transcript *like,
	    struct transcript *out);

void	transcript_release(struct transcript *);

/*
 * The first line that differs from PostgreSQL's, or SIZE_MAX. One difference
 * is known and passes, with all that follows from it: see is_known().
 */
size_t	transcript_compare(const struct transcript *postgres,
	    const struct transcript *pooler);

#endif /* TESTS_ATTACK_RUN_H */
