/* SPDX-License-Identifier: MIT */
/*
 * push - a file of pg_wal into every repository, durably.
 *
 * The key of what is stored holds the cluster's identifier, the name and the
 * digest of the content: two writers cannot collide, the same file again is
 * done already, and a name with other content is found and refused. Success
 * means: durable in every repository that is required.
 */
#ifndef ARCHIVER_PUSH_H
#define ARCHIVER_PUSH_H

#include "common/base.h"

#include "archiver/filter.h"
#include "archiver/repo.h"

struct buf;
struct err;
struct known;

/* Segments above this are compressed into an unlinked temporary file. */
#define PUSH_MEMORY_MAX	((uint64_t)64 << 20)

/* Everything is borrowed. */
struct push_request {
	const struct repo *repos;
	size_t		 repo_n;
	const char	*stanza;
	int		 fd;		/* the file, read from its start */
	const char	*path;		/* absolute: .../pg_wal/<name> */
	bool		 header_check;
	enum filter_kind filter;
	int		 level;
	const char	*tmp_dir;	/* for large segments */
	struct known	*known;		/* the daemon's memory; NULL: none */
	struct store_limits limits;	/* of the whole */
};

struct push_result {
	uint64_t	plain;		/* bytes */
	uint64_t	stored;
	int		found;		/* repositories that had it already */
};

/*
 * 0, ERR_FORMAT (no WAL file, or one whose header does not fit its name),
 * ERR_MISMATCH (a segment of another cluster, or no such stanza),
 * ERR_DUPLICATE (names both digests), the store's errors. `warnings`
 * (one a line) tells of repositories that are not required and failed.
 */
int	push_file(const struct push_request *, struct push_result *,
	    struct buf *warnings, struct err *e) MUST_CHECK;

/*
 * The identifier of the cluster whose pg_wal holds `path`, from its
 * pg_control. err_sys()'s errors, pgcontrol_parse()'s.
 */
int	push_system_id(const char *path, uint64_t *id, int *version,
	    struct err *e) MUST_CHECK;

#endif /* ARCHIVER_PUSH_H */
