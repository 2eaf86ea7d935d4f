/* SPDX-License-Identifier: MIT */
/*
 * pairs - the value of a line of [databases], [users] and [peers].
 *
 *	host=10.0.0.5 port = 5432 password='it''s secret'
 *
 * key=value with blanks between the pairs and, if wanted, around the equal
 * sign. A value ends at a blank; in single quotes it may hold blanks, and
 * '' is a quote. Empty values are an error, as in PgBouncer. Pure.
 */
#ifndef POOLER_PAIRS_H
#define POOLER_PAIRS_H

#include "common/base.h"

/*
 * Takes the next pair from *text, which is modified: key and value point
 * into it. Returns 1, 0 if only blanks are left, or ERR_FORMAT.
 */
int	pairs_next(char **text, char **key, char **value) MUST_CHECK;

#endif /* POOLER_PAIRS_H */
