/* SPDX-License-Identifier: MIT */
/*
 * choose - which backup a restore takes, and where its copies are.
 *
 * The backups of all repositories are one list: the newest that leads to
 * the target is taken, wherever it is. The same backup (its label and its
 * run) in several repositories is one backup with several copies, equal to
 * the byte, so that a restore may take each piece from any of them; a
 * backup of the same label but another run is another backup.
 *
 * A repository that cannot be listed is left out with a warning, as long as
 * another one answers. A backup whose manifest cannot be read anywhere is an
 * error that names another one: to take an older one unasked could cost
 * hours, and a person may prefer to bring the repository back.
 */
#ifndef ARCHIVER_CHOOSE_H
#define ARCHIVER_CHOOSE_H

#include "common/base.h"

#include "archiver/manifest.h"

struct catalog;
struct err;
struct restore_request;

#define CHOOSE_COPIES_MAX	8

struct choice {
	struct manifest	 m;
	/* Where it is, in the order of the repositories; borrowed. */
	const struct catalog *copies[CHOOSE_COPIES_MAX];
	size_t		 count;
};

/*
 * The backup that a request means: the one named, or the newest from which
 * the recovery target can be reached: for a time, it must have ended before
 * it, as for an LSN; for a timeline, it must lead to it. n catalogs are of
 * one stanza. On success the caller ends with choice_release().
 *
 * ERR_NOT_FOUND says what there is. ERR_MISMATCH: the repositories belong to
 * different clusters. ERR_CHECKSUM and others: the manifest is damaged; the
 * hint names another backup, if there is one. The store's, when no
 * repository can be listed, or one cannot and no other has a backup.
 */
int	choose_backup(const struct catalog *c, size_t n,
	    const struct restore_request *req, struct choice *out,
	    struct err *e) MUST_CHECK;
void	choice_release(struct choice *);

/*
 * Sets the hint of an error that this choice led to: another backup that
 * would do, by label and repository. Leaves it if there is none.
 */
void	choose_hint_other(const struct catalog *c, size_t n,
	    const struct restore_request *req, const struct choice *not,
	    struct err *e);

#endif /* ARCHIVER_CHOOSE_H */
