/* SPDX-License-Identifier: MIT */
/*
 * calls - the system calls that change something outside of the process.
 *
 * sysfault stops at these. `kind` says where in the arguments is what the
 * call is about, `length` which argument (counted from 0) is a number of
 * bytes that may come out shorter, -1 if none is.
 */
#ifndef TESTS_FAULTS_CALLS_H
#define TESTS_FAULTS_CALLS_H

#include <stddef.h>

enum call_kind {
	CALL_OPEN,	/* path, flags */
	CALL_OPENAT,	/* directory, path, flags */
	CALL_FD,	/* descriptor */
	CALL_PATH,	/* path */
	CALL_AT,	/* directory, path (or NULL: the descriptor) */
	CALL_PATHS,	/* path, path */
	CALL_ATS	/* directory, path, directory, path */
};

struct call {
	const char	*name;
	long		 nr;
	enum call_kind	 kind;
	int		 length;
};

#define CALLS_MAX	64

extern const struct call	calls[];
extern const size_t		calls_count;

/* NULL if it is none of them. */
const struct call *call_find(long nr);

#endif /* TESTS_FAULTS_CALLS_H */
