/* SPDX-License-Identifier: MIT */
/*
 * durable - the only way a file of a repository is made.
 *
 * A file appears under its name complete, synced, and only if there was
 * none: it is written under a hidden name in the same directory, synced,
 * linked to its name without overwriting, and the directory is synced.
 * Killed at any point, nothing or the whole file is there, and perhaps a
 * hidden one, ".tmp-…", which nobody lists. While its writer lives it is
 * locked with flock(2), so that whoever removes leftovers (store_sweep())
 * can tell them from what is being written.
 * Calling sequence: durable_begin(), durable_write() any number of times,
 * then durable_commit() or durable_abort().
 */
#ifndef ARCHIVER_DURABLE_H
#define ARCHIVER_DURABLE_H

#include "common/base.h"

struct err;

#define DURABLE_PATH_MAX	4096
#define DURABLE_TMP		".tmp-"		/* how hidden names begin */

struct durable {
	int	fd;				/* -1 = not open */
	char	path[DURABLE_PATH_MAX];
	char	tmp[DURABLE_PATH_MAX + 48];
};

/*
 * Makes the directories that lead to path, below the first `keep` bytes of
 * it, which must exist: mode 0750, each synced into its parent.
 */
int	durable_mkdirs(const char *path, size_t keep, struct err *e)
	    MUST_CHECK;

/* Opens the hidden file in path's directory. err_sys()'s errors. */
int	durable_begin(struct durable *d, const char *path, struct err *e)
	    MUST_CHECK;
int	durable_write(struct durable *d, const void *bytes, size_t n,
	    struct err *e) MUST_CHECK;

/*
 * Either way the hidden file is gone and d is closed. ERR_EXISTS: a file of
 * that name is there and was left alone.
 */
int	durable_commit(struct durable *d, struct err *e) MUST_CHECK;
void	durable_abort(struct durable *d);

/*
 * Whether a hidden file that is open as fd still has its writer; sleeps
 * never. On a file system without flock(2) nobody is seen: go by its age.
 */
bool	durable_has_writer(int fd) MUST_CHECK;

/* Syncs the directory that holds path. */
int	durable_sync_dir(const char *path, struct err *e) MUST_CHECK;

#endif /* ARCHIVER_DURABLE_H */
