/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/base64.h"

#include "common/err.h"

void
base64_encode(struct buf *b, const void *bytes, size_t n)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = bytes;
	char	*to = buf_reserve(b, BASE64_LEN(n));
	size_t	 left;

	if (to == NULL)
		return;
	for (left = n; left > 0; p += 3, to += 4) {
		uint32_t v = (uint32_t)p[0] << 16;

		if (left > 1)
			v |= (uint32_t)p[1] << 8;
		if (left > 2)
			v |= p[2];
		to[0] = alphabet[v >> 18];
		to[1] = alphabet[v >> 12 & 63];
		to[2] = left > 1 ? alphabet[v >> 6 & 63] : '=';
		to[3] = left > 2 ? alphabet[v & 63] : '=';
		left -= MIN(left, (size_t)3);
	}
	buf_commit(b, BASE64_LEN(n));
}

static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* One group of four; `want` bytes of it count, 1..3. */
static bool
decode_group(const char *text, size_t want, unsigned char *to)
{
	uint32_t	v = 0;
	size_t		i;
	int		digit;

	for (i = 0; i < 4; i++) {
		digit = i <= want ? value_of(text[i]) : 0;
		if (digit < 0)
			return false;
		v = v << 6 | (uint32_t)digit;
	}
	for (i = 0; i < 3; i++) {
		if (i < want)
			to[i] = (unsigned char)(v >> (16 - 8 * i));
		else if ((v >> (16 - 8 * i) & 255) != 0)
			return false;
	}
	return true;
}

int
base64_decode(const char *text, size_t n, void *out, size_t cap, size_t *len)
{
	unsigned char	*to = out;
	size_t		 pad = 0, want, total;

	if (n % 4 != 0)
		return ERR_FORMAT;
	if (n > 0 && text[n - 1] == '=')
		pad = text[n - 2] == '=' ? 2 : 1;
	total = n / 4 * 3 - pad;
	if (total > cap)
		return ERR_LIMIT;
	*len = total;
	for (; n > 0; n -= 4, text += 4, to += want, total -= want) {
		want = MIN(total, (size_t)3);
		if (!decode_group(text, want, to))
			return ERR_FORMAT;
	}
	return 0;
}
