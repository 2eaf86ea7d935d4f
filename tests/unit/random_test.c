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

UNIT_MAIN("random", fills_all_of_it, leaves_the_rest_alone)
