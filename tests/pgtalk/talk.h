/* SPDX-License-Identifier: MIT */
/*
 * talk - what all of pgtalk has in common: how a test fails, and time.
 *
 * The present test is known to pgtalk.c; what fails anywhere ends it, and the
 * script goes on with the next.
 */
#ifndef TESTS_PGTALK_TALK_H
#define TESTS_PGTALK_TALK_H

#include "common/base.h"

/* "not ok", and why. Only the first failure of a test is heard. */
void	fail(const char *, ...) PRINTF_LIKE(1, 2);

/* The present test has failed. */
bool	has_failed(void);

/* p; without memory the program ends. */
void	*must(void *p);

/* Milliseconds of the monotonic clock. */
long	now_ms(void);

/* How long anything that must come is waited for: PGTALK_WAIT_MS, or 2 min. */
long	patience_ms(void);

#endif /* TESTS_PGTALK_TALK_H */
