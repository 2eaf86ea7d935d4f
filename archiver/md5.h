/* SPDX-License-Identifier: MIT */
/*
 * md5 - the Content-MD5 of what is put into S3.
 *
 * S3's signatures of version 2 do not cover a request's body; this header
 * does, and a server refuses a body that was damaged on its way. For nothing
 * else: MD5 keeps no forger out.
 * Calling sequence: md5_new(), md5_add() any number of times, md5_text().
 */
#ifndef ARCHIVER_MD5_H
#define ARCHIVER_MD5_H

#include "common/base.h"

#define MD5_TEXT_MAX	25	/* 16 bytes in base64, and a NUL */

struct md5;

/* NULL without memory, or where MD5 is forbidden (FIPS). */
struct md5 *md5_new(void) MUST_CHECK;
void	md5_add(struct md5 *, const void *bytes, size_t n);

/* The digest in base64; ends and frees it. NULL in: returns ERR_NOMEM. */
int	md5_text(struct md5 *, char out[MD5_TEXT_MAX]) MUST_CHECK;

/*
 * What S3 calls an ETag (32 hexadecimal digits, in quotes or not) in base64;
 * false if it does not look like the MD5 of anything.
 */
bool	md5_of_etag(const char *etag, char out[MD5_TEXT_MAX]);

#endif /* ARCHIVER_MD5_H */
