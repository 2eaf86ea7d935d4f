/* SPDX-License-Identifier: MIT */
/*
 * fetch - a WAL file out of the repositories, verified.
 *
 * PostgreSQL takes "not there" for the end of the WAL: it ends recovery, or
 * promotes. So ERR_ABSENT is said only when every configured repository
 * answered, is the archive of this very cluster, and has no such file.
 * Everything else is tried again until the time is over, and is then an
 * error of another code.
 */
#ifndef ARCHIVER_FETCH_H
#define ARCHIVER_FETCH_H

#include "common/base.h"

#include "archiver/repo.h"

struct buf;
struct err;

/* Everything is borrowed. */
struct fetch_request {
	const struct repo *repos;
	size_t		 repo_n;
	const char	*stanza;
	uint64_t	 system_id;
	const char	*name;		/* of the WAL file */
	int		 fd;		/* filled from its start */
	struct store_limits limits;	/* of all tries together */
};

/*
 * 0: the file is written whole and its digest is right. ERR_ABSENT; else
 * the last failure. `warnings` (one a line) tells of damaged copies.
 */
int	fetch_file(const struct fetch_request *, struct buf *warnings,
	    struct err *e) MUST_CHECK;

#endif /* ARCHIVER_FETCH_H */
