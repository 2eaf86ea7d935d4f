/* SPDX-License-Identifier: MIT */
/*
 * filter_block - one run of a file, compressed on its own.
 *
 * What packs are made of: a tag byte that says how, then the bytes. Each
 * block can be expanded without any other, so a restore reads only the
 * blocks it needs. A block that would not shrink is kept plain, so the
 * stored form is never more than one byte longer. Pure.
 */
#ifndef ARCHIVER_FILTER_BLOCK_H
#define ARCHIVER_FILTER_BLOCK_H

#include "common/base.h"

struct err;

/* The tag; what is on disk never changes its meaning. */
enum block_codec {
	BLOCK_PLAIN = 0,
	BLOCK_LZ4 = 1
};

#define BLOCK_MAX	65536u			/* plain bytes of a block */
#define BLOCK_STORED_MAX (BLOCK_MAX + 1)

/*
 * Packs n bytes (1..BLOCK_MAX) into `out`, which has room for n + 1, and
 * returns the bytes used.
 */
size_t	block_pack(enum block_codec codec, const void *bytes, size_t n,
	    void *out);

/*
 * Expands a stored block of which it is known that it holds n plain bytes.
 * ERR_FORMAT for an unknown tag, damage, or another length.
 */
int	block_unpack(const void *stored, size_t stored_n, void *out, size_t n,
	    struct err *e) MUST_CHECK;

#endif /* ARCHIVER_FILTER_BLOCK_H */
