/* SPDX-License-Identifier: MIT */
/*
 * unfinished - what of a backup is in a repository without its manifest.
 *
 * It may be a backup that is running, one that died, or one whose manifest
 * was lost. The intents tell (design: <run>/intent-<n>): each names a time,
 * and the last one, written when every pack is stored and just before the
 * manifest, has a line "state complete".
 */
#ifndef ARCHIVER_UNFINISHED_H
#define ARCHIVER_UNFINISHED_H

#include "common/base.h"

#include "archiver/label.h"
#include "archiver/manifest.h"

struct catalog;
struct catalog_list;
struct err;

/* The line of the last intent, with the newline before it. */
#define UNFINISHED_COMPLETE	"\nstate complete\n"

struct unfinished {
	char		label[LABEL_MAX];
	char		run[MANIFEST_RUN_MAX];
	uint64_t	packs;
	int64_t		seen;		/* last sign of life, microseconds */
	bool		complete;	/* all packs were stored */
};

/*
 * Calls each() for every run that has objects and no manifest, but those of
 * labels with a tombstone, which expire is about to remove. Returns the
 * first result of each() that is not 0 (which set *e itself), or the errors
 * of listing.
 */
int	unfinished_each(const struct catalog *c, const struct catalog_list *l,
	    int (*each)(void *arg, const struct unfinished *u), void *arg,
	    struct err *e) MUST_CHECK;

/*
 * Removes all objects of a run, whose backup failed in our own hands and has
 * tried to store no manifest: what filled a disk must not stay on it until
 * expire-grace is over. The first error ends it; expire does the rest later.
 */
int	unfinished_remove(const struct catalog *c, const char *label,
	    const char *run, struct err *e) MUST_CHECK;

#endif /* ARCHIVER_UNFINISHED_H */
