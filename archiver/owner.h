/* SPDX-License-Identifier: MIT */
/*
 * owner - whose files these are: one user for cluster and repository.
 *
 * PostgreSQL's user archives day and night, and root types commands now and
 * then. What root made and nobody else may read would stop the archive, so
 * a verb that root runs becomes the owner of the data directory, and where
 * it cannot (the daemon serves several clusters), files belong to whoever
 * owns the directory they lie in.
 */
#ifndef ARCHIVER_OWNER_H
#define ARCHIVER_OWNER_H

#include "common/base.h"

struct err;

#define OWNER_NAME_MAX	64

/*
 * If root runs this, and `path` (or the nearest directory above it that is
 * there) belongs to somebody else: become that user for good, with his
 * groups, and return his name in `name`, else "". ERR_SYS's kin if the
 * system refuses. Before any thread is started.
 */
int	owner_become(const char *path, char name[OWNER_NAME_MAX],
	    struct err *e) MUST_CHECK;

/*
 * A file or directory that was just made belongs to the owner of the
 * directory it lies in, if root made it. What fails is left as it is.
 */
void	owner_inherit(const char *path);

/*
 * The hint of a refusal: as which user this runs, and to whom `path`, or the
 * part of it that can be seen, belongs. Returns the code that e holds.
 */
int	owner_hint(struct err *e, const char *path);

/*
 * err_sys() for a file: "cannot <what> <path>: <strerror>", with
 * owner_hint() for EACCES and EPERM.
 */
int	owner_error(struct err *e, int errnum, const char *what,
	    const char *path);

#endif /* ARCHIVER_OWNER_H */
