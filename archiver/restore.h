/* SPDX-License-Identifier: MIT */
/*
 * restore - a backup becomes a data directory that PostgreSQL recovers.
 *
 * Chooses the backup (choose.h), checks the target (target.h), writes and verifies the
 * files (unpack.h), the recovery settings (recovery.h) and a
 * backup_manifest (pgmanifest.h), makes all of it durable, and then, last
 * of all, writes global/pg_control, without which nothing can be started.
 * A restore that fails may be repeated with --delta or --force.
 *
 * Every piece that is damaged or missing in one repository, or that it does
 * not deliver, is taken from the next one that has the same backup; a
 * repository that does not answer is asked again only when no other one
 * could help. Nothing is written that has not the right digest.
 */
#ifndef ARCHIVER_RESTORE_H
#define ARCHIVER_RESTORE_H

#include "common/base.h"

#include "archiver/label.h"
#include "archiver/restore_request.h"

struct catalog;
struct err;

struct restore_result {
	char		label[LABEL_MAX];
	uint64_t	size;		/* bytes of files */
	uint64_t	kept;		/* of these, found right by --delta */
	uint64_t	files;
	char		wal_start[32];	/* what it needs at least */
	char		wal_stop[32];
	int		repo;		/* from which it was read */
	uint64_t	elsewhere;	/* pieces that had to come from others */
};

/*
 * Restores a stanza from n repositories. The caller holds the stanza's
 * restore lock. Errors: ERR_USAGE for a target that makes no sense, those of
 * choose_backup(), target_check() and unpack_run(). When it is the backup
 * that cannot be read, the hint names another one, if there is one.
 */
int	restore_run(const struct catalog *c, size_t n,
	    const struct restore_request *req, struct restore_result *result,
	    struct err *e) MUST_CHECK;

#endif /* ARCHIVER_RESTORE_H */
