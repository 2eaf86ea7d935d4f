/* SPDX-License-Identifier: MIT */
/*
 * verify_wal - reads all WAL objects of a stanza: verify.c's other half.
 *
 * Several threads at once, each with one object in the works, which is
 * digested as it comes and never held: the memory is that of a reader a
 * thread and the list of keys. Then it looks for gaps.
 */
#ifndef ARCHIVER_VERIFY_WAL_H
#define ARCHIVER_VERIFY_WAL_H

#include "common/base.h"

struct catalog;
struct err;
struct stanza_claims;

struct verify_wal {
	const struct catalog *c;
	int		 threads;
	/* Told of each fault, by any thread, one at a time. */
	void		(*fault)(void *arg, const char *object,
			    const char *what);
	bool		(*cancelled)(void *arg);
	void		*arg;
	/* Of the oldest backup, from whose start on WAL must have no gap. */
	bool		 need;
	uint32_t	 need_timeline;
	uint64_t	 need_number;	/* LSN / segment size */
	uint32_t	 segment_size;	/* 0: not known, gaps are not */
	uint64_t	 objects;	/* out: that were read */
};

/* 0 also with faults; else what kept it from going on. */
int	verify_wal_run(struct verify_wal *w,
	    const struct stanza_claims *claims, struct err *e) MUST_CHECK;

/* Faults of an object are reported; what is ours or the store's ends it. */
bool	verify_is_fatal(int code);

#endif /* ARCHIVER_VERIFY_WAL_H */
