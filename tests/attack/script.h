/* SPDX-License-Identifier: MIT */
/*
 * script - what one client does, message by message, as text and as bytes.
 *
 * A script is a list of steps. A step is a message of the protocol, or one of
 * three things that a client does besides sending. As text it is a line of
 * fields with tabs between; the first field is the step's letter:
 *
 *	Q sql			P name sql [oid...]
 *	B portal statement t|b [value...]	t, b: format of the results
 *	D S|P name		C S|P name		E portal rows
 *	F oid [argument...]	d data	f reason	S  H  c  X
 *	w			wait for all answers
 *	k			cancel the pg_sleep() that is running
 *	n kind			other clients of the pooler (differ.c) act
 *
 * In a field \t, \n and \\ stand for themselves, \N alone is NULL, and
 * {x*1000} for a thousand times x. The line "mode pieces 7" says how bytes
 * leave: whole, pieces (of up to so many bytes) or bytes (one by one). Lines
 * that begin with # are comments. What script_print() writes, script_parse()
 * reads.
 */
#ifndef TESTS_ATTACK_SCRIPT_H
#define TESTS_ATTACK_SCRIPT_H

#include "common/base.h"

#include <stdio.h>

#include "common/buf.h"

#define STEP_FIELDS	8
#define SCRIPT_STEPS	512

struct step {
	char	 type;
	int	 n;			/* fields behind the letter */
	char	*field[STEP_FIELDS];	/* owned; NULL is NULL */
};

struct script {
	uint64_t	seed;		/* of pieces and their sizes */
	size_t		piece;		/* 0: whole; 1: bytes */
	size_t		n;
	struct step	step[SCRIPT_STEPS];
};

/* Appends a step; fields are copied, the list ends with SCRIPT_END. A script
 * that is full takes no more, silently: it is long enough. */
#define SCRIPT_END	((const char *)1)
void	script_add(struct script *, char type, ...);

void	script_copy(struct script *to, const struct script *from);
void	script_remove(struct script *, size_t at, size_t n);
void	script_release(struct script *);

void	script_print(const struct script *, FILE *);

/* Returns false, with a word to stderr, for what is not a script. */
bool	script_parse(struct script *, FILE *);

/* Is it a message of the protocol? */
bool	step_is_message(const struct step *);

/* Appends the message's bytes. */
void	step_encode(const struct step *, struct buf *);

#endif /* TESTS_ATTACK_SCRIPT_H */
