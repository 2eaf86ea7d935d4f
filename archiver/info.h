/* SPDX-License-Identifier: MIT */
/*
 * info - what a repository holds, for people and for programs.
 *
 * The text reads like pgBackRest's and the JSON has its keys, so that
 * exporters and checks written for it go on working. A stanza is one thing,
 * however many repositories it is in: a backup that is in two of them is
 * shown once, with a line for each (in JSON: an entry for each, as there).
 * Gathering (info.c) reads every manifest; printing (info_print.c) is pure.
 */
#ifndef ARCHIVER_INFO_H
#define ARCHIVER_INFO_H

#include "common/base.h"

#include "archiver/label.h"
#include "archiver/manifest.h"
#include "archiver/stanza.h"

struct buf;
struct catalog;
struct err;

/* pgBackRest's numbers. */
enum info_status {
	INFO_OK = 0,
	INFO_MISSING_STANZA = 1,
	INFO_NO_BACKUP = 2,
	INFO_MIXED = 4,			/* different across repositories */
	INFO_OTHER = 99
};

struct info_backup {
	char		label[LABEL_MAX];
	char		run[MANIFEST_RUN_MAX];
	enum label_type	type;
	uint64_t	system_id;
	int		version;	/* PostgreSQL's major */
	int64_t		start_time;	/* microseconds since 1970 */
	int64_t		stop_time;
	uint64_t	start_lsn;
	uint64_t	stop_lsn;
	char		wal_start[32];
	char		wal_stop[32];
	uint64_t	size;		/* bytes of files */
	uint64_t	stored;		/* bytes in the repository */
	uint64_t	bad_blocks;
	char		archiver[32];	/* version that made it */
};

/* A cluster, and the first and last WAL segment of its newest timeline. */
struct info_cluster {
	struct stanza_claim claim;
	char		wal_min[32];
	char		wal_max[32];	/* "" if there is none */
};

/* One stanza in one repository. */
struct info {
	char		stanza[128];
	int		repo;		/* its number: 1.. */
	char		error[256];	/* why it could not be read, or "" */
	struct info_cluster clusters[STANZA_CLAIMS_MAX];	/* oldest first */
	size_t		 cluster_count;
	struct info_backup *backups;	/* complete ones, oldest first */
	size_t		 backup_count;
};

/*
 * Reads it. A repository that cannot be read is told in i->error and by the
 * code, and i can still be printed. End with info_release().
 */
int	info_gather(const struct catalog *c, int repo, struct info *i,
	    struct err *e) MUST_CHECK;
void	info_release(struct info *i);

/* One of the stanza's locks on this host (lock.h). */
struct info_lock {
	int		held;		/* 1, 0; below: not known */
	char		holder[160];
};

struct info_locks {
	struct info_lock archive, backup, restore;
};

/* Looks at them. Never fails: what cannot be seen is not known. */
void	info_look_at_locks(const char *lock_path, const char *stanza,
	    struct info_locks *locks);

/* Of one repository, and of n together. */
enum info_status info_status(const struct info *i);
enum info_status info_status_of_all(const struct info *i, size_t n);

/*
 * Append the text, or the JSON (an array of one stanza), for one stanza in
 * n >= 1 repositories; check buf_failed().
 */
void	info_print_text(const struct info *i, size_t n,
	    const struct info_locks *locks, struct buf *out);
void	info_print_json(const struct info *i, size_t n,
	    const struct info_locks *locks, struct buf *out);

#endif /* ARCHIVER_INFO_H */
