/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "pooler/deal.h"
#include "tests/unit/unit.h"

START_TEST(packs_onto_the_first)
{
	struct deal_load l[3] = { { 699, 0, 500 }, { 0, 0, 0 }, { 0, 0, 0 } };

	ck_assert_uint_eq(deal_choose(l, 3), 0);
	ck_assert_uint_eq(deal_choose(l, 1), 0);
	l[0].busy = 700;
	ck_assert_uint_eq(deal_choose(l, 3), 1);
	l[1].busy = 800;
	ck_assert_uint_eq(deal_choose(l, 3), 2);
}
END_TEST

START_TEST(a_burst_spreads)
{
	struct deal_load l[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	int	i;

	/* Nothing was measured yet, and yet not all go to one. */
	for (i = 0; i < 200; i++) {
		uint32_t w = deal_choose(l, 2);

		l[w].fresh++;
		l[w].clients++;
	}
	ck_assert_uint_eq(l[0].clients, 100);
	ck_assert_uint_eq(l[1].clients, 100);
}
END_TEST

START_TEST(when_all_are_busy)
{
	struct deal_load l[3] = { { 900, 0, 10 }, { 800, 0, 90 },
	    { 850, 0, 5 } };

	/* The least busy one ... */
	ck_assert_uint_eq(deal_choose(l, 3), 1);
	/* ... and among full ones the one with fewest clients. */
	l[0].busy = l[1].busy = 1000;
	l[2].busy = 980;
	ck_assert_uint_eq(deal_choose(l, 3), 2);
	l[0].clients = 4;
	ck_assert_uint_eq(deal_choose(l, 3), 0);
}
END_TEST

START_TEST(dealt_ones_are_forgotten)
{
	atomic_uint fresh[3] = { 40, 1, 0 };

	deal_forget(fresh, 3);
	ck_assert_uint_eq(fresh[0], 20);
	ck_assert_uint_eq(fresh[1], 0);
	ck_assert_uint_eq(fresh[2], 0);
}
END_TEST

UNIT_MAIN("deal", packs_onto_the_first, a_burst_spreads, when_all_are_busy,
    dealt_ones_are_forgotten)
