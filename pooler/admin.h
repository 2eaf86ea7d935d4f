/* SPDX-License-Identifier: MIT */
/*
 * admin - the admin console: database `pgbouncer`.
 *
 * A console client lives in a worker like any other; its commands are run by
 * the control thread, which may take its time: PAUSE, WAIT_CLOSE, HOLD and
 * SHUTDOWN answer when their condition is met. A command and its answer
 * travel as one `struct admin_request`, which always comes back to the
 * client's worker and is freed there. Whoever wants to stop a command sends
 * the client's id, never a pointer, because the two may cross.
 * Invariants: a client has one command at a time (client.command); once
 * admin_client_gone() was called, no answer reaches the client. What the
 * commands are: contract, section 13; the table is in admin.c.
 */
#ifndef POOLER_ADMIN_H
#define POOLER_ADMIN_H

#include "common/base.h"

struct admin;
struct buf;
struct client;
struct pooler;

/*
 * From the client's worker.
 */

/*
 * Sends the command to the control thread (copied). The answer comes by
 * client_console_answer(). Returns 0 or ERR_NOMEM.
 */
int	admin_submit(struct client *, const char *sql) MUST_CHECK;

/* The client's running command is to be cancelled (Ctrl-C). */
void	admin_cancel(struct client *);

/* The client is closed while its command runs. */
void	admin_client_gone(struct client *);

/* The ParameterStatus messages that a console client is welcomed with. */
void	admin_console_welcome(struct buf *out);

/*
 * From the control thread.
 */

/* NULL without memory. */
struct admin *admin_new(struct pooler *) MUST_CHECK;
/* No command may be under way (asserted). NULL is legal. */
void	admin_free(struct admin *);

/* Answers the waiting commands whose condition is met. */
void	admin_check(struct admin *);

/* Ends every waiting command with an error: the process ends. */
void	admin_end(struct admin *);

/* What SHOW VERSION and the command line's -V print. */
#define ADMIN_VERSION	"PgBouncer " PGBOUNCER_COMPAT \
	" (homelab-pooler " HOMELAB_VERSION ")"

#endif /* POOLER_ADMIN_H */
