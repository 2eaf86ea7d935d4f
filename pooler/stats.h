/* SPDX-License-Identifier: MIT */
/*
 * stats - what a pool has done, counted by each worker for itself.
 *
 * A counter is written by one worker and read by whoever shows it, so it is
 * atomic but never contended: an add is a load and a store. Sums are made
 * when they are shown. Averages are differences between two readings, taken
 * by the control thread each stats_period. Meaning of the counters:
 * contract, section 14. Times are microseconds.
 */
#ifndef POOLER_STATS_H
#define POOLER_STATS_H

#include <stdatomic.h>

#include "common/base.h"

/* X(member) in the order of SHOW STATS. */
#define STATS_COUNTERS(X) \
	X(server_assignment_count) \
	X(xact_count) \
	X(query_count) \
	X(received) \
	X(sent) \
	X(xact_time) \
	X(query_time) \
	X(wait_time) \
	X(client_parse_count) \
	X(server_parse_count) \
	X(bind_count) \
	X(client_login_count)

/* One worker's counters for one pool; padded, so that two workers' counters
 * never share a cache line. */
struct pool_stats {
#define X(name) _Atomic uint64_t name;
	STATS_COUNTERS(X)
#undef X
	unsigned char	 padding[64];
};

/* The same as plain numbers: a sum, or a reading at some time. */
struct stats_sum {
#define X(name) uint64_t name;
	STATS_COUNTERS(X)
#undef X
};

/* Only the worker that owns the counter adds to it. */
static inline void
stats_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter,
	    atomic_load_explicit(counter, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

/* Adds one worker's counters to a sum. */
void	stats_sum_add(struct stats_sum *, const struct pool_stats *);

/* Adds one sum to another. */
void	stats_sum_plus(struct stats_sum *a, const struct stats_sum *b);

/*
 * What SHOW calls averages: of the difference between two readings taken
 * `period` microseconds apart, counts and bytes per second, times per item
 * (wait_time per server assignment), in whole numbers. A counter that went
 * back counts from zero.
 */
void	stats_average(struct stats_sum *out, const struct stats_sum *now,
	    const struct stats_sum *then, uint64_t period);

#endif /* POOLER_STATS_H */
