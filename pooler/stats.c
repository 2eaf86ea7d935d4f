/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/stats.h"

void
stats_sum_add(struct stats_sum *sum, const struct pool_stats *s)
{
#define X(name) \
	sum->name += atomic_load_explicit(&s->name, memory_order_relaxed);
	STATS_COUNTERS(X)
#undef X
}

void
stats_sum_plus(struct stats_sum *a, const struct stats_sum *b)
{
#define X(name) a->name += b->name;
	STATS_COUNTERS(X)
#undef X
}

static void
subtract(struct stats_sum *a, const struct stats_sum *b)
{
#define X(name) \
	a->name = a->name >= b->name ? a->name - b->name : a->name;
	STATS_COUNTERS(X)
#undef X
}

static uint64_t
per_second(uint64_t n, uint64_t period)
{
	/* n * 1000000 might overflow; a rate needs no more digits. */
	return (uint64_t)((double)n * 1e6 / (double)period);
}

static uint64_t
per_item(uint64_t time, uint64_t items)
{
	return items == 0 ? 0 : time / items;
}

void
stats_average(struct stats_sum *out, const struct stats_sum *now,
    const struct stats_sum *then, uint64_t period)
{
	struct stats_sum d = *now;

	subtract(&d, then);
	if (period == 0)
		period = 1;
#define X(name) out->name = per_second(d.name, period);
	STATS_COUNTERS(X)
#undef X
	out->xact_time = per_item(d.xact_time, d.xact_count);
	out->query_time = per_item(d.query_time, d.query_count);
	out->wait_time = per_item(d.wait_time, d.server_assignment_count);
}
