/* SPDX-License-Identifier: MIT */
/*
 * deadline - who must be looked at when: a lazy binary heap.
 *
 * Every connection has one deadline that moves with nearly every message,
 * and nearly none is ever reached. So a deadline that moves *later* costs
 * two stores: the heap keeps the old, earlier place, and finds out when that
 * time comes. Only one that moves earlier is sifted. Invariant: the heap's
 * key of an entry is never later than its due time.
 * Calling sequence: deadlines_init(), deadline_set()/deadline_clear() on
 * embedded entries, deadlines_expire() once a turn, deadlines_release().
 * Times are microseconds of any one clock. Not thread-safe.
 */
#ifndef COMMON_DEADLINE_H
#define COMMON_DEADLINE_H

#include "common/base.h"

#define DEADLINE_NEVER	UINT64_MAX

struct deadline;
typedef void deadline_fn(struct deadline *);

/* Embedded in its object; zeroed, with fn set, it is valid and unset. */
struct deadline {
	uint64_t	 due;		/* 0 = unset */
	uint64_t	 key;		/* its place in the heap; <= due */
	size_t		 index;		/* 1-based slot, 0 = not in the heap */
	deadline_fn	*fn;		/* called once, with the entry unset */
};

struct deadlines {
	struct deadline	**slots;	/* slots[1..count] */
	size_t		 count;
	size_t		 cap;
};

void	 deadlines_init(struct deadlines *);

/* Frees the heap's own memory; entries still set are simply forgotten. */
void	 deadlines_release(struct deadlines *);

/*
 * Calls d->fn at `at` or soon after (0 and DEADLINE_NEVER unset it). An
 * entry belongs to one heap at a time. Returns 0 or ERR_NOMEM, and then the
 * entry is unset: a connection without a deadline, which the caller refuses.
 */
int	 deadline_set(struct deadlines *, struct deadline *, uint64_t at)
	     MUST_CHECK;

/* Unsets it; stays in the heap, which must not be released before it is
 * removed: use deadline_remove() before freeing the object. */
void	 deadline_clear(struct deadline *);

/* Unsets it and takes it out of the heap. */
void	 deadline_remove(struct deadlines *, struct deadline *);

/*
 * Calls the functions of all entries due at `now`. They may set, clear and
 * remove any entry, their own too.
 */
void	 deadlines_expire(struct deadlines *, uint64_t now);

/* When to call deadlines_expire() next; DEADLINE_NEVER if the heap is empty. */
uint64_t deadlines_next(const struct deadlines *);

#endif /* COMMON_DEADLINE_H */
