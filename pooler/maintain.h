/* SPDX-License-Identifier: MIT */
/*
 * maintain - what must be looked after though nothing happens.
 *
 * Three times a second, and soon after pooler_kick(), the control thread
 * opens servers for those who wait and for min_pool_size, takes idle servers
 * from one pool for another that a shared limit starves, sweeps unused
 * objects, notices the end of a shutdown, lets waiting console commands
 * look again, and each stats_period reads the counters.
 * Calling sequence: maintain_new() before the workers start,
 * maintain_start() in the control thread, maintain_free(). Only
 * maintain_kick() may be called from other threads.
 */
#ifndef POOLER_MAINTAIN_H
#define POOLER_MAINTAIN_H

#include "common/base.h"
#include "pooler/stats.h"

struct database;
struct dbpool;
struct err;
struct maintain;
struct pooler;

struct maintain *maintain_new(struct pooler *) MUST_CHECK;
int	maintain_start(struct maintain *, struct err *e) MUST_CHECK;
/* NULL is legal. */
void	maintain_free(struct maintain *);

/* See pooler_kick(). Any thread. */
void	maintain_kick(struct maintain *);

/* Opens what the pool's waiting clients need and its limits allow. */
void	maintain_pool(struct pooler *, struct dbpool *);

/* The counters of a database's pools, freed ones too, with the registry's
 * lock held. */
void	maintain_read(struct pooler *, struct database *,
	    struct stats_sum *out);

/* When the readings database.older were taken: loop_clock(). */
uint64_t maintain_older_at(const struct maintain *);

#endif /* POOLER_MAINTAIN_H */
