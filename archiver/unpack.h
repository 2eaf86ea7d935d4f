/* SPDX-License-Identifier: MIT */
/*
 * unpack - the way back: from packs to files, in parallel.
 *
 * Reads the runs of a manifest's files in the order in which they lie in
 * the packs, neighbours in one request, and checks the digest of each run
 * before a byte of it is used. Written files get the size, mode and mtime
 * of the manifest. Without a target directory it is a verification: all is
 * read and checked, nothing is written.
 *
 * Memory: per thread one request of up to PACK_SIZE; besides, the maps of
 * some 12 GB of files at a time. Nothing here makes anything durable: the
 * caller syncs the file system once, at the end, which for many small files
 * costs a small part of an fsync for each.
 */
#ifndef ARCHIVER_UNPACK_H
#define ARCHIVER_UNPACK_H

#include "common/base.h"

#include <stdatomic.h>

struct err;
struct manifest;
struct manifest_file;

/* Bytes of one pack. */
struct unpack_piece {
	const char	*backup;	/* a label; NULL: the manifest's own */
	uint32_t	 pack;
	uint64_t	 offset;
	size_t		 n;
};

struct unpack_job {
	const struct manifest *manifest;
	const char	*target;	/* directory; NULL: verify only */
	int		 threads;	/* 1.. */
	/*
	 * Keep runs that are in the target already and have the right
	 * digest: only the others are fetched.
	 */
	bool		 delta;
	/*
	 * Fills `out` with a piece; called by all threads. What cannot be
	 * fetched, or is damaged, is asked for up to `attempts` times (0
	 * counts as 1); `attempt` counts from 0, and each may go to another
	 * copy of the backup.
	 */
	int		(*fetch)(void *arg, int attempt,
			    const struct unpack_piece *p, void *out,
			    struct err *e);
	int		 attempts;
	/*
	 * Told why an attempt was in vain that another one will follow, by
	 * any thread, one at a time; may be NULL.
	 */
	void		(*again)(void *arg, int attempt,
			    const struct unpack_piece *p, const struct err *e);
	/*
	 * Verification only: told of each run or map that is damaged or
	 * missing, by any thread, one at a time. The job goes on.
	 */
	void		(*report)(void *arg, const struct manifest_file *f,
			    const struct err *e);
	bool		(*cancelled)(void *arg);	/* may be NULL */
	void		*arg;
	uint32_t	*crcs;		/* by file: CRC-32C; NULL: not wanted */
	atomic_ullong	 done;		/* plain bytes so far, for progress */
	atomic_ullong	 kept;		/* of these, bytes that delta kept */
};

/*
 * Restores (or verifies) every file of the manifest but global/pg_control.
 * Directories must exist. The first error wins: what fetch() returns,
 * ERR_CHECKSUM, ERR_FORMAT, err_sys()'s for writing, ERR_CANCELLED,
 * ERR_NOT_YET for a map of an incremental backup, ERR_NOMEM.
 */
int	unpack_run(struct unpack_job *job, struct err *e) MUST_CHECK;

/*
 * Reads a file of one run, or none, into `out` (PAGEMAP_RUN bytes) and sets
 * *n: pg_control, backup_label. ERR_LIMIT for a larger file.
 */
int	unpack_bytes(struct unpack_job *job, const struct manifest_file *f,
	    void *out, size_t *n, struct err *e) MUST_CHECK;

#endif /* ARCHIVER_UNPACK_H */
