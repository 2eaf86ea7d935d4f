/* SPDX-License-Identifier: MIT */
/*
 * s3client - a request to an S3 server, made until it is answered.
 *
 * The transport below store_s3.c: Debian's libs3 2.0, which has no time
 * limits, cannot cancel, and verifies no certificate. So every request runs in
 * a context of its own that is driven here, turn by turn, and destroyed when
 * its time is over; and https is refused. What another try may mend is tried
 * again, a few times and with growing pauses. A context keeps its connection
 * and is kept for the next request, as many as there are threads at a time;
 * one on which something went wrong is not used again.
 *
 * A success says less than one would think, because libs3 does: a GET may
 * have broken off (compare `received` with `length`), a PUT may not have been
 * seen by the server at all, and a 200 may hold an error. What an answer must
 * be is for accept() and for the caller to say.
 *
 * Calling sequence: s3client_init(), s3client_perform() from any number of
 * threads, each with an s3request of its own; s3client_release() when all
 * are back.
 */
#ifndef ARCHIVER_S3CLIENT_H
#define ARCHIVER_S3CLIENT_H

#include "common/base.h"

#include <pthread.h>

#include "archiver/s3list.h"
#include "archiver/store.h"
#include "common/buf.h"

#define S3CLIENT_ETAG_MAX	64

struct err;
struct s3slot;

/* A server, a bucket and who asks. Members are its own, but for `name`. */
struct s3client {
	int		 repo;		/* its number, for messages */
	bool		 virtual_host;
	char		*host;		/* host[:port] */
	char		*bucket, *key, *secret;
	/* What messages call it; the caller may lend another word. */
	const char	*name;
	pthread_mutex_t	 lock;		/* idle */
	struct s3slot	*idle;
};

enum s3verb {
	S3VERB_PUT,
	S3VERB_GET,
	S3VERB_HEAD,
	S3VERB_DELETE,
	S3VERB_LIST
};

/*
 * One request, on the stack of the thread that makes it; all that the caller
 * does not set is zero. Pointers are borrowed until it has been performed.
 */
struct s3request {
	/* The question. */
	enum s3verb	 verb;
	const char	*key;		/* the whole of it; LIST: none */
	struct store_source source;	/* PUT: what */
	uint64_t	 len;		/* PUT: bytes in it */
	const char	*md5;		/* PUT: theirs, in base64 */
	uint64_t	 offset;	/* GET */
	uint64_t	 most;		/* GET: bytes wanted, 0: all from there */
	struct s3list_query query;	/* LIST */
	int		 page_keys;	/* LIST: at most so many */
	store_sink	*sink;		/* GET: what takes the bytes */
	/*
	 * Whether a success is one (0), else ERR_* and why: it is then asked
	 * again, but not after `refusals` of them (0: no such limit). May be
	 * NULL.
	 */
	int		(*accept)(struct s3request *, struct err *);
	unsigned	 refusals;
	void		*arg;		/* of sink, and for accept */

	/* The answer. */
	uint64_t	 length;	/* HEAD: the object's. GET: announced */
	uint64_t	 began;		/* GET: `received` before that answer */
	uint64_t	 received;	/* GET: of all tries: no byte twice */
	char		 etag[S3CLIENT_ETAG_MAX];	/* "": none */
	struct buf	 page;		/* LIST: as it came; the caller sets
					   its maximum and releases it */
	unsigned	 refused;	/* by accept() */
	bool		 unsure;	/* PUT: no answer, but it may be there */

	/* For the transport. */
	int		 status;
	char		 details[256];	/* what the server said */
	int		 result;	/* of a sink or a source, ends it */
	bool		 done;
	struct err	*e;
};

/*
 * Connects to nothing yet. What *c points to is copied. ERR_CONFIG with a
 * hint: https, a bad bucket name, an empty key; ERR_NOMEM; ERR_STORE if libs3
 * does not start. Then there is nothing to release.
 */
int	s3client_init(struct s3client *, const struct store_s3_config *c,
	    struct err *) MUST_CHECK;

/* Closes the connections and wipes the secret. */
void	s3client_release(struct s3client *);

/*
 * Makes the request, and makes it again where that may help. 0: answered, and
 * accepted; a PUT also if it is `unsure`. Else what a sink or a source
 * returned, what accept() did, ERR_TIMEOUT or ERR_CANCELLED, or what
 * s3error.h makes of the answer. A GET that is performed again goes on behind
 * what it has `received`.
 */
int	s3client_perform(struct s3client *, struct s3request *,
	    const struct store_op *, struct err *) MUST_CHECK;

/* Why a request is `unsure`: sets the error that it would be, and returns it. */
int	s3client_explain(const struct s3client *, const struct s3request *,
	    struct err *) MUST_CHECK;

#endif /* ARCHIVER_S3CLIENT_H */
