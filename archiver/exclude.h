/* SPDX-License-Identifier: MIT */
/*
 * exclude - what of a data directory belongs into a backup.
 *
 * Pure decisions on names. PostgreSQL rebuilds or resets some of its files
 * when it starts, and others must not come back (a postmaster.pid, a
 * replication slot that would hold WAL for ever); PostgreSQL's own list is
 * in its src/backend/backup/basebackup.c.
 *
 * Paths are relative to the data directory, without "./" or a trailing
 * slash; a tablespace appears under its link, "pg_tblspc/16400/...".
 */
#ifndef ARCHIVER_EXCLUDE_H
#define ARCHIVER_EXCLUDE_H

#include "common/base.h"

enum exclude_verdict {
	EXCLUDE_COPY,		/* file: copy; directory: go on inside */
	EXCLUDE_EMPTY,		/* directory: keep it, but nothing in it */
	EXCLUDE_SKIP
};

/*
 * What to do with a path. Unlogged relations are not decided here, because
 * that takes the names of their neighbours: see relation_parse().
 */
enum exclude_verdict exclude_path(const char *path, bool is_directory);

enum relation_fork {
	RELATION_MAIN,
	RELATION_FSM,
	RELATION_VM,
	RELATION_INIT		/* the empty form of an unlogged relation */
};

struct relation {
	uint32_t	number;		/* the file's: 16384 of "16384_vm.1" */
	uint32_t	segment;	/* 0 for the file without ".n" */
	enum relation_fork fork;
};

/* True if the last component of a path is the name of a relation's file. */
bool	relation_parse(const char *name, struct relation *r);

/*
 * True if `path` is in a directory where relations live: "global",
 * "base/<db>" or "pg_tblspc/<oid>/<version>/<db>". Only there does a name
 * that relation_parse() accepts mean a file made of pages.
 */
bool	relation_directory(const char *path);

#endif /* ARCHIVER_EXCLUDE_H */
