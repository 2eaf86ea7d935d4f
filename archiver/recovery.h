/* SPDX-License-Identifier: MIT */
/*
 * recovery - what a restored server is told: how far to recover, from where.
 *
 * Pure text. The settings go to the end of postgresql.auto.conf, where they
 * win over everything before; the same settings further up, of an earlier
 * restore for instance, are commented out, because PostgreSQL refuses to
 * start with two different recovery targets.
 *
 * RECOVERY_NONE writes neither restore_command nor signal file: the server
 * recovers as after a crash. RECOVERY_PRESERVE writes nothing at all.
 */
#ifndef ARCHIVER_RECOVERY_H
#define ARCHIVER_RECOVERY_H

#include "common/base.h"

struct buf;
struct err;

enum recovery_type {
	RECOVERY_DEFAULT,	/* to the end of the archive */
	RECOVERY_IMMEDIATE,	/* to the end of the backup */
	RECOVERY_TIME,
	RECOVERY_XID,
	RECOVERY_LSN,
	RECOVERY_NAME,
	RECOVERY_STANDBY,	/* follow for ever */
	RECOVERY_NONE,		/* with what WAL lies in pg_wal */
	RECOVERY_PRESERVE	/* as the target directory says */
};

/* As on the command line; everything is borrowed, NULL = not given. */
struct recovery {
	enum recovery_type type;
	const char	*target;
	bool		 exclusive;	/* stop before the target */
	const char	*action;	/* pause, promote, shutdown */
	const char	*timeline;	/* latest, current, or a number */
	const char	*restore_command;
	bool		 archive_off;	/* set archive_mode = off: a clone */
	/* Further settings, "name=value"; they win over those above. */
	char *const	*options;
	size_t		 option_count;
};

/*
 * Checks that the parts fit together: a target where the type needs one and
 * nowhere else, of the right form. For RECOVERY_TIME sets *time (may be
 * NULL) in microseconds since 1970, for RECOVERY_LSN *lsn. ERR_USAGE with a
 * hint.
 */
int	recovery_check(const struct recovery *r, int64_t *time, uint64_t *lsn,
	    struct err *e) MUST_CHECK;

/*
 * Appends to `out` the text of a postgresql.auto.conf (n bytes, as it was
 * in the backup) with the settings of a checked recovery. `label` is named
 * in a comment. Check buf_failed().
 */
void	recovery_settings(const struct recovery *r, const char *label,
	    const char *text, size_t n, struct buf *out);

/* "recovery.signal" or "standby.signal"; NULL where there is to be none. */
const char *recovery_signal_file(const struct recovery *r);

#endif /* ARCHIVER_RECOVERY_H */
