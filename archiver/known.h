/* SPDX-License-Identifier: MIT */
/*
 * known - what the daemon remembers of listings, to ask for fewer.
 *
 * A push has to know two things of a repository: that the stanza is claimed
 * by this cluster, and that there is no object of the segment's name with
 * other content. Each is a LIST. A daemon pushes one segment after the other
 * below one prefix, <tli>/<hi>/, so it lists that prefix whole, once, and
 * remembers what it put there itself: a push is then one PUT.
 *
 * Invariants:
 *  - Success is never taken from memory. Of memory only "no object of this
 *    name" is used, and what follows from it is a PUT under a key that holds
 *    the digest: it can neither overwrite nor be mistaken for another's. If
 *    anything is remembered of the name, the store is asked.
 *  - A refusal is never taken from memory: what was not remembered as
 *    claimed is asked for.
 *  - Memory is at most `age_us` old. Whoever else wrote the same names with
 *    other content since then (a clone, a second primary) is found with the
 *    next listing: the push that made it fails with ERR_DUPLICATE, as do all
 *    that follow, each after a new listing, until the conflict is gone from
 *    the repository. Without this module the push of the very name fails;
 *    with it one of the pushes within age_us.
 *  - A directory is always looked at, for that costs next to nothing, and
 *    it may have been unmounted a moment ago.
 *  - After an error of a repository nothing is remembered of it.
 *  - A repository that was emptied, or whose claim was removed, is found
 *    after age_us at the latest.
 *
 * For fetching ahead the same listings tell which segments there are; what
 * they do not have counts as "not there" for that purpose only.
 *
 * Calling sequence: known_new(), any calls from any threads, known_free().
 * No lock is held while a store is asked.
 */
#ifndef ARCHIVER_KNOWN_H
#define ARCHIVER_KNOWN_H

#include "common/base.h"

#include "archiver/repo.h"

struct digest;
struct err;
struct known;

#define KNOWN_AGE_US	INT64_C(60000000)
/* A listing that lacks a segment is renewed after this time. */
#define KNOWN_MISS_US	INT64_C(1000000)

int	known_new(struct known **out, int64_t age_us, struct err *e)
	    MUST_CHECK;
void	known_free(struct known *);		/* NULL is legal */

/* A segment (of kind SEGMENT_FULL) in a repository. Borrowed. */
struct known_place {
	const struct repo *repo;
	const char	*stanza;
	uint64_t	 system_id;
	const struct segment_name *name;
	const struct store_limits *limits;
};

/* As repo_check_claim(); place->name is not looked at. */
int	known_claim(struct known *, const struct known_place *, int version,
	    struct err *e) MUST_CHECK;

/*
 * *absent: there was no object of that name when the prefix was listed last,
 * and none was put by us since. The store's errors; ERR_DUPLICATE (names
 * both digests): see above.
 */
int	known_absent(struct known *, const struct known_place *, bool *absent,
	    struct err *e) MUST_CHECK;

/* An object of this digest was stored. */
void	known_put(struct known *, const struct known_place *,
	    const struct digest *);

/* A repository failed: ask again. */
void	known_forget(struct known *, const struct repo *);

/*
 * The digests under which a segment is stored, as of the last listing, which
 * is renewed if it lacks the segment. Their number, at most max, or the
 * store's errors.
 */
int	known_digests(struct known *, const struct known_place *,
	    struct digest *out, int max, struct err *e) MUST_CHECK;

#endif /* ARCHIVER_KNOWN_H */
