/* SPDX-License-Identifier: MIT */
/*
 * pgcontrol - PostgreSQL's global/pg_control, as bytes.
 *
 * The file names the cluster (system identifier), says which PostgreSQL
 * made it and how (page and segment sizes, checksums), and where recovery
 * would start. Supported are PostgreSQL 14 to 18 of the same byte order as
 * ours. Pure: the caller reads and writes the file.
 *
 * A running server rewrites the file in place, so a reader may see half of
 * an old and half of a new one; then the CRC is wrong (ERR_CHECKSUM) and
 * the caller reads again. Layout: ControlFileData in PostgreSQL's
 * src/include/catalog/pg_control.h.
 */
#ifndef ARCHIVER_PGCONTROL_H
#define ARCHIVER_PGCONTROL_H

#include "common/base.h"

struct err;

#define PGCONTROL_PATH	"global/pg_control"
/* The size of the file. What is behind the CRC is zero. */
#define PGCONTROL_SIZE	8192

/* DBState; the numbers are PostgreSQL's. */
enum pgcontrol_state {
	PGCONTROL_STARTUP,
	PGCONTROL_SHUTDOWNED,
	PGCONTROL_SHUTDOWNED_IN_RECOVERY,
	PGCONTROL_SHUTDOWNING,
	PGCONTROL_IN_CRASH_RECOVERY,
	PGCONTROL_IN_ARCHIVE_RECOVERY,
	PGCONTROL_IN_PRODUCTION
};

struct pgcontrol {
	uint64_t	system_id;
	uint64_t	checkpoint;	/* LSN of the last checkpoint record */
	uint64_t	redo;		/* and where its redo starts */
	uint64_t	min_recovery;	/* LSN; 0 on a primary */
	uint32_t	control_version;
	uint32_t	catalog_version;
	uint32_t	timeline;	/* of that checkpoint */
	uint32_t	block_size;	/* bytes */
	uint32_t	relseg_blocks;	/* blocks in a file of a relation */
	uint32_t	wal_block_size;	/* bytes */
	uint32_t	wal_segment_size; /* bytes */
	uint32_t	checksum_version; /* 0: pages carry no checksums */
	int		version;	/* major: 14..18 */
	enum pgcontrol_state state;
};

/*
 * Reads `n` bytes of the file. Returns 0; ERR_FORMAT (too short, other byte
 * order, a size out of range), ERR_NOT_YET (a version that is not
 * supported; the hint lists those that are) or ERR_CHECKSUM (torn, or
 * damaged). `c` is set on success only.
 */
int	pgcontrol_parse(struct pgcontrol *c, const void *bytes, size_t n,
	    struct err *e) MUST_CHECK;

/*
 * Changes the checkpoint location of a valid file, in place, to one that no
 * WAL can hold (segment 0 does not exist) and renews the CRC. A server
 * that is started on such a file refuses, unless a backup_label says where
 * to begin: a restored cluster cannot be started without its backup_label.
 * Errors as pgcontrol_parse().
 */
int	pgcontrol_invalidate_checkpoint(void *bytes, size_t n, struct err *e)
	    MUST_CHECK;

#endif /* ARCHIVER_PGCONTROL_H */
