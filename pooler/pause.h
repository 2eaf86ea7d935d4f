/* SPDX-License-Identifier: MIT */
/*
 * pause - PAUSE, HOLD and the end of the process: pools that serve nobody.
 *
 * A pool is *held* while any of these is on: PAUSE of everything, PAUSE or
 * KILL of its database, HOLD, SHUTDOWN WAIT_FOR_SERVERS. A held pool gives
 * no server to anybody; its idle servers are closed, and busy ones when they
 * are released; clients may still log in (where the pool is known) and their
 * queries wait. HOLD is PAUSE for a restore: transactions have a deadline,
 * the time-outs of those who wait stand still, and if nobody says RELEASE
 * the waiting clients are failed and never let onto a server that may be
 * half restored. Control thread only; contract, sections 1.4 and 9.6.
 */
#ifndef POOLER_PAUSE_H
#define POOLER_PAUSE_H

#include "common/base.h"
#include "pooler/shared.h"

struct database;
struct control;

/* Makes every pool follow the switches: holds, or lets go and serves. */
void	pause_apply(struct control *);

/* PAUSE and RESUME of everything. */
void	pause_all(struct control *);
void	pause_resume_all(struct control *);

/* True when no server is left of those that are to go: of one database, or
 * (NULL) of all. */
bool	pause_is_done(struct control *, const struct database *);

/* HOLD: transactions may go on for `deadline` microseconds. While it lasts
 * a second HOLD sets a new deadline and begins hold_timeout anew: whoever
 * holds for long repeats it, and only its death fails the clients. */
void	pause_hold(struct control *, uint64_t deadline);
void	pause_release(struct control *);

/* What is due: ends transactions after the deadline of HOLD, fails waiting
 * clients after hold_timeout or while servers are waited for at the end. */
void	pause_check(struct control *);

/* Begins to end the process, or ends it at once. Asked again, a later mode
 * replaces an earlier one only if it is stricter. */
void	pause_shutdown(struct control *, enum shutdown_mode);

#endif /* POOLER_PAUSE_H */
