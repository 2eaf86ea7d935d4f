/* SPDX-License-Identifier: MIT */
/*
 * unpack_plan - what of a backup is read next: unpack.c's own half.
 *
 * The files of a manifest are taken in the order in which they lie in the
 * packs, a batch at a time: so many maps are read and turned into items,
 * one for each run, and then unpack.c fetches the items with all threads.
 * Only one thread plans.
 *
 * Calling sequence: unpack_plan_init(), unpack_plan_next() until there is
 * no more, unpack_plan_release().
 */
#ifndef ARCHIVER_UNPACK_PLAN_H
#define ARCHIVER_UNPACK_PLAN_H

#include "common/base.h"

#include "archiver/pagemap.h"
#include "archiver/unpack.h"
#include "common/digest.h"

struct crew;
struct err;

/* A gap in a pack up to this is read along rather than asked around. */
#define UNPACK_GAP_MAX	((uint64_t)256 << 10)

/* One run to be fetched and written. */
struct unpack_item {
	const struct manifest_file *file;
	const char	*backup;
	uint64_t	 offset;	/* in the pack */
	uint64_t	 at;		/* in the file */
	uint32_t	 pack;
	uint32_t	 stored;
	uint32_t	 len;		/* plain bytes */
	uint32_t	 seq;		/* position in the batch, file by file */
	bool		 done;		/* it is where it belongs */
	struct digest	 digest;
};

/* The runs of one file in a batch. */
struct unpack_span {
	const struct manifest_file *file;
	struct pagemap	 map;		/* owns the labels that items name */
	size_t		 first;		/* seq */
	size_t		 count;
};

struct unpack_plan {
	struct unpack_job *job;
	struct crew	*crew;
	const struct manifest_file **order;	/* files, as batches take them */
	size_t		 order_count, order_next;
	struct unpack_item *items;
	size_t		 item_count, item_room;
	struct unpack_span *spans;
	size_t		 span_count, span_room;
};

/* Both are borrowed. ERR_NOMEM; the plan is to be released even then. */
int	unpack_plan_init(struct unpack_plan *p, struct unpack_job *job,
	    struct crew *crew, struct err *e) MUST_CHECK;
void	unpack_plan_release(struct unpack_plan *p);

/*
 * Fills items and spans with the next batch; false in *more if nothing was
 * left. Damage goes to unpack_failed(), and may leave a batch empty.
 * ERR_NOMEM.
 */
int	unpack_plan_next(struct unpack_plan *p, bool *more, struct err *e)
	    MUST_CHECK;

/*
 * What is to be done after an attempt at a piece of a file failed. True:
 * try again. False: that was the last one, and the failure is on record:
 * the end of a restore, a line in a verification. Any thread.
 */
bool	unpack_failed(struct unpack_plan *p, const struct manifest_file *f,
	    const struct unpack_piece *piece, int attempt,
	    const struct err *e);

/* Order of two labels, either of which may be NULL. */
int	unpack_compare_labels(const char *a, const char *b);

#endif /* ARCHIVER_UNPACK_PLAN_H */
