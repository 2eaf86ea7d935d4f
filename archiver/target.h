/* SPDX-License-Identifier: MIT */
/*
 * target - the directory that a restore writes into.
 *
 * Everything that could hurt somebody's data stands here: what is refused,
 * what is removed, in which order. A server cannot be started on a half
 * restored directory, because global/pg_control is removed first and
 * written last. While a restore is at work the directory holds a file
 * TARGET_MARKER; a later --delta or --force goes on from there.
 */
#ifndef ARCHIVER_TARGET_H
#define ARCHIVER_TARGET_H

#include "common/base.h"

struct err;
struct manifest;

#define TARGET_MARKER	"homelab-restore.partial"

/* What says how a directory recovers; at its top. */
#define TARGET_RECOVERY(X)						\
	X("postgresql.auto.conf") X("recovery.signal") X("standby.signal")

/* One --tablespace-map: a name or an oid, and where it shall go. */
struct target_map {
	const char	*name;
	const char	*path;
};

/* Where to, and how. Everything is borrowed. */
struct target {
	const char	*pgdata;
	bool		 delta;		/* keep what is right already */
	bool		 force;		/* overwrite everything */
	/* Keep the three files of TARGET_RECOVERY that are there. */
	bool		 keep_recovery;
	const struct target_map *maps;
	size_t		 map_count;
	const char	*map_all;	/* directory for all others, or NULL */
};

/*
 * Applies the tablespace maps to the manifest: its tablespaces get their
 * new places. ERR_USAGE for a map that names no tablespace, a path that is
 * not absolute, two tablespaces in one place.
 */
int	target_map_tablespaces(const struct target *t, struct manifest *m,
	    struct err *e) MUST_CHECK;

/*
 * Refuses or accepts, changing nothing: ERR_RUNNING if a server runs there;
 * ERR_EXISTS if the directory (or a tablespace's) has content and neither
 * delta nor force was asked for, or if its content is no PostgreSQL data
 * directory, whatever was asked for. ERR_MISMATCH: with delta, it is that
 * of another cluster than the backup's.
 */
int	target_check(const struct target *t, const struct manifest *m,
	    struct err *e) MUST_CHECK;

/*
 * With keep_recovery: takes those of the three files out of the manifest
 * that are in the directory. After target_check().
 */
void	target_keep_recovery(const struct target *t, struct manifest *m);

/*
 * Makes the directories and links of the manifest; removes pg_control and
 * then whatever the manifest does not name. Only after target_check().
 */
int	target_prepare(const struct target *t, const struct manifest *m,
	    struct err *e) MUST_CHECK;

/*
 * When all files are there: gives them to `m->owner` if we are root, sets
 * the directories' modes, removes the marker, and makes all of it durable.
 */
int	target_finish(const struct target *t, const struct manifest *m,
	    struct err *e) MUST_CHECK;

/*
 * Gives one more file below pgdata to `m->owner` if we are root, as
 * target_finish() does with all that are there.
 */
int	target_own(const struct target *t, const struct manifest *m,
	    const char *path, struct err *e) MUST_CHECK;

#endif /* ARCHIVER_TARGET_H */
