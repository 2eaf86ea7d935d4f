/* SPDX-License-Identifier: MIT */
#include "common/base.h"
#include "archiver/pagesum.h"
#include "tests/unit/unit.h"

#include <string.h>

/* One byte in front, so that the page itself is not aligned. */
static unsigned char	memory[8193];
static unsigned char	*const page = memory + 1;

static void
fill(uint32_t x)
{
	size_t	i;

	for (i = 0; i < 8192; i++) {
		x = (x * 1103515245u + 12345u) & 0x7fffffff;
		page[i] = (unsigned char)(x >> 16);
	}
}

/* What page_checksum() of PostgreSQL's pageinspect says of the same bytes. */
START_TEST(postgresql_agrees)
{
	fill(1);
	ck_assert_uint_eq(pagesum_compute(page, 8192, 0), 27575);
	ck_assert_uint_eq(pagesum_compute(page, 8192, 1), 27576);
	fill(2);
	ck_assert_uint_eq(pagesum_compute(page, 8192, 131071), 41182);
	fill(3);
	ck_assert_uint_eq(pagesum_compute(page, 8192, 4000000000u), 38520);
}
END_TEST

START_TEST(every_byte_counts_but_the_checksum)
{
	uint16_t	sum;
	size_t		i;

	fill(4);
	sum = pagesum_compute(page, 8192, 7);
	memcpy(page + 8, &sum, sizeof(sum));
	ck_assert_uint_eq(pagesum_compute(page, 8192, 7), sum);
	ck_assert_int_eq(pagesum_check(page, 8192, 7), PAGESUM_GOOD);
	ck_assert_int_eq(pagesum_check(page, 8192, 8), PAGESUM_BAD);
	for (i = 0; i < 8192; i++) {
		page[i] ^= 0x40;
		ck_assert_int_eq(pagesum_check(page, 8192, 7), PAGESUM_BAD);
		page[i] ^= 0x40;
	}
}
END_TEST

START_TEST(new_pages)
{
	memset(page, 0, 8192);
	ck_assert_int_eq(pagesum_check(page, 8192, 0), PAGESUM_NEW);
	page[8191] = 1;		/* new by its header, but not empty */
	ck_assert_int_eq(pagesum_check(page, 8192, 0), PAGESUM_BAD);
	memset(page, 0, 8192);
	page[0] = 1;
	ck_assert_int_eq(pagesum_check(page, 8192, 0), PAGESUM_BAD);
}
END_TEST

START_TEST(lsn)
{
	static const unsigned char header[] = { 2, 0, 0, 0, 0x28, 0, 0, 0x6a };

	ck_assert_uint_eq(pagesum_lsn(header), 0x26a000028u);
}
END_TEST

UNIT_MAIN("pagesum", postgresql_agrees, every_byte_counts_but_the_checksum,
    new_pages, lsn)
