/* SPDX-License-Identifier: MIT */
/*
 * verify - reads everything a stanza has in a repository and checks it.
 *
 * Each WAL object (its digest, and that it lies under the right name), each
 * manifest, and each run of each backup: everything a restore would read is
 * read and decompressed. Also: gaps in the WAL from the oldest backup on,
 * and labels with two manifests. A run without a manifest is a fault if all
 * of it was stored, for then the manifest is lost; else it is what a backup
 * that died has left, or one that runs, and is no fault. Leftovers of killed
 * writers are counted and are no faults. Nothing is changed.
 */
#ifndef ARCHIVER_VERIFY_H
#define ARCHIVER_VERIFY_H

#include "common/base.h"

struct catalog;
struct err;

struct verify_request {
	int		 process_max;
	/* Told of each fault, one at a time; may be NULL. */
	void		(*fault)(void *arg, const char *object,
			    const char *what);
	/* Told of what is no fault but good to know; may be NULL. */
	void		(*note)(void *arg, const char *text);
	int64_t		 now;		/* microseconds since 1970 */
	int64_t		 grace;		/* expire's, in microseconds */
	bool		(*cancelled)(void *arg);	/* may be NULL */
	void		*arg;
};

struct verify_result {
	uint64_t	backups;	/* that were read */
	uint64_t	files;
	uint64_t	bytes;		/* plain, of backups */
	uint64_t	wal;		/* objects */
	uint64_t	faults;
	uint64_t	unfinished;	/* runs of backups that died */
	uint64_t	leftovers;	/* hidden files; expire removes them */
};

/*
 * 0: all was read, and is good. ERR_CHECKSUM: faults were found, which
 * `fault` was told. Others: it could not go on (the listing failed, it was
 * cancelled).
 */
int	verify_run(const struct catalog *c, const struct verify_request *req,
	    struct verify_result *result, struct err *e) MUST_CHECK;

#endif /* ARCHIVER_VERIFY_H */
