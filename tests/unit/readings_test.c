/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/readings.h"

#include "common/err.h"
#include "pooler/registry.h"
#include "tests/unit/config_load.h"
#include "tests/unit/unit.h"

START_TEST(two_periods)
{
	struct config	    *c = must_load("[databases]\na = host=/x\n"
	    "[pgbouncer]\n");
	struct params_names *names = params_names_new();
	struct registry	     reg;
	struct readings	     r = { .newer_at = 1000000, .older_at = 1000000 };
	struct stats_sum     sum, average;
	struct database	    *db;
	struct dbpool	    *pool;

	ck_assert_int_eq(registry_init(&reg, 2, names, &err), 0);
	ck_assert_int_eq(registry_apply(&reg, c, &err), 0);
	db = registry_database(&reg, "a");
	pool = registry_pool(&reg, db, registry_user(&reg, "ann"));
	ck_assert_ptr_nonnull(pool);

	/* All workers count, and what freed pools have left. */
	db->retired.query_count = 5;
	stats_add(&pool->stats[0].query_count, 20);
	stats_add(&pool->stats[1].query_count, 15);
	readings_read(&reg, db, &sum);
	ck_assert_uint_eq(sum.query_count, 40);

	/* 40 in two seconds, then 60 in three. */
	readings_take(&r, &reg, 3000000, &average);
	ck_assert_uint_eq(average.query_count, 20);
	stats_add(&pool->stats[1].query_count, 60);
	readings_take(&r, &reg, 6000000, &average);
	ck_assert_uint_eq(average.query_count, 20);
	ck_assert_uint_eq(db->older.query_count, 40);
	ck_assert_uint_eq(db->newer.query_count, 100);
	ck_assert_uint_eq(r.older_at, 3000000);
	ck_assert_uint_eq(r.newer_at, 6000000);

	dbpool_unref(pool);
	registry_release(&reg);
	params_names_free(names);
	config_free(c);
}
END_TEST

UNIT_MAIN("readings", two_periods)
