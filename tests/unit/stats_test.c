/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/stats.h"

#include "tests/unit/unit.h"

START_TEST(sums_and_differences)
{
	static struct pool_stats s[2];
	struct stats_sum sum = { 0 }, before = { 0 }, a;

	stats_add(&s[0].query_count, 3);
	stats_add(&s[1].query_count, 4);
	stats_add(&s[1].client_login_count, 1);
	stats_sum_add(&sum, &s[0]);
	stats_sum_add(&sum, &s[1]);
	ck_assert_uint_eq(sum.query_count, 7);
	ck_assert_uint_eq(sum.client_login_count, 1);
	before.query_count = 5;
	before.client_login_count = 9;	/* it went back: a new pool */
	stats_average(&a, &sum, &before, 1000000);
	ck_assert_uint_eq(a.query_count, 2);
	ck_assert_uint_eq(a.client_login_count, 1);
	stats_sum_plus(&sum, &before);
	ck_assert_uint_eq(sum.query_count, 12);
	ck_assert_uint_eq(sum.client_login_count, 10);
}
END_TEST

START_TEST(averages_are_per_second_or_per_item)
{
	struct stats_sum then = { .xact_count = 10, .xact_time = 1000,
	    .sent = 5, .wait_time = 7 };
	struct stats_sum now = { .xact_count = 30, .xact_time = 21000,
	    .query_count = 41, .query_time = 82, .sent = 1005,
	    .wait_time = 107, .server_assignment_count = 10,
	    .bind_count = 3 };
	struct stats_sum a;

	stats_average(&a, &now, &then, 2000000);
	ck_assert_uint_eq(a.xact_count, 10);
	ck_assert_uint_eq(a.xact_time, 1000);
	ck_assert_uint_eq(a.query_count, 20);
	ck_assert_uint_eq(a.query_time, 2);
	ck_assert_uint_eq(a.sent, 500);
	ck_assert_uint_eq(a.wait_time, 10);
	ck_assert_uint_eq(a.bind_count, 1);
	ck_assert_uint_eq(a.received, 0);
	/* Nothing happened, in no time: no division by zero. */
	stats_average(&a, &then, &then, 0);
	ck_assert_uint_eq(a.xact_count, 0);
	ck_assert_uint_eq(a.xact_time, 0);
	/* More than fits into 64 bits when multiplied. */
	now.sent = UINT64_C(1) << 60;
	stats_average(&a, &now, &(struct stats_sum){ 0 }, 1000000);
	ck_assert_uint_eq(a.sent, UINT64_C(1) << 60);
}
END_TEST

UNIT_MAIN("stats", sums_and_differences,
    averages_are_per_second_or_per_item)
