/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/pack.h"
#include "common/err.h"
#include "tests/unit/unit.h"

#include <string.h>

struct store {
	uint32_t	numbers[8];
	size_t		sizes[8];
	int		puts;
	int		fail;		/* the put that fails, from 1; 0: none */
};

static int
put(void *arg, uint32_t number, const void *bytes, size_t n, struct err *e)
{
	struct store	*s = arg;

	ck_assert_ptr_nonnull(bytes);
	if (++s->puts == s->fail)
		return err_set(e, ERR_STORE, "no");
	s->numbers[s->puts - 1] = number;
	s->sizes[s->puts - 1] = n;
	return 0;
}

static unsigned char	mib[1 << 20];

START_TEST(fills_and_numbers)
{
	struct store	s = { 0 };
	struct pack_set	set;
	struct pack	a, b;
	struct err	e = { 0 };
	uint32_t	number;
	uint64_t	offset;
	int		i;

	pack_set_init(&set, put, &s);
	pack_init(&a, &set);
	pack_init(&b, &set);
	ck_assert_int_eq(pack_flush(&a, &e), 0);	/* nothing to do */
	ck_assert_int_eq(s.puts, 0);
	for (i = 0; i < 16; i++) {
		ck_assert_int_eq(pack_add(&a, mib, sizeof(mib), &number,
		    &offset, &e), 0);
		ck_assert_uint_eq(number, 0);
		ck_assert_uint_eq(offset, (uint64_t)i << 20);
	}
	ck_assert_int_eq(s.puts, 0);	/* full, but not over */
	ck_assert_int_eq(pack_add(&b, mib, 5, &number, &offset, &e), 0);
	ck_assert_uint_eq(number, 1);
	ck_assert_int_eq(pack_add(&a, mib, 1, &number, &offset, &e), 0);
	ck_assert_uint_eq(number, 2);
	ck_assert_uint_eq(offset, 0);
	ck_assert_int_eq(s.puts, 1);
	ck_assert_uint_eq(s.sizes[0], PACK_SIZE);
	ck_assert_int_eq(pack_flush(&a, &e), 0);
	ck_assert_int_eq(pack_flush(&b, &e), 0);
	ck_assert_int_eq(s.puts, 3);
	ck_assert_uint_eq(s.numbers[1], 2);
	ck_assert_uint_eq(s.numbers[2], 1);
	ck_assert_uint_eq(atomic_load(&set.stored), PACK_SIZE + 6);
	ck_assert_uint_eq(atomic_load(&set.count), 3);
	pack_release(&a);
	pack_release(&b);
}
END_TEST

START_TEST(larger_than_a_pack)
{
	struct store	s = { 0 };
	struct pack_set	set;
	struct pack	a;
	struct err	e = { 0 };
	void		*large = calloc(1, PACK_SIZE + 9);
	uint32_t	number;
	uint64_t	offset;

	pack_set_init(&set, put, &s);
	pack_init(&a, &set);
	ck_assert_int_eq(pack_add(&a, mib, 3, &number, &offset, &e), 0);
	ck_assert_int_eq(pack_add(&a, large, PACK_SIZE + 9, &number, &offset,
	    &e), 0);
	ck_assert_uint_eq(number, 1);
	ck_assert_uint_eq(offset, 0);
	ck_assert_int_eq(pack_flush(&a, &e), 0);
	ck_assert_uint_eq(s.sizes[1], PACK_SIZE + 9);
	pack_release(&a);
	free(large);
}
END_TEST

START_TEST(failure_is_reported)
{
	struct store	s = { .fail = 1 };
	struct pack_set	set;
	struct pack	a;
	struct err	e = { 0 };
	uint32_t	number;
	uint64_t	offset;

	pack_set_init(&set, put, &s);
	pack_init(&a, &set);
	ck_assert_int_eq(pack_add(&a, mib, 3, &number, &offset, &e), 0);
	ck_assert_int_eq(pack_flush(&a, &e), ERR_STORE);
	ck_assert_str_eq(e.msg, "no");
	ck_assert_uint_eq(atomic_load(&set.stored), 0);
	pack_release(&a);
}
END_TEST

UNIT_MAIN("pack", fills_and_numbers, larger_than_a_pack, failure_is_reported)
