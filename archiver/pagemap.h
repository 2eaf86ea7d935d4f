/* SPDX-License-Identifier: MIT */
/*
 * pagemap - where the pages of one file are in the repository.
 *
 * Every file of a backup is cut into runs of up to 64 KiB. A run is
 * compressed on its own and is the smallest thing that is read; the map
 * says for each run which pages it holds, in which backup and pack, where
 * in the pack, and the digest of its plain bytes. A later incremental's map
 * refers to runs of older backups beside its own, so that a restore reads
 * one map a file and never replays a chain.
 *
 * Pages are always PAGEMAP_PAGE bytes here, whatever the cluster's block
 * size, and files that are not made of pages have a map too: the last run
 * of a file ends where the file ends, in the middle of a page perhaps.
 *
 * Invariant of a map that decodes: runs are in order of their first page,
 * begin at page 0, do not overlap and leave no gap. (In an incremental a
 * run may be used in part: then `first` counts from `skip` pages into it.)
 *
 * Encoded form, format 1. Numbers are LEB128 (7 bits a byte, low first):
 *	1			the format
 *	runs			count
 *	backups, then each label's length and bytes (0 backups: all runs
 *	are of the backup that the map belongs to)
 *	each run: pages, skip, backup (index; left out if there are none),
 *	pack, offset, stored, 16 bytes of digest
 * `pack` and `offset` are differences (zigzag) to the run before and to
 * its end, and small. The encoding carries no digest of its own: whoever
 * stores it keeps one. Pure; the decoder is safe on any input.
 */
#ifndef ARCHIVER_PAGEMAP_H
#define ARCHIVER_PAGEMAP_H

#include "common/base.h"

struct buf;
struct err;

#define PAGEMAP_PAGE		8192u
#define PAGEMAP_RUN_PAGES	8u
#define PAGEMAP_RUN		(PAGEMAP_PAGE * PAGEMAP_RUN_PAGES)
#define PAGEMAP_DIGEST		16
/* A file of 1 GiB has 16384 runs; files without segments may have more. */
#define PAGEMAP_RUNS_MAX	(1u << 26)
#define PAGEMAP_BACKUPS_MAX	1024
/* The backup of a run that belongs to the map's own backup. */
#define PAGEMAP_OWN		UINT32_MAX

struct pagemap_run {
	uint64_t	first;		/* page in the file */
	uint32_t	pages;		/* 1..PAGEMAP_RUN_PAGES */
	uint32_t	skip;		/* pages of the unit before `first` */
	uint32_t	backup;		/* index into backups, or PAGEMAP_OWN */
	uint32_t	pack;
	uint64_t	offset;		/* bytes into the pack's content */
	uint32_t	stored;		/* bytes there, as compressed */
	unsigned char	digest[PAGEMAP_DIGEST];	/* of the plain unit */
};

struct pagemap {
	struct pagemap_run *runs;
	size_t		 count;
	char		**backups;	/* labels that runs refer to */
	size_t		 backup_count;
};

/* Appends the encoded form. The map must keep the invariant above. */
void	pagemap_encode(const struct pagemap *m, struct buf *out);

/*
 * Decodes all of n bytes. On success the caller owns the map and ends it
 * with pagemap_release(). ERR_FORMAT for anything that is not a map,
 * ERR_NOMEM.
 */
int	pagemap_decode(struct pagemap *m, const void *bytes, size_t n,
	    struct err *e) MUST_CHECK;

/* Frees what a decoded (or zeroed) map owns. */
void	pagemap_release(struct pagemap *m);

#endif /* ARCHIVER_PAGEMAP_H */
