/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/crc32c.h"
#include "tests/unit/unit.h"

#include <string.h>

/* The vectors of RFC 3720, appendix B.4, and the usual check value. */
START_TEST(published_vectors)
{
	unsigned char	b[32];
	size_t		i;

	ck_assert_uint_eq(crc32c(0, "123456789", 9), 0xe3069283);
	ck_assert_uint_eq(crc32c(0, "", 0), 0);
	memset(b, 0, sizeof(b));
	ck_assert_uint_eq(crc32c(0, b, 32), 0x8a9136aa);
	memset(b, 0xff, sizeof(b));
	ck_assert_uint_eq(crc32c(0, b, 32), 0x62a8ab43);
	for (i = 0; i < 32; i++)
		b[i] = (unsigned char)i;
	ck_assert_uint_eq(crc32c(0, b, 32), 0x46dd794e);
	for (i = 0; i < 32; i++)
		b[i] = (unsigned char)(31 - i);
	ck_assert_uint_eq(crc32c(0, b, 32), 0x113fdb5c);
}
END_TEST

START_TEST(both_ways_agree_at_every_length_and_alignment)
{
	unsigned char	b[300];
	size_t		from, n;

	for (n = 0; n < sizeof(b); n++)
		b[n] = (unsigned char)(n * 167 + 13);
	for (from = 0; from < 9; from++) {
		for (n = 0; n + from < sizeof(b); n++) {
			ck_assert_uint_eq(crc32c(7, b + from, n),
			    crc32c_by_table(7, b + from, n));
		}
	}
}
END_TEST

START_TEST(chained_and_combined)
{
	unsigned char	b[4096];
	uint32_t	whole, a;
	size_t		n;

	for (n = 0; n < sizeof(b); n++)
		b[n] = (unsigned char)(n * n >> 3);
	whole = crc32c(0, b, sizeof(b));
	for (n = 0; n <= sizeof(b); n += 31) {
		a = crc32c(0, b, n);
		ck_assert_uint_eq(crc32c(a, b + n, sizeof(b) - n), whole);
		ck_assert_uint_eq(crc32c_combine(a,
		    crc32c(0, b + n, sizeof(b) - n), sizeof(b) - n), whole);
	}
	ck_assert_uint_eq(crc32c_combine(whole, 0, 0), whole);
	ck_assert_uint_eq(crc32c_combine(0, whole, sizeof(b)), whole);
}
END_TEST

UNIT_MAIN("crc32c", published_vectors,
    both_ways_agree_at_every_length_and_alignment, chained_and_combined)
