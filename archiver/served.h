/* SPDX-License-Identifier: MIT */
/*
 * served - a stanza that the daemon serves, with everything kept open.
 *
 * Its settings, its open repositories, the segments that are pushed ahead of
 * PostgreSQL and those that are fetched ahead of recovery.
 *
 * Calling sequence: served_prepare(), served_lock() or served_take_lock(),
 * served_start(); served_push() and served_get() from any threads; and
 * served_release() by each that holds it, of whom the last closes it.
 */
#ifndef ARCHIVER_SERVED_H
#define ARCHIVER_SERVED_H

#include "common/base.h"

struct buf;
struct err;
struct served;
struct verb_call;

/*
 * Reads the stanza's sections of a file and opens its repositories; connects
 * to nothing and starts nothing. The caller holds it. What settings_load()
 * and repos_open() say.
 */
int	served_prepare(struct served **out, const char *config,
	    const char *name, struct err *e) MUST_CHECK;

/* Takes the stanza's lock `archive`, or takes it over from its forerunner. */
int	served_lock(struct served *, struct err *e) MUST_CHECK;
void	served_take_lock(struct served *, struct served *from);

/* Starts to push ahead. That it cannot is logged: the verbs work without. */
void	served_start(struct served *);

/* Any thread. The last release stops and closes everything. */
void	served_hold(struct served *);
void	served_release(struct served *);

/*
 * Appends a line for each setting in which two of one name differ; false if
 * none does.
 */
bool	served_changes(const struct served *before, const struct served *after,
	    struct buf *out);

const char *served_name(const struct served *);

/* How long each verb may take, in microseconds. */
int64_t	served_push_timeout(const struct served *);
int64_t	served_get_timeout(const struct served *);

/* The verbs archive-push and archive-get, with what is open. */
int	served_push(struct served *, const struct verb_call *, struct err *e)
	    MUST_CHECK;
int	served_get(struct served *, const struct verb_call *, struct err *e)
	    MUST_CHECK;

#endif /* ARCHIVER_SERVED_H */
