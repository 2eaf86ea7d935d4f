/* SPDX-License-Identifier: MIT */
/*
 * check - whether archiving works, from PostgreSQL to the repositories.
 *
 * Proven by doing it: a WAL segment is ended and waited for in every
 * repository. Before that, what would make it fail for a known reason:
 * settings, a wrong directory, a stanza of another cluster. On a standby,
 * which writes no WAL, only these.
 */
#ifndef ARCHIVER_CHECK_H
#define ARCHIVER_CHECK_H

#include "common/base.h"

#include "common/pgquery.h"

struct catalog;
struct err;

struct check_request {
	struct pgquery_target server;
	const char	*pgdata;
	int64_t		 db_timeout;		/* microseconds */
	int64_t		 archive_timeout;
	bool		(*cancelled)(void *arg);	/* may be NULL */
	void		*arg;
};

struct check_result {
	char		segment[32];	/* that arrived; "" on a standby */
	bool		standby;
};

/*
 * Checks one stanza in n repositories. The first thing that is wrong is the
 * error, with a hint what to do.
 */
int	check_run(const struct catalog *c, size_t n,
	    const struct check_request *req, struct check_result *result,
	    struct err *e) MUST_CHECK;

#endif /* ARCHIVER_CHECK_H */
