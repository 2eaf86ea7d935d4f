/* SPDX-License-Identifier: MIT */
/*
 * spool - a file without a name, and verified copies out of it.
 *
 * The file is unlinked as soon as it is made: whoever holds it open has it,
 * and when that process ends, however it ends, the space is free again and
 * nothing is left that a later one could take for good.
 */
#ifndef ARCHIVER_SPOOL_H
#define ARCHIVER_SPOOL_H

#include "common/base.h"

struct digest;
struct err;

/*
 * Opens a new file in dir, which is made, mode 0700, as is the directory
 * above it. What a process left that was killed between making and
 * unlinking is removed. Returns a descriptor or a negative code.
 */
int	spool_open(const char *dir, struct err *e) MUST_CHECK;

/*
 * Makes `to` a copy of `size` bytes at `offset`. ERR_CHECKSUM: they do not
 * have this digest, and `to` holds rubbish; err_sys()'s.
 */
int	spool_copy(int spool, uint64_t offset, uint64_t size,
	    const struct digest *digest, int to, struct err *e) MUST_CHECK;

#endif /* ARCHIVER_SPOOL_H */
