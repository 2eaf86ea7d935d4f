/* SPDX-License-Identifier: MIT */
/*
 * s3list - the answer to a listing of a bucket (ListObjects), checked.
 *
 * A listing is where a mistake is dearest: a key that is missing from it is
 * the end of the WAL to archive-get, and garbage to expire. libs3 takes a
 * transfer that broke off, and a 200 with an error in it, for a listing that
 * is complete, so the bytes are judged here instead: the answer is one
 * well-formed <ListBucketResult>, closed at its end, with nothing behind it;
 * it is the answer to this question (it repeats prefix, delimiter and
 * marker); each entry is whole, has the prefix, and comes behind the one
 * before. Anything else is ERR_FORMAT, and asking again is in order.
 *
 * Pure: bytes in, entries out. Not a general XML parser: element names and
 * text; attributes are skipped, comments and CDATA are errors. Source: Amazon
 * S3 API reference, ListObjects; seen from MinIO.
 */
#ifndef ARCHIVER_S3LIST_H
#define ARCHIVER_S3LIST_H

#include "common/base.h"

struct err;

#define S3LIST_KEY_MAX	1024	/* what S3 allows */

/* What was asked for. Strings are borrowed. */
struct s3list_query {
	const char	*prefix;
	const char	*marker;	/* "": from the beginning */
	bool		 delimited;	/* by '/' */
};

/* One entry; the key is lent for the call. */
struct s3list_entry {
	const char	*key;
	uint64_t	 size;
	int64_t		 mtime;		/* seconds since 1970, 0 = unknown */
	bool		 is_prefix;
};

/*
 * Calls each() for the entries of an answer of n bytes, in their order; a
 * result that is not 0 ends it and is returned. *truncated: there are more,
 * behind the marker `next`, which is greater than the one asked with. Entries
 * are handed out before the answer is known to be good: the caller drops
 * them unless the result is 0. ERR_FORMAT with what is wrong.
 */
int	s3list_parse(const char *bytes, size_t n, const struct s3list_query *,
	    int (*each)(void *arg, const struct s3list_entry *), void *arg,
	    bool *truncated, char next[S3LIST_KEY_MAX + 1], struct err *)
	    MUST_CHECK;

#endif /* ARCHIVER_S3LIST_H */
