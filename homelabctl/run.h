/* SPDX-License-Identifier: MIT */
/*
 * run - other programs: started, waited for, their output taken.
 *
 * stderr is the child's as it is ours, so that it explains itself. Signals
 * that come while it runs: see interrupt.h.
 */
#ifndef HOMELABCTL_RUN_H
#define HOMELABCTL_RUN_H

#include "common/base.h"

struct buf;
struct err;

/*
 * Runs argv[0], searched in PATH, and waits. *out gets its stdout; NULL
 * leaves stdout as it is. *status becomes its exit status, 128 + n if signal
 * n ended it. ERR_SYS when it cannot be started; ERR_NOT_FOUND for that
 * reason.
 */
int	run_program(const char *const *argv, struct buf *out, int *status,
	    struct err *e) MUST_CHECK;

/* Runs a shell command, its stdout on our stderr. Fails unless it ends 0. */
int	run_shell(const char *command, struct err *e) MUST_CHECK;

#endif /* HOMELABCTL_RUN_H */
