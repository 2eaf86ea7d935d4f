/* SPDX-License-Identifier: MIT */
/*
 * frame - the archiver's control protocol, as bytes. Pure.
 *
 * A frame is a header of FRAME_HEADER bytes and a body of keys and values:
 *
 *	0  4  "HLAC"
 *	4  2  protocol version, FRAME_VERSION, big-endian
 *	6  2  type (enum frame_type)
 *	8  4  length of the body, at most FRAME_BODY_MAX
 *
 * The body is pairs of NUL-terminated strings, key and value; a key may
 * come several times. A client sends one REQUEST on a connection, with at
 * most one descriptor; the server answers ACCEPTED, then any number of
 * PROGRESS, OUTPUT and WARNING, then one VERDICT, and closes. Keys:
 *
 *	REQUEST		version, verb, config, path; arg once per argument
 *	ACCEPTED	timeout_us: when to give up on it; 0 = never
 *	PROGRESS	what, done, total
 *	OUTPUT, WARNING	text
 *	VERDICT		code (of err.def, 0 = success), msg, hint;
 *			declined=1: do it yourself
 *
 * Codes are those of one build: server and client compare `version`.
 */
#ifndef COMMON_FRAME_H
#define COMMON_FRAME_H

#include "common/base.h"

struct buf;

#define FRAME_HEADER	12
#define FRAME_VERSION	1
#define FRAME_BODY_MAX	((size_t)1 << 20)

enum frame_type {
	FRAME_REQUEST = 1,
	FRAME_ACCEPTED,
	FRAME_PROGRESS,
	FRAME_OUTPUT,
	FRAME_WARNING,
	FRAME_VERDICT
};

/* A frame within somebody's bytes. */
struct frame {
	enum frame_type	 type;
	const char	*body;
	size_t		 len;
};

/*
 * Writes: frame_begin() returns where the frame starts, frame_add() any
 * number of times, frame_end() with that start. Failures are the buffer's;
 * a body that became too long is one.
 */
size_t	frame_begin(struct buf *, enum frame_type type);
void	frame_add(struct buf *, const char *key, const char *value);
void	frame_add_int(struct buf *, const char *key, int64_t value);
void	frame_end(struct buf *, size_t start);

/*
 * Looks for a frame at the start of n bytes. 1: *out is set, its body
 * points into them, and *used bytes were it. 0: more must come.
 * ERR_PROTOCOL: it is no frame, too long, of an unknown type or malformed.
 * ERR_NOT_YET: another version of the protocol.
 */
int	frame_parse(const void *bytes, size_t n, struct frame *out,
	    size_t *used) MUST_CHECK;

/*
 * The pairs in order: start with *at = 0; false at the end. The strings
 * point into the frame.
 */
bool	frame_next(const struct frame *, size_t *at, const char **key,
	    const char **value);

/* The first value of a key, NULL if there is none; as a number, or 0. */
const char *frame_get(const struct frame *, const char *key);
int64_t	frame_get_int(const struct frame *, const char *key);

#endif /* COMMON_FRAME_H */
