/* SPDX-License-Identifier: MIT */
/*
 * restore - the steps that replace the server by a backup.
 *
 *	hold clients -> stop -> old directory aside -> restore -> start
 *	    -> wait until writable -> release clients
 *
 * Until the old directory is touched a failure puts everything back: the
 * server runs and clients go on. From then on it never lets a client in:
 * they stay held, the pooler fails them after its hold_timeout, and the
 * person is told what is where and what to type. The same holds if this
 * program is interrupted, and if it dies.
 */
#ifndef HOMELABCTL_RESTORE_H
#define HOMELABCTL_RESTORE_H

#include "common/base.h"

#include "common/text.h"
#include "homelabctl/clients.h"

struct archiver_backup;
struct cli;
struct err;

/* The first part is what is wanted, the rest is zero and says how far it is. */
struct restore {
	struct cli *cli;
	const struct archiver_backup *backup;
	int64_t	 time;			/* 0: all the WAL there is */
	char	 target[TEXT_STAMP_MAX];	/* the time as text */
	char	 data[4096];		/* the data directory, absolute */

	struct clients clients;		/* its cli is set */
	char	 aside[4200];		/* the old directory; "": not moved */
	bool	 stopping;		/* stop_command was run */
	bool	 touched;		/* the data directory is changed */
	bool	 started;		/* start_command was run after that */
	bool	 up;			/* restored and writable */
};

/*
 * Goes through the steps, saying each on stderr. 0, CLI_INTERRUPTED, or the
 * code of the step that failed; what that leaves behind is said already.
 */
int	restore_run(struct restore *, struct err *e) MUST_CHECK;

#endif /* HOMELABCTL_RESTORE_H */
