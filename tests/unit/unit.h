/* SPDX-License-Identifier: MIT */
/*
 * unit - the frame of a unit test program.
 *
 * One program per source file; each ends with UNIT_MAIN("module", test, ...)
 * where every test was defined by START_TEST(name) { } END_TEST. Check runs
 * each in a process of its own, so a crash is one failed test, not the end.
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include "common/base.h"

#include <check.h>

static inline int
unit_run(const char *name, const TTest *const *tests, size_t n)
{
	Suite	*suite = suite_create(name);
	TCase	*tcase = tcase_create(name);
	SRunner	*runner = srunner_create(suite);
	int	 failed;
	size_t	 i;

	/* Nothing may depend on time; this only ends a test that hangs. */
	tcase_set_timeout(tcase, 1200);
	for (i = 0; i < n; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

#define UNIT_MAIN(name, ...) \
	int \
	main(void) \
	{ \
		const TTest *const tests[] = { __VA_ARGS__ }; \
		return unit_run(name, tests, ARRAY_LEN(tests)); \
	}

#endif /* TESTS_UNIT_H */
