/* SPDX-License-Identifier: MIT */
/*
 * filter - bytes in, other bytes out: what an object goes through.
 *
 * A filter takes bytes piece by piece and hands what it makes of them to a
 * sink; filters are chained by making one the sink of another. One file per
 * kind of compression; what is on disk names the kind by `id`.
 * Calling sequence: filter_new(), filter_feed() any number of times,
 * filter_finish() once, filter_free() at any point.
 */
#ifndef ARCHIVER_FILTER_H
#define ARCHIVER_FILTER_H

#include "common/base.h"

struct err;

/* Stored in object headers: the numbers never change their meaning. */
enum filter_kind {
	FILTER_NONE = 0,
	FILTER_LZ4 = 1
};

typedef int filter_sink(void *arg, const void *bytes, size_t n, struct err *e);

struct filter;

/*
 * A filter that compresses (or, `expand`, expands) into the sink. level 0 is
 * the kind's default. ERR_NOT_YET for a kind that this build does not know
 * (written by a newer version), ERR_NOMEM.
 */
int	filter_new(struct filter **out, enum filter_kind kind, bool expand,
	    int level, filter_sink *sink, void *arg, struct err *e) MUST_CHECK;

/* ERR_FORMAT when what is expanded is damaged; the sink's result. */
int	filter_feed(struct filter *, const void *bytes, size_t n,
	    struct err *e) MUST_CHECK;

/* Writes what is left. ERR_FORMAT when what is expanded ends too early. */
int	filter_finish(struct filter *, struct err *e) MUST_CHECK;

void	filter_free(struct filter *);	/* NULL is legal */

/* --- For the kinds. --- */

struct filter_ops {
	int	(*feed)(struct filter *, const void *, size_t, struct err *);
	int	(*finish)(struct filter *, struct err *);
	void	(*free)(struct filter *);
};

/* The first member of every kind's struct. */
struct filter {
	const struct filter_ops *ops;
	filter_sink	*sink;
	void		*arg;
};

int	filter_lz4_new(struct filter **out, bool expand, int level,
	    struct err *e) MUST_CHECK;

#endif /* ARCHIVER_FILTER_H */
