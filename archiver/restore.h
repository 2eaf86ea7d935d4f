/* SPDX-License-Identifier: MIT */
/*
 * restore - a backup becomes a data directory that PostgreSQL recovers.
 *
 * Chooses the backup, checks the target (target.h), writes and verifies the
 * files (unpack.h), the recovery settings (recovery.h) and a
 * backup_manifest (pgmanifest.h), makes all of it durable, and then, last
 * of all, writes global/pg_control, without which nothing can be started.
 * A restore that fails may be repeated with --delta or --force.
 */
#ifndef ARCHIVER_RESTORE_H
#define ARCHIVER_RESTORE_H

#include "common/base.h"

#include "archiver/label.h"
#include "archiver/recovery.h"
#include "archiver/target.h"

struct catalog;
struct catalog_backup;
struct err;
struct manifest;

struct restore_request {
	struct target	 target;
	struct recovery	 recovery;
	const char	*set;		/* a label; NULL or "latest": choose */
	int		 process_max;
	/* About once a second; done and total are bytes; may be NULL. */
	void		(*progress)(void *arg, uint64_t done, uint64_t total);
	bool		(*cancelled)(void *arg);	/* may be NULL */
	void		*arg;
};

struct restore_result {
	char		label[LABEL_MAX];
	uint64_t	size;		/* bytes of files */
	uint64_t	kept;		/* of these, found right by --delta */
	uint64_t	files;
};

/*
 * The backup that a request means: the one named, or the newest from which
 * the recovery target can be reached: for a time, it must have ended before
 * it, as for an LSN; for a timeline, it must not be of a newer one. Returns
 * its manifest, which the caller ends with manifest_release().
 * ERR_NOT_FOUND says what there is.
 */
int	restore_choose(const struct catalog *c,
	    const struct restore_request *req, struct manifest *m,
	    struct err *e) MUST_CHECK;

/*
 * Restores. The caller holds the stanza's restore lock. Errors: ERR_USAGE
 * for a target that makes no sense, those of restore_choose(),
 * target_check() and unpack_run().
 */
int	restore_run(const struct catalog *c, const struct restore_request *req,
	    struct restore_result *result, struct err *e) MUST_CHECK;

#endif /* ARCHIVER_RESTORE_H */
