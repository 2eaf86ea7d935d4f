/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/random.h"

#include <string.h>

#include "tests/unit/unit.h"

START_TEST(fills_all_of_it)
{
	static unsigned char a[5000], b[5000];
	size_t	i, same = 0;

	ck_assert_int_eq(random_fill(a, 0), 0);
	ck_assert_int_eq(random_fill(a, sizeof(a)), 0);
	ck_assert_int_eq(random_fill(b, sizeof(b)), 0);
	for (i = 0; i < sizeof(a); i++)
		same += a[i] == b[i];
	/* 20 expected; 200 would be a part left unfilled. */
	ck_assert_uint_lt(same, 200);
}
END_TEST

START_TEST(leaves_the_rest_alone)
{
	unsigned char a[32] = { 0 };

	ck_assert_int_eq(random_fill(a + 8, 16), 0);
	ck_assert_mem_eq(a, "\0\0\0\0\0\0\0\0", 8);
	ck_assert_mem_eq(a + 24, "\0\0\0\0\0\0\0\0", 8);
}
END_TEST

static bool
is_zero(const unsigned char *p, size_t n)
{
	size_t	i;

	for (i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

START_TEST(a_pool_gives_each_byte_once)
{
	struct random_pool pool = { .left = 0 };
	unsigned char	a[100], b[100], ahead[100], whole[sizeof(pool.bytes)];

	ck_assert_int_eq(random_pool_fill(&pool, a, sizeof(a)), 0);
	ck_assert_uint_eq(pool.left, sizeof(pool.bytes) - 100);
	ck_assert(is_zero(pool.bytes, 100));
	/* The next are those that lie behind. */
	memcpy(ahead, pool.bytes + 100, sizeof(ahead));
	ck_assert_int_eq(random_pool_fill(&pool, b, sizeof(b)), 0);
	ck_assert_mem_eq(b, ahead, sizeof(b));
	ck_assert_mem_ne(a, b, sizeof(a));
	ck_assert(is_zero(pool.bytes, 200));
	/* 56 are left: too few, so all are new. */
	ck_assert_int_eq(random_pool_fill(&pool, a, sizeof(a)), 0);
	ck_assert_uint_eq(pool.left, sizeof(pool.bytes) - 100);
	ck_assert_int_eq(random_pool_fill(&pool, whole, sizeof(whole)), 0);
	ck_assert_uint_eq(pool.left, 0);
	ck_assert(is_zero(pool.bytes, sizeof(pool.bytes)));
	ck_assert(!is_zero(whole, sizeof(whole)));
	ck_assert_int_eq(random_pool_fill(&pool, a, 1), 0);
	random_pool_wipe(&pool);
	ck_assert(is_zero(pool.bytes, sizeof(pool.bytes)));
	ck_assert_uint_eq(pool.left, 0);
}
END_TEST

UNIT_MAIN("random", fills_all_of_it, leaves_the_rest_alone,
    a_pool_gives_each_byte_once)
