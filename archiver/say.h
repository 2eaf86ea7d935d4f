/* SPDX-License-Identifier: MIT */
/*
 * say - what a verb says on the terminal of who typed it.
 *
 * The thin program, when a daemon does the work, and the engine, when it does
 * the work itself, say the same: results on stdout, warnings on stderr, and a
 * bar that makes room for both. The two are linked apart, and each has this.
 * For tables of callbacks: `bar` is a struct progress, initialised.
 */
#ifndef ARCHIVER_SAY_H
#define ARCHIVER_SAY_H

#include "common/base.h"

/* Text as it is. */
void	say_result(void *bar, const char *text);

/* A line of its own, with the program's name before it. */
void	say_warning(void *bar, const char *text);

void	say_progress(void *bar, const char *what, int64_t done, int64_t total);

#endif /* ARCHIVER_SAY_H */
