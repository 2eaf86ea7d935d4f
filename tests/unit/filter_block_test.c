/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/filter_block.h"
#include "common/err.h"
#include "tests/unit/unit.h"

#include <string.h>

static unsigned char	plain[BLOCK_MAX], stored[BLOCK_STORED_MAX];
static unsigned char	back[BLOCK_MAX];

static void
fill(bool noise)
{
	uint32_t	x = 1;
	size_t		i;

	for (i = 0; i < sizeof(plain); i++) {
		x = x * 1664525u + 1013904223u;
		plain[i] = noise ? (unsigned char)(x >> 24) :
		    (unsigned char)(i >> 6);
	}
}

START_TEST(round_trips)
{
	static const size_t lengths[] = { 1, 2, 3, 100, 8192, 65535, 65536 };
	struct err	e = { 0 };
	size_t		i, n, used;
	int		codec, noise;

	for (codec = 0; codec < 2; codec++) {
		for (noise = 0; noise < 2; noise++) {
			fill(noise != 0);
			for (i = 0; i < ARRAY_LEN(lengths); i++) {
				n = lengths[i];
				used = block_pack((enum block_codec)codec,
				    plain, n, stored);
				ck_assert_uint_le(used, n + 1);
				ck_assert_int_eq(block_unpack(stored, used,
				    back, n, &e), 0);
				ck_assert_int_eq(memcmp(plain, back, n), 0);
			}
		}
	}
	fill(false);
	ck_assert_uint_lt(block_pack(BLOCK_LZ4, plain, BLOCK_MAX, stored),
	    BLOCK_MAX / 10);
	ck_assert_uint_eq(stored[0], BLOCK_LZ4);
	fill(true);
	ck_assert_uint_eq(block_pack(BLOCK_LZ4, plain, BLOCK_MAX, stored),
	    BLOCK_MAX + 1);
	ck_assert_uint_eq(stored[0], BLOCK_PLAIN);
}
END_TEST

START_TEST(refusals)
{
	struct err	e = { 0 };
	size_t		used, n;

	fill(false);
	used = block_pack(BLOCK_LZ4, plain, 8192, stored);
	ck_assert_int_eq(block_unpack(stored, used, back, 8191, &e),
	    ERR_FORMAT);
	ck_assert_int_eq(block_unpack(stored, used, back, 8193, &e),
	    ERR_FORMAT);
	ck_assert_str_eq(e.msg, "a block does not expand to 8193 bytes");
	for (n = 0; n < used; n++) {
		ck_assert_int_eq(block_unpack(stored, n, back, 8192, &e),
		    ERR_FORMAT);
	}
	stored[0] = 9;
	ck_assert_int_eq(block_unpack(stored, used, back, 8192, &e),
	    ERR_FORMAT);
	ck_assert_str_eq(e.msg, "a block has the unknown compression 9");
	used = block_pack(BLOCK_PLAIN, plain, 10, stored);
	ck_assert_int_eq(block_unpack(stored, used, back, 9, &e), ERR_FORMAT);
	ck_assert_int_eq(block_unpack(stored, BLOCK_STORED_MAX + 1, back, 10,
	    &e), ERR_FORMAT);
}
END_TEST

UNIT_MAIN("filter_block", round_trips, refusals)
