/* SPDX-License-Identifier: MIT */
/*
 * pollers - a unit test program that runs once over each back end of the
 * poller: over epoll, and over io_uring where the kernel gives it.
 * UNIT_MAIN_POLLERS() instead of UNIT_MAIN(); a test makes its pollers with
 * new_poller(), or passes `test_io` on.
 */
#ifndef TESTS_POLLERS_H
#define TESTS_POLLERS_H

#include <stdio.h>
#include <string.h>

#include "common/poller.h"
#include "tests/unit/unit.h"

static enum poller_io test_io;

static inline struct poller *
new_poller(void)
{
	struct poller *p;

	ck_assert_int_eq(poller_new(test_io, &p), 0);
	return p;
}

static inline int
run_over_pollers(const char *name, const TTest *const *tests, size_t n)
{
	struct poller *p;
	int	failed = unit_run(name, tests, n), r;

	r = poller_new(POLLER_URING, &p);
	if (r != 0) {
		printf("no io_uring here: %s\n", strerror(-r));
		return failed;
	}
	poller_free(p);
	test_io = POLLER_URING;
	return unit_run(name, tests, n) | failed;
}

#define UNIT_MAIN_POLLERS(name, ...) \
	int \
	main(void) \
	{ \
		const TTest *const tests[] = { __VA_ARGS__ }; \
		return run_over_pollers(name, tests, ARRAY_LEN(tests)); \
	}

#endif /* TESTS_POLLERS_H */
