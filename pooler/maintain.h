/* SPDX-License-Identifier: MIT */
/*
 * maintain - what must be looked after though nothing happens.
 *
 * Three times a second, and soon after shared_kick(), the control thread
 * opens servers for those who wait and for min_pool_size, takes idle servers
 * from one pool for another that a shared limit starves, sweeps unused
 * objects, notices the end of a shutdown, lets waiting console commands
 * look again, and each stats_period reads the counters.
 * Calling sequence: maintain_new() before the workers start,
 * maintain_start() in the control thread, maintain_free().
 */
#ifndef POOLER_MAINTAIN_H
#define POOLER_MAINTAIN_H

#include "common/base.h"

struct admin;
struct control;
struct err;
struct maintain;

struct maintain *maintain_new(struct control *, struct admin *) MUST_CHECK;
int	maintain_start(struct maintain *, struct err *e) MUST_CHECK;
/* NULL is legal. */
void	maintain_free(struct maintain *);

#endif /* POOLER_MAINTAIN_H */
