/* SPDX-License-Identifier: MIT */
/*
 * thin - the part of the program that PostgreSQL starts for each segment.
 *
 * libc only: with every library of the engine an empty program takes 14 ms
 * to start, with libc alone 0.8 ms. Pure but for thin_open() and what is
 * named so.
 */
#ifndef ARCHIVER_THIN_H
#define ARCHIVER_THIN_H

#include "common/base.h"

struct err;

struct thin_verb {
	const char	*name;
	unsigned	 flags;		/* VERB_* */
	const char	*args;
	const char	*help;
};

/* NULL if there is none of that name. Prints the list: thin_usage(). */
const struct thin_verb *thin_verb(const char *name);
void	thin_usage(void);

/* Looks for a verb among n words; its index, or -1. */
int	thin_find(int n, const char *const *words);

/* The file of archive-push or archive-get. */
struct thin_file {
	int	fd;		/* -1: none */
	char	path[4096];	/* absolute, as PostgreSQL named it */
	char	tmp[4200];	/* archive-get: what is filled; "" none */
};

/*
 * Opens the file that the last word of the verb's arguments names, in the
 * working directory, which is the data directory. ERR_USAGE: an option is
 * written as two words, so that nobody can tell it from an argument.
 */
int	thin_open(const struct thin_verb *, int n, const char *const *words,
	    struct thin_file *, struct err *e) MUST_CHECK;

/* archive-get: a new file to fill, the former one is removed. */
int	thin_reopen(struct thin_file *, struct err *e) MUST_CHECK;

/*
 * Closes it. archive-get: on success the filled file gets its name, else it
 * is removed. Returns rc, or what went wrong now.
 */
int	thin_close(struct thin_file *, int rc, struct err *e) MUST_CHECK;

/*
 * The exit status. archive-push: 0, or 1 to 125, because PostgreSQL's
 * archiver ends with more. archive-get: 0 delivered; 1 every repository said
 * no (ERR_ABSENT), upon which PostgreSQL ends recovery; else 126, which
 * stops it, unless `standby` is true (standby.signal is there): then 1, for
 * a streaming standby goes back to its stream. Others: err_exit_status().
 */
int	thin_exit_status(const struct thin_verb *, int code, bool standby);

#endif /* ARCHIVER_THIN_H */
