/* SPDX-License-Identifier: MIT */
/*
 * archiver - what homelabctl asks the archiver.
 *
 * The daemon is asked on its control socket; where nobody listens, or it
 * leaves the work to us, the program does it. Both take the same verbs.
 */
#ifndef HOMELABCTL_ARCHIVER_H
#define HOMELABCTL_ARCHIVER_H

#include "common/base.h"

struct buf;
struct cli;
struct err;

#define ARCHIVER_ARGS_MAX	16

/*
 * Runs a verb with these arguments (NULL-terminated); --config and --stanza
 * are added. Its result goes to *out, or to stdout if that is NULL;
 * warnings to stderr, as a progress bar does if cli->progress is set and
 * the daemon tells. Returns 0 or a code that cli_exit_status() knows.
 */
int	archiver_run(const struct cli *, const char *verb,
	    const char *const *args, struct buf *out, struct err *e)
	    MUST_CHECK;

/* One backup in one repository. */
struct archiver_backup {
	char	label[80];
	char	type[8];		/* full, incr, diff */
	int64_t	start, stop;		/* microseconds since 1970 */
	int64_t	size, stored;		/* bytes; stored: in the repository */
	int	repo;
	bool	damaged;		/* pages with wrong checksums */
};

/* What the info verb says of the stanza. */
struct archiver_info {
	struct archiver_backup *backups;	/* as told: oldest first */
	size_t	n;
	char	wal_min[32], wal_max[32];	/* "" if none */
	char	problem[256];		/* of a repository; "" if all are ok */
};

int	archiver_info(const struct cli *, struct archiver_info *, struct err *e)
	    MUST_CHECK;
/* The pure part: the JSON of info --output=json. */
int	archiver_parse_info(const char *text, size_t len, const char *stanza,
	    struct archiver_info *, struct err *e) MUST_CHECK;
void	archiver_info_release(struct archiver_info *);

/*
 * The backup that a label means, or for "latest" the newest that was
 * complete before `before` (microseconds since 1970; 0: no limit). NULL with
 * *e set (ERR_NOT_FOUND) if there is none.
 */
const struct archiver_backup *archiver_pick(const struct archiver_info *,
	    const char *label, int64_t before, struct err *e);

#endif /* HOMELABCTL_ARCHIVER_H */
