/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/digest.h"

#include <string.h>
#include <xxhash.h>

#include "common/err.h"

_Static_assert(DIGEST_KEY_LEN >= XXH3_SECRET_SIZE_MIN, "a short XXH3 secret");
_Static_assert(sizeof(XXH128_canonical_t) == DIGEST_LEN, "a digest's size");

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE
#endif

struct digest_stream {
	XXH3_state_t		*state;	/* wants 64-byte alignment */
	const struct digest_key	*key;
	bool			 wide;	/* update_wide() may have it */
};

/* Whether what stands at the end of this file may run. */
static bool
has_wide(void)
{
#ifdef WIDE
	return CPU_HAS("avx2");
#else
	return false;
#endif
}

static void
to_bytes(XXH128_hash_t hash, struct digest *out)
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, hash);
	memcpy(out->bytes, canonical.digest, DIGEST_LEN);
}

static void
hash_plain(const void *bytes, size_t n, struct digest *out)
{
	to_bytes(XXH3_128bits(bytes, n), out);
}

static void
hash_keyed(const struct digest_key *key, const void *bytes, size_t n,
    struct digest *out)
{
	to_bytes(XXH3_128bits_withSecret(bytes, n, key->bytes,
	    sizeof(key->bytes)), out);
}

void
digest_of_seeded(uint64_t seed, const void *bytes, size_t n,
    struct digest *out)
{
	to_bytes(XXH3_128bits_withSeed(bytes, n, seed), out);
}

struct digest_stream *
digest_stream_new(const struct digest_key *key)
{
	struct digest_stream *s = malloc(sizeof(*s));

	if (s == NULL)
		return NULL;
	s->key = key;
	/* A state of the library's, in the form that the header knows. */
	s->wide = has_wide() && XXH_versionNumber() == XXH_VERSION_NUMBER;
	s->state = XXH3_createState();
	if (s->state == NULL) {
		free(s);
		return NULL;
	}
	digest_stream_reset(s);
	return s;
}

void
digest_stream_free(struct digest_stream *s)
{
	if (s == NULL)
		return;
	XXH3_freeState(s->state);
	free(s);
}

/* The calls below fail only for a NULL state or a short secret. */

void
digest_stream_reset(struct digest_stream *s)
{
	XXH_errorcode rc;

	if (s->key == NULL)
		rc = XXH3_128bits_reset(s->state);
	else
		rc = XXH3_128bits_reset_withSecret(s->state, s->key->bytes,
		    sizeof(s->key->bytes));
	assert(rc == XXH_OK);
	(void)rc;
}

static void
update(struct digest_stream *s, const void *bytes, size_t n)
{
	XXH_errorcode rc = XXH3_128bits_update(s->state, bytes, n);

	assert(rc == XXH_OK);
	(void)rc;
}

void
digest_stream_get(const struct digest_stream *s, struct digest *out)
{
	to_bytes(XXH3_128bits_digest(s->state), out);
}

void
digest_hex(const struct digest *d, char out[DIGEST_HEX_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < DIGEST_LEN; i++) {
		out[2 * i] = digits[d->bytes[i] >> 4];
		out[2 * i + 1] = digits[d->bytes[i] & 15];
	}
	out[DIGEST_HEX_LEN] = '\0';
}

static int
value_of_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;	/* upper case too: one digest, one spelling */
}

int
digest_from_hex(const char *hex, size_t n, struct digest *out)
{
	struct digest	d;
	size_t		i;
	int		hi, lo;

	if (n != DIGEST_HEX_LEN)
		return ERR_FORMAT;
	for (i = 0; i < DIGEST_LEN; i++) {
		hi = value_of_digit(hex[2 * i]);
		lo = value_of_digit(hex[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return ERR_FORMAT;
		d.bytes[i] = (unsigned char)(hi << 4 | lo);
	}
	*out = d;
	return 0;
}

bool
digest_equal(const struct digest *a, const struct digest *b)
{
	return memcmp(a->bytes, b->bytes, DIGEST_LEN) == 0;
}

/*
 * --- AVX2. ---
 *
 * Debian's library is made for every x86-64 and takes three times as long as
 * the code that its header has for this one. From here on the header's names
 * mean that code.
 */
#ifdef WIDE
#pragma GCC push_options
#pragma GCC target("avx2")
#define XXH_INLINE_ALL
#include <xxhash.h>

static void
hash_wide(const void *bytes, size_t n, struct digest *out)
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, n));
	memcpy(out->bytes, canonical.digest, DIGEST_LEN);
}

static void
update_wide(void *state, const void *bytes, size_t n)
{
	XXH_errorcode rc = XXH3_128bits_update(state, bytes, n);

	assert(rc == XXH_OK);
	(void)rc;
}
#pragma GCC pop_options
#endif

void
digest_of(const struct digest_key *key, const void *bytes, size_t n,
    struct digest *out)
{
#ifdef WIDE
	if (key == NULL && has_wide()) {
		hash_wide(bytes, n, out);
		return;
	}
#endif
	if (key == NULL)
		hash_plain(bytes, n, out);
	else
		hash_keyed(key, bytes, n, out);
}

void
digest_stream_add(struct digest_stream *s, const void *bytes, size_t n)
{
#ifdef WIDE
	if (n > 0 && s->wide) {
		update_wide(s->state, bytes, n);
		return;
	}
#endif
	if (n > 0)
		update(s, bytes, n);
}
