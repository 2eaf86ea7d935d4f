/* SPDX-License-Identifier: MIT */
/*
 * config_impl - what config.c and config_entry.c share while they read.
 *
 * Internal to pooler/config*.c. config.c drives the reading and finishes
 * the snapshot; config_entry.c reads lines of [databases] and [users].
 */
#ifndef POOLER_CONFIG_IMPL_H
#define POOLER_CONFIG_IMPL_H

#include "common/base.h"

#include "common/conf.h"
#include "pooler/config.h"

struct config_loader {
	struct config		*c;		/* the snapshot in the making */
	const struct conf_line	*at;		/* the line being read */
	struct config_db	 fallback;	/* "*"; name NULL: none yet */
	bool			 seen_main;
	bool			 warned_peers;
	struct err		*e;
};

/* Sets "<what> in configuration (file:line)"; what has no secret in it. */
int	config_fail(struct config_loader *, const char *fmt, ...)
	    PRINTF_LIKE(2, 3);

/* Adds the place to an error of opt_set(), keeping code and hint. */
int	config_add_place(struct config_loader *, const struct err *cause);

/* Adds a line "<what> (file:line)" to the snapshot's warnings. */
void	config_warn(struct config_loader *, const char *fmt, ...)
	    PRINTF_LIKE(2, 3);

int	config_no_memory(struct err *);

/*
 * Read the line that the loader is at. The last line of a name counts, an
 * earlier one is replaced with a warning.
 */
int	config_take_db(struct config_loader *) MUST_CHECK;
int	config_take_user(struct config_loader *) MUST_CHECK;

void	config_release_db(struct config_db *);
void	config_release_user(struct config_user *);

/*
 * While the arrays grow, the indexes hold the place of a name in them, plus
 * one (0: none); at the end of the reading pointers replace that.
 */
size_t	config_place_of(const struct strmap *, const char *name);
int	config_set_place(struct strmap *, const char *name, size_t place)
	    MUST_CHECK;

#endif /* POOLER_CONFIG_IMPL_H */
