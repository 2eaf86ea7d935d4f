/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/readings.h"

#include "pooler/registry.h"

void
readings_read(const struct registry *reg, const struct database *db,
    struct stats_sum *out)
{
	struct list_node *n, *tmp;
	uint32_t i;

	*out = db->retired;
	LIST_FOREACH(n, tmp, &db->pools) {
		struct dbpool *pool = container_of(n, struct dbpool, db_node);

		for (i = 0; i < reg->workers; i++)
			stats_sum_add(out, &pool->stats[i]);
	}
}

void
readings_take(struct readings *r, struct registry *reg, uint64_t now,
    struct stats_sum *average)
{
	struct stats_sum  newer = { 0 }, older = { 0 };
	struct list_node *n, *tmp;

	pthread_mutex_lock(&reg->lock);
	LIST_FOREACH(n, tmp, &reg->databases) {
		struct database *db = container_of(n, struct database,
		    list_node);

		db->older = db->newer;
		readings_read(reg, db, &db->newer);
		stats_sum_plus(&newer, &db->newer);
		stats_sum_plus(&older, &db->older);
	}
	pthread_mutex_unlock(&reg->lock);
	stats_average(average, &newer, &older, now - r->newer_at);
	r->older_at = r->newer_at;
	r->newer_at = now;
}
