/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/clock.h"
#include "tests/unit/unit.h"

#include <time.h>

/* Microseconds, and never backwards. */
START_TEST(forward)
{
	const struct timespec ms = { 0, 1000000 };
	int64_t	began = clock_us(), before = began, now;
	int	i;

	for (i = 0; i < 10; i++) {
		now = clock_us();
		ck_assert_int_ge(now, before);
		nanosleep(&ms, NULL);
		before = now;
	}
	ck_assert_int_ge(clock_us() - began, 10 * 1000);
}
END_TEST

UNIT_MAIN("clock", forward)
