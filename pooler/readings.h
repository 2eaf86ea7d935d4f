/* SPDX-License-Identifier: MIT */
/*
 * readings - the counters of all databases, read each stats_period.
 *
 * A database keeps its last two readings; averages are their difference.
 * Control thread only.
 */
#ifndef POOLER_READINGS_H
#define POOLER_READINGS_H

#include "common/base.h"
#include "pooler/stats.h"

struct database;
struct registry;

struct readings {
	uint64_t	 newer_at, older_at;	/* loop_clock() */
};

/*
 * The counters of a database's pools, freed ones too, with the registry's
 * lock held.
 */
void	readings_read(const struct registry *, const struct database *,
	    struct stats_sum *out);

/* Reads all databases at the time `now`; *average is what has happened in a
 * second since the last time. */
void	readings_take(struct readings *, struct registry *, uint64_t now,
	    struct stats_sum *average);

#endif /* POOLER_READINGS_H */
