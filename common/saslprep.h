/* SPDX-License-Identifier: MIT */
/*
 * saslprep - passwords as SCRAM wants them (RFC 4013).
 *
 * PostgreSQL's rule, so that one password gives one secret everywhere: a
 * password that is all ASCII is itself; any other is normalised, and where
 * that cannot be (not UTF-8, or with a character that is prohibited) its
 * bytes are taken as they are.
 */
#ifndef COMMON_SASLPREP_H
#define COMMON_SASLPREP_H

#include "common/base.h"
#include "common/buf.h"

/* Appends the prepared password. A failure to allocate stays in the buffer;
 * the caller wipes it (buf_release_secret()). */
void	saslprep(const char *password, struct buf *out);

#endif /* COMMON_SASLPREP_H */
