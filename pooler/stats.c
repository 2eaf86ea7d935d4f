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
stats_sum_sub(struct stats_sum *a, const struct stats_sum *b)
{
#define X(name) \
	a->name = a->name >= b->name ? a->name - b->name : a->name;
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
