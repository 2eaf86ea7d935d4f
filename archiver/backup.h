/* SPDX-License-Identifier: MIT */
/*
 * backup - a full backup of a running PostgreSQL.
 *
 * In this order, because each step proves what the next relies on:
 *	the archive works (a WAL segment is ended and seen to arrive);
 *	pg_backup_start on one session, kept to the end;
 *	the data directory is listed and copied (scan.h, copy.h);
 *	pg_control, read until its CRC holds;
 *	pg_backup_stop: backup_label and tablespace_map, byte for byte;
 *	every WAL segment from start to stop is seen in the repository;
 *	the manifest, whose arrival makes the backup exist.
 * Whatever fails before the last step leaves packs that no manifest names;
 * expire removes them once their intents are old.
 *
 * While it runs, an intent object is renewed every BACKUP_INTENT_PERIOD, so
 * that an expire on another host sees that somebody is at work.
 */
#ifndef ARCHIVER_BACKUP_H
#define ARCHIVER_BACKUP_H

#include "common/base.h"

#include "archiver/filter_block.h"
#include "archiver/label.h"
#include "common/pgquery.h"

struct catalog;
struct err;

#define BACKUP_INTENT_PERIOD	60	/* seconds */
#define BACKUP_REPOS_MAX	8

enum backup_phase {
	BACKUP_CHECKING,	/* waiting for WAL to reach the archive */
	BACKUP_STARTING,	/* waiting for the checkpoint */
	BACKUP_COPYING,		/* done and total are bytes */
	BACKUP_WAITING,		/* for the last WAL segments */
	BACKUP_DONE
};

/* What is to be done. Everything is borrowed. Times are microseconds. */
struct backup_request {
	struct pgquery_target server;
	const char	*pgdata;
	const char	*host;		/* for the manifest; may be NULL */
	char *const	*exclude;	/* paths to leave out: see scan.h */
	size_t		 exclude_count;
	int64_t		 db_timeout;
	int64_t		 archive_timeout;
	int		 process_max;
	/* Repositories in which the label must be new, too; may be none. */
	const struct catalog *others;
	size_t		 other_count;
	bool		 start_fast;
	bool		 archive_check;
	bool		 checksum_page;	/* if the cluster has them */
	enum block_codec codec;
	/* About once a second, from a thread of its own; may be NULL. */
	void		(*progress)(void *arg, enum backup_phase phase,
			    uint64_t done, uint64_t total);
	/* Asked often, by any thread; may be NULL. */
	bool		(*cancelled)(void *arg);
	void		*arg;
};

/* A repository that was left out of a backup. */
struct backup_loss {
	int		repo;
	char		why[512];
};

/* What was done. */
struct backup_result {
	char		label[LABEL_MAX];
	uint64_t	size;		/* bytes of files */
	uint64_t	stored;		/* bytes of packs */
	uint64_t	files;
	uint64_t	bad_blocks;	/* with wrong checksums */
	char		wal_start[32];
	char		wal_stop[32];
	/* Optional repositories that failed on the way. */
	struct backup_loss loss[BACKUP_REPOS_MAX];
	size_t		loss_count;
};

/*
 * Makes a full backup in n repositories at once: the same packs and the same
 * manifest, so that each copy can stand in for the other. The caller holds
 * the stanza's backup lock. A repository that is not `required` is left out
 * when it fails, as long as another one is there; result says so.
 *
 * Errors: ERR_DB_CONNECT, ERR_DB_QUERY, ERR_CONFIG (archiving is off),
 * ERR_MISMATCH (another cluster's directory or repository), await.h's (WAL
 * that does not arrive), ERR_CANCELLED, those of the store,
 * err_sys()'s.
 */
int	backup_run(const struct catalog *c, size_t n,
	    const struct backup_request *req, struct backup_result *result,
	    struct err *e) MUST_CHECK;

#endif /* ARCHIVER_BACKUP_H */
