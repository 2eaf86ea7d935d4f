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

/* Whether system_user is there, if it is needed. ERR_CONFIG. */
int	connect_check_user(const struct cli *, struct err *e) MUST_CHECK;

/*
 * Sessions straight at the server, not through the pooler. Both are ended
 * by pgquery_close() and give a query thirty seconds, or until an interrupt
 * comes.
 */
int	connect_server(const struct cli *, struct pgquery **out,
	    struct err *e) MUST_CHECK;

/* The console: commands by pgquery_run() without parameters. */
int	connect_pooler(const struct cli *, struct pgquery **out,
	    struct err *e) MUST_CHECK;

#endif /* HOMELABCTL_CONNECT_H */
