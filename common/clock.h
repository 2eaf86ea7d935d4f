/* SPDX-License-Identifier: MIT */
/*
 * clock - microseconds that only go forward.
 *
 * For deadlines and durations outside of an event loop, which has its own
 * reading of it for each turn (loop_now()). What is compared over a restart,
 * or shown, is the wall clock's.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include "common/base.h"

/* The monotonic clock: from some moment in the past. */
int64_t	clock_us(void);

#endif /* COMMON_CLOCK_H */
