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
#include "common/digest.h"

struct buf;
struct err;
struct known;

/* Everything is borrowed. */
struct fetch_request {
	const struct repo *repos;
	size_t		 repo_n;
	const char	*stanza;
	uint64_t	 system_id;
	const char	*name;		/* of the WAL file */
	int		 fd;
	/* room 0: fd is emptied and filled from its start. Else a part of fd
	   is filled, from `offset` and at most `room` bytes (ERR_LIMIT). */
	uint64_t	 offset, room;
	bool		 once;		/* no second try */
	/* Where keys are looked up instead of listing; then ERR_ABSENT is no
	   answer for PostgreSQL. NULL: the store is asked. */
	struct known	*known;
	struct store_limits limits;	/* of all tries together */
};

struct fetch_result {
	uint64_t	size;
	struct digest	digest;
};

/*
 * 0: the file is written whole, and its digest is what the object and its
 * key say; *result may be NULL. ERR_ABSENT; else the last failure.
 * `warnings` (one a line) tells of damaged copies.
 */
int	fetch_file(const struct fetch_request *, struct fetch_result *result,
	    struct buf *warnings, struct err *e) MUST_CHECK;

#endif /* ARCHIVER_FETCH_H */
