/* SPDX-License-Identifier: MIT */
/*
 * message - messages of the protocol as words of a script, both ways.
 *
 * How they are written stands at the head of pgtalk.c. No input, no output.
 */
#ifndef TESTS_PGTALK_MESSAGE_H
#define TESTS_PGTALK_MESSAGE_H

#include "common/base.h"

static inline uint32_t
be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static inline unsigned
be16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* A received message's text, from its body of len bytes; the caller frees it. */
char	*text_of(char type, const unsigned char *body, size_t len);

/* Messages to send, one behind the other; zeroed: none. The caller frees data. */
struct out {
	char	*data;
	size_t	 len, cap;
	size_t	 start;		/* of the last message's length */
};

/* Appends a message: its type in w[0], and what it holds. fail() if there is
 * no such type. */
void	put_message(struct out *, char **w, size_t n);

#endif /* TESTS_PGTALK_MESSAGE_H */
