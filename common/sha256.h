/* SPDX-License-Identifier: MIT */
/*
 * sha256 - SHA-256 of bytes at hand, by OpenSSL.
 *
 * For what other programs check: PostgreSQL wants it at the end of a
 * backup_manifest. Our own digests are XXH3 (digest.h). Thread-safe.
 */
#ifndef COMMON_SHA256_H
#define COMMON_SHA256_H

#include "common/base.h"

#define SHA256_LEN	32

/* Returns 0, or ERR_GENERAL when OpenSSL refuses (no memory, FIPS). */
int	sha256_of(const void *bytes, size_t n, unsigned char out[SHA256_LEN])
	    MUST_CHECK;

#endif /* COMMON_SHA256_H */
