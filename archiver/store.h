/* SPDX-License-Identifier: MIT */
/*
 * store - where a repository's objects lie: a directory, or S3.
 *
 * Objects are written whole, never changed and never overwritten: their keys
 * hold a digest or a random part. Every call has a time limit and can be
 * cancelled, and "the object is not there" (ERR_NOT_FOUND) is said only when
 * the store itself said so: an unreachable host, a missing bucket or a root
 * directory that is not mounted is another code, because a restore would
 * take the one for the end of the WAL and must never do so for the other.
 *
 * Keys are relative to the repository's root and consist of A-Z a-z 0-9 . _
 * - and /; no part between slashes is empty or begins with a dot, and the
 * whole is at most STORE_KEY_MAX bytes.
 *
 * Calling sequence: store_dir_open() or store_s3_open(), any calls from any
 * number of threads, store_close(). Calls block; a daemon makes them from
 * threads of its own.
 *
 * What every call may return besides what its comment names: ERR_TIMEOUT,
 * ERR_CANCELLED, ERR_AUTH (wrong credentials), ERR_CLOCK, ERR_ACCESS,
 * ERR_CONNECT, ERR_STORE (anything else of the store's side), ERR_NOMEM,
 * ERR_USAGE (a key that is not one).
 */
#ifndef ARCHIVER_STORE_H
#define ARCHIVER_STORE_H

#include "common/base.h"

struct buf;
struct err;

#define STORE_KEY_MAX	512

/*
 * How long a call may take, in microseconds from its start (0: as long as
 * it takes), and whether it still should. `cancelled` is asked several
 * times a second, in the calling thread; NULL: never.
 */
struct store_limits {
	int64_t	  timeout_us;
	bool	(*cancelled)(void *arg);
	void	 *arg;
};

/* What is to be put: memory, or (bytes == NULL) a part of a file. */
struct store_part {
	const void	*bytes;
	int		 fd;
	uint64_t	 offset;	/* in the file */
	uint64_t	 len;
};

/* One line of a listing; the key is lent for the call. */
struct store_entry {
	const char	*key;
	uint64_t	 size;
	int64_t		 mtime;		/* seconds since 1970, 0 = unknown */
	bool		 is_prefix;	/* delimited: all keys below key, which
					   ends in '/' */
};

/* Takes the next bytes of an object; a result that is not 0 ends the call. */
typedef int store_sink(void *arg, const void *bytes, size_t n, struct err *e);

struct store;

/* Waits for everything to be back and frees it; NULL is legal. */
void	store_close(struct store *);

/* Names the store for messages: "/var/lib/x", "s3://bucket/path". */
const char *store_name(const struct store *);

/*
 * Durable when it returns 0. ERR_EXISTS: there is an object of that key, and
 * nothing was changed; a store that cannot tell (libs3 has no conditional
 * PUT) replaces it and returns 0. ERR_NOSPACE: the store is full.
 */
int	store_put(struct store *, const char *key, const void *bytes,
	    size_t n, const struct store_limits *, struct err *) MUST_CHECK;
int	store_put_parts(struct store *, const char *key,
	    const struct store_part *parts, size_t n,
	    const struct store_limits *, struct err *) MUST_CHECK;

/*
 * Appends n bytes from `offset` to out; n == 0: all from there on.
 * ERR_NOT_FOUND; ERR_STORE if the object ends before.
 */
int	store_get(struct store *, const char *key, uint64_t offset, size_t n,
	    struct buf *out, const struct store_limits *, struct err *)
	    MUST_CHECK;

/*
 * The same, handed to the sink piece by piece. A store that tries again
 * after a broken transfer goes on where it was: no byte comes twice.
 */
int	store_read(struct store *, const char *key, uint64_t offset, size_t n,
	    store_sink *sink, void *arg, const struct store_limits *,
	    struct err *) MUST_CHECK;

/* The object's size. ERR_NOT_FOUND. */
int	store_head(struct store *, const char *key, uint64_t *size,
	    const struct store_limits *, struct err *) MUST_CHECK;

/*
 * Calls each() for every key that begins with prefix (which may be empty or
 * end within a name), in no particular order. `delimited`: keys with a '/'
 * behind the prefix are named once, by what comes up to it. Returns the
 * first result of each() that is not 0, else 0, also when there is none.
 */
int	store_list(struct store *, const char *prefix, bool delimited,
	    int (*each)(void *arg, const struct store_entry *), void *arg,
	    const struct store_limits *, struct err *) MUST_CHECK;

/* ERR_NOT_FOUND, or (S3) 0 when there is no such object. */
int	store_remove(struct store *, const char *key,
	    const struct store_limits *, struct err *) MUST_CHECK;

/*
 * Removes (remove == false: only names) what writers that were killed left
 * below prefix: files under hidden names, which no listing shows. Only those
 * not written after `before` (seconds since 1970) whose writer is gone;
 * each() is told of every one, with its hidden key. Nothing where a put
 * leaves no traces (S3). Returns as store_list().
 */
struct store_sweep {
	const char	*prefix;
	int64_t		 before;
	bool		 remove;
	int		(*each)(void *arg, const struct store_entry *);
	void		*arg;
};
int	store_sweep(struct store *, const struct store_sweep *,
	    const struct store_limits *, struct err *) MUST_CHECK;

/*
 * Whether the store can be reached, this bucket or directory is there, and
 * (where that can be known: a directory's file system) `room` bytes fit: the
 * errors of a listing and of a put, with hints for people.
 */
int	store_check(struct store *, uint64_t room, const struct store_limits *,
	    struct err *) MUST_CHECK;

/*
 * A directory, made on the first put. Its parent must exist, so that a
 * repository on a file system that is not mounted is an error.
 */
int	store_dir_open(struct store **out, const char *root, struct err *)
	    MUST_CHECK;

/* S3; borrowed for the call. */
struct store_s3_config {
	int		 repo;		/* its number, for messages */
	const char	*endpoint;	/* http://host:port or host[:port] */
	const char	*bucket;
	const char	*path;		/* prefix of all keys, may be "/" */
	const char	*key;
	const char	*secret;
	bool		 virtual_host;	/* bucket.host instead of host/bucket */
};

/*
 * Connects to nothing yet. ERR_CONFIG with a hint: https (Debian's libs3
 * verifies no certificate), a bad bucket name, an empty key.
 */
int	store_s3_open(struct store **out, const struct store_s3_config *,
	    struct err *) MUST_CHECK;

/* --- For the back ends. --- */

/* A call in progress: its deadline on the clock of clock_us(). */
struct store_op {
	int64_t		  due;		/* INT64_MAX: none */
	bool		(*cancelled)(void *arg);
	void		 *arg;
};

struct store_ops {
	void	(*close)(struct store *);
	int	(*put)(struct store *, const char *key,
		    const struct store_part *, size_t n,
		    const struct store_op *, struct err *);
	int	(*read)(struct store *, const char *key, uint64_t offset,
		    size_t n, store_sink *, void *arg,
		    const struct store_op *, struct err *);
	int	(*head)(struct store *, const char *key, uint64_t *size,
		    const struct store_op *, struct err *);
	int	(*list)(struct store *, const char *prefix, bool delimited,
		    int (*each)(void *, const struct store_entry *),
		    void *arg, const struct store_op *, struct err *);
	int	(*remove)(struct store *, const char *key,
		    const struct store_op *, struct err *);
	int	(*check)(struct store *, uint64_t room,
		    const struct store_op *, struct err *);
	/* NULL: a put that was cut off leaves nothing behind. */
	int	(*sweep)(struct store *, const struct store_sweep *,
		    const struct store_op *, struct err *);
};

/* The first member of every back end's struct. */
struct store {
	const struct store_ops *ops;
	char	 name[512];
};

/* What is to be put, read piece by piece; part = at = 0 is its beginning. */
struct store_source {
	const struct store_part	*parts;
	size_t			 n;
	size_t			 part;	/* which is next */
	uint64_t		 at;	/* and from where in it */
};

/*
 * Copies what comes next to buf; *n: how many bytes, 1 to `size`, or 0 at the
 * end. ERR_FORMAT: a file is shorter than its part; or what read() failed by.
 */
int	store_source_read(struct store_source *, void *buf, size_t size,
	    size_t *n, struct err *) MUST_CHECK;

/* 0, ERR_TIMEOUT or ERR_CANCELLED; the message says what was being done. */
int	store_op_check(const struct store_op *, const char *what,
	    struct err *) MUST_CHECK;

#endif /* ARCHIVER_STORE_H */
