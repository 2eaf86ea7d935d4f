/* SPDX-License-Identifier: MIT */
/*
 * retention - what may go, as a decision on plain facts. Pure.
 *
 * Nothing here deletes; expire.h does, and a dry run shows the same
 * decisions. The newest backups can never be chosen, and a backup goes only
 * together with those that depend on it.
 */
#ifndef ARCHIVER_RETENTION_H
#define ARCHIVER_RETENTION_H

#include "common/base.h"

#include "archiver/label.h"

struct retention_backup {
	char		label[LABEL_MAX];
	uint64_t	start_lsn;
	uint32_t	timeline;	/* at the start */
	bool		expired;	/* in: already; out: by this decision */
};

/*
 * Marks as expired all but the newest `full` full backups (0: keeps all),
 * and what depends on those that go. The array is in order of labels.
 */
void	retention_by_count(struct retention_backup *b, size_t n,
	    unsigned full);

/*
 * True if a backup of the array that is not expired may need a WAL segment
 * for recovery: one at or behind its start, on its timeline or a later one.
 * (Whether a later timeline really descends from it does not matter: too
 * much is kept then, never too little.) Without any backup all WAL is
 * needed: the first may be running.
 */
bool	retention_needs_wal(const struct retention_backup *b, size_t n,
	    uint32_t timeline, uint64_t segment_end);

#endif /* ARCHIVER_RETENTION_H */
