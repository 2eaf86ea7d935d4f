/* SPDX-License-Identifier: MIT */
/*
 * scan - walks a data directory and lists what a backup takes of it.
 *
 * Fills a manifest with directories, tablespaces and files, with sizes as
 * they are now: these are the sizes that count, because what a file gains
 * later is in the WAL. The directory may belong to a running server, so
 * whatever vanishes between being listed and being looked at is left out.
 *
 * Symbolic links: those in pg_tblspc are tablespaces; of a tablespace only
 * this server's directory (PG_<major>_<catalog>) is listed. Any other link
 * is followed and what it leads to is taken as if it stood there, because a
 * restore must not write outside the data directory.
 */
#ifndef ARCHIVER_SCAN_H
#define ARCHIVER_SCAN_H

#include "common/base.h"

struct err;
struct manifest;

/*
 * Adds everything below `pgdata` to *m, in order of names, parents first,
 * without the `exclude_count` paths of `exclude` (relative to pgdata; of a
 * directory, all that is in it, while one with a slash at its end stays
 * as an empty directory).
 * m->pg_version and m->catalog_version must be set. Also sets m->size.
 * Errors: err_sys()'s with the path, ERR_LIMIT for a path that is too
 * long or links that lead in circles, ERR_NOMEM.
 */
int	scan_data_directory(struct manifest *m, const char *pgdata,
	    char *const *exclude, size_t exclude_count, struct err *e)
	    MUST_CHECK;

#endif /* ARCHIVER_SCAN_H */
