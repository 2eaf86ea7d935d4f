/* SPDX-License-Identifier: MIT */
/*
 * fuzz - what the fuzzers of our parsers share.
 *
 * Each <name>_fuzz.c defines LLVMFuzzerTestOneInput() for clang's libFuzzer
 * and checks more than the absence of crashes: what was parsed must be inside
 * the input, and what can be built again must be the same bytes. FUZZ_CHECK
 * stays in every build, unlike assert().
 *
 *	make fuzz			all of them, FUZZ_SECONDS=60 each
 *	build-fuzz/wire_fuzz crash-...	one input again
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "common/base.h"

#include <stdio.h>

#define FUZZ_CHECK(condition) do { \
	if (!(condition)) { \
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, \
		    #condition); \
		abort(); \
	} \
} while (0)

/* Called by libFuzzer: n bytes, the last one followed by a redzone. */
int	LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

#endif /* TESTS_FUZZ_H */
