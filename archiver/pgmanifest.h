/* SPDX-License-Identifier: MIT */
/*
 * pgmanifest - PostgreSQL's backup_manifest for a restored directory.
 *
 * With it pg_verifybackup -n, which is not ours, can check what we wrote:
 * each file's size and CRC-32C. Format: the chapter "Backup Manifest
 * Format" of PostgreSQL's documentation; version 1 up to PostgreSQL 16,
 * version 2 (with the system identifier) from 17 on. Pure.
 */
#ifndef ARCHIVER_PGMANIFEST_H
#define ARCHIVER_PGMANIFEST_H

#include "common/base.h"

struct buf;
struct err;
struct manifest;

/*
 * Appends the text for the files of m; crcs has one value for each. Files
 * that a restore rewrites are left out (postgresql.auto.conf), as are the
 * WAL and the signal files: pg_verifybackup ignores these. ERR_NOMEM.
 */
int	pgmanifest_encode(const struct manifest *m, const uint32_t *crcs,
	    struct buf *out, struct err *e) MUST_CHECK;

#endif /* ARCHIVER_PGMANIFEST_H */
