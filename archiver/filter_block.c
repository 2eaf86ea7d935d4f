/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/filter_block.h"

#include <lz4.h>
#include <string.h>

#include "common/err.h"

size_t
block_pack(enum block_codec codec, const void *bytes, size_t n, void *out)
{
	unsigned char	*p = out;
	int		 used = 0;

	assert(n > 0 && n <= BLOCK_MAX);
	/* With room for n - 1 only, lz4 gives up as soon as nothing is won. */
	if (codec == BLOCK_LZ4 && n > 1) {
		used = LZ4_compress_default(bytes, (char *)p + 1, (int)n,
		    (int)n - 1);
	}
	if (used > 0) {
		p[0] = BLOCK_LZ4;
		return (size_t)used + 1;
	}
	p[0] = BLOCK_PLAIN;
	memcpy(p + 1, bytes, n);
	return n + 1;
}

int
block_unpack(const void *stored, size_t stored_n, void *out, size_t n,
    struct err *e)
{
	const unsigned char *p = stored;
	int		got;

	if (stored_n < 2 || stored_n > BLOCK_STORED_MAX || n > BLOCK_MAX) {
		return err_set(e, ERR_FORMAT,
		    "a block of %zu stored bytes is impossible", stored_n);
	}
	switch (p[0]) {
	case BLOCK_PLAIN:
		if (stored_n != n + 1)
			break;
		memcpy(out, p + 1, n);
		return 0;
	case BLOCK_LZ4:
		got = LZ4_decompress_safe((const char *)p + 1, out,
		    (int)stored_n - 1, (int)n);
		if (got < 0 || (size_t)got != n)
			break;
		return 0;
	default:
		return err_set(e, ERR_FORMAT,
		    "a block has the unknown compression %u", p[0]);
	}
	return err_set(e, ERR_FORMAT, "a block does not expand to %zu bytes",
	    n);
}
