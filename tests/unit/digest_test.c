/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/digest.h"

#include <string.h>

#include "common/err.h"
#include "tests/unit/unit.h"

static void
expect_hex(const struct digest *d, const char *hex)
{
	char text[DIGEST_HEX_LEN + 1];

	digest_hex(d, text);
	ck_assert_str_eq(text, hex);
}

START_TEST(known_values)
{
	static char page[8192];
	struct digest d;

	/* From `xxhsum -H2`. */
	digest_of(NULL, "", 0, &d);
	expect_hex(&d, "99aa06d3014798d86001c324468d497f");
	digest_of(NULL, "abc", 3, &d);
	expect_hex(&d, "06b05ab6733a618578af5f94892f3950");
	memset(page, 'x', sizeof(page));
	digest_of(NULL, page, sizeof(page), &d);
	expect_hex(&d, "a9f20ae68e5dcb2b9fdb0e2ff17fcc3c");
}
END_TEST

START_TEST(streams_agree_with_one_shot)
{
	static const size_t sizes[] = { 0, 1, 16, 17, 128, 129, 240, 241, 256,
	    257, 1024, 4096, 65536 };
	static const size_t steps[] = { 1, 7, 64, 256, 65536 };
	static unsigned char data[65536];
	struct digest_key key;
	const struct digest_key *keys[] = { NULL, &key };
	struct digest_stream *s;
	struct digest	one, two;
	size_t		i, j, k, at;

	for (i = 0; i < sizeof(data); i++)
		data[i] = (unsigned char)(i * 2654435761u >> 13);
	memcpy(key.bytes, data + 100, sizeof(key.bytes));
	for (k = 0; k < ARRAY_LEN(keys); k++) {
		s = digest_stream_new(keys[k]);
		ck_assert_ptr_nonnull(s);
		for (i = 0; i < ARRAY_LEN(sizes) * ARRAY_LEN(steps); i++) {
			size_t n = sizes[i / ARRAY_LEN(steps)];

			j = steps[i % ARRAY_LEN(steps)];
			digest_of(keys[k], data, n, &one);
			for (at = 0; at < n; at += j)
				digest_stream_add(s, data + at,
				    MIN(j, n - at));
			digest_stream_get(s, &two);
			ck_assert(digest_equal(&one, &two));
			digest_stream_reset(s);
		}
		digest_stream_free(s);
	}
	digest_stream_free(NULL);
}
END_TEST

START_TEST(keys_and_seeds_matter)
{
	struct digest_key a, b;
	struct digest	d[4];
	size_t		i;

	/* Not constant bytes: XXH3 XORs parts of its secret together. */
	for (i = 0; i < sizeof(a.bytes); i++) {
		a.bytes[i] = (unsigned char)(i * i * 31 + 7 * i);
		b.bytes[i] = (unsigned char)(i * i * 57 + 5 * i);
	}
	digest_of(NULL, "abc", 3, &d[0]);
	digest_of(&a, "abc", 3, &d[1]);
	digest_of(&b, "abc", 3, &d[2]);
	ck_assert(!digest_equal(&d[0], &d[1]));
	ck_assert(!digest_equal(&d[1], &d[2]));
	digest_of_seeded(0, "abc", 3, &d[3]);
	ck_assert(digest_equal(&d[0], &d[3]));
	digest_of_seeded(1, "abc", 3, &d[3]);
	ck_assert(!digest_equal(&d[0], &d[3]));
}
END_TEST

START_TEST(hex)
{
	static const char text[] = "00ff10deadbeef0123456789abcdef5a";
	struct digest d, before;

	ck_assert_int_eq(digest_from_hex(text, 32, &d), 0);
	expect_hex(&d, text);
	before = d;
	ck_assert_int_eq(digest_from_hex(text, 31, &d), ERR_FORMAT);
	ck_assert_int_eq(digest_from_hex(text, 33, &d), ERR_FORMAT);
	ck_assert_int_eq(digest_from_hex(
	    "00FF10deadbeef0123456789abcdef5a", 32, &d), ERR_FORMAT);
	ck_assert_int_eq(digest_from_hex(
	    "00ff10deadbeef0123456789abcdef5g", 32, &d), ERR_FORMAT);
	ck_assert(digest_equal(&d, &before));
}
END_TEST

UNIT_MAIN("digest", known_values, streams_agree_with_one_shot,
    keys_and_seeds_matter, hex)
