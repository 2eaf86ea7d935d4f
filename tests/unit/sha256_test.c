/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "common/sha256.h"
#include "tests/unit/unit.h"

#include <string.h>

/* FIPS 180-2, appendix B.1, and the empty message. */
START_TEST(published_vectors)
{
	static const unsigned char abc[SHA256_LEN] = {
		0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
		0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
		0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
		0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };
	unsigned char	out[SHA256_LEN];

	ck_assert_int_eq(sha256_of("abc", 3, out), 0);
	ck_assert_int_eq(memcmp(out, abc, SHA256_LEN), 0);
	ck_assert_int_eq(sha256_of("", 0, out), 0);
	ck_assert_uint_eq(out[0], 0xe3);
	ck_assert_uint_eq(out[31], 0x55);
}
END_TEST

UNIT_MAIN("sha256", published_vectors)
