/* SPDX-License-Identifier: MIT */
/*
 * copy - reads the files of a data directory into packs, in parallel.
 *
 * Files are cut into ranges of COPY_RANGE, so that all threads work on one
 * large file; a range goes read -> page checksums -> digest -> compress ->
 * pack. The thread that ends a file's last range writes its block map and
 * fills in the manifest.
 *
 * The server runs meanwhile and changes files as it likes. A file that
 * vanishes is dropped, one that shrinks keeps what was there, one that grew
 * is read up to its size in the manifest: the WAL from the backup's start
 * on brings all of them to the same moment. For the same reason a page
 * that was being written is not an error: it is read again, and accepted
 * when its checksum holds or its LSN is newer than the start. What stays
 * wrong is noted in the manifest, and the backup goes on.
 *
 * Memory: a pack and a read buffer a thread, one pack for the maps, and 48
 * bytes a run for files that are being read.
 */
#ifndef ARCHIVER_COPY_H
#define ARCHIVER_COPY_H

#include "common/base.h"

#include <stdatomic.h>

#include "archiver/filter_block.h"

struct err;
struct manifest;
struct manifest_file;
struct pack;
struct pack_set;

#define COPY_RANGE	((uint64_t)8 << 20)	/* bytes of a file at a time */
#define COPY_READ	((size_t)1 << 20)	/* bytes of one read */

struct copy_job {
	const char	*pgdata;
	struct manifest	*manifest;	/* files are filled in; size too */
	struct pack_set	*packs;
	enum block_codec codec;
	int		 threads;	/* 1.. */
	bool		 check_pages;
	uint64_t	 start_lsn;	/* pages newer than this are not judged */
	/* Asked often, from all threads; true ends the job (may be NULL). */
	bool		(*cancelled)(void *arg);
	void		*arg;
	atomic_ullong	 done;		/* bytes read so far, for progress */
};

/*
 * Copies every file of the manifest but global/pg_control, and removes from
 * it those that vanished. Returns when all threads ended and all packs are
 * durable. The first error wins: err_sys()'s for reading, the pack set's
 * put()'s, ERR_CANCELLED, ERR_NOMEM.
 */
int	copy_run(struct copy_job *job, struct err *e) MUST_CHECK;

/*
 * Adds n bytes at hand as the content of a file of the manifest (which has
 * its path and mode): pg_control, backup_label, tablespace_map. n is at
 * most PAGEMAP_RUN; for 0 nothing is stored.
 */
int	copy_bytes(struct manifest_file *f, struct pack *pack,
	    enum block_codec codec, const void *bytes, size_t n,
	    struct err *e) MUST_CHECK;

#endif /* ARCHIVER_COPY_H */
