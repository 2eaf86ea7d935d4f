/* SPDX-License-Identifier: MIT */
/*
 * s3error - what an S3 server's refusal means, and what to do about it.
 *
 * A transport (libs3 today) says which kind of answer it was and what the
 * server wrote; the code, the message and the hint are made here, so that
 * every transport says the same. Pure.
 */
#ifndef ARCHIVER_S3ERROR_H
#define ARCHIVER_S3ERROR_H

#include "common/base.h"

struct err;

enum s3error_kind {
	S3ERROR_NO_BUCKET,
	S3ERROR_NO_KEY,
	S3ERROR_REFUSED,	/* credentials, or what they may do */
	S3ERROR_SKEWED,		/* the clocks of client and server differ */
	S3ERROR_NO_NAME,	/* the host's name has no address */
	S3ERROR_NO_CONNECTION,
	S3ERROR_OTHER
};

/* Where it happened; borrowed. */
struct s3error_place {
	int		 repo;		/* 1 for repo1 */
	const char	*host;		/* host[:port] */
	const char	*bucket;
	const char	*name;		/* the store's, for messages */
};

/*
 * Sets code, message and hint. `what` is the key or the request, `says` the
 * server's words or the transport's. Returns ERR_STORE, ERR_NOT_FOUND,
 * ERR_AUTH, ERR_CLOCK, ERR_CONNECT or ERR_NOSPACE.
 */
int	s3error_set(const struct s3error_place *, enum s3error_kind,
	    const char *what, const char *says, struct err *e);

/* Whether the server's words are that it has no room: no try mends that. */
bool	s3error_is_full(const char *says);

#endif /* ARCHIVER_S3ERROR_H */
