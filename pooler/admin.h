/* SPDX-License-Identifier: MIT */
/*
 * admin - the admin console, as the workers see it.
 *
 * A console client lives in a worker like any other; its commands are run by
 * the control thread. Each function is called in the client's worker. The
 * answer comes back through client_console_answer(), in that worker, at any
 * later time. Contract, section 13.
 */
#ifndef POOLER_ADMIN_H
#define POOLER_ADMIN_H

#include "common/base.h"

struct buf;
struct client;

/* Hands a command (copied) to the control thread; one at a time per client.
 * Returns 0 or ERR_NOMEM. */
int	admin_submit(struct client *, const char *sql) MUST_CHECK;

/* The client's running command is cancelled (Ctrl-C). */
void	admin_cancel(struct client *);

/* The client closes while its command runs; no answer must reach it. */
void	admin_client_gone(struct client *);

/* Appends the ParameterStatus messages of a console login. */
void	admin_console_welcome(struct buf *);

#endif /* POOLER_ADMIN_H */
