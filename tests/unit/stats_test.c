/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/stats.h"

#include "tests/unit/unit.h"

START_TEST(sums_and_differences)
{
	static struct pool_stats s[2];
	struct stats_sum sum = { 0 }, before = { 0 };

	stats_add(&s[0].query_count, 3);
	stats_add(&s[1].query_count, 4);
	stats_add(&s[1].client_login_count, 1);
	stats_sum_add(&sum, &s[0]);
	stats_sum_add(&sum, &s[1]);
	ck_assert_uint_eq(sum.query_count, 7);
	ck_assert_uint_eq(sum.client_login_count, 1);
	before.query_count = 5;
	before.client_login_count = 9;	/* it went back: a new pool */
	stats_sum_sub(&sum, &before);
	ck_assert_uint_eq(sum.query_count, 2);
	ck_assert_uint_eq(sum.client_login_count, 1);
	stats_sum_plus(&sum, &before);
	ck_assert_uint_eq(sum.query_count, 7);
	ck_assert_uint_eq(sum.client_login_count, 10);
}
END_TEST

UNIT_MAIN("stats", sums_and_differences)
