/* SPDX-License-Identifier: MIT */
/*
 * help - what a verb does and takes, for `homelab-archiver VERB --help`.
 *
 * From the verb's line in verbs.def and the option tables, so that it says
 * what the program does. Pure.
 */
#ifndef ARCHIVER_HELP_H
#define ARCHIVER_HELP_H

#include "common/base.h"

struct buf;

/*
 * Appends usage, help and the options of a verb, lines of 79 at most. False
 * if there is no such verb, or one of its options is in no table: a mistake
 * in verbs.def, which a unit test looks for.
 */
bool	help_verb(const char *verb, struct buf *out) MUST_CHECK;

#endif /* ARCHIVER_HELP_H */
