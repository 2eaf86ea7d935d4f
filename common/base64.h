/* SPDX-License-Identifier: MIT */
/*
 * base64 - RFC 4648, section 4: the standard alphabet, padded.
 *
 * Strict: one text for each run of bytes and one run of bytes for each text.
 * Pure.
 */
#ifndef COMMON_BASE64_H
#define COMMON_BASE64_H

#include "common/base.h"
#include "common/buf.h"

/* The characters that n bytes become, without a NUL. */
#define BASE64_LEN(n)	(((n) + 2) / 3 * 4)

/* Appends BASE64_LEN(n) characters. */
void	base64_encode(struct buf *, const void *bytes, size_t n);

/*
 * Decodes n characters into at most `cap` bytes. Returns 0 and their number;
 * ERR_FORMAT for a character outside the alphabet, blanks included, missing
 * or misplaced padding, or set bits behind the last byte; ERR_LIMIT if `cap`
 * is too small. The output is undefined unless 0 was returned.
 */
int	base64_decode(const char *text, size_t n, void *out, size_t cap,
	    size_t *len) MUST_CHECK;

#endif /* COMMON_BASE64_H */
