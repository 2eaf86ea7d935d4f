/* SPDX-License-Identifier: MIT */
/*
 * params - the tracked parameters of clients and servers.
 *
 * PostgreSQL reports some settings (ParameterStatus). The pooler keeps them
 * for each client and puts them back on whichever server the client gets. A
 * value is shared by all who have it, so that two sets are compared by
 * pointers and an idle client keeps few bytes. The names are fixed when the
 * process starts (`track_extra_parameters` cannot be reloaded).
 * Invariant: the same value is the same pointer, in all threads.
 * Calling sequence: params_names_new() once, before threads; sets are
 * zeroed or copied, released with params_release(). The table of values has
 * a lock of its own; a set belongs to one thread at a time.
 */
#ifndef POOLER_PARAMS_H
#define POOLER_PARAMS_H

#include "common/base.h"

struct buf;

#define PARAMS_MAX	24

/* The tracked names and the table of values; one for the process. */
struct params_names;

struct params_names *params_names_new(void) MUST_CHECK;
/* Adds a name (case does not matter, a known one is no error). ERR_LIMIT
 * above PARAMS_MAX, ERR_NOMEM. */
int	params_names_add(struct params_names *, const char *name) MUST_CHECK;
/* All sets must have been released. NULL is legal. */
void	params_names_free(struct params_names *);

size_t	params_count(const struct params_names *);
const char *params_name(const struct params_names *, size_t i);
/* The index of a name in any case, -1 if it is not tracked. */
int	params_index(const struct params_names *, const char *name);

/* A value for each name; NULL = unknown, the server's own will do. */
struct params {
	const char	*value[PARAMS_MAX];
};

/* Sets value i. Returns 0 or ERR_NOMEM (unchanged). */
int	params_set(struct params_names *, struct params *, size_t i,
	    const char *value) MUST_CHECK;
/* Makes dst equal to src. */
void	params_copy(struct params_names *, struct params *dst,
	    const struct params *src);
void	params_release(struct params_names *, struct params *);

/* True if `server` has all the values that `client` wants. */
bool	params_match(const struct params_names *, const struct params *client,
	    const struct params *server);

/* Does PostgreSQL read this one when it parses a statement? A literal of a
 * date, say, is a value from then on. */
bool	params_is_read_by_parse(const struct params_names *, size_t i);

/*
 * A number for what a statement is parsed with when `client` is on `server`,
 * whose values count where the client has none: the same number, the same
 * settings. It is the same in all threads, and another in another process.
 */
uint64_t params_of_parse(const struct params_names *,
	    const struct params *client, const struct params *server);

/*
 * Appends the statement that gives a server what the client wants and it
 * has not: "SET a='1';SET b='2';". Values that differ only in case count as
 * equal where PostgreSQL thinks so.
 */
void	params_diff_sql(const struct params_names *, const struct params *client,
	    const struct params *server, struct buf *out);

#endif /* POOLER_PARAMS_H */
