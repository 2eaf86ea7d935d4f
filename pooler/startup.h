/* SPDX-License-Identifier: MIT */
/*
 * startup - what a client's start-up packet says, and what we allow.
 *
 * Pure. Contract, sections 8.1 and 8.3. Calling sequence: zero it,
 * startup_parse(), use, startup_release().
 */
#ifndef POOLER_STARTUP_H
#define POOLER_STARTUP_H

#include "common/base.h"
#include "common/buf.h"
#include "common/wire.h"
#include "pooler/options.h"
#include "pooler/params.h"

struct err;

struct startup {
	char		*user;
	char		*database;	/* the user's name if none was given */
	struct params	 params;	/* the tracked ones it sent */
	struct params_names *names;
	struct buf	 unsupported;	/* names of _pq_ options, each with
					 * its NUL */
	size_t		 n_unsupported;
};

/*
 * Parses the body behind a `first` of kind STARTUP. Returns 0, or a code
 * with the text for the client in e->msg and, unless empty, a line for the
 * log in e->hint.
 */
int	startup_parse(struct startup *, const struct wire_first *first,
	    const char *body, const struct options *, struct params_names *,
	    struct err *e) MUST_CHECK;

/* Appends NegotiateProtocolVersion if the client asked for more than 3.0. */
void	startup_negotiate(const struct startup *, const struct wire_first *,
	    struct buf *);

/* application_name_add_host: appends " - <at>". Returns 0 or ERR_NOMEM. */
int	startup_add_host(struct startup *, struct params_names *,
	    const char *at) MUST_CHECK;

void	startup_release(struct startup *);

#endif /* POOLER_STARTUP_H */
