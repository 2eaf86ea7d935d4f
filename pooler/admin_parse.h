/* SPDX-License-Identifier: MIT */
/*
 * admin_parse - the grammar of the admin console.
 *
 *	command : WORD [WORD] [;]
 *	set     : set WORD (= | to) (WORD | 'string') [;]
 *	WORD    : [0-9a-zA-Z_]+ | "..." with "" for a quote
 *	string  : '' for a quote
 *
 * with blanks (space, tab, CR, LF) between and around; a WORD and the next
 * one need some. That is all of it: no comments, one statement. Contract,
 * section 13.1. Pure.
 */
#ifndef POOLER_ADMIN_PARSE_H
#define POOLER_ADMIN_PARSE_H

#include "common/base.h"

#define ADMIN_WORD_MAX	15
#define ADMIN_ARG_MAX	63
#define ADMIN_VALUE_MAX	255

struct admin_words {
	bool	is_set;
	char	word[ADMIN_WORD_MAX + 1];	/* of a command */
	char	arg[ADMIN_ARG_MAX + 1];		/* "" if none; SET's key */
	char	value[ADMIN_VALUE_MAX + 1];	/* SET's */
};

/*
 * Returns 0; ERR_FORMAT for what does not match; ERR_LIMIT for a word that
 * is too long.
 */
int	admin_parse(const char *sql, struct admin_words *) MUST_CHECK;

#endif /* POOLER_ADMIN_PARSE_H */
