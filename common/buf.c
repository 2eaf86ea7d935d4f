/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/buf.h"

#include <stdio.h>
#include <string.h>

#define MIN_CAP	64

void
buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void
buf_release(struct buf *b)
{
	size_t max = b->max;

	free(b->data);
	buf_init(b, max);
}

void
buf_release_secret(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_release(b);
}

void
buf_clear(struct buf *b)
{
	b->off = b->len = 0;
	b->failed = false;
}

bool
buf_failed(const struct buf *b)
{
	return b->failed;
}

/* Makes room for n bytes behind the content, whatever the maximum is. */
static char *
make_room(struct buf *b, size_t n)
{
	size_t	cap;
	char	*p;

	if (b->data != NULL && b->cap - b->off - b->len >= n)
		return b->data + b->off + b->len;
	/* Reclaim what was consumed before asking for more. */
	if (b->off > 0) {
		memmove(b->data, b->data + b->off, b->len);
		b->off = 0;
		if (b->cap - b->len >= n)
			return b->data + b->len;
	}
	cap = MAX(b->cap, (size_t)MIN_CAP);
	while (cap < b->len + n)
		cap = cap > SIZE_MAX / 2 ? b->len + n : cap * 2;
	p = realloc(b->data, cap);
	if (p == NULL) {
		b->failed = true;
		return NULL;
	}
	b->data = p;
	b->cap = cap;
	return b->data + b->len;
}

/* True if n more bytes stay within the maximum; else the error is set. */
static bool
may_hold(struct buf *b, size_t n)
{
	size_t	max = b->max == 0 ? BUF_MAX_DEFAULT : b->max;

	if (b->failed || n > max || b->len > max - n)
		b->failed = true;
	return !b->failed;
}

char *
buf_reserve(struct buf *b, size_t n)
{
	return may_hold(b, n) ? make_room(b, n) : NULL;
}

void
buf_commit(struct buf *b, size_t n)
{
	assert(b->off + b->len + n <= b->cap);
	b->len += n;
}

void
buf_append(struct buf *b, const void *bytes, size_t n)
{
	char *p = buf_reserve(b, n);

	if (p == NULL)
		return;
	if (n > 0)
		memcpy(p, bytes, n);
	b->len += n;
}

void
buf_append_str(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}

void
buf_append_cstr(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s) + 1);
}

void
buf_append_u8(struct buf *b, uint8_t v)
{
	buf_append(b, &v, 1);
}

void
buf_append_be16(struct buf *b, uint16_t v)
{
	unsigned char p[2] = { (unsigned char)(v >> 8), (unsigned char)v };

	buf_append(b, p, sizeof(p));
}

void
buf_append_be32(struct buf *b, uint32_t v)
{
	unsigned char p[4] = {
		(unsigned char)(v >> 24), (unsigned char)(v >> 16),
		(unsigned char)(v >> 8), (unsigned char)v
	};

	buf_append(b, p, sizeof(p));
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list	ap;
	char	*p;
	int	n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		b->failed = true;
		return;
	}
	/* vsnprintf() wants room for a NUL that is not content. */
	if (!may_hold(b, (size_t)n))
		return;
	p = make_room(b, (size_t)n + 1);
	if (p == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

void
buf_put_be32_at(struct buf *b, size_t pos, uint32_t v)
{
	unsigned char *p;

	if (b->failed)
		return;
	assert(pos + 4 <= b->len);
	p = (unsigned char *)b->data + b->off + pos;
	p[0] = (unsigned char)(v >> 24);
	p[1] = (unsigned char)(v >> 16);
	p[2] = (unsigned char)(v >> 8);
	p[3] = (unsigned char)v;
}

void
buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	b->off += n;
	b->len -= n;
	if (b->len == 0)
		b->off = 0;
}

void
buf_truncate(struct buf *b, size_t n)
{
	assert(n <= b->len);
	b->len = n;
}

const char *
buf_cstr(struct buf *b)
{
	bool	failed = b->failed;
	char	*p = make_room(b, 1);

	/* A full buffer has its NUL behind the maximum: no failure. */
	b->failed = failed;
	if (p == NULL)
		return "";
	*p = '\0';
	return b->data + b->off;
}
