/* SPDX-License-Identifier: MIT */
/*
 * buf - a growable run of bytes with a hard maximum.
 *
 * The only place that does length arithmetic on memory that a peer fills:
 * callers append and consume, the buffer checks. An append that fails (the
 * maximum, or no memory) sets a sticky error and changes nothing, so that a
 * message can be built in ten calls and checked once with buf_failed().
 * Calling sequence: buf_init() (or zero it and use BUF_MAX_DEFAULT),
 * appends and reads, buf_release(). Not thread-safe.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include "common/base.h"

#define BUF_MAX_DEFAULT	((size_t)1 << 30)

struct buf {
	char	*data;		/* the first unread byte is data[off] */
	size_t	 off;
	size_t	 len;		/* bytes from off on */
	size_t	 cap;
	size_t	 max;		/* 0 = BUF_MAX_DEFAULT */
	bool	 failed;
};

/* An empty buffer that never holds more than max bytes; 0 = the default. */
void	 buf_init(struct buf *, size_t max);

/* Frees the memory; the buffer is empty and may be used again. */
void	 buf_release(struct buf *);

/* As buf_release(), after overwriting what it held: for secrets. */
void	 buf_release_secret(struct buf *);

/* Empties it and clears the error; keeps the memory. */
void	 buf_clear(struct buf *);

/* True if an append failed since the last clear or init. */
bool	 buf_failed(const struct buf *);

/*
 * Makes room for n more bytes and returns where they go, NULL on failure.
 * Valid until the next call that appends. buf_commit(n) then adds them.
 */
char	*buf_reserve(struct buf *, size_t n) MUST_CHECK;
void	 buf_commit(struct buf *, size_t n);

/* Appends; a failure is sticky. */
void	 buf_append(struct buf *, const void *bytes, size_t n);
void	 buf_append_str(struct buf *, const char *s);	/* without the NUL */
void	 buf_append_cstr(struct buf *, const char *s);	/* with the NUL */
void	 buf_append_u8(struct buf *, uint8_t v);
void	 buf_append_be16(struct buf *, uint16_t v);
void	 buf_append_be32(struct buf *, uint32_t v);
void	 buf_printf(struct buf *, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Overwrites four bytes at `pos` from the first unread one; must be inside. */
void	 buf_put_be32_at(struct buf *, size_t pos, uint32_t v);

/* Drops the first n unread bytes (n <= len). */
void	 buf_consume(struct buf *, size_t n);

/* Cuts the unread bytes to n (n <= len). */
void	 buf_truncate(struct buf *, size_t n);

/* The first unread byte; never NULL once something was appended. */
static inline const char *
buf_bytes(const struct buf *b)
{
	return b->data == NULL ? NULL : b->data + b->off;
}

static inline size_t
buf_len(const struct buf *b)
{
	return b->len;
}

/*
 * The unread bytes as a NUL-terminated string, valid until the next append;
 * "" if there is no memory for that. The NUL is not part of the content and
 * does not count against the maximum.
 */
const char *buf_cstr(struct buf *);

#endif /* COMMON_BUF_H */
