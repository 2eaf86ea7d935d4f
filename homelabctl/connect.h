/* SPDX-License-Identifier: MIT */
/*
 * connect - the way to PostgreSQL and to the pooler's console.
 */
#ifndef HOMELABCTL_CONNECT_H
#define HOMELABCTL_CONNECT_H

#include "common/base.h"

struct cli;
struct err;
struct pgquery;
struct pgquery_limits;

/* Whether system_user is there, if it is needed. ERR_CONFIG. */
int	connect_check_user(const struct cli *, struct err *e) MUST_CHECK;

/*
 * A session straight at the server, not through the pooler. Ended by
 * pgquery_close(). It gives a query thirty seconds, or until an interrupt
 * comes.
 */
int	connect_server(const struct cli *, struct pgquery **out,
	    struct err *e) MUST_CHECK;

/*
 * The console: commands by pgquery_run() without parameters. NULL for limits:
 * as above.
 */
int	connect_pooler(const struct cli *, struct pgquery **out,
	    const struct pgquery_limits *l, struct err *e) MUST_CHECK;

#endif /* HOMELABCTL_CONNECT_H */
