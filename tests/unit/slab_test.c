/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/slab.h"
#include "tests/unit/unit.h"

#include <string.h>

START_TEST(take_and_give)
{
	struct slab	s;
	unsigned char	*a, *b;
	size_t		i;

	slab_init(&s, "test", 100, 0);
	ck_assert_uint_eq(s.size % _Alignof(max_align_t), 0);
	ck_assert_uint_ge(s.size, 100);
	ck_assert_uint_eq(s.bytes, 0);
	a = slab_take(&s);
	b = slab_take(&s);
	ck_assert_ptr_nonnull(a);
	ck_assert_ptr_nonnull(b);
	ck_assert_uint_eq((uintptr_t)a % _Alignof(max_align_t), 0);
	ck_assert_uint_eq((uintptr_t)b % _Alignof(max_align_t), 0);
	ck_assert(b - a >= 100 || a - b >= 100);
	ck_assert_uint_eq(s.used, 2);
	memset(a, 0xff, 100);
	slab_give(&s, a);
	slab_give(&s, NULL);
	ck_assert_uint_eq(s.used, 1);
	/* Handed out again, and zeroed again. */
	a = slab_take(&s);
	for (i = 0; i < 100; i++)
		ck_assert_uint_eq(a[i], 0);
	slab_give(&s, a);
	slab_give(&s, b);
	ck_assert_uint_eq(s.used, 0);
	slab_release(&s);
	ck_assert_uint_eq(s.bytes + s.free, 0);
}
END_TEST

START_TEST(limit)
{
	struct slab	s;
	void		*p[3];
	size_t		i;

	slab_init(&s, "test", 8, 3);
	for (i = 0; i < 3; i++) {
		p[i] = slab_take(&s);
		ck_assert_ptr_nonnull(p[i]);
	}
	ck_assert_ptr_null(slab_take(&s));
	slab_give(&s, p[1]);
	p[1] = slab_take(&s);
	ck_assert_ptr_nonnull(p[1]);
	ck_assert_ptr_null(slab_take(&s));
	for (i = 0; i < 3; i++)
		slab_give(&s, p[i]);
	slab_release(&s);
}
END_TEST

/* Many objects over several blocks; no two overlap; the counts add up. */
START_TEST(many)
{
	enum { N = 5000 };
	static unsigned	*p[N];
	struct slab	s;
	unsigned	i, round;

	slab_init(&s, "test", 40, 0);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < N; i++) {
			p[i] = slab_take(&s);
			ck_assert_ptr_nonnull(p[i]);
			p[i][0] = i;
			p[i][9] = ~i;
			ck_assert_uint_ge(s.bytes, (s.used + s.free) * s.size);
		}
		ck_assert_uint_eq(s.used, N);
		for (i = 0; i < N; i++) {
			ck_assert_uint_eq(p[i][0], i);
			ck_assert_uint_eq(p[i][9], ~i);
		}
		/* Back in another order. */
		for (i = 0; i < N; i++)
			slab_give(&s, p[(i * 7) % N]);
		ck_assert_uint_eq(s.used, 0);
		ck_assert_uint_ge(s.free, N);
	}
	slab_release(&s);
}
END_TEST

START_TEST(objects_larger_than_a_block)
{
	struct slab	s;
	char		*a, *b;

	slab_init(&s, "test", 100000, 0);
	a = slab_take(&s);
	b = slab_take(&s);
	memset(a, 1, 100000);
	memset(b, 2, 100000);
	ck_assert_int_eq(a[99999], 1);
	slab_give(&s, a);
	slab_give(&s, b);
	slab_release(&s);
	slab_init(&s, "tiny", 0, 0);
	a = slab_take(&s);
	ck_assert_ptr_nonnull(a);
	slab_give(&s, a);
	slab_release(&s);
}
END_TEST

UNIT_MAIN("slab", take_and_give, limit, many, objects_larger_than_a_block)
