/* SPDX-License-Identifier: MIT */
/*
 * arguments - the command line, as PgBouncer 1.26 has it, and -t and -T.
 *
 * Contract, section 1.1. Main thread, once.
 */
#ifndef POOLER_ARGUMENTS_H
#define POOLER_ARGUMENTS_H

#include "common/base.h"
#include "pooler/config.h"

struct arguments {
	struct config_source source;	/* path, -u, -v */
	bool	daemon;			/* -d */
	bool	quiet;			/* -q */
	bool	test;			/* -t */
	bool	dump;			/* -T */
};

/*
 * Reads the command line into *a, which was zeroed; strings point into argv.
 * Returns -1 to go on, else the status to exit with: everything to say was
 * printed (-V and -h on stdout, complaints on stderr).
 */
int	arguments_parse(int argc, char **argv, struct arguments *a) MUST_CHECK;

#endif /* POOLER_ARGUMENTS_H */
