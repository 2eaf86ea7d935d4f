/* SPDX-License-Identifier: MIT */
/*
 * signals - what an operator says with kill(1).
 *
 * The signals of the contract, section 1.3, are blocked in all threads and
 * read from a descriptor in the control thread's loop, so that they are
 * events like any other. Calling sequence: signals_new() before any thread
 * is started, signals_free() at the end (which leaves them blocked).
 */
#ifndef POOLER_SIGNALS_H
#define POOLER_SIGNALS_H

#include "common/base.h"

struct err;
struct control;
struct signals;

int	signals_new(struct control *, struct signals **out, struct err *e)
	    MUST_CHECK;
/* NULL is legal. */
void	signals_free(struct signals *);

#endif /* POOLER_SIGNALS_H */
