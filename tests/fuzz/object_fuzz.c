/* SPDX-License-Identifier: MIT */
/*
 * Objects of a repository. The input is a header and a payload; the digest of
 * the header is put right, else nothing would get past it. Whole or in pieces
 * the verdict must be the same, and what is accepted has the digest that the
 * header names.
 */
#include "common/base.h"

#include <string.h>

#include "archiver/object.h"
#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"
#include "tests/fuzz/fuzz.h"

static int
collect(void *arg, const void *bytes, size_t n, struct err *e)
{
	struct buf *out = arg;

	if (buf_len(out) + n > 1 << 22)
		return err_set(e, ERR_LIMIT, "too long for a fuzzer");
	buf_append(out, bytes, n);
	return 0;
}

/* The same in pieces, whose sizes come from the bytes themselves. */
static int
in_pieces(enum object_kind kind, const uint8_t *bytes, size_t n,
    struct buf *out)
{
	struct object_reader r;
	struct err	e = { 0 };
	size_t		at, some;
	int		rc = object_reader_init(&r, kind, collect, out, &e);

	FUZZ_CHECK(rc == 0);
	for (at = 0; rc == 0 && at < n; at += some) {
		some = 1 + bytes[at] % 97;
		if (some > n - at)
			some = n - at;
		rc = object_reader_feed(&r, bytes + at, some, &e);
	}
	if (rc == 0)
		rc = object_reader_finish(&r, &e);
	object_reader_release(&r);
	return rc;
}

/* What we pack comes back; with a bit changed never as something else. */
static void
round_trip(const uint8_t *bytes, size_t n)
{
	struct buf	object = { 0 }, back = { 0 };
	struct err	e = { 0 };
	uint8_t		*p;
	size_t		at;

	FUZZ_CHECK(object_pack(OBJECT_WAL_FILE,
	    n % 2 ? FILTER_LZ4 : FILTER_NONE, 0, bytes, n, &object, &e) == 0);
	FUZZ_CHECK(object_unpack(OBJECT_WAL_FILE, buf_bytes(&object),
	    buf_len(&object), &back, &e) == 0);
	FUZZ_CHECK(buf_len(&back) == n);
	FUZZ_CHECK(n == 0 || memcmp(buf_bytes(&back), bytes, n) == 0);
	p = malloc(buf_len(&object));
	FUZZ_CHECK(p != NULL);
	memcpy(p, buf_bytes(&object), buf_len(&object));
	at = n > 0 ? bytes[0] * 7919u % buf_len(&object) : 0;
	p[at] = (uint8_t)(p[at] ^ 1 << (n % 8));
	buf_clear(&back);
	/* Another way to compress the same is no damage. */
	if (object_unpack(OBJECT_WAL_FILE, p, buf_len(&object), &back, &e) == 0)
		FUZZ_CHECK(buf_len(&back) == n && n > 0 &&
		    memcmp(buf_bytes(&back), bytes, n) == 0);
	else
		FUZZ_CHECK(buf_len(&back) == 0);
	free(p);
	buf_release(&object);
	buf_release(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct object_header h;
	struct digest	d;
	struct buf	whole = { 0 }, pieces = { 0 };
	struct err	e = { 0 };
	unsigned char	again[OBJECT_HEADER_SIZE];
	uint8_t		*object = malloc(n + 1);
	int		rc;

	round_trip(bytes, n);
	FUZZ_CHECK(object != NULL);
	memcpy(object, bytes, n);
	if (n >= OBJECT_HEADER_SIZE) {
		digest_of(NULL, object, 80, &d);
		memcpy(object + 80, d.bytes, 8);
	}
	if (object_header_decode(&h, object, n, &e) == 0) {
		object_header_encode(&h, again);
		FUZZ_CHECK(memcmp(again, object, OBJECT_HEADER_SIZE) == 0);
		if (h.plain_size < 1 << 22) {
			rc = object_unpack(h.kind, object, n, &whole, &e);
			FUZZ_CHECK((rc == 0) ==
			    (in_pieces(h.kind, object, n, &pieces) == 0));
			if (rc == 0) {
				digest_of(NULL, buf_bytes(&whole),
				    buf_len(&whole), &d);
				FUZZ_CHECK(digest_equal(&d, &h.digest));
				FUZZ_CHECK(buf_len(&whole) ==
				    buf_len(&pieces));
			}
		}
	}
	free(object);
	buf_release(&whole);
	buf_release(&pieces);
	return 0;
}
