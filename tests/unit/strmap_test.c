/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/strmap.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

START_TEST(empty)
{
	struct strmap	m = { 0 };

	ck_assert_ptr_null(strmap_get(&m, ""));
	ck_assert_ptr_null(strmap_get(&m, "a"));
	strmap_release(&m);
}
END_TEST

START_TEST(put_replaces)
{
	struct strmap	m = { 0 };
	char		one[] = "key", two[] = "key";
	int		a, b;

	ck_assert_int_eq(strmap_put(&m, one, &a), 0);
	ck_assert_int_eq(strmap_put(&m, "", &b), 0);
	ck_assert_ptr_eq(strmap_get(&m, "key"), &a);
	ck_assert_ptr_eq(strmap_get(&m, ""), &b);
	ck_assert_ptr_null(strmap_get(&m, "ke"));
	/* The new key is the one that is borrowed from now on. */
	ck_assert_int_eq(strmap_put(&m, two, &b), 0);
	memset(one, 'x', 3);
	ck_assert_ptr_eq(strmap_get(&m, "key"), &b);
	ck_assert_uint_eq(m.n, 2);
	strmap_release(&m);
	ck_assert_ptr_null(strmap_get(&m, "key"));
}
END_TEST

START_TEST(many)
{
	enum { N = 20000 };
	static char	keys[N][12];
	struct strmap	m = { 0 };
	char		other[16];
	int		i;

	for (i = 0; i < N; i++) {
		snprintf(keys[i], sizeof(keys[i]), "db%d", i);
		ck_assert_int_eq(strmap_put(&m, keys[i], keys[i]), 0);
	}
	ck_assert_uint_eq(m.n, N);
	ck_assert_uint_ge(m.cap, 2 * m.n);
	for (i = 0; i < N; i++) {
		ck_assert_ptr_eq(strmap_get(&m, keys[i]), keys[i]);
		snprintf(other, sizeof(other), "DB%d", i);
		ck_assert_ptr_null(strmap_get(&m, other));
	}
	strmap_release(&m);
}
END_TEST

UNIT_MAIN("strmap", empty, put_replaces, many)
