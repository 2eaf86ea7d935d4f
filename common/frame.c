/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/frame.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"

static const char magic[4] = { 'H', 'L', 'A', 'C' };

size_t
frame_begin(struct buf *b, enum frame_type type)
{
	size_t start = buf_len(b);

	buf_append(b, magic, sizeof(magic));
	buf_append_be16(b, FRAME_VERSION);
	buf_append_be16(b, (uint16_t)type);
	buf_append_be32(b, 0);
	return start;
}

void
frame_add(struct buf *b, const char *key, const char *value)
{
	buf_append_cstr(b, key);
	buf_append_cstr(b, value);
}

void
frame_add_int(struct buf *b, const char *key, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	frame_add(b, key, text);
}

void
frame_end(struct buf *b, size_t start)
{
	size_t len;

	if (buf_failed(b))
		return;
	len = buf_len(b) - start - FRAME_HEADER;
	if (len > FRAME_BODY_MAX) {
		b->failed = true;
		return;
	}
	buf_put_be32_at(b, start + 8, (uint32_t)len);
}

/* An even number of strings, the last one ended. */
static bool
is_well_formed(const char *body, size_t len)
{
	size_t i, ends = 0;

	for (i = 0; i < len; i++)
		ends += body[i] == '\0';
	return ends % 2 == 0 && (len == 0 || body[len - 1] == '\0');
}

int
frame_parse(const void *bytes, size_t n, struct frame *out, size_t *used)
{
	const unsigned char *p = bytes;
	size_t		     len;
	int		     type;

	if (memcmp(p, magic, MIN(n, sizeof(magic))) != 0)
		return ERR_PROTOCOL;
	if (n < FRAME_HEADER)
		return 0;
	if ((p[4] << 8 | p[5]) != FRAME_VERSION)
		return ERR_NOT_YET;
	type = p[6] << 8 | p[7];
	len = (size_t)p[8] << 24 | (size_t)p[9] << 16 | (size_t)p[10] << 8 |
	    p[11];
	if (type < FRAME_REQUEST || type > FRAME_VERDICT ||
	    len > FRAME_BODY_MAX)
		return ERR_PROTOCOL;
	if (n - FRAME_HEADER < len)
		return 0;
	out->type = (enum frame_type)type;
	out->body = (const char *)p + FRAME_HEADER;
	out->len = len;
	*used = FRAME_HEADER + len;
	return is_well_formed(out->body, len) ? 1 : ERR_PROTOCOL;
}

bool
frame_next(const struct frame *f, size_t *at, const char **key,
    const char **value)
{
	if (*at >= f->len)
		return false;
	*key = f->body + *at;
	*value = *key + strlen(*key) + 1;
	*at += strlen(*key) + strlen(*value) + 2;
	return true;
}

const char *
frame_get(const struct frame *f, const char *key)
{
	const char *k, *v;
	size_t	    at = 0;

	while (frame_next(f, &at, &k, &v)) {
		if (strcmp(k, key) == 0)
			return v;
	}
	return NULL;
}

int64_t
frame_get_int(const struct frame *f, const char *key)
{
	const char *v = frame_get(f, key);

	return v == NULL ? 0 : strtoll(v, NULL, 10);
}
