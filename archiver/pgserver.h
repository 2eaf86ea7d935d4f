/* SPDX-License-Identifier: MIT */
/*
 * pgserver - the running PostgreSQL, as a backup sees it.
 *
 * The statements of backup and check and their differences from version to
 * version (14 has pg_start_backup, 15 and later pg_backup_start). One
 * session from start to stop: the server abandons a backup whose session
 * ends. Needs a role with pg_read_all_settings (or a superuser) and EXECUTE
 * on pg_backup_start, pg_backup_stop, pg_switch_wal and
 * pg_create_restore_point; no superuser.
 */
#ifndef ARCHIVER_PGSERVER_H
#define ARCHIVER_PGSERVER_H

#include "common/base.h"

struct err;
struct manifest;
struct pgquery;
struct pgquery_limits;
struct pgquery_target;

struct pgserver {
	struct pgquery	*q;
	int		 version;	/* major */
	uint64_t	 system_id;
	uint32_t	 timeline;
	uint32_t	 wal_segment_size;
	bool		 in_recovery;
	char		 data_directory[1024];
	char		 archive_mode[16];
	char		 archive_command[1024];
	char		 archive_library[256];
};

/*
 * A session within these limits; the login takes at most as long as a server
 * waits for one itself (authentication_timeout). The caller owns *out until
 * pgquery_close(). Errors are pgquery_connect()'s.
 */
int	pgserver_connect(struct pgquery **out, const struct pgquery_target *t,
	    const struct pgquery_limits *l, struct err *e) MUST_CHECK;

/*
 * Asks for the facts above. The session stays the caller's. ERR_DB_QUERY,
 * ERR_NOT_YET for a version that is not supported.
 */
int	pgserver_init(struct pgserver *s, struct pgquery *q, struct err *e)
	    MUST_CHECK;

/*
 * Whether WAL can reach the archive at all, from the settings: ERR_CONFIG
 * with a hint that says what to set.
 */
int	pgserver_check_archiving(const struct pgserver *s, struct err *e)
	    MUST_CHECK;

/*
 * Whether `pgdata` is the data directory of this server: compares path and
 * system identifier. ERR_MISMATCH.
 */
int	pgserver_check_directory(const struct pgserver *s, const char *pgdata,
	    uint64_t system_id, struct err *e) MUST_CHECK;

/*
 * Ends the current WAL segment, after writing a record so that there is
 * something in it, and names it.
 */
int	pgserver_switch_wal(struct pgserver *s, char segment[32],
	    struct err *e) MUST_CHECK;

/*
 * How often archive_command has failed since statistics were reset, as
 * pg_stat_archiver has it: up to a second late on PostgreSQL 14.
 */
int	pgserver_archive_failures(struct pgserver *s, int64_t *count,
	    struct err *e) MUST_CHECK;

/*
 * Starts a backup; returns when the checkpoint is done, at once with
 * `fast`. Sets the LSN where the backup starts, and the server's time.
 */
int	pgserver_start(struct pgserver *s, const char *label, bool fast,
	    uint64_t *lsn, int64_t *time, struct err *e) MUST_CHECK;

/* The texts are the caller's, freed with free(). */
struct pgserver_stop {
	uint64_t	 lsn;
	int64_t		 time;
	char		*label;		/* backup_label */
	size_t		 label_len;
	char		*map;		/* tablespace_map; may be empty */
	size_t		 map_len;
};

/* Ends the backup, without waiting for the archive. */
int	pgserver_stop(struct pgserver *s, struct pgserver_stop *stop,
	    struct err *e) MUST_CHECK;

/* Sets the names of the tablespaces that the manifest lists. */
int	pgserver_name_tablespaces(struct pgserver *s, struct manifest *m,
	    struct err *e) MUST_CHECK;

#endif /* ARCHIVER_PGSERVER_H */
