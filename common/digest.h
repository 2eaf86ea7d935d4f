/* SPDX-License-Identifier: MIT */
/*
 * digest - XXH3-128 of chunks, WAL segments and statements.
 *
 * Finds rot, not forgers: whoever can choose the bytes can make two inputs
 * collide, unless the digest is keyed with a secret that they do not know.
 * The sixteen bytes are xxHash's canonical form (high half first), so the
 * hex text equals what `xxhsum -H2` prints.
 *
 * Calling sequence: digest_of() for bytes at hand; for a stream
 * digest_stream_new(), digest_stream_add() any number of times,
 * digest_stream_get(), then digest_stream_reset() for the next one or
 * digest_stream_free(). The same bytes and key give the same digest both
 * ways, however the stream was cut. Nothing here is shared: one stream
 * belongs to one thread at a time.
 */
#ifndef COMMON_DIGEST_H
#define COMMON_DIGEST_H

#include "common/base.h"

#define DIGEST_LEN	16
#define DIGEST_HEX_LEN	(2 * DIGEST_LEN)
#define DIGEST_KEY_LEN	192

struct digest {
	unsigned char bytes[DIGEST_LEN];
};

/* A secret of random bytes (random_fill()); low entropy weakens the hash. */
struct digest_key {
	unsigned char bytes[DIGEST_KEY_LEN];
};

struct digest_stream;

/* The digest of n bytes; `key` is NULL for the plain one. */
void	digest_of(const struct digest_key *key, const void *bytes, size_t n,
	    struct digest *out);

/* The digest under a 64-bit seed: for tables in memory, never on disk. */
void	digest_of_seeded(uint64_t seed, const void *bytes, size_t n,
	    struct digest *out);

/*
 * A stream, ready for adding, or NULL without memory. The key (NULL for the
 * plain digest) is borrowed until digest_stream_free().
 */
struct digest_stream *digest_stream_new(const struct digest_key *key)
	    MUST_CHECK;
void	digest_stream_free(struct digest_stream *);	/* NULL is fine */
void	digest_stream_reset(struct digest_stream *);
void	digest_stream_add(struct digest_stream *, const void *bytes,
	    size_t n);
/* The digest of what was added so far; more may be added after it. */
void	digest_stream_get(const struct digest_stream *, struct digest *out);

/* Writes DIGEST_HEX_LEN lower-case digits and a NUL. */
void	digest_hex(const struct digest *, char out[DIGEST_HEX_LEN + 1]);

/* Reads exactly DIGEST_HEX_LEN lower-case digits. 0 or ERR_FORMAT. */
int	digest_from_hex(const char *hex, size_t n, struct digest *out)
	    MUST_CHECK;

bool	digest_equal(const struct digest *, const struct digest *);

#endif /* COMMON_DIGEST_H */
