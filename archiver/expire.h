/* SPDX-License-Identifier: MIT */
/*
 * expire - removes backups that retention gives up, and their WAL.
 *
 * In steps that may be days apart, because another host may be using what
 * we are about to remove, and because a store may refuse deletion for a
 * while (Object Lock):
 *	first run: a tombstone. The backup is out of every list at once; it
 *	can no longer be restored or depended on;
 *	a later run, `grace` after it: manifest, packs, intents, and the
 *	tombstone last. Killed in between, the next run goes on;
 *	packs without a manifest whose newest intent is older than `grace`:
 *	a backup that died. If all of them were stored, the manifest may
 *	have been lost: they stay until retention would give them up;
 *	WAL that neither a backup that is left, nor one whose tombstone is
 *	still young, can need. History files always stay.
 * First of all, what writers that were killed left under hidden names goes,
 * when it is older than `grace` and nobody has it open.
 * An object that cannot be removed is reported and does not stop the rest.
 */
#ifndef ARCHIVER_EXPIRE_H
#define ARCHIVER_EXPIRE_H

#include "common/base.h"

struct catalog;
struct err;

struct expire_request {
	unsigned	retention_full;	/* 0: keep all backups, and all WAL */
	int64_t		grace;		/* microseconds */
	int64_t		now;		/* microseconds since 1970 */
	bool		dry_run;	/* decide and say, change nothing */
	/* Told of each decision, "expire backup X"; may be NULL. */
	void		(*note)(void *arg, const char *text);
	void		*arg;
};

struct expire_result {
	uint64_t	tombstones;	/* backups given up in this run */
	uint64_t	backups;	/* removed */
	uint64_t	orphans;	/* packs' directories without manifest */
	uint64_t	wal;		/* segments removed */
	uint64_t	leftovers;	/* hidden files of killed writers */
	uint64_t	failed;		/* objects that could not be removed */
};

/*
 * The caller holds the stanza's backup lock. ERR_NOT_FOUND with a hint: the
 * stanza does not exist. Any other error means that the rest
 * was not tried: the listing failed, a manifest of a kept backup could not
 * be read (then no WAL is removed), a tombstone could not be written. If
 * objects could not be removed, the result says how many, and the code is
 * ERR_STORE.
 */
int	expire_run(const struct catalog *c, const struct expire_request *req,
	    struct expire_result *result, struct err *e) MUST_CHECK;

#endif /* ARCHIVER_EXPIRE_H */
