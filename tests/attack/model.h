/* SPDX-License-Identifier: MIT */
/*
 * model - has PostgreSQL answered all that was sent?
 *
 * A small copy of the rules of the protocol, for a client that may send
 * anything: an error in the extended protocol skips what follows up to the
 * Sync, COPY FROM STDIN takes data and passes over Sync and Flush, and data
 * outside of a COPY is passed over. Data that cannot be stored fails the COPY:
 * a Sync behind it counts. It says when nothing more is to come
 * without sending more, and judges nothing else.
 * Pure. Calling sequence: model_sent() for each message sent, model_got()
 * for each received, model_done() in between.
 */
#ifndef TESTS_ATTACK_MODEL_H
#define TESTS_ATTACK_MODEL_H

#include "common/base.h"

#define MODEL_MAX	1024
/* The type of CopyData that cannot be stored. */
#define MODEL_BAD_DATA	'!'

struct model {
	char	queue[MODEL_MAX];	/* sent, not yet answered; oldest first */
	size_t	n;
	bool	ignoring;		/* everything up to a Sync */
	bool	copying;		/* the server takes data */
	bool	failed;			/* the head had its error */
	bool	ended;			/* the connection did */
};

void	model_sent(struct model *, char type);
void	model_got(struct model *, char type);
bool	model_done(const struct model *);

#endif /* TESTS_ATTACK_MODEL_H */
