/* SPDX-License-Identifier: MIT */
/*
 * pack - collects blocks into objects of about 16 MiB.
 *
 * A pack is the unit that is stored: few requests, and small files share
 * one. Each thread fills a pack of its own, so no lock is held while bytes
 * are added; numbers come from a counter that the packs of a backup share.
 * Memory: one buffer of PACK_SIZE a pack, and no more.
 *
 * Calling sequence: pack_set_init() once; in each thread pack_init(),
 * pack_add() any number of times, pack_flush(), pack_release().
 */
#ifndef ARCHIVER_PACK_H
#define ARCHIVER_PACK_H

#include "common/base.h"

#include <stdatomic.h>

struct err;

#define PACK_SIZE	((size_t)16 << 20)

/* What the packs of one backup share. Members are read-only for users. */
struct pack_set {
	/*
	 * Stores a pack durably, or fails; called by the thread whose pack
	 * it is, by several at a time. The bytes are lent for the call.
	 */
	int		(*put)(void *arg, uint32_t number, const void *bytes,
			    size_t n, struct err *e);
	void		*arg;
	atomic_uint	 count;		/* numbers given out */
	atomic_ullong	 stored;	/* bytes put */
};

struct pack {
	struct pack_set	*set;
	unsigned char	*bytes;
	size_t		 len;
	size_t		 room;
	uint32_t	 number;	/* valid if len > 0 */
};

void	pack_set_init(struct pack_set *s, int (*put)(void *, uint32_t,
	    const void *, size_t, struct err *), void *arg);

/* Never fails: memory is taken when something is added. */
void	pack_init(struct pack *p, struct pack_set *s);
void	pack_release(struct pack *p);

/*
 * Adds n bytes, which may be more than PACK_SIZE, and says in which pack
 * and where in it they will be. May store a full pack first. They are
 * durable after the next successful pack_flush(). Errors: ERR_NOMEM, and
 * what put() returns.
 */
int	pack_add(struct pack *p, const void *bytes, size_t n, uint32_t *number,
	    uint64_t *offset, struct err *e) MUST_CHECK;

/* Stores what was added, if anything was. */
int	pack_flush(struct pack *p, struct err *e) MUST_CHECK;

#endif /* ARCHIVER_PACK_H */
