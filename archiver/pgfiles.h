/* SPDX-License-Identifier: MIT */
/*
 * pgfiles - the few files of a data directory that we ourselves read or
 * write, and PostgreSQL's names for WAL segments.
 */
#ifndef ARCHIVER_PGFILES_H
#define ARCHIVER_PGFILES_H

#include "common/base.h"

#include "archiver/pgcontrol.h"

struct err;

/*
 * Reads <pgdata>/global/pg_control, again and again for some seconds while
 * its CRC is wrong, because a server may be writing it. `bytes` may be
 * NULL, else it gets PGCONTROL_SIZE bytes. Errors: err_sys()'s, and those
 * of pgcontrol_parse().
 */
int	pgfiles_read_control(const char *pgdata, struct pgcontrol *c,
	    unsigned char *bytes, struct err *e) MUST_CHECK;

/*
 * Whether a server runs in the directory: postmaster.pid names a process
 * that is alive. Says its pid, 0 if none runs. Errors: err_sys()'s.
 */
int	pgfiles_server_pid(const char *pgdata, pid_t *pid, struct err *e)
	    MUST_CHECK;

/*
 * Reads a whole file of at most `max` bytes; the caller frees *out, which
 * has a NUL behind the content. ERR_LIMIT if it is larger.
 */
int	pgfiles_read(const char *path, size_t max, char **out, size_t *n,
	    struct err *e) MUST_CHECK;

/*
 * Writes a file so that it is there whole or not at all: a temporary file
 * beside it, named so, fsync, rename, fsync of the directory.
 */
#define PGFILES_TMP	".homelab-tmp"
int	pgfiles_write(const char *path, const void *bytes, size_t n,
	    unsigned mode, struct err *e) MUST_CHECK;

#define PGFILES_SEGMENT_MAX	32

/* The name of the WAL segment that holds the byte at an LSN. */
char	*pgfiles_segment(char out[PGFILES_SEGMENT_MAX], uint32_t timeline,
	    uint64_t lsn, uint32_t segment_size);

#endif /* ARCHIVER_PGFILES_H */
