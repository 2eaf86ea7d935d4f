/* SPDX-License-Identifier: MIT */
/*
 * status - what db status found out, and what it makes of it.
 *
 * verb_status.c fills the struct by asking; the functions here judge and
 * print it, and are pure.
 */
#ifndef HOMELABCTL_STATUS_H
#define HOMELABCTL_STATUS_H

#include "common/base.h"

#include "homelabctl/archiver.h"
#include "homelabctl/render.h"

struct buf;
struct err;
struct ctloptions;

#define STATUS_DATABASES_MAX	20

struct status_database {
	char	name[64];
	int64_t	size, connections, xid_age;
	double	cache_hit;		/* per cent, < 0: nothing was read */
};

struct status {
	int64_t	now;

	char	server_error[300];	/* "" if it answers */
	int	version;		/* 150012 */
	bool	standby;
	int64_t	started, connections, connections_max, timeline;
	struct status_database databases[STATUS_DATABASES_MAX];
	size_t	database_count;		/* printed are the first ones */

	/* pg_stat_archiver; times are 0 if never. */
	bool	archiving;		/* archive_mode */
	char	last_wal[32], failed_wal[32];
	int64_t	last_time, failed_time, queue;

	char	pooler_error[300];
	bool	has_pooler, paused, holding;
	int64_t	clients_active, clients_waiting, servers_busy, servers_idle;
	int64_t	max_wait;		/* microseconds */

	char	backup_error[300];
	struct archiver_info backups;

	/* The judgement. */
	enum level server, wal, pooler, backup, overall;
	const struct archiver_backup *newest;	/* NULL: none */
	int64_t	since;			/* recoverable from; 0: not */
	char	wal_why[200], backup_why[200];
	char	next[200];		/* what to type; "" if all is well */
};

/* Fills in the judgement from the rest. */
void	status_judge(struct status *, const struct ctloptions *);

void	status_text(const struct status *, const struct ctloptions *,
	    bool colour, struct buf *out);
/* One line, as Nagios and its kin want it, with performance data. */
void	status_nagios(const struct status *, const struct ctloptions *,
	    struct buf *out);
int	status_json(const struct status *, const struct ctloptions *,
	    struct buf *out, struct err *e) MUST_CHECK;

#endif /* HOMELABCTL_STATUS_H */
