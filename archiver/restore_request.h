/* SPDX-License-Identifier: MIT */
/*
 * restore_request - what a restore is asked for: the target, where recovery
 * ends, which backup. Read by the choice of a backup and by the restore.
 */
#ifndef ARCHIVER_RESTORE_REQUEST_H
#define ARCHIVER_RESTORE_REQUEST_H

#include "common/base.h"

#include "archiver/recovery.h"
#include "archiver/target.h"

struct restore_request {
	struct target	 target;
	struct recovery	 recovery;
	const char	*set;		/* a label; NULL or "latest": choose */
	int		 process_max;
	/* About once a second; done and total are bytes; may be NULL. */
	void		(*progress)(void *arg, uint64_t done, uint64_t total);
	bool		(*cancelled)(void *arg);	/* may be NULL */
	/*
	 * Told of each repository, manifest and pack that could not be used,
	 * in one line, by the caller's thread; may be NULL.
	 */
	void		(*warn)(void *arg, const char *text);
	void		*arg;
};

#endif /* ARCHIVER_RESTORE_REQUEST_H */
