/* SPDX-License-Identifier: MIT */
/*
 * slab - fixed-size objects, recycled.
 *
 * Connections come and go by the thousand; a slab hands their structs out
 * without asking the allocator each time and can say how many are in use.
 * Invariant: used + free = the number of objects in its blocks.
 * Calling sequence: slab_init(), slab_take()/slab_give() any number of
 * times, slab_release() once every object came back. Not thread-safe.
 */
#ifndef COMMON_SLAB_H
#define COMMON_SLAB_H

#include "common/base.h"

struct slab {
	const char	*name;
	size_t		 size;		/* of one object, rounded up */
	size_t		 limit;		/* objects in use at most, 0 = any */
	size_t		 used;
	size_t		 free;
	size_t		 bytes;		/* all blocks together */
	struct slab_item *free_items;
	struct slab_block *blocks;
};

/*
 * Prepares a slab of objects of `size` bytes, aligned for any type. `name`
 * (shown by SHOW MEM) must outlive the slab. Allocates nothing yet.
 */
void	 slab_init(struct slab *, const char *name, size_t size, size_t limit);

/*
 * Returns a zeroed object, or NULL when the limit is reached or memory is
 * out. The caller owns it until slab_give().
 */
void	*slab_take(struct slab *) MUST_CHECK;

/* Takes an object of this slab back; NULL is legal. */
void	 slab_give(struct slab *, void *object);

/* Frees the blocks. Every object must have come back (asserted). */
void	 slab_release(struct slab *);

#endif /* COMMON_SLAB_H */
