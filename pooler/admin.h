/* SPDX-License-Identifier: MIT */
/*
 * admin - the admin console: database `pgbouncer`.
 *
 * Commands of console clients come from their workers (console.h) and are
 * run by the control thread, which may take its time: PAUSE, WAIT_CLOSE,
 * HOLD and SHUTDOWN answer when their condition is met. What the commands
 * are: contract, section 13; the table is in admin.c. Control thread only.
 */
#ifndef POOLER_ADMIN_H
#define POOLER_ADMIN_H

#include "common/base.h"

struct admin;
struct control;

/* Commands are received from now on. NULL without memory. */
struct admin *admin_new(struct control *) MUST_CHECK;
/* No command may be under way (asserted). NULL is legal. */
void	admin_free(struct admin *);

/* Answers the waiting commands whose condition is met. */
void	admin_check(struct admin *);

/* Ends every waiting command with an error: the process ends. */
void	admin_end(struct admin *);

#endif /* POOLER_ADMIN_H */
